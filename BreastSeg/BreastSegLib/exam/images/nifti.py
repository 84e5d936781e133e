"""Is a NIfTI file whole?

SimpleITK reads a truncated one without complaint and fills the rest with whatever was in memory.
"""

import gzip
import struct
import zlib
from math import prod
from pathlib import Path

from ...errors import BadInput

PIECE = 8 << 20


def check_whole(path, report=None):
    """Read through a .nii or .nii.gz file once to see that all its voxels are there and its checksum is right.

    Parameters
    ----------
    path : Path
        Files with another ending pass.
    report : callable, optional
        Called without arguments between pieces; may raise `Cancelled`.

    Raises
    ------
    BadInput
        If the file is shorter than its header says, or the compressed data are damaged.
    """
    name = Path(path).name.lower()
    if not name.endswith((".nii", ".nii.gz")):
        return
    try:
        length, needed = _gzip_length(path, report) if name.endswith(".gz") else _plain_length(path)
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput("The image file is damaged or incomplete", path, "Copy or export it again") from error
    if length < needed:
        raise BadInput(f"The image file is incomplete: {length} of {needed} bytes", path, "Copy or export it again")


def _plain_length(path):
    with open(path, "rb") as stream:
        return Path(path).stat().st_size, _needed(stream.read(540))


def _gzip_length(path, report):
    with open(path, "rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    if not packed:
        return _plain_length(path)
    length, needed = 0, None
    with gzip.open(path, "rb") as stream:
        while piece := stream.read(PIECE):
            needed = _needed(piece[:540]) if needed is None else needed
            length += len(piece)
            if report is not None:
                report()
    return length, needed or 0


def _needed(header):
    """Return the number of bytes that a NIfTI-1 or NIfTI-2 header promises (0 when it is neither)."""
    for order in "<>":
        if header[:4] == struct.pack(order + "i", 348) and len(header) >= 112:
            dimensions, bits = (
                struct.unpack_from(order + "8h", header, 40),
                struct.unpack_from(order + "h", header, 72)[0],
            )
            offset = struct.unpack_from(order + "f", header, 108)[0] if header[344:347] == b"n+1" else 0
        elif header[:4] == struct.pack(order + "i", 540) and len(header) >= 176:
            dimensions, bits = (
                struct.unpack_from(order + "8q", header, 16),
                struct.unpack_from(order + "h", header, 14)[0],
            )
            offset = struct.unpack_from(order + "q", header, 168)[0]
        else:
            continue
        rank = dimensions[0]
        return int(offset) + prod(max(n, 1) for n in dimensions[1 : 1 + rank]) * bits // 8 if 0 < rank < 8 else 0
    return 0

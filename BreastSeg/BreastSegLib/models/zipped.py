"""Zip files from strangers: opened within limits, before anything in them is believed."""

import os
import stat
import struct
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..errors import BadInput

MOST_ENTRIES = 50_000
MOST_DIRECTORY = 16 << 20
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What Python raises on damaged archives, besides its own BadZipFile.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    struct.error,
)
_END, _END64 = b"PK\x05\x06", b"PK\x06\x06"
_REPARSE_POINT = 0x400
_LESS = "Give a zip of the model alone"


@contextmanager
def open_zip(path, what="The zip"):
    """Give the `zipfile.ZipFile` of `path` after checking the size of its directory and every entry's kind.

    Parameters
    ----------
    path : str or Path
    what : str
        How messages call the file.

    Raises
    ------
    BadInput
        If it cannot be read, is no zip, is cut off, has too many entries, or has an encrypted entry, a link, a device,
        an unknown compression or entries that share bytes.
    """
    path = Path(path)
    with ExitStack() as stack:
        with damage_told(path, what):
            stream = stack.enter_context(open(path, "rb"))
            _check_directory_size(stream, path, what)
            archive = stack.enter_context(zipfile.ZipFile(stream))
            entries = archive.infolist()
            if len(entries) > MOST_ENTRIES:
                raise BadInput(f"{what} has {len(entries)} entries; at most {MOST_ENTRIES} are taken", path, _LESS)
            for entry in entries:
                _check_entry(entry, path, what)
            _check_overlap(entries, path, what)
        yield archive


@contextmanager
def damage_told(path, what="The zip", entry=""):
    """Turn what Python raises while it reads a damaged archive into a `BadInput` that names the file and the entry."""
    inside = f" at {readable(entry)}" if entry else ""
    try:
        yield
    except OSError as error:
        raise BadInput(f"{what} cannot be read{inside}: {error.strerror or error}", path) from error
    except DAMAGE as error:
        raise BadInput(
            f"{what} is damaged or cut off{inside}: {one_line(error)}", path, "Get the file again"
        ) from error


def readable(text, most=120):
    """Return `text` with whatever is not printable escaped, cut to `most` characters, for a message."""
    shown = "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in str(text)[: most + 1])
    return shown if len(shown) <= most else shown[:most] + "…"


def one_line(error):
    """Return the text of a foreign error as one short printable line."""
    return readable(" ".join(str(error).split()) or type(error).__name__)


def _check_directory_size(stream, path, what):
    """Refuse huge directories before Python builds an object for every entry.

    Python trusts the directory's size and not the declared count, so the size is what is limited.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - 22 - 65535 - 76))
    tail = stream.read()
    place = tail.rfind(_END)
    if place < 0 or len(tail) - place < 22:
        raise BadInput(f"{what} is cut off or is not a zip file", path, "Get the file again")
    directory = struct.unpack("<I", tail[place + 12 : place + 16])[0]
    if directory == 0xFFFFFFFF:
        directory, large = 0, -1
        while (large := tail.find(_END64, large + 1)) >= 0 and len(tail) - large >= 48:
            directory = max(directory, struct.unpack("<Q", tail[large + 40 : large + 48])[0])
    if directory > MOST_DIRECTORY:
        raise BadInput(f"{what} has too many entries: its directory alone takes {directory >> 20} MiB", path, _LESS)
    stream.seek(0)


def _check_entry(entry, path, what):
    name, kind = readable(entry.orig_filename), stat.S_IFMT(entry.external_attr >> 16)
    if entry.flag_bits & 0x2041:
        raise BadInput(
            f"{what} has an encrypted entry: {name}", path, "Unpack it with its password, then pack it anew"
        )
    if kind == stat.S_IFLNK or entry.external_attr & _REPARSE_POINT:
        raise BadInput(f"{what} has a link: {name}", path, "A model needs none; do not use this file")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadInput(f"{what} has an entry that is no ordinary file: {name}", path, "Do not use this file")
    if entry.compress_type not in METHODS:
        raise BadInput(
            f"{what} uses a compression that models do not need: {name}", path, "Pack it as an ordinary zip"
        )


def _check_overlap(entries, path, what):
    """Refuse entries that share bytes: the way to a small file that unpacks to terabytes."""
    end, before = 0, None
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise BadInput(
                f"{what} has entries that share bytes: {readable(before)} and {readable(entry.orig_filename)}",
                path,
                "It is built to fill the disk; do not use it",
            )
        end = entry.header_offset + 30 + entry.compress_size
        before = entry.orig_filename

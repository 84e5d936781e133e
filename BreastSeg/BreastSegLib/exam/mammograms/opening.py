"""Files opened by what they hold, not by their names; gzip'd ones too."""

import gzip
import io
import warnings
import zlib
from contextlib import contextmanager

from ...errors import BadInput

LARGEST_BYTES = 2**31
AGAIN = "Export the image again"


def kind_of(path, where):
    """Return ``dicom``, ``png``, ``tiff``, ``pgm``, another picture kind (``jpeg``, ``pnm``), or empty.

    Parameters
    ----------
    path : str or Path
    where : str
        What the image is called in messages.

    Raises
    ------
    BadInput
        If the file cannot be opened.
    """
    with opened(path, where) as stream:
        start = stream.read(132)
    if start[128:132] == b"DICM":
        return "dicom"
    for kind, marks in (
        ("png", (b"\x89PNG\r\n\x1a\n",)),
        ("tiff", (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")),
        ("jpeg", (b"\xff\xd8\xff",)),
        ("pgm", (b"P2", b"P5")),
        ("pnm", (b"P1", b"P3", b"P4", b"P6")),
    ):
        if start.startswith(marks):
            return kind
    # Without a preamble a file begins with a tag of group 2 or 8.
    bare = start[:2] in (b"\x02\x00", b"\x08\x00") or start[:3] in (b"\x00\x08\x00", b"\x00\x02\x00")
    return "dicom" if bare and len(start) == 132 else ""


@contextmanager
def opened(path, where):
    """Give a binary stream of the file's content, decompressed when it is a gzip file.

    Raises
    ------
    BadInput
        If the file is missing, a folder, not readable, empty, or a damaged gzip file.
    """
    try:
        with open(path, "rb") as stream:
            start = stream.read(2)
            stream.seek(0)
            if not start:
                raise BadInput("The file is empty", where, AGAIN)
            yield io.BytesIO(_unzipped(stream, where)) if start == b"\x1f\x8b" else stream
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadInput("The file does not exist", where, "Check the path") from error
    except IsADirectoryError as error:
        raise BadInput("This is a folder, not an image file", where, "Give its files") from error
    except PermissionError as error:
        raise BadInput("The file cannot be read: no permission", where, "Check the permissions") from error
    except OSError as error:
        raise BadInput("The file cannot be read to its end", where, f"Check the disk, or {AGAIN.lower()}") from error


def open_dicom(path, where, pixels=False):
    """Return the data set of a DICOM file, with a transfer syntax in its file header.

    Parameters
    ----------
    path : str or Path
    where : str
    pixels : bool
        Read the pixel data too.

    Returns
    -------
    pydicom.Dataset

    Raises
    ------
    BadInput
        If the file cannot be read or parsed.
    """
    import pydicom

    try:
        with warnings.catch_warnings(), opened(path, where) as stream:
            warnings.simplefilter("ignore")
            data = pydicom.dcmread(stream, stop_before_pixels=not pixels, force=True)
            if not str(data.file_meta.get("TransferSyntaxUID", "") or ""):
                data.file_meta.TransferSyntaxUID = _syntax(data)
            return data
    except BadInput:
        raise
    except Exception as error:  # noqa: BLE001 - damaged bytes make the parser raise almost any exception
        raise BadInput("The DICOM file is damaged or incomplete", where, AGAIN) from error


def _syntax(data):
    implicit, little = data.original_encoding
    if implicit or implicit is None:
        return "1.2.840.10008.1.2"
    return "1.2.840.10008.1.2.1" if little else "1.2.840.10008.1.2.2"


def _unzipped(stream, where):
    try:
        with gzip.GzipFile(fileobj=stream) as unzipped:
            content = unzipped.read(LARGEST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput("The gzip file is damaged or incomplete", where, "Compress the image again") from error
    if len(content) > LARGEST_BYTES:
        raise BadInput("The gzip file holds more than any mammogram", where, "Give the image uncompressed")
    return content

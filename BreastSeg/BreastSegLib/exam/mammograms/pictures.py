"""Mammograms as plain pictures: 8 and 16 bit PNG, TIFF and PGM."""

import re
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import BadInput
from ..dicom.overhear import overheard
from ..dicom.pixels import plain_path
from .opening import opened
from .size import check_size
from .spacing import plausible

AGAIN = "Save the picture again as a grey 8 or 16 bit PNG, TIFF or PGM"
WHITE_IS_ZERO = 0
TIFF_PHOTOMETRIC, TIFF_UNIT, TIFF_X, TIFF_Y = 262, 296, 282, 283
MM = {2: 25.4, 3: 10.0}
# What programs write when they know nothing, in dots per inch.
DEFAULT_DPI = (72, 96, 100, 150, 200, 300, 600)


@dataclass(frozen=True)
class PictureHeader:
    """What a picture says about itself.

    Parameters
    ----------
    shape : tuple of int
        Rows, columns.
    spacing : tuple of float or None
        Along (x, y), mm.
    notes : tuple of str
    inverted : bool
        The file says that its smallest value is white.
    """

    shape: tuple
    spacing: tuple | None = None
    notes: tuple = ()
    inverted: bool = False


def picture_header(path, kind, where):
    """Return the `PictureHeader` of a file.

    Parameters
    ----------
    path : str or Path
    kind : {'png', 'tiff', 'pgm'}
    where : str

    Raises
    ------
    BadInput
        If it is damaged, of a kind that is not read, or too large or small.
    """
    if kind == "jpeg":
        raise BadInput("JPEG pictures are not read: they have lost detail", where, AGAIN)
    if kind == "pnm":
        raise BadInput("Colour and black-and-white PNM pictures are not read", where, AGAIN)
    if kind == "pgm":
        with opened(path, where) as stream:
            _, columns, rows, _, _ = _pgm_header(stream.read(4096), where)
        check_size(rows, columns, where)
        return PictureHeader((rows, columns))
    return _pillow_header(path, kind, where)


def read_picture(path, kind, where):
    """Return the grey values of a picture as the file holds them.

    Parameters
    ----------
    path : str or Path
    kind : {'png', 'tiff', 'pgm'}
    where : str

    Returns
    -------
    numpy.ndarray
        uint8, uint16 or int16, (y, x).

    Raises
    ------
    BadInput
        If it is damaged, in colour, or not of 8 or 16 bits.
    """
    header = picture_header(path, kind, where)
    if kind == "pgm":
        return _read_pgm(path, where)
    array = _by_sitk(path, kind, where)
    if array.ndim == 3 and array.shape[-1] <= 4 and array.shape[:2] == header.shape:
        array = _grey(array, where)
    if array.shape != header.shape:
        raise BadInput("The picture does not have the size that its header says", where, AGAIN)
    if array.dtype not in (np.uint8, np.uint16, np.int16):
        raise BadInput(f"The picture's values are of a kind that is not read ({array.dtype})", where, AGAIN)
    return array


def _pillow_header(path, kind, where):
    from PIL import Image

    with warnings.catch_warnings(), opened(path, where) as stream:
        warnings.simplefilter("ignore")
        try:
            with Image.open(stream, formats=[kind.upper()]) as picture:
                columns, rows = picture.size
                frames = getattr(picture, "n_frames", 1)
                tags = dict(picture.tag_v2) if kind == "tiff" else {}
        except Exception as error:  # noqa: BLE001 - damaged bytes make the reader raise almost any exception
            raise BadInput("The picture is damaged or of a kind that is not read", where, AGAIN) from error
    check_size(rows, columns, where)
    if frames > 1:
        raise BadInput(f"The picture holds {frames} pages", where, "Give each mammogram as its own file")
    spacing, notes = _resolution(tags, (rows, columns))
    return PictureHeader((rows, columns), spacing, tuple(notes), tags.get(TIFF_PHOTOMETRIC) == WHITE_IS_ZERO)


def _resolution(tags, shape):
    """Return the pixel size that TIFF tags tell, if it can be that of a mammogram, and notes."""
    try:
        unit = MM[int(tags.get(TIFF_UNIT, 0))]
        dots = float(tags[TIFF_X]), float(tags[TIFF_Y])
        x, y = unit / dots[0], unit / dots[1]
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None, []
    usual = all(any(abs(25.4 / v - dpi) < 0.5 for dpi in DEFAULT_DPI) for v in (x, y))
    if usual or not plausible((y, x), shape=shape):
        return None, [
            f"The TIFF's resolution ({25.4 / x:.0f} dots per inch) is not believed to be the film's: a usual default, "
            "or no size of a mammogram."
        ]
    return (x, y), []


def _by_sitk(path, kind, where):
    import SimpleITK as sitk

    name = {"png": "PNGImageIO", "tiff": "TIFFImageIO"}[kind]
    try:
        with tempfile.TemporaryDirectory(prefix="breastseg-", ignore_cleanup_errors=True) as folder:
            # A copy: the file may be gzip'd, have another ending, or a path that SimpleITK cannot open.
            copy = Path(folder) / f"picture.{kind}"
            with opened(path, where) as stream, open(copy, "wb") as target:
                shutil.copyfileobj(stream, target)
            with plain_path(copy) as readable, overheard([]):
                return sitk.GetArrayFromImage(sitk.ReadImage(str(readable), imageIO=name))
    except RuntimeError as error:
        raise BadInput("The picture is damaged or incomplete", where, AGAIN) from error


def _grey(array, where):
    """Return one channel of a picture whose colour channels are all the same."""
    colours = array[..., : 1 if array.shape[-1] == 2 else 3]
    if any(not np.array_equal(colours[..., 0], colours[..., k]) for k in range(1, colours.shape[-1])):
        raise BadInput("The picture is in colour", where, AGAIN)
    return np.ascontiguousarray(colours[..., 0])


def _pgm_header(start, where):
    """Return kind, columns, rows, largest value and where the pixels begin."""
    blank = rb"(?:\s|#[^\r\n]*[\r\n])+"
    match = re.match(rb"(P[25])" + 3 * (blank + rb"(\d{1,9})") + rb"(?:\s*#[^\r\n]*[\r\n]|\s)", start)
    if not match or not 0 < int(match[4]) < 65536:
        raise BadInput("The PGM picture has a damaged header", where, AGAIN)
    return match[1], int(match[2]), int(match[3]), int(match[4]), match.end()


def _read_pgm(path, where):
    with opened(path, where) as stream:
        content = stream.read()
    kind, columns, rows, largest, begin = _pgm_header(content[:4096], where)
    count = rows * columns
    dtype = np.dtype(">u2") if largest > 255 else np.dtype("u1")
    if kind == b"P5":
        if len(content) - begin < count * dtype.itemsize:
            raise BadInput("The picture is incomplete", where, AGAIN)
        values = np.frombuffer(content, dtype, count, begin)
    else:
        try:
            values = np.array(re.sub(rb"#[^\r\n]*", b"", content[begin:]).split()[:count], np.int64)
        except (ValueError, OverflowError) as error:
            raise BadInput("The picture is damaged", where, AGAIN) from error
        if len(values) < count:
            raise BadInput("The picture is incomplete", where, AGAIN)
    if values.max(initial=0) > largest or values.min(initial=0) < 0:
        raise BadInput("The picture has values beyond the largest that its header says", where, AGAIN)
    return values.reshape(rows, columns).astype(np.uint16 if largest > 255 else np.uint8)

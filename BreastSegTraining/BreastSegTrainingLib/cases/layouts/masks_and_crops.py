"""Which file of a CBIS-DDSM lesion is the mask and which the crop: their pixels tell, names and tables do not."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.dicom.values import integer
from BreastSegLib.exam.mammograms.opening import open_dicom
from BreastSegLib.exam.mammograms.size import stored_values

LINES = 96  # of an image are looked at: a crop is grey in any of them
PIXELS = 0x7FE00010


@dataclass(frozen=True)
class Lesion:
    """The files of a lesion.

    Parameters
    ----------
    image, mask : Path
    fix : str
        ``to-1`` where the mask's value is not 1.
    swapped : bool
        Whether the table, or the folder's name, calls the mask the crop.
    other_size : bool
        Whether the mask has another size than the image.
    """

    image: Path
    mask: Path
    fix: str = ""
    swapped: bool = False
    other_size: bool = False


@dataclass(frozen=True)
class _File:
    path: Path
    size: tuple
    value: int | None  # of a mask: its only value besides 0


def tell_apart(image, files, named=None):
    """Return the `Lesion` of an image and the files of one of its lesions.

    Parameters
    ----------
    image : Path
        The full mammogram.
    files : sequence of Path
        Mask and crop, in any order; other copies of them may lie beside.
    named : Path, optional
        The file that the table calls the mask.

    Raises
    ------
    BadInput
        If no file, or more than one, can be the mask.
    """
    size = _size(open_dicom(image, image.name))
    masks, damaged = [], []
    for path in files:
        try:
            masks += [file for file in [_look(path)] if file.value is not None]
        except BadInput as error:
            damaged.append(error)
    if len(masks) > 1:
        # A crop can be black and white by chance; it is smaller than the image.
        masks = [file for file in masks if file.size == size] or masks
    if not masks and damaged:
        raise damaged[0]
    if not masks:
        raise BadInput(f"none of the {len(files)} files of the lesion is a mask (two values, one of them 0)")
    if len(masks) > 1:
        raise BadInput(f"{len(masks)} files of the lesion may be the mask: keep one of them")
    mask = masks[0]
    called_crop = "cropped" in mask.path.parent.name.lower()
    swapped = called_crop or (named is not None and named != mask.path)
    return Lesion(image, mask.path, "" if mask.value == 1 else "to-1", swapped, mask.size != size)


def _look(path):
    data = open_dicom(path, path.name)
    return _File(path, _size(data), _only_value(path, data))


def _size(data):
    return integer(data, "Rows", 0), integer(data, "Columns", 0)


def _only_value(path, data):
    """Return the only value besides 0 of an image, None when it has several or none."""
    values = np.unique(_sample(path, data))
    if len(values) > 2 or (len(values) == 2 and values[0] != 0):
        return None
    if len(values) == 2:
        return int(values[1])
    # The lines that were looked at miss a small lesion: look at all of them.
    whole, _ = stored_values(open_dicom(path, path.name, pixels=True), path.name)
    values = np.unique(whole)
    return int(values[1]) if len(values) == 2 and values[0] == 0 else None


def _sample(path, data):
    """Return some lines of an image; of a compressed one all of them, because it has to be unpacked anyway."""
    rows, columns = _size(data)
    begin = None if data.file_meta.TransferSyntaxUID.is_compressed else _pixels_at(path)
    bits = integer(data, "BitsAllocated", 16)
    if begin is None or bits not in (8, 16) or min(rows, columns) < 1:
        whole, _ = stored_values(open_dicom(path, path.name, pixels=True), path.name)
        return whole
    order = "<" if data.file_meta.TransferSyntaxUID.is_little_endian else ">"
    kind = np.dtype(np.uint8 if bits == 8 else f"{order}u2")
    try:
        pixels = np.memmap(path, kind, "r", begin, (rows, columns))
    except (ValueError, OSError) as error:
        raise BadInput("a DICOM file of the lesion is incomplete") from error
    return np.array(pixels[np.unique(np.linspace(0, rows - 1, LINES).astype(int))])


def _pixels_at(path):
    """Return where the pixels begin in a file, None where that is not plain."""
    try:
        data = pydicom.dcmread(path, defer_size=1024, force=True)
        return getattr(data.get_item(PIXELS), "value_tell", None)
    except Exception:  # noqa: BLE001 - the plain way is taken instead, which says what is wrong
        return None

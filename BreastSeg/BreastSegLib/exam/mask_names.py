"""What the labels of a mask file are called: Slicer's segments, or those of a DICOM segmentation."""

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInput
from .dicom.pixels import plain_path
from .dicom.segfile import SegmentFound, read_seg
from .mask_files import SLICER, is_dicom_mask

_KEY = re.compile(r"Segment[0-9]+_(Name|LabelValue|Tags)")
_ENTRY = "TerminologyEntry:"
_EMPTY = ("", "", "")


@dataclass(frozen=True)
class _Entry:
    """The parts of Slicer's terminology entry that a segment of a DICOM file has, too."""

    category: tuple = ()
    type: tuple = ()
    region: tuple = ()
    side: tuple = ()


def segments_in(path):
    """Return what a mask file says about its labels.

    Parameters
    ----------
    path : str or Path
        Any mask file; only ``.seg.nrrd`` and DICOM segmentations say something.

    Returns
    -------
    dict of int to SegmentFound
        By the label's value.

    Raises
    ------
    BadInput
        If the file is damaged.
    """
    if is_dicom_mask(path):
        return {segment.number: segment for segment in read_seg(path)[1]}
    if not str(path).lower().endswith(SLICER):
        return {}
    told, found, number = _told(path), {}, 0
    while f"Segment{number}_LabelValue" in told:
        start = f"Segment{number}_"
        try:
            value = int(told[start + "LabelValue"])
        except ValueError as error:
            raise BadInput(f"Segment {number + 1} of the mask has no number as its label", path) from error
        entry = _entry(told.get(start + "Tags", ""))
        found[value] = SegmentFound(
            value, told.get(start + "Name", ""), entry.category, entry.type, entry.region, entry.side
        )
        number += 1
    return found


def _told(path):
    """Return the keys of the header that are about segments."""
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    try:
        with plain_path(Path(path)) as readable:
            reader.SetFileName(str(readable))
            reader.ReadImageInformation()
        return {key: _readable(reader.GetMetaData(key)) for key in reader.GetMetaDataKeys() if _KEY.fullmatch(key)}
    except RuntimeError as error:
        raise BadInput("The mask file is damaged or incomplete", path, "Save it again") from error


def _readable(text):
    """Return a text of a file without what is no UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _entry(tags):
    """Return the codes in a segment's tags: context ~ category ~ type ~ modifier ~ context ~ region ~ modifier."""
    text = next((tag[len(_ENTRY) :] for tag in tags.split("|") if tag.startswith(_ENTRY)), "")
    parts = [tuple(part.split("^")) for part in text.split("~")]
    if len(parts) != 7 or any(len(parts[k]) != 3 for k in (1, 2, 5, 6)):
        return _Entry()
    return _Entry(*(() if parts[k] == _EMPTY else parts[k] for k in (1, 2, 5, 6)))

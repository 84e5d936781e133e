"""Segmentations as Slicer saves them (``.seg.nrrd``): segments with names and codes, which may lie on each other."""

import re
from dataclasses import dataclass

import numpy as np
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.dicom.pixels import plain_path
from BreastSegLib.volume import geometry_of

from .masks import RawMask
from .overlaps import add_to, label_map, new_cover

AGAIN = "Save the segmentation again"
_KEY = re.compile(r"Segment[0-9]+_(Name|ID|Layer|LabelValue|Tags)")


@dataclass(frozen=True)
class Segment:
    """What a file says about one segment.

    Parameters
    ----------
    layer, label : int
        Where it lies: the segments of one layer do not overlap.
    words : tuple of str
        Name, identifier and codes (``SCT:4147007``), the name first.
    """

    layer: int
    label: int
    words: tuple


def segments_of(path):
    """Return the `Segment` objects of a file by its header, and how many layers it has; none for other files.

    Raises
    ------
    BadInput
        If the header is damaged.
    """
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    try:
        with plain_path(path) as readable:
            reader.SetFileName(str(readable))
            reader.ReadImageInformation()
        told = {key: _readable(reader.GetMetaData(key)) for key in reader.GetMetaDataKeys() if _KEY.fullmatch(key)}
        layers = reader.GetNumberOfComponents()
    except RuntimeError as error:
        raise BadInput("The mask file is damaged or incomplete", path, AGAIN) from error
    found, number = [], 0
    while f"Segment{number}_LabelValue" in told:
        start = f"Segment{number}_"
        try:
            place = int(told.get(start + "Layer", "0")), int(told[start + "LabelValue"])
        except ValueError as error:
            raise BadInput(f"Segment {number + 1} of the mask has no number as its label", path, AGAIN) from error
        words = [told[start + key] for key in ("Name", "ID") if told.get(start + key)]
        found.append(Segment(*place, tuple(dict.fromkeys([*words, *_codes(told.get(start + "Tags", ""))]))))
        number += 1
    return found, layers


def read_layers(path, segments):
    """Return the `RawMask` of a file whose segments lie on each other, in several layers.

    Parameters
    ----------
    path : Path
    segments : sequence of Segment
        From `segments_of`.

    Raises
    ------
    BadInput
        If it is damaged, or a segment lies in a layer that it has not.
    """
    import SimpleITK as sitk

    try:
        with plain_path(path) as readable:
            image = sitk.ReadImage(str(readable))
    except RuntimeError as error:
        raise BadInput("The mask file is damaged or incomplete", path, AGAIN) from error
    array = sitk.GetArrayViewFromImage(image)
    if not segments or image.GetDimension() != 3 or array.ndim != 4:
        raise BadInput("The mask has several values in each voxel, not one label", path, "Save one label map")
    cover = new_cover(array.shape[:3], len(segments), path)
    for number, segment in enumerate(segments):
        if not 0 <= segment.layer < array.shape[-1]:
            raise BadInput(f"Segment {number + 1} lies in a layer that the mask has not", path, AGAIN)
        add_to(cover, np.asarray(array[..., segment.layer] == segment.label), number)
    labels, members = label_map(cover)
    words = {label: [segments[number].words for number in numbers] for label, numbers in members.items()}
    names = {label: tuple(word for one in found for word in one) for label, found in words.items()}
    parts = {
        label: tuple(one[0] if one else f"segment {number + 1}" for one, number in zip(found, members[label]))
        for label, found in words.items()
    }
    return RawMask(labels, geometry_of(image), path, names, numbered=False, parts=parts)


def _readable(text):
    """Return a text of a file without what is no UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _codes(tags):
    """Return the codes of a segment's terminology entry: ``SCT:4147007`` and its meaning."""
    entry = next(
        (tag[len("TerminologyEntry:") :] for tag in tags.split("|") if tag.startswith("TerminologyEntry:")), ""
    )
    parts = entry.split("~")
    if len(parts) < 3 or parts[2].count("^") < 2:
        return ()
    scheme, value, meaning = parts[2].split("^")[:3]
    return f"{scheme}:{value}", value, meaning

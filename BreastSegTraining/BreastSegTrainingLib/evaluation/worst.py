"""Which cases are worst, and what is drawn of each: a slice through its lesion."""

import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json
from scipy import ndimage

from ..dataset.layout import IMAGES, Layout
from .cleanup import cleaned, cleanup_steps
from .run import open_pair
from .sources import PREPARED

MARGIN, LEAST = 12.0, 40.0  # mm around the masks in a slice, and the least side of what is enlarged
THICKER = 1.2  # a grid is cut along its slices if these are that much thicker than its voxels are wide
PLANES = ("axial", "coronal", "sagittal")


@dataclass(frozen=True)
class CaseFiles:
    """What the picture of a case is made of.

    Parameters
    ----------
    channels : sequence of str or Path
        One image each.
    masks : callable
        ``masks()`` returns {``truth``, ``raw``, perhaps ``cleaned``: array (z, y, x) of bool} on the channels' grid.
    """

    channels: tuple
    masks: object


def picture_files(source, options):
    """Return a function that gives the `CaseFiles` of a case name, or None where the dataset has no images for it.

    Parameters
    ----------
    source : Source
        On either grid: pictures are those of the prepared grid, on which the network works.
    options : EvaluationOptions
    """
    pairs = {pair.case: pair for pair in source.pairs}
    layout = Layout(source.dataset) if source.dataset else None
    steps, _ = cleanup_steps(options.cleanup, source.dataset)

    def files(case):
        channels = _channels(layout, case) if layout else ()
        return CaseFiles(channels, partial(_masks, pairs[case], options, steps)) if channels else None

    return files


def channel_names(dataset):
    """Return the names of the channels of a raw dataset; none where they are not known."""
    if not dataset or not Layout(dataset).description.is_file():
        return ()
    record = read_json(Layout(dataset).description)
    names = record.get("channel_names") if isinstance(record, dict) else None
    if not isinstance(names, dict) or not all(key.isdecimal() for key in names):
        return ()
    return tuple(str(names[key]) for key in sorted(names, key=int))


@dataclass(frozen=True)
class Cut:
    """One slice of a case.

    Parameters
    ----------
    channels : list of numpy.ndarray
        (rows, columns), as they are looked at: head or front up, the patient's right on the left.
    masks : dict of str to numpy.ndarray
        Of bool, by ``truth``, ``raw`` and perhaps ``cleaned``.
    spacing : (float, float)
        Of rows and columns, mm.
    text : str
        Which slice it is.
    """

    channels: list
    masks: dict
    spacing: tuple
    text: str


def worst_cases(records, count, stage, measure="dice"):
    """Return the `count` worst case records, the worst first.

    Cases without a value (both masks empty) are not among them; cases of the same value are ordered by their names.

    Parameters
    ----------
    records : sequence of dict
    count : int
    stage : {'raw', 'cleaned'}
    measure : str
        Higher is better.
    """
    rows = [row for row in records if _is_number((row.get(stage) or {}).get(measure))]
    return sorted(rows, key=lambda row: (row[stage][measure], row["case"]))[:count]


def read_cut(files):
    """Read the files of a case and return the slice through its largest lesion.

    Parameters
    ----------
    files : CaseFiles

    Returns
    -------
    Cut

    Raises
    ------
    BadInput
        If a file cannot be read, or the masks do not have the channels' size.
    """
    channels = [_read(path) for path in files.channels]
    arrays = files.masks()
    for image in channels:
        if any(array.shape[::-1] != image.GetSize() for array in arrays.values()):
            raise BadInput("Its images and masks have other sizes", files.channels[0])
    masks = {name: _like(channels[0], array) for name, array in arrays.items()}
    truth = masks["truth"]
    upright = _is_3d(truth)
    arrays = [_array(_turned(image) if upright else image) for image in channels]
    masks = {name: _array(_turned(image) if upright else image) > 0 for name, image in masks.items()}
    spacing = (_turned(truth) if upright else truth).GetSpacing()[::-1]
    axis, index = _place(masks, spacing, upright)
    return Cut(
        [_plane(array, axis, index, upright) for array in arrays],
        {name: _plane(mask, axis, index, upright) for name, mask in masks.items()},
        tuple(size for a, size in enumerate(spacing) if a != axis),
        f"{PLANES[axis]} slice {index + 1} of {masks['truth'].shape[axis]}" if upright else "",
    )


def enlarged(cut):
    """Return (rows, columns) around all masks of a slice, the part that is enlarged; None when all are empty."""
    union = np.any(list(cut.masks.values()), axis=0)
    if not union.any():
        return None
    spans = []
    for axis in (0, 1):
        hit = np.flatnonzero(union.any(axis=1 - axis))
        size, spacing = union.shape[axis], cut.spacing[axis]
        least = max(LEAST / spacing, hit[-1] - hit[0] + 1 + 2 * MARGIN / spacing)
        middle = (hit[0] + hit[-1] + 1) / 2
        low = max(0, int(min(middle - least / 2, size - least)))
        spans.append(slice(low, min(size, math.ceil(low + least))))
    return tuple(spans)


def _channels(layout, case):
    """Return the channel files of a case in the part of the dataset where they lie."""
    for part in IMAGES:
        found = []
        while (path := layout.image(part, case, len(found))).is_file():
            found.append(path)
        if found:
            return tuple(found)
    return ()


def _masks(pair, options, steps):
    opened = open_pair(pair, replace(options, chances=False), PREPARED)
    masks = {"truth": opened.truth, "raw": opened.prediction}
    if steps:
        known = opened.spacing is not None
        masks["cleaned"] = cleaned(opened.prediction, opened.geometry, steps, known, opened.laterality)
    return masks


def _place(masks, spacing, upright):
    """Return the axis of the slices and the slice with most of the largest lesion: of the truth, else predicted."""
    axis = 0
    if upright and max(spacing) > THICKER * min(spacing):
        axis = int(np.argmax(spacing))
    for name in ("truth", "cleaned", "raw"):
        mask = masks.get(name)
        if mask is not None and mask.any():
            labels, _ = ndimage.label(mask, np.ones((3, 3, 3)))
            lesion = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
            return axis, int(np.argmax(lesion.sum(axis=tuple(a for a in range(3) if a != axis))))
    return axis, masks["truth"].shape[axis] // 2


def _plane(array, axis, index, upright):
    plane = np.take(array, index, axis)
    return plane[::-1] if upright and axis > 0 else plane  # rows of coronal and sagittal slices run up the body


def _read(path):
    import SimpleITK as sitk

    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise BadInput("The image cannot be read", path) from error
    return image if image.GetDimension() == 3 else sitk.JoinSeries(image)


def _array(image):
    import SimpleITK as sitk

    return sitk.GetArrayFromImage(image)


def _like(image, array):
    import SimpleITK as sitk

    made = sitk.GetImageFromArray(np.ascontiguousarray(array).astype(np.uint8))
    made.CopyInformation(image)
    return made


def _turned(image):
    """Return a 3D image with its axes the radiological way: to the patient's left, back and head."""
    import SimpleITK as sitk

    return sitk.DICOMOrient(image, "LPS")


def _is_3d(image):
    return min(image.GetSize()) > 1


def _is_number(value):
    return value is not None and math.isfinite(value)

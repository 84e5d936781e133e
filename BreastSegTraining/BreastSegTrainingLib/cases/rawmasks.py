"""Mask files of every kind that a case may have, as they are: labels, grid and names."""

from pathlib import Path

import numpy as np
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.dicom.segfile import is_segmentation, read_seg
from BreastSegLib.exam.images.breastdm import slices_first
from BreastSegLib.exam.images.picturestack import read_stack
from BreastSegLib.exam.mammograms.opening import open_dicom
from BreastSegLib.exam.mammograms.size import stored_values
from BreastSegLib.exam.mask_files import LARGEST_LABEL, read_mask_file

from .masks import RawMask
from .segments import read_layers, segments_of

MANY = 65535


def read_raw_mask(path, shape, flat):
    """Return the `RawMask` of a file.

    Parameters
    ----------
    path : Path
        .nii, .nii.gz, .nrrd, .mha, .mhd, .seg.nrrd, .npy, INbreast .xml, DICOM segmentation; of a mammogram also
        .png, .tif and a picture as .dcm; of another exam also a folder with a picture for each slice.
    shape : tuple of int
        (z, y, x) of the exam, which outlines are drawn on.
    flat : bool
        Whether the exam is a mammogram.

    Raises
    ------
    BadInput
        If it is missing, damaged, of another kind, or holds no labels.
    """
    path = Path(path)
    name = path.name.lower()
    if path.is_dir() and not flat:
        return RawMask(_labels(read_stack(path), path), None, path)
    if not path.is_file():
        raise BadInput("There is no such mask file", path, "Check the path, or relocate the table")
    if name.endswith(".xml"):
        from .outlines import read_outlines

        return read_outlines(path, shape)
    if is_segmentation(path):
        return _dicom_segments(path, flat)
    if name.endswith(".dcm"):
        stored, _ = stored_values(open_dicom(path, path.name, pixels=True), path.name)
        return RawMask(_labels(np.asarray(stored)[None], path), None, path)
    segments, layers = segments_of(path) if name.endswith(".nrrd") else ([], 1)
    if layers > 1:
        return read_layers(path, segments)
    array, geometry = read_mask_file(path, flat)
    if name.endswith(".npy") and not flat and array.shape != tuple(shape):
        array = slices_first(array, path)
    names = {segment.label: segment.words for segment in segments if segment.words}
    return RawMask(_labels(array, path), geometry, path, names)


def _dicom_segments(path, flat):
    """Return the `RawMask` of a DICOM segmentation: its segments with their names and codes."""
    labels, segments = read_seg(path)
    names = {}
    for segment in segments:
        scheme, value, meaning = segment.type or ("", "", "")
        words = (segment.label, f"{scheme}:{value}" if value else "", value, meaning)
        names[segment.number] = tuple(dict.fromkeys(word for word in words if word))
    names = {number: words for number, words in names.items() if words}
    return RawMask(_labels(labels.array, path), None if flat else labels.geometry, path, names)


def _labels(array, path):
    """Return an array as whole numbers from 0."""
    if array.dtype == bool:
        return array.view(np.uint8)
    whole = not np.issubdtype(array.dtype, np.floating) or (
        np.isfinite(array).all() and np.array_equal(array, np.rint(array))
    )
    if not whole:
        raise BadInput("The mask holds values between whole numbers, not labels", path, "Give a label map")
    low, high = array.min(), array.max()
    if low < 0 or high > MANY:
        raise BadInput(f"The mask holds values from {low:g} to {high:g}", path, f"Labels are 0 to {LARGEST_LABEL}")
    labels = array.astype(np.uint16 if high > LARGEST_LABEL else np.uint8)
    if len(np.unique(labels)) > LARGEST_LABEL:
        raise BadInput("The mask has more than 255 different values, so it is an image", path, "Give a label map")
    return labels

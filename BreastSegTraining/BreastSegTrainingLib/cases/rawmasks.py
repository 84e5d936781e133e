"""Mask files of every kind that a case may have, as they are: labels, grid and names."""

from pathlib import Path

import numpy as np
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.images.breastdm import slices_first
from BreastSegLib.exam.images.picturestack import read_stack
from BreastSegLib.exam.mammograms.opening import open_dicom
from BreastSegLib.exam.mammograms.size import stored_values
from BreastSegLib.exam.mask_files import LARGEST_LABEL, read_mask_file

from .masks import RawMask

MANY = 65535


def read_raw_mask(path, shape, flat):
    """Return the `RawMask` of a file.

    Parameters
    ----------
    path : Path
        .nii, .nii.gz, .nrrd, .mha, .mhd, .seg.nrrd, .npy, INbreast .xml; of a mammogram also .png, .tif and .dcm; of
        another exam also a folder with a picture for each slice.
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
    if name.endswith(".dcm"):
        stored, _ = stored_values(open_dicom(path, path.name, pixels=True), path.name)
        return RawMask(_labels(np.asarray(stored)[None], path), None, path)
    array, geometry = read_mask_file(path, flat)
    if name.endswith(".npy") and not flat and array.shape != tuple(shape):
        array = slices_first(array, path)
    return RawMask(_labels(array, path), geometry, path, segment_names(path) if name.endswith(".nrrd") else {})


def segment_names(path):
    """Return {label: (name, code …)} of the segments of a ``.seg.nrrd`` file; empty for other files."""
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    keys = set(reader.GetMetaDataKeys())
    names, number = {}, 0
    while f"Segment{number}_LabelValue" in keys:
        label = int(reader.GetMetaData(f"Segment{number}_LabelValue"))
        words = [reader.GetMetaData(key) for key in (f"Segment{number}_Name", f"Segment{number}_ID") if key in keys]
        tags = reader.GetMetaData(f"Segment{number}_Tags") if f"Segment{number}_Tags" in keys else ""
        names[label] = tuple(dict.fromkeys([*words, *_codes(tags)]))
        number += 1
    return names


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


def _labels(array, path):
    """Return an array as whole numbers from 0."""
    if array.dtype == bool:
        return array.view(np.uint8)
    if np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all() or not np.array_equal(array, np.rint(array)):
            raise BadInput("The mask holds values between whole numbers, not labels", path, "Give a label map")
    low, high = array.min(), array.max()
    if low < 0 or high > MANY:
        raise BadInput(f"The mask holds values from {low:g} to {high:g}", path, f"Labels are 0 to {LARGEST_LABEL}")
    labels = array.astype(np.uint16 if high > LARGEST_LABEL else np.uint8)
    if len(np.unique(labels)) > LARGEST_LABEL:
        raise BadInput("The mask has more than 255 different values, so it is an image", path, "Give a label map")
    return labels

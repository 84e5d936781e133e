"""The pixels of one DICOM slice as float32, rescaled."""

import os
import shutil
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..errors import BadInput

NATIVE = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"}


def read_slice(path, name):
    """Return the pixels of a DICOM file with one frame.

    Parameters
    ----------
    path : str
    name : str
        What the image is called in messages (a file name can hold a patient's name).

    Returns
    -------
    numpy.ndarray
        float32, (y, x), after Rescale Slope and Intercept.

    Raises
    ------
    BadInput
        If the file is gone, truncated or compressed in a way that nothing here can decode.
    """
    import pydicom

    try:
        with warnings.catch_warnings(), open(path, "rb") as stream:
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(stream, force=True)
            syntax = str(getattr(dataset.file_meta, "TransferSyntaxUID", "1.2.840.10008.1.2"))
            if syntax in NATIVE:
                if "TransferSyntaxUID" not in dataset.file_meta:
                    dataset.file_meta.TransferSyntaxUID = syntax
                return _rescaled(dataset)
    except OSError as error:
        raise BadInput(
            f"An image file cannot be read: {error.strerror or 'input/output error'}", name, "Check the disk"
        ) from error
    except Exception as error:  # noqa: BLE001 - damaged bytes make the parser raise almost any exception
        raise BadInput("The pixels of an image are damaged or incomplete", name, "Export the series again") from error
    return _decoded(path, name)


def _rescaled(dataset):
    array = np.asarray(dataset.pixel_array)
    if array.ndim != 2:
        raise ValueError("not one grey-scale frame")
    array = array.astype(np.float32)
    slope, intercept = (
        float(dataset.get(tag, default) or default) for tag, default in (("RescaleSlope", 1), ("RescaleIntercept", 0))
    )
    if slope != 1:
        array *= np.float32(slope)
    if intercept:
        array += np.float32(intercept)
    return array


def _decoded(path, name):
    """Decompress with SimpleITK, which brings all common decoders and rescales by itself."""
    import SimpleITK as sitk

    try:
        with plain_path(path) as readable:
            array = sitk.GetArrayFromImage(sitk.ReadImage(str(readable), sitk.sitkFloat32))
    except RuntimeError as error:
        raise BadInput(
            "The pixels of a compressed image cannot be decoded", name, "Export the series without compression"
        ) from error
    if array.ndim != 3 or array.shape[0] != 1:
        raise BadInput(
            "An image file holds something else than one grey-scale slice", name, "Export the series as classic DICOM"
        )
    return array[0]


@contextmanager
def plain_path(path, needed=None):
    """Give a path that SimpleITK can open: a temporary copy where the path is not ASCII and the system is Windows.

    Parameters
    ----------
    path : str or Path
    needed : bool, optional
        Copy or not; decided by system and path when left out.
    """
    path = Path(path)
    if needed is None:
        needed = os.name == "nt" and not str(path).isascii()
    if not needed:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="breastseg-") as folder:
        ending = ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix
        copy = Path(folder) / f"image{ending}"
        shutil.copyfile(path, copy)
        yield copy

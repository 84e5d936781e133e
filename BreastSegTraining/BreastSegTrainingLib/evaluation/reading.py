"""Masks and chances as the files of an evaluation hold them: read once, with where they lie."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.dicom.pixels import plain_path
from BreastSegLib.exam.images.nifti import check_whole
from BreastSegLib.exam.mask_files import PICTURES
from BreastSegLib.volume import Geometry

ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".gipl", ".hdr", *PICTURES)
CHANCES = ".npz"  # nnU-Net's, with the option that saves probabilities
LIKELY = 0.4  # a voxel of a mask has at least this chance, but for rounding
ALIKE = 0.5  # of a mask's voxels have to be likely, else the chances are of something else


@dataclass(frozen=True)
class Mask:
    """A mask, and where it lies.

    Parameters
    ----------
    array : numpy.ndarray of bool
        (z, y, x); an image of two axes has one slice.
    geometry : Geometry
    spacing_known : bool
        False for pictures, which do not say how large a pixel is.
    """

    array: np.ndarray
    geometry: Geometry
    spacing_known: bool = True


def stem(path):
    """Return the name of an image file without its ending, or None if it is none that is read."""
    name = Path(path).name
    ending = next((ending for ending in ENDINGS if name.lower().endswith(ending)), None)
    return name[: -len(ending)] if ending and len(name) > len(ending) and not name.startswith(".") else None


def read_mask(path, label=None):
    """Return the `Mask` of a file.

    Parameters
    ----------
    path : str or Path
        Any image that SimpleITK reads, of two or three axes.
    label : int, optional
        The value that is the lesion; without it everything that is not 0.

    Raises
    ------
    BadInput
        If the file is missing, damaged, or no label map.
    """
    path = Path(path)
    array, geometry = _image(path)
    known = not path.name.lower().endswith(PICTURES)
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and np.array_equal(array, np.rint(array))):
        raise BadInput("The mask holds values that are no labels", path, "Give label maps, not probabilities")
    return Mask(array != 0 if label is None else array == label, geometry, known)


def read_chances(path, mask):
    """Return the chance of a lesion in each voxel, (z, y, x), float32, as nnU-Net saved it beside a prediction.

    Parameters
    ----------
    path : str or Path
        ``.npz`` with ``probabilities`` (label, z, y, x); labels after the first are lesion.
    mask : numpy.ndarray of bool
        The prediction that they belong to.

    Raises
    ------
    BadInput
        If the file is damaged, or does not belong to the mask.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            array = file["probabilities"]
    except Exception as error:  # noqa: BLE001 - a damaged file makes NumPy raise almost any exception
        raise BadInput("The probabilities are damaged or incomplete", path, "Predict the case again") from error
    if array.ndim != 4 or len(array) < 2 or array.shape[1:] != mask.shape or array.dtype.kind != "f":
        raise BadInput("The probabilities do not have the shape of the prediction", path, "Predict the case again")
    chance = array[1].astype(np.float32) if len(array) == 2 else array[1:].sum(axis=0, dtype=np.float32)
    if not (np.isfinite(chance).all() and chance.min() >= -1e-3 and chance.max() <= 1 + 1e-3):
        raise BadInput("The probabilities are not numbers from 0 to 1", path, "Predict the case again")
    # A file with its axes in another order can have the right shape.
    if mask.any() and (chance[mask] >= LIKELY).mean() < ALIKE:
        raise BadInput("The probabilities belong to another mask", path, "Predict the case again")
    return chance


def check_same_grid(truth, prediction):
    """Refuse a prediction that lies on another grid than the reference mask.

    Raises
    ------
    BadInput
    """
    if truth.array.shape != prediction.array.shape:
        texts = (" × ".join(map(str, mask.array.shape[::-1])) for mask in (prediction, truth))
        raise BadInput("The prediction has {} voxels, the reference mask {}".format(*texts))
    if truth.spacing_known and prediction.spacing_known and not truth.geometry.same_grid(prediction.geometry):
        apart = truth.geometry.difference(prediction.geometry)
        raise BadInput(
            f"The prediction lies elsewhere: its corners are up to {apart:.3g} mm from the reference mask's"
        )


def _image(path):
    """Return the array (z, y, x) and the `Geometry` of a medical image file."""
    import SimpleITK as sitk

    if not path.is_file():
        raise BadInput("There is no such mask file", path, "Check the path")
    check_whole(path)
    try:
        with plain_path(path) as readable:
            image = sitk.ReadImage(str(readable))
    except RuntimeError as error:
        raise BadInput("The mask file is damaged or incomplete", path, "Save it again") from error
    if image.GetNumberOfComponentsPerPixel() > 1:
        raise BadInput("The mask has several values in each voxel, not one label", path, "Save one label map")
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[:, :, :, 0]
    if image.GetDimension() not in (2, 3):
        raise BadInput(f"The mask has {image.GetDimension()} axes", path, "Give two or three")
    array, spacing, origin, direction = (
        sitk.GetArrayFromImage(image),
        image.GetSpacing(),
        image.GetOrigin(),
        image.GetDirection(),
    )
    if image.GetDimension() == 2:
        (a, b, c, d), array = direction, array[None]
        spacing, origin, direction = (*spacing, 1.0), (*origin, 0.0), (a, b, 0.0, c, d, 0.0, 0.0, 0.0, 1.0)
    return array, Geometry(array.shape, spacing, origin, direction)

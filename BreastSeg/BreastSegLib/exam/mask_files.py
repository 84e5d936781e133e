"""Masks that the user gives as files: read, and checked against the grid that they have to lie on."""

from pathlib import Path

import numpy as np

from ..errors import BadInput
from ..volume import Geometry, Volume, geometry_of
from .dicom.pixels import plain_path
from .dicom.segfile import is_segmentation, read_seg
from .images.nifti import check_whole
from .lattice import place
from .mammograms.opening import kind_of
from .mammograms.pictures import read_picture

IMAGES = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")
DICOM, SLICER = ".dcm", ".seg.nrrd"
GIVE_OWN = "Give the mask that was drawn on this exam, or resample it to the exam's first post-contrast phase"
PICTURES = (".png", ".tif", ".tiff")
WHITE = (255, 65535)  # what programs write for "yes" in 8 and 16 bits
LARGEST_LABEL = 255
ROUNDING = 1e-3  # of probabilities


def source_files(exam, view=0):
    """Return the DICOM files that a mask of an exam was drawn on, as `read_reference_mask` takes them.

    Parameters
    ----------
    exam : DceExam, MammographyExam, or the scan of one
    view : int
        Index of the mammogram.
    """
    if hasattr(exam, "views"):
        return (exam.views[view].file,) if exam.views[view].file else ()
    reference = next((phase for phase in exam.phases if phase.role == "post"), exam.phases[0])
    return tuple(reference.files)


def read_reference_mask(path, geometry, flat, exam_files=()):
    """Return a mask drawn on an exam, as labels.

    A mask whose only value besides 0 is 255 (65535) is one of 0 and 1 (M2).

    Parameters
    ----------
    path : str or Path
        .nii, .nii.gz, .nrrd, .mha, .mhd, .npy or .dcm (DICOM segmentation); for mammograms also .png and .tif.
    geometry : Geometry
        The exam's own grid.
    flat : bool
        Whether the exam is a mammogram: its mask needs the same number of pixels only, and may have two axes.
    exam_files : sequence of str
        Files of the exam (`source_files`); a DICOM segmentation of another exam is refused.

    Returns
    -------
    Volume
        uint8 labels on `geometry`.

    Raises
    ------
    BadInput
        If it cannot be read, holds no labels, or lies on another grid.
    """
    if is_dicom_mask(path):
        labels, _ = read_seg(path, geometry, exam_files)
        return Volume(_labels(labels.array, path, whiten=False), geometry)
    array, own = read_mask_file(path, flat)
    if own is not None and not flat and str(path).lower().endswith(SLICER) and not own.same_grid(geometry):
        # Slicer cuts the segmentations that it saves to where they are not empty.
        placed = place(Volume(_labels(array, path), own), geometry, "mask", path, GIVE_OWN)
        return Volume(placed.array, geometry)
    _check_shape(array, geometry, path, flat)
    if not flat and own is not None and not own.same_grid(geometry):
        raise BadInput(
            f"The mask does not lie on the exam's grid: corners are up to {own.difference(geometry):.3g} mm apart",
            path,
            GIVE_OWN,
        )
    return Volume(_labels(array, path), geometry)


def read_prepared_mask(path, geometry, flat):
    """Return a mask or probability map that lies on a prepared grid, as it is.

    Parameters
    ----------
    path : str or Path
        As for `read_reference_mask`.
    geometry : Geometry
        The prepared grid. A file that says where it lies has to lie there; one with 1 mm voxels at the origin says
        nothing.
    flat : bool
        Whether the exam is a mammogram.

    Returns
    -------
    numpy.ndarray
        (z, y, x): integer labels, or float32 where not all values are whole.

    Raises
    ------
    BadInput
        If it cannot be read, holds neither labels nor chances from 0 to 1, or lies on another grid.
    """
    array, own = read_mask_file(path, flat)
    _check_shape(array, geometry, path, flat, "prepared grid")
    if own is not None and own != Geometry(own.shape) and not own.same_grid(geometry):
        raise BadInput(
            f"The mask does not lie on the prepared grid: corners are up to {own.difference(geometry):.3g} mm apart",
            path,
            "Give the mask and the record of the same case",
        )
    if np.issubdtype(array.dtype, np.floating):
        _check_finite(array, path)
        if not np.array_equal(array, np.rint(array)):
            _check_chances(array, path)
            return array.astype(np.float32)
    return _labels(array, path, whiten=False)


def read_mask_file(path, flat=False):
    """Return the array (z, y, x) of a file and its `Geometry`, None where the format has none.

    Raises
    ------
    BadInput
        If the file is missing, damaged, of another kind, or has not three axes (or two where `flat`).
    """
    path = Path(path)
    name = path.name.lower()
    if not path.is_file():
        raise BadInput("There is no such mask file", path, "Check the path")
    if name.endswith(".npy"):
        return _cube(_numpy_array(path), path, flat), None
    if flat and name.endswith(PICTURES):
        return read_picture(path, kind_of(path, path), path)[None], None
    if name.endswith(IMAGES):
        return _medical_image(path, flat)
    if is_dicom_mask(path):
        labels, _ = read_seg(path)
        return _cube(labels.array, path, flat), None if flat else labels.geometry
    known = ", ".join((*IMAGES, ".npy", DICOM, *(PICTURES if flat else ())))
    raise BadInput("This kind of mask file is not known", path, f"Use {known}")


def is_dicom_mask(path):
    """bool: whether a file is read as DICOM segmentation: by its ending, or what it holds where it has none."""
    path = Path(path)
    if path.name.lower().endswith(DICOM):
        return path.is_file()
    other = path.name.lower().endswith((*IMAGES, *PICTURES, ".npy"))
    return not other and path.is_file() and is_segmentation(path)


def _numpy_array(path):
    try:
        array = np.load(path, allow_pickle=False)
    except Exception as error:  # noqa: BLE001 - a damaged header makes NumPy raise almost any exception
        raise BadInput("The mask file is damaged or incomplete", path, "Save it again") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise BadInput("The mask file does not hold numbers", path, "Save it as whole numbers")
    return array


def _medical_image(path, flat):
    import SimpleITK as sitk

    check_whole(path)
    try:
        with plain_path(path) as readable:
            image = sitk.ReadImage(str(readable))
    except RuntimeError as error:
        raise BadInput("The mask file is damaged or incomplete", path, "Save it again") from error
    if image.GetNumberOfComponentsPerPixel() > 1:
        raise BadInput("The mask has several values in each voxel, not one label", path, "Save one label map")
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[:, :, :, 0]  # one volume still says where it lies
    geometry = geometry_of(image) if image.GetDimension() == 3 else None
    return _cube(sitk.GetArrayFromImage(image), path, flat), geometry


def _cube(array, path, flat):
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    if flat and array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or not array.size:
        raise BadInput(f"The mask has {array.ndim} axes", path, f"Give {'two' if flat else 'three'}")
    return array


def _check_shape(array, geometry, path, flat, grid="exam's grid"):
    if array.shape == geometry.shape:
        return
    skipped = 1 if flat and len(array) == 1 else 0
    mine, wanted = (" × ".join(map(str, shape[::-1][: 3 - skipped])) for shape in (array.shape, geometry.shape))
    raise BadInput(
        f"The mask does not lie on the {grid}: it has {mine} {'pixels' if flat else 'voxels'}, not {wanted}",
        path,
        "Give the mask that belongs to it",
    )


def _check_finite(array, path):
    if not np.isfinite(array).all():
        raise BadInput("The mask holds values that are not numbers (NaN or infinite)", path, "Save it again")


def _check_chances(array, path):
    low, high = float(array.min()), float(array.max())
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise BadInput(
            f"The file holds values from {low:.3g} to {high:.3g}, neither labels nor probabilities",
            path,
            "Give whole numbers, or probabilities from 0 to 1",
        )


def _labels(array, path, whiten=True):
    if array.dtype == bool:
        return array.view(np.uint8)
    if np.issubdtype(array.dtype, np.floating):
        _check_finite(array, path)
        if not np.array_equal(array, np.rint(array)):
            raise BadInput("The mask holds values between whole numbers, not labels", path, "Give a label map")
    low, high = array.min(), array.max()
    if whiten and low >= 0 and high in WHITE and np.all((array == 0) | (array == high)):
        return (array != 0).view(np.uint8)
    if low < 0 or high > LARGEST_LABEL:
        raise BadInput(
            f"The mask holds values from {low:g} to {high:g}",
            path,
            f"Labels are whole numbers from 0 to {LARGEST_LABEL}",
        )
    return np.ascontiguousarray(array.astype(np.uint8))

"""Phases given as image files, in order: pre, post1, post2 …"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import BadInput
from ..volume import Geometry, Volume
from .grid import check_size
from .nifti import check_whole
from .pixels import plain_path

ENDINGS = (".nii", ".nii.gz", ".nrrd", ".mha")


@dataclass(frozen=True)
class ImageFile:
    """An image file by its header.

    Parameters
    ----------
    path : Path
    geometry : Geometry
        Of one volume.
    volumes : int
        1 for a 3D file, the number of time points for a 4D file.
    """

    path: Path
    geometry: Geometry
    volumes: int = 1


def open_files(paths):
    """Read the headers of phase files.

    Parameters
    ----------
    paths : sequence of str or Path
        3D files, one for each phase in order; or a single 4D file with the phases in order.

    Returns
    -------
    files : list of ImageFile
    notes : list of str

    Raises
    ------
    BadInput
        If a file is missing, unreadable, given twice, of an unknown kind, or not three-dimensional.
    """
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    if not paths:
        raise BadInput("No phase file is given", hint="Give the phases as files in order: pre first")
    paths = [Path(p) for p in paths]
    for path in paths:
        _check_path(path)
    real = [path.resolve() for path in paths]
    double = next((path for i, path in enumerate(real) if path in real[:i]), None)
    if double is not None:
        raise BadInput("One file is given for two phases", double, "Give each phase once, in order")
    files = [_open(path, alone=len(paths) == 1) for path in paths]
    return files, _order_notes(paths)


def read_volumes(file, report=None):
    """Return the float32 volumes of an `ImageFile`, one or, for a 4D file, one for each time point.

    Parameters
    ----------
    file : ImageFile
    report : callable, optional
        Called without arguments between pieces of work; may raise `Cancelled`.

    Raises
    ------
    BadInput
        If the voxels cannot be read.
    """
    import SimpleITK as sitk

    check_whole(file.path, report)
    try:
        with plain_path(file.path) as readable:
            # A 4D file is kept in its own type and converted volume by volume: less memory at the peak.
            kind = sitk.sitkFloat32 if file.volumes == 1 else sitk.sitkUnknown
            image = sitk.ReadImage(str(readable), kind)
    except RuntimeError as error:
        raise BadInput("The image file is damaged or incomplete", file.path, "Export it again") from error
    view = sitk.GetArrayViewFromImage(image).reshape(file.volumes, *file.geometry.shape)
    return [Volume(view[k].astype(np.float32), file.geometry) for k in range(file.volumes)]


def _check_path(path):
    if path.is_dir():
        raise BadInput(
            "This is a folder, not an image file",
            path,
            "Give the phases as files, or the folder alone as a DICOM exam",
        )
    if not path.exists():
        raise BadInput("The file does not exist", path, "Check the path")
    if not path.name.lower().endswith(ENDINGS):
        raise BadInput("This kind of image file is not known", path, "Use " + ", ".join(ENDINGS))


def _open(path, alone):
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    try:
        with plain_path(path) as readable:
            reader.SetFileName(str(readable))
            reader.ReadImageInformation()
    except RuntimeError as error:
        raise BadInput(_why(error), path, "Export it again as .nii.gz or .nrrd") from error
    if reader.GetNumberOfComponents() > 1:
        raise BadInput(
            f"The image has {reader.GetNumberOfComponents()} values in each voxel, not one",
            path,
            "Give each phase as a 3D file",
        )
    size, dimension = reader.GetSize(), reader.GetDimension()
    if dimension == 4 and size[3] > 1 and not alone:
        raise BadInput(f"The file holds {size[3]} volumes", path, "Give a 4D file alone, or each phase as a 3D file")
    if dimension not in (3, 4):
        raise BadInput(
            f"The image is not three-dimensional but has {dimension} dimensions", path, "Give each phase as a 3D file"
        )
    direction = np.array(reader.GetDirection()).reshape(dimension, dimension)[:3, :3]
    try:
        geometry = Geometry(size[2::-1], reader.GetSpacing()[:3], reader.GetOrigin()[:3], tuple(direction.ravel()))
    except BadInput as error:
        raise BadInput(error.what, f"{path}, {error.where}", error.hint) from error
    check_size(geometry, path)
    return ImageFile(path, geometry, size[3] if dimension == 4 else 1)


def _why(error):
    if "orthonormal" in str(error):
        return "The image axes in the header are not orthogonal"
    return "The image file cannot be read: damaged, incomplete or not an image"


def _order_notes(paths):
    """Return a sentence when numbers at the end of the file names run against the given order."""
    numbers = [re.search(r"(\d+)$", re.sub(r"(\.nii)?\.\w+$", "", path.name)) for path in paths]
    if len(paths) < 2 or None in numbers:
        return []
    counts = [int(match[1]) for match in numbers]
    if counts == sorted(counts):
        return []
    return [
        f"The numbers at the end of the file names do not rise ({', '.join(map(str, counts))}): "
        "the files are taken in the given order."
    ]

"""BreastDM cases: three NumPy arrays - before contrast, after it, and their difference (METHODS M2)."""

from pathlib import Path

import numpy as np

from ...errors import BadInput
from ...volume import Geometry, Volume
from ..dce import number_phases
from ..examscan import ExamScan
from ..grid import check_size, check_voxels

NAMES = {"vibrant.npy": "pre", "vibrant+c2.npy": "post", "sub2.npy": "difference"}
UNKNOWN = (1.0, 1.0, 1.0)


def find_triplet(paths):
    """Return {'pre', 'post', 'difference': path} of a folder's files, or None when none is called so.

    Raises
    ------
    BadInput
        If the phase before or after contrast is missing, or several cases lie in the folder.
    """
    found = {}
    for path in paths:
        role = NAMES.get(Path(path).name.lower())
        if role:
            found.setdefault(role, []).append(path)
    if not found:
        return None
    folder = Path(next(iter(found.values()))[0]).parent
    if max(map(len, found.values())) > 1:
        raise BadInput("The folder holds several BreastDM cases", folder.parent, "Choose the folder of one case")
    for role, name in (("pre", "VIBRANT.npy"), ("post", "VIBRANT+C2.npy")):
        if role not in found:
            raise BadInput(f"The BreastDM case lacks {name}", folder, "Copy the whole case")
    return {role: files[0] for role, files in found.items()}


def open_triplet(triplet, findings):
    """Describe a BreastDM case.

    Parameters
    ----------
    triplet : dict
        From `find_triplet`.
    findings : Findings
        ``spacing`` is the voxel size that the user may have given: the arrays do not tell it.

    Returns
    -------
    scan : ExamScan
    reader : callable
        ``reader(report)`` returns the two volumes, float32, (z, y, x).

    Raises
    ------
    BadInput
        If an array is damaged, no stack of slices, or of another size than the other.
    """
    arrays = {role: _open(path) for role, path in triplet.items()}
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) > 1:
        sizes = " and ".join(sorted(" × ".join(map(str, shape)) for shape in shapes))
        raise BadInput(f"The arrays of the BreastDM case have different sizes: {sizes}", Path(triplet["pre"]).parent)
    axis = _slice_axis(next(iter(shapes)), Path(triplet["pre"]).parent)
    shape = np.moveaxis(arrays["pre"], axis, 0).shape
    spacing = given_spacing(findings)
    geometry = Geometry(shape, spacing or UNKNOWN)
    check_size(geometry, Path(triplet["pre"]).parent)
    evidence = "order: file name; role: file name"
    phases = number_phases([("pre", None, evidence, [triplet["pre"]]), ("post", None, evidence, [triplet["post"]])])
    notes = ["BreastDM arrays do not tell how the patient lies: which side is left is unknown."]
    if spacing is None:
        notes.append(
            "The voxel size is unknown (1 mm is shown): lengths and volumes mean nothing. Give spacing=x,y,z."
        )
    left_out = (("SUB2.npy", "subtraction, computed from the two phases"),) if "difference" in triplet else ()
    scan = ExamScan(phases, left_out, tuple(notes), geometry, spacing_known=spacing is not None)

    def reader(report):
        volumes = []
        for done, (role, phase) in enumerate(zip(("pre", "post"), phases)):
            report("Reading", done, 2)
            array = np.ascontiguousarray(np.moveaxis(arrays[role], axis, 0), dtype=np.float32)
            check_voxels(array, phase.name)
            volumes.append(Volume(array, geometry))
        report("Reading", 2, 2)
        return volumes

    return scan, reader


def slices_first(array, where):
    """Return an array with the axis along which the slices lie first, told by the shape.

    Raises
    ------
    BadInput
        If the shape does not tell it.
    """
    return np.moveaxis(array, _slice_axis(array.shape, where), 0)


def _open(path):
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # noqa: BLE001 - a damaged header makes NumPy raise almost any exception
        raise BadInput("The array cannot be read: damaged or not a plain array", path, "Copy it again") from error
    if not isinstance(array, np.ndarray):
        raise BadInput("The array cannot be read: damaged or not a plain array", path, "Copy it again")
    if array.ndim != 3 or array.dtype.kind not in "iufb":
        raise BadInput("The array is no stack of grey slices", f"{path}: shape {array.shape}, {array.dtype}")
    return array


def _slice_axis(shape, where):
    """Return the axis along which the slices lie: the one that differs from the two equal ones, else the shortest."""
    for axis in (0, 2, 1):
        others = [n for k, n in enumerate(shape) if k != axis]
        if others[0] == others[1] and shape[axis] < others[0]:
            return axis
    shortest = int(np.argmin(shape))
    if shortest == 1 or shape.count(min(shape)) > 1:
        what = f"The array of {' × '.join(map(str, shape))} values does not tell which axis the slices lie along"
        raise BadInput(what, where, "Store it as slices, rows, columns")
    return shortest


def given_spacing(findings):
    """Return the voxel size (x, y, z) in mm that the user gave as ``spacing``, None when none was given.

    Raises
    ------
    BadInput
        If it is not three lengths.
    """
    text = findings.decided("spacing")
    if text is None:
        return None
    try:
        spacing = tuple(float(part) for part in text.replace(" ", "").split(","))
    except ValueError:
        spacing = ()
    if len(spacing) != 3 or not all(0.01 <= value <= 50 for value in spacing):
        raise BadInput("The voxel size is not three lengths in mm", text, "Write spacing=x,y,z")
    return spacing

"""An exam as plain arrays in a folder: how pixels travel between the application and the worker."""

from pathlib import Path

import numpy as np

from ..errors import BadInput
from ..files import read_json, write_error, write_json
from ..volume import Geometry, Volume
from .dce import DceExam, Phase

FORMAT = "breastseg-exam-1"
DESCRIPTION = "exam.json"


def save_exam(exam, folder):
    """Write `exam` into `folder` as ``phase_0000.npy`` … (float32, z, y, x) and ``exam.json``.

    The JSON is written last: a folder without it is not an exam.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for index, volume in enumerate(exam.volumes):
            np.save(folder / array_name(index), np.ascontiguousarray(volume.array, dtype=np.float32))
    except OSError as error:
        raise write_error(error, folder) from error
    save_description(folder, exam.phases, exam.geometry, exam.notes, exam.spacing_known)
    return folder


def save_description(folder, phases, geometry, notes=(), spacing_known=True):
    """Write the ``exam.json`` of arrays that are there already (the application writes one array a turn)."""
    record = {
        "format": FORMAT,
        "phases": [phase.to_json() for phase in phases],
        "geometry": geometry.to_json(),
        "notes": list(notes),
        "spacing_known": spacing_known,
    }
    write_json(Path(folder) / DESCRIPTION, record, overwrite=True)


def load_exam(folder):
    """Return the `DceExam` of a folder written by `save_exam`, its arrays memory-mapped read-only.

    Raises
    ------
    BadInput
        If the folder is not such an exam, or an array is truncated or has the wrong shape.
    """
    folder = Path(folder)
    phases, geometry, notes = load_description(folder)
    volumes = tuple(
        Volume(_array(folder / array_name(index), geometry.shape), geometry) for index in range(len(phases))
    )
    return DceExam(phases, volumes, notes)


def load_description(folder):
    """Return the phases, the geometry and the notes of a folder written by `save_exam`, without its arrays.

    Raises
    ------
    BadInput
        If the folder is not such an exam.
    """
    path = Path(folder) / DESCRIPTION
    record = read_json(path)
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise BadInput("This is not an exam written by this extension", path)
    try:
        return (
            tuple(map(Phase.from_json, record["phases"])),
            Geometry.from_json(record["geometry"]),
            tuple(record.get("notes", ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput("The description of the exam is damaged", path, "Write the exam again") from error


def is_store(folder):
    """bool: whether a folder looks like one that `save_exam` or `mammograms.save_views` wrote."""
    folder = Path(folder)
    arrays = (folder / array_name(0), folder / "view_0000.npy")
    return (folder / DESCRIPTION).is_file() and any(array.is_file() for array in arrays)


def array_name(index):
    """Return the file name of phase `index`."""
    return f"phase_{index:04d}.npy"


def _array(path, shape):
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BadInput(f"The phase array cannot be read: {error}", path) from error
    if array.shape != shape:
        raise BadInput("The phase array has the wrong shape", f"{path}: {array.shape}, expected {shape}")
    return array

"""Mammograms as plain arrays in a folder: how they travel between the application and the worker."""

from pathlib import Path

import numpy as np

from ...errors import BadInput
from ...files import read_json, write_error, write_json
from ...volume import Geometry, Volume
from .exam import MammographyExam
from .tones import tone_of
from .view import View

FORMAT = "breastseg-mammograms-1"


def save_views(exam, folder):
    """Write an exam as ``view_0000.npy`` … (float32, shape (1, y, x), tissue bright) and ``exam.json``.

    Parameters
    ----------
    exam : MammographyExam
    folder : str or Path

    Returns
    -------
    list of dict
        Each view as JSON, with ``array`` (file name), ``geometry`` and ``tones``: for each window its ``name`` and
        what `tone_of` says; ``tone`` is the first.

    Raises
    ------
    BadInput
        If the folder cannot be written.
    """
    folder, rows = Path(folder), []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for index, (view, image) in enumerate(zip(exam.views, exam.images)):
            name = f"view_{index:04d}.npy"
            np.save(folder / name, np.ascontiguousarray(image.array, dtype=np.float32))
            tones = [{"name": window.name, **tone_of(view, k)} for k, window in enumerate(view.windows)]
            geometry = image.geometry.to_json()
            rows.append({**view.to_json(), "array": name, "geometry": geometry, "tone": tones[0], "tones": tones})
    except OSError as error:
        raise write_error(error, folder) from error
    # The description comes last: a folder without it is no exam.
    write_json(folder / "exam.json", {"format": FORMAT, "views": rows, "notes": list(exam.notes)}, overwrite=True)
    return rows


def holds_views(folder):
    """Return whether a folder was written by `save_views`."""
    path = Path(folder) / "exam.json"
    record = read_json(path) if path.is_file() else None
    return isinstance(record, dict) and record.get("format") == FORMAT


def load_views(folder):
    """Return the `MammographyExam` of a folder written by `save_views`, its arrays memory-mapped read-only.

    Raises
    ------
    BadInput
        If the folder is not such an exam, or an array is damaged.
    """
    path = Path(folder) / "exam.json"
    record = read_json(path)
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise BadInput("These are no mammograms written by this extension", path)
    views, images = [], []
    try:
        for row in record["views"]:
            views.append(View.from_json(row))
            array = np.load(Path(folder) / Path(row["array"]).name, mmap_mode="r", allow_pickle=False)
            images.append(Volume(array, Geometry.from_json(row["geometry"])))
    except (KeyError, TypeError, ValueError, OSError, AttributeError) as error:
        raise BadInput("The description of the exam is damaged", path, "Read the exam again") from error
    return MammographyExam(tuple(views), tuple(images), tuple(record.get("notes", ())))

"""An exam as the application shows it: read in the worker, kept as arrays, described in one answer."""

import math

import numpy as np

from .dce import DceExam
from .mammograms import save_views
from .source import read
from .store import save_exam


def read_to_store(source, output, report):
    """Read whatever a source holds and keep it as arrays in the folder `output` (worker side).

    Parameters
    ----------
    source : dict
        See `exam.source.read`.
    output : str or Path
        A private folder.
    report : callable
        ``report(stage, done, total)``; may raise `Cancelled`.

    Returns
    -------
    dict
        What the window shows; ``kind`` is ``dce`` or ``mammograms``.

    Raises
    ------
    BreastSegError
    """
    exam = read(source, report)
    report("Writing", 0, 1)
    answer = _dce_answer(exam, output) if isinstance(exam, DceExam) else _mammograms_answer(exam, output)
    report("Writing", 1, 1)
    return answer


def _dce_answer(exam, output):
    save_exam(exam, output)
    answer = {
        "kind": "dce",
        "exam": str(output),
        "phases": [phase.to_json() for phase in exam.phases],
        "geometry": exam.geometry.to_json(),
        "notes": list(exam.notes),
        "windows": [display_window(volume.array) for volume in exam.volumes],
        "spacing_known": exam.spacing_known,
    }
    if exam.enhancement is not None:
        answer["enhancement"] = exam.enhancement.to_json()
    if exam.motion:
        answer["motion"] = [plain(figure.to_json()) for figure in exam.motion]
    return answer


def _mammograms_answer(exam, output):
    return {"kind": "mammograms", "exam": str(output), "notes": list(exam.notes), "views": save_views(exam, output)}


def plain(record):
    """Return a flat record with None for numbers that JSON lacks."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in record.items()
    }


def display_window(array):
    """Return a (window, level) that shows a phase well.

    It spans the 1st to the 99.5th percentile of a regular sample of the voxels.
    """
    sample = array[:: max(1, array.shape[0] // 32), ::3, ::3]
    low, high = (float(v) for v in np.percentile(sample, (1, 99.5)))
    return [max(high - low, 1e-3), (high + low) / 2]

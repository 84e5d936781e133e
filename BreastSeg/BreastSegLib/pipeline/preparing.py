"""Prepared cases as arrays on disk, for the preview."""

from pathlib import Path

import numpy as np

from ..exam.dce import DceExam
from ..exam.reading import display_window
from ..exam.source import read
from ..files import write_error
from ..recipe import load_recipe, prepare_cases

BINS = 64
SAMPLE = 2_000_000  # voxels that a histogram is made of, at most about


def prepare_exam(request, report):
    """Prepare an exam as a recipe says and keep the channels as arrays (worker side).

    Parameters
    ----------
    request : dict
        The fields of a ``prepare`` message: ``source``, ``recipe`` (name or file), ``output`` (private folder), and
        optionally ``regions`` and ``breast``.
    report : callable
        ``report(stage, done, total)``; may raise `Cancelled`.

    Returns
    -------
    dict
        ``kind``, ``recipe``, ``notes`` and ``cases``: for each its channels with array, window and histogram, the
        histogram of the image that each channel begins with, the breast mask and the record.

    Raises
    ------
    BreastSegError
    """
    recipe = load_recipe(request["recipe"])
    exam = read(request["source"], report)
    breast = bool(request.get("breast", True))
    cases = prepare_cases(recipe, exam, request.get("regions") or (), report, breast)
    report("Writing", 0, 1)
    rows = [_row(case, exam, Path(request["output"]) / f"case_{index:03d}") for index, case in enumerate(cases)]
    report("Writing", 1, 1)
    return {
        "kind": cases[0].record["kind"],
        "recipe": {"name": recipe.name, "title": recipe.title, "hash": recipe.hash},
        "notes": list(dict.fromkeys([*exam.notes, *(note for case in cases for note in case.notes)])),
        "cases": rows,
    }


def histogram(array):
    """Return the histogram of an image: ``low``, ``high`` and the counts of 64 bins between its 0.1 and 99.9 %.

    A regular sample of the voxels is counted; values outside count into the outer bins.
    """
    step = max(1, round((array.size / SAMPLE) ** (1 / 3)))
    # One slice is the whole image of a mammogram.
    sample = array[:: step if array.shape[0] > 1 else 1, ::step, ::step]
    low, high = (float(v) for v in np.percentile(sample, (0.1, 99.9)))
    high = high if high > low else low + 1.0
    counts, _ = np.histogram(np.clip(sample, low, high), BINS, (low, high))
    return {"low": low, "high": high, "counts": [int(n) for n in counts]}


def _row(case, exam, folder):
    channels = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for index, (name, array) in enumerate(zip(case.channel_names, case.channels)):
            path = folder / f"channel_{index:04d}.npy"
            np.save(path, array)
            channels.append(
                {"name": name, "array": str(path), "window": display_window(array), "histogram": histogram(array)}
            )
        breast = None
        if case.breast is not None:
            breast = str(folder / "breast.npy")
            np.save(breast, case.breast.view(np.uint8))
    except OSError as error:
        raise write_error(error, folder) from error
    return {
        "name": case.name,
        "view": case.record.get("view", {}).get("name", ""),
        "geometry": case.geometry.to_json(),
        "channels": channels,
        "before": _before(case, exam),
        "breast": breast,
        "record": case.record,
    }


def _before(case, exam):
    """Return name and histogram of the exam's own image that each channel begins with."""
    if not isinstance(exam, DceExam):
        view = case.record["view"]["name"]
        index = [one.name for one in exam.views].index(view)
        return [{"name": view, "histogram": histogram(exam.images[index].array)}]
    names = [row["phases"][0] for row in case.record["channels"]]
    made = {name: histogram(exam.volume(name).array) for name in dict.fromkeys(names)}
    return [{"name": name, "histogram": made[name]} for name in names]

"""The exam store that a run reads: the phases in the order that the user sees."""

import os
import shutil
from pathlib import Path

import numpy as np
import slicer

from ..exam.store import array_name, save_description
from ..volume import Geometry
from . import fromnodes
from .answers import answerTo


def hasStore(exam):
    """Return whether the arrays of a `SceneExam` lie in a folder; after a scene was loaded there are only nodes."""
    return bool(exam.store) and (Path(exam.store) / "exam.json").is_file()


def arrange(client, exam, folder, report):
    """Make the exam store that a run reads. A generator: one slow thing a turn.

    Parameters
    ----------
    client : WorkerClient
        Asked only when the nodes lie on different grids.
    exam : SceneExam
    folder : str or Path
        Private and empty; the store is made in it.
    report : callable
        ``report(stage, done, total, eta_s)``.

    Returns
    -------
    str
        The store's folder.
    """
    if hasStore(exam):
        return arrangedStore(exam, folder)
    geometries = [fromnodes.geometryOf(node) for node in exam.nodes]
    if all(geometry.same_grid(geometries[0]) for geometry in geometries):
        return (yield from _saved(exam, geometries[0], Path(folder)))
    return (yield from _resampled(client, exam, Path(folder), report))


def arrangedStore(exam, folder):
    """Return an exam store with the phases in the order that the user sees; its hard links cost nothing."""
    store, folder = Path(exam.store), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for index, source in enumerate(exam.order):
        try:
            os.link(store / array_name(source), folder / array_name(index))
        except OSError:
            # Some network drives know no hard links.
            shutil.copyfile(store / array_name(source), folder / array_name(index))
    save_description(folder, exam.phases, exam.geometry, exam.notes, exam.spacingKnown)
    return str(folder)


def _saved(exam, geometry, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for index, node in enumerate(exam.nodes):
        array = slicer.util.arrayFromVolume(node)
        np.save(folder / array_name(index), np.ascontiguousarray(array, dtype=np.float32))
        yield
    save_description(folder, exam.phases, geometry, exam.notes, exam.spacingKnown)
    return str(folder)


def _resampled(client, exam, folder, report):
    files = folder / "nodes"
    files.mkdir(parents=True, exist_ok=True)
    paths = yield from _turns(fromnodes.writeNodes(exam.nodes, files))
    store = str(folder / "exam")
    answer = yield from answerTo(client, client.send("read", source={"files": paths}, output=store), report)
    shutil.rmtree(files, ignore_errors=True)
    save_description(store, exam.phases, Geometry.from_json(answer["geometry"]), exam.notes, exam.spacingKnown)
    return store


def _turns(turns):
    while True:
        try:
            next(turns)
        except StopIteration as end:
            return end.value
        yield

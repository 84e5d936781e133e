"""What the tests of run options and maps share: exams in the scene without a worker, and answers made here."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from breastseg_fixtures import drain
from BreastSegLib.exam.dce import number_phases
from BreastSegLib.volume import Geometry

OBLIQUE = Geometry(
    (20, 30, 40),
    (1.5, 1.0, 2.0),
    (-30.0, -25.0, -18.0),
    (0.9659258, -0.258819, 0.0, 0.258819, 0.9659258, 0.0, 0.0, 0.0, 1.0),
)
KINDS = ("probabilities", "disagreement", "entropy")


class Client:
    """Stands for the worker's client: keeps the requests and answers ``predict`` with the maps that are asked for.

    Parameters
    ----------
    rows : callable
        ``rows(fields, values)`` returns the fields of the result, with arrays filled by the values of this run.
    """

    def __init__(self, rows):
        self.requests, self.values, self._rows, self._events = [], (0.9, 0.4, 0.7), rows, []
        self.busy = False

    def send(self, request, **fields):
        self.requests.append({"request": request, **fields})
        result = self._rows(fields, dict(zip(KINDS, self.values)))
        self._events = [{"event": "result", "id": 1, "notes": [], "timings": {}, **result}]
        return 1

    def poll(self):
        events, self._events = self._events, []
        return events

    def cancel(self):
        """There is nothing to cancel: the answer is there at once."""


def dceModel(name="mine"):
    """Return what the application needs of a model for DCE exams."""
    labels = {"lesion": {"value": 1, "terminology": "mass"}}
    card = {"recipe": "phase-aware-0000-0002", "labels": labels}
    folder = Path("/models") / name
    return SimpleNamespace(name=name, folder=folder, card=card, recipe_source=card["recipe"])


def addDceExam(folder, name="Exam 1"):
    """Add an exam of three phases with its store, and return the `SceneExam`."""
    from BreastSegLib.exam.dce import DceExam
    from BreastSegLib.exam.store import save_exam
    from BreastSegLib.scene import examnodes
    from BreastSegLib.scene.sceneexam import SceneExam
    from BreastSegLib.volume import Volume

    phases = number_phases([("pre", -90, "tag", ()), ("post", 0, "tag", ()), ("post", 90, "tag", ())])
    arrays = [np.full(OBLIQUE.shape, 100.0 * (index + 1), np.float32) for index in range(3)]
    exam = DceExam(tuple(phases), tuple(Volume(array, OBLIQUE) for array in arrays))
    store = save_exam(exam, folder)
    nodes = drain(examnodes.addPhaseNodes(phases, arrays, OBLIQUE, name, (500.0, 250.0)))
    return SceneExam(name, str(store), tuple(phases), OBLIQUE, tuple(nodes), order=(0, 1, 2))


def dceRows(fields, values):
    """Return the answer for a DCE exam: a lesion, and a map with a peak in it for each one that was asked for."""
    box = (slice(5, 9), slice(10, 14), slice(4, 9))
    mask = np.zeros(OBLIQUE.shape, np.uint8)
    mask[box] = 1
    centre = (OBLIQUE.ijk_to_lps @ [*np.argwhere(mask).mean(axis=0)[::-1], 1])[:3]
    row = {"label": 1, "voxels": int(mask.sum()), "side": "right", "centroid_lps": list(centre), "volume_mm3": 240.0}
    paths = write(fields, "", mask, {kind: peak(box, value, OBLIQUE.shape) for kind, value in values.items()})
    return {**paths, "geometry": OBLIQUE.to_json(), "components": [row], "record": record()}


def peak(box, value, shape):
    """Return a map that is `value` in a box, and falls off along the axes from there."""
    array = np.linspace(0.0, value / 4, shape[0], dtype=np.float32)[:, None, None] * np.ones(shape, np.float32)
    array[box] = value
    return array


def write(fields, prefix, mask, maps):
    """Write mask and maps as the worker does, and return their paths."""
    folder = Path(fields["output"])
    folder.mkdir(parents=True, exist_ok=True)
    found = {"mask": mask, "raw": mask, **{kind: array for kind, array in maps.items() if fields[kind]}}
    for kind, array in found.items():
        np.save(folder / f"{prefix}{kind}.npy", array)
    return {kind: str(folder / f"{prefix}{kind}.npy") for kind in found}


def record(model="mine"):
    """Return a run record with what goes onto nodes."""
    return {"id": "run-1", "model": {"name": model, "hash": "abc"}}


def runOn(exam, client, folder, model=None, **options):
    """Return the turns of a run."""
    from BreastSegLib.scene import examflow

    return examflow.segmentExam(client, exam, folder, lambda *rest: None, model=model or dceModel(), **options)


def maps():
    """Return the names of the maps in the scene."""
    from BreastSegLib.scene import overlay

    return [node.GetName() for node in overlay.allMaps()]


def composites():
    """Return the nodes that say what the slice views show."""
    import slicer

    return slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")


def foregrounds():
    """Return the names of what lies in the foreground of the slice views, each once; None for nothing."""
    import slicer

    found = {composite.GetForegroundVolumeID() for composite in composites()}
    return {node and slicer.mrmlScene.GetNodeByID(node).GetName() for node in found}

"""A worker for the tests of batches that answers as it is told, without a process."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
from BreastSegLib.pipeline.batch_table import BatchCase
from BreastSegLib.volume import Geometry

SHAPE = (3, 4, 5)
GEOMETRY = Geometry(SHAPE, (1.0, 1.0, 2.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


def cases(count=3, folder="/data"):
    """Return cases a0, a1 … that nobody reads."""
    return [
        BatchCase(f"a{n}", {"folder": f"{folder}/Smith_{n}"}, (), {"exam": f"Smith_{n}"}, n + 2) for n in range(count)
    ]


def error(code="bad-input", message="The exam is wrong (/data/Smith_1/IM1)", hint="Mend it", **more):
    return {"event": "error", "code": code, "message": message, "hint": hint, "log": "", **more}


class FakeClient:
    """Stands for `inference.client.WorkerClient`.

    Parameters
    ----------
    outcomes : dict of str to list
        For a case, by the folder of its exam, what comes of each try: an error event, or a callable that is given the
        fields and may raise or return an event; cases that are not named succeed.
    load : dict, optional
        Error event of the loading.
    log : list, optional
        Gets (what, case) in the order in which it happens.
    """

    def __init__(self, outcomes=None, load=None, log=None):
        self.outcomes = {key: list(value) for key, value in (outcomes or {}).items()}
        self.load, self.log = load, [] if log is None else log
        self.folder = None
        self._number, self._pending, self._cancelled = 0, None, False

    def start(self):
        self.folder = self.folder or Path(tempfile.mkdtemp(prefix="fake-"))

    def send(self, request, **fields):
        assert self._pending is None, "one request at a time"
        self.start()
        self._number += 1
        self._pending, self._cancelled = (request, fields), False
        self.log.append((request, _name(fields)))
        return self._number

    def ahead(self, **fields):
        assert self._pending is not None, "nothing to be ahead of"
        self.log.append(("ahead", _name(fields), fields))

    def cancel(self):
        self._cancelled = True

    def poll(self):
        if self._pending is None:
            return []
        (request, fields), self._pending = self._pending, None
        number = {"id": self._number}
        if self._cancelled:
            return [{**error("cancelled", "Cancelled", ""), **number}]
        progress = {"event": "progress", "stage": "Segmenting", "done": 1, "total": 2, "eta_s": 1.0, **number}
        if request == "load":
            return [{**(self.load or {"event": "result"}), **number}]
        self.log.append(("answer", _name(fields)))
        return [progress, {**self._outcome(fields), **number}]

    def close(self):
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder = None

    def _outcome(self, fields):
        tries = self.outcomes.get(Path(fields["source"]["folder"]).name)
        outcome = tries.pop(0) if tries else None
        if callable(outcome):
            outcome = outcome(fields)
        return outcome or result_of(fields)


def result_of(fields, lesion=True):
    """Return the event of a result, its arrays written as the worker does."""
    folder = Path(fields["output"])
    folder.mkdir(parents=True)
    mask = np.zeros(SHAPE, np.uint8)
    mask[1, 1:3, 1:4] = lesion
    arrays = {"mask": mask, "raw": np.maximum(mask, np.eye(4, 5, dtype=np.uint8)), "probabilities": mask * 0.9}
    for kind, array in arrays.items():
        np.save(folder / f"{kind}.npy", array.astype(np.float32) if kind == "probabilities" else array)
    row = {"label": 1, "voxels": 6, "volume_mm3": 1500.0, "centroid_lps": [0, 0, 0], "side": "left"}
    return {
        "event": "result",
        "kind": "dce",
        **{kind: str(folder / f"{kind}.npy") for kind in ("mask", "raw")},
        **({"probabilities": str(folder / "probabilities.npy")} if fields["probabilities"] else {}),
        "geometry": GEOMETRY.to_json(),
        "components": [row] if lesion else [],
        "removed": [],
        "notes": ["Worth reading."],
        "record": {"format": "breastseg-run-1", "seconds": {"Reading": 1.0, "Segmenting": 2.5}},
        "timings": {"Reading": 1.0},
    }


def _name(fields):
    return Path(fields["source"]["folder"]).name if "source" in fields else ""

"""What a watch does with an exam: the model's run, and its results as DICOM files."""

import os
import shutil
from pathlib import Path

import numpy as np

from ..errors import BadInput, Cancelled, WorkerDied
from ..files import write_error
from ..inference.client import WorkerClient
from ..models import find_model
from ..pipeline import segment
from ..recipe import load_recipe

KINDS = {"seg": "segmentation.dcm", "sr": "measurements.dcm", "pdf": "report.dcm"}
OUTPUTS = {"seg": "seg", "sr": "sr", "pdf": "pdf_dicom"}  # as the worker calls them
FOR_LESIONS = ("seg", "sr")  # there is none of an exam without lesions


class ModelWork:
    """Runs one model on exams, in a worker that stays warm; a context manager.

    Parameters
    ----------
    model : str
        Name or folder.
    device : str
    kinds : sequence of str
        Which results are made: of `KINDS`.
    stopped : callable
        ``stopped()``: whether to give up what runs.

    Raises
    ------
    BadInput
        If the model cannot run without somebody who draws regions.
    """

    def __init__(self, model, device, kinds, stopped):
        found = find_model(model, verify=False)
        if load_recipe(found.recipe_source).needs_region:
            raise BadInput("The model looks at regions that somebody draws", found.name, "Choose another model")
        self._model, self._device, self._kinds = str(found.folder), device, tuple(kinds)
        self._client = _Client(stopped)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._client.close()

    def check(self):
        """Load the model once, so that what is wrong with it or the device is told before anything is received.

        Raises
        ------
        BreastSegError
        """
        request = self._client.send("load", model=self._model, device=self._device, folds=None)
        self._client.wait(request)

    def run(self, exam, folder, report):
        """Segment an exam and write its results.

        Parameters
        ----------
        exam : Path
            Folder with its files.
        folder : Path
            For the results; replaced when it exists.
        report : callable
            ``report(stage, done, total)``.

        Returns
        -------
        list of Path
            The files.

        Raises
        ------
        BreastSegError
            `Cancelled` when stopped.
        """

        def on_event(event):
            if event["event"] == "progress":
                report(event["stage"], event["done"], event["total"])

        try:
            return self._attempt(exam, folder, on_event)
        except WorkerDied:  # perhaps what it held in memory was too much together
            return self._attempt(exam, folder, on_event)

    def _attempt(self, exam, folder, on_event):
        source = {"folder": str(Path(exam).resolve())}
        try:
            result = segment(source, self._model, self._device, on_event=on_event, client=self._client)
            kinds = [kind for kind in self._kinds if kind not in FOR_LESIONS or result["measures"]["lesions"]]
            if not kinds:
                return []
            shutil.rmtree(folder, ignore_errors=True)
            request = self._client.send(
                "export",
                source=source,
                mask=_saved(self._client.folder / "watch-masks", result),
                measures=result["measures"],
                record=result["record"],
                model=self._model,
                outputs={OUTPUTS[kind]: str(Path(folder).resolve() / KINDS[kind]) for kind in kinds},
            )
            return [Path(path) for path in self._client.wait(request, on_event)["written"]]
        finally:
            self._clear()

    def _clear(self):
        """Remove the arrays of the run from the private folder."""
        if self._client.folder is not None:
            for pattern in ("result-*", "watch-masks"):
                for path in self._client.folder.glob(pattern):
                    shutil.rmtree(path, ignore_errors=True)


class _Client(WorkerClient):
    """A worker whose request is cancelled when somebody wants to stop."""

    def __init__(self, stopped):
        super().__init__()
        self._stopped = stopped

    def send(self, request, **fields):
        if self._stopped():
            raise Cancelled
        return super().send(request, **fields)

    def poll(self):
        if self._stopped():
            self.cancel()
        return super().poll()


def _saved(folder, result):
    """Write the masks of a result as arrays and return their paths: one, or one for each view (None: none)."""
    try:
        os.makedirs(folder, exist_ok=True)
        if result["kind"] == "dce":
            return _save(folder / "mask.npy", result["mask"])
        paths = [None] * len(result["record"]["views"])
        for row in result["views"]:
            paths[row["index"]] = _save(folder / f"mask-{row['index']:04d}.npy", row["mask"])
        return paths
    except OSError as error:
        raise write_error(error, folder) from error


def _save(path, mask):
    np.save(path, mask.array)
    return str(path)

"""What one panel or script holds while it works: the worker process and its private folder."""

import shutil
import sys
import tempfile
from pathlib import Path

import slicer

from ..inference.client import WorkerClient
from . import arrangedstore, examflow, exportflow, kineticsflow, measureflow, previewflow, removedregions


class Session:
    """Starts the worker when it is first needed, keeps it warm, and leaves nothing behind.

    All arrays lie in the worker's private folder, which is deleted even when the application crashes.

    Parameters
    ----------
    interpreter : str, optional
        Python that has torch and nnU-Net; Slicer's own by default.
    """

    def __init__(self, interpreter=""):
        self._interpreter = interpreter
        self._client = None

    @property
    def interpreter(self):
        """str: the interpreter that the user named; '' for Slicer's own.

        Setting it ends an idle worker of the former one.
        """
        return self._interpreter

    @interpreter.setter
    def interpreter(self, path):
        if path == self._interpreter:
            return
        self._interpreter = path
        if self._client is not None:
            self.endWorker()
            self._client.python = path or ownInterpreter()

    @property
    def workerBusy(self):
        """bool: whether the worker has a request that it has not answered."""
        return self._client is not None and self._client.busy

    @property
    def workerPid(self):
        """int or None: process id of the running worker."""
        return self._client.pid if self._client is not None else None

    def readExam(self, source, report):
        """Return the turns of `examflow.readExam` for `source`."""
        return _readInto(self._worker(), source, report)

    def segmentExam(self, exam, report, **options):
        """Return the turns of `examflow.segmentExam` for a loaded exam."""
        client = self._worker()
        return examflow.segmentExam(client, exam, client.folder, report, **options)

    def measureResult(self, exam, report, **options):
        """Return the turns of `measureflow.measureResult` for a segmentation on a loaded exam."""
        client = self._worker()
        return measureflow.measureResult(client, exam, client.folder, report, **options)

    def exportResult(self, exam, report, **options):
        """Return the turns of `exportflow.exportResult` for a segmentation on a loaded exam."""
        client = self._worker()
        return exportflow.exportResult(client, exam, client.folder, report, **options)

    def measureKinetics(self, exam, report, **options):
        """Return the turns of `kineticsflow.measureKinetics` for a segmentation on a loaded exam."""
        client = self._worker()
        return kineticsflow.measureKinetics(client, exam, client.folder, report, **options)

    def bringBack(self, exam, report, **options):
        """Return the turns of `removedregions.bringBackAndMeasure` for a result on a loaded exam."""
        client = self._worker()
        return removedregions.bringBackAndMeasure(client, exam, client.folder, report, **options)

    def prepareExam(self, exam, report, **options):
        """Return the turns of `previewflow.prepareExam` for a loaded exam."""
        client = self._worker()
        return previewflow.prepareExam(client, exam, client.folder, report, **options)

    def arrangeExam(self, exam, folder, report):
        """Return the turns of `arrangedstore.arrange`: the phases as the user sees them, as arrays in `folder`."""
        return arrangedstore.arrange(self._worker(), exam, folder, report)

    def forgetExam(self, exam):
        """Delete the arrays of an exam; its nodes stay, and it is read from them when it is needed again."""
        own = self._client.folder if self._client is not None else None
        if exam.store and own is not None and Path(own) in Path(exam.store).parents:
            shutil.rmtree(Path(exam.store).parent, ignore_errors=True)

    def logTail(self, lines=200):
        """Return the last lines of what the worker wrote to its log."""
        return self._client.log_tail(lines) if self._client is not None else ""

    def cancelWorker(self):
        """Ask the worker to drop its request; it obeys or is ended within about a second."""
        if self.workerBusy:
            self._client.cancel()

    def endWorker(self):
        """End an idle worker; the next request starts another one. Loaded exams stay."""
        if self._client is not None and not self._client.busy:
            self._client.kill()

    def close(self):
        """End the worker, at once when it is busy, and delete the private folder."""
        client, self._client = self._client, None
        if client is None:
            return
        client.close()

    def _worker(self):
        if self._client is None:
            self._client = WorkerClient(python=self._interpreter or ownInterpreter(), environment=childEnvironment())
        self._client.start()
        return self._client


def _readInto(client, source, report):
    """Read an exam into a folder of its own, which goes again when the exam does not come."""
    folder = tempfile.mkdtemp(prefix="exam-", dir=client.folder)
    try:
        return (yield from examflow.readExam(client, source, folder, report))
    except BaseException:
        # GeneratorExit included: a cancelled load leaves no arrays behind.
        shutil.rmtree(folder, ignore_errors=True)
        raise


def ownInterpreter():
    """Return Slicer's own Python, which starts with Slicer's libraries; elsewhere the running interpreter."""
    return shutil.which("PythonSlicer") or sys.executable


def childEnvironment():
    """Return the environment for a child process: as it was before Slicer changed it."""
    return dict(slicer.util.startupEnvironment())

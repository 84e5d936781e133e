"""Step 4 and the groups that work on what it shows: the results, their kinetics, and report and export."""

from .exportbox import ExportBox
from .kineticsbox import KineticsBox
from .resultsbox import ResultsBox


class ResultSteps:
    """Keeps the groups of results together: all follow the result and the lesion that step 4 shows.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file, by name.
    session : scene.session.Session
    log : callable
        Called with each line for the log.
    start, onCancel, showImage : callable
        As for `ResultsBox`.
    sourceOf : callable
        Returns the source of the files that the exam was loaded from; None where it came from elsewhere.
    onWork : callable
        Called when a group begins or ends work of its own.
    sendFiles : callable, optional
        ``sendFiles(paths)`` sends DICOM files to an archive.
    """

    def __init__(self, ui, session, log, start, onCancel, showImage, sourceOf, onWork, sendFiles=None):
        self._exam, self._others, self._onWork = None, (), onWork
        # The result whose segments are being measured or written, and whether it had been edited before.
        self._read = None
        self.kinetics = KineticsBox(
            ui.kineticsGroup,
            ui.kineticsLayout,
            session,
            log,
            onMeasured=self._onMeasured,
            onWork=self._onBoxWork,
            onRead=self._onRead,
        )
        self.export = ExportBox(
            ui.exportGroup,
            ui.exportLayout,
            session,
            log,
            sourceOf=sourceOf,
            onMeasured=self._onMeasured,
            onWork=self._onBoxWork,
            sendFiles=sendFiles,
            onRead=self._onRead,
        )
        self.results = ResultsBox(
            ui.resultsGroup,
            ui.resultsLayout,
            session,
            log,
            start=start,
            onCancel=onCancel,
            onChosen=self._onChosen,
            showImage=showImage,
        )
        self._others = (self.kinetics, self.export)

    @property
    def working(self):
        """bool: whether one of the groups does work of its own."""
        return any(box.working for box in self._others)

    def show(self, exam, result=None):
        """Follow an exam; `result` is what a run has just left on it."""
        former, self._exam = self._exam, exam
        self.results.show(exam, result)
        self.kinetics.showGroup(exam)
        if former is not exam:
            self._onChosen(self.results.result, self.results.row)

    def refresh(self, idle):
        """Bring all groups up to date; `idle`: whether nothing is being done in the panel."""
        self.results.refresh(idle)
        for box in self._others:
            box.refresh(idle)

    def close(self):
        """The panel goes away."""
        for box in (self.results, *self._others):
            box.close()

    def _onChosen(self, result, row):
        for box in self._others:
            box.show(self._exam, result)
        if row is not None:
            self.kinetics.choose(row.get("label"))

    def _onRead(self, result):
        self._read = (result, self.results.list.isEdited(result))
        self.results.list.setEdited(result, False)

    def _onMeasured(self, former, measured):
        self._read = None
        # What was edited since the segments were read is not in these numbers.
        edited = self.results.list.isEdited(former)
        self.results.takeMeasured(former, measured)
        self.results.list.setEdited(measured, edited)

    def _onBoxWork(self):
        if self._read is not None and not self.working:
            # Nothing came of it: the numbers are the former ones.
            (result, edited), self._read = self._read, None
            self.results.list.setEdited(result, edited or self.results.list.isEdited(result))
        self._onWork()

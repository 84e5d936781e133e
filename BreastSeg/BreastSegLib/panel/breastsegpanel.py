"""The panel: puts the three steps together and carries a run from the button to the result."""

import logging
import time

import slicer

from ..errors import BreastSegError, Cancelled, DeviceUnavailable
from ..scene import segmentationnode
from ..scene.texts import _
from . import packages, state
from .examstep import ExamStep
from .modelstep import ModelStep
from .runner import Runner
from .segmentstep import SegmentStep, stageTitle


class BreastSegPanel:
    """The module panel.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file, by name.
    parent : qt.QWidget
        The panel's top widget.
    session : scene.session.Session
    """

    def __init__(self, ui, parent, session):
        self.ui = ui
        self.session = session
        self.result = None
        self._shown = None
        self._parameterNode = None
        self._ready = False
        self._working = self._stage = ""
        self._message = None
        self._began = 0.0
        self.runner = Runner(parent, session)
        self.modelStep = ModelStep(ui, self._onUserChange)
        self.examStep = ExamStep(ui, self.loadExam, self._onUserChange)
        self.segmentStep = SegmentStep(ui, self.segment, self.cancel)
        ui.logText.setReadOnly(True)
        self._ready = True
        self.refresh()

    @property
    def working(self):
        """str: what is being done: '', 'loading' or 'segmenting'."""
        return self._working

    @property
    def state(self):
        """PanelState: what decides which buttons work."""
        exam, step = self.examStep.exam, self.examStep
        phases = exam.phases if exam else ()
        return state.PanelState(
            step.kind,
            step.chosen,
            len(phases),
            step.volumesGone,
            step.problem,
            self.modelStep.count,
            self.modelStep.title,
            self.modelStep.problemWith(phases),
            self._working,
        )

    def setParameterNode(self, parameterNode):
        """Show what a parameter node holds, and keep the user's choices in it from now on; None lets go of it."""
        self._parameterNode = None
        if parameterNode is not None:
            if parameterNode.examFolder and not self.examStep.chosen:
                self.examStep.setFolder(parameterNode.examFolder)
            self.modelStep.chooseModel(parameterNode.model)
            self.modelStep.chooseDevice(parameterNode.device)
        self._parameterNode = parameterNode
        self.refresh()

    def refresh(self):
        """Bring buttons, tooltips and the status line up to date."""
        if not self._ready:
            return
        if not self._working:
            self.examStep.refreshNodes()
        gone = None if self._working else self.examStep.dropRemoved()
        if gone is not None:
            self.session.forgetExam(gone)
        now = self.state
        idle, missing = not now.working, state.whatIsMissing(now, _)
        loadTip = state.whatIsMissingToLoad(now, _) or _("Read the phases and show them in the views")
        self.examStep.setEnabled(idle, state.canLoad(now), loadTip)
        self.modelStep.setEnabled(idle)
        self.segmentStep.showMissing(missing)
        if idle:
            self.segmentStep.hideProgress()
            self.segmentStep.showStatus(*(self._message or (missing or _("Ready to segment."), False)))
        else:
            self.segmentStep.showStatus("")

    def loadExam(self, source):
        """Begin to load an exam; the window stays alive."""
        self._start("loading", (), lambda: self.session.readExam(source, self._onProgress), self._onExam)
        if self._parameterNode is not None and "folder" in source:
            self._parameterNode.examFolder = source["folder"]

    def segment(self, device=None):
        """Begin to segment the loaded exam with the chosen model; the window stays alive."""
        missing = state.whatIsMissing(self.state, _)
        if missing:
            self._say(missing, True)
            return
        options = {
            "model": self.modelStep.model,
            "device": device or self.modelStep.device,
            "tta": self.ui.mirroringCheck.checked,
            "cleanup": self.ui.cleanupCheck.checked,
        }
        self.segmentStep.showResult(None)
        self._start(
            "segmenting",
            packages.TO_RUN,
            lambda: self.session.segmentExam(self.examStep.exam, self._onProgress, **options),
            self._onResult,
        )

    def cancel(self):
        """Stop what is being done, within about a second."""
        if self._working:
            self.segmentStep.showCancelling()
            self.runner.cancel()

    def reset(self):
        """Forget exam and result: the scene is closing. A running job is ended."""
        busy, exam = self.session.workerBusy, self.examStep.loaded
        self.runner.abandon()
        if busy:
            self.session.close()
        elif exam is not None:
            self.session.forgetExam(exam)
        self._working, self._message, self.result, self._shown = "", None, None, None
        self.examStep.show(None)
        self.segmentStep.showResult(None)
        self.refresh()

    def close(self):
        """End the worker and delete what was temporary."""
        self._ready = False
        self.runner.abandon()
        self.session.close()

    def log(self, text):
        """Add a line to the log at the bottom of the panel."""
        self.ui.logText.appendPlainText(f"{time.strftime('%H:%M:%S')}  {text}")

    def _start(self, working, needed, makeTurns, onDone):
        self._message, self._stage, self._began = None, "", time.monotonic()
        try:
            self.session.interpreter = self.modelStep.interpreter
            packages.ensurePackages(needed, self.session)
            turns = makeTurns()
        except BreastSegError as error:
            self._onError(error)
            return
        self._working = working
        self.runner.start(turns, onDone, self._onError)
        self.refresh()
        self.segmentStep.showProgress(_("Starting"))

    def _onProgress(self, stage, done, total, secondsLeft):
        if stage != self._stage:
            self._stage = stage
            self.log(stageTitle(stage))
        if self.runner.cancelling:
            return
        self.segmentStep.showProgress(stage, done, total, secondsLeft)

    def _onExam(self, exam):
        if self.examStep.loaded is not None:
            self.session.forgetExam(self.examStep.loaded)
        self._working = ""
        self.examStep.show(exam)
        self.segmentStep.showResult(None)
        self.result = None
        if self._parameterNode is not None:
            self._parameterNode.phases = list(exam.nodes)
            self._parameterNode.reference = exam.reference
        logging.info(f"BreastSeg: exam with {len(exam.phases)} phases loaded")
        self.log(_("{name}: {count} phases loaded").format(name=exam.name, count=len(exam.phases)))
        self.refresh()

    def _onResult(self, result):
        seconds = time.monotonic() - self._began
        if self._shown is not None:
            segmentationnode.hide(self._shown)
        self._working, self.result, self._shown = "", result, result.node
        self.segmentStep.showResult(result)
        if self._parameterNode is not None:
            self._parameterNode.segmentation = result.node
        count = len(result.lesions)
        several = _("{count} lesions found").format(count=count)
        found = {0: _("No lesion found"), 1: _("1 lesion found")}.get(count, several)
        device = result.record.get("device_name") or result.record.get("device", "")
        self._say(_("{found} in {seconds} s ({device}).").format(found=found, seconds=f"{seconds:.0f}", device=device))
        stages = ", ".join(f"{stageTitle(stage)} {value:.1f} s" for stage, value in result.timings.items())
        logging.info(f"BreastSeg: run {result.record.get('id', '')} done in {seconds:.1f} s")
        self.log(_("Run {run}: {stages}").format(run=result.record.get("id", ""), stages=stages))

    def _onError(self, error):
        segmenting, self._working = self._working == "segmenting", ""
        if isinstance(error, Cancelled):
            self._say(_("Cancelled."))
            self.log(_("Cancelled"))
            return
        logging.error(f"BreastSeg: {error.line}")
        self._say(error.line, True)
        self.log(error.line)
        details = getattr(error, "log", "") or self.session.logTail(25)
        if details:
            self.ui.logText.appendPlainText(details)
        if segmenting and isinstance(error, DeviceUnavailable) and self.modelStep.device == "auto":
            self._askForCpu(error)

    def _askForCpu(self, error):
        question = _("The graphics card cannot be used: {reason}").format(reason=error.what)
        question += "\n\n" + _("Run on the CPU instead? This can take many minutes.")
        if slicer.util.confirmYesNoDisplay(question, windowTitle=_("BreastSeg")):
            self.segment("cpu")

    def _say(self, sentence, isError=False):
        self._message = (sentence, isError)
        self.refresh()

    def _onUserChange(self, *values):
        self._message = None
        if self._parameterNode is not None and not self._working:
            self._parameterNode.device = self.modelStep.device
            if self.modelStep.model is not None:
                self._parameterNode.model = self.modelStep.model.name
        self.refresh()

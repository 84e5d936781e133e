"""The panel: puts the steps together and carries a run from the button to the result."""

import logging
import time

import slicer

from ..errors import BreastSegError, Cancelled, DeviceUnavailable, Undecided
from ..scene import keeping, overlay, segmentationnode, shownviews, viewlayout
from ..scene.companions import isThere
from ..scene.texts import _
from . import packages, state
from .archivebutton import ArchiveButton
from .batchbox import BatchBox
from .examstep import ExamStep
from .mapbox import MapBox
from .modelstep import ModelStep
from .modelwindows import ModelWindows
from .recipestep import RecipeStep, tidy
from .regionbox import RegionBox
from .resultsteps import ResultSteps
from .runner import Runner
from .runoptions import RunOptions
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

    Attributes
    ----------
    error : BreastSegError or None
        How the latest work ended; None when it ended well.
    """

    def __init__(self, ui, parent, session):
        self.ui = ui
        self.session = session
        self.result = None
        self._parameterNode = None
        self._ready = False
        self._working = self._stage = ""
        self._message = self.error = None
        self._began = 0.0
        # What is being loaded, and what the exam that is shown was loaded from.
        self._source, self._examSource = {}, None
        self.runner = Runner(parent, session)
        self.runOptions = RunOptions(ui, self._onUserChange, self._onRunOption)
        self.mapBox = MapBox(ui)
        self.modelStep = ModelStep(ui, self._onUserChange)
        self.modelWindows = ModelWindows(ui, session, self.modelStep, self.log, self._whyModelsStay)
        self.recipeStep = RecipeStep(ui, self.showPreview, self._onUserChange)
        self.regionBox = RegionBox(ui, self._onUserChange, self.recipeStep.showOriginal)
        self.examStep = ExamStep(ui, self.loadExam, self._onUserChange, self.recipeStep.showOriginal)
        self.segmentStep = SegmentStep(ui, self.segment, self.cancel)
        self.archive = ArchiveButton(ui, session, self.examStep.loadFolder, lambda: self.state.working, self.log)
        calls = (self._measure, self.cancel, self._showImage, lambda: self._examSource, self.refresh)
        self.resultSteps = ResultSteps(ui, session, self.log, *calls, self.archive.send)
        self.resultsBox = self.resultSteps.results
        self.batchBox = BatchBox(
            ui.batchGroup, ui.batchLayout, session, lambda: self.modelStep.interpreter, self._runSettings, self.log
        )
        ui.logText.setReadOnly(True)
        self._ready = True
        self.refresh()

    @property
    def working(self):
        """str: what is being done: '', 'loading', 'previewing', 'segmenting' or 'measuring'."""
        return self._working or ("measuring" if self._ready and self.resultSteps.working else "")

    @property
    def state(self):
        """PanelState: what decides which buttons work."""
        exam, step = self.examStep.exam, self.examStep
        return state.PanelState(
            source=step.chooser.kind,
            chosen=step.chooser.chosen,
            phases=len(exam.phases) if exam else 0,
            views=len(exam.nodes) if exam and exam.kind == "mammograms" else 0,
            meaning=step.chooser.meaning,
            question=step.asking,
            volumesGone=step.volumesGone,
            phaseProblem=step.problem,
            models=self.modelStep.count,
            model=self.modelStep.title,
            modelProblem=self.modelStep.problemWith(exam)
            or self._regionProblem(self.recipeStep.modelsRecipe)
            or self.runOptions.problem,
            recipeProblem=self.recipeStep.problemWith(exam) or self._regionProblem(self.recipeStep.recipe),
            working=self.working,
        )

    def setParameterNode(self, parameterNode):
        """Show what a parameter node holds, and keep the user's choices in it from now on; None lets go of it."""
        self._parameterNode = None
        if parameterNode is not None:
            chooser = self.examStep.chooser
            if parameterNode.examFolder and chooser.kind == "folder" and not chooser.chosen:
                chooser.setFolder(parameterNode.examFolder)
            chooser.chooseMotion(parameterNode.motion)
            if parameterNode.model:
                self.modelStep.keepModel(parameterNode.model)
            self.modelStep.chooseDevice(parameterNode.device)
            self.runOptions.chooseFolds(parameterNode.folds)
        self._parameterNode = parameterNode
        if parameterNode is not None and not self._working:
            tidy(self.recipeStep.preview)
        self._restore()
        self.refresh()

    def takeExam(self, exam):
        """Show an exam that something else has loaded into the scene, such as the DICOM browser.

        Parameters
        ----------
        exam : SceneExam or SceneMammograms
        """
        self._abandon()
        self._source = {}
        self._onExam(exam)
        if exam.kind == "dce" and exam.companions.sequence is None:
            self._makeCompanions()

    def refresh(self):
        """Bring buttons, tooltips and the status line up to date."""
        if not self._ready:
            return
        if not self._working:
            self.examStep.chooser.refreshNodes()
        gone = None if self._working else self.examStep.dropRemoved()
        if gone is not None:
            self.session.forgetExam(gone)
            if self._parameterNode is not None:
                keeping.forget(self._parameterNode)
        self._followRecipe()
        self.runOptions.showModel(self.modelStep.model)
        made = self.result.record.get("model") if self.result is not None else None
        self.mapBox.show(self.examStep.exam, made["name"] if made else "")
        now = self.state
        idle, missing = not now.working, state.whatIsMissing(now, _)
        loadTip = state.whatIsMissingToLoad(now, _) or _("Read the exam and show it in the views")
        self.examStep.setEnabled(idle, state.canLoad(now), loadTip)
        self.modelStep.setEnabled(idle)
        self.regionBox.setEnabled(idle)
        self.recipeStep.refresh(self.examStep.exam, state.whatIsMissingToPreview(now, _), idle)
        self.batchBox.refresh(state.whatIsMissingToBatch(now, self.runOptions.problem, _))
        self.segmentStep.showMissing(missing)
        self.resultSteps.show(self.examStep.exam)
        self.resultSteps.refresh(idle)
        self.archive.refresh()
        if idle:
            self.segmentStep.hideProgress()
            self.resultsBox.hideProgress()
            self.segmentStep.showStatus(*(self._message or (missing or _("Ready to segment."), False)))
        else:
            self.segmentStep.showStatus("")

    def loadExam(self, source):
        """Begin to load an exam; the window stays alive."""
        self._source = source
        self.recipeStep.hide()
        self._start("loading", (), lambda: self.session.readExam(source, self._onProgress), self._onExam)
        if self._parameterNode is not None and "folder" in source:
            self._parameterNode.examFolder = source["folder"]

    def segment(self, device=None):
        """Begin to segment the loaded exam with the chosen model; the window stays alive."""
        missing = state.whatIsMissing(self.state, _)
        if missing:
            self._say(missing, True)
            return
        options = self._runSettings()
        options["device"] = device or options["device"]
        exam = self.examStep.exam
        self._start(
            "segmenting",
            packages.TO_RUN,
            lambda: self.session.segmentExam(
                exam, self._onProgress, regions=self._regions(self.recipeStep.modelsRecipe), **options
            ),
            self._onResult,
        )

    def showPreview(self):
        """Begin to prepare the loaded exam with the chosen recipe, to be seen beside the original."""
        missing = state.whatIsMissingToPreview(self.state, _)
        if missing:
            self._say(missing, True)
            return
        recipe, name, exam = self.recipeStep.recipe, self.recipeStep.nameOrFile, self.examStep.exam
        self.recipeStep.hide()
        self._start(
            "previewing",
            packages.toPrepare(recipe),
            lambda: self.session.prepareExam(exam, self._onProgress, recipe=name, regions=self._regions(recipe)),
            self._onPreview,
        )

    def cancel(self):
        """Stop what is being done, within about a second."""
        if self._working:
            self.segmentStep.showCancelling()
            self.resultsBox.showCancelling()
            self.runner.cancel()

    def leave(self):
        """The user opens another module: the mouse is no longer ours. What is being done goes on."""
        self.regionBox.leaveOff()

    def reset(self):
        """Forget exam and result: the scene is closing. A running job is ended."""
        if self.examStep.loaded is not None:
            self.session.forgetExam(self.examStep.loaded)
        self._abandon()
        self.recipeStep.hide()
        self._message = self.result = None
        self.examStep.show(None)
        overlay.choose(None)
        viewlayout.leaveSingleView()
        self.refresh()

    def close(self):
        """End the worker and delete what was temporary."""
        self._ready = False
        self.runner.abandon()
        self.recipeStep.hide()
        self.regionBox.close()
        self.batchBox.close()
        self.resultSteps.close()
        self.archive.close()
        self.modelWindows.close()
        self.session.close()

    def log(self, text):
        """Add a line to the log at the bottom of the panel."""
        self.ui.logText.appendPlainText(f"{time.strftime('%H:%M:%S')}  {text}")

    def _whyModelsStay(self):
        """Return why no model may be renamed or removed now, or ''."""
        if self._working == "segmenting":
            return _("A model is at work. Wait for its end or cancel it.")
        if self._working or self.session.workerBusy:
            return _("BreastSeg is at work. Wait for its end or cancel it.")
        return _("A batch is running. Wait for its end or cancel it.") if self.batchBox.running else ""

    def _runSettings(self):
        """Return model, device and options of a run, as they are chosen."""
        return {"model": self.modelStep.model, "device": self.modelStep.device, **self.runOptions.options}

    def _start(self, working, needed, makeTurns, onDone):
        # What a run has found stays true while its lesions are measured again.
        self._message = self._message if working == "measuring" else None
        self._stage, self._began, self.error = "", time.monotonic(), None
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
        shown = self.resultsBox if working == "measuring" else self.segmentStep
        shown.showProgress(_("Starting"))

    def _abandon(self):
        """Stop what is being done at once. A worker at work is ended: nobody would hear its answer."""
        busy = self.session.workerBusy
        self.runner.abandon()
        if busy:
            self.session.close()
        self._working = ""

    def _onProgress(self, stage, done, total, secondsLeft):
        if stage != self._stage:
            self._stage = stage
            self.log(stageTitle(stage))
        if self.runner.cancelling:
            return
        shown = self.resultsBox if self._working == "measuring" else self.segmentStep
        shown.showProgress(stageTitle(stage), done, total, secondsLeft)

    def _onExam(self, exam):
        if self.examStep.loaded is not None:
            self.session.forgetExam(self.examStep.loaded)
        self._working = ""
        self.recipeStep.hide()
        segmentationnode.hideResults(images=exam.nodes)
        overlay.choose(None)
        self.examStep.show(exam)
        self.result, self._examSource = None, self._source or None
        self._keepExam()
        what = _("{count} views") if exam.kind == "mammograms" else _("{count} phases")
        what = what.format(count=len(exam.nodes))
        logging.info(f"BreastSeg: exam with {what} loaded")
        self.log(_("{name}: {what} loaded").format(name=exam.name, what=what))
        self.refresh()

    def _restore(self):
        """Show the exam that came back with the scene, with the user's corrections."""
        parameterNode, loaded = self._parameterNode, self.examStep.loaded
        if parameterNode is None or self._working or not list(parameterNode.phases):
            return
        nodes = list(parameterNode.phases)
        if loaded is not None and list(loaded.nodes) == nodes:
            return
        exam, rows = keeping.keptExam(nodes, parameterNode.phaseTable)
        if exam is None:
            return
        if loaded is not None:
            self.session.forgetExam(loaded)
            segmentationnode.hideResults(images=exam.nodes)
        self.examStep.show(exam, rows)
        self._examSource = None
        self.log(_("{name} came back with the scene").format(name=exam.name))
        if exam.kind == "dce":
            self._makeCompanions()

    def _makeCompanions(self):
        """Make the Sequence and the plot of an exam that has none."""
        self._working = "loading"
        self.runner.start(keeping.remake(self.examStep.exam), self._onCompanions, self._onError)
        self.refresh()

    def _onCompanions(self, made):
        self._working = ""
        self.examStep.takeCompanions(made)
        self.refresh()

    def _keepExam(self):
        """Keep the exam and the user's corrections in the parameter node."""
        if self._parameterNode is not None and self.examStep.loaded is not None:
            keeping.keep(self._parameterNode, self.examStep.loaded, self.examStep.exam, self.examStep.keptText)

    def _followRecipe(self):
        """Offer the recipes that fit the exam, and what the chosen one needs."""
        exam, step = self.examStep.exam, self.recipeStep
        step.offer(exam, self.modelStep.model)
        self.regionBox.show(exam, step.needsRegions)

    def _regionProblem(self, recipe):
        return self.regionBox.problem if recipe is not None and recipe.needs_region else ""

    def _regions(self, recipe):
        return self.regionBox.regions(self.examStep.exam) if recipe is not None and recipe.needs_region else ()

    def _onPreview(self, preview):
        self._working = ""
        self.recipeStep.show(preview, self.examStep.exam)
        self.log(_("Preview of the recipe “{title}”").format(title=preview.title))
        self.refresh()

    def _onResult(self, result):
        seconds = time.monotonic() - self._began
        segmentationnode.hideResults(nodes=result.nodes)
        self._working, self.result = "", result
        if self._parameterNode is not None:
            self._parameterNode.segmentation = result.node
        count = len(result.lesions)
        several = _("{count} lesions found").format(count=count)
        found = {0: _("No lesion found"), 1: _("1 lesion found")}.get(count, several)
        device = result.record.get("device_name") or result.record.get("device", "")
        self.resultSteps.show(self.examStep.exam, result)
        self._say(_("{found} in {seconds} s ({device}).").format(found=found, seconds=f"{seconds:.0f}", device=device))
        stages = ", ".join(f"{stageTitle(stage)} {value:.1f} s" for stage, value in result.timings.items())
        logging.info(f"BreastSeg: run {result.record.get('id', '')} done in {seconds:.1f} s")
        self.log(_("Run {run}: {stages}").format(run=result.record.get("id", ""), stages=stages))

    def _onError(self, error):
        did, self._working = self._working, ""
        self.error = error
        if did == "measuring":
            cancelled = isinstance(error, Cancelled)
            line = _("Cancelled: the numbers are as before.") if cancelled else state.inThePanel(error.line, _)
            self.resultsBox.fail(line, not cancelled)
            self.refresh()
            self.log(line)
            return
        if isinstance(error, Cancelled):
            self._say(_("Cancelled."))
            self.log(_("Cancelled"))
            return
        if isinstance(error, Undecided) and error.choices and did == "loading":
            self.log(error.line)
            self.examStep.ask(self._source, error)
            self.refresh()
            return
        logging.error(f"BreastSeg: {error.line}")
        line = state.inThePanel(error.line, _)
        self._say(line, True)
        self.log(line)
        details = getattr(error, "log", "") or self.session.logTail(25)
        if details:
            self.ui.logText.appendPlainText(details)
        if did == "segmenting" and isinstance(error, DeviceUnavailable) and self.modelStep.device == "auto":
            self._askForCpu(error)

    def _measure(self, makeTurns, onDone):
        """Begin to measure a segmentation; the window stays alive."""

        def done(value):
            self._working = ""
            onDone(value)
            self.refresh()

        self._start("measuring", packages.TO_MEASURE, lambda: makeTurns(self._onProgress), done)

    def _showImage(self, place):
        """Show a mammogram of the exam, beside its preview if there is one, and choose it in the table of views."""
        image = self.examStep.exam.nodes[place]
        if isThere(image):
            if not self.recipeStep.showOriginal(image):
                shownviews.show([image], 0)
            self.ui.viewTable.selectRow(place)

    def _askForCpu(self, error):
        question = _("The graphics card cannot be used: {reason}").format(reason=error.what)
        question += "\n\n" + _("Run on the CPU instead? This can take many minutes.")
        if slicer.util.confirmYesNoDisplay(question, windowTitle=_("BreastSeg")):
            self.segment("cpu")

    def _say(self, sentence, isError=False):
        self._message = (sentence, isError)
        self.refresh()

    def _onRunOption(self):
        if self._ready:
            self.batchBox.showSettings()

    def _onUserChange(self, *values):
        self._message = None
        if self._parameterNode is not None and not self._working:
            self._parameterNode.device = self.modelStep.device
            self._parameterNode.motion = self.examStep.chooser.motion
            self._parameterNode.folds = self.runOptions.keptFolds
            if self.modelStep.model is not None:
                self._parameterNode.model = self.modelStep.model.name
            if self._ready:
                self._keepExam()
        self.refresh()

"""Step 5: how good a model is - figures, cases, comparison - and publishing it."""

from pathlib import Path

import qt
from BreastSegLib.errors import BreastSegError, Cancelled
from BreastSegLib.scene.texts import _

from ..evaluation import groups
from ..scene import showresult
from . import ask, counted, evaluatecommand
from .bestbox import BestBox
from .choicebox import ChoiceBox
from .commandwork import makeCommand
from .comparebox import CompareBox
from .evaluatecommand import CROSS_VALIDATION, FILE, FOLDERS, PAGE, TEST
from .evaluationfile import Evaluation
from .publishbox import PublishBox
from .resultbox import ResultBox
from .tickboxes import TickBoxes

GROUP_COLUMNS = 2


class EvaluationStep:
    """The tab "Evaluation".

    Parameters
    ----------
    ui : object
        The widgets of the .ui files, by name.
    parent : qt.QWidget
    session : BreastSegLib.scene.session.Session
        Whose worker reads images.
    opened : OpenTable
    training : TrainingStep
        Knows the trainings of the work folder.
    run : callable
        ``run(arguments, onResult)`` starts a verb.
    start : callable
        ``start(turns, onDone, onError)`` begins work in turns.
    onChanged : callable
    say : callable
    """

    def __init__(self, ui, parent, session, opened, training, run, start, onChanged, say):
        self._ui, self._session, self._opened, self._training = ui, session, opened, training
        self._run, self._start, self._onChanged, self._say = run, start, onChanged, say
        self._idle, self._ready, self._place, self._progress = True, False, None, None
        self.shown, self._wantedTraining = None, ""
        changed = self._onChoice
        self.what = ChoiceBox(ui.whatBox, evaluatecommand.WHAT, changed)
        self.grid = ChoiceBox(ui.gridBox, evaluatecommand.GRIDS, changed)
        self.cleanup = ChoiceBox(ui.cleanupBox, evaluatecommand.CLEANUPS, changed)
        self.model = ChoiceBox(ui.evalTrainingBox, (), changed, ())
        self.groups = TickBoxes(ui.groupsLayout, GROUP_COLUMNS, changed)
        self.groups.fill({name: groups.title(name) for name in groups.rules()["usual"]})
        for edit in (ui.truthEdit, ui.predictionEdit, ui.evaluationOutputEdit):
            edit.connect("currentPathChanged(QString)", lambda path: changed())
        ui.toleranceBox.connect("valueChanged(double)", lambda value: changed())
        ui.evaluateButton.connect("clicked()", self.evaluate)
        ui.openEvaluationButton.connect("clicked()", self.choose)
        ui.pageButton.connect("clicked()", self.openPage)
        ui.publishButton.connect("clicked()", self.publish)
        self.result = ResultBox(ui, self.showCase)
        self.compareBox = CompareBox(ui, run, say)
        self.bestBox = BestBox(ui, training.queue.runs, run, say)
        self.publishBox = PublishBox(ui, parent, run, say)
        self.publishBox.onPublished = training.fillModels
        self._ready = True

    @property
    def settings(self):
        """evaluatecommand.EvaluateSettings: what is chosen."""
        ui, training = self._ui, self.training
        table = self._opened.path
        return evaluatecommand.EvaluateSettings(
            what=self.what.value,
            training=training,
            done=evaluatecommand.doneFolds(self._training.queue.runs.of(training.name)) if training else (),
            truth=_absolute(ui.truthEdit.currentPath),
            prediction=_absolute(ui.predictionEdit.currentPath),
            grid=self.grid.value,
            cleanup=self.cleanup.value,
            tolerance=round(ui.toleranceBox.value, 3),
            groups=self.groups.ticked,
            output=_absolute(ui.evaluationOutputEdit.currentPath),
            cases=str(table) if table is not None else "",
            key=_absolute(ui.keyEdit.currentPath),
        )

    @property
    def training(self):
        """Training or None: the chosen one."""
        found = [each for each in self._training.queue.runs.trainings if each.name == self.model.value]
        return found[0] if found else None

    @property
    def file(self):
        """str: the evaluation that is shown; '' for none."""
        return str(self.result.evaluation.path) if self.result.evaluation is not None else ""

    @property
    def wantedTraining(self):
        """str: the training to keep in mind."""
        return self.model.value or self._wantedTraining

    def chooseTraining(self, name):
        """Choose a training; one that is not found yet is kept in mind."""
        self._wantedTraining = name
        self.model.choose(name)

    def open(self, path, place=None):
        """Show an evaluation; returns whether that worked (the reason is said).

        Parameters
        ----------
        path : str or Path
        place : dict, optional
            Where its masks lie, see `evaluatecommand.filesOf`; looked for when not given.
        """
        try:
            evaluation = Evaluation.read(path)
        except BreastSegError as error:
            self._say(error.line, True)
            return False
        self._place = place
        self.compareBox.show(evaluation)
        self.result.show(evaluation)
        self._ui.publishedLabel.setVisible(False)
        self._onChanged()
        return True

    def choose(self):
        """Ask for an earlier evaluation and show it."""
        work = self._training.work
        path = ask.fileToOpen(_("Open an evaluation"), work, _("Evaluations (evaluation.json)"))
        if path:
            self.open(path)

    def evaluate(self):
        """Begin to evaluate; a test part is predicted first where that was not done yet."""
        settings = self.settings
        if evaluatecommand.whatIsMissing(settings):
            return
        place, output = self._placeNow(), evaluatecommand.outputOf(settings)
        arguments = evaluatecommand.argumentsOf(settings, output)

        def evaluate(_event=None):
            self._run(arguments, lambda event: self._onEvaluated(event, output, place))

        if settings.what == TEST and not evaluatecommand.isPredicted(settings.training):
            self._run(evaluatecommand.predictArguments(settings.training), evaluate)
        else:
            evaluate()

    def showCase(self, row):
        """Begin to load a case into the views, in place of the one before."""
        if not self._idle:
            self._say(_("Wait until the present work has ended, or cancel it."), True)
            return
        place = self._whereItIs()
        if place is None:
            what = _("Where its masks lie is not known: choose the work folder in step 4, or both folders above.")
            self._say(what, True)
            return
        files = evaluatecommand.filesOf(place, str(row.get("case")), row.get("fold"))
        missing = next((path for path in (files.truth, files.prediction) if not path.is_file()), files.missing)
        if missing is not None:
            self._say(_("The file is not there: {path}").format(path=missing), True)
            return
        if self.shown is not None:
            if self.shown.there:
                showresult.remove(self._session, self.shown)
            self.shown = None
        turns = showresult.showResult(self._session, makeCommand, str(row["case"]), files, self._progress)
        self._start(turns, self._onShown, self._onCaseError)

    def openPage(self):
        """Open the evaluation's page in the browser."""
        page = self.result.evaluation.path.parent / PAGE
        if not page.is_file():
            self._say(_("There is no page beside this evaluation."), True)
        elif not qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(page))):
            self._say(_("Nothing could open {path}").format(path=page), True)

    def publish(self):
        """Ask how the model of the chosen training is published."""
        training = self.training
        if training is not None:
            place = self._whereItIs() or {}
            own = place.get("what") == CROSS_VALIDATION and place["training"].name == training.name
            self.publishBox.show(training, self.file if own else "")

    def reset(self):
        """The scene is closing: the case that is shown goes, and the plot."""
        if self.shown is not None:
            self._session.forgetExam(self.shown.exam)
        self.shown = None
        self.result.reset()

    def close(self):
        """Close the windows for good."""
        self.reset()
        self.publishBox.close()

    def setIdle(self, idle):
        """Let the user press buttons, or not: something is at work."""
        self._idle = idle
        self.refresh()

    def refresh(self):
        """Bring sentences and buttons up to date."""
        if not self._ready:
            return
        self._fillModels()
        ui, settings = self._ui, self.settings
        folders = settings.what == FOLDERS
        for widget in (ui.truthLabel, ui.truthEdit, ui.predictionLabel, ui.predictionEdit):
            widget.setVisible(folders)
        for widget in (ui.evalTrainingLabel, ui.evalTrainingBox):
            widget.setVisible(not folders)
        missing = evaluatecommand.whatIsMissing(settings)
        ui.evaluateButton.setEnabled(self._idle and not missing)
        ui.evaluateButton.setToolTip(
            missing or _("Results go to {path}").format(path=evaluatecommand.outputOf(settings))
        )
        words = missing or self._inWords(settings)
        ui.evaluateMissingLabel.text = words
        ui.evaluateMissingLabel.setVisible(bool(words))
        ui.openEvaluationButton.setEnabled(self._idle)
        ui.compareButton.setEnabled(self._idle)
        training = settings.training
        self.bestBox.refresh(training, self._idle)
        ui.publishButton.setEnabled(self._idle and training is not None and bool(settings.done))
        ui.publishButton.setToolTip(
            _("Put {name} into the model library of BreastSeg, or into a zip file").format(name=training.name)
            if training is not None
            else _("Choose a training first")
        )
        if self.shown is not None and not self.shown.there:
            self.shown = None
        ui.shownCaseLabel.setVisible(self.shown is not None)
        if self.shown is not None:
            ui.shownCaseLabel.text = _("In the views: {name}. Yellow: reference; blue: prediction.").format(
                name=self.shown.name
            )

    def _inWords(self, settings):
        if settings.what == TEST:
            count = len(evaluatecommand.testCases(settings.training.raw))
            predicted = evaluatecommand.isPredicted(settings.training)
            words = _("{count} test cases.") if predicted else _("{count} test cases; they are segmented first.")
            return words.format(count=count)
        if settings.what == FOLDERS or len(settings.done) == len(settings.training.folds):
            return ""
        return _("Only the folds that are done: {folds}.").format(folds=", ".join(settings.done))

    def _fillModels(self):
        trainings = self._training.queue.runs.trainings
        names = [training.name for training in trainings]
        self.model.fill(names, names, [training.dataset for training in trainings])
        if self._wantedTraining in names:
            self.model.choose(self._wantedTraining)
            self._wantedTraining = ""

    def _whereItIs(self):
        """Return where the masks of the shown evaluation lie; None when that is not known."""
        if self._place is None and self.result.evaluation is not None:
            ui, trainings = self._ui, self._training.queue.runs.trainings
            folders = (_absolute(edit.currentPath) for edit in (ui.truthEdit, ui.predictionEdit))
            self._place = evaluatecommand.placeOf(self.result.evaluation.record, trainings, *folders)
        return self._place

    def _placeNow(self):
        if self.what.value == FOLDERS:
            ui = self._ui
            truth, prediction = (_absolute(edit.currentPath) for edit in (ui.truthEdit, ui.predictionEdit))
            return {"what": FOLDERS, "truth": truth, "prediction": prediction} if truth and prediction else None
        training = self.training
        return {"what": self.what.value, "training": training} if training is not None else None

    def followProgress(self, progress):
        """Tell `progress` how far the loading of a case is."""
        self._progress = progress

    def _onEvaluated(self, event, output, place):
        path = Path(str(event.get("evaluation") or output / FILE))
        if self.open(path, place):
            words = [_("Evaluated {cases}.").format(cases=counted.cases(len(self.result.evaluation.record["cases"])))]
            failed = event.get("failed") or ()
            if failed:
                words.append(_("{count} could not be measured: {case}, {why}.").format(count=len(failed), **failed[0]))
            self._say(" ".join([*words, _("Results: {path}").format(path=path.parent)]), bool(failed))

    def _onShown(self, shown):
        self.shown = shown
        showresult.show(shown)
        self.result.cases.mark(shown.name)
        self._onChanged()

    def _onCaseError(self, error):
        if not isinstance(error, Cancelled):
            self._say(error.line, True)

    def _onChoice(self):
        if self._ready:
            self._onChanged()


def _absolute(path):
    path = path.strip()
    return str(Path(path).expanduser().absolute()) if path else ""

"""The panel: puts the five steps together, and lets one thing be done at a time."""

import logging
from pathlib import Path

import qt
from BreastSegLib.errors import BreastSegError, Cancelled
from BreastSegLib.panel.runner import Runner
from BreastSegLib.scene import viewlayout
from BreastSegLib.scene.texts import _

from ..scene import loadcase, takecase
from . import ask, counted, needs
from .addbox import AddBox
from .caseactions import CaseActions
from .caserows import naturalKey
from .casesstep import CasesStep
from .commandwork import CommandWork, errorLine
from .datasetstep import DatasetStep
from .evaluationstep import EvaluationStep
from .kept import Kept
from .opentable import OpenTable
from .progressbox import ProgressBox
from .qualitystep import QualityStep
from .scenebox import SceneBox
from .tablefile import TableFile
from .trainingstep import TrainingStep

NOT_READ_SHOWN = 12
SELECTION = 1  # tab of step 2
TABS = (
    "QTabBar::tab { padding: 4px 5px; border: 1px solid palette(mid); border-bottom: none; margin-right: 1px; }"
    "QTabBar::tab:selected { background: palette(base); border-top: 3px solid palette(highlight); }"
)
EXAM_FILES = "*.nii *.nii.gz *.nrrd *.mha *.mhd *.dcm *.png *.tif *.tiff"
MASK_FILES = "*.nii *.nii.gz *.nrrd *.mha *.mhd *.npy *.xml *.png *.tif *.tiff *.dcm"


class TrainingPanel:
    """The module panel.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file, by name.
    parent : qt.QWidget
        The panel's top widget.
    session : BreastSegLib.scene.session.Session
        Reads exams for the scene.

    Attributes
    ----------
    error : BreastSegError or None
        How the latest work ended; None when it ended well.
    """

    def __init__(self, ui, parent, session):
        self.ui, self.session, self.error = ui, session, None
        self._ready, self._shutting = False, False
        self.opened = OpenTable()
        self.kept, self._shown = Kept(self, parent), None
        self.progress = ProgressBox(ui, self.cancel)
        self.work = CommandWork(parent, self.progress.show)
        self.runner = Runner(parent, session)
        self.file = TableFile(self.opened, self.say, self._onOpened, self._onSaved, lambda: self.case.mayLeave())
        self.cases = CasesStep(ui, parent, self.opened, self.file, self.run, self.refresh, self.say)
        self.case = CaseActions(
            ui, session, self.opened, self.cases, self._startTurns, self.progress.show, self.say, self.refresh
        )
        self.quality = QualityStep(ui, self.opened, self.file, self.run, self.refresh, self.say)
        self.dataset = DatasetStep(ui, self.opened, self.file, self.run, self.refresh, self.say)
        self.training = TrainingStep(ui, parent, session, self.run, self.refresh, self.say)
        self.evaluation = EvaluationStep(
            ui, parent, session, self.opened, self.training, self.run, self._startTurns, self.refresh, self.say
        )
        self.evaluation.followProgress(self.progress.show)
        self.dataset.onExported = self.training.chooseDataset
        self.addBox = AddBox(parent, self.run, self._onCases, self.say)
        self.sceneBox = SceneBox(parent, self.opened, self._onSceneCase)
        self._makeAddMenu(parent)
        ui.stepTabs.tabBar().setStyleSheet(TABS)  # so that five steps have room
        ui.stepTabs.connect("currentChanged(int)", self._onStep)
        for button in (*(ui.checkButton, ui.applyButton, ui.exportButton, ui.startTrainingButton, ui.evaluateButton),):
            button.setStyleSheet("font-weight: bold; padding: 5px;")
        self._ready = True
        self._onOpened()

    @property
    def working(self):
        """bool: whether something is being done."""
        return self.work.running or self.runner.working

    def open(self, path):
        """Open a table; returns whether that worked (the reason is said)."""
        return self.file.open(path)

    def say(self, text, isError=False):
        """Show one line below everything."""
        self.ui.statusLabel.text = " ".join(text.split())
        self.ui.statusLabel.setStyleSheet("color: #c0392b; font-weight: bold;" if isError else "")
        self.ui.statusLabel.setToolTip("")
        self.ui.statusLabel.setVisible(bool(text))
        if isError:
            logging.info("BreastSegTraining: an error was shown")

    def refresh(self):
        """Bring buttons and sentences up to date, and keep what was chosen."""
        if not self._ready or self._shutting:
            return
        idle = not self.working
        self.cases.refresh()
        self.case.refresh(idle)
        self.quality.refresh()
        self.dataset.refresh()
        self.training.refresh()
        self.evaluation.refresh()
        self.kept.keepSoon()

    def run(self, arguments, onResult, onError=None):
        """Begin a verb of the command line; `onResult` gets its result event, `onError` is told of a bad end."""
        if self.working:
            self.say(_("Wait until the present work has ended, or cancel it."), True)
            return
        self.error = None
        self.say("")
        try:
            outlines = any(".xml" in case.get("mask").lower() for case in self.opened.cases)
            needs.ensure(needs.neededFor(arguments, outlines), self.session)
        except BreastSegError as error:
            self._onFailed({"event": "error", "code": error.code, "message": error.line, "hint": ""}, onError)
            return
        if self.working:  # begun while packages were installed
            self.say(_("Wait until the present work has ended, or cancel it."), True)
            return
        self.progress.show(_("Starting"))
        self.work.start(
            arguments,
            lambda event: self._ended(lambda: onResult(event)),
            lambda event: self._ended(lambda: self._onFailed(event, onError)),
        )
        self._setIdle(not self.working)

    def cancel(self):
        """Stop what is being done, within about two seconds; what is finished is kept."""
        if self.working:
            self.progress.showCancelling()
            self.work.cancel()
            self.runner.cancel()

    def setParameterNode(self, node):
        """Show what a parameter node keeps, and keep the user's choices in it from now on; None lets go of it."""
        self.kept.follow(node)
        if node is not None:
            self.evaluation.result.showPlot()  # its nodes went with the scene
        self.refresh()

    def reset(self):
        """The scene is closing: its nodes go. A command goes on, as it works on files only."""
        self.runner.abandon()
        if self.session.workerBusy:
            self.session.close()
        if self.case.loaded is not None:
            self.session.forgetExam(self.case.loaded.exam)
        self.case.forget()
        self.training.queue.curves.reset()
        self.evaluation.reset()
        viewlayout.leaveSingleView()
        if not self.work.running:
            self._setIdle(True)
        self.refresh()

    def close(self):
        """End what runs; the panel goes away."""
        self._shutting = True
        self.work.close()
        self.runner.abandon()
        self.training.close()
        self.evaluation.close()
        self.cases.close()
        self.addBox.close()
        self.sceneBox.close()
        self.session.close()

    def addFiles(self):
        """Ask for image files and a mask and add them as a row."""
        files = ask.filesToOpen(
            _("Exam: phases in order, or one mammogram"),
            self.opened.table.folder,
            _("Images ({kinds})").format(kinds=EXAM_FILES),
        )
        if not files:
            return
        # Windows lists the files in the order of the clicks, from the last.
        files = sorted(files, key=naturalKey)
        masks = ask.filesToOpen(
            _("Reference mask"), Path(files[0]).parent, _("Masks ({kinds})").format(kinds=MASK_FILES)
        )
        flat = len(files) == 1 and files[0].lower().endswith((".dcm", ".png", ".tif", ".tiff"))
        cell = ";".join(map(self.opened.cell, files))
        self.cases.addRow(**{"image" if flat else "phases": cell, "mask": ";".join(map(self.opened.cell, masks))})

    def addSceneCase(self):
        """Ask which nodes of the scene are a labelled case; the table needs a file, beside which it is written."""
        if self.opened.path is None:
            self.say(_("Save the table first: exam and mask are written beside it."), True)
            if not self.file.saveAs():
                return
        self.sceneBox.show()

    def _makeAddMenu(self, parent):
        menu = qt.QMenu(parent)
        for text, slot in (
            (_("From a dataset folder…"), self.addBox.show),
            (_("From the scene…"), self.addSceneCase),
            (_("From files…"), self.addFiles),
            (_("Empty row"), self.cases.addRow),
        ):
            menu.addAction(text).connect("triggered()", slot)
        self.ui.addButton.setMenu(menu)

    def _startTurns(self, turns, onDone, onError):
        if self.working:
            turns.close()
            self.say(_("Wait until the present work has ended, or cancel it."), True)
            return
        self.error = None
        self.say("")
        self.runner.start(
            turns,
            lambda value: self._ended(lambda: onDone(value)),
            lambda error: self._ended(lambda: self._onTurnsFailed(error, onError)),
        )
        self.progress.show(_("Starting"))
        self._setIdle(False)

    def _ended(self, listener):
        self.progress.hide()
        self._setIdle(True)
        listener()
        self.refresh()

    def _setIdle(self, idle):
        if idle:
            self.progress.hide()
        self.cases.setIdle(idle)
        self.quality.setIdle(idle)
        self.dataset.setIdle(idle)
        self.training.setIdle(idle)
        self.evaluation.setIdle(idle)
        self.case.refresh(idle)

    def _onFailed(self, event, onError):
        cancelled = event.get("code") == "cancelled"
        self.error = Cancelled() if cancelled else BreastSegError(errorLine(event))
        # What it had finished stands in the file.
        if not self.opened.unsaved and self.opened.changedOutside and self.opened.path.exists():
            self.file.reread()
        if onError is not None:
            onError()
        said = _("Cancelled; what was finished is kept.") if cancelled else errorLine(event)
        self.say(said, not cancelled)

    def _onTurnsFailed(self, error, onError):
        self.error = error
        if isinstance(error, Cancelled):
            self.say(_("Cancelled."))
            return
        onError(error)

    def _onStep(self, index):
        if index == SELECTION:
            self.quality.showTable()  # rows may have been edited in step 1
        self.refresh()

    def _onOpened(self):
        if self._shown != self.opened.path:
            self._shown = self.opened.path
            # A case of the same name in another table is another one: its mask must not be saved there.
            self.case.forget()
            self.dataset.forget()
            self.cases.showTable()
        else:
            self.cases.refreshTable()
        self.quality.showTable()
        self.refresh()

    def _onSaved(self):
        self._shown = self.opened.path
        self.cases.refreshTable()
        self.refresh()

    def _onCases(self, cases, notRead, notes):
        added, known = self.cases.add(cases)
        words = [_("{cases} added.").format(cases=counted.cases(added))]
        if known:
            words.append(_("{count} were in the table already.").format(count=known))
        if notRead:
            words.append(_("{count} could not be read.").format(count=len(notRead)))
        self.say(" ".join([*words, *map(str, notes)]), bool(notRead))
        lines = [f"{row.get('where')}: {row.get('why')}" for row in notRead[:NOT_READ_SHOWN]]
        if len(notRead) > NOT_READ_SHOWN:
            lines.append(_("… and {count} more").format(count=len(notRead) - NOT_READ_SHOWN))
        self.ui.statusLabel.setToolTip("\n".join(lines))
        self.refresh()

    def _onSceneCase(self, wanted, values):
        if self.working:
            self.say(_("Wait until the present work has ended, or cancel it."), True)
            self.sceneBox.dialog.show()  # with what was typed
            return
        if self.opened.path is None:  # another table was begun while the window was open
            self.say(_("Save the table first: exam and mask are written beside it."), True)
            return
        turns = takecase.takeCase(self.session, wanted, self.opened.path.parent, self.progress.show)
        self._startTurns(
            turns, lambda taken: self._onTaken(wanted, values, taken), lambda error: self.say(error.line, True)
        )

    def _onTaken(self, wanted, values, taken):
        side = {"L": "left", "R": "right"}.get(taken.pop("side", ""), "")
        cells = {name: self.opened.cell(taken.pop(name)) for name in ("exam", "mask")}
        place = self.cases.addRow(case=wanted.name, **values, **cells, side=side, **taken)
        self.say(_("Added {name}. Save the table to keep the row.").format(name=self.opened.cases[place].name))
        self.refresh()

    def adopt(self, name, exam, segmentation):
        """Take a case that came back with a scene."""
        self.case.adopt(loadcase.LoadedCase(name, exam, segmentation))

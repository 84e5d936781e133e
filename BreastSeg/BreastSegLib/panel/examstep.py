"""Step 1: which exam, and what its phases or views are."""

import qt

from ..errors import BreastSegError
from ..scene import companions, corrections, examnodes, keeping, mammogramnodes, viewlayout
from ..scene.sceneexam import motionText
from ..scene.texts import _
from . import phaserows
from .chartbox import ChartBox
from .phasetable import PhaseTable
from .questionbox import QuestionBox
from .sourcechooser import SourceChooser
from .viewtable import ViewTable
from .windowbox import WindowBox

PLOT = "BreastSegEnhancement"


class ExamStep:
    """The widgets of step 1.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file, by name.
    onLoad : callable
        Called with the source when the user presses "Load exam", or answers a question about it.
    onChanged : callable
        Called when anything changes that decides what is missing.
    showElsewhere : callable
        Called with the volume that the user wants to see; returns whether a preview shows it now.
    """

    def __init__(self, ui, onLoad, onChanged, showElsewhere):
        self._ui, self._onLoad, self._onChanged = ui, onLoad, onChanged
        self._showElsewhere = showElsewhere
        self._asked = {}
        self.loaded = None
        self.exam = None
        self.problem, self.volumesGone = "", False
        self._question = QuestionBox(ui, self._onAnswer)
        self.chooser = SourceChooser(ui, self._onSourceChanged, onChanged)
        self._table = PhaseTable(
            ui.phaseTable, ui.phaseUpButton, ui.phaseDownButton, self._onRows, self._onRowSelected
        )
        self._views = ViewTable(ui.viewTable, self._onViews, self._onViewSelected)
        self._windows = WindowBox(ui)
        self._plot = ChartBox(ui.plotFrame, PLOT)
        ui.loadButton.connect("clicked()", self._load)
        self.show(None)

    @property
    def asking(self):
        """str: what the user has to decide before the exam can be loaded; '' when nothing is asked."""
        return self._question.asking

    @property
    def keptText(self):
        """str: the phases with the user's corrections, for the parameter node; '' when there are none."""
        if self.loaded is None or self.loaded.kind != "dce":
            return ""
        return keeping.keptText(self.loaded, phaserows.keptRows(self._table.rows))

    def setFolder(self, folder):
        """Choose a folder."""
        self.chooser.setFolder(folder)

    def loadFolder(self, folder):
        """Choose a folder and load it, as the user does."""
        self.setFolder(folder)
        self._load()

    def setFiles(self, files):
        """Choose image files, in order."""
        self.chooser.setFiles(files)

    def dropRemoved(self):
        """Forget the exam when a volume of it is no longer in the scene; return the forgotten exam, or None."""
        exam = self.loaded
        self._plot.hideLost()
        if exam is None or all(companions.isThere(node) for node in exam.nodes):
            return None
        self.show(None)
        self.volumesGone = True
        if exam.kind == "dce":
            companions.removeCompanions(exam.companions)
            # Later: the subject hierarchy may be removing this very folder, and would not survive its loss.
            qt.QTimer.singleShot(0, lambda: examnodes.removeLost(exam.name))
        return exam

    def ask(self, source, question):
        """Ask the user what an `Undecided` asks about `source`; the answer loads it again."""
        self._asked = source
        self._question.ask(question)

    def show(self, exam, kept=()):
        """Show an exam as it was loaded; None shows an empty step.

        Parameters
        ----------
        exam : SceneExam, SceneMammograms or None
        kept : sequence of (int, str, float or None, bool)
            The user's corrections, as they were kept in the scene.
        """
        self.loaded = self.exam = exam
        self.problem, self.volumesGone = "", False
        self._question.hide()
        self._windows.forget()
        phases = exam.phases if exam else ()
        self._showRows(self._rows(exam) if phases else ())
        self._showViews()
        self._showEvidence()
        notes = exam.notes if exam else ()
        self._ui.examNotesLabel.text = "\n".join(f"• {note}" for note in notes)
        self._ui.phaseFrame.setVisible(bool(phases))
        self._ui.examNotesLabel.setVisible(bool(notes))
        if kept and phases:
            self._apply(phaserows.restored(self._rows(exam), kept))
        self._showPlot()

    def takeCompanions(self, made):
        """Use a Sequence and a plot that were made for the exam after it was shown."""
        self.loaded = corrections.withCompanions(self.loaded, made)
        self.exam = corrections.withCompanions(self.exam, made)
        self._showPlot()

    def setEnabled(self, enabled, loadable, tooltip):
        """Let the user change the step, and load, or not."""
        self.chooser.setEnabled(enabled)
        self._table.setEnabled(enabled)
        self._views.setEnabled(enabled)
        self._question.setEnabled(enabled)
        self._ui.loadButton.setEnabled(loadable)
        self._ui.loadButton.setToolTip(tooltip)

    def _load(self):
        self._question.hide()
        self.chooser.remember()
        self._onLoad(self.chooser.source())

    def _onSourceChanged(self):
        # Another exam is the user's way out of a question.
        self._question.hide()
        self._onChanged()

    def _onAnswer(self, name, value):
        # Motion correction may have been chosen since the question was asked.
        source = {**self._asked, "motion": self.chooser.motion}
        self._onLoad({**source, "decisions": {**self._asked.get("decisions", {}), name: value}})

    def _rows(self, exam):
        motion = [motionText(row) for row in exam.motion]
        return phaserows.rowsOf(exam.phases, [node.GetName() for node in exam.nodes], motion, _)

    def _showEvidence(self):
        """Say in one sentence what decided the phases or views."""
        exam = self.loaded
        rows = () if exam is None else exam.phases or exam.views
        evidence = " / ".join(dict.fromkeys(row.evidence for row in rows if row.evidence))
        sentence = _("Phases decided by {evidence}.") if rows and exam.phases else _("Views decided by {evidence}.")
        corrected = rows and exam.phases and self.exam.phases != exam.phases
        sentences = [sentence.format(evidence=evidence), *([_("Corrected by hand.")] if corrected else [])]
        self._ui.evidenceLabel.text = " ".join(sentences)
        self._ui.evidenceLabel.setVisible(bool(evidence))

    def _showPlot(self):
        self._plot.show(self.exam.companions.chart if self.exam is not None and self.exam.phases else None)

    def _onRows(self, rows):
        if self.loaded is None:
            return
        self._apply(rows)
        self._onChanged()

    def _apply(self, rows):
        """Make the rows of the table the phases of the exam, if they can be."""
        try:
            self.exam = corrections.correctPhases(self.loaded, phaserows.usedRows(rows))
            self.problem = ""
        except BreastSegError as error:
            self.problem = error.line
        if not self.problem:
            companions.updateCompanions(self.exam)
        self._showRows(self._corrected(rows) if not self.problem else rows)
        self._showEvidence()

    def _corrected(self, rows):
        """Return the rows as the correction made them: new names, times since the first post-contrast phase."""
        used = phaserows.usedRows(rows)
        phases = {index: phase for (index, role, time), phase in zip(used, self.exam.phases)}
        shift = phaserows.shiftOf(used, self.exam.phases)
        return [
            phaserows.corrected(row, phases.get(row.index), self.loaded.nodes[row.index].GetName(), shift)
            for row in rows
        ]

    def _showRows(self, rows):
        self._table.show(rows, self.loaded.name if self.loaded is not None else "")

    def _onRowSelected(self, row):
        node = self.loaded.nodes[row.index] if self.loaded else None
        if companions.isThere(node) and not self._showElsewhere(node):
            examnodes.showPhase(node, fit=False)

    def _showViews(self, selected=0):
        exam = self.exam
        views = exam.views if exam is not None and exam.kind == "mammograms" else ()
        self._ui.viewFrame.setVisible(bool(views))
        names = [node.GetName() for node in exam.nodes] if views else ()
        self._views.show(views, names, exam.name if views else "", selected)
        self._showWindows(selected)

    def _onViews(self, choices, selected):
        if self.exam is None or self.exam.kind != "mammograms":
            return
        self.exam = self.loaded = mammogramnodes.correctViews(self.exam, choices)
        self._showViews(selected)
        self._onChanged()

    def _onViewSelected(self, place):
        node = self.exam.nodes[place]
        if companions.isThere(node) and not self._showElsewhere(node):
            viewlayout.showInSingleView(node)
        self._showWindows(place)

    def _showWindows(self, place):
        exam = self.exam
        offered = exam is not None and exam.kind == "mammograms" and 0 <= place < len(exam.tones)
        self._windows.show(exam.nodes[place] if offered else None, exam.tones[place] if offered else ())

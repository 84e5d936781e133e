"""Step 1: which exam, and what its phases are."""

import os

import qt

from ..errors import BreastSegError
from ..scene import examflow, examnodes
from ..scene.texts import _
from . import phaserows, state
from .nodelist import NodeList
from .phasetable import PhaseTable

FILE_FILTER = "NIfTI, NRRD, MetaImage (*.nii *.nii.gz *.nrrd *.nhdr *.mha *.mhd)"


class ExamStep:
    """The widgets of step 1.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file, by name.
    onLoad : callable
        Called with the source when the user presses "Load exam".
    onChanged : callable
        Called when anything changes that decides what is missing.
    """

    def __init__(self, ui, onLoad, onChanged):
        self._ui, self._onLoad, self._onChanged = ui, onLoad, onChanged
        self._files = ()
        self.loaded = None
        self.exam = None
        self.problem, self.volumesGone = "", False
        for text in (_("DICOM folder"), _("Image files, one for each phase"), _("Volumes in the scene")):
            ui.sourceBox.addItem(text)
        self._nodes = NodeList(ui.nodesList, onChanged)
        self._table = PhaseTable(
            ui.phaseTable, ui.phaseUpButton, ui.phaseDownButton, self._onRows, self._onRowSelected
        )
        ui.sourceBox.connect("currentIndexChanged(int)", self._onSource)
        ui.examFolderEdit.connect("currentPathChanged(QString)", self._onFolder)
        ui.filesButton.connect("clicked()", self._chooseFiles)
        ui.loadButton.connect("clicked()", self._load)
        self._onSource(0)
        self.show(None)

    @property
    def kind(self):
        """str: 'folder', 'files' or 'nodes'."""
        return state.SOURCES[max(0, self._ui.sourceBox.currentIndex)]

    @property
    def chosen(self):
        """int: how many folders, files or volumes are chosen."""
        if self.kind == "folder":
            return int(bool(self._ui.examFolderEdit.currentPath.strip()))
        return len(self._files) if self.kind == "files" else len(self._nodes.checkedNodes())

    def dropRemoved(self):
        """Forget the exam when a volume of it is no longer in the scene; return the forgotten exam, or None."""
        exam = self.loaded
        if exam is None or all(node.GetScene() is not None for node in exam.nodes):
            return None
        self.show(None)
        self.volumesGone = True
        return exam

    def source(self):
        """Return the chosen source, as `scene.examflow.readExam` takes it."""
        if self.kind == "folder":
            return {"folder": self._ui.examFolderEdit.currentPath.strip()}
        return {"files": list(self._files)} if self.kind == "files" else {"nodes": self._nodes.checkedNodes()}

    def refreshNodes(self):
        """Volumes came or went: show those that are in the scene now."""
        if self.kind == "nodes":
            self._nodes.refresh()

    def setFolder(self, folder):
        """Choose a DICOM folder."""
        self._ui.sourceBox.setCurrentIndex(state.SOURCES.index("folder"))
        self._ui.examFolderEdit.setCurrentPath(folder)

    def setFiles(self, files):
        """Choose phase files, in order."""
        self._ui.sourceBox.setCurrentIndex(state.SOURCES.index("files"))
        self._files = tuple(files)
        names = "\n".join(f"{number}. {os.path.basename(path)}" for number, path in enumerate(self._files, 1))
        self._ui.filesLabel.text = names or _("No files chosen")
        self._ui.filesLabel.setToolTip("\n".join(self._files))
        self._onChanged()

    def show(self, exam):
        """Show the phases of an exam as it was loaded; None shows an empty step."""
        self.loaded = self.exam = exam
        self.problem, self.volumesGone = "", False
        self._table.show(phaserows.rowsOf(exam.phases, [node.GetName() for node in exam.nodes]) if exam else ())
        evidence = list(dict.fromkeys(phase.evidence for phase in exam.phases)) if exam else []
        self._ui.evidenceLabel.text = _("Phases decided by {evidence}.").format(evidence=" / ".join(evidence))
        self._ui.evidenceLabel.setVisible(any(evidence))
        notes = exam.notes if exam else ()
        self._ui.examNotesLabel.text = "\n".join(f"• {note}" for note in notes)
        self._ui.phaseFrame.setVisible(exam is not None)
        self._ui.examNotesLabel.setVisible(bool(notes))

    def setEnabled(self, enabled, loadable, tooltip):
        """Let the user change the step, and load, or not."""
        for widget in (self._ui.sourceBox, self._ui.sourceStack):
            widget.setEnabled(enabled)
        self._table.setEnabled(enabled)
        self._ui.loadButton.setEnabled(loadable)
        self._ui.loadButton.setToolTip(tooltip)

    def _onSource(self, index):
        self._ui.sourceStack.setCurrentIndex(index)
        self.refreshNodes()
        # A stack is as high as its highest page; the pages in the back must not take room.
        for place in range(self._ui.sourceStack.count):
            policy = qt.QSizePolicy.Preferred if place == index else qt.QSizePolicy.Ignored
            self._ui.sourceStack.widget(place).setSizePolicy(qt.QSizePolicy.Preferred, policy)
        self._onChanged()

    def _onFolder(self, path):
        self._onChanged()

    def _chooseFiles(self):
        files = qt.QFileDialog.getOpenFileNames(None, _("Phase files, pre-contrast first"), "", FILE_FILTER)
        if files:
            self.setFiles(sorted(files, key=phaserows.naturalKey))

    def _load(self):
        if self.kind == "folder":
            self._ui.examFolderEdit.addCurrentPathToHistory()
        self._onLoad(self.source())

    def _onRows(self, rows):
        if self.loaded is None:
            return
        try:
            self.exam = examflow.correctPhases(self.loaded, phaserows.usedRows(rows))
            self.problem = ""
        except BreastSegError as error:
            self.problem = error.line
        self._table.show(self._corrected(rows) if not self.problem else rows)
        self._onChanged()

    def _corrected(self, rows):
        """Return the rows as the correction made them: new names, times since the first post-contrast phase."""
        phases = {index: phase for (index, role, time), phase in zip(phaserows.usedRows(rows), self.exam.phases)}
        result = []
        for row in rows:
            phase, name = phases.get(row.index), self.loaded.nodes[row.index].GetName()
            result.append(
                phaserows.Row(row.index, phase.role, phase.time_s, phase.evidence, name)
                if phase
                else phaserows.Row(row.index, row.role, row.time, row.evidence, name, used=False)
            )
        return result

    def _onRowSelected(self, row):
        node = self.loaded.nodes[row.index] if self.loaded else None
        if node is not None and node.GetScene() is not None:
            examnodes.showPhase(node, fit=False)

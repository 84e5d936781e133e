"""The window "Add a case from the scene": the exam's volumes, the segmentation and its segment, and the patient."""

import re
from pathlib import Path

import qt
import slicer
from BreastSegLib.scene import mammogramnodes
from BreastSegLib.scene.texts import _

from ..cases import unused_name
from ..scene import casemask, takecase

UI = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "SceneCase.ui"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class SceneBox:
    """Asks what of the scene is a labelled case.

    Parameters
    ----------
    parent : qt.QWidget
    opened : OpenTable
    onCase : callable
        ``onCase(sceneCase, values)``: values are the columns that the user filled in.
    """

    def __init__(self, parent, opened, onCase):
        self._opened, self._onCase = opened, onCase
        self._segmentations, self._segments, self._volumes, self._filling = (), (), (), False
        self.dialog = qt.QDialog(parent)
        self.dialog.setWindowTitle(_("Add a case from the scene"))
        top = slicer.util.loadUI(str(UI))
        qt.QVBoxLayout(self.dialog).addWidget(top)
        self.dialog.resize(440, 460)
        self.ui = ui = slicer.util.childWidgetVariables(top)
        ui.segmentationBox.connect("currentIndexChanged(int)", self._onSegmentation)
        for widget in (ui.segmentList, ui.volumeList):
            widget.setSelectionMode(qt.QAbstractItemView.NoSelection)
            widget.connect("itemChanged(QListWidgetItem*)", self._onChanged)
        for edit in (ui.patientEdit, ui.caseNameEdit):
            edit.connect("textChanged(QString)", self._onChanged)
        ui.sceneAddButton.connect("clicked()", self.add)
        ui.sceneCancelButton.connect("clicked()", self.dialog.reject)

    def show(self):
        """Show what the scene holds now."""
        self._segmentations = tuple(slicer.util.getNodesByClass("vtkMRMLSegmentationNode"))
        self._volumes = tuple(takecase.volumesOf())
        self._filling = True
        self.ui.segmentationBox.clear()
        for node in self._segmentations:
            self.ui.segmentationBox.addItem(node.GetName())
        taken = {case.name.casefold() for case in self._opened.cases}
        self.ui.caseNameEdit.text = unused_name(taken)
        self.ui.patientEdit.text = ""
        self._filling = False
        self._onSegmentation(0)
        self.dialog.show()
        self.dialog.activateWindow()

    @property
    def segmentation(self):
        """vtkMRMLSegmentationNode or None: the chosen one."""
        index = self.ui.segmentationBox.currentIndex
        return self._segmentations[index] if 0 <= index < len(self._segmentations) else None

    @property
    def whatIsMissing(self):
        """str: what the user has to do before the case can be added; '' when nothing."""
        name = self.ui.caseNameEdit.text.strip()
        if not self._segmentations:
            return _("There is no segmentation in the scene.")
        if not self._ticked(self.ui.segmentList, self._segments):
            return _("Tick the segment that is the lesion.")
        volumes = self._ticked(self.ui.volumeList, self._volumes)
        if not volumes:
            return _("Tick the volumes of the exam.")
        if len(volumes) > 1 and any(mammogramnodes.viewOf(node) is not None for node in volumes):
            return _("A labelled mammogram is one view: tick one.")
        if not self.ui.patientEdit.text.strip():
            return _("Say which patient it is.")
        if not NAME.fullmatch(name):
            return _("The case name has letters, digits, dot, _ and - only.")
        if name.casefold() in {case.name.casefold() for case in self._opened.cases}:
            return _("There is a case {name} already.").format(name=name)
        return ""

    def add(self):
        """Hand on what was chosen."""
        if self.whatIsMissing:
            self._refresh()
            return
        volumes = self._ticked(self.ui.volumeList, self._volumes)
        wanted = takecase.SceneCase(
            self.ui.caseNameEdit.text.strip(),
            tuple(volumes),
            mammogramnodes.viewOf(volumes[0]) is not None,
            self.segmentation,
            tuple(self._ticked(self.ui.segmentList, self._segments)),
        )
        values = {"patient": self.ui.patientEdit.text.strip(), "centre": self.ui.centreEdit.text.strip()}
        self.dialog.hide()
        self._onCase(wanted, values)

    def chooseSegment(self, word):
        """Tick one segment, by name or code; BadInput when there is none such."""
        found = casemask.segmentIdOf(self.segmentation, word)
        for place, segmentId in enumerate(self._segments):
            state = qt.Qt.Checked if segmentId == found else qt.Qt.Unchecked
            self.ui.segmentList.item(place).setCheckState(state)

    def close(self):
        """Close the window for good."""
        self.dialog.hide()
        self.dialog.deleteLater()

    def _onSegmentation(self, _index):
        if self._filling:
            return
        node = self.segmentation
        rows = casemask.segmentsOf(node) if node is not None else []
        self._segments = tuple(segmentId for segmentId, _name in rows)
        titles = [_titleOf(name, casemask.codeOf(node, segmentId)) for segmentId, name in rows]
        self._fill(self.ui.segmentList, titles, [len(rows) == 1] * len(rows))
        exam = takecase.proposed(list(self._volumes), node)
        self._fill(
            self.ui.volumeList, [node.GetName() for node in self._volumes], [node in exam for node in self._volumes]
        )
        self._refresh()

    def _fill(self, widget, texts, ticks):
        self._filling = True
        widget.clear()
        for text, ticked in zip(texts, ticks):
            item = qt.QListWidgetItem(text)
            item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsUserCheckable)
            item.setCheckState(qt.Qt.Checked if ticked else qt.Qt.Unchecked)
            widget.addItem(item)
        self._filling = False

    def _ticked(self, widget, values):
        return [value for place, value in enumerate(values) if widget.item(place).checkState() == qt.Qt.Checked]

    def _onChanged(self, _what=None):
        if not self._filling:
            self._refresh()

    def _refresh(self):
        missing = self.whatIsMissing
        self.ui.sceneAddButton.setEnabled(not missing)
        self.ui.sceneMissingLabel.text = missing
        self.ui.sceneMissingLabel.setVisible(bool(missing))


def _titleOf(name, code):
    return f"{name} ({code})" if code else name

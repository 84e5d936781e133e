"""The list of segmentations on the exam: which one is chosen, which are shown, which were edited."""

import qt
import slicer
import vtk

from ..scene import results
from ..scene.companions import isThere
from ..scene.texts import _

MOST_LINES = 4  # shown at once
PAUSE_MS = 150  # several strokes are told once


class ResultList:
    """Keeps a list widget in step with the results on an exam.

    Parameters
    ----------
    widget : qt.QListWidget
    onChosen : callable
        Called with the `SceneResult` that the user has chosen.
    onEdited : callable
        Called when segments were edited.
    """

    def __init__(self, widget, onChosen, onEdited):
        self._widget, self._onChosen, self._onEdited = widget, onChosen, onEdited
        self._results, self._exam, self._filling = (), None, False
        # Node -> tags of its observers; IDs of nodes that were edited.
        self._observed, self._edited = {}, set()
        widget.connect("currentRowChanged(int)", self._onRow)
        widget.connect("itemChanged(QListWidgetItem*)", self._onItem)
        self._timer = qt.QTimer(widget)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE_MS)
        self._timer.connect("timeout()", self._tell)

    def show(self, exam, found, chosen):
        """List results.

        Parameters
        ----------
        exam : SceneExam, SceneMammograms or None
        found : sequence of SceneResult
        chosen : SceneResult or None
        """
        self._exam, self._results = exam, tuple(found)
        self._observe()
        self._filling = True
        widget = self._widget
        if widget.count != len(found):
            widget.clear()
            for _each in found:
                item = qt.QListWidgetItem("")
                item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable | qt.Qt.ItemIsUserCheckable)
                widget.addItem(item)
        for place, result in enumerate(found):
            item, title = widget.item(place), results.titleOf(result, exam)
            item.setText(f"{title} – {self._stateOf(result)}")
            item.setToolTip(", ".join(node.GetName() for node in result.nodes if isThere(node)))
            item.setCheckState(qt.Qt.Checked if results.isShown(result) else qt.Qt.Unchecked)
        widget.setCurrentRow(self._results.index(chosen) if chosen in self._results else -1)
        self._filling = False
        line = widget.sizeHintForRow(0) if found else 0
        height = line * min(max(len(found), 1), MOST_LINES) + 2 * widget.frameWidth + 2
        widget.setMinimumHeight(height)
        widget.setMaximumHeight(height)

    def isEdited(self, result):
        """Return whether segments of a result have changed since it was measured."""
        return any(node.GetID() in self._edited for node in result.nodes if isThere(node))

    def setEdited(self, result, edited):
        """Keep whether segments of a result have changed since it was measured."""
        for node in filter(isThere, result.nodes):
            (self._edited.add if edited else self._edited.discard)(node.GetID())

    def forget(self):
        """Let go of all nodes."""
        self._timer.stop()
        for node, tags in self._observed.items():
            for tag in tags:
                node.RemoveObserver(tag)
        self._observed.clear()
        self._edited.clear()

    def _observe(self):
        wanted = {node for result in self._results for node in result.nodes if isThere(node)}
        for node in [node for node in self._observed if node not in wanted]:
            for tag in self._observed.pop(node):
                node.RemoveObserver(tag)
            self._edited.discard(node.GetID())
        kinds = slicer.vtkSegmentation
        for node in wanted - set(self._observed):
            changes = (kinds.SourceRepresentationModified, kinds.SegmentAdded, kinds.SegmentRemoved)
            tags = [node.AddObserver(kind, self._onSegmentation) for kind in changes]
            for kind in (vtk.vtkCommand.ModifiedEvent, slicer.vtkMRMLDisplayableNode.DisplayModifiedEvent):
                tags.append(node.AddObserver(kind, self._onNode))
            self._observed[node] = tags

    def _onSegmentation(self, node, _event):
        # Cheap: a brush calls this for every stroke.
        self._edited.add(node.GetID())
        self._timer.start()

    def _onNode(self, _node, _event):
        self._timer.start()

    def _tell(self):
        if self._exam is not None and not slicer.mrmlScene.IsClosing():
            place = self._widget.currentRow
            chosen = self._results[place] if 0 <= place < len(self._results) else None
            self.show(self._exam, self._results, chosen)
            self._onEdited()

    def _stateOf(self, result):
        if not result.measures:
            return _("not measured")
        if self.isEdited(result):
            return _("edited")
        count = len(result.measures["lesions"])
        texts = {0: _("no lesion"), 1: _("1 lesion")}
        return texts.get(count, _("{count} lesions").format(count=count))

    def _onRow(self, place):
        if not self._filling and 0 <= place < len(self._results):
            self._onChosen(self._results[place])

    def _onItem(self, item):
        if self._filling:
            return
        place = self._widget.row(item)
        if 0 <= place < len(self._results):
            results.show(self._results[place], item.checkState() == qt.Qt.Checked)

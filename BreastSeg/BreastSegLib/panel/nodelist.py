"""A list of the volumes and Sequences in the scene, in which the user ticks the phases of an exam."""

import qt
import slicer

from ..scene import overlay
from ..scene.examnodes import COMPANION
from ..scene.fromnodes import isVolumeSequence
from ..scene.texts import _
from .phaserows import naturalKey

# Volumes with several values for each voxel are listed too: ticked, they are refused with a sentence.
VOLUMES = ("vtkMRMLScalarVolumeNode", "vtkMRMLVectorVolumeNode", "vtkMRMLMultiVolumeNode")


class NodeList:
    """Keeps a list widget in step with the scene.

    Parameters
    ----------
    widget : qt.QListWidget
    onChanged : callable
        Called when the user ticks or unticks a volume.
    """

    def __init__(self, widget, onChanged):
        self._widget, self._onChanged = widget, onChanged
        self._nodes, self._filling = (), False
        widget.setSelectionMode(qt.QAbstractItemView.NoSelection)
        widget.connect("itemChanged(QListWidgetItem*)", self._onItem)

    def refresh(self):
        """Show what can be an exam: known phases in order, volumes by name as people count, Sequences; ticks stay."""
        # A node that has left the scene may have handed its ID on to another one.
        ticked = {node.GetID() for node in self.checkedNodes() if node.GetScene() is not None}
        nodes = [node for node in slicer.util.getNodesByClass("vtkMRMLVolumeNode") if _isListed(node)]
        nodes += [node for node in slicer.util.getNodesByClass("vtkMRMLSequenceNode") if isVolumeSequence(node)]
        self._nodes = tuple(sorted(nodes, key=_order))
        self._filling = True
        self._widget.clear()
        for node in self._nodes:
            item = qt.QListWidgetItem(_title(node))
            item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsUserCheckable)
            item.setCheckState(qt.Qt.Checked if node.GetID() in ticked else qt.Qt.Unchecked)
            self._widget.addItem(item)
        self._filling = False

    def checkedNodes(self):
        """Return the ticked volume nodes, from top to bottom."""
        return [
            node for place, node in enumerate(self._nodes) if self._widget.item(place).checkState() == qt.Qt.Checked
        ]

    def _onItem(self, item):
        if not self._filling:
            self._onChanged()


def _isListed(node):
    # The volume with which the user plays an exam shows one of its phases again.
    shown = node.GetClassName() in VOLUMES and not node.GetHideFromEditors()
    return shown and node.GetAttribute(COMPANION) is None and node.GetAttribute(overlay.MAP) is None


def _title(node):
    if not node.IsA("vtkMRMLSequenceNode"):
        return node.GetName()
    return _("{name} (Sequence, {count} volumes)").format(name=node.GetName(), count=node.GetNumberOfDataNodes())


def _order(node):
    number = node.GetAttribute("BreastSeg.Phase")
    return node.IsA("vtkMRMLSequenceNode"), number is None, int(number or 0), naturalKey(node.GetName())

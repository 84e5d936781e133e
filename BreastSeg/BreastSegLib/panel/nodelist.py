"""A list of the volumes in the scene, in which the user ticks the phases of an exam."""

import qt
import slicer

from .phaserows import naturalKey


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
        """Show the scalar volumes of the scene: known phases in order, then by name as people count; ticks stay."""
        ticked = {node.GetID() for node in self.checkedNodes()}
        nodes = [
            node
            for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
            if node.GetClassName() == "vtkMRMLScalarVolumeNode" and not node.GetHideFromEditors()
        ]
        self._nodes = tuple(sorted(nodes, key=_order))
        self._filling = True
        self._widget.clear()
        for node in self._nodes:
            item = qt.QListWidgetItem(node.GetName())
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


def _order(node):
    number = node.GetAttribute("BreastSeg.Phase")
    return number is None, int(number or 0), naturalKey(node.GetName())

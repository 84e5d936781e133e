"""Node selector with a check box for every node (the application's qMRMLCheckableNodeComboBox)."""

from PySide6 import QtCore

from .nodecombobox import NODE, NodeComboBox

CHECKED, UNCHECKED = QtCore.Qt.CheckState.Checked, QtCore.Qt.CheckState.Unchecked


class CheckableNodeComboBox(NodeComboBox):
    """The user checks any number of nodes; new nodes start unchecked."""

    checkedNodesChanged = QtCore.Signal()

    def __init__(self, parent=None):
        self._checked = set()
        self._fixed = set()
        super().__init__(parent)
        self._box.view().pressed.connect(self._pressed)

    def _refresh(self):
        super()._refresh()
        present = {node.GetID() for node in self._nodes()}
        lost = self._checked - present
        self._checked &= present
        self._showChecks()
        if lost:
            self.checkedNodesChanged.emit()

    def _showChecks(self) -> None:
        for index in range(self._box.count()):
            data = self._box.itemData(index)
            if data and data[0] == NODE:
                item = self._box.model().item(index)
                item.setCheckState(CHECKED if data[1] in self._checked else UNCHECKED)

    def _pressed(self, modelIndex) -> None:
        data = self._box.itemData(modelIndex.row())
        if data and data[0] == NODE and data[1] not in self._fixed:
            self._set(data[1], data[1] not in self._checked)

    def _set(self, nodeId: str, checked: bool) -> None:
        if (nodeId in self._checked) == checked:
            return
        self._checked ^= {nodeId}
        self._showChecks()
        self.checkedNodesChanged.emit()

    # What qMRMLCheckableNodeComboBox offers besides

    def checkedNodes(self):
        return [node for node in self._nodes() if node.GetID() in self._checked]

    def uncheckedNodes(self):
        return [node for node in self._nodes() if node.GetID() not in self._checked]

    def allChecked(self):
        return not self.uncheckedNodes()

    def noneChecked(self):
        return not self.checkedNodes()

    def checkState(self, node):
        return CHECKED if node is not None and node.GetID() in self._checked else UNCHECKED

    def setCheckState(self, node, check):
        state = QtCore.Qt.CheckState(int(check)) if not isinstance(check, QtCore.Qt.CheckState) else check
        if self._fits(node):
            self._set(node.GetID(), state == CHECKED)

    def check(self, node):
        self.setCheckState(node, CHECKED)

    def uncheck(self, node):
        self.setCheckState(node, UNCHECKED)

    def setUserCheckable(self, node, userCheckable):
        if userCheckable:
            self._fixed.discard(node.GetID())
        else:
            self._fixed.add(node.GetID())

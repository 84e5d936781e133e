"""Node selector (the application's qMRMLNodeComboBox): lists the nodes of some classes and follows the scene."""

import vtk
from PySide6 import QtCore, QtWidgets

NONE, NODE, ACTION = "none", "node", "action"


class NodeComboBox(QtWidgets.QWidget):
    """Chooses one node of the scene; can offer None, and make, rename and delete nodes."""

    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)
    currentNodeRenamed = QtCore.Signal(str)
    nodeActivated = QtCore.Signal(object)
    nodeAdded = QtCore.Signal(object)
    nodeAddedByUser = QtCore.Signal(object)
    nodeAddedByUserAction = QtCore.Signal(object)
    nodeAboutToBeRemoved = QtCore.Signal(object)
    nodeAboutToBeEdited = QtCore.Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None
        self._observers = []
        self._currentId = ""
        self._attributes = {}
        self._labels = {}
        self._values = {
            "nodeTypes": [],
            "noneEnabled": False,
            "addEnabled": True,
            "removeEnabled": True,
            "renameEnabled": False,
            "editEnabled": False,
            "showHidden": False,
            "showChildNodeTypes": True,
            "selectNodeUponCreation": True,
            "baseName": "",
            "noneDisplay": "None",
            "hideChildNodeTypes": [],
            "interactionNodeSingletonTag": "",
        }
        self._box = QtWidgets.QComboBox(self)
        self._box.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._box.setMinimumContentsLength(12)
        self._box.activated.connect(self._activated)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._box)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self._refresh()

    # Properties

    def _property(kind, name):
        def write(self, value):
            self._values[name] = value
            self._refresh()

        return QtCore.Property(kind, lambda self: self._values[name], write)

    nodeTypes = _property("QStringList", "nodeTypes")
    hideChildNodeTypes = _property("QStringList", "hideChildNodeTypes")
    noneEnabled = _property(bool, "noneEnabled")
    addEnabled = _property(bool, "addEnabled")
    removeEnabled = _property(bool, "removeEnabled")
    renameEnabled = _property(bool, "renameEnabled")
    editEnabled = _property(bool, "editEnabled")
    showHidden = _property(bool, "showHidden")
    showChildNodeTypes = _property(bool, "showChildNodeTypes")
    selectNodeUponCreation = _property(bool, "selectNodeUponCreation")
    baseName = _property(str, "baseName")
    noneDisplay = _property(str, "noneDisplay")
    interactionNodeSingletonTag = _property(str, "interactionNodeSingletonTag")

    def setCurrentNodeID(self, nodeId):
        self._select(nodeId or "")

    currentNodeID = QtCore.Property(str, lambda self: self._currentId, setCurrentNodeID)
    currentNodeId = QtCore.Property(str, lambda self: self._currentId, setCurrentNodeID)

    # Methods

    def mrmlScene(self):
        return self._scene

    @QtCore.Slot(object)
    def setMRMLScene(self, scene):
        for observed, tag in self._observers:
            observed.RemoveObserver(tag)
        self._observers = []
        self._scene = scene
        if scene is not None:
            events = {
                scene.NodeAddedEvent: self._onNodeAdded,
                scene.NodeAboutToBeRemovedEvent: self._onNodeAboutToBeRemoved,
                scene.NodeRemovedEvent: self._onNodeRemoved,
                scene.EndBatchProcessEvent: self._onNodeRemoved,
                scene.EndCloseEvent: self._onNodeRemoved,
            }
            for event, callback in events.items():
                self._observers.append((scene, scene.AddObserver(event, callback)))
        self._refresh()

    def currentNode(self):
        return self._scene.GetNodeByID(self._currentId) if self._scene and self._currentId else None

    def setCurrentNode(self, node):
        if isinstance(node, str):
            self._select(node)
        else:
            self._select(node.GetID() if node is not None else "")

    def setCurrentNodeIndex(self, index):
        nodes = self._nodes()
        self._select(nodes[index].GetID() if 0 <= index < len(nodes) else "")

    def nodeCount(self):
        return len(self._nodes())

    def nodeFromIndex(self, index):
        nodes = self._nodes()
        return nodes[index] if 0 <= index < len(nodes) else None

    def addAttribute(self, nodeType, attributeName, attributeValue=None):
        self._attributes.setdefault(nodeType, {})[attributeName] = attributeValue
        self._refresh()

    def removeAttribute(self, nodeType, attributeName):
        self._attributes.get(nodeType, {}).pop(attributeName, None)
        self._refresh()

    def nodeTypeLabel(self, nodeType):
        return self._labels.get(nodeType) or nodeType.removeprefix("vtkMRML").removesuffix("Node")

    def setNodeTypeLabel(self, label, nodeType):
        self._labels[nodeType] = label
        self._refresh()

    def addNode(self, nodeType=None):
        nodeType = nodeType or (self._values["nodeTypes"] or [None])[0]
        if self._scene is None or nodeType is None:
            return None
        base = self._values["baseName"] or self.nodeTypeLabel(nodeType)
        node = self._scene.AddNewNodeByClass(nodeType, self._scene.GenerateUniqueName(base))
        for name, value in self._attributes.get(nodeType, {}).items():
            node.SetAttribute(name, "" if value is None else str(value))
        if self._values["selectNodeUponCreation"]:
            self._select(node.GetID())
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self):
        node = self.currentNode()
        if node is not None:
            self._scene.RemoveNode(node)

    def editCurrentNode(self):
        self.nodeAboutToBeEdited.emit(self.currentNode())

    def renameCurrentNode(self):
        node = self.currentNode()
        if node is None:
            return
        name, accepted = QtWidgets.QInputDialog.getText(self, "Rename", "New name:", text=node.GetName())
        if accepted and name:
            node.SetName(name)
            self._refresh()
            self.currentNodeRenamed.emit(name)

    # Following the scene

    def _fits(self, node) -> bool:
        types = self._values["nodeTypes"]
        exact = not self._values["showChildNodeTypes"]
        className = next((name for name in types if (node.GetClassName() == name if exact else node.IsA(name))), None)
        if className is None or any(node.IsA(hidden) for hidden in self._values["hideChildNodeTypes"]):
            return False
        if node.GetHideFromEditors() and not self._values["showHidden"]:
            return False
        for name, value in self._attributes.get(className, {}).items():
            found = node.GetAttribute(name)
            if found is None or (value is not None and found != str(value)):
                return False
        return True

    def _nodes(self):
        if self._scene is None:
            return []
        every = (self._scene.GetNthNode(index) for index in range(self._scene.GetNumberOfNodes()))
        return [node for node in every if self._fits(node)]

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeAdded(self, caller, event, node):
        if node is not None and self._fits(node):
            tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._refresh())
            self._observers.append((node, tag))
            self._refresh()
            self.nodeAdded.emit(node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeAboutToBeRemoved(self, caller, event, node):
        if node is not None and self._fits(node):
            self.nodeAboutToBeRemoved.emit(node)

    def _onNodeRemoved(self, *_):
        self._refresh()

    def _refresh(self) -> None:
        nodes = self._nodes()
        self._box.blockSignals(True)
        self._box.clear()
        if self._values["noneEnabled"] or not nodes:
            label = self._values["noneDisplay"] if self._values["noneEnabled"] else self._emptyText()
            self._box.addItem(label, (NONE, ""))
        for node in nodes:
            self._box.addItem(node.GetName() or node.GetID(), (NODE, node.GetID()))
        self._addActions()
        self._box.blockSignals(False)
        ids = [node.GetID() for node in nodes]
        chosen = self._currentId
        if chosen not in ids:
            # Without None something is always chosen, as in the application.
            chosen = "" if self._values["noneEnabled"] or not ids else ids[0]
        self._select(chosen)

    def _emptyText(self):
        types = self._values["nodeTypes"]
        return f"Select a {self.nodeTypeLabel(types[0])}" if types else ""

    def _addActions(self):
        actions = []
        if self._scene is not None and self._values["nodeTypes"]:
            if self._values["addEnabled"]:
                actions += [
                    (f"Create new {self.nodeTypeLabel(kind)}", lambda kind=kind: self.addNode(kind))
                    for kind in self._values["nodeTypes"]
                ]
            if self._values["renameEnabled"]:
                actions.append(("Rename current node...", self.renameCurrentNode))
            if self._values["editEnabled"]:
                actions.append(("Edit current node...", self.editCurrentNode))
            if self._values["removeEnabled"]:
                actions.append(("Delete current node", self.removeCurrentNode))
        self._actions = [action for _, action in actions]
        if actions:
            self._box.insertSeparator(self._box.count())
        for index, (label, _) in enumerate(actions):
            self._box.addItem(label, (ACTION, index))

    def _activated(self, index):
        data = self._box.itemData(index)
        if not data:
            return
        kind, value = data
        if kind == ACTION:
            self._showCurrent()
            self._actions[value]()
            return
        self._select(value)
        self.nodeActivated.emit(self.currentNode())

    def _select(self, nodeId: str) -> None:
        if nodeId and (
            self._scene is None
            or self._scene.GetNodeByID(nodeId) is None
            or not self._fits(self._scene.GetNodeByID(nodeId))
        ):
            nodeId = ""
        changed = nodeId != self._currentId
        self._currentId = nodeId
        self._showCurrent()
        if changed:
            self.currentNodeChanged.emit(self.currentNode())
            self.currentNodeIDChanged.emit(nodeId)

    def _showCurrent(self):
        wanted = (NODE, self._currentId) if self._currentId else (NONE, "")
        for index in range(self._box.count()):
            if self._box.itemData(index) and tuple(self._box.itemData(index)) == wanted:
                self._box.blockSignals(True)
                self._box.setCurrentIndex(index)
                self._box.blockSignals(False)
                return
        self._box.blockSignals(True)
        self._box.setCurrentIndex(-1)
        self._box.blockSignals(False)

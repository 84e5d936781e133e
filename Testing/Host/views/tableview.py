"""Table views: a scene table in a Qt table."""

import vtk
from PySide6 import QtCore, QtGui, QtWidgets


class TableModel(QtGui.QStandardItemModel):
    """Rows and columns of a ``vtkMRMLTableNode``."""

    def show(self, node) -> None:
        self.clear()
        if node is None or node.GetTable() is None:
            return
        table = node.GetTable()
        columns, rows = node.GetNumberOfColumns(), node.GetNumberOfRows()
        self.setRowCount(rows)
        self.setColumnCount(columns)
        for column in range(columns):
            self.setHeaderData(column, QtCore.Qt.Orientation.Horizontal, node.GetColumnName(column))
            array = table.GetColumn(column)
            numeric = isinstance(array, vtk.vtkDataArray)
            for row in range(rows):
                item = QtGui.QStandardItem(node.GetCellText(row, column))
                item.setEditable(not node.GetLocked())
                if numeric:
                    item.setTextAlignment(QtCore.Qt.AlignmentFlag.AlignRight | QtCore.Qt.AlignmentFlag.AlignVCenter)
                self.setItem(row, column, item)


class TableView(QtWidgets.QTableView):
    """Follows a table node, or the table that a table view node shows (the application's qMRMLTableView)."""

    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None
        self._node = None
        self._viewNode = None
        self._observers = []
        self._model = TableModel(self)
        self._proxy = QtCore.QSortFilterProxyModel(self)
        self._proxy.setSourceModel(self._model)
        self.setModel(self._proxy)
        self.horizontalHeader().setStretchLastSection(True)

    def setMRMLScene(self, scene):
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self):
        return self._scene

    def setMRMLTableNode(self, node):
        for observed, tag in self._observers:
            observed.RemoveObserver(tag)
        self._observers = []
        self._node = node
        if node is not None:
            self._observers.append((node, node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._refresh())))
        self._refresh()

    def mrmlTableNode(self):
        return self._node

    def setMRMLTableViewNode(self, viewNode):
        self._viewNode = viewNode
        if viewNode is not None:
            viewNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._followViewNode())
            self._followViewNode()

    def mrmlTableViewNode(self):
        return self._viewNode

    def _followViewNode(self):
        if self._viewNode.GetTableNode() is not self._node:
            self.setMRMLTableNode(self._viewNode.GetTableNode())

    def _refresh(self):
        self._model.show(self._node)
        self.resizeColumnsToContents()

    def tableModel(self):
        return self._model

    def sortFilterProxyModel(self):
        return self._proxy


class TableWidget(QtWidgets.QWidget):
    """A table view in the layout (the application's qMRMLTableWidget)."""

    def __init__(self, viewNode, parent=None):
        super().__init__(parent)
        self._view = TableView(self)
        self._view.setMRMLScene(viewNode.GetScene())
        self._view.setMRMLTableViewNode(viewNode)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._view)

    def tableView(self):
        return self._view

    def viewWidget(self):
        return self._view

    def mrmlTableViewNode(self):
        return self._view.mrmlTableViewNode()

    def mrmlAbstractViewNode(self):
        return self._view.mrmlTableViewNode()

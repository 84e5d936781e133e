"""Table of the segments of a segmentation (the application's qMRMLSegmentsTableView): visibility, colour, name."""

import vtk
from PySide6 import QtCore, QtGui, QtWidgets

VISIBLE, COLOR, NAME = range(3)


class SegmentsTable(QtWidgets.QWidget):
    """Lists segments; the user shows, hides, renames and selects them."""

    selectionChanged = QtCore.Signal(object, object)
    segmentAboutToBeModified = QtCore.Signal(str)
    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = self._node = None
        self._observers = []
        self._readOnly = False
        self._table = QtWidgets.QTableWidget(0, 3)
        self._table.setHorizontalHeaderLabels(["Shown", "Color", "Name"])
        self._table.verticalHeader().hide()
        self._table.horizontalHeader().setStretchLastSection(True)
        self._table.setSelectionBehavior(QtWidgets.QAbstractItemView.SelectionBehavior.SelectRows)
        self._table.itemChanged.connect(self._itemChanged)
        self._table.selectionModel().selectionChanged.connect(
            lambda selected, deselected: self.selectionChanged.emit(selected, deselected)
        )
        self._table.setColumnWidth(VISIBLE, 54)
        self._table.setColumnWidth(COLOR, 44)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._table)

    def setMRMLScene(self, scene):
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self):
        return self._scene

    @QtCore.Slot(object)
    def setSegmentationNode(self, node):
        import slicer

        for observed, tag in self._observers:
            observed.RemoveObserver(tag)
        self._observers = []
        self._node = node
        if node is not None:
            segmentation = slicer.vtkSegmentation
            for event in (
                segmentation.SegmentAdded,
                segmentation.SegmentRemoved,
                segmentation.SegmentModified,
                node.DisplayModifiedEvent,
            ):
                self._observers.append((node, node.AddObserver(event, lambda *_: self._refresh())))
        self._refresh()

    def segmentationNode(self):
        return self._node

    def tableWidget(self):
        return self._table

    def _segmentIds(self):
        if self._node is None:
            return []
        ids = vtk.vtkStringArray()
        self._node.GetSegmentation().GetSegmentIDs(ids)
        return [ids.GetValue(index) for index in range(ids.GetNumberOfValues())]

    def _refresh(self):
        selected = self.selectedSegmentIDs()
        self._table.blockSignals(True)
        ids = self._segmentIds()
        self._table.setRowCount(len(ids))
        display = self._node.GetDisplayNode() if self._node is not None else None
        flags = QtCore.Qt.ItemFlag.ItemIsEnabled | QtCore.Qt.ItemFlag.ItemIsSelectable
        for row, segmentId in enumerate(ids):
            segment = self._node.GetSegmentation().GetSegment(segmentId)
            shown = QtWidgets.QTableWidgetItem()
            shown.setFlags(flags | QtCore.Qt.ItemFlag.ItemIsUserCheckable)
            visible = display is None or display.GetSegmentVisibility(segmentId)
            shown.setCheckState(QtCore.Qt.CheckState.Checked if visible else QtCore.Qt.CheckState.Unchecked)
            color = QtWidgets.QTableWidgetItem()
            color.setFlags(flags)
            color.setBackground(QtGui.QColor.fromRgbF(*segment.GetColor()))
            name = QtWidgets.QTableWidgetItem(segment.GetName())
            name.setFlags(flags if self._readOnly else flags | QtCore.Qt.ItemFlag.ItemIsEditable)
            name.setData(QtCore.Qt.ItemDataRole.UserRole, segmentId)
            for columnIndex, item in ((VISIBLE, shown), (COLOR, color), (NAME, name)):
                self._table.setItem(row, columnIndex, item)
        self._table.blockSignals(False)
        self.setSelectedSegmentIDs(selected)

    def _itemChanged(self, item):
        segmentId = self.segmentIDForRow(item.row())
        self.segmentAboutToBeModified.emit(segmentId)
        if item.column() == NAME:
            self._node.GetSegmentation().GetSegment(segmentId).SetName(item.text())
        elif item.column() == VISIBLE and self._node.GetDisplayNode():
            self._node.GetDisplayNode().SetSegmentVisibility(
                segmentId, item.checkState() == QtCore.Qt.CheckState.Checked
            )

    # What qMRMLSegmentsTableView offers besides

    segmentCount = QtCore.Property(int, lambda self: len(self._segmentIds()))

    def displayedSegmentIDs(self):
        return self._segmentIds()

    def segmentIDForRow(self, row):
        item = self._table.item(row, NAME)
        return item.data(QtCore.Qt.ItemDataRole.UserRole) if item else ""

    def rowForSegmentID(self, segmentID):
        ids = self._segmentIds()
        return ids.index(segmentID) if segmentID in ids else -1

    def selectedSegmentIDs(self):
        rows = sorted({index.row() for index in self._table.selectionModel().selectedRows()})
        return [self.segmentIDForRow(row) for row in rows]

    def setSelectedSegmentIDs(self, segmentIDs):
        self._table.clearSelection()
        for segmentId in segmentIDs:
            row = self.rowForSegmentID(segmentId)
            if row >= 0:
                self._table.selectRow(row)

    def clearSelection(self):
        self._table.clearSelection()

    def setSelectionMode(self, mode):
        self._table.setSelectionMode(QtWidgets.QAbstractItemView.SelectionMode(int(mode)))

    def setReadOnly(self, aReadOnly):
        self._readOnly = bool(aReadOnly)
        self._refresh()

    def setHeaderVisible(self, visible):
        self._table.horizontalHeader().setVisible(bool(visible))

    def setVisibilityColumnVisible(self, visible):
        self._table.setColumnHidden(VISIBLE, not visible)

    def setColorColumnVisible(self, visible):
        self._table.setColumnHidden(COLOR, not visible)

    readOnly = QtCore.Property(bool, lambda self: self._readOnly, setReadOnly)
    headerVisible = QtCore.Property(bool, lambda self: not self._table.horizontalHeader().isHidden(), setHeaderVisible)
    visibilityColumnVisible = QtCore.Property(
        bool, lambda self: not self._table.isColumnHidden(VISIBLE), setVisibilityColumnVisible
    )
    colorColumnVisible = QtCore.Property(
        bool, lambda self: not self._table.isColumnHidden(COLOR), setColorColumnVisible
    )
    selectionMode = QtCore.Property(int, lambda self: self._table.selectionMode().value, setSelectionMode)

"""All numbers of all lesions in a window, to read and to copy."""

import qt
import slicer

from ..scene.companions import isThere
from ..scene.texts import _

SIZE = (900, 360)


class NumbersWindow:
    """A window that shows a table node.

    Parameters
    ----------
    parent : qt.QWidget
        Owner of the window.
    """

    def __init__(self, parent):
        self._parent, self._window, self._view = parent, None, None
        self._node = None

    @property
    def view(self):
        """slicer.qMRMLTableView or None: the table; None before the window was opened."""
        return self._view

    def show(self, node):
        """Open the window with a table node, or bring it to the front."""
        if self._window is None:
            self._build()
        self._node = node
        self._view.setMRMLTableNode(node)
        self._view.resizeColumnsToContents()
        self._window.setWindowTitle(node.GetName())
        self._window.show()
        self._window.raise_()

    def hideLost(self):
        """Close the window when its table is no longer in the scene."""
        if self._window is not None and self._node is not None and not isThere(self._node):
            self.close()

    def close(self):
        """Close the window."""
        if self._window is not None:
            self._node = None
            self._view.setMRMLTableNode(None)
            self._window.hide()

    def copy(self):
        """Copy the whole table with its headings to the clipboard, as spreadsheet programs take it."""
        if not isThere(self._node):
            return
        table = self._node.GetTable()
        columns = [table.GetColumn(place) for place in range(table.GetNumberOfColumns())]
        lines = ["\t".join(column.GetName() for column in columns)]
        for row in range(table.GetNumberOfRows()):
            lines.append("\t".join(str(column.GetValue(row)) for column in columns))
        slicer.app.clipboard().setText("\n".join(lines) + "\n")

    def _build(self):
        window = qt.QDialog(self._parent)
        window.setWindowFlags(window.windowFlags() | qt.Qt.WindowMaximizeButtonHint)
        window.resize(*SIZE)
        layout = qt.QVBoxLayout(window)
        view = slicer.qMRMLTableView()
        view.setMRMLScene(slicer.mrmlScene)
        view.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        layout.addWidget(view)
        row = qt.QHBoxLayout()
        layout.addLayout(row)
        note = qt.QLabel(_("The table is a node of the scene: the Tables module saves it as CSV or TSV."))
        row.addWidget(note, 1)
        for text, slot in ((_("Copy all"), self.copy), (_("Close"), self.close)):
            button = qt.QPushButton(text)
            button.setAutoDefault(False)
            button.connect("clicked()", slot)
            row.addWidget(button)
        self._window, self._view = window, view

"""Shows a case table in a QTableWidget and takes back what the user typed there."""

import qt
from BreastSegLib.errors import BadInput
from slicer.i18n import tr as _

from ..cases import COLUMNS, Case, CaseTable, unused_id


class CaseTableView:
    """The rows of a table widget as a `CaseTable`, and back.

    Parameters
    ----------
    widget : qt.QTableWidget
        The table of the module's .ui file.
    """

    def __init__(self, widget):
        self.widget = widget
        self.columns = COLUMNS
        widget.horizontalHeader().setStretchLastSection(True)
        self._setHeader(COLUMNS)

    def show(self, table):
        """Fill the widget with a table."""
        blocked = self.widget.blockSignals(True)
        self._setHeader(table.columns)
        self.widget.setRowCount(len(table))
        for row, case in enumerate(table):
            for column, name in enumerate(self.columns):
                self.widget.setItem(row, column, qt.QTableWidgetItem(case.value(name)))
        self.widget.resizeColumnsToContents()
        self.widget.blockSignals(blocked)

    def read(self, folder):
        """Return what stands in the widget as a `CaseTable` whose relative paths start from `folder`.

        Raises
        ------
        BadInput
            If a row cannot be used; it is named, counted from 1 as the widget does.
        """
        table = CaseTable(folder=folder)
        for row in range(self.widget.rowCount):
            values = {name: self._text(row, column) for column, name in enumerate(self.columns)}
            try:
                table.add(Case(*(values.pop(name) for name in COLUMNS), values))
            except BadInput as error:
                raise BadInput(error.what, f"row {row + 1}", error.hint) from error
        return table

    def rowCount(self):
        """Return how many rows there are."""
        return self.widget.rowCount

    def addRow(self):
        """Append a row with an unused case id and select it."""
        taken = {self._text(row, 0).lower() for row in range(self.widget.rowCount)}
        row = self.widget.rowCount
        blocked = self.widget.blockSignals(True)
        self.widget.setRowCount(row + 1)
        for column in range(len(self.columns)):
            text = unused_id(taken) if self.columns[column] == "case_id" else ""
            self.widget.setItem(row, column, qt.QTableWidgetItem(text))
        self.widget.blockSignals(blocked)
        self.select(row)

    def removeRow(self, row):
        """Remove a row; nothing happens when there is none."""
        if 0 <= row < self.widget.rowCount:
            self.widget.removeRow(row)

    def selectedRow(self):
        """Return the row with the cursor, or -1."""
        return self.widget.currentRow()

    def select(self, row):
        """Put the cursor on a row."""
        self.widget.setCurrentCell(row, 0)

    def _text(self, row, column):
        item = self.widget.item(row, column)
        return item.text() if item is not None else ""

    def _setHeader(self, columns):
        titles = {
            "case_id": _("Case"),
            "patient_id": _("Patient"),
            "exam_path": _("Exam"),
            "mask_path": _("Mask"),
            "centre": _("Centre"),
            "notes": _("Notes"),
        }
        self.columns = columns
        self.widget.setColumnCount(len(columns))
        self.widget.setHorizontalHeaderLabels([titles.get(name, name) for name in columns])

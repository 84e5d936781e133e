"""The table of phases, correctable by hand."""

import qt

from ..scene.texts import _
from . import phaserows

ROLES = ("pre", "post", "unused")
PHASE, TIME, VOLUME, EVIDENCE = range(4)


class PhaseTable:
    """Shows the phases of an exam and tells when the user corrects them.

    Parameters
    ----------
    table : qt.QTableWidget
    upButton, downButton : qt.QToolButton
    onChanged : callable
        Called with the new rows after a correction.
    onSelected : callable
        Called with the row that the user clicked, to show its volume.
    """

    def __init__(self, table, upButton, downButton, onChanged, onSelected):
        self._table, self._up, self._down = table, upButton, downButton
        self._onChanged, self._onSelected = onChanged, onSelected
        self._rows, self._filling = (), False
        table.setColumnCount(4)
        table.setHorizontalHeaderLabels([_("Phase"), _("Time (s)"), _("Volume"), _("Decided by")])
        table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        table.setSelectionMode(qt.QAbstractItemView.SingleSelection)
        table.verticalHeader().setVisible(False)
        # One line a row: the tooltips and the line below the table have the rest.
        table.setWordWrap(False)
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        for column, width in ((PHASE, 76), (TIME, 56), (VOLUME, 104)):
            header.resizeSection(column, width)
        header.setStretchLastSection(True)
        table.connect("cellChanged(int,int)", self._onCellChanged)
        table.connect("itemSelectionChanged()", self._onSelectionChanged)
        upButton.connect("clicked()", self._moveUp)
        downButton.connect("clicked()", self._moveDown)
        self.show(())

    @property
    def rows(self):
        """tuple of phaserows.Row: what the table shows."""
        return self._rows

    def show(self, rows, examName=""):
        """Show other rows; nobody is told.

        Parameters
        ----------
        rows : sequence of phaserows.Row
        examName : str
            What the names of the volumes begin with; left out in the table, the tooltip has it.
        """
        selected = self._table.currentRow()
        self._rows, self._filling = tuple(rows), True
        self._table.setRowCount(len(self._rows))
        for place, (row, number) in enumerate(zip(self._rows, phaserows.numbers(self._rows))):
            self._table.setCellWidget(place, PHASE, self._roleBox(place, row, number))
            time = "" if row.time is None else f"{row.time:g}"
            timed = row.role != "channel"
            self._setText(place, TIME, time, _("Double-click to correct the time") if timed else "", editable=timed)
            self._setText(place, VOLUME, row.volume.removeprefix(f"{examName} "), row.volume)
            evidence = "\n".join(line for line in (row.evidence, row.details) if line)
            marked = shortEvidence(row.evidence) + (" ⚠" if row.contradicted else "")
            self._setText(place, EVIDENCE, marked, evidence)
        self._filling = False
        self._fitHeight()
        if 0 <= selected < len(self._rows):
            self._table.selectRow(selected)
        self._updateButtons()

    def setEnabled(self, enabled):
        """Let the user correct the table, or not."""
        self._table.setEnabled(enabled)
        self._updateButtons()

    def _roleBox(self, place, row, number):
        box = qt.QComboBox()
        if row.role == "channel":
            # A model takes all its channels: only their order can be wrong.
            box.addItem(_("Channel {number}").format(number=number))
            box.setEnabled(False)
            return box
        box.addItem(_("Pre"))
        box.addItem(_("Post {number}").format(number=number or 1))
        box.addItem(_("Leave out"))
        box.setCurrentIndex(ROLES.index(row.role if row.used else "unused"))
        box.setToolTip(_("Before (Pre) or after (Post) the contrast agent, or left out of the run"))
        # A wheel turn over the table must scroll it, never change a phase.
        box.setFocusPolicy(qt.Qt.StrongFocus)
        box.connect("activated(int)", lambda index, place=place: self._onRole(place, index))
        return box

    def _setText(self, place, column, text, tooltip, editable=False):
        item = qt.QTableWidgetItem(text)
        item.setToolTip(tooltip)
        flags = qt.Qt.ItemIsSelectable | qt.Qt.ItemIsEnabled
        item.setFlags(flags | qt.Qt.ItemIsEditable if editable else flags)
        if editable:
            item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
        self._table.setItem(place, column, item)

    def _fitHeight(self):
        self._table.resizeRowsToContents()
        header = self._table.horizontalHeader().sizeHint.height()
        rows = sum(self._table.rowHeight(place) for place in range(min(len(self._rows), 8)))
        height = header + max(rows, 30) + 4
        self._table.setMinimumHeight(height)
        self._table.setMaximumHeight(height)

    def _updateButtons(self):
        place, enabled = self._table.currentRow(), self._table.isEnabled()
        self._up.setEnabled(enabled and 0 < place < len(self._rows))
        self._down.setEnabled(enabled and 0 <= place < len(self._rows) - 1)

    def _onRole(self, place, index):
        self._change(phaserows.setRole(self._rows, place, ROLES[index]))

    def _onCellChanged(self, place, column):
        if self._filling or column != TIME:
            return
        try:
            rows = phaserows.setTime(self._rows, place, self._table.item(place, TIME).text())
        except ValueError:
            rows = self._rows
        self._change(rows)

    def _moveUp(self):
        self._move(-1)

    def _moveDown(self):
        self._move(1)

    def _move(self, step):
        place = self._table.currentRow()
        self._change(phaserows.move(self._rows, place, step))
        self._table.selectRow(place + step)

    def _onSelectionChanged(self):
        self._updateButtons()
        place = self._table.currentRow()
        if not self._filling and 0 <= place < len(self._rows):
            self._onSelected(self._rows[place])

    def _change(self, rows):
        # The combo box or the editor that told us is replaced by show(): let it finish its own event first.
        self._rows = rows
        qt.QTimer.singleShot(0, self._tell)

    def _tell(self):
        self._onChanged(self._rows)


def shortEvidence(evidence):
    """Return what decided a phase's order, for a narrow column; tooltip and the line below the table have it whole."""
    return evidence.split(";")[0].removeprefix("order: ")

"""The table of cases on the screen: only the rows that can be seen have items, so that ten thousand open at once."""

import html

import qt
from BreastSegLib.scene.texts import _

from ..cases import all_columns
from . import caserows

ROW_HEIGHT, PICTURE_ROW_HEIGHT, PICTURE = 24, 46, 42
TIP_WIDTH = 240
AHEAD = 8  # rows that are filled before they are seen
WIDTHS = {"case": 130, "status": 92, "patient": 84, "mask": 150, "exam": 150, "reason": 150, "findings": 200}
USUAL_WIDTH = 74
# Written by the check, so that nobody types them.
FIXED = {caserows.STATUS, "findings"}


class CaseGrid:
    """Shows cases in a table widget and takes what the user types.

    Parameters
    ----------
    widget : qt.QTableWidget
    opened : OpenTable
    rows : CaseRows
    onEdited : callable
        ``onEdited(place, column, text)``: the user typed into a cell.
    onSelection : callable
        Called when another row is chosen.
    onSort : callable
        ``onSort(column, descending)``: the user clicked on a heading.
    """

    def __init__(self, widget, opened, rows, onEdited, onSelection, onSort):
        self._widget, self._opened, self._rows = widget, opened, rows
        self._onEdited, self._onSelection, self._onSort = onEdited, onSelection, onSort
        self._order, self._columns, self._filled = [], (), set()
        self._pictures, self._icons, self._filling, self._editable = False, {}, False, True
        self.sortColumn, self.descending = "", False
        widget.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        widget.setSelectionMode(qt.QAbstractItemView.ExtendedSelection)
        widget.setVerticalScrollMode(qt.QAbstractItemView.ScrollPerItem)
        widget.setIconSize(qt.QSize(PICTURE, PICTURE))
        widget.setWordWrap(False)
        widget.verticalHeader().setVisible(False)
        # Heights that followed the contents would be measured over thousands of rows.
        widget.verticalHeader().setSectionResizeMode(qt.QHeaderView.Fixed)
        header = widget.horizontalHeader()
        header.setSectionsClickable(True)
        header.setHighlightSections(False)
        header.connect("sectionClicked(int)", self._onHeader)
        widget.verticalScrollBar().connect("valueChanged(int)", self._onScrolled)
        widget.verticalScrollBar().connect("rangeChanged(int,int)", self._onScrolled)
        widget.connect("itemChanged(QTableWidgetItem*)", self._onItem)
        widget.connect("itemSelectionChanged()", self._onSelected)

    @property
    def columns(self):
        """tuple of str: the columns that are shown, from left to right."""
        return self._columns

    @property
    def order(self):
        """tuple of int: places of the cases that are shown, from top to bottom."""
        return tuple(self._order)

    @property
    def selected(self):
        """list of int: places of the chosen cases, from top to bottom."""
        rows = set()
        for area in self._widget.selectedRanges():
            rows.update(range(area.topRow(), area.bottomRow() + 1))
        return [self._order[row] for row in sorted(rows) if row < len(self._order)]

    def show(self, order, columns, keep=True):
        """Show cases.

        Parameters
        ----------
        order : sequence of int
            Their places in the table.
        columns : sequence of str
        keep : bool
            Whether the chosen rows stay chosen and in sight.
        """
        self.endEditing()  # in another order the cell would be another case's
        chosen = set(self.selected) if keep else set()
        at = self._widget.verticalScrollBar().value if keep else 0
        self._filling = True
        self._setColumns(tuple(columns))
        self._order, self._filled = list(order), set()
        self._widget.clearContents()
        self._setPictures()
        self._widget.setRowCount(len(self._order))
        self._widget.clearSelection()
        for row in [row for row, place in enumerate(self._order) if place in chosen][:200] if chosen else ():
            area = qt.QTableWidgetSelectionRange(row, 0, row, max(0, len(self._columns) - 1))
            self._widget.setRangeSelected(area, True)
        self._widget.verticalScrollBar().setValue(at)
        self._filling = False
        self.fill()
        self._onSelection()

    def fill(self):
        """Make the items of the rows that can be seen and of some more."""
        if self._filling or not self._order:
            return
        first = self._widget.rowAt(0)
        last = self._widget.rowAt(self._widget.viewport().height - 1)
        last = len(self._order) - 1 if last < 0 else last
        first = max(0, first - AHEAD)
        # A widget that was never shown is small; one page is filled all the same.
        for row in range(first, min(len(self._order), max(last, first + AHEAD) + AHEAD)):
            if row not in self._filled:
                self._fillRow(row)

    def refresh(self, place):
        """Show anew what is known of a case."""
        if place in self._order:
            row = self._order.index(place)
            if row in self._filled:
                self._fillRow(row)

    def forgetPictures(self):
        """The pictures may be others now."""
        self._icons.clear()

    def refreshAll(self):
        """Show anew what is known of the cases in sight; order and selection stay."""
        self._filled.clear()
        self.fill()

    def choose(self, place):
        """Choose a case alone and bring it into sight."""
        if place not in self._order:
            return
        row = self._order.index(place)
        self._widget.setCurrentCell(row, 0)
        self._widget.selectRow(row)
        self._widget.scrollTo(self._widget.model().index(row, 0))
        self.fill()

    def endEditing(self):
        """Take what is being typed: a button does not take the focus from the cell on every system."""
        if self._edited() is not None:
            self._widget.selectionModel().clearCurrentIndex()

    def setEditable(self, editable):
        """Let the user type into cells, or not."""
        self._editable = editable
        triggers = qt.QAbstractItemView.DoubleClicked | qt.QAbstractItemView.EditKeyPressed
        self._widget.setEditTriggers(triggers if editable else qt.QAbstractItemView.NoEditTriggers)

    def _setColumns(self, columns):
        header = self._widget.horizontalHeader()
        if columns != self._columns:
            self._columns = columns
            self._widget.setColumnCount(len(columns))
            self._widget.setHorizontalHeaderLabels([caserows.title(name) for name in columns])
            known = all_columns()
            for number, name in enumerate(columns):
                self._widget.setColumnWidth(number, WIDTHS.get(name, USUAL_WIDTH))
                if name in known:
                    self._widget.horizontalHeaderItem(number).setToolTip(_(known[name].help))
        shown = self.sortColumn in columns
        header.setSortIndicatorShown(shown)
        if shown:
            order = qt.Qt.DescendingOrder if self.descending else qt.Qt.AscendingOrder
            header.setSortIndicator(columns.index(self.sortColumn), order)

    def _setPictures(self):
        path = self._opened.thumbnail(self._opened.cases[0]) if self._opened.cases else None
        self._pictures = path is not None and path.parent.is_dir()
        height = PICTURE_ROW_HEIGHT if self._pictures else ROW_HEIGHT
        header = self._widget.verticalHeader()
        if header.defaultSectionSize != height:
            header.setMinimumSectionSize(min(height, ROW_HEIGHT))
            header.setDefaultSectionSize(height)

    def _fillRow(self, row):
        place = self._order[row]
        case, state, tip = self._opened.cases[place], self._rows.state(place), self._rows.tip(place)
        before, self._filling = self._filling, True
        known, edited = all_columns(), self._edited()
        for number, name in enumerate(self._columns):
            if (row, number) == edited:
                continue  # a new item would replace what is being typed
            text = caserows.cellText(case, name, state)
            item = qt.QTableWidgetItem(text)
            if name == caserows.STATUS:
                item.setForeground(qt.QBrush(qt.QColor(caserows.COLOURS[state])))
            if name in (caserows.STATUS, "case"):
                item.setToolTip(tip)
            else:
                problem = known[name].problem(text) if name in known else ""
                item.setToolTip(problem or text)
                if problem:
                    item.setForeground(qt.QBrush(qt.QColor(caserows.COLOURS["row"])))
            if name in FIXED:
                item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
            if name == "case" and self._pictures:
                icon = self._icon(case)
                if icon is not None:
                    item.setIcon(icon)
                    item.setToolTip(_pictureTip(self._opened.thumbnail(case), tip))
            self._widget.setItem(row, number, item)
        self._filled.add(row)
        self._filling = before

    def _edited(self):
        """Return row and column of the cell that is being typed in; None when there is none."""
        index = self._widget.currentIndex()
        if not index.isValid() or self._widget.indexWidget(index) is None:
            return None
        return index.row(), index.column()

    def _icon(self, case):
        path = self._opened.thumbnail(case)
        if path not in self._icons:
            pixmap = qt.QPixmap()
            self._icons[path] = qt.QIcon(pixmap) if path.is_file() and pixmap.load(str(path)) else None
        return self._icons[path]

    def _onScrolled(self, *_values):
        self.fill()

    def _onHeader(self, number):
        if not 0 <= number < len(self._columns):
            return
        column = self._columns[number]
        self.endEditing()  # before the values are compared
        # Up, down, and back to the order of the file.
        if self.sortColumn != column:
            self.sortColumn, self.descending = column, False
        elif not self.descending:
            self.descending = True
        else:
            self.sortColumn, self.descending = "", False
        self._onSort(self.sortColumn, self.descending)

    def _onItem(self, item):
        if self._filling or item.row() >= len(self._order):
            return
        if not self._editable:
            self._fillRow(item.row())  # a command is writing the file: it would be lost
            return
        self._onEdited(self._order[item.row()], self._columns[item.column()], item.text())

    def _onSelected(self):
        if not self._filling:
            self._onSelection()


def _pictureTip(path, text):
    """Return a tooltip with the picture of a case, larger than in its row."""
    lines = "<br>".join(html.escape(line) for line in text.splitlines())
    return f'<img src="{html.escape(str(path))}" width="{TIP_WIDTH}"><br>{lines}'

"""The table of lesions in the panel: a few columns that fit, one row for each lesion."""

import qt

from ..scene.texts import _
from . import lesiontexts

MOST_ROWS = 8  # shown at once; the rest is scrolled to
SWATCH, LEAST_WIDTH = 12, 36  # pixels


class LesionTable:
    """Fills a table widget with the lesions of a result.

    Parameters
    ----------
    widget : qt.QTableWidget
    onChosen : callable
        Called with the row of measures that the user has chosen.
    """

    def __init__(self, widget, onChosen):
        self._widget, self._onChosen, self._rows = widget, onChosen, ()
        self._filling, self._told = False, None
        widget.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        widget.setSelectionMode(qt.QAbstractItemView.SingleSelection)
        widget.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        widget.setHorizontalScrollBarPolicy(qt.Qt.ScrollBarAlwaysOff)
        widget.setWordWrap(False)
        widget.verticalHeader().setVisible(False)
        widget.horizontalHeader().setHighlightSections(False)
        widget.horizontalHeader().setMinimumSectionSize(LEAST_WIDTH)
        widget.connect("itemSelectionChanged()", self._onSelected)
        # The row that is chosen already is clicked again after the views were moved elsewhere.
        widget.connect("cellClicked(int,int)", self._onClicked)

    @property
    def row(self):
        """dict or None: the row of measures that is chosen."""
        place = self._widget.currentRow()
        return self._rows[place] if self._widget.selectedItems() and 0 <= place < len(self._rows) else None

    def show(self, measures, colors=()):
        """Show the lesions of measures; None hides the table. Nothing is chosen then.

        Parameters
        ----------
        measures : dict or None
        colors : sequence of (float, float, float)
            Of the segment of each lesion.
        """
        widget = self._widget
        self._rows = tuple(measures["lesions"]) if measures else ()
        self._filling = True
        widget.clearSelection()
        widget.setRowCount(0)
        if self._rows:
            self._fill(lesiontexts.columnsOf(measures), tuple(colors))
        self._filling = False
        shown = min(len(self._rows), MOST_ROWS)
        rows = sum(widget.rowHeight(place) for place in range(shown))
        height = widget.horizontalHeader().sizeHint.height() + rows + 4
        widget.setMinimumHeight(height)
        widget.setMaximumHeight(height)
        widget.setVisible(bool(self._rows))

    def choose(self, place):
        """Choose a row as a click does."""
        if 0 <= place < len(self._rows):
            self._widget.selectRow(place)

    def choosePlace(self, place):
        """Choose a row without telling."""
        self._filling = True
        self.choose(place)
        self._filling = False

    def _fill(self, columns, colors):
        widget, tip = self._widget, _("Click to show the lesion with its diameters in the views")
        widget.setColumnCount(len(columns))
        widget.setRowCount(len(self._rows))
        header = widget.horizontalHeader()
        for place, column in enumerate(columns):
            head = qt.QTableWidgetItem(column.heading)
            head.setToolTip(column.tip)
            widget.setHorizontalHeaderItem(place, head)
            side = qt.Qt.AlignRight if column.isNumber and place else qt.Qt.AlignLeft
            for number, value in enumerate(column.values):
                item = qt.QTableWidgetItem(value)
                item.setToolTip(f"{lesiontexts.titleOf(self._rows[number])}\n{tip}")
                item.setTextAlignment(side | qt.Qt.AlignVCenter)
                if not place and number < len(colors):
                    item.setIcon(_swatch(colors[number]))
                widget.setItem(number, place, item)
            # The second one, a text, takes what is left, so that nothing is cut off and nothing is scrolled sideways.
            isText = place == 1
            header.setSectionResizeMode(place, qt.QHeaderView.Stretch if isText else qt.QHeaderView.ResizeToContents)

    def _onSelected(self):
        if not self._filling and self.row is not None:
            self._told = self.row
            self._onChosen(self.row)

    def _onClicked(self, place, _column):
        # A click that has changed the selection was told of by that.
        told, self._told = self._told, None
        if self.row is not None and told is not self.row:
            self._onChosen(self.row)


def _swatch(color):
    picture = qt.QPixmap(SWATCH, SWATCH)
    picture.fill(qt.QColor.fromRgbF(*color))
    return qt.QIcon(picture)

"""The table of fold runs: a heading for each training, a row for each of its folds, and what is worth saying of it."""

import qt
from BreastSegLib.scene.texts import _

from ..launch.foldstate import DONE, RUNNING
from .runrows import sentence
from .smalltable import fitHeight

FOLD, STATE, EPOCH, BEST, LEFT = range(5)
HIGHEST, SPACE = 420, 12
HEADING, INK, FAINT = "#e8edf2", "#1c2833", "#6b7280"
NAME, RUN, REMARK = range(3)  # kinds of rows


class RunTable:
    """Shows fold runs and says which are chosen.

    Parameters
    ----------
    widget : qt.QTableWidget
    onSelection : callable
        Called when other rows are chosen.
    """

    def __init__(self, widget, onSelection):
        self._widget, self._onSelection = widget, onSelection
        self._runs, self._rows, self._filling = (), [], False  # a row is (kind, name of a training or Run)
        widget.setColumnCount(LEFT + 1)
        widget.setHorizontalHeaderLabels([_("Fold"), _("State"), _("Epoch"), _("Best"), _("Time left")])
        widget.verticalHeader().setVisible(False)
        widget.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        widget.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        widget.setSelectionMode(qt.QAbstractItemView.ExtendedSelection)
        widget.setWordWrap(False)
        header = widget.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.Interactive)
        header.setHighlightSections(False)
        header.setStretchLastSection(True)
        header.setMinimumSectionSize(30)
        widget.horizontalHeaderItem(BEST).setToolTip(
            _("Best moving average of the Dice that nnU-Net estimates on patches; epochs are counted from 0")
        )
        widget.connect("itemSelectionChanged()", self._onSelected)

    @property
    def chosen(self):
        """list of Run: the chosen fold runs; all of a training whose heading is chosen."""
        picked = self._chosenRows()
        headings = {each for kind, each in picked if kind == NAME}
        keys = {each.key for kind, each in picked if kind != NAME}
        return [run for run in self._runs if run.key in keys or run.training.name in headings]

    @property
    def wholeTrainings(self):
        """set of str: names of the trainings all of whose fold runs are chosen."""
        chosen = {run.key for run in self.chosen}
        names = {run.training.name for run in self.chosen}
        return {name for name in names if all(run.key in chosen for run in self._runs if run.training.name == name)}

    def show(self, runs):
        """Show fold runs; what was chosen stays chosen."""
        rows, former = [], None
        for run in runs:
            if run.training.name != former:
                former = run.training.name
                rows.append((NAME, former))
            rows.append((RUN, run))
            if remarkOf(run):
                rows.append((REMARK, run))
        same = [_keyOf(row) for row in rows] == [_keyOf(row) for row in self._rows]
        chosen = {_keyOf(row) for row in self._chosenRows()}
        self._filling = True
        if not same:
            self._widget.clearSpans()
            self._widget.setRowCount(0)
            self._widget.setRowCount(len(rows))
        self._runs, before, self._rows = tuple(runs), self._rows, rows
        for place, row in enumerate(rows):
            if not same or before[place] != row:
                (self._heading, self._fold, self._remark)[row[0]](place, row[1])
        if not same:
            self._widget.clearSelection()
            for place, row in enumerate(rows):
                if _keyOf(row) in chosen:
                    self._choose(place)
        self._widget.setVisible(bool(rows))
        self._fitColumns()
        fitHeight(self._widget, HIGHEST)
        self._filling = False
        self._onSelection()

    def choose(self, key):
        """Choose a fold run (``NAME:FOLD``), or all of a training (``NAME``)."""
        for place, row in enumerate(self._rows):
            if row[0] != REMARK and _keyOf(row)[1] == key:
                self._widget.clearSelection()
                self._choose(place)
                self._widget.scrollTo(self._widget.model().index(place, 0))

    def _chosenRows(self):
        rows = set()
        for area in self._widget.selectedRanges():
            rows.update(range(area.topRow(), area.bottomRow() + 1))
        return [self._rows[row] for row in sorted(rows) if row < len(self._rows)]

    def _choose(self, place):
        self._widget.setRangeSelected(qt.QTableWidgetSelectionRange(place, 0, place, LEFT), True)

    def _heading(self, place, name):
        training = next(run.training for run in self._runs if run.training.name == name)
        item = qt.QTableWidgetItem(f"{name}  ({training.dataset})")
        font = qt.QFont(self._widget.font)
        font.setBold(True)
        item.setFont(font)
        item.setBackground(qt.QBrush(qt.QColor(HEADING)))
        item.setForeground(qt.QBrush(qt.QColor(INK)))
        how = _("{configuration}, {trainer}").format(configuration=training.configuration, trainer=training.trainer)
        item.setToolTip("\n".join([_("Click to choose all of its folds"), name, training.raw, how]))
        self._widget.setItem(place, 0, item)
        self._widget.setSpan(place, 0, 1, LEFT + 1)

    def _fold(self, place, run):
        texts = {
            FOLD: run.fold,
            STATE: run.stateWords,
            EPOCH: run.epochWords,
            BEST: run.bestWords,
            LEFT: run.leftWords,
        }
        for column, text in texts.items():
            item = qt.QTableWidgetItem(text)
            item.setToolTip(run.details)
            if column == STATE:
                item.setForeground(qt.QBrush(qt.QColor(run.colour)))
            self._widget.setItem(place, column, item)

    def _remark(self, place, run):
        item = qt.QTableWidgetItem(remarkOf(run))
        item.setForeground(qt.QBrush(qt.QColor(FAINT)))
        item.setToolTip(run.details)
        self._widget.setItem(place, 0, item)
        self._widget.setSpan(place, 0, 1, LEFT + 1)

    def _fitColumns(self):
        """Make columns as wide as the fold runs need: headings and remarks span all of them."""
        widget, metrics = self._widget, self._widget.fontMetrics()
        for column in range(LEFT):
            texts = [widget.item(place, column).text() for place, row in enumerate(self._rows) if row[0] == RUN]
            texts.append(widget.horizontalHeaderItem(column).text())
            widget.setColumnWidth(column, max(metrics.boundingRect(text).width() for text in texts) + SPACE)

    def _onSelected(self):
        if not self._filling:
            self._onSelection()


def remarkOf(run):
    """Return what stands below a fold run: its device while it runs, and why it stopped or failed; '' for nothing."""
    state = run.state
    words = [state.device] if state.state == RUNNING and state.device else []
    if state.message and state.state != DONE:
        words.append(sentence(state.message))
    return " – ".join(words)


def _keyOf(row):
    kind, each = row
    return kind, each if kind == NAME else each.key

"""The tables of an evaluation: a summary of each measure, and every case."""

import qt
from BreastSegLib.scene.texts import _

from . import evaluationfile
from .evaluationfile import CLEANED, RAW
from .smalltable import fitHeight

HIGHEST = 250
CASES_HIGHEST = 300
BAD = "#c0392b"
MOST_COLUMNS = 3  # beside which the first one has room to spare
POOR = 0.5  # Dice and the like below this are shown red


class SummaryTable:
    """A row for each measure: as predicted, and cleaned up.

    Parameters
    ----------
    widget : qt.QTableWidget
    onMeasure : callable
        ``onMeasure(measure)``: another row is chosen.
    """

    def __init__(self, widget, onMeasure):
        self._widget, self._onMeasure, self._measures, self._filling = widget, onMeasure, (), False
        _prepare(widget)
        widget.setSelectionMode(qt.QAbstractItemView.SingleSelection)
        widget.connect("itemSelectionChanged()", self._onSelected)

    def show(self, evaluation, kind, measure):
        """Show an evaluation.

        Parameters
        ----------
        evaluation : Evaluation
        kind : {'mean', 'median', 'interval'}
        measure : str
            Is chosen.
        """
        widget, self._filling = self._widget, True
        self._measures, stages = evaluation.measures, evaluation.stages
        widget.clear()
        widget.setRowCount(len(self._measures))
        widget.setColumnCount(1 + len(stages))
        widget.setHorizontalHeaderLabels([_("Measure"), *map(evaluationfile.stageTitle, stages)])
        for row, name in enumerate(self._measures):
            item = qt.QTableWidgetItem(evaluation.title(name))
            item.setToolTip(evaluation.help(name))
            widget.setItem(row, 0, item)
            for column, stage in enumerate(stages, 1):
                item = qt.QTableWidgetItem(evaluation.statistic(stage, name, kind))
                item.setToolTip(evaluation.sentence(stage, name))
                item.setTextAlignment(RIGHT)
                widget.setItem(row, column, item)
        _stretchFirst(widget)
        if measure in self._measures:
            widget.selectRow(self._measures.index(measure))
        fitHeight(widget, HIGHEST)
        self._filling = False

    def _onSelected(self):
        areas = self._widget.selectedRanges()
        if not self._filling and areas and areas[0].topRow() < len(self._measures):
            self._onMeasure(self._measures[areas[0].topRow()])


class CaseTable:
    """A row for each case, the worst first.

    Parameters
    ----------
    widget : qt.QTableWidget
    onCase : callable
        ``onCase(row)``: the user clicked on a case of the evaluation.
    """

    def __init__(self, widget, onCase):
        self._widget, self._onCase = widget, onCase
        self._evaluation, self._measure, self._rows, self._columns = None, "", (), ()
        self.sortColumn, self.descending = "", False
        _prepare(widget)
        widget.setSelectionMode(qt.QAbstractItemView.SingleSelection)
        widget.horizontalHeader().setSectionsClickable(True)
        widget.horizontalHeader().connect("sectionClicked(int)", self._onHeader)
        widget.connect("cellClicked(int,int)", self._onClicked)

    @property
    def rows(self):
        """tuple of dict: the cases from top to bottom."""
        return tuple(self._rows)

    def show(self, evaluation, measure):
        """Show the cases by a measure, the worst first."""
        if evaluation is not self._evaluation or measure != self._measure:
            self.sortColumn, self.descending = evaluation.stage, evaluation.isWorseHigh(measure)
        self._evaluation, self._measure = evaluation, measure
        self._fill()

    def mark(self, case):
        """Choose the row of a case."""
        for row, record in enumerate(self._rows):
            if record.get("case") == case:
                self._widget.selectRow(row)

    def _fill(self):
        widget, evaluation = self._widget, self._evaluation
        chosen = self._chosen()
        found = any(evaluationfile.detectionText(row) for row in evaluation.record["cases"])
        columns = ["case", *evaluation.stages]
        columns += ["found", "false"] if found else []
        self._columns, self._rows = columns, evaluation.order(self.sortColumn, self.descending, self._measure)
        title = evaluation.record["measures"][self._measure]["title"]
        titles = {"case": _("Case"), RAW: title, CLEANED: _("Cleaned")}
        titles |= {"found": _("Found"), "false": _("False")}
        widget.clear()
        widget.setRowCount(len(self._rows))
        widget.setColumnCount(len(columns))
        widget.setHorizontalHeaderLabels([titles[name] for name in columns])
        for row, record in enumerate(self._rows):
            for column, name in enumerate(columns):
                widget.setItem(row, column, self._item(record, name))
        header = widget.horizontalHeader()
        header.setSortIndicatorShown(True)
        place = columns.index(self.sortColumn) if self.sortColumn in columns else 0
        header.setSortIndicator(place, qt.Qt.DescendingOrder if self.descending else qt.Qt.AscendingOrder)
        _stretchFirst(widget)
        fitHeight(widget, CASES_HIGHEST)
        if chosen:
            self.mark(chosen)

    def _item(self, record, name):
        texts = {
            "case": lambda: str(record.get("case")),
            "found": lambda: evaluationfile.detectionText(record),
            "false": lambda: str((record.get("detection") or {}).get("false", "")),
        }
        evaluation, stage = self._evaluation, name if name in (RAW, CLEANED) else None
        item = qt.QTableWidgetItem(evaluation.text(record, stage, self._measure) if stage else texts[name]())
        if name != "case":
            item.setTextAlignment(RIGHT)
        value = evaluation.value(record, stage, self._measure) if stage else None
        described = evaluation.record["measures"][self._measure]
        if value is not None and described.get("better") == "higher" and not described.get("unit") and value < POOR:
            item.setForeground(qt.QBrush(qt.QColor(BAD)))
        groups = [f"{key}: {text}" for key, text in (record.get("groups") or {}).items()]
        groups += [] if record.get("fold") is None else [_("Fold {fold}").format(fold=record["fold"])]
        lines = [f"{evaluation.title(m)}: {evaluation.text(record, evaluation.stage, m)}" for m in evaluation.measures]
        item.setToolTip("\n".join([_("Click to see it in the views"), *lines, *groups]))
        return item

    def _chosen(self):
        areas = self._widget.selectedRanges()
        row = areas[0].topRow() if areas else -1
        return self._rows[row].get("case") if 0 <= row < len(self._rows) else ""

    def _onHeader(self, number):
        column = self._columns[number]
        self.descending = not self.descending if column == self.sortColumn else False
        self.sortColumn = column
        self._fill()

    def _onClicked(self, row, _column):
        if 0 <= row < len(self._rows):
            self._onCase(self._rows[row])


def _prepare(widget):
    widget.verticalHeader().setVisible(False)
    widget.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
    widget.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
    widget.setWordWrap(False)
    widget.horizontalHeader().setHighlightSections(False)


def _stretchFirst(widget):
    header = widget.horizontalHeader()
    header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
    header.setStretchLastSection(False)
    if widget.columnCount <= MOST_COLUMNS:
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
    else:
        header.setStretchLastSection(True)  # names would be squeezed


RIGHT = 0x82  # Qt::AlignRight | Qt::AlignVCenter

"""The table of a batch: one row for each exam, with what came of it."""

import qt

from ..scene.texts import _
from .state import inThePanel

CASE, STATE, RESULT = range(3)
WAITING, RUNNING, DONE, FAILED, NOT_RUN = "waiting", "running", "done", "failed", "skipped"
RED = "#c0392b"
STATE_WIDTH = 64
MOST_FITTED = 200
HIGHEST_ROW = 62


class BatchRows:
    """Shows the cases of a batch and how each went.

    Parameters
    ----------
    table : qt.QTableWidget
    onDoubleClick : callable
        Called without arguments when the user double-clicks on a case.
    """

    def __init__(self, table, onDoubleClick):
        self._table, self._places, self._states = table, {}, {}
        table.setColumnCount(3)
        table.setHorizontalHeaderLabels([_("Exam"), _("State"), _("Result")])
        table.verticalHeader().setVisible(False)
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        table.setSelectionMode(qt.QAbstractItemView.SingleSelection)
        header = table.horizontalHeader()
        header.setSectionResizeMode(CASE, qt.QHeaderView.Interactive)
        # A width that followed the contents would be measured anew over thousands of rows at each change.
        header.setSectionResizeMode(STATE, qt.QHeaderView.Interactive)
        header.resizeSection(STATE, STATE_WIDTH)
        header.setSectionResizeMode(RESULT, qt.QHeaderView.Stretch)
        header.connect("sectionResized(int,int,int)", lambda *sizes: self._fitRows())
        table.connect("cellDoubleClicked(int,int)", lambda row, column: onDoubleClick())

    @property
    def count(self):
        """int: how many cases there are."""
        return len(self._places)

    @property
    def ended(self):
        """int: how many of them are done or have failed."""
        return sum(state in (DONE, FAILED) for state in self._states.values())

    def clear(self):
        """Show no case."""
        self.show(())

    def show(self, cases):
        """Show cases by their names, all waiting."""
        self._places = {name: place for place, name in enumerate(cases)}
        self._states = {}
        self._table.setRowCount(0)
        self._table.setRowCount(len(self._places))
        waiting = stateTitle(WAITING)
        for name, place in self._places.items():
            self._table.setItem(place, CASE, qt.QTableWidgetItem(name))
            self._table.setItem(place, STATE, qt.QTableWidgetItem(waiting))
            self._states[name] = WAITING

    def showRunning(self, name):
        """A case is being done."""
        self._set(name, RUNNING)
        if name in self._places:
            self._table.scrollToItem(self._table.item(self._places[name], CASE))

    def showRow(self, row):
        """Show how a case ended.

        Parameters
        ----------
        row : dict
            A row of the summary, see `pipeline.batch_summary`; ``message`` tells more where there is more.
        """
        found = resultText(row)
        details = [inThePanel(row.get("message") or found, _), row.get("notes") or ""]
        self._set(row["case"], row["state"], found, "\n".join(filter(None, details)))

    def end(self):
        """The batch has ended: what it has not done stays as it is."""
        for name, state in list(self._states.items()):
            if state in (WAITING, RUNNING):
                self._set(name, NOT_RUN)

    def _fitRows(self):
        """Fit the rows to their reasons after the columns have changed; of many, the last ones."""
        failed = [place for name, place in self._places.items() if self._states.get(name) == FAILED]
        for place in failed[-MOST_FITTED:]:
            self._fit(place)

    def _fit(self, place):
        """Show a reason in a few lines; the tooltip has all of it."""
        self._table.resizeRowToContents(place)
        if self._table.rowHeight(place) > HIGHEST_ROW:
            self._table.setRowHeight(place, HIGHEST_ROW)

    def _set(self, name, state, result="", tip=""):
        if name not in self._places:
            return
        self._states[name] = state
        place = self._places[name]
        shown = self._table.item(place, STATE)
        shown.setText(stateTitle(state))
        self._table.item(place, CASE).setToolTip(name)
        if state == FAILED:
            shown.setForeground(qt.QBrush(qt.QColor(RED)))
        if result:
            found = qt.QTableWidgetItem(result)
            found.setToolTip(tip)
            self._table.setItem(place, RESULT, found)
        if state == FAILED:
            self._fit(place)


def stateTitle(state):
    """Return what people read for the state of a case."""
    titles = {
        WAITING: _("Waiting"),
        RUNNING: _("Running"),
        DONE: _("Done"),
        FAILED: _("Failed"),
        NOT_RUN: _("Not run"),
    }
    return titles.get(state, state)


def resultText(row):
    """Return the result of a case in a few words: lesions and the size of the largest one, or why it failed."""
    if row["state"] != DONE:
        return inThePanel(row.get("reason") or "", _)
    count = int(row.get("lesions") or 0)
    if count == 0:
        return _("No lesion")
    size = ""
    if row.get("largest_cm3"):
        size = _("{size} cm³").format(size=f"{float(row['largest_cm3']):.2f}")
    elif row.get("largest_mm2"):
        size = _("{size} mm²").format(size=f"{float(row['largest_mm2']):.0f}")
    if count == 1:
        return _("1 lesion, {size}").format(size=size) if size else _("1 lesion")
    several = _("{count} lesions, largest {size}") if size else _("{count} lesions")
    return several.format(count=count, size=size)

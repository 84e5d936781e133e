"""The table of mammograms, correctable by hand."""

import qt

from ..exam.mammograms import codes
from ..scene.texts import _

BREAST, VIEW, PIXEL, VOLUME, EVIDENCE = range(5)
SIDES = ("R", "L", "")


class ViewTable:
    """Shows the views of an exam and tells when the user corrects them.

    Parameters
    ----------
    table : qt.QTableWidget
    onChanged : callable
        Called with (laterality, position) of every view after a correction.
    onSelected : callable
        Called with the place of the view that the user clicked, to show it.
    """

    def __init__(self, table, onChanged, onSelected):
        self._table, self._onChanged, self._onSelected = table, onChanged, onSelected
        self._choices, self._filling = (), False
        self._positions = (*codes.table()["views"], "")
        table.setColumnCount(5)
        table.setHorizontalHeaderLabels([_("Breast"), _("View"), _("Pixel"), _("Volume"), _("Decided by")])
        table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        table.setSelectionMode(qt.QAbstractItemView.SingleSelection)
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.verticalHeader().setVisible(False)
        # One line a row: the tooltips and the line below the table have the rest.
        table.setWordWrap(False)
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        for column, width in ((BREAST, 60), (VIEW, 58), (PIXEL, 62)):
            header.resizeSection(column, width)
        for column in (VOLUME, EVIDENCE):
            header.setSectionResizeMode(column, qt.QHeaderView.Stretch)
        table.connect("itemSelectionChanged()", self._onSelection)
        self.show((), ())

    def show(self, views, names, examName="", selected=-1):
        """Show other views; nobody is told.

        Parameters
        ----------
        views : sequence of View
        names : sequence of str
            Names of the volume nodes.
        examName : str
            What they begin with; left out in the table, the tooltip has it.
        selected : int
            Which row is shown in the view; -1 for none.
        """
        self._filling = True
        self._choices = tuple((view.laterality, view.position) for view in views)
        self._table.setRowCount(len(views))
        for place, (view, name) in enumerate(zip(views, names)):
            sides = (_("Right"), _("Left"), "?")
            self._setBox(place, BREAST, sides, SIDES.index(view.laterality))
            positions = tuple(position or "?" for position in self._positions)
            self._setBox(place, VIEW, positions, self._positions.index(view.position))
            known = view.spacing is not None
            self._setText(place, PIXEL, pixelText(view.spacing), view.spacing_evidence if known else _noSpacing())
            self._setText(place, VOLUME, name.removeprefix(f"{examName} "), name)
            evidence = view.evidence.replace("side: ", "").replace("view: ", "")
            mark = " ⚠" if view.contradictions else ""
            self._setText(place, EVIDENCE, evidence + mark, "\n".join((view.evidence, *_moreOf(view))))
        self._fitHeight()
        if 0 <= selected < len(self._choices):
            self._table.selectRow(selected)
        self._filling = False

    def setEnabled(self, enabled):
        """Let the user correct the table, or not."""
        self._table.setEnabled(enabled)

    def _setBox(self, place, column, texts, index):
        box = qt.QComboBox()
        for text in texts:
            box.addItem(text)
        box.setCurrentIndex(index)
        # A wheel turn over the table must scroll it, never change a view.
        box.setFocusPolicy(qt.Qt.StrongFocus)
        box.connect("activated(int)", lambda chosen, place=place, column=column: self._onBox(place, column, chosen))
        self._table.setCellWidget(place, column, box)

    def _setText(self, place, column, text, tooltip):
        item = qt.QTableWidgetItem(text)
        item.setToolTip(tooltip)
        if column == PIXEL:
            item.setTextAlignment(qt.Qt.AlignCenter)
        self._table.setItem(place, column, item)

    def _fitHeight(self):
        self._table.resizeRowsToContents()
        header = self._table.horizontalHeader().sizeHint.height()
        rows = sum(self._table.rowHeight(place) for place in range(min(len(self._choices), 8)))
        height = header + max(rows, 30) + 4
        self._table.setMinimumHeight(height)
        self._table.setMaximumHeight(height)

    def _onBox(self, place, column, chosen):
        laterality, position = self._choices[place]
        changed = (SIDES[chosen], position) if column == BREAST else (laterality, self._positions[chosen])
        self._choices = (*self._choices[:place], changed, *self._choices[place + 1 :])
        # The combo box that told us is replaced by show(): let it finish its own event first.
        qt.QTimer.singleShot(0, self._tell)

    def _tell(self):
        self._onChanged(self._choices, self._table.currentRow())

    def _onSelection(self):
        place = self._table.currentRow()
        if not self._filling and 0 <= place < len(self._choices):
            self._onSelected(place)


def pixelText(spacing):
    """Return a pixel size for people, such as ``0.07 mm``; ``unknown`` where no tag tells it."""
    if spacing is None:
        return _("unknown")
    x, y = spacing
    return f"{x:.3g} mm" if abs(x - y) < 1e-6 else f"{x:.3g} × {y:.3g} mm"


def _noSpacing():
    return _("The file does not tell the pixel size: lengths in mm cannot be measured in this image")


def _moreOf(view):
    intent = {"presentation": _("For presentation"), "processing": _("For processing (raw)")}.get(view.intent)
    contradictions = [_("Contradiction: {tag}").format(tag=text) for text in view.contradictions]
    return [text for text in (intent, *view.modifiers, *contradictions, *view.notes) if text]

"""Two evaluations of the same cases against each other: paired tests, as the command ``compare`` makes them."""

from pathlib import Path

import qt
from BreastSegLib.errors import BreastSegError
from BreastSegLib.files import read_json
from BreastSegLib.scene.texts import _

from . import ask, counted
from .evaluationfile import Evaluation
from .resulttables import RIGHT
from .smalltable import fitHeight

FILE = "comparison.json"
HIGHEST = 200
SURE = "#1e8449"


class CompareBox:
    """The button "Compare with…" and what comes of it.

    Parameters
    ----------
    ui : object
        The widgets of the .ui files, by name.
    run : callable
        ``run(arguments, onResult)`` starts a verb.
    say : callable
    """

    def __init__(self, ui, run, say):
        self._ui, self._run, self._say, self._evaluation = ui, run, say, None
        table = ui.compareTable
        table.verticalHeader().setVisible(False)
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.setSelectionMode(qt.QAbstractItemView.NoSelection)
        ui.compareButton.connect("clicked()", self.compare)
        self.show(None)

    def show(self, evaluation):
        """Another evaluation is shown: what was compared with the former one goes."""
        self._evaluation = evaluation
        self._ui.compareTable.setVisible(False)
        self._ui.compareLabel.setVisible(False)

    def compare(self):
        """Ask for another evaluation and compare both."""
        first = self._evaluation
        if first is None:
            return
        path = ask.fileToOpen(_("Compare with"), first.path.parent.parent, _("Evaluations (evaluation.json)"))
        if not path:
            return
        try:
            second = Evaluation.read(path)
        except BreastSegError as error:
            self._say(error.line, True)
            return
        names = [first.name, second.name]
        if names[0] == names[1]:
            names = [first.path.parent.name, second.path.parent.name]
        if first.path.resolve() == second.path.resolve():
            self._say(_("That is the evaluation that is shown: choose another one."), True)
            return
        output = _unused(first.path.parent / f"compared-with-{second.path.parent.name}")
        arguments = ["compare", str(first.path.parent), str(second.path.parent), "--output", str(output)]
        if names[0] != names[1]:
            arguments += ["--names", *names]
        self._run(arguments, lambda event: self._onResult(event, output))

    def _onResult(self, event, output):
        path = Path(str(event.get("comparison") or output / FILE))
        try:
            record = read_json(path)
            self._fill(record)
        except (BreastSegError, KeyError, TypeError, ValueError) as error:
            self._say(getattr(error, "line", "") or _("The comparison cannot be read."), True)
            return
        self._say(_("Compared {cases}.").format(cases=counted.cases(len(record.get("cases", ())))), False)

    def _fill(self, record):
        table, tests = self._ui.compareTable, record["tests"]
        first, second = record["models"][:2]
        table.clear()
        table.setRowCount(len(tests))
        table.setColumnCount(4)
        table.setHorizontalHeaderLabels([_("Measure"), "A", "B", "p"])
        for row, test in enumerate(tests):
            measure = record["measures"][test["measure"]]
            cells = [measure["title"] + (f" ({measure['unit']})" if measure.get("unit") else "")]
            for name in (first, second):
                found = record["summary"][name][test["measure"]]
                cells.append("–" if found.get("median") is None else f"{found['median']:.3f}")
            p = test.get("p_holm")
            cells.append("–" if p is None else _("< 0.001") if p < 0.001 else f"{p:.3f}")
            for column, text in enumerate(cells):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(str(test.get("words") or ""))
                if column:
                    item.setTextAlignment(RIGHT)
                if column == 3 and test.get("better"):
                    item.setForeground(qt.QBrush(qt.QColor(SURE)))
                table.setItem(row, column, item)
        header = table.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        table.setVisible(True)
        fitHeight(table, HIGHEST)
        better = [str(test["words"]) for test in tests if test.get("better")]
        words = [
            _("Medians; A: {first}, B: {second}. p of paired Wilcoxon tests, after Holm.").format(
                first=first, second=second
            )
        ]
        self._ui.compareLabel.text = " ".join([*words, *(better or [_("No measure shows a difference.")])])
        self._ui.compareLabel.setVisible(True)


def _unused(path):
    candidate, number = path, 2
    while candidate.exists():
        candidate, number = Path(f"{path}-{number}"), number + 1
    return candidate

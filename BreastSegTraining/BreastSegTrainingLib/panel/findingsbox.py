"""What the check has found: how many cases have it, and a button for each fix that there is."""

import json
from pathlib import Path

import qt
from BreastSegLib.scene.texts import _

from .smalltable import fitHeight

FILE = Path(__file__).resolve().parents[2] / "Resources" / "case_checks.json"
FINDING, COUNT, FIX = range(3)
HIGHEST = 230


class FindingsBox:
    """The table of findings.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file, by name.
    onFix : callable
        ``onFix([CODE=FIX])``: the user wants a fix for all cases that have the finding.
    """

    def __init__(self, ui, onFix):
        self._ui, self._onFix, self._buttons = ui, onFix, []
        self._checks = _checks()
        table = ui.findingsTable
        table.setColumnCount(3)
        table.setHorizontalHeaderLabels([_("Found"), _("Cases"), ""])
        table.verticalHeader().setVisible(False)
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.setSelectionMode(qt.QAbstractItemView.NoSelection)
        table.setWordWrap(True)
        header = table.horizontalHeader()
        header.setSectionResizeMode(FINDING, qt.QHeaderView.Stretch)
        header.setSectionResizeMode(COUNT, qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(FIX, qt.QHeaderView.ResizeToContents)
        table.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        self.show({})

    @property
    def codes(self):
        """set of str: of the checks that there are."""
        return set(self._checks)

    def show(self, counts):
        """Show how many cases have each finding (code → count); hidden when there is none."""
        table, self._buttons = self._ui.findingsTable, []
        rows = [(code, count) for code, count in sorted(counts.items(), key=lambda row: -row[1]) if count]
        table.setRowCount(0)
        table.setRowCount(len(rows))
        for place, (code, count) in enumerate(rows):
            entry = self._checks.get(code, {})
            item = qt.QTableWidgetItem(_(entry.get("title") or code))
            item.setToolTip(_(entry.get("help") or ""))
            table.setItem(place, FINDING, item)
            table.setItem(place, COUNT, qt.QTableWidgetItem(str(count)))
            if entry.get("fixes"):
                table.setCellWidget(place, FIX, self._button(code, entry["fixes"]))
            else:
                words = _("for your notice") if entry.get("level") == "note" else _("correct by hand")
                none = qt.QTableWidgetItem(words)
                none.setForeground(qt.QBrush(qt.QColor("#6b7280")))
                table.setItem(place, FIX, none)
        table.setVisible(bool(rows))
        fitHeight(table, HIGHEST)
        self._ui.findingsLabel.setVisible(bool(rows))
        self._ui.findingsLabel.text = _("What the check found:")

    def _button(self, code, fixes):
        """Return a button that offers the fixes of a finding by what they do."""
        button = qt.QPushButton(_("Fix"))
        button.setToolTip(_("Choose a fix for all cases that have this"))
        menu = qt.QMenu(button)
        for fix in fixes:
            choice = f"{code}={fix['name']}"
            menu.addAction(_(fix["title"])).connect("triggered()", lambda choice=choice: self._onFix([choice]))
        button.setMenu(menu)
        self._buttons.append(button)
        return button

    def setEnabled(self, enabled):
        """Let the user press the buttons, or not."""
        for button in self._buttons:
            button.setEnabled(enabled)


def _checks():
    """Return the checks by code."""
    record = json.loads(FILE.read_text(encoding="utf-8"))
    return {row["code"]: row for row in record.get("checks", ())}

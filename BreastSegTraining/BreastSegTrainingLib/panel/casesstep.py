"""Step 1: the table of cases, what is wrong with them, and their fixes."""

import json

import qt
from BreastSegLib.scene.texts import _

from . import ask, caserows
from .casegrid import CaseGrid
from .caserows import CaseRows
from .findingsbox import FindingsBox
from .missingfiles import MissingFiles
from .opentable import commonFolder
from .recipebox import RecipeBox

FILTERS = ("", "work", *caserows.STATES)


class CasesStep:
    """The tab "Cases".

    Parameters
    ----------
    ui : object
        The widgets of the .ui file, by name.
    parent : qt.QWidget
        Owner of timers and menus.
    opened : OpenTable
    file : TableFile
    run : callable
        ``run(arguments, onResult)`` starts a verb.
    onChanged : callable
        Called when the table or the choice of cases has changed.
    say : callable
        ``say(text, isError)``.
    """

    def __init__(self, ui, parent, opened, file, run, onChanged, say):
        self._ui, self._opened, self._file, self._run = ui, opened, file, run
        self._onChanged, self._say = onChanged, say
        self.rows = CaseRows(opened)
        self.grid = CaseGrid(ui.caseTable, opened, self.rows, self._onEdited, self._onSelection, self._onSort)
        file.endEditing = self.grid.endEditing
        self.findings = FindingsBox(ui, self.check)
        self.recipe = RecipeBox(ui.checkRecipeBox, onChanged, _("Any recipe"), say)
        self.missing = MissingFiles(parent, self._onMissing)
        self._lost, self._columns, self._idle = [], None, True
        self.onRowEdited = lambda place, before: None
        self._filterTimer = qt.QTimer(parent)
        self._filterTimer.setSingleShot(True)
        self._filterTimer.setInterval(120)
        self._filterTimer.connect("timeout()", self.showRows)
        for state in FILTERS:
            ui.stateBox.addItem({"": _("All cases"), "work": _("Needs work")}.get(state) or caserows.stateTitle(state))
        self._makeMenu(parent)
        ui.openButton.connect("clicked()", file.askAndOpen)
        ui.saveButton.connect("clicked()", file.save)
        ui.filterEdit.connect("textChanged(QString)", lambda text: self._filterTimer.start())
        ui.stateBox.connect("currentIndexChanged(int)", lambda index: self.showRows())
        ui.removeButton.connect("clicked()", self.removeChosen)
        ui.relocateButton.connect("clicked()", self.relocate)
        ui.checkButton.connect("clicked()", self.check)

    @property
    def chosen(self):
        """list of int: places of the chosen cases."""
        return self.grid.selected

    def showTable(self):
        """Show the table that is open, from its beginning."""
        self._ui.filterEdit.blockSignals(True)
        self._ui.filterEdit.clear()
        self._ui.filterEdit.blockSignals(False)
        self._ui.stateBox.blockSignals(True)
        self._ui.stateBox.setCurrentIndex(0)
        self._ui.stateBox.blockSignals(False)
        self._columns = None
        self.grid.sortColumn = ""
        self.findings.show(caserows.findingCounts(self._opened.table, self.findings.codes))
        self.refreshTable(keep=False)

    def refreshTable(self, keep=True):
        """Show the table anew after it was read again; filter and order stay."""
        self.rows.changed(everything=True)
        self._lost = []
        self.grid.forgetPictures()
        self.showRows(keep)
        self.missing.start(self._opened.table)

    def showRows(self, keep=True):
        """Show the cases that pass the filter, in the chosen order."""
        state = FILTERS[max(0, self._ui.stateBox.currentIndex)]
        columns = self._columns or caserows.usualColumns(self._opened.table)
        order = self.rows.order(self._ui.filterEdit.text, state, self.grid.sortColumn, self.grid.descending)
        self.grid.show(order, columns, keep)
        self.refresh()

    def setColumns(self, columns):
        """Show these columns, in the order of the menu."""
        shown = set(columns) | {"case"}
        self._columns = tuple(name for name in caserows.possibleColumns(self._opened.table) if name in shown)
        self.showRows()

    def columnsText(self):
        """Return the chosen columns as they are kept; '' for the usual ones."""
        return json.dumps(self._columns) if self._columns else ""

    def chooseColumns(self, text):
        """Show the columns that were kept."""
        try:
            columns = json.loads(text) if text else None
        except ValueError:
            columns = None
        if isinstance(columns, list):
            self.setColumns([name for name in columns if isinstance(name, str)])

    def addRow(self, **values):
        """Add a row that the user fills in, and show where."""
        place = self._opened.addRow(**values)
        self._showNew([place], caserows.TO_FILL)
        self._say(_("Fill in patient, exam and mask; paths start from the folder of the table."), False)
        return place

    def add(self, cases):
        """Add cases; returns how many were added and how many were there already."""
        before = len(self._opened.table)
        counts = self._opened.add(cases)
        self._showNew(range(before, len(self._opened.table)), ())
        return counts

    def removeChosen(self):
        """Take the chosen rows out of the table, after asking."""
        self.grid.endEditing()
        chosen = self.chosen
        question = _("Take {count} rows out of the table? Their files stay where they are.")
        if not chosen or (len(chosen) > 1 and not ask.yes(question.format(count=len(chosen)))):
            return
        self._opened.remove(chosen)
        self.rows.changed()
        self.showRows(keep=False)
        self.missing.start(self._opened.table)
        self._say(_("Rows removed: {count}. The files stay where they are.").format(count=len(chosen)), False)
        self._onChanged()

    def relocate(self):
        """Ask where the folder is that the missing files lie in, once for all cases."""
        old = commonFolder(self._lost)
        new = ask.folder(_("Where is the folder {name} now?").format(name=old or "."), self._opened.table.folder)
        if not new:
            return
        if not old:
            self._say(_("The missing files have no folder in common: relocate with the command line."), True)
            return
        count = self._opened.relocate(old, new)
        self._say(
            _("{count} paths begin with the new folder now. Save the table to keep that.").format(count=count), False
        )
        self.refreshTable()
        self._onChanged()

    def check(self, fixes=()):
        """Check all cases, applying fixes that the user has chosen (``code=fix``)."""
        if not self._file.saved():
            return
        arguments = ["check", str(self._opened.path)]
        if self.recipe.nameOrFile:
            arguments += ["--recipe", self.recipe.nameOrFile]
        if fixes:
            arguments += ["--fix", *fixes]
        self._run(arguments, self._onChecked)

    def refresh(self):
        """Bring sentences and buttons up to date."""
        ui, count = self._ui, len(self._opened.table)
        counts = self.rows.counts()
        name = self._opened.name or _("New table")
        mark = " *" if self._opened.unsaved else ""
        ui.tableLabel.text = f"<b>{_escaped(name)}{mark}</b> – {_escaped(caserows.summary(self._opened, counts))}"
        ui.tableLabel.setToolTip(str(self._opened.path or ""))
        ui.caseTable.setVisible(count > 0)
        for widget in (ui.filterEdit, ui.stateBox):
            widget.setVisible(count > 0)
        ui.missingFrame.setVisible(bool(self._lost))
        lost = len(self.rows.missing)
        one = _("1 case names files that are not there, such as {path}.")
        several = _("{count} cases name files that are not there, such as {path}.")
        ui.missingLabel.text = (one if lost == 1 else several).format(
            count=lost, path=_shortened(self._lost[0]) if self._lost else ""
        )
        missing = self.whatIsMissing
        ui.checkButton.setEnabled(self._idle and not missing)
        ui.checkButton.setToolTip(missing or _("Look at the exam and the mask of each case"))
        ui.saveButton.setEnabled(self._idle and self._opened.unsaved)
        ui.saveButton.setToolTip(_("Save the table") if self._opened.unsaved else _("Nothing has changed"))
        ui.removeButton.setEnabled(self._idle and bool(self.chosen))
        ui.removeButton.setToolTip("" if self.chosen else _("Choose rows first"))
        self.findings.setEnabled(self._idle)

    @property
    def whatIsMissing(self):
        """str: what the user has to do before the cases can be checked; '' when nothing."""
        if not len(self._opened.table):
            return _("Open a table or add cases first.")
        return ""

    def setIdle(self, idle):
        """Let the user edit, or not: a command is at work on the file."""
        self._idle = idle
        self.grid.setEditable(idle)
        for widget in (self._ui.openButton, self._ui.addButton, self._ui.tableMenuButton, self._ui.relocateButton):
            widget.setEnabled(idle)
        self.refresh()

    def close(self):
        """The panel goes away."""
        self.missing.stop()
        self._filterTimer.stop()

    def _showNew(self, places, needed):
        columns = self._columns or caserows.usualColumns(self._opened.table)
        if any(name not in columns for name in needed):
            self._columns = tuple(dict.fromkeys([*columns, *needed]))
        # What is new has to be seen, whatever the filter.
        self._ui.stateBox.setCurrentIndex(0)
        self._ui.filterEdit.clear()
        self.rows.changed()
        self.showRows(keep=False)
        self.missing.start(self._opened.table)
        if len(places):
            self.grid.choose(places[0])
        self._onChanged()

    def _onEdited(self, place, column, text):
        before = self._opened.cases[place]
        if not self._opened.setValue(place, column, text):
            return
        self.rows.changed()
        self.onRowEdited(place, before)
        if column == "case":
            self.grid.refreshAll()  # of two rows with one name both are wrong
        self.grid.refresh(place)
        problems = self.rows.problems(place)
        self._say(problems[0][:1].upper() + problems[0][1:] + "." if problems else "", bool(problems))
        if column in ("case", "exam", "phases", "image", "channels", "mask"):
            self.missing.start(self._opened.table)
        self.refresh()
        self._onChanged()

    def _onSelection(self):
        self.refresh()
        self._onChanged()

    def _onSort(self, column, descending):
        self.showRows()

    def _onMissing(self, missing, paths):
        self._lost = paths
        self.rows.setMissing(missing)
        self.grid.refreshAll()
        self.refresh()
        self._onChanged()

    def _onChecked(self, event):
        self._file.reread()
        self.findings.show(event.get("findings") or {})
        done = _("Checked: {ok} fine, {fix} in need of a fix, {refused} refused.")
        self._say(done.format(ok=event.get("ok", 0), fix=event.get("fix", 0), refused=event.get("refused", 0)), False)

    def _makeMenu(self, parent):
        menu = qt.QMenu(parent)
        for text, slot in (
            (_("New table"), self._file.new),
            (_("Save as…"), self._file.saveAs),
        ):
            menu.addAction(text).connect("triggered()", slot)
        self._columnMenu = menu.addMenu(_("Columns"))
        self._columnMenu.connect("aboutToShow()", self._fillColumnMenu)
        self._ui.tableMenuButton.setMenu(menu)

    def _fillColumnMenu(self):
        self._columnMenu.clear()
        shown = self.grid.columns
        for name in caserows.possibleColumns(self._opened.table):
            action = self._columnMenu.addAction(caserows.title(name))
            action.setCheckable(True)
            action.setChecked(name in shown)
            action.setEnabled(name != "case")
            action.connect("toggled(bool)", lambda on, name=name: self._onColumn(name, on))

    def _onColumn(self, name, on):
        columns = set(self.grid.columns) | {name} if on else set(self.grid.columns) - {name}
        self.setColumns(columns)
        self._onChanged()


def _escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _shortened(path, most=60):
    return path if len(path) <= most else "…" + path[-most:]

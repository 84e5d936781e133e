"""The window "Add cases from a dataset": a folder, its layout, and what the layout leaves open."""

import json
import shutil
import tempfile
from pathlib import Path

import qt
import slicer
from BreastSegLib.errors import BreastSegError
from BreastSegLib.scene.texts import _

from ..cases import CaseTable

RESOURCES = Path(__file__).resolve().parents[2] / "Resources"


class AddBox:
    """Asks which dataset, and has the command ``cases`` read it.

    Parameters
    ----------
    parent : qt.QWidget
    run : callable
        ``run(arguments, onResult)`` starts a verb.
    onCases : callable
        ``onCases(cases, notRead, notes)`` with absolute paths in the cases.
    say : callable
    """

    def __init__(self, parent, run, onCases, say):
        self._run, self._onCases, self._say = run, onCases, say
        self._layouts = json.loads((RESOURCES / "layouts.json").read_text(encoding="utf-8"))["layouts"]
        self._names, self._fields, self._folder = tuple(self._layouts), {}, ""
        self.dialog = qt.QDialog(parent)
        self.dialog.setWindowTitle(_("Add cases from a dataset"))
        top = slicer.util.loadUI(str(RESOURCES / "UI" / "AddCases.ui"))
        qt.QVBoxLayout(self.dialog).addWidget(top)
        self.dialog.resize(440, 280)
        self.ui = ui = slicer.util.childWidgetVariables(top)
        for name in self._names:
            ui.layoutBox.addItem(_(self._layouts[name]["title"]))
        ui.layoutBox.connect("currentIndexChanged(int)", self._onLayout)
        ui.sourceEdit.connect("currentPathChanged(QString)", lambda path: self._refresh())
        ui.addStartButton.connect("clicked()", self.start)
        ui.addCancelButton.connect("clicked()", self.dialog.reject)
        self._onLayout(0)

    @property
    def layout(self):
        """str: the chosen layout."""
        return self._names[max(0, self.ui.layoutBox.currentIndex)]

    def show(self):
        """Show the window."""
        self._refresh()
        self.dialog.show()
        self.dialog.activateWindow()

    def chooseLayout(self, name):
        """Choose a layout; an unknown one is not chosen."""
        if name in self._names:
            self.ui.layoutBox.setCurrentIndex(self._names.index(name))

    def options(self):
        """Return what the user chose where it differs from the layout's own choice."""
        found = {}
        for name, widget in self._fields.items():
            entry = self._layouts[self.layout]["options"][name]
            value = widget.text.strip() if not entry["choices"] else entry["choices"][max(0, widget.currentIndex - 1)]
            if entry["choices"] and widget.currentIndex == 0:
                value = ""
            if value and value != entry["default"]:
                found[name] = value
        return found

    def start(self):
        """Have the dataset read; its cases come when the command has ended."""
        source = self.ui.sourceEdit.currentPath.strip()
        if not source:
            return
        self.ui.sourceEdit.addCurrentPathToHistory()
        self.dialog.hide()
        self._clear()
        self._folder = tempfile.mkdtemp(prefix="breastseg-cases-")
        output = Path(self._folder) / "cases.csv"
        arguments = ["cases", "--layout", self.layout, str(Path(source).absolute()), "--output", str(output)]
        for name, value in self.options().items():
            arguments += optionArguments(name, value)
        self._run(arguments, self._onResult, self._clear)

    def close(self):
        """Close the window for good."""
        self._clear()
        self.dialog.hide()
        self.dialog.deleteLater()

    def _onLayout(self, _index):
        entry = self._layouts[self.layout]
        self.ui.layoutHelpLabel.text = _(entry["help"])
        form = self.ui.addOptionsForm
        while form.rowCount():
            form.removeRow(0)
        self._fields = {}
        for name, option in entry["options"].items():
            if option["choices"]:
                field = qt.QComboBox()
                usual = option["default"] or _("as the files tell")
                field.addItem(_("Usual ({choice})").format(choice=usual))
                for value in option["choices"]:
                    field.addItem(value)
            else:
                field = qt.QLineEdit()
                field.setPlaceholderText(option["default"])
            field.setToolTip(_(option["help"]))
            form.addRow(_(name.replace("-", " ").capitalize()) + ":", field)
            self._fields[name] = field
        self._refresh()

    def _refresh(self):
        chosen = bool(self.ui.sourceEdit.currentPath.strip())
        self.ui.addStartButton.setEnabled(chosen)
        self.ui.addMissingLabel.text = "" if chosen else _("Choose the dataset's folder first.")
        self.ui.addMissingLabel.setVisible(not chosen)

    def _onResult(self, event):
        try:
            table = CaseTable.read(event["table"])
            cases = table.moved(_elsewhere(table.folder)).cases
        except BreastSegError as error:
            self._say(error.line, True)
            return
        finally:
            self._clear()
        self._onCases(cases, event.get("not_read") or (), event.get("notes") or ())

    def _clear(self):
        folder, self._folder = self._folder, ""
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def optionArguments(name, value):
    """Return the arguments of the command ``cases`` for an option of a layout."""
    # In one word: a value may begin with a dash.
    return [f"--{name}={value}"]


def _elsewhere(folder):
    """Return a folder in which no path of a table lies, so that all of them become absolute."""
    return Path(folder) / "nowhere"

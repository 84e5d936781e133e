"""Opening, saving and leaving the table: nothing that was typed is lost without a question."""

from pathlib import Path

from BreastSegLib.errors import BreastSegError
from BreastSegLib.scene.texts import _

from . import ask

ENDING = ".csv"
KINDS = "CSV (*.csv *.tsv *.txt)"


class TableFile:
    """The buttons that open and save the case table.

    Parameters
    ----------
    opened : OpenTable
    say : callable
        ``say(text, isError)``.
    onOpened : callable
        Called when another table stands there, or the same one was read again.
    onSaved : callable
    mayLeaveCase : callable
        Whether the loaded case may be left, after asking.
    """

    def __init__(self, opened, say, onOpened, onSaved, mayLeaveCase):
        self._opened, self._say, self._onOpened, self._onSaved = opened, say, onOpened, onSaved
        self._mayLeaveCase = mayLeaveCase
        self.endEditing = lambda: None

    def askAndOpen(self):
        """Ask for a file and open it."""
        if self.mayLeave():
            path = ask.fileToOpen(_("Open case table"), self._folder(), KINDS)
            if path:
                self.open(path)

    def open(self, path):
        """Open a table; returns whether that worked (the reason is said)."""
        try:
            self._opened.open(path)
        except BreastSegError as error:
            self._say(error.line, True)
            return False
        self._say("", False)
        self._onOpened()
        return True

    def new(self):
        """Begin an empty table."""
        if self.mayLeave():
            self._opened.clear()
            self._say("", False)
            self._onOpened()

    def save(self):
        """Save the table, asking for a file name when it has none; returns whether it is saved."""
        self.endEditing()
        if self._opened.path is None or self._opened.path.suffix.lower() != ENDING:
            return self.saveAs()
        if self._opened.changedOutside and self._opened.path.exists():
            question = _("{name} was changed by another program since it was opened here.")
            question += " " + _("Replace it by what stands here?")
            if not ask.yes(question.format(name=self._opened.name)):
                return False
        return self._write(None)

    def saveAs(self):
        """Ask for a file name and save the table there; returns whether it is saved."""
        self.endEditing()
        start = self._opened.path.with_suffix(ENDING) if self._opened.path else self._folder() / "cases.csv"
        path = ask.fileToSave(_("Save case table"), start, "CSV (*.csv)")
        path = ask.withEnding(path, ENDING) if path else ""
        return self._write(path) if path else False

    def mayLeave(self):
        """Ask what becomes of unsaved edits; returns whether what stands there may go."""
        self.endEditing()
        if not self._mayLeaveCase():
            return False
        if not self._opened.unsaved:
            return True
        answer = ask.unsaved(self._opened.name)
        return answer == ask.DISCARD or (answer == ask.SAVE and self.save())

    def saved(self):
        """Make sure that the file holds what stands here, as a command reads the file; returns whether it does."""
        self.endEditing()
        if self._opened.path is not None and not self._opened.unsaved and self._opened.path.exists():
            return True
        if self._opened.path is None:
            self._say(_("Save the table first: the result is written into its file."), True)
            return self.saveAs()
        question = _("The table has changes that are not saved. Save it and go on?")
        if not self._opened.path.exists():
            question = _("The file {name} is gone. Write it again and go on?").format(name=self._opened.name)
        return ask.yes(question) and self.save()

    def reread(self):
        """Show what a command has written into the file."""
        if self._opened.path is None:
            return
        try:
            self._opened.reread()
        except BreastSegError as error:
            self._say(error.line, True)
        self._onOpened()

    def _write(self, path):
        try:
            self._opened.save(path)
        except BreastSegError as error:
            self._say(error.line, True)
            return False
        self._onSaved()
        self._say(_("Saved {name}.").format(name=self._opened.name), False)
        return True

    def _folder(self):
        return self._opened.path.parent if self._opened.path is not None else Path.home()

"""What every importer does: collect cases, and what was not read, without ever ending at one bad row."""

import os
import re
import unicodedata
from contextlib import contextmanager
from pathlib import Path

from BreastSegLib.errors import BadInput, BreastSegError, Cancelled

from ..case import LONGEST_NAME, Case
from ..columns import all_columns
from ..imported import Imported, NotRead
from ..table import CaseTable

# What the tables of datasets write where they know nothing.
NOTHING = {"", "nan", "na", "n/a", "none", "null", "-", "removed", "unknown", "not available", "nat"}


class Gathering:
    """Cases in order, and what did not become one.

    Parameters
    ----------
    source : str or Path
        The dataset's folder.

    Raises
    ------
    BadInput
        If it is no folder.
    """

    def __init__(self, source):
        self.folder = Path(source).absolute()
        if not self.folder.is_dir():
            raise BadInput("The folder does not exist", source, "Give the dataset's folder")
        self.notes, self._cases, self._not_read, self._names = [], [], [], {}

    def refuse(self, where, why):
        """Note that something did not become a case."""
        self._not_read.append(NotRead(str(where), " ".join(str(why).split()).rstrip(".")))

    def note(self, text):
        """Note something else that the user should know; once."""
        if text not in self.notes:
            self.notes.append(text)

    @contextmanager
    def reading(self, where):
        """Go on after the block when what it reads cannot be read; the reason is noted."""
        try:
            yield
        except Cancelled:
            raise
        except BreastSegError as error:
            self.refuse(where, error.what)
        except OSError as error:
            self.refuse(where, f"it cannot be read: {error.strerror or type(error).__name__}")

    def add(self, where, name, values):
        """Add a case with values by column; `where` says what it comes from, for messages.

        The name is made fit for file names; a second case of one name is refused. Values that no case table takes
        (a side that is no side, an age of 999) are left out with a note.
        """
        case = fit_name(name) or f"case_{len(self._cases) + 1:03d}"
        key = case.casefold()
        if key in self._names:
            self.refuse(where, f"a second case {case}; the first is {self._names[key]}")
            return
        kept = {}
        for column, value in values.items():
            text = "" if value is None else str(value).strip()
            known = all_columns().get(column)
            if text and known is not None and (problem := known.problem(text)):
                self.note(f"{where}: {problem}; it is left out.")
                continue
            kept[column] = known.plain(text) if known is not None else text
        self._names[key] = where
        kept.pop("case", None)
        self._cases.append(Case({"case": case, **{column: text for column, text in kept.items() if text}}))

    def relative(self, *paths):
        """Return paths as the table writes them: relative to the folder, with ``;`` between them.

        Raises
        ------
        BadInput
            If a name holds a semicolon, which the table puts between paths.
        """
        texts = [Path(os.path.relpath(Path(path).absolute(), self.folder)).as_posix() for path in paths]
        bad = next((text for text in texts if ";" in text or text != text.strip()), None)
        if bad is not None:
            raise BadInput("its path holds a semicolon, or ends with a blank: rename it", bad)
        return ";".join(texts)

    def result(self):
        """Return the `Imported`."""
        return Imported(CaseTable(self._cases, self.folder), tuple(self._not_read), tuple(self.notes))


def value(text):
    """Return a text of a dataset's table, '' for what stands there for nothing."""
    text = (text or "").strip()
    return "" if text.casefold() in NOTHING else text


def may_be_told(column):
    """bool: whether a table beside the images may fill in a column: what is known of the patient, no paths."""
    known = all_columns().get(column)
    more = ("patient", "session", "label", "times", "choose")
    return column in more or known is None or known.group in ("acquisition", "person", "selection")


def fit_name(text):
    """Return a short name that may be part of a file's name: plain letters, digits, ``.``, ``_`` and ``-``."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._")[:LONGEST_NAME].rstrip("-._")


def name_key(text):
    """Return what two spellings of one file name have in common: systems differ in case and in how they write Ä."""
    return unicodedata.normalize("NFC", text).casefold()


def silent(stage, done, total):
    """Take a progress report and do nothing."""


def subfolder(folder, *names):
    """Return the first folder below `folder` with one of these names, whatever the case of its letters, or None."""
    wanted = [name_key(name) for name in names]
    found = {name_key(entry.name): entry for entry in visible(folder) if entry.is_dir()}
    return next((found[name] for name in wanted if name in found), None)


def visible(folder):
    """Return what lies in a folder, sorted by name; hidden files and marks of open Excel files left out."""
    try:
        entries = sorted(Path(folder).iterdir())
    except OSError as error:
        raise BadInput(f"The folder cannot be read: {error.strerror}", folder, "Check the permissions") from error
    return [entry for entry in entries if not entry.name.startswith((".", "~$")) and entry.name != "__MACOSX"]


def listed(names, most=5):
    """Return names for a sentence: the first few, and how many more."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more

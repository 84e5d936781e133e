"""The case table: one labelled case a row, kept as one CSV file that a spreadsheet program can edit."""

import csv
import stat
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.exam.cells import SOURCES, bare, path_in, paths_in, source_of
from BreastSegLib.files import whole_file
from BreastSegLib.tables import read_cells

from .case import Case
from .columns import all_columns, known_name

PATHS = (*SOURCES, "mask")


@dataclass(frozen=True)
class Problem:
    """What is wrong with a row.

    Parameters
    ----------
    index : int
        Place of the case in the table, from 0.
    case : Case
    text : str
        A part of a sentence.
    """

    index: int
    case: Case
    text: str

    @property
    def line(self):
        """str: the problem with the place of the row, for people."""
        where = f"line {self.case.line}" if self.case.line else f"row {self.index + 1}"
        return f"{where} ({self.case.name or 'no name'}): {self.text}"


class CaseTable:
    """Labelled cases in order.

    A row that is wrong is kept, so that nothing that a person typed is lost; `problems` tells what is wrong with it.

    Parameters
    ----------
    cases : iterable of Case
    folder : str or Path
        Folder that relative paths start from; that of the CSV file once the table was read or written.
    columns : iterable of str
        Columns of the file in its order; those that cases have besides come after them.
    notes : iterable of str
        What is worth saying about the file that it was read from.
    separator : str
        What stands between the columns of the file: a spreadsheet program of another country wants its own.
    """

    def __init__(self, cases=(), folder=".", columns=(), notes=(), separator=","):
        self.cases, self.folder, self.notes = list(cases), Path(folder), tuple(notes)
        self._columns, self._separator = tuple(columns), separator

    def __len__(self):
        return len(self.cases)

    def __iter__(self):
        return iter(self.cases)

    @property
    def columns(self):
        """tuple of str: the file's columns in its order, then known ones that cases have, then others."""
        have = dict.fromkeys(name for case in self.cases for name in case.values)
        known = [name for name in all_columns() if name in have]
        return tuple(dict.fromkeys([*self._columns, *known, *have]))

    @property
    def patients(self):
        """int: how many patients there are."""
        return len({case.patient for case in self.cases if case.patient})

    def index_of(self, name):
        """Return the place of the case called `name`.

        Raises
        ------
        BadInput
            If there is none.
        """
        for index, case in enumerate(self.cases):
            if case.name == name:
                return index
        raise BadInput(f"The table has no case {name!r}")

    def replace(self, cases):
        """Return a table with other cases, of the same folder and columns."""
        return CaseTable(cases, self.folder, self._columns, self.notes, self._separator)

    def path(self, text):
        """Return a path of the table as it lies on this machine."""
        return path_in(text, self.folder)

    def source(self, case):
        """Return the source of a case's exam, for `BreastSegLib.exam.source.read`.

        Raises
        ------
        BadInput
            If the row does not name one that exists.
        """
        source, problems = source_of(
            {column: case.get(column) for column in (*SOURCES, "times", "choose")}, self.folder
        )
        if problems:
            raise BadInput(problems[0][:1].upper() + problems[0][1:], f"case {case.name}", "Correct the row")
        return source

    def mask_paths(self, case):
        """Return the absolute paths of a case's mask files."""
        return paths_in(case.get("mask"), self.folder)

    def problems(self):
        """Return a `Problem` for each thing that is wrong with a row by itself or among the others."""
        names = Counter(case.name.casefold() for case in self.cases)
        found = []
        for index, case in enumerate(self.cases):
            texts = case.problems()
            if case.name and names[case.name.casefold()] > 1:
                texts.append(f"the case name {case.name} is used {names[case.name.casefold()]} times")
            found += [Problem(index, case, text) for text in texts]
        return found

    def missing_files(self):
        """Return a `Problem` for each exam or mask that is not on this machine."""
        found = []
        for index, case in enumerate(self.cases):
            for column in PATHS:
                for path in paths_in(case.get(column), self.folder) if case.get(column) else ():
                    if not path.exists():
                        found.append(Problem(index, case, f"the {column} does not exist: {path}"))
        return found

    def relocated(self, old, new):
        """Return the table with every path that begins with `old` beginning with `new` instead, and how many did.

        Parameters
        ----------
        old, new : str
            Folders as the table writes them, with ``/`` or ``\\``; whole folder names are compared.
        """
        given = new.strip()
        old, new = _slashes(old).rstrip("/"), _slashes(new).rstrip("/")
        if not old:
            raise BadInput("The folder to look for is empty", hint="Give the folder that the paths begin with now")
        if not given:
            raise BadInput("The new folder is empty", hint="Write . for the folder of the table")
        count, cases = 0, []
        for case in self.cases:
            changes = {}
            for column in PATHS:
                parts = [_slashes(bare(part)) for part in case.parts(column)]
                moved = [(new + part[len(old) :] or "/") if _begins(part, old) else part for part in parts]
                if moved != parts:
                    changes[column] = ";".join(moved)
                    count += 1
            cases.append(case.changed(**changes) if changes else case)
        return self.replace(cases), count

    @classmethod
    def read(cls, path):
        """Return the table in a CSV file.

        Any separator, encoding and order of columns; headings that other people use are understood
        (``patient_id``, ``mask_path`` …).

        Raises
        ------
        BadInput
            If the file cannot be read, or no column says what the cases, patients and exams are.
        """
        path = Path(path)
        if not path.exists():
            raise BadInput("The case table does not exist", path, "Check the name")
        cells = read_cells(path)
        if cells is None:
            raise BadInput("The case table is empty", path, "Its first line names the columns: case, patient …")
        names = [known_name(text) or text or f"column {place}" for place, text in enumerate(cells.header, 1)]
        _check_header(names, path)
        cases = []
        for line, values in cells.rows:
            texts = {name: value for name, value in zip(names, values) if name and value}
            cases.append(Case(texts, line, tuple(values[len(names) :])))
        renamed = [f"{text} is {name}" for text, name in zip(cells.header, names) if text != name and text]
        notes = [f"Columns that were understood: {', '.join(renamed)}."] if renamed else []
        # A column without a name is kept where something stands in it.
        filled = {name for case in cases for name in case.values}
        columns = [name for name, text in zip(names, cells.header) if text or name in filled]
        return cls(cases, path.parent, columns, notes, cells.separator)

    def write(self, path, overwrite=False):
        """Write the table as CSV (UTF-8), whole or not at all, with the separator that it was read with, else a comma.

        Relative paths are rewritten to start from the new folder.

        Returns
        -------
        CaseTable
            The table as it was written.

        Raises
        ------
        BadInput
            If the file exists and may not be replaced, or cannot be written.
        """
        path = Path(path)
        table = self.moved(path.parent)
        target = path.resolve() if path.is_symlink() else path  # a link stays one
        if overwrite:
            check_writable(target)
        # A byte order mark tells Excel that the file is UTF-8.
        with (
            whole_file(target, overwrite) as temporary,
            open(temporary, "w", encoding="utf-8-sig", newline="") as stream,
        ):
            writer = csv.writer(stream, delimiter=table._separator, lineterminator="\n")
            columns = table.columns
            writer.writerow(columns)
            writer.writerows([*(case.get(name) for name in columns), *case.surplus] for case in table.cases)
        return table

    def moved(self, folder):
        """Return the table with its relative paths starting from another folder."""
        if Path(folder).absolute() == self.folder.absolute():
            return self
        cases = [
            case.changed(
                **{
                    column: ";".join(_relative(path, folder) for path in paths_in(case.get(column), self.folder))
                    for column in PATHS
                    if case.get(column)
                }
            )
            for case in self.cases
        ]
        return CaseTable(cases, folder, self._columns, self.notes, self._separator)


def check_writable(path):
    """Refuse a table that its owner has protected: to replace a file its folder's permissions would do.

    Raises
    ------
    BadInput
        If it is.
    """
    path = Path(path)
    if path.is_file() and not path.stat().st_mode & stat.S_IWUSR:
        raise BadInput("The table is write-protected", path, "Allow writing to it, or copy it")


def update_file(path, changes):
    """Write values into the rows of a table's file, and nothing else.

    The file is read again first, so that what a person has edited in the meantime is kept.

    Parameters
    ----------
    path : str or Path
    changes : dict of str to dict
        By case name: values by column; None empties one. Cases that the file no longer has are left out.

    Returns
    -------
    CaseTable
        The table as it was written.

    Raises
    ------
    BadInput
        If the file cannot be read or written.
    """
    table = CaseTable.read(path)
    cases = [case.changed(**changes[case.name]) if case.name in changes else case for case in table]
    return table.replace(cases).write(path, overwrite=True)


def unused_name(taken, stem="case"):
    """Return the first of ``case_001``, ``case_002`` … that is not in `taken` (a set of lower-case names)."""
    return next(name for name in (f"{stem}_{k:03d}" for k in range(1, len(taken) + 2)) if name not in taken)


def _check_header(names, path):
    missing = [column.name for column in all_columns().values() if column.required and column.name not in names]
    if missing:
        raise BadInput(
            f"The case table has no column {', '.join(missing)}",
            path,
            "The first line names the columns: case, patient, exam, mask …",
        )
    if not set(names) & set(SOURCES):
        raise BadInput("No column of the case table says where the exams are", path, "Add exam, phases or image")
    double = next((name for name in names if name and names.count(name) > 1), None)
    if double is not None:
        raise BadInput(f"Two columns of the case table are called {double}", path, "Rename one of them")


def _slashes(text):
    return text.replace("\\", "/")


def _begins(path, folder):
    return path == folder or path.startswith(folder + "/")


def _relative(path, folder):
    """Return a path relative to `folder` when it lies in it, else absolute; forward slashes on every system."""
    path, folder = Path(path).absolute(), Path(folder).absolute()
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()

"""Which exams a batch segments: a table of cases, or a folder that holds one folder for each exam."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import BadInput
from ..exam.cells import SOURCES, path_in, shortened, source_of
from ..files import read_json
from ..recipe import read_region
from ..tables import read_cells
from .batch_names import clashes, name_problem

OTHERS = ("times", "regions", "choose")
COLUMNS = ("case", *SOURCES, *OTHERS)
ALIASES = {"images": "image", "time": "times", "region": "regions", "phase": "phases"}
MOST_SHOWN = 20  # bad rows that are listed
_NUMBERED = re.compile(r"(\d+)")


@dataclass(frozen=True)
class BatchCase:
    """One exam of a batch.

    Parameters
    ----------
    name : str
        Safe as a file name, unique.
    source : dict
        For `exam.source.read`, with absolute paths.
    regions : tuple of dict
        For `recipe.read_region`.
    given : dict
        What the user wrote about the exam, without the name: two runs compare it to see whether it has changed.
    line : int
        Of the table; 0 where there is none.
    """

    name: str
    source: dict
    regions: tuple = ()
    given: dict = field(default_factory=dict)
    line: int = 0


def read_table(path):
    """Read a table of cases.

    Parameters
    ----------
    path : str or Path
        CSV with comma, semicolon or tab, as spreadsheet programs write it.

    Returns
    -------
    tuple of (list of BatchCase, list of str)
        The cases in order, and what is worth saying about the table.

    Raises
    ------
    BadInput
        If it is no such table, or rows are wrong: all of them at once, with their lines.
    """
    path = Path(path)
    header_line, columns, rows, notes = _cells(path)
    problems, cases = [], []
    for line, values in rows:
        if len(values) > len(columns):
            found = f"{len(values)} values for {len(columns)} columns; put quotes around a list of files"
            problems.append((line, found))
            continue
        cells = {name: value for name, value in zip(columns, values) if value}
        case, wrong = _case(cells, path.parent, line)
        problems += [(line, text) for text in wrong]
        cases.append(case)
    problems += [(cases[index].line, text) for index, text in clashes([case.name for case in cases])]
    _refuse(problems, path, "line")
    if not cases:
        raise BadInput("The table has no cases", path, f"Write one row for each below line {header_line}")
    return cases, [*notes, *_twice(cases)]


def cases_of_folder(folder, names=None):
    """Return one case for each folder in a folder, in natural order.

    Parameters
    ----------
    folder : str or Path
    names : callable, optional
        ``names(folder names) -> case names``; the folders' own when not given.

    Returns
    -------
    tuple of (list of BatchCase, list of str)
        The cases, and what is worth saying.

    Raises
    ------
    BadInput
        If there are none, or a name cannot be a file name.
    """
    folder = Path(folder).absolute()
    try:
        entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
        found = sorted((entry.name for entry in entries if entry.is_dir()), key=_natural)
    except OSError as error:
        raise BadInput(f"The folder of exams cannot be read: {error.strerror}", folder) from error
    if not found:
        raise BadInput("The folder holds no folders", folder, "Give the folder that holds one folder for each exam")
    called = found if names is None else names(found)
    problems = [(name, why) for name in called if (why := name_problem(name.strip()) or _blank(name))]
    problems += [(called[index], why) for index, why in clashes(called)]
    _refuse(problems, folder, "folder", "Rename the folders, or give --anonymous-names")
    notes = []
    if names is None:
        notes.append(
            "The names of the folders become file names of the output. --anonymous-names calls them case_0001 …"
        )
    files = len(entries) - len(found)
    if files:
        what = f"{files} files lie" if files > 1 else "1 file lies"
        notes.append(f"{what} beside the folders, not used.")
    cases = [BatchCase(case, {"folder": str(folder / name)}, (), {"exam": name}) for case, name in zip(called, found)]
    return cases, notes


def _blank(name):
    return "" if name == name.strip() else f"{shortened(name)} cannot be a case name: it begins or ends with a blank"


def _natural(name):
    return [int(part) if part.isdigit() else part.casefold() for part in _NUMBERED.split(name)], name


def _cells(path):
    """Return (line of the header, column names, rows as (line, values), notes)."""
    cells = read_cells(path)
    if cells is None:
        raise BadInput("The table is empty", path, "Its first line names the columns: case, exam …")
    columns = [ALIASES.get(name.casefold(), name.casefold()) for name in cells.header]
    _check_columns(columns, path)
    unused = [name for name, column in zip(cells.header, columns) if name and column not in COLUMNS]
    notes = [f"Columns of the table that are not used: {', '.join(map(shortened, unused))}."] if unused else []
    return cells.line, columns, cells.rows, notes


def _check_columns(columns, path):
    known = [name for name in columns if name in COLUMNS]
    double = next((name for name in known if known.count(name) > 1), None)
    if double is not None:
        raise BadInput(f"Two columns of the table are called {double}", path, "Rename one of them")
    if "case" not in known or not set(known) & set(SOURCES):
        raise BadInput(
            "The table has no column called case, or none that says where the exams are",
            path,
            "Its first line names the columns: case, and one of " + ", ".join(SOURCES),
        )


def _case(cells, base, line):
    """Return the case of one row and what is wrong with it."""
    name = cells.get("case", "")
    problems = [why] if (why := name_problem(name)) else []
    source, wrong = source_of(cells, base)
    problems += wrong
    regions = ()
    given = {column: cells[column] for column in (*SOURCES, "times", "choose") if column in cells}
    if "regions" in cells:
        try:
            regions = given["regions"] = _regions(cells["regions"], base)
        except BadInput as error:
            problems.append(f"regions: {error.line}")
    if regions and "views" not in source and "folder" not in source:
        problems.append("regions are for mammograms")
    return BatchCase(name, source, tuple(regions), given, line), problems


def _regions(text, base):
    record = read_json(path_in(text, base))
    rows = record.get("regions") if isinstance(record, dict) and "regions" in record else record
    rows = [rows] if isinstance(rows, dict) else rows
    if not isinstance(rows, list) or not rows:
        raise BadInput("The file holds no list of regions", shortened(text), 'Write [{"box": [x0, y0, x1, y1]}]')
    for row in rows:
        read_region(row, lambda _view: (1.0, 1.0))  # the pixel size is known when the exam is read
    return tuple(rows)


def _refuse(problems, where, what, hint="Correct these rows"):
    """Raise one error about all that is wrong."""
    if not problems:
        return
    shown = [f"{what} {key}: {text}" for key, text in sorted(problems, key=lambda row: (str(type(row[0])), row[0]))]
    rest = [f"and {len(shown) - MOST_SHOWN} more"] if len(shown) > MOST_SHOWN else []
    kind = "rows" if what == "line" else "folders"
    raise BadInput(f"Some {kind} cannot be used: " + "; ".join([*shown[:MOST_SHOWN], *rest]), where, hint)


def _twice(cases):
    """Return a note where two cases are the same exam."""
    seen, double = {}, []
    for case in cases:
        key = repr(sorted(case.source.items())) + repr(case.regions)
        if key in seen:
            double.append(f"{seen[key]} and {case.name}")
        seen.setdefault(key, case.name)
    return [f"These cases are the same exam: {'; '.join(double[:5])}."] if double else []

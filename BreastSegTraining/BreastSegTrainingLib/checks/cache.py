"""What earlier checks have read, kept beside the table, so that a check reads only what has changed."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.exam.cells import SOURCES, paths_in
from BreastSegLib.files import read_json, whole_file
from BreastSegLib.recipe import load_recipe

from ..cases import CaseTable, columns_of
from ..cases.filestate import file_states
from .facts import Facts

FORMAT = "breastseg-checks-1"
# What decides which files are read, and how.
READ_COLUMNS = (*columns_of("exam"), "side", "view")
# What the check itself or the measures write decides nothing.
WRITTEN_COLUMNS = {*columns_of("check"), *columns_of("quality"), "reason", "notes"} - {"fixes"}
DAMAGED = "What earlier checks had read could not be used, so that every case was read again."


@dataclass(frozen=True)
class Entry:
    """What is kept of a case.

    Parameters
    ----------
    files, row, judged : str
        Hashes: of names, sizes and times of its files; of what of the row decides what is read; of all of the row
        that decides what is found. `judged` is '' while the check has not come to its end.
    recipe : str
        Hash of the recipe that it was judged for, or ''.
    facts : Facts
    """

    files: str
    row: str
    judged: str
    recipe: str
    facts: Facts


def cache_of(table):
    """Return the path of what is kept for a table's file."""
    table = Path(table)
    return table.with_name(f"{table.stem}.checked.json")


def load(path):
    """Return {case name: `Entry`} and a note, '' when all is well.

    Parameters
    ----------
    path : Path
        See `cache_of`. A file that is missing holds nothing; one that is damaged is ignored.
    """
    if not path.exists():
        return {}, ""
    try:
        record = read_json(path)
        if record["format"] != FORMAT:
            return {}, DAMAGED
        return {name: _entry(row) for name, row in record["cases"].items()}, ""
    except (BadInput, KeyError, TypeError, AttributeError):
        return {}, DAMAGED


def save(path, entries):
    """Write what is kept, whole or not at all."""
    rows = {
        name: {
            "files": entry.files,
            "row": entry.row,
            "judged": entry.judged,
            "recipe": entry.recipe,
            "facts": entry.facts.to_json(),
        }
        for name, entry in entries.items()
    }
    with whole_file(path, overwrite=True) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        json.dump({"format": FORMAT, "cases": rows}, stream, ensure_ascii=True, allow_nan=False)


def stale(table_path, recipe=None):
    """Return the names of the cases whose check is missing, or older than their files or their row.

    Parameters
    ----------
    table_path : str or Path
    recipe : str, optional
        Name or file: cases that were checked for another recipe count too.

    Returns
    -------
    list of str
        In the table's order.
    """
    table = CaseTable.read(table_path)
    entries, _ = load(cache_of(table_path))
    wanted = load_recipe(recipe).hash if recipe else None
    return [case.name for case in table if _is_stale(table, case, entries.get(case.name), wanted)]


def _is_stale(table, case, entry, recipe):
    if entry is None or not case.get("status") or entry.judged != judged_hash(case):
        return True
    return (recipe is not None and entry.recipe != recipe) or entry.files != files_hash(table, case)


def files_hash(table, case):
    """Return a hash of names, sizes and times of change of all files of a case."""
    found = []
    for column in (*SOURCES, "mask"):
        for path in paths_in(case.get(column), table.folder) if case.get(column) else ():
            found.append(path)
    return _hash(file_states(found))


def row_hash(case):
    """Return a hash of what of a row decides what is read."""
    return _hash([case.get(column) for column in READ_COLUMNS])


def judged_hash(case):
    """Return a hash of what of a row decides what is found."""
    kept = {column: text for column, text in case.values.items() if column not in WRITTEN_COLUMNS and text}
    return _hash([sorted(kept.items()), list(case.surplus)])


def _hash(value):
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _entry(row):
    texts = [row[key] for key in ("files", "row", "judged", "recipe")]
    if not all(isinstance(text, str) for text in texts):
        raise BadInput("This is not what a check keeps")
    return Entry(*texts, Facts.from_json(row["facts"]))

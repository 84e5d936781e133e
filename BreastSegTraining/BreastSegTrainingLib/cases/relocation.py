"""Tables whose files have moved: where they are now, found by looking for one of them."""

import os
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.exam.cells import bare, paths_in

from .table import PATHS

MOST_PLACES = 2_000_000  # files and folders that are looked at


def propose(table, folder, report=None):
    """Return the folder that the paths of a table begin with and the one that they should begin with.

    The first missing file of the table is looked for below `folder`. Where several have its name, that one counts
    whose folders are called as in the table; of equals the one with which the most files of the table are there.

    Parameters
    ----------
    table : CaseTable
    folder : str or Path
    report : callable, optional
        ``report(stage, done, total)``; may raise `Cancelled`.

    Returns
    -------
    old, new : str
        For `CaseTable.relocated`.

    Raises
    ------
    BadInput
        If no file is missing, or none of that name lies below the folder.
    """
    root = Path(folder).absolute()
    if not root.is_dir():
        raise BadInput("The folder does not exist", folder, "Give the folder where the files are now")
    parts = _first_missing(table)
    if parts is None:
        raise BadInput("No file of the table is missing", hint="There is nothing to relocate")
    places = _with_name(root, parts[-1], report or (lambda *_: None))
    shared = {place: _common_tail(parts, place.parts) for place in places}
    if not shared:
        raise BadInput(f"There is no {parts[-1]} below the folder", folder, "Give the folder where the files are now")
    most = max(shared.values())
    # A part has to stay in front, else the old beginning would be empty.
    count = min(most, len(parts) - 1)
    old = "/".join(parts[: len(parts) - count])
    new = [Path(*place.parts[: len(place.parts) - count]).as_posix() for place in shared if shared[place] == most]
    found = [(old, text) for text in new]
    return min(sorted(set(found)), key=lambda pair: len(table.relocated(*pair)[0].missing_files()))


def _first_missing(table):
    """Return the parts of the first path that does not exist, as the table writes it, or None."""
    for case in table:
        for column in PATHS:
            texts = case.parts(column)
            for text, path in zip(texts, paths_in(case.get(column), table.folder)):
                if not path.exists():
                    return _parts(bare(text).replace("\\", "/").rstrip("/"))
    return None


def _parts(text):
    """Return the parts of a path; the first keeps its slash or drive: ``/data/a`` is ``/data``, ``a``."""
    lead = len(text) - len(text.lstrip("/"))
    parts = text[lead:].split("/")
    return (text[:lead] + parts[0], *parts[1:])


def _with_name(root, name, report):
    found, seen = [], 0
    for place, folders, files in os.walk(root):
        folders.sort()
        seen += len(files) + len(folders)
        report("Looking for the files", 0, 0)
        found += [Path(place) / entry for entry in (*folders, *files) if entry == name]
        if seen > MOST_PLACES:
            raise BadInput("The folder holds too many files to look at", root, "Give a folder further down")
    return found


def _common_tail(parts, others):
    count = 0
    for mine, other in zip(reversed(parts), reversed(others)):
        if mine != other:
            break
        count += 1
    return count

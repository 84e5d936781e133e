"""An exam as cells of a table: which columns say where it lies, and what they mean."""

import os
from pathlib import Path

from ..errors import BadInput
from .decisions import check_decisions
from .store import is_store

# column -> the key of a source (`source.read`)
SOURCES = {"exam": "folder", "phases": "files", "image": "views", "channels": "channels"}


def source_of(cells, base):
    """Return the source that a row names and what is wrong with it.

    Parameters
    ----------
    cells : dict of str to str
        By column; exactly one of `SOURCES` is filled in, ``times`` and ``choose`` may be. Files of one cell stand with
        ``;`` between them.
    base : Path
        Folder that relative paths start from.

    Returns
    -------
    source : dict
        For `source.read`, with absolute paths.
    problems : list of str
        Each a part of a sentence; the source cannot be read when there is one.
    """
    kinds = [column for column in SOURCES if cells.get(column)]
    if len(kinds) != 1:
        filled = " and ".join(kinds) + " are both filled in" if kinds else "none of them is filled in"
        return {}, [f"a row has one of {', '.join(SOURCES)}; {filled}"]
    source, problems = _files(kinds[0], cells[kinds[0]], base)
    for column, key, read in (("times", "times", read_times), ("choose", "decisions", read_decisions)):
        if cells.get(column):
            try:
                source[key] = read(cells[column])
            except BadInput as error:
                problems.append(f"{column}: {error.line}")
    return source, problems


def paths_in(text, base):
    """Return the absolute paths of a cell, which stand with ``;`` between them."""
    return [path_in(part, base) for part in _parts(text)]


def path_in(text, base):
    """Return the absolute path that a cell names; a path with ``\\`` is understood on every system."""
    text = bare(text)
    try:
        path = (Path(base) / text).absolute()
        if os.sep == "/" and "\\" in text and not path.exists():  # a table from Windows
            path = (Path(base) / text.replace("\\", "/")).absolute()
        path.exists()
    except (OSError, ValueError):  # a name that no system takes
        return Path(base) / "no such file"
    return path


def read_times(text):
    """Return the seconds that a cell lists with ``;`` between them.

    Raises
    ------
    BadInput
        If they are not numbers.
    """
    parts = [part.strip() for part in text.split(";")]
    if len(parts) > 1:
        parts = [part.replace(",", ".") for part in parts]
    try:
        return [float(part) for part in parts]
    except ValueError as error:
        raise BadInput("Times are seconds with ; between them, such as 0;90;180", shortened(text)) from error


def read_decisions(text):
    """Return the answers to questions that a cell holds, as ``NAME=VALUE`` with ``;`` between them.

    Raises
    ------
    BadInput
        If they are not written so, or a name is unknown.
    """
    parts = [part.strip() for part in text.split(";") if part.strip()]
    if any("=" not in part for part in parts):
        raise BadInput("A choice is written NAME=VALUE, several with ; between them", shortened(text))
    return check_decisions({name.strip(): value for name, value in (part.split("=", 1) for part in parts)})


def shortened(text):
    """Return a text as one line that fits a message."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= 60 else line[:57] + "…"


def _files(column, text, base):
    if column == "exam":
        folder = path_in(text, base)
        wrong = [] if folder.is_dir() else [f"exam: there is no folder {shortened(text)}"]
        return {"store" if is_store(folder) else "folder": str(folder)}, wrong
    parts = _parts(text)
    paths = [path_in(part, base) for part in parts]
    wrong = [f"{column}: there is no file {shortened(part)}" for part, path in zip(parts, paths) if not path.is_file()]
    return {SOURCES[column]: [str(path) for path in paths]}, wrong or (
        [] if paths else [f"{column}: no file is named"]
    )


def _parts(text):
    return [part for part in (bare(part) for part in text.split(";")) if part]


def bare(text):
    """Return a path without the quotes that Windows puts around it when it is copied."""
    text = text.strip()
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text

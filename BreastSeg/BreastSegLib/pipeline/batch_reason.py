"""Why a case failed, without what could say who the patient is: paths and file names stay out of the summary."""

import os
import re
from pathlib import Path

from ..errors import Undecided

MOST_NAMES = 20_000  # entries of an exam's folder that are looked at
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")


def reason_of(error, source):
    """Return one line about an error.

    Parameters
    ----------
    error : BreastSegError
    source : dict
        Of the exam, whose names are left out.
    """
    answer = how_to_answer(error)
    parts = [error.what.rstrip(". "), answer or error.hint.rstrip(". ")]
    if error.where:
        parts[0] += f" ({error.where})"
    return without_names(" ".join(f"{part}." for part in parts if part), source)


def how_to_answer(error):
    """Return what to write into the table to answer a question; '' for another error."""
    if not isinstance(error, Undecided) or not error.choices:
        return ""
    shown = error.choices if len(error.choices) <= 8 else [*error.choices[:7], error.choices[-1]]
    return "Write in the column choose: " + " or ".join(f"{error.name}={value}" for value, _ in shown)


def without_names(text, source):
    """Return a text without the paths and names of an exam's files, and without dates.

    Parameters
    ----------
    text : str
    source : dict
        See `exam.source.read`.
    """
    return texts_without_names([text], source)[0]


def texts_without_names(texts, source):
    """Return texts as `without_names` does; the exam's folder is looked through once for all of them."""
    folders = [source[key] for key in ("folder", "store") if key in source]
    files = [path for key in ("files", "views", "channels", "dicom") for path in source.get(key, ())]
    names = {Path(path).name for path in files} | {name for folder in folders for name in _names_in(folder)}
    names |= {Path(folder).name for folder in folders}
    names = sorted((name for name in names if len(name) > 2), key=len, reverse=True)
    return [_cleaned(" ".join(str(text).split()), folders, files, names) for text in texts]


def _cleaned(text, folders, files, names):
    for number, path in enumerate(files, 1):
        text = text.replace(str(path), f"file {number}")
    for folder in folders:
        # What follows is a path within the exam, up to the end of the bracket or list that it stands in.
        text = re.sub(re.escape(str(folder)) + r"[/\\]?[^,;)]*", "the exam", text)
    for name in names:
        if name in text:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "…", text)
    return _DATE.sub("…", text)


def _names_in(folder):
    names = set()
    for _, folders, files in os.walk(folder):
        names.update(folders, files)
        if len(names) > MOST_NAMES:
            break
    return names

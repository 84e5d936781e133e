"""What came of measuring one exam: a number or nothing for each measure, and why there is nothing."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "Resources" / "quality_measures.json"


class NotMeasured(Exception):  # noqa: N818 - not an error: the image does not show it
    """The image does not show what is to be measured; the message is a part of a sentence that says why."""


@dataclass(frozen=True)
class Measured:
    """The quality of one exam.

    Parameters
    ----------
    values : dict of str to (float or None)
        By column; None where the measure says nothing.
    notes : tuple of str
        Sentences: why a measure is empty, and what is worth knowing about those that are not.
    """

    values: dict
    notes: tuple = ()


@cache
def measures():
    """Return {column: {"title", "unit", "better", "meaning", "definition", "exams"}} of the measures, in order."""
    rows = json.loads(FILE.read_text(encoding="utf-8"))["measures"]
    return {row["column"]: row for row in rows}


def collect(functions):
    """Return what functions measure.

    Parameters
    ----------
    functions : dict of str to callable
        By column; called without arguments, each returns a float, or a float and a sentence, or raises `NotMeasured`.

    Returns
    -------
    Measured
        Columns without a function are empty.
    """
    values, notes = dict.fromkeys(measures()), []
    for column, function in functions.items():
        title = measures()[column]["title"]
        try:
            found = function()
        except NotMeasured as reason:
            notes.append(f"{title} is not measured: {reason}.")
            continue
        value, note = found if isinstance(found, tuple) else (found, "")
        values[column] = float(value)
        if note:
            notes.append(f"{title}: {note}.")
    return Measured(values, tuple(notes))

"""The columns of a case table: one data file says what each means, what it may hold and what others call it."""

import json
import math
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "Resources" / "case_columns.json"
# Numbers as people write them: an optional sign, digits, a dot or a comma, an exponent.
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Column:
    """One column.

    Parameters
    ----------
    name, title, help : str
        Name in the file, heading for people, what it means.
    kind : {'text', 'number', 'integer', 'choice', 'path', 'paths'}
    group : str
        ``identity``, ``exam``, ``acquisition``, ``person``, ``check``, ``quality`` or ``selection``.
    unit : str
    least, most : float or None
        Range of a number.
    choices : dict of str to list of str
        Of a choice: the values, and other spellings of each.
    aliases : tuple of str
        What others call the column.
    identifying : bool
        Whether it can tell who the patient is.
    required : bool
    """

    name: str
    title: str
    kind: str
    group: str
    help: str
    unit: str = ""
    least: float | None = None
    most: float | None = None
    choices: dict = field(default_factory=dict)
    aliases: tuple = ()
    identifying: bool = False
    required: bool = False

    def problem(self, text):
        """Return what is wrong with a value, '' if nothing is; an empty one is right."""
        if not text:
            return ""
        if self.kind in ("number", "integer"):
            value = read_number(text)
            if value is None or (self.kind == "integer" and value != int(value)):
                return f"{self.name} {text!r} is not a {'whole ' if self.kind == 'integer' else ''}number"
            if (self.least is not None and value < self.least) or (self.most is not None and value > self.most):
                return f"{self.name} {text} is out of range"
        if self.kind == "choice" and self.plain(text) not in self.choices:
            return f"{self.name} {text!r} is none of {', '.join(self.choices)}"
        return ""

    def plain(self, text):
        """Return a value in its usual spelling: ``L`` becomes ``left``, ``0,7`` becomes ``0.7``; others stay."""
        if self.kind == "choice":
            low = text.strip().casefold()
            return next((value for value, others in self.choices.items() if low == value or low in others), text)
        if self.kind in ("number", "integer") and read_number(text) is not None:
            return text.strip().replace(",", ".")
        return text


@cache
def all_columns():
    """Return {name: `Column`} of the known columns, in the order in which they are written."""
    rows = json.loads(FILE.read_text(encoding="utf-8"))["columns"]
    return {row["name"]: Column(**{**row, "aliases": tuple(row["aliases"])}) for row in rows}


def columns_of(group):
    """Return the names of a group's columns, in order."""
    return [column.name for column in all_columns().values() if column.group == group]


def known_name(text):
    """Return the name of the column that a heading means, or None for one that is not known."""
    return _names().get(_key(text))


def read_number(text):
    """Return the number that a text says, with a decimal point or comma, or None."""
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text.replace(",", "."))
    return value if math.isfinite(value) else None


@cache
def _names():
    names = {}
    for column in all_columns().values():
        for word in (column.name, column.title, *column.aliases):
            names.setdefault(_key(word), column.name)
    return names


def _key(text):
    return re.sub(r"[\s_-]+", "", text).casefold()

"""A labelled case: one row of the case table."""

import re
from dataclasses import dataclass, field

from BreastSegLib.exam.cells import SOURCES, shortened

from .columns import all_columns, read_number

# Case names become parts of file names on every system.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LONGEST_NAME = 120  # characters; systems take 255 bytes, and file names have more in them


@dataclass(frozen=True)
class Case:
    """An exam with its reference mask, and what is known of them.

    Parameters
    ----------
    values : dict of str to str
        Text by column, as it stands in the file (see ``Resources/case_columns.json``); further columns are kept.
        Empty ones may be missing.
    line : int
        Line of the CSV file; 0 for a case that comes from elsewhere.
    surplus : tuple of str
        Values of the row beyond the last column.
    """

    values: dict
    line: int = 0
    surplus: tuple = field(default=(), repr=False)

    @property
    def name(self):
        """str: its unique name."""
        return self.get("case")

    @property
    def patient(self):
        """str: which woman it is."""
        return self.get("patient")

    @property
    def selected(self):
        """bool: whether it is not left out by a rule or by hand."""
        return self.plain("selected") != "no"

    def get(self, column):
        """Return the text of a column, '' when the case has none."""
        return self.values.get(column, "")

    def plain(self, column):
        """Return the text of a column in its usual spelling (``L`` becomes ``left``)."""
        known = all_columns().get(column)
        return known.plain(self.get(column)) if known else self.get(column)

    def number(self, column):
        """Return the number in a column, or None where there is none or it is not one."""
        return read_number(self.get(column))

    def parts(self, column):
        """Return the values of a column that stand with ``;`` between them."""
        return [part for part in (part.strip() for part in self.get(column).split(";")) if part]

    def changed(self, **values):
        """Return the case with other values; numbers are written short, None empties a column."""
        texts = {column: _text(value) for column, value in values.items()}
        merged = {**self.values, **texts}
        return Case({column: text for column, text in merged.items() if text}, self.line, self.surplus)

    def problems(self):
        """Return what is wrong with the row by itself: a part of a sentence each."""
        problems = [
            f"{column.name} is empty"
            for column in all_columns().values()
            if column.required and not self.get(column.name)
        ]
        if self.name and not _NAME.fullmatch(self.name):
            problems.append(f"the case name {shortened(self.name)} has other characters than a-z, digits, . _ and -")
        if len(self.name) > LONGEST_NAME:
            problems.append(f"the case name {shortened(self.name)} has more than {LONGEST_NAME} characters")
        if sum(bool(self.get(column)) for column in SOURCES) != 1:
            filled = [column for column in SOURCES if self.get(column)]
            what = " and ".join(filled) + " are both filled in" if filled else "none of them is filled in"
            problems.append(f"a row has one of {', '.join(SOURCES)}; {what}")
        if self.surplus:
            problems.append("there are more values than columns: put those that hold the separator in double quotes")
        known = all_columns()
        problems += [
            found for column, text in self.values.items() if column in known and (found := known[column].problem(text))
        ]
        return problems


def _text(value):
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value).strip()

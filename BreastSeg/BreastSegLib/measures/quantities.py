"""The names, units and ways of showing of all that is measured, from ``Resources/measures.json``."""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..errors import BadInput
from ..files import read_json

TABLE = Path(__file__).resolve().parents[2] / "Resources" / "measures.json"
KINDS = ("dce", "mammograms")
NONE = "–"  # stands where a value is not known
SIZES = ("mm", "mm²", "mm³")  # what exists is never shown as 0 of these


@dataclass(frozen=True)
class Quantity:
    """One thing that is told of a lesion.

    Parameters
    ----------
    key : str
        Its name in rows and JSON files.
    title : str
        Its name for people.
    unit : str
        Of the number in rows and files: ``mm³``, ``1`` for pure numbers, empty for texts.
    basic : bool
        Whether it stands in short tables.
    shown_unit : str
        Of the number as people see it.
    factor : float
        From the number to the one shown.
    digits : int
        Behind the point, where it is shown.
    meaning : str
        What it is, in one sentence.
    """

    key: str
    title: str
    unit: str = ""
    basic: bool = False
    shown_unit: str = ""
    factor: float = 1.0
    digits: int = 0
    meaning: str = ""

    @property
    def is_number(self):
        """bool: whether the values are numbers."""
        return bool(self.unit)

    @property
    def heading(self):
        """str: title and shown unit, such as ``Volume (cm³)``."""
        return f"{self.title} ({self.shown_unit})" if self.shown_unit else self.title

    @property
    def column(self):
        """str: header of a column of files, with the unit of the number there, such as ``volume (mm³)``."""
        name = self.title[0].lower() + self.title[1:]
        return f"{name} ({self.unit})" if self.unit not in ("", "1") else name

    def text(self, value):
        """Return a value of this quantity for people, without its unit.

        Parameters
        ----------
        value : float, str, list or None
            As rows hold it. A list is that of the lesions of other views, ``[[view, label], …]``.

        Returns
        -------
        str
            ``–`` where the value is not known. A size that is not 0 and would be shown as 0 is said to be below the
            least one shown, such as ``< 0.01``.
        """
        if value is None or value == "" or (isinstance(value, (list, tuple)) and not value):
            return NONE
        if isinstance(value, (list, tuple)):
            return ", ".join(f"{view} {label}" for view, label in value)
        if not self.is_number:
            return str(value)
        number = float(value) * self.factor
        if not math.isfinite(number):
            return NONE
        shown = f"{number:.{self.digits}f}"
        if float(shown) != 0:
            return shown
        least = f"{10.0**-self.digits:.{self.digits}f}"
        return f"< {least}" if number > 0 and self.unit in SIZES else f"{0:.{self.digits}f}"


@cache
def quantities(kind):
    """Return all quantities of one kind of exam, in the order of tables.

    Parameters
    ----------
    kind : {'dce', 'mammograms'}

    Returns
    -------
    tuple of Quantity

    Raises
    ------
    BadInput
        If the kind is another one.
    """
    if kind not in KINDS:
        raise BadInput("Measures are those of dce or mammograms", str(kind))
    return tuple(_quantity(row) for row in read_json(TABLE)[kind])


def empty_row(kind):
    """Return a row in which nothing is known: None for numbers, ``""`` for texts, an empty list for ``same_as``."""
    row = {quantity.key: None if quantity.is_number else "" for quantity in quantities(kind)}
    if "same_as" in row:
        row["same_as"] = []
    return row


def _quantity(row):
    shown = row.get("shown", {})
    return Quantity(
        key=row["key"],
        title=row["title"],
        unit=row.get("unit", ""),
        basic=bool(row.get("basic", False)),
        shown_unit=shown.get("unit", ""),
        factor=float(shown.get("factor", 1)),
        digits=int(shown.get("digits", 0)),
        meaning=row["meaning"],
    )

"""One selection rule: what a column of a case must be, and the sentence that says why a case is not so."""

import operator
from dataclasses import dataclass

from BreastSegLib.errors import BadInput

from ..cases.columns import all_columns, known_name, read_number
from .measured import measures
from .words import is_plain, quoted

# key in JSON -> (operator in text, in words)
THRESHOLDS = {
    "below": ("<", "below"),
    "at_most": ("<=", "at most"),
    "above": (">", "above"),
    "at_least": (">=", "at least"),
}
COMPARE = {"below": operator.lt, "at_most": operator.le, "above": operator.gt, "at_least": operator.ge}
VALUES = {"is": ("=", "is not"), "is_not": ("!=", "is")}
LISTS = {"in": ("in", "is none of"), "not_in": ("not in", "is one of")}
PRESENCE = {"empty": "is empty", "known": "is known"}
KINDS = (*THRESHOLDS, *VALUES, *LISTS, *PRESENCE)
NOT_FOR_RULES = ("selected", "reason")
UNITS = {"mm": ("mm",), "mm³": ("mm³", "mm3"), "mm²": ("mm²", "mm2"), "T": ("t", "tesla"), "%": ("%", "percent")}
UNITS |= {"years": ("years", "year", "y", "yr")}


@dataclass(frozen=True)
class Rule:
    """What a column must be.

    Parameters
    ----------
    column : str
        Name of the column.
    kind : str
        One of `KINDS`.
    value : float, str, tuple of (float or str), or None
        A number for a threshold; a number (columns of numbers) or text for ``is`` and ``is_not``; a tuple of them for
        lists; None for ``empty`` and ``known``.
    or_empty : bool
        Whether a case without a value is kept.

    Raises
    ------
    BadInput
        If the value does not fit the kind or the column.
    """

    column: str
    kind: str
    value: object = None
    or_empty: bool = False

    def __post_init__(self):
        if self.kind not in KINDS:
            raise BadInput(f"A rule has one of {', '.join(KINDS)}", str(self.kind))
        if not isinstance(self.column, str) or not self.column:
            raise BadInput("A rule names no column")
        if self.column in NOT_FOR_RULES:
            raise BadInput(f"A rule cannot ask for the column {self.column}: rules write it", hint="Name another one")
        if self.or_empty and self.kind in PRESENCE:
            raise BadInput(f"'{PRESENCE[self.kind]}' and 'or empty' do not go together", self.column)
        object.__setattr__(self, "value", self._checked())

    def _checked(self):
        if self.kind in PRESENCE:
            return None
        if self.kind in THRESHOLDS:
            if is_text(self.column):
                raise BadInput(
                    f"{label(self.column)} is no number, so it cannot be {THRESHOLDS[self.kind][1]} anything",
                    str(self.value),
                    "Use =, !=, in, not in, is empty or is known",
                )
            return _number(self.column, self.value)
        if self.kind in LISTS:
            if isinstance(self.value, str) or not isinstance(self.value, (list, tuple)) or not self.value:
                raise BadInput(f"{label(self.column)} {self.kind.replace('_', ' ')} needs a list of values")
            return tuple(dict.fromkeys(_value(self.column, one) for one in self.value))
        return _value(self.column, self.value)

    @property
    def text(self):
        """str: the rule as it is typed, such as ``motion < 1.5 mm``."""
        name = label(self.column)
        name = name if all(is_plain(word) for word in name.split(" ")) else quoted(name)
        end = " or empty" if self.or_empty else ""
        if self.kind in PRESENCE:
            return f"{name} {PRESENCE[self.kind]}"
        if self.kind in LISTS:
            return f"{name} {LISTS[self.kind][0]} {', '.join(_shown(one) for one in self.value)}{end}"
        sign = (THRESHOLDS.get(self.kind) or VALUES[self.kind])[0]
        return f"{name} {sign} {self._with_unit(_shown(self.value))}{end}"

    def refusal(self, case):
        """Return the sentence that says why the rule leaves a case out, '' where it keeps it."""
        text, name = case.plain(self.column), label(self.column)
        if self.kind == "empty":
            return f"{name} {self._with_unit(text)} is not empty" if text else ""
        if not text:
            return "" if self.or_empty else self._missing()
        if self.kind == "known":
            return ""
        numbers = self.kind in THRESHOLDS or is_number(self.column)
        found = read_number(text) if numbers else _key(text)
        if found is None:
            return f"{name} {text!r} is not a number"
        told = f"{name} {self._with_unit(text)}"
        if self.kind in THRESHOLDS:
            if COMPARE[self.kind](found, self.value):
                return ""
            return f"{told} is not {THRESHOLDS[self.kind][1]} {self._with_unit(_shown(self.value))}"
        wanted = {_key(one) for one in (self.value if self.kind in LISTS else (self.value,))}
        if (found in wanted) == (self.kind in ("is", "in")):
            return ""
        shown = ", ".join(_plain(one) for one in (self.value if self.kind in LISTS else (self.value,)))
        return f"{told} {(VALUES.get(self.kind) or LISTS[self.kind])[1]} {shown}"

    def to_json(self):
        """dict: such as ``{"column": "motion_mm", "below": 1.5}``."""
        value = True if self.kind in PRESENCE else list(self.value) if self.kind in LISTS else self.value
        row = {"column": self.column, self.kind: value}
        return {**row, "or_empty": True} if self.or_empty else row

    @classmethod
    def from_json(cls, row):
        """Return the rule that `to_json` described.

        Raises
        ------
        BadInput
            If it is no rule.
        """
        if not isinstance(row, dict):
            raise BadInput("A rule is a JSON object with a column and what it must be", str(row)[:60])
        kinds = [kind for kind in KINDS if kind in row]
        surplus = sorted(str(key) for key in set(row) - {"column", "or_empty", *KINDS})
        if surplus:
            raise BadInput(f"A rule has nothing called {surplus[0]}", hint=f"Use one of {', '.join(KINDS)}, or_empty")
        if len(kinds) != 1:
            raise BadInput(f"A rule has exactly one of {', '.join(KINDS)}", f"it has {', '.join(kinds) or 'none'}")
        value, or_empty = row[kinds[0]], row.get("or_empty", False)
        if (kinds[0] in PRESENCE and value is not True) or not isinstance(or_empty, bool):
            raise BadInput("empty, known and or_empty are true in a rule", str(row.get("column")))
        return cls(row.get("column", ""), kinds[0], value, or_empty)

    def _missing(self):
        known = all_columns().get(self.column)
        verb = "measured" if known and known.group == "quality" else "given"
        return f"{label(self.column)} is not {verb}"

    def _with_unit(self, text):
        unit = unit_of(self.column)
        return f"{text} {unit}" if unit else text


def unit_of(column):
    """Return the unit of a column, '' where it has none."""
    known, about = all_columns().get(column), measures().get(column)
    if about:
        return about["unit"]
    if known is None:
        return ""
    ending = column.rsplit("_", 1)[-1]
    return known.unit or {"mm": "mm", "mm2": "mm²", "mm3": "mm³"}.get(ending, "")


def is_number(column):
    """bool: whether a column is known to hold numbers."""
    known = all_columns().get(column)
    return known is not None and known.kind in ("number", "integer")


def is_text(column):
    """bool: whether a column is known to hold no numbers (one that the table has besides may)."""
    return column in all_columns() and not is_number(column)


def label(column):
    """Return what a column is called in rules and reasons: ``motion``, ``CNR``."""
    known = all_columns().get(column)
    if known is None:
        return column
    title = known.title.split(" (")[0]
    title = title if title.isupper() or "-" in title else title.lower()
    return title if known_name(title) == column else column


def _value(column, value):
    if is_number(column):
        return _number(column, value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or not str(value).strip():
        raise BadInput(f"{label(column)} is compared with a text", str(value), "To ask for none write 'is empty'")
    text = " ".join(str(value).split())
    known = all_columns().get(column)
    problem = known.problem(text) if known else ""
    if problem:
        raise BadInput(problem[:1].upper() + problem[1:], hint="Write one of these values")
    return known.plain(text) if known else text


def _number(column, value):
    number = read_number(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not abs(number) < 1e300:
        raise BadInput(f"{label(column)} is compared with a number", str(value), "Write it with a decimal point")
    return float(number)


def _key(value):
    return value if isinstance(value, float) else " ".join(value.split()).casefold()


def _plain(value):
    if not isinstance(value, float):
        return value
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _shown(value):
    return _plain(value) if isinstance(value, float) else quoted(value)

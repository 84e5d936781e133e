"""Which cases of a table are shown, in which order, and what is said of each. No Qt, so that all of it is tested."""

import re
from collections import Counter

from BreastSegLib.scene.texts import _

from ..cases import all_columns
from . import counted

STATUS = "status"
# In the order of the box: what needs work comes first.
STATES = ("missing", "row", "refused", "fix", "unchecked", "ok", "left-out")
NEED_WORK = ("missing", "row", "refused", "fix")
COLOURS = {
    "missing": "#c0392b",
    "row": "#c0392b",
    "refused": "#c0392b",
    "fix": "#b9770e",
    "unchecked": "#6b7280",
    "ok": "#1e8449",
    "left-out": "#6b7280",
}
FIRST = ("case", STATUS, "patient")
# Shown at first when the table has values for them.
USUAL = ("centre", "side", "view", "birads", "density", "pathology", "age", "volume_mm3", "area_mm2", "reason", "mask")
# What a person needs to fill in a new row.
TO_FILL = ("exam", "mask")


class CaseRows:
    """The rows of a table: filtered, sorted and described.

    Parameters
    ----------
    opened : OpenTable
    """

    def __init__(self, opened):
        self._opened = opened
        self._texts, self._problems, self._names, self._counts = {}, {}, None, None
        self.missing = {}

    def changed(self, everything=False):
        """A case was changed; or another table stands there."""
        # A changed case is another object, so that only the names have to be counted anew.
        self._names = self._counts = None
        if everything:
            self._texts, self._problems, self.missing = {}, {}, {}

    def setMissing(self, missing):
        """Take what is missing: sentences by case name."""
        self.missing, self._counts = missing, None

    def order(self, text="", state="", column="", descending=False):
        """Return the places of the cases that pass a filter, in order.

        Parameters
        ----------
        text : str
            Words that all have to stand somewhere in the row, in any column; capitals do not matter.
        state : str
            One of `STATES`, ``work`` for all that need work, '' for all.
        column : str
            To sort by; '' keeps the file's order. Cases without a value come last.
        descending : bool
        """
        cases, words = self._opened.cases, text.casefold().split()
        found = [
            place
            for place, case in enumerate(cases)
            if all(word in self._text(case) for word in words) and (not state or self._passes(place, state))
        ]
        if not column:
            return found
        keys = {place: self._key(place, column) for place in found}
        with_value = sorted((place for place in found if keys[place] is not None), key=keys.get, reverse=descending)
        return with_value + [place for place in found if keys[place] is None]

    def state(self, place):
        """Return which of `STATES` a case is in."""
        case = self._opened.cases[place]
        if self.missing.get(case.name):
            return "missing"
        if self.problems(place):
            return "row"
        if not case.selected:
            return "left-out"
        if case.plain(STATUS) in ("refused", "fix"):
            return case.plain(STATUS)
        return "ok" if case.plain(STATUS) == "ok" else "unchecked"

    def problems(self, place):
        """Return what is wrong with a row: by itself, or because its name is used twice."""
        case = self._opened.cases[place]
        if id(case) not in self._problems:
            # The case is kept along, so that another one cannot get its id.
            self._problems[id(case)] = case, case.problems()
        own = self._problems[id(case)][1]
        if self._names is None:
            self._names = Counter(each.name.casefold() for each in self._opened.cases)
        if case.name and self._names[case.name.casefold()] > 1:
            return [*own, _("the name {name} is used more than once").format(name=case.name)]
        return own

    def counts(self):
        """Return how many cases are in each state."""
        if self._counts is None:
            self._counts = Counter(self.state(place) for place in range(len(self._opened.cases)))
        return self._counts

    def tip(self, place):
        """Return what is to be said of a case: a line for each thing."""
        case = self._opened.cases[place]
        lines = [stateTitle(self.state(place))]
        lines += [_capital(text) for text in self.missing.get(case.name, ())]
        lines += [_capital(text) for text in self.problems(place)]
        lines += [_capital(part) for part in case.parts("findings")]
        if case.get("fixes"):
            lines.append(_("Chosen fixes: {fixes}").format(fixes=", ".join(case.parts("fixes"))))
        if not case.selected:
            lines.append(_("Left out: {reason}").format(reason=case.get("reason") or _("by hand")))
        return "\n".join(lines)

    def _passes(self, place, state):
        own = self.state(place)
        return own in NEED_WORK if state == "work" else own == state

    def _text(self, case):
        if id(case) not in self._texts:
            self._texts[id(case)] = case, "\n".join(case.values.values()).casefold()
        return self._texts[id(case)][1]

    def _key(self, place, column):
        case = self._opened.cases[place]
        if column == STATUS:
            return STATES.index(self.state(place))
        known, text = all_columns().get(column), case.get(column)
        if not text:
            return None
        if known is not None and known.kind in ("number", "integer"):
            value = case.number(column)
            return (1, 0.0, text) if value is None else (0, value, "")
        return naturalKey(case.plain(column))


def usualColumns(table):
    """Return the columns that are shown at first: those that a reader looks for and the table has values for."""
    filled = {name for case in table for name in case.values}
    return (*FIRST, *(name for name in USUAL if name in filled))


def possibleColumns(table):
    """Return all columns that can be shown, those of this table's file included."""
    return tuple(dict.fromkeys([*FIRST, *all_columns(), *table.columns]))


def title(column):
    """Return a column's heading."""
    known = all_columns().get(column)
    return _(known.title) if known is not None else column


def cellText(case, column, state):
    """Return what a cell shows."""
    if column == STATUS:
        return stateTitle(state)
    return case.get(column)


def stateTitle(state):
    """Return what people read for a state."""
    return {
        "missing": _("File missing"),
        "row": _("Row is wrong"),
        "refused": _("Refused"),
        "fix": _("Choose a fix"),
        "unchecked": _("Not checked"),
        "ok": _("OK"),
        "left-out": _("Left out"),
    }[state]


def naturalKey(text):
    """Return a key that sorts case 2 before case 10."""
    parts = re.split(r"(\d+)", text.casefold())
    return (0, [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part])


def findingCounts(table, codes):
    """Return how many cases have each finding, from what the last check has written into the table.

    Parameters
    ----------
    table : CaseTable
    codes : set of str
        Of the checks that there are: a finding stands in the column as ``code: text``, with ``; `` between several.

    Returns
    -------
    dict of str to int
    """
    counts = Counter()
    for case in table:
        counts.update(codes.intersection(re.findall(r"(?:^|; )([a-z0-9-]+): ", case.get("findings"))))
    return dict(counts)


def summary(opened, counts):
    """Return a sentence about the table: its cases, its patients, and what needs work."""
    count = len(opened.table)
    if not count:
        return _("No cases yet. Open a table, or add cases.")
    text = _("{cases} of {patients}.").format(
        cases=counted.cases(count), patients=counted.patients(opened.table.patients)
    )
    words = {
        "missing": _("{count} with missing files"),
        "row": _("{count} with a wrong row"),
        "refused": _("{count} refused"),
        "fix": _("{count} to fix"),
        "unchecked": _("{count} not checked"),
        "ok": _("{count} OK"),
        "left-out": _("{count} left out"),
    }
    parts = [words[state].format(count=counts[state]) for state in STATES if counts[state]]
    return f"{text} {', '.join(parts)}."


def _capital(text):
    return text[:1].upper() + text[1:]

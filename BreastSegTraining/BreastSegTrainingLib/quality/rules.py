"""A selection: rules that all must hold, perhaps a largest number of cases, and its application to a table."""

import hashlib
from collections import Counter
from dataclasses import dataclass

from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json

from .rule import Rule
from .ruletext import parse

FORMAT = "breastseg-selection-1"
PREFIX = "rule: "  # of reasons that rules have written; others are a person's
MOST_CASES = 1_000_000_000


@dataclass(frozen=True)
class Selection:
    """Rules that a case must pass, all of them.

    Parameters
    ----------
    rules : tuple of Rule
    title : str
        For people.
    at_most : int or None
        Largest number of cases; which of those that pass is drawn by `seed`, the same for any order of the table.
    seed : int
    """

    rules: tuple = ()
    title: str = ""
    at_most: int | None = None
    seed: int = 0

    def __post_init__(self):
        object.__setattr__(self, "rules", tuple(self.rules))
        for name, value in (("at_most", self.at_most), ("seed", self.seed)):
            least = 1 if name == "at_most" else 0
            good = isinstance(value, int) and not isinstance(value, bool) and least <= value < MOST_CASES
            if not good and not (name == "at_most" and value is None):
                raise BadInput(f"{name} of a selection is a whole number, {least} or more", str(value)[:60])
        if not isinstance(self.title, str):
            raise BadInput("The title of a selection is a text", str(self.title)[:60])
        if not self.rules and self.at_most is None:
            raise BadInput("The selection has no rule", hint="Write such as: motion < 1.5 mm and CNR > 3")

    @property
    def limit_text(self):
        """str: the limit as it is typed, '' without one."""
        if self.at_most is None:
            return ""
        return f"at most {self.at_most}" + (f" seed {self.seed}" if self.seed else "")

    @property
    def text(self):
        """str: the rules as they are typed."""
        return " and ".join([*(rule.text for rule in self.rules), *([self.limit_text] if self.limit_text else [])])

    @classmethod
    def from_text(cls, text, title="", extra=()):
        """Return the selection that a text says; see `ruletext.parse`."""
        rules, at_most, seed = parse(text, extra)
        return cls(rules, title, at_most, seed)

    def to_json(self):
        """dict: the selection, JSON-ready."""
        record = {"format": FORMAT, "title": self.title, "rules": [rule.to_json() for rule in self.rules]}
        if self.at_most is not None:
            record |= {"at_most": self.at_most, "seed": self.seed}
        return record

    @classmethod
    def from_json(cls, record, where=""):
        """Return the selection that `to_json` described.

        Raises
        ------
        BadInput
            If it is none.
        """
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            raise BadInput("This is no file of selection rules", where, f"Its format is {FORMAT}")
        surplus = sorted(set(record) - {"format", "title", "rules", "at_most", "seed", "comment"})
        if surplus:
            raise BadInput(f"A selection has nothing called {surplus[0]}", where)
        rows = record.get("rules", [])
        if not isinstance(rows, list):
            raise BadInput("The rules of a selection are a list", where)
        rules = []
        for number, row in enumerate(rows, 1):
            try:
                rules.append(Rule.from_json(row))
            except BadInput as error:
                place = f"{where}, rule {number}" if where else f"rule {number}"
                raise BadInput(error.line, place, error.hint and "Correct the file") from error
        return cls(rules, record.get("title", ""), record.get("at_most"), record.get("seed", 0))

    @classmethod
    def read(cls, path):
        """Return the selection in a JSON file."""
        return cls.from_json(read_json(path), str(path))


@dataclass(frozen=True)
class Applied:
    """What a selection does to a table.

    Parameters
    ----------
    changes : dict of str to dict
        By case name: new values of ``selected`` and ``reason``; only cases that change.
    selected : tuple of str
        Names of the cases that are kept.
    excluded : dict of str to str
        Reason (without its prefix) of each case that the rules leave out.
    by_hand : tuple of str
        Names of the cases that a person has left out; they stay so.
    by_reason : dict of str to int
        By rule, as it is typed: how many cases it leaves out. A case can count for several.
    """

    changes: dict
    selected: tuple
    excluded: dict
    by_hand: tuple
    by_reason: dict


def left_out_by_hand(case):
    """bool: whether a case is left out, and not by a rule."""
    return not case.selected and not case.get("reason").startswith(PREFIX)


def apply_rules(table, selection):
    """Return what a selection does to a table: those that a former rule left out come back if this one keeps them.

    Parameters
    ----------
    table : CaseTable
    selection : Selection

    Returns
    -------
    Applied

    Raises
    ------
    BadInput
        If a row has no name, two have the same, or a rule asks for a column that the table cannot have.
    """
    check_names(table)
    passed, reasons, by_hand = [], {}, []
    counts = Counter({rule.text: 0 for rule in selection.rules})
    for case in table:
        if left_out_by_hand(case):
            by_hand.append(case.name)
            continue
        refusals = [(rule.text, why) for rule in selection.rules if (why := rule.refusal(case))]
        counts.update({text for text, _ in refusals})
        if refusals:
            reasons[case.name] = "; ".join(dict.fromkeys(why for _, why in refusals))
        else:
            passed.append(case.name)
    if selection.at_most is not None:
        counts[selection.limit_text] = max(0, len(passed) - selection.at_most)
        drawn = set(sorted(passed, key=lambda name: _lot(selection.seed, name))[: selection.at_most])
        beyond = f"not among the {selection.at_most} cases that were drawn (seed {selection.seed})"
        reasons |= {name: beyond for name in passed if name not in drawn}
        passed = [name for name in passed if name in drawn]
    return Applied(_changes(table, reasons), tuple(passed), reasons, tuple(by_hand), dict(counts))


def clear_rules(table):
    """Return what bringing back every case that a rule has left out does to a table, as `Applied`."""
    check_names(table)
    by_hand = tuple(case.name for case in table if left_out_by_hand(case))
    kept = tuple(case.name for case in table if case.name not in set(by_hand))
    return Applied(_changes(table, {}), kept, {}, by_hand, {})


def check_names(table):
    """Refuse a table whose rows cannot be told apart by name.

    Raises
    ------
    BadInput
        If a row has no name, or two have the same.
    """
    counts = Counter(case.name for case in table)
    if counts.get(""):
        raise BadInput(f"{counts['']} rows of the table have no case name", hint="Give each row a name of its own")
    double = next((name for name, count in counts.items() if count > 1), None)
    if double is not None:
        raise BadInput(f"Several rows of the table have the case name {double}", hint="Give each a name of its own")


def _changes(table, reasons):
    changes = {}
    for case in table:
        if case.name in reasons:
            wanted = {"selected": "no", "reason": PREFIX + reasons[case.name]}
        elif case.get("reason").startswith(PREFIX):
            wanted = {"selected": None, "reason": None}
        else:
            continue
        if any(case.get(column) != (value or "") for column, value in wanted.items()):
            changes[case.name] = wanted
    return changes


def _lot(seed, name):
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()

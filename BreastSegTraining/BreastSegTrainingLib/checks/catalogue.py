"""The checks: one data file says what each means, how grave it is and what mends it."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from BreastSegLib.errors import BadInput

FILE = Path(__file__).resolve().parents[2] / "Resources" / "case_checks.json"
REFUSE, FIX, NOTE = "refuse", "fix", "note"


@dataclass(frozen=True)
class Fix:
    """What a user may choose.

    Parameters
    ----------
    name, title : str
    how : {'export', 'table'}
        ``export``: its name stands in the column ``fixes``; ``table``: it changes the table at once.
    all : bool
        Whether ``--fix-all`` chooses it.
    """

    name: str
    title: str
    how: str
    all: bool = False


@dataclass(frozen=True)
class Check:
    """One check.

    Parameters
    ----------
    code, title, help : str
    level : {'refuse', 'fix', 'note'}
    fixes : tuple of Fix
    """

    code: str
    title: str
    help: str
    level: str
    fixes: tuple = ()

    @property
    def for_export(self):
        """set of str: names of the fixes that stand in the column ``fixes``."""
        return {fix.name for fix in self.fixes if fix.how == "export"}


@cache
def all_checks():
    """Return {code: `Check`}, in the order of the data file."""
    rows = json.loads(FILE.read_text(encoding="utf-8"))["checks"]
    return {row["code"]: Check(**{**row, "fixes": tuple(Fix(**fix) for fix in row["fixes"])}) for row in rows}


def read_choices(texts, everything=False):
    """Return {code: `Fix`} of texts ``CODE=FIX``.

    Parameters
    ----------
    texts : iterable of str
    everything : bool
        Also the fixes that need no judgement, for all other checks.

    Raises
    ------
    BadInput
        If a code or fix is not known; the message lists those that are.
    """
    chosen = {}
    if everything:
        chosen = {code: fix for code, check in all_checks().items() for fix in check.fixes if fix.all}
    named = {}
    for text in texts:
        code, _, name = text.partition("=")
        check = all_checks().get(code)
        if check is None:
            raise BadInput(f"There is no check {code!r}", hint="Checks: " + ", ".join(all_checks()))
        fix = next((fix for fix in check.fixes if fix.name == name), None)
        if fix is None:
            names = ", ".join(f"{code}={fix.name}" for fix in check.fixes)
            raise BadInput(
                f"{text!r} is no fix of the check {code}", hint=f"Possible: {names}" if names else "Correct it by hand"
            )
        if named.setdefault(code, fix) != fix:
            raise BadInput(f"Two fixes are chosen for the check {code}", hint="Choose one")
    return {**chosen, **named}

"""Selection rules between the panel and the library: one a line, in words, and how many cases they keep. No Qt."""

import re

from BreastSegLib.errors import BadInput
from BreastSegLib.files import write_json
from BreastSegLib.scene.texts import _

from ..cases import all_columns
from ..quality.measured import measures
from ..quality.rule import Rule, unit_of
from ..quality.rules import PREFIX, Selection, apply_rules

LIMITS = {"at_least": 0, "above": 0, "at_most": 1, "below": 1}


def measureTitle(column):
    """Return what people read for a measure, with its unit."""
    known = all_columns().get(column)
    return _(known.title) if known is not None else column


def meaningOf(column):
    """Return what a measure tells, in a sentence; '' for a column that is no measure."""
    about = measures().get(column)
    if about is None:
        return ""
    better = _("High is good.") if about.get("better") == "higher" else _("Low is good.")
    return f"{_(about['meaning'])} {better}"


def unitOf(column):
    """Return the unit of a measure, '' where it has none."""
    return unit_of(column)


def selectionOf(text, columns=()):
    """Return the selection that lines of text say.

    Parameters
    ----------
    text : str
        One rule a line; a line may hold several with "and" between.
    columns : iterable of str
        Of the table, which may be others than the known ones.

    Raises
    ------
    BadInput
        If it is none.
    """
    own = [name for name in columns if name not in all_columns()]
    return Selection.from_text(joined(text), extra=own)


def ruleOf(column, limits, whole, decimals):
    """Return the rules that keep cases within limits, one a line; '' where the limits are the whole range.

    Parameters
    ----------
    column : str
    limits, whole : (float, float)
    decimals : int
    """
    lines = []
    if limits[0] > whole[0]:
        lines.append(Rule(column, "at_least", round(limits[0], decimals)).text)
    if limits[1] < whole[1]:
        lines.append(Rule(column, "at_most", round(limits[1], decimals)).text)
    return "\n".join(lines)


def withRule(text, column, rule):
    """Return rules as lines, those that limit a column replaced by another one; what is no rule stays as it is."""
    kept = []
    for line in filter(str.strip, text.splitlines()):
        try:
            rules = selectionOf(line).rules
        except BadInput:
            rules = ()
        if not rules or not all(each.column == column and each.kind in LIMITS for each in rules):
            kept.append(line.strip())
    # A limit on the number of cases stands last.
    last = [line for line in kept if line.casefold().startswith("at most")]
    return "\n".join([*(line for line in kept if line not in last), *([rule] if rule else []), *last])


def limitsOf(text, column, whole):
    """Return the limits that rules set on a column, within its whole range."""
    limits = list(whole)
    try:
        rules = selectionOf(text).rules if text.strip() else ()
    except BadInput:
        rules = ()
    for rule in rules:
        if rule.column == column and rule.kind in LIMITS:
            limits[LIMITS[rule.kind]] = min(max(rule.value, whole[0]), whole[1])
    return min(limits), max(limits)


def joined(text):
    """Return the lines of a text as one rule."""
    return " and ".join(re.sub(r"^and\s+|\s+and$", "", line.strip()) for line in text.splitlines() if line.strip())


def problemOf(text, columns=()):
    """Return why a text is no rule, '' when it is one."""
    try:
        selectionOf(text, columns)
    except BadInput as error:
        return error.line
    return ""


def applied(text, table):
    """Return what rules would do to a table, `quality.rules.Applied`; None where a row has no name of its own."""
    try:
        return apply_rules(table, selectionOf(text, table.columns))
    except BadInput:
        return None


def inWords(text, table):
    """Return how many cases would stay and what each rule leaves out, in a few lines."""
    outcome = applied(text, table)
    if outcome is None:
        return _("The names of some cases are wrong or used twice: correct them in step 1.")
    lines = [_("{count} of {all} cases would stay.").format(count=len(outcome.selected), all=len(table))]
    if outcome.by_hand:
        lines[0] += " " + _("Left out by hand: {count}.").format(count=len(outcome.by_hand))
    lines += [
        _("{rule}: leaves out {count}").format(rule=rule, count=count) for rule, count in outcome.by_reason.items()
    ]
    return "\n".join(lines)


def argumentsOf(text):
    """Return the arguments of the command ``select``, behind the table; without rules all cases come back."""
    if not text.strip():
        return ["--clear"]
    return ["--rule", joined(text)]


def read(path):
    """Return the rules of a file, one a line.

    Raises
    ------
    BadInput
        If it holds none.
    """
    selection = Selection.read(path)
    return "\n".join([*(rule.text for rule in selection.rules), *filter(None, [selection.limit_text])])


def write(text, path, columns=()):
    """Save rules as JSON, whole or not at all.

    Raises
    ------
    BadInput
        If the text is no rule, or the file cannot be written.
    """
    write_json(path, selectionOf(text, columns).to_json(), overwrite=True)


def leftOutByRules(case):
    """Return whether a rule has left a case out."""
    return not case.selected and case.get("reason").startswith(PREFIX)


def reasonsOf(case):
    """Return why a case is left out, each as it is counted: alike for all values that one rule refuses."""
    reason = case.get("reason")
    if not reason.startswith(PREFIX):
        return [reason or _("by hand")]
    parts = [part.strip() for part in reason[len(PREFIX) :].split(";") if part.strip()]
    return [re.sub(r"\s-?\d[\d.,eE+-]*(?=.*\bis\b)", " …", part, count=1) for part in parts]

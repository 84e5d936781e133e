"""Which group each case belongs to: by the case table's columns, and by the size of its lesion."""

import math
from functools import cache
from pathlib import Path

import numpy as np
from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json

from ..cases import all_columns
from ..dataset.layout import case_of

SIZE = "size"
MOST_GROUPS = 12  # of a column: more are no groups any more
_FILE = Path(__file__).resolve().parents[2] / "Resources" / "evaluation_groups.json"


@cache
def rules():
    """Return ``evaluation_groups.json``: how columns become groups."""
    return read_json(_FILE)


def unknown():
    """Return what a group of cases without a value is called."""
    return rules()["unknown"]


def usual_columns(table):
    """Return the columns that are looked at when nothing is said: those of the usual ones that hold anything."""
    found = [name for name in rules()["usual"] if name != SIZE and any(case.get(name) for case in table or ())]
    return (*found, SIZE)


def check_columns(columns, table):
    """Refuse columns that the table does not have, or that can tell who a patient is.

    Parameters
    ----------
    columns : sequence of str
    table : CaseTable or None

    Raises
    ------
    BadInput
    """
    known = all_columns()
    for name in columns:
        if name == SIZE:
            continue
        if table is None:
            raise BadInput(f"Groups by {name} need the case table", "--groups", "Give --cases TABLE.csv --key KEY.csv")
        if name not in table.columns:
            raise BadInput(f"The case table has no column {name}", "--groups", f"It has {', '.join(table.columns)}")
        if name in known and known[name].identifying:
            raise BadInput(f"The column {name} can tell who a patient is", "--groups", "Choose another column")


def groups_of(table, key, columns):
    """Return {name in the dataset: {column: group}}.

    Parameters
    ----------
    table : CaseTable
    key : sequence of KeyRow
        Which name of the dataset is which case.
    columns : sequence of str
        ``size`` among them is left out: see `size_groups`.

    Raises
    ------
    BadInput
        If a column has more values than groups can have.
    """
    cases = {case.name: case for case in table}
    used = [(row.name, cases[row.case]) for row in key if row.case in cases]
    found = {name: {} for name, _ in used}
    for column in columns:
        if column == SIZE:
            continue
        for (name, _), group in zip(used, _column_groups([case for _, case in used], column)):
            found[name][column] = group
    return found


def size_groups(volumes, limits=(), unit="mm³"):
    """Return the size group of each lesion, None for a case without one.

    Parameters
    ----------
    volumes : sequence of float or None
        Of the reference lesions. None and 0 have no size.
    limits : sequence of float
        Upper limits of the groups but the last, increasing; a lesion of just that size belongs below. Empty: thirds of
        the cases (a lesion on the border between two thirds belongs to the lower one).
    unit : str

    Raises
    ------
    BadInput
        If the limits do not increase.
    """
    if any(low >= high for low, high in zip(limits, limits[1:])) or any(limit <= 0 for limit in limits):
        raise BadInput("The limits of lesion sizes must be above 0 and increase", "--size-limits")
    sizes = [volume if volume and math.isfinite(volume) else None for volume in volumes]
    known = np.array([size for size in sizes if size is not None], float)
    if not known.size:
        return [None] * len(sizes)
    limits = tuple(limits) or tuple(dict.fromkeys(float(v) for v in np.quantile(known, (1 / 3, 2 / 3))))
    labels = size_labels(limits, unit)
    return [None if size is None else labels[int(np.searchsorted(limits, size, side="left"))] for size in sizes]


def size_labels(limits, unit):
    """Return the names of the size groups between limits."""
    texts = next(
        texts for digits in (3, 6, 17) if len(set(texts := [_number(v, digits) for v in limits])) == len(limits)
    )
    between = [f"{low} to {high} {unit}" for low, high in zip(texts, texts[1:])]
    return [f"≤ {texts[0]} {unit}", *between, f"> {texts[-1]} {unit}"]


def order(column, names):
    """Return the names of a column's groups in the order in which they are shown: unknown last."""
    wanted = rules()["columns"].get(column, {})
    first = wanted.get("order") or [_age_text(span) for span in wanted.get("ages", ())]
    place = {name: index for index, name in enumerate(first)}

    def rank(name):
        return (name == unknown(), place.get(name, len(place)), _leading_number(name), name)

    return sorted(names, key=rank)


def title(column):
    """Return what a column is called in tables and figures."""
    if column in rules()["columns"]:
        return rules()["columns"][column]["title"]
    return all_columns()[column].title if column in all_columns() else column


def attach(records, groups):
    """Give each case record its groups: a region of an image has those of its case.

    Parameters
    ----------
    records : sequence of dict
        With ``case``; their ``groups`` are filled in.
    groups : dict
        Of `groups_of`.

    Returns
    -------
    int
        How many cases the table and key do not know.
    """
    lost = 0
    columns = list(dict.fromkeys(column for values in groups.values() for column in values))
    for record in records:
        found = groups.get(record["case"], groups.get(case_of(record["case"])))
        lost += found is None
        record["groups"] = {**record.get("groups", {}), **(found or dict.fromkeys(columns, unknown()))}
    return lost


def divide(records, column):
    """Return {group: records} of a column, in the order in which groups are shown; without cases that have none."""
    found = {}
    for record in records:
        group = record.get("groups", {}).get(column)
        if group is not None:
            found.setdefault(group, []).append(record)
    return {name: found[name] for name in order(column, found)}


def _column_groups(cases, column):
    rule = rules()["columns"].get(column, {})
    if "ages" in rule:
        return [_age_group(case.number(column), rule["ages"]) for case in cases]
    texts = [case.plain(column).strip() for case in cases]
    if rule.get("main"):
        texts = [text[:1] if text[:1].isdigit() else text for text in texts]
    texts = [text or unknown() for text in texts]
    if len(set(texts)) <= MOST_GROUPS:
        return texts
    numbers = [case.number(column) for case in cases]
    if any(number is None and text != unknown() for number, text in zip(numbers, texts)):
        raise BadInput(
            f"The column {column} has {len(set(texts))} different values", "--groups", "Choose a column with fewer"
        )
    return [group or unknown() for group in _thirds(numbers)]


def _thirds(numbers):
    known = np.array([number for number in numbers if number is not None], float)
    limits = tuple(dict.fromkeys(float(v) for v in np.quantile(known, (1 / 3, 2 / 3))))
    labels = [label.strip() for label in size_labels(limits, "")]
    return [None if v is None else labels[int(np.searchsorted(limits, v, side="left"))] for v in numbers]


def _age_group(age, spans):
    """Return the group of an age: years are completed years, so that 40.9 is 40."""
    if age is None or age < 0:
        return unknown()
    years = math.floor(age)
    return next(_age_text((low, high)) for low, high in spans if years >= low and (high is None or years <= high))


def _age_text(span):
    low, high = span
    return f"{low}+" if high is None else f"{low}-{high}"


def _number(value, digits):
    return f"{value:.0f}" if value >= 1000 and digits == 3 else f"{value:.{digits}g}"


def _leading_number(text):
    """Return what a name of `size_labels` is ordered by."""
    try:
        number = float(text.lstrip("≤> ").split()[0])
    except (ValueError, IndexError):
        return (math.inf, 0)
    return (number, -1 if text.startswith("≤") else int(text.startswith(">")))

"""How a measure is distributed in each centre, as plain data for plots and reports."""

import operator
from dataclasses import dataclass

import numpy as np
from BreastSegLib.errors import BadInput

from ..cases.columns import all_columns
from .measured import measures

NUMBERS = ("number", "integer")
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
NO_CENTRE = ""  # cases without a centre stand under this name


@dataclass(frozen=True)
class Distribution:
    """One group of cases.

    Parameters
    ----------
    name : str
        The centre; '' where none is given.
    count, missing : int
        Cases with a value and without.
    counts : tuple of int
        Cases in each bin of `Distributions.edges`; a bin holds its lower edge, the last both.
    least, quartile1, median, quartile3, most : float or None
        None without any value. Quartiles as `numpy.percentile` interpolates them.
    """

    name: str
    count: int
    missing: int
    counts: tuple
    least: float | None = None
    quartile1: float | None = None
    median: float | None = None
    quartile3: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Distributions:
    """A column over all centres.

    Parameters
    ----------
    column, title, unit, better : str
        `better` is ``higher`` or ``lower`` for quality measures, else ''.
    edges : tuple of float
        Edges of the bins, common to all centres; empty where no case has a value.
    groups : tuple of Distribution
        By centre, in alphabetical order, then those without a centre.
    whole : Distribution
        All cases.
    values : dict of str to tuple of float
        The values of each group, rising: for counting at any threshold.
    """

    column: str
    title: str
    unit: str
    better: str
    edges: tuple
    groups: tuple
    whole: Distribution
    values: dict

    def left_by(self, operator_name, threshold):
        """Return {centre: cases} that a threshold would leave; cases without a value are not left.

        Parameters
        ----------
        operator_name : {'<', '<=', '>', '>='}
        threshold : float
        """
        if operator_name not in COMPARE:
            raise BadInput("A threshold is one of " + ", ".join(COMPARE), str(operator_name))
        keep = COMPARE[operator_name]
        return {name: int(keep(np.asarray(values, float), threshold).sum()) for name, values in self.values.items()}

    def to_json(self):
        """dict: JSON-ready, without the single values."""
        return {
            "column": self.column,
            "title": self.title,
            "unit": self.unit,
            "better": self.better,
            "edges": list(self.edges),
            "groups": [_row(group) for group in self.groups],
            "whole": _row(self.whole),
        }


def distributions(table, column, bins=24):
    """Return how a column is distributed in each centre.

    Parameters
    ----------
    table : iterable of Case
    column : str
        Name of a column of numbers.
    bins : int
        Number of bins between the smallest and the largest value of all cases.

    Raises
    ------
    BadInput
        If the column holds no numbers, or the number of bins is not positive.
    """
    known = all_columns().get(column)
    if known is None or known.kind not in NUMBERS:
        raise BadInput("Only columns of numbers have a distribution", str(column))
    if not 1 <= bins <= 1000:
        raise BadInput("A distribution has 1 to 1000 bins", str(bins))
    values, missing = {}, {}
    for case in table:
        name = case.get("centre") or NO_CENTRE
        number = case.number(column)
        values.setdefault(name, [])
        missing.setdefault(name, 0)
        if number is None:
            missing[name] += 1
        else:
            values[name].append(number)
    names = sorted(values, key=lambda name: (name == NO_CENTRE, name.casefold(), name))
    every = np.array([number for name in names for number in values[name]])
    edges = _edges(every, bins)
    about = measures().get(column, {})
    return Distributions(
        column,
        known.title,
        about.get("unit", known.unit),
        about.get("better", ""),
        tuple(float(edge) for edge in edges),
        tuple(_group(name, np.array(values[name]), missing[name], edges) for name in names),
        _group("", every, sum(missing.values()), edges),
        {name: tuple(sorted(values[name])) for name in names},
    )


def _edges(values, bins):
    if not values.size:
        return np.zeros(0)
    low, high = float(values.min()), float(values.max())
    if low == high:
        half = max(abs(low) * 0.05, 0.5)
        low, high = low - half, high + half
    return np.linspace(low, high, bins + 1)


def _group(name, values, missing, edges):
    if not values.size:
        return Distribution(name, 0, int(missing), (0,) * max(len(edges) - 1, 0))
    counts = np.histogram(values, edges)[0]
    numbers = [float(v) for v in np.percentile(values, (0, 25, 50, 75, 100))]
    return Distribution(name, len(values), int(missing), tuple(int(n) for n in counts), *numbers)


def _row(group):
    row = {name: getattr(group, name) for name in group.__dataclass_fields__}
    row["counts"] = list(group.counts)
    return row

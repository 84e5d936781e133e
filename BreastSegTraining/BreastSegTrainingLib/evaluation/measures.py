"""The measures of a pair of masks, and how each treats empty masks: a table, ``evaluation_measures.json``."""

import json
import math
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from BreastSegLib.errors import BadInput

FILE = Path(__file__).resolve().parents[2] / "Resources" / "evaluation_measures.json"
STATES = ("both", "truth", "prediction", "disjoint")  # what can make a measure undefined
HD95 = ("max", "pooled")
HAUSDORFF = ("voxels", "surface")


@dataclass(frozen=True)
class Measure:
    """One measure.

    Parameters
    ----------
    name, title, unit : str
    better : {'higher', 'lower', ''}
    family : {'overlap', 'distance', 'volume', 'counts'}
    source : str
        Who defines it so.
    definition, empty : str
        What it is, and what it is of empty masks, in words.
    undefined : dict of str to float
        What it is in the states of `STATES` unless a rule says otherwise; states that are missing are computed.
    """

    name: str
    title: str
    unit: str
    better: str
    family: str
    source: str
    definition: str
    empty: str
    undefined: dict


@dataclass(frozen=True)
class EmptyRule:
    """How empty masks count.

    Parameters
    ----------
    name, title, meaning : str
    values : dict of str to dict of str to float
        ``{measure: {state: value}}``; goes before `Measure.undefined`.
    """

    name: str
    title: str
    meaning: str
    values: dict


@dataclass(frozen=True)
class MeasureOptions:
    """What is measured of a pair, and by which variant.

    Parameters
    ----------
    measures : tuple of str
        Names of the measures; empty: all.
    empty : str
        Rule for empty masks (``Resources/evaluation_measures.json``).
    hausdorff : {'voxels', 'surface'}
        Between all voxels of the masks (SimpleITK, SciPy), or between their surfaces (MONAI, MedPy).
    hd95 : {'max', 'pooled'}
        Larger of both directions (MONAI, M6), or the percentile of both together (MedPy).
    tolerance_mm : float
        Of the normalised surface distance.
    norm_hd_voxels : float
        What the challenge divides HD95 by (M6).

    Raises
    ------
    BadInput
        If one of them is not known.
    """

    measures: tuple = ()
    empty: str = "nnunet"
    hausdorff: str = "voxels"
    hd95: str = "max"
    tolerance_mm: float = 1.0
    norm_hd_voxels: float = 150.0

    def __post_init__(self):
        object.__setattr__(self, "measures", tuple(self.measures))
        object.__setattr__(self, "empty", empty_rule(self.empty).name)
        for name in self.measures:
            if name not in all_measures():
                raise BadInput(f"There is no measure {name!r}", hint="Choose among " + ", ".join(all_measures()))
        for name, choices in (("hausdorff", HAUSDORFF), ("hd95", HD95)):
            if getattr(self, name) not in choices:
                raise BadInput(f"{name} is {getattr(self, name)!r}", hint="Choose " + " or ".join(choices))
        for name in ("tolerance_mm", "norm_hd_voxels"):
            if not 0 < getattr(self, name) < math.inf:
                raise BadInput(f"{name} is {getattr(self, name)}", hint="Give a number above 0")

    @property
    def wanted(self):
        """tuple of str: names of the measures that are wanted, in the order of the table."""
        return tuple(name for name in all_measures() if not self.measures or name in self.measures)

    def to_json(self):
        """dict: the options, for a report."""
        return {**asdict(self), "measures": list(self.wanted)}


@cache
def all_measures():
    """Return {name: `Measure`}, in the order of the data file."""
    rows = json.loads(FILE.read_text(encoding="utf-8"))["measures"]
    return {row["name"]: Measure(**{**row, "undefined": _numbers(row.get("undefined", {}))}) for row in rows}


@cache
def empty_rules():
    """Return {name: `EmptyRule`}, in the order of the data file."""
    return {rule.name: rule for rule in _rules()[0]}


def empty_rule(name):
    """Return the `EmptyRule` of a name, or of another name of it (``m6``).

    Raises
    ------
    BadInput
        If there is none.
    """
    rules, other = _rules()
    plain = str(name).strip().casefold()
    rule = other.get(plain) or empty_rules().get(plain)
    if rule is None:
        raise BadInput(f"There is no rule {name!r} for empty masks", hint="Choose among " + ", ".join(empty_rules()))
    return rule


def describe_measures(names=()):
    """Return {name: {"title", "unit", "better", …}} as ``evaluation.json`` keeps it; all measures without `names`."""
    fields = ("title", "unit", "better", "source", "definition", "empty")
    return {
        name: {field: getattr(measure, field) for field in fields}
        for name, measure in all_measures().items()
        if not names or name in names
    }


@cache
def _rules():
    """Return the rules, and {other name: rule}."""
    rules, other = [], {}
    for row in json.loads(FILE.read_text(encoding="utf-8"))["rules"]:
        values = {measure: _numbers(states) for measure, states in row["values"].items()}
        rules.append(EmptyRule(row["name"], row["title"], row["meaning"], values))
        other |= dict.fromkeys(row["also"], rules[-1])
    return rules, other


def _numbers(states):
    return {state: float(value) for state, value in states.items()}

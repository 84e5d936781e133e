"""The steps that recipes are made of, and what their parameters may be: the table ``Resources/recipe_steps.json``."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ..errors import BadInput
from ..files import read_json

TABLE = Path(__file__).resolve().parents[2] / "Resources" / "recipe_steps.json"
UNITS = {"percent": " %", "mm": " mm", "mm2": " mm²", "mm3": " mm³"}
GROUPS = ("phases", "intensity", "mammography", "cleanup")


@dataclass(frozen=True)
class Parameter:
    """What one parameter of a step may be.

    Parameters
    ----------
    name : str
    kind : {'choices', 'number', 'whole'}
    allowed : tuple
        The choices, or the lowest and the highest value.
    default : object
        As published, or as usual where the source is silent. A default never changes, because recipes leave it out.
    """

    name: str
    kind: str
    allowed: tuple
    default: object

    @property
    def text(self):
        """str: what it may be, for people."""
        if self.kind == "choices":
            return ", ".join(map(str, self.allowed))
        low, high = self.allowed
        return f"a {'whole ' if self.kind == 'whole' else ''}number from {low:g} to {high:g}"

    def accepts(self, value):
        """bool: whether `value` is allowed. True is not 1, and 1 is not '1'; but 2.0 is 2, as in JSON Schema."""
        if self.kind == "choices":
            return any(_same(value, choice) for choice in self.allowed)
        if type(value) not in (int, float) or not self.allowed[0] <= value <= self.allowed[1]:
            return False
        return self.kind == "number" or value == int(value)

    def typed(self, value):
        """Return an accepted value in its type: 2 and 2.0 are the same number in a recipe."""
        if self.kind == "choices":
            return next(choice for choice in self.allowed if _same(value, choice))
        return float(value) if self.kind == "number" else int(value)

    def json_schema(self):
        """dict: the parameter as JSON Schema."""
        if self.kind == "choices":
            return {"enum": list(self.allowed), "default": self.default}
        kind = "integer" if self.kind == "whole" else "number"
        return {"type": kind, "minimum": self.allowed[0], "maximum": self.allowed[1], "default": self.default}


@dataclass(frozen=True)
class StepKind:
    """One kind of step.

    Parameters
    ----------
    name, title, text : str
        In recipes, for people, and in a sentence.
    parameters : dict of str to Parameter
    once : bool
        Whether a recipe has it at most once.
    needs : str
        Step that has to come before it, or ''.
    not_after : tuple of str
        Steps that it may not follow.
    """

    name: str
    title: str
    text: str
    parameters: dict = field(default_factory=dict)
    once: bool = False
    needs: str = ""
    not_after: tuple = ()


@cache
def step_kinds(group):
    """Return {name: `StepKind`} of one group: ``phases``, ``intensity``, ``mammography`` or ``cleanup``."""
    rows = read_json(TABLE)[group]
    return {name: _kind(name, row, rows) for name, row in rows.items()}


def read_steps(rows, group, where, name=None):
    """Return steps of a recipe with all their parameters.

    Parameters
    ----------
    rows : list of dict
        ``{"step": name, parameter: value, …}``; what is left out has its default.
    group : str
        See `step_kinds`.
    where : str or Path
        The recipe, for messages.
    name : str, optional
        The recipe's field, for messages; the group when not given.

    Returns
    -------
    tuple of dict

    Raises
    ------
    BadInput
        If a step or parameter is unknown, out of range, or in the wrong place.
    """
    name, kinds = name or group, step_kinds(group)
    if not isinstance(rows, list):
        raise BadInput(f"The recipe's {name} is not a list of steps", where)
    steps = tuple(_step(row, kinds, name, where) for row in rows)
    for place, step in enumerate(steps):
        _check_place(kinds[step["step"]], [other["step"] for other in steps[:place]], name, where)
    return steps


def without_defaults(steps, group):
    """Return steps as short as they can be written: the same for every way to write the same recipe."""
    kinds = step_kinds(group)
    return [
        {
            key: value
            for key, value in step.items()
            if key == "step" or value != kinds[step["step"]].parameters[key].default
        }
        for step in steps
    ]


def describe_steps(steps, group, brief=False):
    """Return one line for people for each step, with its parameters; `brief` leaves out what it does."""
    kinds, lines = step_kinds(group), []
    for step in steps:
        kind = kinds[step["step"]]
        figures = ", ".join(_figure(key, step[key]) for key in kind.parameters)
        title = f"{kind.title}{f' ({figures})' if figures else ''}"
        lines.append(title if brief else f"{title}: {kind.text}")
    return lines


def check_choice(value, allowed, name, where):
    """Return `value` if it is one of `allowed`, else raise `BadInput` that names the recipe's field."""
    if not any(value == choice and type(value) is type(choice) for choice in allowed):
        raise BadInput(f"The recipe's {name} is {value!r}", where, f"It may be {', '.join(map(str, allowed))}")
    return value


def steps_schema(group):
    """Return the JSON Schema of a list of steps of one group: all but the order in which they have to come."""
    kinds = step_kinds(group)
    items = [
        {
            "type": "object",
            "title": kind.title,
            "description": kind.text,
            "properties": {
                "step": {"const": kind.name},
                **{key: parameter.json_schema() for key, parameter in kind.parameters.items()},
            },
            "required": ["step"],
            "additionalProperties": False,
        }
        for kind in kinds.values()
    ]
    rules = [{"contains": _one(name), "minContains": 0, "maxContains": 1} for name in kinds if kinds[name].once]
    rules += [
        {"if": {"contains": _one(name)}, "then": {"contains": _one(kinds[name].needs)}}
        for name in kinds
        if kinds[name].needs
    ]
    return {"type": "array", "items": {"oneOf": items}, **({"allOf": rules} if rules else {})}


def _one(name):
    return {"type": "object", "properties": {"step": {"const": name}}, "required": ["step"]}


def _same(value, choice):
    """bool: whether two values are the same in JSON: true is not 1, but 2.0 is 2."""
    return type(value) in (str, int, float) and isinstance(value, str) == isinstance(choice, str) and value == choice


def _kind(name, row, rows):
    parameters = {}
    for key, rule in row["parameters"].items():
        kind = next(kind for kind in ("choices", "number", "whole") if kind in rule)
        parameters[key] = Parameter(key, kind, tuple(rule[kind]), rule["default"])
    not_after = tuple(rows) if row.get("not_after") == "any" else tuple(row.get("not_after", ()))
    return StepKind(
        name, row["title"], row["text"], parameters, bool(row.get("once")), row.get("needs", ""), not_after
    )


def _step(row, kinds, name, where):
    if not isinstance(row, dict):
        raise BadInput(f"The recipe's {name} step {row!r} is not an object", where, f"Steps: {', '.join(kinds)}")
    kind = kinds[check_choice(row.get("step"), tuple(kinds), f"{name} step", where)]
    for key, value in row.items():
        if key == "step":
            continue
        if key not in kind.parameters:
            known = ", ".join(kind.parameters) or "none"
            raise BadInput(f"The recipe's {name} step {kind.name} has no parameter {key!r}", where, f"It has {known}")
        if not kind.parameters[key].accepts(value):
            raise BadInput(
                f"The recipe's {name} step {kind.name} has {key} {value!r}",
                where,
                f"It may be {kind.parameters[key].text}",
            )
    return {
        "step": kind.name,
        **{key: rule.typed(row.get(key, rule.default)) for key, rule in kind.parameters.items()},
    }


def _check_place(kind, before, name, where):
    if kind.once and kind.name in before:
        raise BadInput(f"The recipe's {name} has the step {kind.name} twice", where, "It may come once")
    if kind.needs and kind.needs not in before:
        raise BadInput(
            f"The recipe's {name} step {kind.name} needs the step {kind.needs}", where, f"Put {kind.needs} before it"
        )
    wrong = [other for other in before if other in kind.not_after and other != kind.name]
    if wrong:
        raise BadInput(
            f"The recipe's {name} step {kind.name} comes after {wrong[0]}", where, f"Put it before {wrong[0]}"
        )


def _figure(name, value):
    """Return a parameter for people: ``margin 50``, ``low 2 %``, ``point size 40 mm``."""
    words, number = name.split("_"), f"{value:g}" if isinstance(value, float) else str(value)
    unit = UNITS.get(words[-1], "")
    if unit:
        words = words[:-1] or ["at least"]
    return " ".join([*words, number]) + unit

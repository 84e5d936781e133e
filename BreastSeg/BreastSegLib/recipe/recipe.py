"""The declared way from an exam to network channels: typed, checked on load, hashed."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInput
from ..files import read_json
from .channels import TIME_TOLERANCE_S, parse_source
from .schema import check_choice, describe_steps, read_steps, steps_schema, without_defaults

FORMAT = "breastseg-recipe-1"
FOLDER = Path(__file__).resolve().parents[2] / "Resources" / "recipes"
ORIENTATIONS = ("axial", "as-acquired")
INTERPOLATIONS = ("linear", "bspline", "nearest")
SLICES = ("all", "drop-blank")
ALL = "all"
SPACINGS_MM = 0.05, 20
TEXTS = ("name", "title", "source")
COMMON = ("format", "name", "title", "source", "modality", "cleanup")
# modality -> (fields that it needs, fields that it may have)
FIELDS = {
    "dce-mri": (("channels", "grid", "intensity"), ("phases", "slices", "time_tolerance_s")),
    "mammography": (("steps",), ()),
    "any": (("channels",), ()),
}
KINDS = {"dce-mri": ("dce",), "mammography": ("mammograms",), "any": ("dce", "mammograms")}
TOLERANCE_RANGE_S = (1, 600)


@dataclass(frozen=True)
class Grid:
    """Where the network sees the exam.

    Parameters
    ----------
    spacing : tuple of float or None
        Along the grid's own (x, y, z), mm; None keeps the exam's spacing.
    orientation : {'axial', 'as-acquired'}
        ``axial`` permutes and flips the axes so that x runs most to the patient's left, y to posterior, z to the head;
        no voxel changes by that.
    interpolation : {'linear', 'bspline', 'nearest'}
    """

    spacing: tuple | None = None
    orientation: str = "as-acquired"
    interpolation: str = "linear"


@dataclass(frozen=True)
class Recipe:
    """A validated recipe.

    Parameters
    ----------
    name, title, source : str
    modality : {'dce-mri', 'mammography', 'any'}
        ``any`` takes every image as it is: all phases of a dynamic, or a mammogram.
    channels : tuple of (str, channels.Source)
        Of a DCE recipe: channel name and where it comes from, in network order.
    grid : Grid
        Of a DCE recipe.
    phases, intensity : tuple of dict
        Steps of a DCE recipe on the phases before, and on the channels after resampling, with all parameters.
    slices : {'all', 'drop-blank'}
        ``drop-blank`` leaves out slices that are constant in all channels.
    time_tolerance_s : float
        How far the nearest phase may be from a time such as ``post@150s``.
    steps : tuple of dict
        Steps of a mammography recipe, in order, with all parameters.
    cleanup : tuple of dict
        Steps on the mask, in order, with all parameters.
    hash : str
        SHA-256 of the recipe's meaning (title, source and values that are the default left out), hexadecimal.
    """

    name: str
    title: str
    source: str
    modality: str
    channels: tuple = ()
    grid: Grid = Grid()
    phases: tuple = ()
    intensity: tuple = ()
    slices: str = ALL
    time_tolerance_s: float = TIME_TOLERANCE_S
    steps: tuple = ()
    cleanup: tuple = ()
    hash: str = ""

    @property
    def channel_names(self):
        """tuple of str or None: names in network order; None where the exam decides."""
        if self.modality == "any":
            return None
        return tuple(name for name, _ in self.channels) if self.modality == "dce-mri" else ("mammogram",)

    @property
    def needs_region(self):
        """bool: whether it prepares regions around lesions, which have to be given."""
        return any(step["step"] == "region" for step in self.steps)

    @property
    def fixed_size(self):
        """bool: whether it fixes the number of pixels, so that their size means nothing to a network."""
        return any(step["step"] == "resize-and-pad" for step in self.steps)

    def fits(self, kind):
        """bool: whether it prepares exams of this kind: ``dce`` or ``mammograms``."""
        return kind in KINDS[self.modality]


def list_recipes(kind=None):
    """Return the names of the recipes that ship with the extension, sorted; of one kind of exam if it is given.

    Parameters
    ----------
    kind : {'dce', 'mammograms'}, optional
    """
    names = sorted(path.stem for path in FOLDER.glob("*.json"))
    return names if kind is None else [name for name in names if load_recipe(name).fits(kind)]


def load_recipe(name_or_path):
    """Return the `Recipe` of a shipped name or of a JSON file.

    Raises
    ------
    BadInput
        If there is no such recipe, or a field is missing, unknown or wrong; the message names the field and what it
        may be.
    """
    path = Path(name_or_path)
    if path.suffix != ".json":
        path = FOLDER / f"{name_or_path}.json"
        if not path.is_file():
            raise BadInput(f"There is no recipe {name_or_path!r}", hint="Choose one of " + ", ".join(list_recipes()))
    return parse_recipe(read_json(path), path)


def parse_recipe(record, where="recipe"):
    """Return the `Recipe` that the JSON object `record` declares (see `load_recipe`)."""
    if not isinstance(record, dict):
        raise BadInput("A recipe is a JSON object", where)
    check_choice(record.get("format"), (FORMAT,), "format", where)
    modality = check_choice(record.get("modality"), tuple(FIELDS), "modality", where)
    _check_fields(record, modality, where)
    values = {name: record[name] for name in (*TEXTS, "modality")}
    values["cleanup"] = read_steps(record["cleanup"], "cleanup", where)
    if modality == "dce-mri":
        values |= _dce_fields(record, where)
    elif modality == "mammography":
        values["steps"] = read_steps(record["steps"], "mammography", where, "steps")
        _check_breast(values["steps"], where)
    else:
        check_choice(record["channels"], (ALL,), "channels", where)
    return Recipe(**values, hash=_hash(values))


def describe_recipe(recipe, brief=False):
    """Return what a recipe does, one line a step, for people; `brief` names the steps only."""
    lines = []
    if recipe.modality == "any":
        lines.append("Every image as it is: no resampling, no change of values")
    if recipe.channels:
        sources = ", ".join(
            name if name == source.text else f"{name} = {source.text}" for name, source in recipe.channels
        )
        lines += describe_steps(recipe.phases, "phases", brief) + [f"Channels: {sources}", _grid_line(recipe.grid)]
        if recipe.slices != ALL:
            lines.append("Slices that are blank in all channels are left out")
    lines += describe_steps(recipe.intensity, "intensity", brief) + describe_steps(recipe.steps, "mammography", brief)
    return lines + [f"Afterwards: {line}" for line in describe_steps(recipe.cleanup, "cleanup", brief)]


def recipe_schema():
    """Return the JSON Schema (Draft 2020-12) of a recipe file, one branch for each modality.

    It cannot say everything: the language of channel sources, names that must differ, and the order of steps are
    checked on load only.

    Returns
    -------
    dict
    """
    text = {"type": "string", "pattern": "\\S"}
    channel = {
        "type": "object",
        "properties": {"name": text, "source": text},
        "required": ["name", "source"],
        "additionalProperties": False,
    }
    length = {"type": "number", "minimum": SPACINGS_MM[0], "maximum": SPACINGS_MM[1]}
    spacing = {"type": ["array", "null"], "items": length, "minItems": 3, "maxItems": 3}
    grid = {"spacing": spacing, "orientation": {"enum": [*ORIENTATIONS]}, "interpolation": {"enum": [*INTERPOLATIONS]}}
    seconds = {"type": "number", "minimum": TOLERANCE_RANGE_S[0], "maximum": TOLERANCE_RANGE_S[1]}
    fields = {
        "dce-mri": {
            "channels": {"type": "array", "items": channel, "minItems": 1},
            "grid": {"type": "object", "properties": grid, "required": list(grid), "additionalProperties": False},
            "phases": steps_schema("phases"),
            "intensity": steps_schema("intensity"),
            "slices": {"enum": [*SLICES], "default": ALL},
            "time_tolerance_s": {**seconds, "default": TIME_TOLERANCE_S},
        },
        "mammography": {"steps": steps_schema("mammography")},
        "any": {"channels": {"const": ALL}},
    }
    common = {"format": {"const": FORMAT}, **dict.fromkeys(TEXTS, text), "cleanup": steps_schema("cleanup")}
    branches = [
        {
            "type": "object",
            "title": modality,
            "properties": {**common, "modality": {"const": modality}, **fields[modality]},
            "required": [*COMMON, *needed],
            "additionalProperties": False,
        }
        for modality, (needed, _) in FIELDS.items()
    ]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "BreastSeg recipe", "oneOf": branches}


def _grid_line(grid):
    if grid.spacing is None:
        spacing = "Grid: the exam's own voxels"
    else:
        spacing = f"Grid: {' × '.join(f'{value:g}' for value in grid.spacing)} mm ({grid.interpolation})"
    return spacing + (", axes turned to axial" if grid.orientation == "axial" else "")


def _check_fields(record, modality, where):
    needed, possible = FIELDS[modality]
    known = {*COMMON, *needed, *possible}
    unknown, missing = sorted(set(record) - known), sorted({*COMMON, *needed} - set(record))
    if unknown or missing:
        names = ", ".join(unknown or missing)
        raise BadInput(
            f"The recipe has {'unknown' if unknown else 'no'} field {names}",
            where,
            f"Fields ({modality}): " + ", ".join(sorted(known)),
        )
    for name in TEXTS:
        if not isinstance(record[name], str) or not record[name].strip():
            raise BadInput(f"The recipe's {name} is not a text", where)
        if not record[name].isprintable():
            raise BadInput(f"The recipe's {name} is not one line of text", where, "Leave out line breaks and tabs")


def _dce_fields(record, where):
    channels = _channels(record["channels"], where)
    intensity = read_steps(record["intensity"], "intensity", where)
    _check_scopes(channels, intensity, where)
    return {
        "channels": channels,
        "grid": _grid(record["grid"], where),
        "phases": read_steps(record.get("phases", []), "phases", where),
        "intensity": intensity,
        "slices": check_choice(record.get("slices", ALL), SLICES, "slices", where),
        "time_tolerance_s": _tolerance(record.get("time_tolerance_s", TIME_TOLERANCE_S), where),
    }


def _check_scopes(channels, steps, where):
    """Refuse statistics over the phases of the exam where the channels are no longer phases."""
    exam = next((step["step"] for step in steps if step.get("scope") == "exam"), None)
    if exam is None:
        return
    derived = next((name for name, source in channels if not source.plain), None)
    if derived is not None:
        raise BadInput(
            f"The recipe's intensity step {exam} has the scope exam, but the channel {derived} is no phase",
            where,
            "Choose the scope volume or breast",
        )
    names = [step["step"] for step in steps]
    places = [place for place, step in enumerate(steps) if step.get("scope") == "exam"]
    if "clahe" in names and names.index("clahe") < max(places):
        raise BadInput(
            f"The recipe's intensity step {exam} has the scope exam after clahe",
            where,
            "Put it before clahe, or choose the scope volume",
        )


def _check_breast(steps, where):
    """Refuse figures over the breast before it was looked for."""
    for place, step in enumerate(steps):
        if step.get("scope") == "breast" and all(before["step"] != "breast-mask" for before in steps[:place]):
            raise BadInput(
                f"The recipe's steps step {step['step']} has the scope breast, which needs the step breast-mask",
                where,
                "Put breast-mask before it, or choose the scope image",
            )


def _hash(values):
    """Return the hash of what a recipe means: the same for every way to write it, and when the language grows."""
    meaning = {"format": FORMAT, "name": values["name"], "modality": values["modality"]}
    meaning["cleanup"] = without_defaults(values["cleanup"], "cleanup")
    if "grid" in values:
        grid = values["grid"]
        meaning["channels"] = [[name, source.text] for name, source in values["channels"]]
        meaning["grid"] = [grid.spacing, grid.orientation, grid.interpolation]
        meaning["intensity"] = without_defaults(values["intensity"], "intensity")
        if values["phases"]:
            meaning["phases"] = without_defaults(values["phases"], "phases")
        if values["slices"] != ALL:
            meaning["slices"] = values["slices"]
        if values["time_tolerance_s"] != TIME_TOLERANCE_S:
            meaning["time_tolerance_s"] = values["time_tolerance_s"]
    if "steps" in values:
        meaning["steps"] = without_defaults(values["steps"], "mammography")
    return hashlib.sha256(json.dumps(meaning, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _channels(rows, where):
    if not isinstance(rows, list) or not rows:
        raise BadInput("The recipe's channels are not a list with at least one channel", where)
    channels = []
    for row in rows:
        if (
            not isinstance(row, dict)
            or set(row) != {"name", "source"}
            or not all(isinstance(v, str) and v for v in row.values())
        ):
            raise BadInput(f"The recipe's channel {row!r} is not a name and a source", where)
        channels.append((row["name"], parse_source(row["source"])))
    if len({name for name, _ in channels}) != len(channels):
        raise BadInput("Two channels of the recipe have the same name", where)
    return tuple(channels)


def _grid(record, where):
    if not isinstance(record, dict) or set(record) != {"spacing", "orientation", "interpolation"}:
        raise BadInput("The recipe's grid needs spacing, orientation and interpolation", where)
    spacing = record["spacing"]
    if spacing is not None:
        if (
            not isinstance(spacing, list)
            or len(spacing) != 3
            or not all(type(s) in (int, float) and SPACINGS_MM[0] <= s <= SPACINGS_MM[1] for s in spacing)
        ):
            raise BadInput(
                f"The recipe's grid.spacing is {spacing!r}", where, "It is null or three lengths of 0.05 to 20 mm"
            )
        spacing = tuple(float(s) for s in spacing)
    return Grid(
        spacing,
        check_choice(record["orientation"], ORIENTATIONS, "grid.orientation", where),
        check_choice(record["interpolation"], INTERPOLATIONS, "grid.interpolation", where),
    )


def _tolerance(value, where):
    low, high = TOLERANCE_RANGE_S
    if type(value) not in (int, float) or not low <= value <= high:
        raise BadInput(
            f"The recipe's time_tolerance_s is {value!r}", where, f"It may be a number from {low} to {high} s"
        )
    return float(value)

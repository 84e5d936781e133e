"""The declared way from an exam to network channels: typed, checked on load, hashed."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInput
from ..files import read_json
from .channels import parse_source
from .cleanup import CLEANUP_STEPS
from .intensity import INTENSITY_STEPS

FORMAT = "breastseg-recipe-1"
FOLDER = Path(__file__).resolve().parents[2] / "Resources" / "recipes"
MODALITIES = ("dce-mri",)
ORIENTATIONS = ("axial", "as-acquired")
INTERPOLATIONS = ("linear", "bspline", "nearest")
FIELDS = {"format", "name", "title", "source", "modality", "channels", "grid", "intensity", "cleanup"}


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

    spacing: tuple | None
    orientation: str
    interpolation: str


@dataclass(frozen=True)
class Recipe:
    """A validated recipe.

    Parameters
    ----------
    name, title, source, modality : str
    channels : tuple of (str, channels.Source)
        Channel name and where it comes from, in network order.
    grid : Grid
    intensity : tuple of dict
        Steps of `intensity.INTENSITY_STEPS`, in order.
    cleanup : tuple of dict
        Steps of `cleanup.CLEANUP_STEPS`, in order.
    hash : str
        SHA-256 of the recipe's meaning (title and source left out), hexadecimal.
    """

    name: str
    title: str
    source: str
    modality: str
    channels: tuple
    grid: Grid
    intensity: tuple
    cleanup: tuple
    hash: str


def list_recipes():
    """Return the names of the recipes that ship with the extension, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


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
    _choice(record.get("format"), (FORMAT,), "format", where)
    unknown, missing = sorted(set(record) - FIELDS), sorted(FIELDS - set(record))
    if unknown or missing:
        names = ", ".join(unknown or missing)
        raise BadInput(
            f"The recipe has {'unknown' if unknown else 'no'} field {names}",
            where,
            "Fields: " + ", ".join(sorted(FIELDS)),
        )
    for field in ("name", "title", "source"):
        if not isinstance(record[field], str) or not record[field]:
            raise BadInput(f"The recipe's {field} is not a text", where)
    _choice(record["modality"], MODALITIES, "modality", where)
    return Recipe(
        record["name"],
        record["title"],
        record["source"],
        record["modality"],
        _channels(record["channels"], where),
        _grid(record["grid"], where),
        _steps(record["intensity"], INTENSITY_STEPS, "intensity", where),
        _steps(record["cleanup"], CLEANUP_STEPS, "cleanup", where),
        _hash(record),
    )


def _hash(record):
    meaning = {key: value for key, value in record.items() if key not in ("title", "source")}
    return hashlib.sha256(json.dumps(meaning, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _choice(value, allowed, field, where):
    if not any(value == choice and type(value) is type(choice) for choice in allowed):  # True is not 1
        raise BadInput(f"The recipe's {field} is {value!r}", where, f"It may be {', '.join(map(str, allowed))}")
    return value


def _channels(rows, where):
    if not isinstance(rows, list) or not rows:
        raise BadInput("The recipe's channels are not a list with at least one channel", where)
    channels = []
    for row in rows:
        if (
            not isinstance(row, dict)
            or set(row) != {"name", "source"}
            or not all(isinstance(v, str) for v in row.values())
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
            or not all(type(s) in (int, float) and 0.05 <= s <= 20 for s in spacing)
        ):
            raise BadInput(
                f"The recipe's grid.spacing is {spacing!r}", where, "It is null or three lengths of 0.05 to 20 mm"
            )
        spacing = tuple(float(s) for s in spacing)
    return Grid(
        spacing,
        _choice(record["orientation"], ORIENTATIONS, "grid.orientation", where),
        _choice(record["interpolation"], INTERPOLATIONS, "grid.interpolation", where),
    )


def _steps(rows, known, field, where):
    if not isinstance(rows, list):
        raise BadInput(f"The recipe's {field} is not a list of steps", where)
    for row in rows:
        if not isinstance(row, dict):
            raise BadInput(f"The recipe's {field} step {row!r} is not an object", where, f"Steps: {', '.join(known)}")
        name = row.get("step")
        _choice(name, tuple(known), f"{field} step", where)
        allowed = known[name]
        for key, value in row.items():
            if key != "step":
                _choice(key, tuple(allowed), f"{field} step {name}'s parameter", where)
                _choice(value, allowed[key], f"{field} step {name}'s {key}", where)
        missing = set(allowed) - set(row)
        if missing:
            raise BadInput(f"The recipe's {field} step {name} lacks {', '.join(sorted(missing))}", where)
    return tuple(dict(row) for row in rows)

"""What a preset file may say (``Resources/preset_schema.json``), and the first thing in one that is wrong.

The schema is JSON Schema (Draft 2020-12), so that editors complete and check as one types. Slicer bundles nothing that
reads it, so the few words that it uses are read here; whole numbers have to be written without a point.
"""

import math
import re
from functools import cache
from pathlib import Path

from BreastSegLib.files import read_json

FILE = Path(__file__).resolve().parents[2] / "Resources" / "preset_schema.json"
TYPES = {
    "object": ("a table", lambda value: isinstance(value, dict)),
    "array": ("a list", lambda value: isinstance(value, list)),
    "string": ("a text", lambda value: isinstance(value, str)),
    "integer": ("a whole number", lambda value: type(value) is int),
    "number": ("a number", lambda value: type(value) in (int, float) and math.isfinite(value)),
    "boolean": ("true or false", lambda value: type(value) is bool),
    "null": ("null", lambda value: value is None),
}
SHOWN = 60  # characters of a wrong value


@cache
def preset_schema():
    """Return the JSON Schema of a preset file.

    Returns
    -------
    dict
    """
    return read_json(FILE)


def first_problem(value, schema=None, place="", root=None):
    """Return what is wrong with a value as (sentence, what it may be); None when nothing is.

    Parameters
    ----------
    value : object
        As JSON gives it.
    schema : dict, optional
        That of presets when not given.
    place : str
        Where the value stands, such as ``plan.batch_size``; '' for the whole file.
    root : dict, optional
        What ``$ref`` refers to.
    """
    schema = preset_schema() if schema is None else schema
    root = schema if root is None else root
    if "$ref" in schema:
        return first_problem(value, root["$defs"][schema["$ref"].rsplit("/", 1)[1]], place, root)
    if "anyOf" in schema:
        if any(first_problem(value, one, place, root) is None for one in schema["anyOf"]):
            return None
        return _wrong(value, place), " or ".join(_allowed(one) for one in schema["anyOf"])
    if not _fits(value, schema):
        return _wrong(value, place), _allowed(schema)
    if isinstance(value, dict):
        return _in_table(value, schema, place, root)
    if isinstance(value, list) and "items" in schema:
        found = (first_problem(one, schema["items"], f"{place}[{k}]", root) for k, one in enumerate(value))
        return next((problem for problem in found if problem), None)
    return None


def _in_table(value, schema, place, root):
    known, name = schema.get("properties", {}), place or "the preset"
    unknown = sorted(set(value) - set(known)) if schema.get("additionalProperties") is False else []
    missing = [key for key in schema.get("required", ()) if key not in value]
    if unknown or missing:
        what = f"{name} has {'unknown' if unknown else 'no'} field {', '.join(map(_short, unknown or missing))}"
        return what, f"Fields: {', '.join(known)}"
    found = (
        first_problem(value[key], known[key], f"{place}.{key}".lstrip("."), root) for key in known if key in value
    )
    return next((problem for problem in found if problem), None)


def _fits(value, schema):
    if "const" in schema:
        return type(value) is type(schema["const"]) and value == schema["const"]
    if "enum" in schema:
        return any(type(value) is type(one) and value == one for one in schema["enum"])
    types = _types(schema)
    if types and not any(TYPES[name][1](value) for name in types):
        return False
    if isinstance(value, str):
        return "pattern" not in schema or re.search(schema["pattern"], value) is not None
    if isinstance(value, list):
        return schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf)
    if type(value) in (int, float):
        inside = schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf)
        return inside and schema.get("exclusiveMinimum", -math.inf) < value < schema.get("exclusiveMaximum", math.inf)
    return True


def _allowed(schema):
    """Return what a value may be, for people."""
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    text = " or ".join(TYPES[name][0] for name in _types(schema))
    low, high = (schema.get(key, schema.get(other)) for key, other in _LIMITS)
    if low is not None and high is not None:
        text += f" from {low} to {high}" if "exclusiveMinimum" not in schema else f" above {low}, to {high}"
    if "minItems" in schema or "maxItems" in schema:
        text += f" of {schema.get('minItems', 0)} to {schema.get('maxItems', 'any number of')} values"
    return text + (f" like {schema['pattern']}" if "pattern" in schema else "")


_LIMITS = (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum"))


def _types(schema):
    types = schema.get("type", ())
    return (types,) if isinstance(types, str) else types


def _wrong(value, place):
    return f"{place or 'the preset'} is {_short(value)}"


def _short(value):
    text = value if isinstance(value, str) and value.isprintable() and value else repr(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + " …"

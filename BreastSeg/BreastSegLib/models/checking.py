"""Checks JSON against a JSON Schema, and says in words of the user what is wrong.

The schema is the only place where the rules stand. Of its language only what our own schemas use is known here; other
tools (editors, the package jsonschema) read the same file.
"""

import re
from functools import cache

_TYPES = {"string": str, "object": dict, "array": list, "boolean": bool}


def problem_in(value, schema, definitions=None, field=""):
    """Return what is first wrong with a value, such as ``licence.must_accept is not true or false``, or ''.

    Parameters
    ----------
    value : object
        As `json.loads` returns it.
    schema : dict
        Each schema in it that can fail has a ``description``: what the value may be.
    definitions : dict, optional
        ``$defs`` of the whole schema.
    field : str
        Name of the value, with the names of the objects that it lies in; '' for the whole.
    """
    if "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    if not _fits(value, schema):
        return f"{field or 'it'} is not {schema['description']}"
    if isinstance(value, dict):
        return _problem_in_object(value, schema, definitions, field)
    if isinstance(value, list) and "items" in schema:
        found = (problem_in(row, schema["items"], definitions, f"{field}[{n}]") for n, row in enumerate(value))
        return next(filter(None, found), "")
    return ""


def _fits(value, schema):
    """bool: whether a value, by itself, is what the schema says; what is in it is looked at later."""
    if "const" in schema:
        return type(value) is type(schema["const"]) and value == schema["const"]
    if "enum" in schema:
        return isinstance(value, str) and value in schema["enum"]
    if schema["type"] == "integer":
        return _whole(value) and schema["minimum"] <= value <= schema["maximum"]
    if not isinstance(value, _TYPES[schema["type"]]):
        return False
    if isinstance(value, str):
        return len(value) <= schema.get("maxLength", len(value)) and bool(_pattern(schema["pattern"]).search(value))
    if isinstance(value, list):
        return len(value) <= schema.get("maxItems", len(value))
    return isinstance(value, bool) or len(value) >= schema.get("minProperties", 0)


def _whole(value):
    """bool: whether it is a whole number. 2.0 is one, as in JSON Schema; true is none."""
    return type(value) is int or (type(value) is float and value.is_integer())


@cache
def _pattern(text):
    return re.compile(text)


def _problem_in_object(value, schema, definitions, field):
    names, within = schema.get("properties", {}), f"{field}." if field else ""
    missing = [name for name in schema.get("required", ()) if name not in value]
    if missing:
        return f"{within}{missing[0]} is missing"
    rest = schema.get("additionalProperties", True)
    unknown = [name for name in value if name not in names]
    if unknown and rest is False:
        return f"{within}{unknown[0]!r} is not known: it has " + ", ".join(names)
    for name, part in value.items():
        rule = names.get(name, rest)
        found = problem_in(part, rule, definitions, f"{within}{name}") if isinstance(rule, dict) else ""
        if found:
            return found
    ways = [way["required"][0] for way in schema.get("anyOf", ())]
    if ways and not any(name in value for name in ways):
        return f"{within}{' or '.join(ways)} is missing"
    for name, needed in schema.get("dependentRequired", {}).items():
        lacking = [other for other in needed if name in value and other not in value]
        if lacking:
            return f"{within}{lacking[0]} is missing, which {name} needs"
    return ""

"""DICOM values read without trust: what cannot be parsed counts as missing."""

import math


def value(data, name):
    """Return an element's value by keyword, or None where it is missing, empty or damaged."""
    try:
        found = data.get(name)
        return None if found is None or (hasattr(found, "__len__") and len(found) == 0) else found
    except Exception:  # noqa: BLE001 - a damaged element makes the parser raise almost any exception
        return None


def parts(data, name):
    """Return the values of a text element as a tuple of str, stripped."""
    found = value(data, name)
    if found is None:
        return ()
    several = not isinstance(found, (str, bytes)) and hasattr(found, "__iter__")
    return tuple(str(part).strip() for part in (found if several else (found,)))


def text(data, name):
    """Return the first value of a text element, stripped; empty when missing."""
    return next(iter(parts(data, name)), "")


def numbers(data, name):
    """Return the finite values of a number element; an empty tuple when one of them is no number."""
    found = value(data, name)
    if found is None or isinstance(found, bytes):
        return ()
    several = not isinstance(found, str) and hasattr(found, "__iter__")
    try:
        result = tuple(float(part) for part in (found if several else (found,)))
    except (TypeError, ValueError, OverflowError):
        return ()
    return result if all(math.isfinite(v) for v in result) else ()


def number(data, name, default=None):
    """Return the first value of a number element, or `default`."""
    return next(iter(numbers(data, name)), default)


def integer(data, name, default=None):
    """Return the first value of a number element as int, or `default`."""
    found = number(data, name)
    return default if found is None else int(found)


def items(data, name):
    """Return the items of a sequence as a list; empty when missing or damaged."""
    found = value(data, name)
    if found is None or isinstance(found, (str, bytes)):
        return []
    try:
        return [item for item in found if hasattr(item, "get")]
    except Exception:  # noqa: BLE001 - as above
        return []


def code_values(data, name):
    """Return the code values of a code sequence."""
    return [text(item, "CodeValue") for item in items(data, name)]

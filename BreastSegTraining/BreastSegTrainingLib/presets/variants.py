"""Several things of one file: what they have in common is written once, what tells them apart in tables of choices."""

import copy
from itertools import product

ADDED = ("notes", "published", "cells")  # lists of texts that a choice adds to


def variants(record):
    """Return one record for each choice from each table of ``record["variants"]``.

    Names of the choices are joined with hyphens, titles with commas; everything else of a choice goes into the record
    (`merged`).

    Parameters
    ----------
    record : dict
        ``variants`` is a list of tables ``{suffix: {"title": str, …}}``; without it the record is the only one.

    Returns
    -------
    list of dict
    """
    base = {key: value for key, value in record.items() if key != "variants"}
    result = []
    for choice in product(*(axis.items() for axis in record.get("variants", ()))):
        one = copy.deepcopy(base)
        for _, change in choice:
            one = merged(one, {key: value for key, value in change.items() if key != "title"})
        one["name"] = "-".join([base["name"], *(suffix for suffix, _ in choice)])
        titles = [change["title"] for _, change in choice]
        one["title"] = ": ".join(text for text in (base["title"], ", ".join(titles)) if text)
        result.append(one)
    return result


def merged(record, changes):
    """Return a table with changes: tables are merged, lists of `ADDED` texts joined, everything else is replaced."""
    result = dict(record)
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        elif isinstance(value, list) and key in ADDED:
            result[key] = [*result.get(key, ()), *value]
        else:
            result[key] = value
    return result

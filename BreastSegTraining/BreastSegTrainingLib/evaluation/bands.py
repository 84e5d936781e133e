"""How good a result is called: the bands of M3."""

import math
from functools import cache
from pathlib import Path

from BreastSegLib.files import read_json

_FILE = Path(__file__).resolve().parents[2] / "Resources" / "evaluation_bands.json"


@cache
def table():
    """Return ``evaluation_bands.json``: the measure that is judged, and the bands from best to worst."""
    return read_json(_FILE)


def band_of(value):
    """Return the name of the band of a value, or None for a value that is none.

    M3: above 0.85 excellent, 0.70 to 0.85 good, 0.50 to 0.70 moderate, below 0.50 poor. A value on a limit: 0.85 is
    good, 0.70 is good, 0.50 is moderate.
    """
    if value is None or not math.isfinite(value):
        return None
    for band in table()["bands"]:
        if ("above" in band and value > band["above"]) or ("from" in band and value >= band["from"]):
            return band["name"]
    return table()["bands"][-1]["name"]


def count_bands(values):
    """Return how many values lie in each band.

    Parameters
    ----------
    values : sequence of float or None

    Returns
    -------
    dict
        ``measure``; ``source``; ``bands``: rows with ``name``, ``text``, ``n`` and ``share`` (None when no value
        counts); ``missing``: values that are none.
    """
    names = [band_of(value) for value in values]
    known = len(names) - names.count(None)
    rows = [
        {
            "name": band["name"],
            "text": band["text"],
            "n": names.count(band["name"]),
            "share": names.count(band["name"]) / known if known else None,
        }
        for band in table()["bands"]
    ]
    return {"measure": table()["measure"], "source": table()["source"], "bands": rows, "missing": names.count(None)}

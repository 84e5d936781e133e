"""Coded names of segments, as Slicer and DICOM know them (SNOMED CT)."""

from functools import lru_cache
from pathlib import Path

from ..files import read_json

TABLE = Path(__file__).resolve().parents[2] / "Resources" / "terminology.json"
CONTEXTS = ("Segmentation category and type - 3D Slicer General Anatomy list", "Anatomic codes - DICOM master list")
# Slicer's own list has no breast; the master list has.
STRUCTURES = "Segmentation category and type - DICOM master list"


@lru_cache(maxsize=1)
def terms():
    """Return the table of terms: name, colour (RGB, 0 to 1), category and type codes."""
    return read_json(TABLE)


def segment_title(term):
    """Return what people read for a term, such as ``Mass``."""
    return terms()["terms"][term]["name"]


def segment_name(term, side=""):
    """Return a segment's name for people, such as ``Mass, right breast``."""
    name = segment_title(term)
    return f"{name}, {side} breast" if side else name


def segment_color(term):
    """Return a term's colour: RGB, 0 to 1."""
    return tuple(terms()["terms"][term]["color"])


def terminology_entry(term, side=""):
    """Return Slicer's terminology entry string of a term in the breast.

    Parameters
    ----------
    term : str
        ``mass`` or ``neoplasm``.
    side : {'', 'right', 'left'}
        Written as the region's modifier when known.
    """
    table = terms()
    row = table["terms"][term]
    modifier = table["sides"].get(side, ("", "", ""))
    parts = (
        CONTEXTS[0],
        _code(row["category"]),
        _code(row["type"]),
        _code(("", "", "")),
        CONTEXTS[1],
        _code(table["region"]),
        _code(modifier),
    )
    return "~".join(parts)


def terminology_entry_of(category, type, region=(), side=()):
    """Return Slicer's terminology entry string of codes (scheme, value, meaning); an empty region is the breast."""
    none = ("", "", "")
    codes = (category or none, type or none, none)
    place = (region or terms()["region"], side or none)
    return "~".join((CONTEXTS[0], *map(_code, codes), CONTEXTS[1], *map(_code, place)))


def term_of(type):
    """Return the term whose type has this code (scheme, value, …), or "" where none has."""
    return next((name for name, row in terms()["terms"].items() if row["type"][:2] == list(type[:2])), "")


def structure_title(name):
    """Return what people read for an anatomical structure, such as ``Breast``."""
    return terms()["structures"][name]["name"]


def structure_color(name):
    """Return a structure's colour: RGB, 0 to 1."""
    return tuple(terms()["structures"][name]["color"])


def structure_entry(name):
    """Return Slicer's terminology entry string of an anatomical structure as a whole."""
    row, none = terms()["structures"][name], _code(("", "", ""))
    return "~".join((STRUCTURES, _code(row["category"]), _code(row["type"]), none, CONTEXTS[1], none, none))


def _code(triple):
    return "^".join(triple)

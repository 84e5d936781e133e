"""The table of codes, and codes as highdicom takes them."""

from functools import lru_cache
from pathlib import Path

from highdicom.sr import CodedConcept

from ...files import read_json

TABLE = Path(__file__).resolve().parents[3] / "Resources" / "dicom_codes.json"


@lru_cache(maxsize=1)
def table():
    """Return ``Resources/dicom_codes.json``."""
    return read_json(TABLE)


def concept(triple):
    """Return a code of the table, [value, scheme, meaning], as highdicom takes it."""
    value, scheme, meaning = triple
    return CodedConcept(value, scheme, meaning)


def slicer_concept(triple):
    """Return a code as `terminology.json` has it, [scheme, value, meaning]."""
    scheme, value, meaning = triple
    return CodedConcept(value, scheme, meaning)

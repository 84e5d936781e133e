"""What a case record says besides its measures: sizes, empty masks, and why a measure has no value."""

import math

from ..dataset.layout import case_of
from .measures import all_measures
from .overlap import Counts

STAGES = ("raw", "cleaned")
EMPTY = {
    "both": "both masks empty",
    "truth": "reference mask empty",
    "prediction": "prediction empty",
    "disjoint": "no overlap",
    "": "not defined for flat images or without a voxel size",
}
_COUNTS = ("tp", "fp", "fn", "tn")


def values_of(records, stage, measure):
    """Return the values of a measure, one for each record; None where it has none."""
    return [(record.get(stage) or {}).get(measure) for record in records]


def counts_of(record, stage="raw"):
    """Return the `Counts` of a record's voxels, or None where they were not measured."""
    found = record.get(stage) or {}
    if any(found.get(name) is None for name in _COUNTS):
        return None
    return Counts(*(int(found[name]) for name in _COUNTS))


def is_infinite(record, stage, measure):
    """Return whether a value is missing because it is infinite: a distance to an empty mask.

    JSON has no infinity; which masks were empty stands in the counts.
    """
    value = (record.get(stage) or {}).get(measure)
    if value is not None:
        return math.isinf(value)
    counts, known = counts_of(record, stage), all_measures().get(measure)
    return bool(counts and known and math.isinf(known.undefined.get(counts.state, 0)))


def why_missing(record, stage, measure):
    """Return why a record has no finite value of a measure; None when it has one."""
    value = (record.get(stage) or {}).get(measure)
    if value is not None and math.isfinite(value):
        return None
    counts = counts_of(record, stage)
    if counts is None:
        return "not measured"
    return EMPTY[counts.state]


def size_unit(records):
    """Return what lesions are measured in, and by what `truth_size` is divided for it.

    Returns
    -------
    unit : str
        ``ml``, ``mm²`` of flat images, ``pixels`` where a voxel size is unknown.
    factor : float
    """
    units = {record.get("size_unit") for record in records if record.get("truth_size") is not None}
    if len(units) != 1 or any(record.get("truth_size") is None for record in records):
        return "pixels", 1.0
    return ("ml", 1000.0) if units == {"mm³"} else (units.pop(), 1.0)


def truth_sizes(records):
    """Return the size of each reference lesion (None where there is none), and the unit."""
    unit, factor = size_unit(records)
    if unit == "pixels":
        return [counts.truth or None if (counts := counts_of(record)) else None for record in records], unit
    return [record["truth_size"] / factor or None for record in records], unit


def sizes_of(records, stage):
    """Return (size of the reference, size of the prediction) of each record that has both, and the unit."""
    unit, factor = size_unit(records)
    if unit == "pixels":
        counts = [found for record in records if (found := counts_of(record, stage))]
        return [(found.truth, found.prediction) for found in counts], unit
    pairs = [(record["truth_size"], (record.get("predicted_size") or {}).get(stage)) for record in records]
    return [(truth / factor, predicted / factor) for truth, predicted in pairs if predicted is not None], unit


def patient_of(name):
    """Return the patient's part of a case name of the dataset (``P001_2`` is the second case of ``P001``).

    Names made of a prefix (``BC_001``) tell nothing of patients: each is one.
    """
    case = case_of(name)
    stem, _, number = case.rpartition("_")
    return stem if stem[:1] == "P" and stem[1:].isdigit() and number.isdigit() else name


def image_class_of(record, stage):
    """Return the image-level class of a stage (M5), '' where there is none."""
    return record.get("cleaned_image_class" if stage == "cleaned" else "image_class") or ""


def counted(number, word):
    """Return a number with its word: ``1 case``, ``2 cases``."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"

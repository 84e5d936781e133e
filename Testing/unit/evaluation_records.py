"""Case records as the measuring half makes them, from small random masks; for tests of what is made of them."""

import numpy as np
from BreastSegTrainingLib.evaluation.detection import detect
from BreastSegTrainingLib.evaluation.imagelevel import image_class
from BreastSegTrainingLib.evaluation.measures import MeasureOptions, describe_measures
from BreastSegTrainingLib.evaluation.overlap import count
from BreastSegTrainingLib.evaluation.pair import measure_pair

CENTRES, DENSITIES, AGES = ("DUKE", "NACT"), ("a", "b", "c", "d"), ("0-40", "41-50", "61-70")


def ball(shape, centre, radius):
    """Return a ball as a mask of bool."""
    grid = np.indices(shape) - np.reshape(centre, (-1, 1, 1, 1))
    return (grid**2).sum(axis=0) <= radius**2


def masks_of(random, error=2, shape=(14, 28, 28)):
    """Return truth, raw and cleaned masks of a made-up case: a ball, and one moved by up to `error` voxels."""
    centre = np.array(shape) // 2
    truth = ball(shape, centre, random.integers(3, 6))
    raw = ball(shape, centre + random.integers(-error, error + 1, 3), random.integers(3, 6))
    cleaned = raw.copy()
    raw[1, 1:3, 1:3] = random.random() < 0.5  # a false lesion that the clean-up takes away
    return truth, raw, cleaned


def record_of(name, truth, raw, cleaned=None, fold=None, groups=None):
    """Return the record of a case."""
    spacing = (2.0, 1.0, 1.0)
    counts = count(truth, raw)
    return {
        "case": name,
        "fold": fold,
        "groups": groups or {},
        "raw": measure_pair(truth, raw, spacing),
        "cleaned": None if cleaned is None else measure_pair(truth, cleaned, spacing),
        "detection": detect(truth, raw),
        "cleaned_detection": None if cleaned is None else detect(truth, cleaned),
        "image_class": image_class(counts),
        "cleaned_image_class": None if cleaned is None else image_class(count(truth, cleaned)),
    }


def make_records(count=12, seed=0, error=2, empty=(), cleaned=True):
    """Return records of made-up cases.

    Parameters
    ----------
    count, seed, error : int
    empty : sequence of int
        Cases whose prediction is empty.
    cleaned : bool
        With the measures of cleaned masks.
    """
    random, truths = np.random.default_rng(seed), np.random.default_rng(77)
    records = []
    for number in range(count):
        truth = masks_of(truths)[0]
        _, raw, clean = masks_of(random, error)
        if number in empty:
            raw, clean = np.zeros_like(raw), np.zeros_like(clean)
        groups = {"centre": CENTRES[number % 2], "density": DENSITIES[number % 4], "age": AGES[number % 3]}
        name = f"P{number + 1:03d}_1"
        records.append(record_of(name, truth, raw, clean if cleaned else None, number % 3, groups))
    return records


def about(name="model A", **values):
    """Return what an evaluation says of itself."""
    options = {**MeasureOptions().to_json(), "cleanup": "largest"}
    found = {"name": name, "truth": "labelsTr", "prediction": "validation", "grid": "prepared", "options": options}
    return {**found, "measures": describe_measures(), **values}

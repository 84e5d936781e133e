"""Lesions found and missed: regions of the reference mask against regions of the prediction, and the FROC curve."""

import math
from dataclasses import dataclass

import numpy as np
from BreastSegLib.errors import BadInput
from scipy import ndimage

OVERLAP = "overlap"
SCORES = ("max", "mean")


def _share(value, what, low, high):
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not low < number <= high:
        raise BadInput(f"{what} is {value!r}", hint=f"Give a number above {low} and at most {high}")
    return number


@dataclass(frozen=True)
class DetectionOptions:
    """When a lesion counts as found.

    Parameters
    ----------
    matching : 'overlap' or float
        ``overlap``: one common voxel is enough; a number: the intersection over union of two regions, at least.
    score : {'max', 'mean'}
        What a predicted lesion is worth: the largest or the mean chance in it.
    froc_from : float or None
        With chances, FROC looks at the regions with at least this chance, so that it shows what a lower threshold
        would find; None: at the regions of the predicted mask.

    Raises
    ------
    BadInput
        If one of them is not known.
    """

    matching: object = OVERLAP
    score: str = "max"
    froc_from: float | None = 0.1

    def __post_init__(self):
        if self.matching != OVERLAP:
            object.__setattr__(self, "matching", _share(self.matching, "The overlap of lesions", 0, 1))
        if self.score not in SCORES:
            raise BadInput(f"The score of a lesion is {self.score!r}", hint="Choose " + " or ".join(SCORES))
        if self.froc_from is not None:
            object.__setattr__(self, "froc_from", _share(self.froc_from, "The lowest chance of FROC", 0, 1))

    def to_json(self):
        """dict: the options, for a report."""
        return {"matching": self.matching, "score": self.score, "froc_from": self.froc_from}


def match_lesions(truth, prediction, matching=OVERLAP):
    """Return how many lesions there are, and which of them each predicted one hits.

    Parameters
    ----------
    truth, prediction : numpy.ndarray of bool
        Of the same shape. A lesion is a region whose voxels share at least a corner.
    matching : 'overlap' or float
        See `DetectionOptions`.

    Returns
    -------
    total : int
        Lesions of the reference mask.
    hits : list of tuple of int
        For each predicted lesion the numbers (from 0) of the reference lesions that it finds; none: a false one.
    labels : numpy.ndarray of int
        Predicted lesions, numbered from 1.
    """
    full = np.ones((3,) * truth.ndim, bool)
    (true_labels, total), (labels, found) = ndimage.label(truth, full), ndimage.label(prediction, full)
    both = truth & prediction
    pairs = true_labels[both].astype(np.int64) * (found + 1) + labels[both]
    counts = np.bincount(pairs, minlength=(total + 1) * (found + 1)).reshape(total + 1, found + 1)[1:, 1:]
    if matching == OVERLAP:
        matched = counts > 0
    else:
        union = _sizes(true_labels, total)[:, None] + _sizes(labels, found)[None] - counts
        matched = counts >= matching * union
    hits = [tuple(np.flatnonzero(matched[:, index]).tolist()) for index in range(found)]
    return total, hits, labels


def detect(truth, prediction, options=DetectionOptions()):
    """Return {"truth", "found", "false"} of a pair of masks: lesions there are, found ones, false ones.

    Parameters
    ----------
    truth, prediction : numpy.ndarray of bool
        A part of the image that holds both is enough.
    options : DetectionOptions
    """
    total, hits, _ = match_lesions(truth, prediction, options.matching)
    return _counted(total, hits)


def candidates(truth, prediction, chances, options=DetectionOptions()):
    """Return [[score, [numbers of the reference lesions that it finds]], …] of the lesions that FROC looks at.

    Parameters
    ----------
    truth, prediction : numpy.ndarray of bool
        The whole image.
    chances : numpy.ndarray of float
        Chance of a lesion, of the same shape.
    options : DetectionOptions
    """
    seen = prediction if options.froc_from is None else chances >= options.froc_from
    _, hits, labels = match_lesions(truth, seen, options.matching)
    measure = ndimage.maximum if options.score == "max" else ndimage.mean
    scores = measure(chances, labels, range(1, len(hits) + 1)) if hits else ()
    return [[float(score), list(found)] for score, found in zip(scores, hits)]


def froc(cases):
    """Return the free-response curve: [[false lesions per image, sensitivity, threshold], …], the strictest first.

    Parameters
    ----------
    cases : iterable of (int, sequence)
        Of each image how many lesions it has, and its `candidates`. A candidate counts where its score is at least
        the threshold; a lesion is found by any of them.

    Returns
    -------
    list of list of float
        Empty without lesions or candidates.
    """
    rows, lesions, images = [], 0, 0
    for image, (total, found) in enumerate(cases):
        lesions, images = lesions + total, images + 1
        rows += [(float(score), image, tuple(hits)) for score, hits in found]
    if not lesions or not rows:
        return []
    rows.sort(key=lambda row: -row[0])
    points, seen, false = [], set(), 0
    for index, (score, image, hits) in enumerate(rows):
        seen |= {(image, lesion) for lesion in hits}
        false += not hits
        if index + 1 == len(rows) or rows[index + 1][0] < score:  # equal scores come together
            points.append([false / images, len(seen) / lesions, score])
    return points


def summarise_detection(records, stage="raw"):
    """Return what the case records say of lesions altogether.

    Parameters
    ----------
    records : iterable of dict
        Of `run.evaluate`; those of cases that failed are left out.
    stage : {'raw', 'cleaned'}
        FROC is of the raw prediction.

    Returns
    -------
    dict
        ``truth``, ``found``, ``false``, ``images``; ``sensitivity`` and ``false_per_image`` (None where there is
        nothing to divide by); ``froc`` (`froc`; without chances the one point of the masks, its threshold None).
    """
    field = "detection" if stage == "raw" else "cleaned_detection"
    rows = [record for record in records if record.get(field)]
    sums = {name: sum(record[field][name] for record in rows) for name in ("truth", "found", "false")}
    sensitivity = sums["found"] / sums["truth"] if sums["truth"] else None
    false = sums["false"] / len(rows) if rows else None
    points = []
    if stage == "raw" and rows and all(record.get("candidates") is not None for record in rows):
        points = froc((record["detection"]["truth"], record["candidates"]) for record in rows)
    elif sensitivity is not None:
        points = [[false, sensitivity, None]]
    return {**sums, "images": len(rows), "sensitivity": sensitivity, "false_per_image": false, "froc": points}


def _counted(total, hits):
    found = {lesion for numbers in hits for lesion in numbers}
    return {"truth": total, "found": len(found), "false": sum(not numbers for numbers in hits)}


def _sizes(labels, total):
    return np.bincount(labels[labels > 0], minlength=total + 1)[1:]

"""How two masks overlap: the four counts of voxels, and the ratios made of them."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Counts:
    """Voxels of a pair of masks.

    Parameters
    ----------
    tp, fp, fn, tn : int
        In both masks, in the prediction only, in the reference only, in neither.
    """

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def truth(self):
        """int: voxels of the reference mask."""
        return self.tp + self.fn

    @property
    def prediction(self):
        """int: voxels of the predicted mask."""
        return self.tp + self.fp

    @property
    def state(self):
        """str: what can make measures undefined (`measures.STATES`); '' where the masks overlap."""
        if not self.truth:
            return "truth" if self.prediction else "both"
        return "prediction" if not self.prediction else "disjoint" if not self.tp else ""


def count(truth, prediction, voxels=None):
    """Return the `Counts` of two masks.

    Parameters
    ----------
    truth, prediction : numpy.ndarray of bool
        Of the same shape; a part of the image that holds both masks is enough.
    voxels : int, optional
        Of the whole image, where these are a part of it.
    """
    tp = int(np.count_nonzero(truth & prediction))
    fp, fn = int(np.count_nonzero(prediction)) - tp, int(np.count_nonzero(truth)) - tp
    return Counts(tp, fp, fn, (truth.size if voxels is None else voxels) - tp - fp - fn)


def ratios(counts):
    """Return {measure: value} of the family ``overlap``; nan where it is 0/0."""
    tp, fp, fn, tn = counts.tp, counts.fp, counts.fn, counts.tn
    dice = _ratio(2 * tp, 2 * tp + fp + fn)
    return {
        "dice": dice,
        "jaccard": _ratio(tp, tp + fp + fn),
        "precision": _ratio(tp, tp + fp),
        "recall": _ratio(tp, tp + fn),
        "f1": dice,
        "accuracy": _ratio(tp + tn, tp + fp + fn + tn),
        "specificity": _ratio(tn, tn + fp),
    }


def volumes(counts, voxel_mm3):
    """Return {measure: value} of the family ``volume``.

    Parameters
    ----------
    counts : Counts
    voxel_mm3 : float
        Volume of a voxel; nan where there is none, as of flat images.
    """
    truth, prediction = (n * voxel_mm3 / 1000 for n in (counts.truth, counts.prediction))
    return {
        "volume_truth": truth,
        "volume_prediction": prediction,
        "volume_difference": abs(prediction - truth),
        "volume_difference_relative": _ratio(100 * abs(counts.prediction - counts.truth), counts.truth),
    }


def _ratio(part, whole):
    return part / whole if whole else math.nan

"""Was the image right? The classes of M5, of whole images."""

from collections import Counter

TP, TN, FP, FN = "TP", "TN", "FP", "FN"
FOUND_ABOVE = 0.4  # Dice; M5


def image_class(counts):
    """Return the class of an image (M5).

    TP: Dice above 0.4. TN: both masks are empty. FN: the reference mask has a lesion, the prediction is empty. FP:
    everything else; also a lesion that was missed while something else was marked.

    Parameters
    ----------
    counts : Counts
    """
    if counts.state == "both":
        return TN
    if counts.state == "prediction":
        return FN
    return TP if 2 * counts.tp > FOUND_ABOVE * (counts.truth + counts.prediction) else FP


def image_level(classes):
    """Return accuracy, sensitivity, specificity and F1 over images (M5).

    Parameters
    ----------
    classes : iterable of str
        Of `image_class`.

    Returns
    -------
    dict
        ``TP``, ``TN``, ``FP``, ``FN``; ``matrix``, rows truth and columns prediction, [[TN, FP], [FN, TP]];
        ``accuracy``, ``sensitivity``, ``specificity``, ``f1``, None where there is nothing to divide by.
    """
    found = Counter(classes)
    tp, tn, fp, fn = (found[name] for name in (TP, TN, FP, FN))
    return {
        TP: tp,
        TN: tn,
        FP: fp,
        FN: fn,
        "matrix": [[tn, fp], [fn, tp]],
        "accuracy": _ratio(tp + tn, tp + tn + fp + fn),
        "sensitivity": _ratio(tp, tp + fn),
        "specificity": _ratio(tn, tn + fp),
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
    }


def _ratio(part, whole):
    return part / whole if whole else None

"""Where the breast is, roughly: enough for windows, for the chest wall's side and for looking beside it."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

LONGEST = 320  # pixels of the longer side of the small image
EDGE_SHARE = 0.03


@dataclass(frozen=True)
class Outline:
    """The breast in a small copy of the image.

    Parameters
    ----------
    mask : numpy.ndarray
        bool, (y, x): the breast.
    small : numpy.ndarray
        float32, (y, x): the small copy, tissue bright.
    step : int
        Every step-th pixel of the image is in the copy.
    """

    mask: np.ndarray
    small: np.ndarray
    step: int


def outline(image, padding=None):
    """Find the breast.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x), tissue bright.
    padding : numpy.ndarray, optional
        bool, (y, x): pixels that mean nothing.

    Returns
    -------
    Outline
        With an empty mask where nothing stands out of the background.
    """
    step = max(1, -(-max(image.shape) // LONGEST))
    small = np.asarray(image[::step, ::step], np.float32)
    valid = np.ones(small.shape, bool) if padding is None else ~padding[::step, ::step]
    mask = np.zeros(small.shape, bool)
    if valid.sum() > 100:
        # Padding stands for air: where it holds nearly all of it, the rest alone has no dark end to go by.
        small = np.where(valid, small, small[valid].min())
        low, high = np.percentile(small, (0.5, 99.5))
        if high > low:
            mask = _largest(_above_air(np.clip(small, low, high)) & valid)
    return Outline(mask, small, step)


def chest_wall(found):
    """Return the edge that the breast lies on: ``left``, ``right``, or empty when it is not clear.

    Parameters
    ----------
    found : Outline
    """
    if not found.mask.any():
        return ""
    columns = np.flatnonzero(found.mask.any(axis=0))
    width = max(2, round(EDGE_SHARE * (columns[-1] - columns[0])))
    left = found.mask[:, columns[0] : columns[0] + width].mean()
    right = found.mask[:, columns[-1] + 1 - width : columns[-1] + 1].mean()
    if max(left, right) < 0.25 or max(left, right) < 1.7 * min(left, right):
        return ""
    return "left" if left > right else "right"


def background_is_bright(found):
    """Return whether the frame's border is brighter than what it surrounds: tissue dark, the image inverted.

    Looks at a band a little inside the frame, because collimator and film edges are bright in correct images too.

    Parameters
    ----------
    found : Outline
    """
    small = found.small
    low, high = np.percentile(small, (1, 99))
    if min(small.shape) < 20 or not high > low:
        return False
    threshold = otsu(np.clip(small, low, high).ravel())
    bright = small > threshold
    rows, columns = (max(2, round(0.04 * n)) for n in small.shape)
    inner = bright[rows:-rows, columns:-columns]
    depth = max(2, round(0.03 * min(small.shape)))
    sides = [inner[:depth].mean(), inner[-depth:].mean(), inner[:, :depth].mean(), inner[:, -depth:].mean()]
    # The chest wall takes one side; air reaches the other three, at least in part.
    return float(np.mean(sorted(sides)[1:])) > 0.6 and max(sides) > 0.9 and bright.mean() > 0.35


def otsu(values):
    """Return the threshold that parts values into two groups of least spread."""
    counts, edges = np.histogram(values, 256)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1 + int(np.nanargmax(spread[:-1]))])


def _above_air(small):
    threshold = otsu(small)
    air = small[small <= threshold]
    middle = float(np.median(air))
    noise = 1.4826 * float(np.median(np.abs(air - middle)))
    # Fat at the skin is darker than the mean of breast and air: come down to where the air ends.
    threshold = middle + max(6 * noise, 0.3 * (threshold - middle))
    mask = small > threshold
    # Thin bright strips, such as the collimator's edge, join the breast at the chest wall.
    return ndimage.binary_opening(mask, np.ones((5, 5)))


def _largest(mask):
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    sizes = np.bincount(labels.ravel())[1:]
    return ndimage.binary_fill_holes(labels == 1 + int(np.argmax(sizes)))

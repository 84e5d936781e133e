"""The breast in a mammogram (M3)."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...errors import BadInput
from . import histogram, morphology

SMALLEST = 0.01  # of the image: less is a mark, not a breast
KEPT = 0.5  # of all tissue: less, and the erosion is too much for the breast
HOLE = 0.01  # of the image: the largest hole that is filled
PLATEAU = 0.02  # of the image at its very maximum …
APART = 0.1  # … and so far above all other values, of their range: padding, not saturated tissue


@dataclass(frozen=True)
class Breast:
    """Where the breast is.

    Parameters
    ----------
    mask : numpy.ndarray
        bool, (y, x). All True where none was found.
    threshold : float
        Grey value above which pixels were taken for tissue; NaN where there is none.
    found : bool
    note : str
        What to tell the user; empty when all went as usual.
    """

    mask: np.ndarray
    threshold: float
    found: bool
    note: str = ""


def find_breast(image, level=0.05, iterations=100, element="cross"):
    """Find the breast as M3 does: threshold from the histogram, erosion, largest component, closing, dilation.

    Deviations and what M3 leaves open:

    - The breast goes on beyond the edge of the frame, so what lies outside counts as tissue when it is eroded
      (OpenCV's rule; scipy's is the other one). Else the erosion starts at the chest wall, too, and the dilation
      leaves out the corners between chest wall and skin. Bright edges of a film that are narrower than the iterations
      still go.
    - The closing is not carried out: its size is not published, and any closing by up to `iterations` changes nothing,
      because the dilation that follows makes the same mask of what was closed and of what was not.
    - Small holes of the tissue are filled before the erosion (`fill_holes`), which would widen each single dark pixel
      of noise to a diamond of a few hundred pixels.
    - More than one background, or none (`histogram.threshold`).
    - A plateau of many pixels at the maximum, far above all other values, is padding that no tag has told of.
    - The iterations are meant for full resolution. Where they leave less than half of the tissue, they are halved
      until they leave more, if they ever do, and `note` says so.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x), tissue bright.
    level : float
        Where the background's Gaussian ends (`histogram.background_end`).
    iterations : int
        Of erosion and dilation; M3: 100, at 0.07 mm.
    element : {'cross', 'square'}

    Returns
    -------
    Breast

    Raises
    ------
    BadInput
        If the image has not two axes, is empty, holds NaN or infinity, or a parameter is out of range.
    """
    image = np.asarray(image)
    if image.ndim != 2 or not image.size:
        raise BadInput("The breast is looked for in an image with two axes", f"shape {image.shape}")
    morphology.check(iterations, element)
    if not level > 0:
        raise BadInput("The level of the background is above 0", str(level))
    padding = _padding(image)
    if padding is not None:
        image = np.where(padding, image.min(), image)
    counted = histogram.histogram(image)
    end = None if counted is None else histogram.threshold(counted, level)
    if end is None:
        return _none(image)
    tissue = fill_holes(image > end)
    steps, mask = _opened(tissue, int(iterations), element)
    if mask is None:
        return _none(image, end)
    notes = []
    if steps != iterations:
        notes.append(f"The breast is small in pixels: {steps} instead of {iterations} steps of erosion were used.")
    if padding is not None:
        mask &= ~padding
        notes.append(f"{100 * padding.mean():.0f} % of the image lie at its maximum and were taken for padding.")
    return Breast(mask, end, True, " ".join(notes))


def _padding(image):
    """Return where an image holds a bright plateau far above all else, which no tag has called padding, or None."""
    low, high = float(image.min()), float(image.max())
    plateau = image == high
    if not high > low or not PLATEAU <= plateau.mean() < 1:
        return None
    second = float(np.max(image, where=~plateau, initial=low))
    # With two values only, the brighter one is all the tissue there is.
    return plateau if second > low and high - second >= APART * (high - low) else None


def _opened(tissue, iterations, element):
    """Return the steps that were used and the breast, or None for the breast where no steps leave any."""
    enough = KEPT * np.count_nonzero(tissue)
    first = (0, None)
    steps = iterations
    while True:
        core = morphology.erode(tissue, steps, element, outside=True)
        mask = morphology.dilate(largest(core), steps, element)
        size = np.count_nonzero(mask)
        if size >= SMALLEST * mask.size:
            if size >= enough:
                return steps, mask
            if first[1] is None:
                first = steps, mask
        if steps == 0:
            return first
        steps //= 2


def largest(mask):
    """Return the largest connected component (4 neighbours) of a mask; of equally large ones the first."""
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    return labels == 1 + int(np.argmax(sizes[1:]))


def fill_holes(mask, share=HOLE):
    """Fill the holes of a mask that are small and do not touch the image's edge.

    Large ones stay: air that breast and collimator enclose together is no hole of the breast.

    Parameters
    ----------
    mask : numpy.ndarray
        bool, (y, x).
    share : float
        The largest hole filled, of all pixels.

    Returns
    -------
    numpy.ndarray
        bool, (y, x).
    """
    labels, count = ndimage.label(~mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    fill = sizes <= share * mask.size
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        fill[edge] = False
    fill[0] = True  # the mask itself
    return fill[labels]


def _none(image, end=float("nan")):
    note = "No breast was found; the whole image is used."
    return Breast(np.ones(image.shape, bool), end, False, note)

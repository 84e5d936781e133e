"""Coverage: how much of the breast is in the image."""

import numpy as np
from BreastSegLib.recipe.grid import resample, target_geometry
from BreastSegLib.volume import Volume
from scipy import ndimage

from .cutoff import missing_beyond
from .measured import NotMeasured

LEAST_CM3 = 20.0
DEEPEST = 95  # percentile of the skin's depth: where the chest begins
LEAST_MM = 5.0  # by which the skin of the breast lies before the chest's


def breast_coverage(view):
    """Return which part of the breast is in the image, 0 to 1.

    The breast is what stands out before the chest: before the depth at which the deepest skin (over the sternum, above
    and below the breasts) lies. Its cross-sections along each axis end at 0 where it is complete; where it meets the
    front, a side, the upper or lower end of the image, a parabola tells how much lies beyond (`cutoff`). A side that
    is not in the image at all is not noticed.

    Parameters
    ----------
    view : DceView

    Raises
    ------
    NotMeasured
        If no breast is seen to stand out.
    """
    small = view.small[view.exam.reference]
    axial = target_geometry(small.geometry, None, "axial")
    breast = resample(Volume(view.small_breast.astype(np.float32), small.geometry), axial).array > 0.5
    spacing = np.array(axial.spacing[::-1])
    front = _front(breast, spacing)
    volume = float(front.sum())
    if volume * np.prod(spacing) < 1000 * LEAST_CM3:
        raise NotMeasured("no breast is seen to stand out before the chest")
    lost = missing_beyond(front.sum(axis=(0, 2)))
    halves = _halves(front)
    larger = max(float(half.sum()) for half in halves)
    for half in halves:
        across = half.sum(axis=(0, 1))
        beside = missing_beyond(across) + missing_beyond(across[::-1])
        # Of a breast that is nearly all cut off a parabola tells little; the other one is about as large.
        lost += max(beside, larger - float(half.sum())) if beside else 0.0
        along = half.sum(axis=(1, 2))
        lost += missing_beyond(along) + missing_beyond(along[::-1])
    return volume / (volume + lost)


def _front(breast, spacing):
    """Return the part of the breast mask that stands out before the chest, bool (z, y, x); y runs to the back."""
    seen = breast.any(axis=1)
    if not seen.any():
        return np.zeros(breast.shape, bool)
    depth = np.where(seen, breast.argmax(axis=1), np.nan)
    chest = np.nanpercentile(depth, DEEPEST)
    bulges = seen & (ndimage.median_filter(np.where(seen, depth, chest), 3) < chest - LEAST_MM / spacing[1])
    result = breast & bulges[:, None, :]
    result[:, int(np.ceil(chest)) :] = False
    return result


def _halves(front):
    """Return the two breasts apart, where there is a gap between them; else all."""
    across = front.sum(axis=(0, 1)).astype(float)
    smooth = ndimage.gaussian_filter1d(across, 2)
    quarter = len(across) // 4
    middle = quarter + int(np.argmin(smooth[quarter : len(across) - quarter]))
    sides = smooth[:middle].max(initial=0), smooth[middle:].max(initial=0)
    if smooth[middle] > 0.6 * min(sides):
        return [front]
    left, right = front.copy(), front.copy()
    left[:, :, middle:] = False
    right[:, :, :middle] = False
    return [left, right]

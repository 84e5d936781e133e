"""Slices that are missing, blank or repeated, and values that were cut off at a largest one."""

import numpy as np

STEP = 0.5  # of the typical signal: a slice whose mean jumps away from both neighbours is no anatomy
TOP_LEAST = 20  # voxels that share the largest value


def lost_slices(array):
    """Return the part of the slices that are blank, repeat the one before, or lack most of their signal.

    Parameters
    ----------
    array : numpy.ndarray
        (z, y, x).
    """
    depth = array.shape[0]
    means, lost = np.zeros(depth), np.zeros(depth, bool)
    for k in range(depth):
        plane = np.asarray(array[k])
        finite = np.isfinite(plane)
        means[k] = float(plane[finite].mean(dtype=float)) if finite.any() else 0.0
        lost[k] = not finite.any() or np.ptp(plane[finite]) == 0 or finite.mean() < 0.5
        if k and not lost[k]:
            lost[k] = np.array_equal(plane, array[k - 1])
    good = np.flatnonzero(~lost)
    if good.size >= 5:
        usual = float(np.median(np.abs(means[good])))
        for before, k, after in zip(good, good[1:], good[2:]):
            nearest = means[[before, after]][np.argmin(np.abs(means[[before, after]] - means[k]))]
            lost[k] = abs(means[k] - nearest) > STEP * usual
    return float(lost.mean())


def clipped_share(array, mask):
    """Return the part of the breast's voxels that have the largest value of the image, where many share it.

    Parameters
    ----------
    array, mask : numpy.ndarray
        (z, y, x): the image, and bool where the breast is.
    """
    largest = float(np.nanmax(array))
    count = total = 0
    for plane, inside in zip(array, mask):
        count += int(np.count_nonzero(plane[inside] >= largest))
        total += int(np.count_nonzero(inside))
    return count / total if count >= TOP_LEAST and total else 0.0

"""The adaptive Wiener filter of M4, without the full-size float64 copies."""

import numpy as np

from ...errors import BadInput

ROWS = 64  # at a time: small enough for the processor's cache


def wiener(image, size=3):
    """Smooth an image where it varies no more than its noise does (M4).

    Equals ``scipy.signal.wiener(image, size)`` to the rounding of float32: local mean and variance over a square with
    zeros beyond the image's edges, and the mean of all local variances as the noise. One deviation: where the noise
    is 0 (an image of zeros), scipy divides 0 by 0; here the image stays as it is.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x).
    size : int
        Edge of the square, pixels, 1 or more. (M4 gives none; 3 is the usual default.)

    Returns
    -------
    numpy.ndarray
        float32, (y, x).

    Raises
    ------
    BadInput
        If the image has not two axes, holds NaN or infinity, or the size is not a positive whole number.
    """
    image = np.asarray(image)
    if image.ndim != 2 or not image.size:
        raise BadInput("The Wiener filter takes an image with two axes", f"shape {image.shape}")
    if int(size) != size or size < 1:
        raise BadInput("The size of the Wiener filter is a positive whole number", str(size))
    if not (np.isfinite(image.min()) and np.isfinite(image.max())):
        raise BadInput("The image holds values that are not finite", "", "Export the image again")
    mean, variance = np.empty(image.shape, np.float32), np.empty(image.shape, np.float32)
    total = 0.0
    for first in range(0, len(image), ROWS):
        rows = slice(first, min(first + ROWS, len(image)))
        local_mean, local_variance = _moments(image, rows, int(size))
        total += float(local_variance.sum())
        mean[rows], variance[rows] = local_mean, local_variance
    noise = total / image.size
    for first in range(0, len(image), ROWS):
        rows = slice(first, first + ROWS)
        # Where the variance does not exceed the noise the share of detail is 0: the mean alone stays.
        spread = variance[rows].astype(np.float64)
        detail = np.maximum(spread - noise, 0)
        detail /= np.maximum(spread, np.finfo(np.float32).tiny)
        detail *= image[rows] - mean[rows].astype(np.float64)
        mean[rows] += detail
    return mean


def _moments(image, rows, size):
    """Return local mean and variance (float64) of some rows."""
    before = size // 2
    after = size - 1 - before
    top, bottom = max(rows.start - before, 0), min(rows.stop + after, len(image))
    block = np.zeros((rows.stop - rows.start + size - 1, image.shape[1] + size - 1), np.float64)
    start = top - (rows.start - before)
    block[start : start + bottom - top, before : before + image.shape[1]] = image[top:bottom]
    mean = _box_sum(block, size)
    mean /= size * size
    block *= block
    variance = _box_sum(block, size)
    variance /= size * size
    variance -= mean * mean
    return mean, variance


def _box_sum(block, size):
    """Return sums over squares that lie wholly inside `block`."""
    return _line_sum(_line_sum(block.T, size).T, size)


def _line_sum(array, size):
    """Return sums of `size` rows, from sums of 1, 2, 4 … rows: few passes, and no drift as running sums have."""
    length = len(array) - size + 1
    total, done, width = None, 0, 1
    while done < size:
        if size & width:
            part = array[done : done + length]
            total = part.copy() if total is None else np.add(total, part, out=total)
            done += width
        if done < size:
            array = array[:-width] + array[width:]
            width *= 2
    return total

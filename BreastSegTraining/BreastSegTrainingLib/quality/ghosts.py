"""Ghosts: the body once more, fainter and displaced along an axis, over air."""

import numpy as np
from scipy import fft, ndimage

from .measured import NotMeasured

LEAST_AIR = 0.03  # of the image
SHORTEST = 1 / 16  # of the field of view: nearer copies cannot be told from the body's own edge
CLEAR_MM = 8.0  # about the body
LEAST_PAIRS = 0.005  # of the image: air that the displaced body covers


def ghost_strength(planes, bodies, spacing):
    """Return the strength of the strongest ghost as a part of the signal of the body.

    For each displacement along the rows and along the columns (wrapped round, as ghosts are) the slope of air against
    the displaced image is found by least squares, over all slices at once.

    Parameters
    ----------
    planes, bodies : numpy.ndarray
        (slices, y, x): the image, and bool where the body is.
    spacing : tuple of float
        Along (y, x), mm.

    Returns
    -------
    float
        0 where air does not resemble the body at all.

    Raises
    ------
    NotMeasured
        If there is too little air.
    """
    wide = [max(1, int(round(CLEAR_MM / s))) for s in spacing]
    near = ndimage.maximum_filter(bodies.astype(np.uint8), (1, 2 * wide[0] + 1, 2 * wide[1] + 1)) > 0
    # Padding holds one value.
    air = ~near & (planes != planes.min())
    air = _largest(air)
    if air.mean() < LEAST_AIR:
        raise NotMeasured("too little air is in the image")
    image = np.where(np.isfinite(planes), planes, 0).astype(np.float32)
    level = float(np.median(image[air]))
    signal = np.where(bodies, image - level, 0)
    high = np.percentile(image[air], 99)
    outside = np.where(air, np.minimum(image, 4 * high) - float(image[air].mean()), 0)
    return max(_along(outside, air, signal, axis) for axis in (1, 2))


def _largest(air):
    """Return the largest connected part: the lungs are no air to look for ghosts in."""
    labels, count = ndimage.label(air)
    if not count:
        return air
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels == int(sizes.argmax())


def _along(outside, air, signal, axis):
    count = outside.shape[axis]
    transformed = [fft.rfft(part.astype(np.float32), axis=axis) for part in (outside, air, signal, signal**2)]
    others = tuple(a for a in range(3) if a != axis)

    def summed(one, other):
        return fft.irfft((transformed[one] * np.conj(transformed[other])).sum(axis=others), count)

    product, single, square = summed(0, 2), summed(1, 2), summed(1, 3)
    covered = fft.irfft(
        (transformed[1] * np.conj(fft.rfft((signal != 0).astype(np.float32), axis=axis))).sum(axis=others), count
    )
    total = float(air.sum())
    spread = square - single**2 / total
    first = max(2, int(count * SHORTEST))
    possible = np.zeros(count, bool)
    possible[first : count - first] = True
    possible &= (covered > LEAST_PAIRS * air.size) & (spread > 1e-6 * max(float(square.max()), 1e-30))
    if not possible.any():
        return 0.0
    return float(max((product[possible] / spread[possible]).max(), 0.0))

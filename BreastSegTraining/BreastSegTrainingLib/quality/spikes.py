"""Spikes in k-space: single strong frequencies that lay stripes over a slice."""

import numpy as np
from scipy import fft, ndimage

CLEAR = 9.0  # times the mean strength of the frequencies about it
WINDOW = 9
CENTRE = 6  # lowest frequencies along each axis, where anatomy is


def stripe_strength(plane, signal):
    """Return the amplitude of the stripes in a slice as a part of `signal`.

    Parameters
    ----------
    plane : numpy.ndarray
        (y, x).
    signal : float
        Typical value of the breast above air.

    Returns
    -------
    float
        Root of the summed squares over all stripes; 0 without any.
    """
    rows, columns = plane.shape
    if min(rows, columns) < 4 * CENTRE or not signal > 0:
        return 0.0
    window = np.outer(np.hanning(rows), np.hanning(columns)).astype(np.float32)
    mean = float(plane.mean())
    strength = np.abs(fft.fft2((plane - mean).astype(np.float32) * window))
    around = ndimage.uniform_filter(strength, WINDOW, mode="wrap") * WINDOW**2
    own = ndimage.uniform_filter(strength, 3, mode="wrap") * 9
    around = (around - own) / (WINDOW**2 - 9)
    peaks = (strength > CLEAR * around) & (strength >= ndimage.maximum_filter(strength, 5, mode="wrap"))
    low = np.abs(fft.fftfreq(rows) * rows)[:, None], np.abs(fft.fftfreq(columns) * columns)[None]
    # Sharp straight edges make lines along the axes.
    peaks &= (low[0] > CENTRE) & (low[1] > CENTRE) | (low[0] + low[1] > min(rows, columns) / 4)
    if not peaks.any():
        return 0.0
    # Each stripe has two frequencies of half its amplitude.
    return float(np.sqrt(((2 * (strength[peaks] - around[peaks]) / window.sum()) ** 2).sum() / 2)) / signal

"""Noise of an image, told from its finest detail inside the breast.

First differences along every axis at once (2 × 2 × 2 voxels; 2 × 2 in a single slice) leave next to nothing of
anatomy but its corners; the median of their size is taken (Donoho & Johnstone 1994, diagonal wavelet detail). Noise
that was smoothed or interpolated has less of that detail than it has strength. How much it was smoothed shows in the
correlation of neighbouring differences: -0.5 for independent voxels, rising with the width of the smoothing.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import ndimage

from .measured import NotMeasured

SLABS = 24  # groups of three slices
LEAST = 2000  # differences
WIDEST = 2.0  # voxels: standard deviation of the widest smoothing that is told
CALM = 1.5  # voxels: width of the filter that edges are told by
TOLERANCE = 0.06  # of that correlation: less is no sign of smoothing
OUTLIER = 3.0  # standard deviations


@dataclass(frozen=True)
class Noise:
    """Noise of one image.

    Parameters
    ----------
    sigma : float
        Standard deviation of a voxel, in the image's unit.
    width : tuple of float
        Standard deviation of the smoothing that the noise went through along (z, y, x), in voxels; 0 for none.
    white : float
        Standard deviation that independent voxels would have had before that smoothing.
    """

    sigma: float
    width: tuple
    white: float

    @property
    def level(self):
        """float: geometric mean of both, which smoothing lowers and interpolation raises but little."""
        return float(np.sqrt(self.sigma * self.white))


def noise_of(array, mask, calm=True):
    """Return the `Noise` of an image.

    Parameters
    ----------
    array : numpy.ndarray
        (z, y, x); a few slices are enough.
    mask : numpy.ndarray
        bool, where to measure; voxels of exactly 0 are left out, as they were blanked.
    calm : bool
        Measure in the calmer half of each slice.

    Raises
    ------
    NotMeasured
        If there are too few voxels, or they hold no noise at all.
    """
    parts = list(_differences(array, mask, calm))
    values = np.concatenate([part[inside] for part, inside in parts]) if parts else np.zeros(0)
    if values.size < LEAST:
        raise NotMeasured("too little of the breast is in the image to tell its noise")
    flat = parts[0][0].shape[0] == 1
    fine = 1.4826 * float(np.median(np.abs(values))) / np.sqrt(4 if flat else 8)
    if not fine > 1e-6 * max(float(np.abs(array[mask][:: max(1, mask.sum() // 10_000)]).mean()), 1e-30):
        raise NotMeasured("the image has no noise")
    limit = OUTLIER * 1.4826 * float(np.median(np.abs(values)))
    widths = [0.0] * 3
    for axis in (1, 2) if flat else (0, 1, 2):
        widths[axis] = _width(_correlation(parts, axis, limit))
    used = widths[1:] if flat else widths
    neighbours = np.prod([1 - _smoothing(width)[0] for width in used])
    gain = np.prod([_smoothing(width)[2] for width in used])
    sigma = fine / np.sqrt(neighbours)
    return Noise(float(sigma), tuple(widths), float(sigma / np.sqrt(gain)))


def _differences(array, mask, calm):
    """Yield differences along all axes of groups of slices, and where they lie inside the mask."""
    depth = array.shape[0]
    thick = 3 if depth >= 3 else 1
    for first in np.unique(np.linspace(0, depth - thick, min(depth - thick + 1, SLABS)).round().astype(int)):
        inside = mask[first : first + thick]
        if not inside.any():
            continue
        slab = np.asarray(array[first : first + thick], np.float32)
        inside = inside & np.isfinite(slab) & (slab != 0)
        slab = np.where(inside, slab, 0)
        if calm:
            inside = inside & _calm(slab[thick // 2], inside[thick // 2])
        for axis in (0, 1, 2)[3 - (3 if thick == 3 else 2) :]:
            low, high = (tuple(part if a == axis else slice(None) for a in range(3)) for part in _ENDS)
            slab, inside = slab[high] - slab[low], inside[high] & inside[low]
        yield slab, inside


def _calm(plane, inside):
    """Return the calmer half of a slice: edges would pass for correlated noise."""
    slope = ndimage.gaussian_gradient_magnitude(plane, CALM)
    return slope <= np.quantile(slope[inside], 0.5) if inside.any() else inside


_ENDS = (slice(None, -1), slice(1, None))


def _correlation(parts, axis, limit):
    """Return the correlation of neighbouring differences along an axis, without the outliers that edges are."""
    product = square = 0.0
    low, high = (tuple(part if a == axis else slice(None) for a in range(3)) for part in _ENDS)
    for values, inside in parts:
        good = inside & (np.abs(values) < limit)
        both = good[low] & good[high]
        one, other = values[low][both].astype(float), values[high][both].astype(float)
        product += float(one @ other)
        square += float(one @ one + other @ other) / 2
    return product / square if square > 0 else -0.5


def _width(correlation):
    """Return the width (voxels) of the Gaussian whose smoothing makes neighbouring differences correlate so."""
    widths, found = _table()
    return float(np.interp(correlation - TOLERANCE, found, widths))


@cache
def _table():
    widths = np.linspace(0, WIDEST, 81)
    rows = [_smoothing(width) for width in widths]
    found = [(2 * one - 1 - two) / (2 * (1 - one)) for one, two, _ in rows]
    return widths, np.maximum.accumulate(found)


@cache
def _smoothing(width):
    """Return the correlation of noise at distances of one and two voxels after smoothing, and its variance left."""
    places = np.arange(-12, 13)
    kernel = (places == 0).astype(float) if width < 0.05 else np.exp(-0.5 * (places / width) ** 2)
    kernel /= kernel.sum()
    power = float(kernel @ kernel)
    return float(kernel[1:] @ kernel[:-1]) / power, float(kernel[2:] @ kernel[:-2]) / power, power

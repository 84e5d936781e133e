"""Below which signal a voxel before contrast is noise: percent enhancement would divide by noise there."""

import numpy as np

SAMPLE_SLICES, SAMPLE_EDGE = 24, 128  # of the volume, evenly spread: the level is the same to a few percent
BINS = 256
AIR = 0.3  # of the body's median signal: air is darker than this, else the image shows none
ROUNDS = 12
RAYLEIGH_SPREAD = 0.448  # median absolute deviation of magnitude noise in units of that of its complex parts


def noise_level(array, settings):
    """Return the signal that a voxel has to exceed to be more than noise.

    The larger one of two: the median of air plus `settings.noise_sigmas` standard deviations of the noise there
    (told robustly from magnitude data, whose noise in air is Rayleigh distributed), and `settings.noise_fraction` of
    the body's 95th percentile, which also holds where the scanner has blanked air or the image shows none. Air and
    body are parted by Otsu's threshold on the root of the signal; the level never exceeds it.

    Parameters
    ----------
    array : numpy.ndarray
        (z, y, x), the phase before contrast; may be memory-mapped. NaN and infinite values are ignored.
    settings : Settings

    Returns
    -------
    float
        0 or more; 0 for an image without structure.
    """
    steps = [max(1, n // most) for n, most in zip(array.shape, (SAMPLE_SLICES, SAMPLE_EDGE, SAMPLE_EDGE))]
    some = np.asarray(array[tuple(slice(step // 2, None, step) for step in steps)], np.float32)
    some = some[np.isfinite(some)].astype(np.float64)
    if not some.size or some.min() == some.max():
        return 0.0
    split = _otsu(some)
    air, body = some[some <= split], some[some > split]
    level = settings.noise_fraction * np.percentile(body, 95)
    if np.median(air) < AIR * np.median(body):
        level = max(level, min(_top_of_air(air, settings.noise_sigmas), split))
    return max(float(level), 0.0)


def _otsu(values):
    """Return Otsu's threshold of `values` on the root of what is above the smallest, so that both sides have some."""
    low = values.min()
    counts, edges = np.histogram(np.sqrt(values - low), BINS)
    middle = (edges[1:] + edges[:-1]) / 2
    below, sums = np.cumsum(counts), np.cumsum(counts * middle)
    above = below[-1] - below
    apart = sums / np.maximum(below, 1) - (sums[-1] - sums) / np.maximum(above, 1)
    best = int(np.argmax(below * above.astype(float) * apart**2))
    threshold = low + edges[best + 1] ** 2
    # Rounding must not leave the body without its brightest voxel.
    return float(min(threshold, np.nextafter(values.max(), low)))


def _top_of_air(air, sigmas):
    """Return the median of air plus `sigmas` standard deviations of its noise.

    `air` may hold dim tissue such as suppressed fat. So what is taken for air grows from its darkest quarter until it
    ends where noise ends.
    """
    kept = air[air <= np.percentile(air, 25)]
    for _ in range(ROUNDS):
        middle = np.median(kept)
        sigma = np.median(np.abs(kept - middle)) / RAYLEIGH_SPREAD
        grown = air[air <= middle + 3 * sigma]
        if grown.size == kept.size:
            break
        kept = grown
    return float(middle + sigmas * sigma)

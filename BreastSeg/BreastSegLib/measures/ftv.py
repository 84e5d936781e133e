"""Functional tumour volume (M6; PMC4507716)."""

import numpy as np

from .neighbourhood import sum27


def background_level(pre, region, settings):
    """Return the least signal before contrast of functional tumour in a region (NaN where it is empty)."""
    values = pre[region & np.isfinite(pre)]
    if not values.size:
        return float("nan")
    return settings.background_fraction * float(np.percentile(values, settings.background_percentile))


def enhances(pre, early, settings):
    """Return where the early enhancement reaches `settings.pe_threshold_pct`."""
    with np.errstate(invalid="ignore", over="ignore"):
        return (pre > 0) & (100 * (early - pre) >= settings.pe_threshold_pct * pre)


def dark_share(pre, early, region, where, settings):
    """Return the part of the voxels in `where` that enhance enough but are too dark before contrast; 0 for none."""
    enough = where & enhances(pre, early, settings)
    if not enough.any():
        return 0.0
    return float(np.mean(pre[enough] < background_level(pre, region, settings)))


def functional_voxels(pre, early, late, region, settings):
    """Return which voxels of a region are functional tumour.

    Those that, in this order, enhance at the early phase by `settings.pe_threshold_pct` and more and have a signal
    before contrast of at least `settings.background_fraction` of the region's `settings.background_percentile`; have
    `settings.min_neighbours` of 26 neighbours and more that do so too, in the region; and have a signal enhancement
    ratio (early − pre) / (late − pre) of at least `settings.ser_min`. There is no ratio where the late phase is not
    brighter than before contrast. Nothing is divided.

    Parameters
    ----------
    pre, early, late : numpy.ndarray
        Signal (z, y, x) before contrast, at the early and at the late phase.
    region : numpy.ndarray
        bool of that shape.
    settings : Settings

    Returns
    -------
    numpy.ndarray
        bool of that shape.
    """
    region = region & np.isfinite(pre) & np.isfinite(early) & np.isfinite(late)
    passed = region & enhances(pre, early, settings) & (pre >= background_level(pre, region, settings))
    passed &= sum27(passed.view(np.uint8)) > settings.min_neighbours  # the sum counts the voxel itself
    with np.errstate(invalid="ignore", over="ignore"):
        rise, late_rise = early - pre, late - pre
        return passed & (late_rise > 0) & (rise >= settings.ser_min * late_rise)

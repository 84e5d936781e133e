"""The clocks in the tags of a set of images, and how a clock splits repeated images into time points."""

from dataclasses import dataclass

import numpy as np

SAME_PHASE_S = 2.0
DAY = 86400.0
NAMES = {
    "content": "content time",
    "acquisition": "acquisition time",
    "series": "series time",
    "trigger": "trigger time",
    "offset": "temporal position offset",
    "reference": "frame reference time",
    "temporal": "temporal position",
    "number": "acquisition number",
    "instance": "instance number",
}
# In a series: which clock is believed first. All usable ones must agree on the order.
IN_SERIES = {
    "philips": ("trigger", "offset", "content", "acquisition", "reference"),
    "ge": ("content", "trigger", "offset", "acquisition", "reference"),
    "siemens": ("content", "trigger", "offset", "acquisition", "reference"),
    "": ("acquisition", "content", "trigger", "offset", "reference"),
}
BETWEEN_SERIES = ("acquisition", "content", "series")
SHORTEST_DYNAMIC_S = 59.0
COUNTERS = {"temporal": "temporal", "number": "acquisition", "instance": "instance"}


def vendor_of(manufacturer):
    """Return ``ge``, ``siemens``, ``philips`` or "" for a Manufacturer value."""
    text = manufacturer.lower()
    return next(
        (v for v in ("siemens", "philips") if v in text),
        "ge" if text.startswith(("ge ", "ge_")) or text == "ge" else "",
    )


def clock_values(headers, name):
    """Return the seconds on one clock for each header, shape (n,), or None when some image lacks it.

    Dates are used when all images have one; else times that span more than half a day are taken to pass midnight.
    """
    if name in ("trigger", "offset"):
        values = [getattr(h, name) for h in headers]
        return None if any(v is None or v < 0 for v in values) or not any(values) else np.array(values, float)
    if name in COUNTERS:
        values = [getattr(h, COUNTERS[name]) for h in headers]
        if any(v is None for v in values):
            return None
        # The frames of a file share its instance number and count on from it.
        frames = [(h.frame or 0) * 2.0**-20 if name == "instance" else 0.0 for h in headers]
        return np.array(values, float) + frames
    moments = [h.moments.get(name) for h in headers]
    if any(m is None for m in moments):
        return None
    seconds = np.array([m[1] for m in moments])
    # Anonymisers blank a time to zero, and may keep the dates.
    if not seconds.any():
        return None
    if all(m[0] is not None for m in moments):
        days = np.array([m[0] for m in moments])
        return (days - days.min()) * DAY + seconds
    if np.ptp(seconds) > DAY / 2:
        seconds = np.where(seconds < DAY / 2, seconds + DAY, seconds)
    return seconds


@dataclass(frozen=True)
class Split:
    """How one clock puts repeated images into time points.

    Parameters
    ----------
    clock : str
    labels : numpy.ndarray
        Time point of each image, shape (n,), int.
    values : numpy.ndarray
        Clock value of each time point, shape (points,).
    """

    clock: str
    labels: np.ndarray
    values: np.ndarray


def split(values, places, clock, gap=SAME_PHASE_S):
    """Split images that repeat slice places into time points by one clock.

    Parameters
    ----------
    values : numpy.ndarray
        Clock value of each image, shape (n,).
    places : numpy.ndarray
        Index of the slice place of each image, shape (n,), int; every place must occur equally often.
    clock : str
    gap : float
        Smallest difference of the images at one place; less is the same time point.

    Returns
    -------
    Split or None
        None unless the clock tells all images at every place apart and no time point overlaps the next: a clock that
        counts slices, or that several images of a place share, says nothing about phases.
    """
    count = np.bincount(places).max()
    order = np.lexsort((values, places))
    table = values[order].reshape(-1, count)
    if count > 1 and np.diff(table, axis=1).min() < gap:
        return None
    if np.any(table.max(axis=0)[:-1] >= table.min(axis=0)[1:]):
        return None
    labels = np.empty(len(values), int)
    labels[order] = np.tile(np.arange(count), len(table))
    return Split(clock, labels, table.min(axis=0))


def clusters(values, gap=SAME_PHASE_S):
    """Return how many groups of values there are when values less than `gap` apart are one."""
    return 1 + int(np.sum(np.diff(np.sort(values)) >= gap))


def rank(values, places):
    """Split images that repeat slice places by their order at each place alone: only when the user says so.

    Returns
    -------
    numpy.ndarray or None
        None when two images of one place have the same value.
    """
    count = np.bincount(places).max()
    order = np.lexsort((values, places))
    if count > 1 and np.diff(values[order].reshape(-1, count), axis=1).min() <= 0:
        return None
    labels = np.empty(len(values), int)
    labels[order] = np.tile(np.arange(count), len(values) // count)
    return labels

"""How much of a shape lies beyond the image's edge, told from how it ends there."""

import numpy as np

END = 0.1  # of the largest value: a profile that falls so low has ended
MOST = 2.0  # of what is seen: more is not claimed to be missing


def missing_beyond(profile):
    """Return the sum that a profile lacks beyond its first value.

    The profile of an ellipsoid (its cross-sections along an axis) is a parabola; one is fitted to the values from the
    edge to where the shape ends, and the part of it beyond the edge is what is missing.

    Parameters
    ----------
    profile : numpy.ndarray
        Cross-sections from the image's edge inwards.

    Returns
    -------
    float
        In the profile's unit times its step; 0 for a shape that ends inside the image.
    """
    profile = np.asarray(profile, float)
    largest = profile.max(initial=0.0)
    if len(profile) < 4 or profile[0] <= END * largest or largest <= 0:
        return 0.0
    ended = np.flatnonzero(profile <= END * largest)
    end = int(ended[0]) if ended.size else len(profile)
    part = profile[:end]
    most = MOST * float(part.sum())
    if len(part) < 4:
        return 0.0
    places = np.arange(len(part)) + 0.5
    bend, slope, level = np.polyfit(places, part, 2)
    if bend >= 0:
        # No parabola: as much is missing as a straight line says, and where it does not fall, the most.
        return float(min(part[0] ** 2 / (2 * slope), most)) if slope > 0 else most
    root = (-slope + np.sqrt(max(slope**2 - 4 * bend * level, 0.0))) / (2 * bend)
    if root >= 0:
        return 0.0
    return float(np.clip(-(bend * root**3 / 3 + slope * root**2 / 2 + level * root), 0.0, most))

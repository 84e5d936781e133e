"""Things that may lie on each other, as one label map: each set of them that lies together has a label of its own."""

import numpy as np
from BreastSegLib.errors import BadInput

MOST = 32


def new_cover(shape, count, where):
    """Return an empty array with a bit for each of `count` things.

    Raises
    ------
    BadInput
        If there are more than fit.
    """
    if count > MOST:
        raise BadInput(f"The mask has {count} different names", where, f"At most {MOST} are read")
    return np.zeros(shape, np.uint32)


def add_to(cover, places, number):
    """Mark where thing `number` (from 0) lies; `places` is any index into the array."""
    cover[places] |= np.uint32(1 << number)


def label_map(cover):
    """Return the label map of a cover.

    Returns
    -------
    labels : numpy.ndarray
        uint8 or uint16, of the same shape; 0 where nothing lies.
    members : dict of int to list of int
        By label: the numbers of the things that lie there.
    """
    places = np.flatnonzero(cover)
    sets, inverse = np.unique(cover.ravel()[places], return_inverse=True)
    labels = np.zeros(cover.shape, np.uint16 if len(sets) > 255 else np.uint8)
    labels.ravel()[places] = inverse + 1
    members = {
        label: [number for number in range(MOST) if int(found) >> number & 1] for label, found in enumerate(sets, 1)
    }
    return labels, members

"""Where in the breast a lesion lies: nipple, quadrant and clock."""

import numpy as np

from .side import BILATERAL_MARGIN_MM, breast_side

CAP_MM = 3.0  # behind the foremost point, what counts as the front of the breast
BULGE_MM = 15.0  # least height of a breast over the skin about it
WIDEST_MM = 80.0  # a front that is wider is that of no single breast
CENTRAL_MM = 10.0  # about the nipple's axis


def nipples(outline):
    """Return the nipple of each breast, as far as the outline of the breasts tells it.

    The nipple is where the skin of a side reaches farthest to the front: the centroid of the skin that lies no more
    than 3 mm behind its foremost point, so that a flat front gives its middle. It is None where the image cuts the
    breast off there, where the front is no bulge of at least 15 mm or wider than 80 mm, where it reaches the midline,
    and where the field of view does not tell the side.

    Parameters
    ----------
    outline : Outline

    Returns
    -------
    dict
        ``{"right": point or None, "left": …}``; points are arrays (x, y, z), mm, LPS.
    """
    indices = outline.front
    matrix = outline.geometry.ijk_to_lps
    points = indices[:, ::-1] @ matrix[:3, :3].T + matrix[:3, 3]
    x = outline.geometry.corners()[:, 0]
    both = float(x.min()) < -BILATERAL_MARGIN_MM and float(x.max()) > BILATERAL_MARGIN_MM
    found = {"right": None, "left": None}
    for side, sign in (("right", -1), ("left", 1)):
        its = points[:, 0] * sign > 0
        if its.any() and breast_side((sign, 0, 0), outline.geometry) == side:
            found[side] = _front(points[its], indices[its], outline, both)
    return found


def quadrant(point, nipple, side):
    """Return the quadrant of a point: ``upper outer`` … or ``central``; ``""`` where nipple or side is unknown.

    Central is what lies within 10 mm of the line through the nipple from front to back.

    Parameters
    ----------
    point, nipple : sequence of float or None
        (x, y, z), mm, LPS.
    side : {'right', 'left', ''}
    """
    if nipple is None or not side:
        return ""
    to_left, up = point[0] - nipple[0], point[2] - nipple[2]
    if np.hypot(to_left, up) <= CENTRAL_MM:
        return "central"
    outer = to_left >= 0 if side == "left" else to_left <= 0
    return f"{'upper' if up >= 0 else 'lower'} {'outer' if outer else 'inner'}"


def clock(point, nipple):
    """Return the clock position of a point about the nipple to half an hour, such as ``10:30``.

    Seen by who faces the patient: 3:00 is towards the patient's left. ``""`` where the nipple is not known or the
    point lies within 10 mm of its line from front to back.

    Parameters
    ----------
    point, nipple : sequence of float or None
        (x, y, z), mm, LPS.
    """
    if nipple is None:
        return ""
    to_left, up = point[0] - nipple[0], point[2] - nipple[2]
    if np.hypot(to_left, up) <= CENTRAL_MM:
        return ""
    half_hours = round(float(np.degrees(np.arctan2(to_left, up))) / 15) % 24
    return f"{half_hours // 2 or 12}:{'30' if half_hours % 2 else '00'}"


def _front(points, indices, outline, both):
    """Return the middle of the foremost skin of one side, or None where it is no front of a breast.

    Parameters
    ----------
    points : numpy.ndarray
        Skin, (n, 3), mm, LPS.
    indices : numpy.ndarray
        The same as (k, j, i).
    outline : Outline
    both : bool
        Whether the field of view spans both breasts.
    """
    depth = points[:, 1]
    foremost = float(depth.min())
    if np.percentile(depth, 90) - foremost < BULGE_MM:
        return None
    cap = depth <= foremost + CAP_MM
    last = np.array(outline.geometry.shape) - 1
    margin = np.array(outline.factors)
    if ((indices[cap] < margin) | (indices[cap] > last - margin)).any():
        return None  # the image ends there
    x, _, z = points[cap].T
    if np.ptp(x) > WIDEST_MM or np.ptp(z) > WIDEST_MM or (both and np.abs(x).min() < CENTRAL_MM):
        return None
    return points[cap].mean(axis=0)

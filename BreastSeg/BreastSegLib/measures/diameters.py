"""Diameters of one lesion, all between the centres of its voxels.

The longest diameter is the largest distance between two centres (Feret), as ITK's label shapes and with them Slicer's
Segment Statistics have it: distances along the grid's axes, index difference times spacing. Within one slice the same
is RECIST's longest diameter. The diameter at a right angle to it is defined here (`perpendicular`), as a grid rarely
has two centres whose line is exactly perpendicular to another one.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, QhullError

PAIRS = 1 << 21  # distances that are held at a time
ROUNDING = 1e-9


@dataclass(frozen=True)
class Diameter:
    """A straight line across a lesion.

    Parameters
    ----------
    mm : float
        Its length.
    ends : numpy.ndarray
        (2, 3): both ends as (k, j, i), indices of the array; whole numbers but for the perpendicular diameter.
    """

    mm: float
    ends: np.ndarray


def longest(mask, spacing):
    """Return the longest diameter of a lesion in space.

    Exact: the ends are corners of the convex hull, so only these are compared, all with all. Of several equally long
    ones the first in array order.

    Parameters
    ----------
    mask : numpy.ndarray
        bool (z, y, x), not empty.
    spacing : sequence of float
        Of the array's axes (z, y, x), mm.

    Returns
    -------
    Diameter
    """
    points = _corners(_row_ends(mask))
    return _farthest(points, spacing)


def longest_in_slices(mask, spacing):
    """Return the longest diameter that lies within one slice, and the slice (axis 0, the first of equals).

    Parameters
    ----------
    mask, spacing
        As for `longest`.

    Returns
    -------
    diameter : Diameter
    k : int
    """
    spacing = np.asarray(spacing, float)
    ends = _row_ends(mask)
    slices, starts = np.unique(ends[:, 0], return_index=True)
    pieces = np.split(ends, starts[1:])
    # No pair is farther apart than the corners of the slice's bounding box.
    bounds = [float(np.sum((np.ptp(piece, axis=0) * spacing) ** 2)) for piece in pieces]
    best, where = None, -1
    for index in np.argsort(-np.array(bounds), kind="stable").tolist():
        if best is not None and np.sqrt(bounds[index]) * (1 + ROUNDING) < best.mm:
            break
        found, k = _farthest(pieces[index], spacing), int(slices[index])
        if best is None or found.mm > best.mm or (found.mm == best.mm and k < where):
            best, where = found, k
    return best, where


def perpendicular(plane, spacing, axis):
    """Return the longest diameter of one slice at a right angle to a line.

    Of all pairs of pixels whose centres differ along the line by no more than half of a pixel's extent in that
    direction, (|u_y| s_y + |u_x| s_x) / 2, the pair that is farthest apart across it. That is what the grid allows:
    from any pixel, the pixel that the exact perpendicular ends in lies no farther off. The length is the distance
    across alone, so it never exceeds the longest diameter, and the ends are moved along the line, each by half of the
    difference (at most a quarter of a pixel's extent), so that what is drawn is perpendicular. As with the longest
    diameter, what lies between the ends need not belong to the lesion.

    Parameters
    ----------
    plane : numpy.ndarray
        bool (y, x), not empty.
    spacing : sequence of float
        Of the array's axes (y, x), mm.
    axis : sequence of float
        Direction of the line along the array's axes (y, x), mm, of any length. 0: there is no line, and the diameter
        is 0.

    Returns
    -------
    length : float
        mm.
    ends : numpy.ndarray
        (2, 2): both ends as (j, i), not rounded.
    """
    spacing, along = np.asarray(spacing, float), np.asarray(axis, float)
    points = np.argwhere(plane)
    length = float(np.hypot(*along))
    if not length:
        return 0.0, np.repeat(points[:1].astype(float), 2, axis=0)
    along = along / length
    across = np.array([-along[1], along[0]])
    middle = points.mean(axis=0)  # keeps the numbers small
    u, v = (points - middle) * spacing @ along, (points - middle) * spacing @ across
    reach = float(np.abs(along) @ spacing) / 2 * (1 + ROUNDING)
    order = np.argsort(u, kind="stable")
    u, v, points = u[order], v[order], points[order]
    stop = np.searchsorted(u, u + reach, side="right")
    # Each pair is met from its lower end along the line; the other pixel may lie on either side of it.
    highest, lowest = _range_max(v, stop), -_range_max(-v, stop)
    apart = np.maximum(highest - v, v - lowest)
    one = int(np.argmax(apart))
    others = v[one : stop[one]]
    two = one + int(np.argmax(np.abs(others - v[one])))
    shift = (u[two] - u[one]) / 2 * along / spacing
    return float(apart[one]), np.array([points[one] + shift, points[two] - shift])


def _row_ends(mask):
    """Return the first and the last voxel (k, j, i) of each row of a mask, in array order: its hull is theirs."""
    k, j = np.nonzero(mask.any(axis=2))
    rows = mask[k, j]
    first, last = rows.argmax(axis=1), rows.shape[1] - 1 - rows[:, ::-1].argmax(axis=1)
    ends = np.stack([np.repeat(k, 2), np.repeat(j, 2), np.stack([first, last], axis=1).ravel()], axis=1)
    one_voxel = np.zeros(len(ends), bool)
    one_voxel[1::2] = first == last
    return ends[~one_voxel]


def _corners(points):
    """Return those of some different whole points, in array order, that can be corners of their convex hull.

    The hull of whole numbers is exact: what is no corner lies on a face or well inside. Points on one plane or line
    have no hull in space; two of their axes, or one, tell them apart.
    """
    if len(points) < 8:
        return points
    moved = points - points[0]
    rank = int(np.linalg.matrix_rank(moved))
    if rank == 1:
        return points[[0, -1]]  # array order runs along the line
    axes = [0, 1, 2] if rank == 3 else _plane_axes(moved)
    try:
        hull = ConvexHull(moved[:, axes].astype(float))
    except QhullError:
        return points  # slow, and right
    return points[np.sort(hull.vertices)]


def _plane_axes(moved):
    """Return two axes along which points of one plane through 0 differ in two directions."""
    for axes in ([1, 2], [0, 2], [0, 1]):
        if np.linalg.matrix_rank(moved[:, axes]) == 2:
            return axes
    raise AssertionError("the points span no plane")


def _farthest(points, spacing):
    """Return the `Diameter` between the two of some points (k, j, i) that are farthest apart, all compared."""
    spacing = np.asarray(spacing, float)
    best, pair = -1.0, (0, 0)
    step = max(1, PAIRS // len(points))
    for start in range(0, len(points), step):
        some = points[start : start + step]
        # Each pair is looked at from its first point; an exact index difference gives the same length everywhere.
        squares = sum(((some[:, None, a] - points[None, start:, a]) * spacing[a]) ** 2 for a in range(3))
        index = int(np.argmax(squares))
        one, two = divmod(index, squares.shape[1])
        if squares[one, two] > best:
            best, pair = float(squares[one, two]), (start + one, start + two)
    return Diameter(float(np.sqrt(best)), points[list(pair)].astype(float))


def _range_max(values, stop):
    """Return the maximum of ``values[n:stop[n]]`` for each n (stop > n), from maxima over powers of two."""
    lengths = stop - np.arange(len(values))
    powers = np.frexp(lengths)[1] - 1  # the largest power of two that fits
    result = np.empty_like(values)
    table, width = values, 1
    for power in range(int(powers.max()) + 1):
        which = np.flatnonzero(powers == power)
        result[which] = np.maximum(table[which], table[stop[which] - width])
        table, width = np.maximum(table[:-width], table[width:]), 2 * width
    return result

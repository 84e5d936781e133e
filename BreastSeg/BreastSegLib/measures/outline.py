"""The outline of the breasts on a coarse grid: which of it is skin, which is thorax."""

from functools import cached_property
from itertools import permutations

import numpy as np
from scipy import ndimage

from ..errors import BadInput

COARSE_MM = 2.0  # the breast mask itself is no finer
PART = 0.1  # of the largest piece: smaller ones are noise
ENCLOSED = 0.25  # of what lies behind the body is flanked by it where two breasts are seen
BODY, AIR, THORAX, NEITHER = range(4)


class Outline:
    """What is body, air and thorax, told from a breast mask alone.

    A block of the coarse grid is body where at least half of its voxels are. Small pieces beside the body are air, and
    dark pockets that it encloses are body. Seen along the grid axis that is nearest to anterior-posterior, what has no
    body before it is air. Behind the body is thorax where the mask leaves one out: after the last of the body, and,
    where two breasts are seen, with body to its right and left, as air behind the sides of the chest is no thorax.
    Hollows between two breasts that have body behind them are neither.

    Parameters
    ----------
    breast : numpy.ndarray
        bool (z, y, x).
    geometry : Geometry
        Its grid; the directions say where anterior and left are.
    thorax_seen : bool
        Whether the mask leaves out the thorax. If not, all that is not body is air.

    Attributes
    ----------
    factors : tuple of int
        Voxels of the fine grid in a block, along (z, y, x).
    kinds : numpy.ndarray
        uint8 (z, y, x), coarse: ``BODY``, ``AIR``, ``THORAX``, ``NEITHER``.

    Raises
    ------
    BadInput
        If mask and geometry differ in shape.
    """

    def __init__(self, breast, geometry, thorax_seen=True):
        breast = np.asarray(breast)
        if breast.shape != geometry.shape:
            raise BadInput("Breast mask and exam differ in shape", f"{breast.shape} and {geometry.shape}")
        self.geometry = geometry
        self.factors = tuple(
            max(1, min(round(COARSE_MM / s), n)) for s, n in zip(geometry.spacing[::-1], geometry.shape)
        )
        self.kinds = self._kinds(_without_pockets(_large(_blocks(breast, self.factors))), thorax_seen)

    @cached_property
    def axes(self):
        """tuple of int: the array axes nearest to left-right, anterior-posterior and feet-head."""
        share = np.abs(self.geometry.matrix)  # [patient axis, grid axis]
        best = max(permutations(range(3)), key=lambda order: sum(share[a, order[a]] for a in range(3)))
        return tuple(2 - grid_axis for grid_axis in best)

    @cached_property
    def air(self):
        """numpy.ndarray: centres of the faces between body and air, (n, 3), fine indices (k, j, i)."""
        return self.faces(AIR)

    @cached_property
    def front(self):
        """numpy.ndarray: where lines from the front first meet the body, (n, 3), fine indices (k, j, i)."""
        axis = self.axes[1]
        body = self.kinds == BODY
        lines = body if self._front_first else np.flip(body, axis)
        rest = [a for a in range(3) if a != axis]
        met = np.argwhere(lines.any(axis=axis))
        blocks = np.empty((len(met), 3))
        blocks[:, rest] = met
        first = lines.argmax(axis=axis)[tuple(met.T)] - 0.5
        blocks[:, axis] = first if self._front_first else body.shape[axis] - 1 - first
        return blocks * self.factors + (np.array(self.factors) - 1) / 2

    @cached_property
    def thorax(self):
        """numpy.ndarray: centres of the faces between body and thorax, (n, 3), fine indices (k, j, i)."""
        return self.faces(THORAX)

    def faces(self, kind):
        """Return the centres of the faces between body and another kind, (n, 3), fine indices (k, j, i)."""
        body, other = self.kinds == BODY, self.kinds == kind
        factors, found = np.array(self.factors), []
        for axis in range(3):
            first = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
            second = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
            where = (body[first] & other[second]) | (other[first] & body[second])
            points = np.argwhere(where) * factors + (factors - 1) / 2
            points[:, axis] += factors[axis] / 2
            found.append(points)
        return np.concatenate(found)

    def kind_at(self, indices):
        """Return the kinds of the blocks that some voxels (n, 3; k, j, i) lie in."""
        blocks = np.minimum(np.asarray(indices) // self.factors, np.array(self.kinds.shape) - 1)
        return self.kinds[tuple(blocks.T)]

    @property
    def _front_first(self):
        """bool: whether the front of the body is the low end of its axis; patient y grows to the back."""
        return bool(self.geometry.matrix[1, 2 - self.axes[1]] > 0)

    def _kinds(self, body, thorax_seen):
        kinds = np.where(body, np.uint8(BODY), np.uint8(AIR))
        if not thorax_seen:
            return kinds
        across, front_back, _ = self.axes
        before, behind = _swept(body, front_back)
        if not self._front_first:
            before, behind = behind, before
        back = before & ~body
        low, high = _swept(body, across)
        flanked = back & low & high
        count = np.count_nonzero(back & ~behind)
        if np.count_nonzero(flanked & ~behind) < ENCLOSED * count:
            flanked = back  # one breast: a plane cuts the body off
        kinds[flanked] = NEITHER
        kinds[flanked & ~behind] = THORAX
        return kinds


def _blocks(mask, factors):
    """Return where at least half of a block's voxels are in the mask; incomplete blocks at the end are left out."""
    total = mask.view(np.uint8) if mask.dtype == bool else (mask != 0).view(np.uint8)
    for axis in (2, 1, 0):  # along rows first, which is fastest
        factor = factors[axis]
        stop = total.shape[axis] // factor * factor
        if factor == 1:
            continue
        cut = [slice(None)] * 3
        parts = []
        for offset in range(factor):
            cut[axis] = slice(offset, stop, factor)
            parts.append(total[tuple(cut)])
        total = np.add(parts[0], parts[1], dtype=np.uint16)
        for part in parts[2:]:
            total += part
    return 2 * total.astype(np.uint32) >= int(np.prod(factors))


def _large(body):
    """Return the body without pieces of less than a tenth of the largest one."""
    labels, count = ndimage.label(body)
    if count < 2:
        return body
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return (sizes >= PART * sizes.max())[labels]


def _without_pockets(body):
    """Return the body with what it encloses."""
    labels, count = ndimage.label(~body)
    open_ones = np.zeros(count + 1, bool)
    for axis in range(3):
        for end in (0, -1):
            open_ones[labels.take(end, axis=axis)] = True
    open_ones[0] = False  # the body itself
    return ~open_ones[labels]


def _swept(body, axis):
    """Return where there is body at or before, and at or behind a voxel, along an axis."""
    before = np.logical_or.accumulate(body, axis=axis)
    behind = np.flip(np.logical_or.accumulate(np.flip(body, axis), axis=axis), axis)
    return before, behind

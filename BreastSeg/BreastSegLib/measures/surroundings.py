"""How far a lesion is from the skin and from the chest wall."""

import numpy as np
from scipy.spatial import cKDTree

from .outline import AIR, THORAX

EVERY = 16  # of so many points of a lesion's surface the first is looked at first


class Surroundings:
    """Distances from lesions to the outline of the breasts.

    Distances are those between the centres of voxel faces: of the lesion's on the exam's grid, of the outline's on its
    coarse one. What touches has a distance of 0.

    Parameters
    ----------
    outline : Outline
    """

    def __init__(self, outline):
        self._outline = outline
        self._spacing = np.array(outline.geometry.spacing[::-1])
        self._trees = {
            kind: cKDTree(points * self._spacing) if len(points) else None
            for kind, points in ((AIR, outline.air), (THORAX, outline.thorax))
        }

    def skin_mm(self, mask, start):
        """Return the distance (mm) from a lesion's edge to the nearest air around the body; None where none is seen.

        Parameters
        ----------
        mask : numpy.ndarray
            bool (z, y, x): the lesion in its bounding box.
        start : sequence of int
            Where the box begins in the whole image (z, y, x).
        """
        return self._distance(mask, start, AIR)

    def chest_wall_mm(self, mask, start):
        """Return the distance (mm) to the thorax that the breast mask leaves out; None where it shows none."""
        return self._distance(mask, start, THORAX)

    def _distance(self, mask, start, kind):
        tree = self._trees[kind]
        if tree is None:
            return None
        points, voxels = edge_faces(mask)
        if (self._outline.kind_at(voxels + start) == kind).any():
            return 0.0  # the lesion reaches it, or lies beyond
        points = (points + start) * self._spacing
        some = points[::EVERY]
        distances = tree.query(some)[0]
        near = float(distances.min())
        # A point is no nearer than the nearest of these less the way to it: most need not be asked.
        step, which = cKDTree(some).query(points)
        rest = points[distances[which] - step < near]
        return min(near, float(tree.query(rest, distance_upper_bound=near)[0].min(initial=near)))


def edge_faces(mask):
    """Return the centres of a lesion's outer faces and the voxels that they belong to.

    Parameters
    ----------
    mask : numpy.ndarray
        bool (z, y, x).

    Returns
    -------
    points : numpy.ndarray
        (n, 3), indices (k, j, i) of the mask; the number along the face's axis is not whole.
    voxels : numpy.ndarray
        (n, 3), whole.
    """
    wide = np.pad(mask, 1)
    inner = (slice(1, -1),) * 3
    points, voxels = [], []
    for axis in range(3):
        for step in (-1, 1):
            neighbour = np.roll(wide, -step, axis)[inner]
            found = np.argwhere(mask & ~neighbour)
            voxels.append(found)
            points.append(found + np.eye(3)[axis] * step / 2)
    return np.concatenate(points), np.concatenate(voxels)

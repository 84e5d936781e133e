"""Distances between two masks: their surfaces, and from each voxel of one to the nearest of the other."""

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

ROUNDING = 1e-9  # mm; a distance equal to the tolerance lies within it, whatever its last digits
# A distance map of the array costs as much for each of its voxels as a search tree costs for one of so many. A tree is
# slow where much is about equally far: within a mask that lies inside another's surface, not among two surfaces.
SURFACE_COST, INSIDE_COST = 20, 100
LARGEST_MAP = 4_000_000  # voxels; a map takes some 60 bytes for each


def surface(mask, beyond=None):
    """Return where a mask has a face neighbour that is not in it.

    Parameters
    ----------
    mask : numpy.ndarray of bool
    beyond : sequence of (bool, bool), optional
        For both ends of each axis, whether what lies beyond the array counts as in the mask. Without it nothing does
        (MONAI, MedPy: voxels at the image's edge are surface).
    """
    inside = mask.copy()
    for axis in range(mask.ndim):
        own, of_mask = np.moveaxis(inside, axis, 0), np.moveaxis(mask, axis, 0)
        first, last = beyond[axis] if beyond is not None else (False, False)
        own[1:] &= of_mask[:-1]
        own[:-1] &= of_mask[1:]
        if not first:
            own[0] = False
        if not last:
            own[-1] = False
    return mask & ~inside


def nearest(start, target, spacing, cost=SURFACE_COST):
    """Return how far each voxel of `start` is from the nearest one of `target`, in array order.

    Parameters
    ----------
    start, target : numpy.ndarray of bool
        Of the same shape; `target` is not empty.
    spacing : sequence of float
        Along the axes of the arrays.
    cost : float
        How many voxels of a distance map cost as much as one voxel of `start` in a search tree.

    Notes
    -----
    Exact either way: a search tree where few voxels ask, a distance map of the array where many do
    and it is not too large for the memory.
    """
    if start.size <= LARGEST_MAP and np.count_nonzero(start) * cost > start.size:
        return ndimage.distance_transform_edt(~target, sampling=spacing)[start]
    tree = cKDTree(_points(target, spacing), compact_nodes=False, balanced_tree=False)
    points = _points(start, spacing)
    return tree.query(points)[0] if len(points) else np.zeros(0)


def hausdorff(truth, prediction, surfaces, spacing):
    """Return the larger of both directed distances between all voxels of two masks.

    As SimpleITK's HausdorffDistanceImageFilter and SciPy's directed_hausdorff of all voxels (M1).

    Parameters
    ----------
    truth, prediction : numpy.ndarray of bool
        Not empty.
    surfaces : tuple of numpy.ndarray of bool
        `surface` of each.
    spacing : sequence of float
    """
    # From outside a mask its nearest voxel lies on its surface.
    forward = nearest(truth & ~prediction, surfaces[1], spacing, INSIDE_COST)
    backward = nearest(prediction & ~truth, surfaces[0], spacing, INSIDE_COST)
    return float(max(forward.max(initial=0.0), backward.max(initial=0.0)))


def between(surfaces, spacing):
    """Return the distances from each voxel of one surface to the other, and the same the other way."""
    return nearest(surfaces[0], surfaces[1], spacing), nearest(surfaces[1], surfaces[0], spacing)


def robust(distances, how="max"):
    """Return the 95th percentile of the distances between two surfaces.

    Parameters
    ----------
    distances : tuple of numpy.ndarray
        As `between` returns them.
    how : {'max', 'pooled'}
        Larger of both directions (MONAI, M6), or of both together (MedPy).
    """
    if how == "pooled":
        return float(np.percentile(np.concatenate(distances), 95))
    return float(max(np.percentile(part, 95) for part in distances))


def within(distances, tolerance):
    """Return which share of both surfaces lies within a tolerance of the other one."""
    near = sum(int(np.count_nonzero(part <= tolerance + ROUNDING)) for part in distances)
    return near / sum(len(part) for part in distances)


def _points(mask, spacing):
    return np.argwhere(mask) * np.asarray(spacing, float)

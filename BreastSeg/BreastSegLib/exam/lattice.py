"""Labels on another grid with the same voxels: each voxel goes to its place, and none is interpolated."""

import numpy as np

from ..errors import BadInput
from ..volume import Volume

ON_VOXEL = 0.1  # of a voxel: what is farther from the target's voxels would have to be interpolated


def place(labels, geometry, what, where, hint=""):
    """Return labels on another grid that has voxels where theirs lie.

    The grids may differ in size, and in order and direction of their axes. What lies around the labels is 0.

    Parameters
    ----------
    labels : Volume
        Integers.
    geometry : Geometry
        The other grid.
    what : str
        What the labels are called in messages, such as ``mask``.
    where, hint : str
        Of the error.

    Returns
    -------
    Volume

    Raises
    ------
    BadInput
        If the voxels of the grids do not coincide to a tenth of a voxel, or a label lies outside the other grid.
    """
    own = labels.geometry
    between = np.linalg.inv(geometry.ijk_to_lps) @ own.ijk_to_lps
    axes, shift = np.rint(between[:3, :3]), np.rint(between[:3, 3])
    corners = np.array([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * (np.array(own.shape[::-1]) - 1)
    off = corners @ (between[:3, :3] - axes).T + between[:3, 3] - shift
    one = np.ones(3)
    permutes = np.array_equal(np.abs(axes).sum(axis=0), one) and np.array_equal(np.abs(axes).sum(axis=1), one)
    # Slices of another thickness coincide with the first one, and a single voxel with anything.
    alike = np.abs(between[:3, :3] - axes).max() < ON_VOXEL
    if not (permutes and alike) or np.abs(off).max() > ON_VOXEL:
        raise BadInput(f"The {what} does not lie on the voxels of the exam's grid", where, hint)
    z, y, x = np.nonzero(labels.array)
    ijk = (np.stack([x, y, z], axis=1) @ axes.T + shift).astype(int)
    if len(ijk) and (ijk.min() < 0 or np.any(ijk.max(axis=0) >= np.array(geometry.shape[::-1]))):
        raise BadInput(f"The {what} reaches outside the exam", where, hint)
    result = np.zeros(geometry.shape, labels.array.dtype)
    result[tuple(ijk.T[::-1])] = labels.array[z, y, x]
    return Volume(result, geometry)

"""Target grids and resampling between them (SimpleITK)."""

import itertools

import numpy as np
import SimpleITK as sitk

from ..volume import Geometry, Volume

INTERPOLATORS = {"linear": sitk.sitkLinear, "bspline": sitk.sitkBSpline, "nearest": sitk.sitkNearestNeighbor}


def target_geometry(geometry, spacing=None, orientation="as-acquired"):
    """Return the grid that covers `geometry` with another spacing and order of axes.

    The outer corner of the first voxel stays where it was, so both grids fill the same box (up to less than one target
    voxel at the far end).

    Parameters
    ----------
    geometry : Geometry
        The exam's own grid.
    spacing : tuple of float, optional
        Along the target's (x, y, z), mm; the exam's own spacing when not given.
    orientation : {'axial', 'as-acquired'}
        See `recipe.Grid`.

    Returns
    -------
    Geometry
    """
    turned = _axial(geometry) if orientation == "axial" else geometry
    if spacing is None:
        return turned
    old = np.asarray(turned.spacing)
    new = np.asarray(spacing, float)
    size = np.maximum(1, np.ceil(np.asarray(turned.extent) / new - 1e-3)).astype(int)
    origin = np.asarray(turned.origin) + turned.matrix @ ((new - old) / 2)
    return Geometry(tuple(size[::-1]), tuple(new), tuple(origin), turned.direction)


def _axial(geometry):
    """Return the same voxels with the axes permuted and flipped to lie closest to LPS."""
    matrix = geometry.matrix
    order = max(
        itertools.permutations(range(3)), key=lambda p: sum(abs(matrix[row, column]) for row, column in enumerate(p))
    )
    signs = np.array([1.0 if matrix[row, column] >= 0 else -1.0 for row, column in enumerate(order)])
    size = np.asarray(geometry.shape[::-1])
    first = np.zeros(3)
    for row, column in enumerate(order):
        if signs[row] < 0:
            first[column] = size[column] - 1
    origin = (geometry.ijk_to_lps @ np.append(first, 1))[:3]
    direction = matrix[:, order] * signs
    return Geometry(
        tuple(int(size[c]) for c in order)[::-1],
        tuple(geometry.spacing[c] for c in order),
        tuple(origin),
        tuple(direction.ravel()),
    )


def resample(volume, geometry, interpolation="linear", outside=0.0, out=None):
    """Return `volume` on another grid.

    Parameters
    ----------
    volume : Volume
    geometry : Geometry
    interpolation : {'linear', 'bspline', 'nearest'}
    outside : float
        Value of voxels that lie outside `volume`. Points up to half a voxel outside the outermost voxel centres are
        inside.
    out : numpy.ndarray, optional
        Written into and returned, which saves a copy.

    Returns
    -------
    Volume
        Of the same dtype as the input (bool becomes uint8), or of that of `out`.
    """
    same = volume if volume.geometry == geometry else _turn(volume, geometry)
    if same is not None:
        return same if out is None else _written(out, same.array, geometry)
    result = sitk.Resample(
        volume.to_sitk(),
        geometry.shape[::-1],
        sitk.Transform(),
        INTERPOLATORS[interpolation],
        geometry.origin,
        geometry.spacing,
        geometry.direction,
        float(outside),
    )
    if out is not None:
        return _written(out, sitk.GetArrayViewFromImage(result), geometry)
    return Volume(sitk.GetArrayFromImage(result), geometry)


def _written(out, array, geometry):
    out[...] = array
    return Volume(out, geometry)


def _turn(volume, geometry):
    """Return `volume` with axes permuted and flipped, no voxel interpolated; None when more than that differs."""
    if not np.isclose(volume.geometry.voxel_volume, geometry.voxel_volume, rtol=1e-9) or volume.array.size != np.prod(
        geometry.shape
    ):
        return None
    steps = np.linalg.inv(volume.geometry.ijk_to_lps) @ geometry.ijk_to_lps
    rounded = np.rint(steps)
    if np.abs(steps - rounded).max() > 1e-4 or not np.all(np.abs(rounded[:3, :3]).sum(axis=0) == 1):
        return None
    order = [
        int(np.abs(rounded[:3, axis]).argmax()) for axis in range(3)
    ]  # which old axis (x, y, z) each new axis follows
    array = volume.array.transpose([2 - order[2], 2 - order[1], 2 - order[0]])
    backwards = [rounded[order[axis], axis] < 0 for axis in range(3)]
    first = [volume.geometry.shape[2 - order[axis]] - 1 if backwards[axis] else 0 for axis in range(3)]
    if array.shape != geometry.shape or any(rounded[order[axis], 3] != first[axis] for axis in range(3)):
        return None  # the same axes, but shifted by whole voxels
    return Volume(array[tuple(slice(None, None, -1 if backwards[axis] else 1) for axis in (2, 1, 0))], geometry)

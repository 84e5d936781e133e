"""Target grids and resampling between them (SimpleITK)."""

import itertools

import numpy as np
import SimpleITK as sitk

from ..errors import BadInput
from ..volume import Geometry, Volume
from .labels import axes_between

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
    if interpolation == "linear" and volume.array.dtype == np.float32:
        try:
            pairs = axes_between(volume.geometry, geometry)
        except BadInput:
            pairs = None
        if pairs is not None:
            out = np.empty(geometry.shape, np.float32) if out is None else out
            _linear(volume.array, pairs, outside, out)
            return Volume(out, geometry)
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


def _linear(array, pairs, outside, out):
    """Interpolate linearly between grids with parallel axes, slice by slice, to SimpleITK's values.

    An axis at a time needs two values for each voxel instead of eight, and no copy of the images. On two cores it
    takes no longer than SimpleITK with its threads; here none are started, as they would starve in the application.
    """
    order = np.argsort([pair.source for pair in pairs])  # the source is read in the order in which it lies in memory
    out, pairs = out.transpose(order), [pairs[axis] for axis in order]
    (first, second, share, inside), rows, columns = (_neighbours(pair) for pair in pairs)
    kept = np.ix_(rows[3], columns[3])
    whole = rows[3].all() and columns[3].all()

    for number in range(len(out)):
        if not inside[number]:
            out[number] = outside
            continue
        part = _between(array[first[number]], array[second[number]], share[number])
        part = _between(part[rows[0]], part[rows[1]], rows[2][:, None])
        part = _between(part.take(columns[0], axis=1), part.take(columns[1], axis=1), columns[2])
        if whole:
            out[number] = part
        else:
            out[number] = outside
            out[number][kept] = part[kept]


def _neighbours(pair):
    """Return the source voxels before and after each target voxel, the share of the latter, and which are inside.

    A centre on the far border is outside, as for SimpleITK.
    """
    places = pair.places
    inside = (places >= -0.5 - 1e-6) & (places < pair.count - 0.5 - 1e-6)
    places = np.clip(places, 0, pair.count - 1)
    first = np.floor(places).astype(np.intp)
    return first, np.minimum(first + 1, pair.count - 1), (places - first).astype(np.float32), inside


def _between(first, second, share):
    result = second - first
    result *= share
    result += first
    return result


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

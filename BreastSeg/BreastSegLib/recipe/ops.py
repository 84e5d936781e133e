"""Geometric steps as plain records: each can be done to labels and undone, so every mask finds its way back.

An operation is a JSON-ready dict with ``op`` and what it needs. Arrays are (z, y, x); a mammogram is one slice.

- ``resample``: from one grid to another (``from``, ``to``: geometries)
- ``crop``: a box (``low``, ``high``, half-open, z, y, x) of an array of ``shape``; it may reach beyond it
- ``flip``: along ``axis`` of an array of ``shape``
- ``slices``: the ``kept`` slices of an array of ``shape``
- ``resize``: to another number of pixels in the plane (``from``, ``to``: shapes), both filling the same box
"""

import numpy as np

from ..errors import BadInput
from ..exam.grid import LARGEST_VOXELS
from ..volume import Geometry
from . import labels

OPERATIONS = ("resample", "crop", "flip", "slices", "resize")
VOXEL_SIZES_MM = 1e-4, 1e4
WRONG = (KeyError, TypeError, ValueError, OverflowError, AttributeError)


def shapes_of(op):
    """Return the array shapes (z, y, x) before and after an operation.

    Raises
    ------
    BadInput
        If it is not one, or holds what no preparation writes.
    """
    kind = op.get("op") if isinstance(op, dict) else None
    if kind not in OPERATIONS:
        raise BadInput(f"The record has an unknown operation {kind!r}", hint="Known: " + ", ".join(OPERATIONS))
    try:
        if kind == "resample":
            return read_geometry(op["from"]).shape, read_geometry(op["to"]).shape
        if kind == "resize":
            before, after = _sizes(op["from"]), _sizes(op["to"])
            _check(before[0] == after[0])
            return before, after
        shape = _sizes(op["shape"])
        if kind == "crop":
            low, high = _whole(op["low"], 3), _whole(op["high"], 3)
            return shape, _sizes([last - first for first, last in zip(low, high)])
        if kind == "slices":
            kept = _whole(op["kept"])
            _check(kept and kept[0] >= 0 and kept[-1] < shape[0] and all(np.diff(kept) > 0))
            return shape, (len(kept), *shape[1:])
        _check(op["axis"] in (0, 1, 2) and type(op["axis"]) is int)
        return shape, shape
    except WRONG as error:
        raise BadInput(f"The record of the preparation is damaged: {kind}", "undo") from error


def read_geometry(record):
    """Return the `Geometry` that a record holds.

    Raises
    ------
    BadInput
        If it is none, or none that an image has.
    """
    try:
        geometry = Geometry.from_json(record)
        _sizes(list(geometry.shape))
        _check(VOXEL_SIZES_MM[0] <= min(geometry.spacing) and max(geometry.spacing) <= VOXEL_SIZES_MM[1])
    except WRONG as error:
        raise BadInput("The record of the preparation is damaged: a grid") from error
    return geometry


def forward(op, array, fill=0.0):
    """Return an image after an operation that moves voxels only (crop, flip, slices); `fill` is for what lies beyond.

    Crop and flip return views where they can.
    """
    if op["op"] == "flip":
        return np.flip(array, op["axis"])
    if op["op"] == "slices":
        return array[op["kept"]]
    inside, place = _overlap(op)
    if _covers(op, place):
        return array[inside]
    result = np.full(shapes_of(op)[1], fill, array.dtype)
    result[place] = array[inside]
    return result


def labels_forward(op, array):
    """Return labels (z, y, x) after an operation: integers stay labels, floats are shares of voxels (0 to 1)."""
    if op["op"] in ("resample", "resize"):
        grids = _grids(op)
        if np.issubdtype(array.dtype, np.floating):
            return labels.shares_forward(array, *grids)
        return labels.labels_forward(array, *grids)
    return forward(op, array, 0)


def undo(op, array):
    """Return labels or probabilities (z, y, x) as they lie before an operation.

    Integer arrays are labels, floating point arrays are probabilities (`recipe.labels`). What the operation left out
    is 0.
    """
    before, after = shapes_of(op)
    if tuple(array.shape) != after:
        raise BadInput("The mask does not lie on the prepared grid", f"shape {array.shape}, expected {after}")
    if op["op"] in ("resample", "resize"):
        target, source = _grids(op)
        if np.issubdtype(array.dtype, np.floating):
            return labels.probabilities_back(array, source, target)
        return labels.labels_back(array, source, target)
    if op["op"] == "flip":
        return np.flip(array, op["axis"])
    result = np.zeros(before, array.dtype)
    if op["op"] == "slices":
        result[op["kept"]] = array
        return result
    inside, place = _overlap(op)
    result[inside] = array[place]
    return result


def geometry_after(op, geometry):
    """Return where the voxels of `geometry` lie after an operation; none moves in the patient."""
    kind, (_, after) = op["op"], shapes_of(op)
    if kind == "resample":
        return Geometry.from_json(op["to"])
    spacing, direction, first = np.array(geometry.spacing), geometry.matrix.copy(), np.zeros(3)
    if kind == "crop":
        first = np.array(op["low"][::-1], float)
    elif kind == "slices":
        first[2] = op["kept"][0]
    elif kind == "flip":
        axis = 2 - op["axis"]
        first[axis] = geometry.shape[op["axis"]] - 1
        direction[:, axis] *= -1
    elif kind == "resize":
        factor = np.array(geometry.shape[::-1]) / np.array(after[::-1])
        spacing, first = spacing * factor, (factor - 1) / 2
    origin = (geometry.ijk_to_lps @ np.append(first, 1))[:3]
    return Geometry(after, tuple(spacing), tuple(origin), tuple(direction.ravel()))


def box_after(op, box):
    """Return a half-open pixel box (x0, y0, x1, y1) of a one-slice image after crop or flip."""
    x0, y0, x1, y1 = box
    if op["op"] == "crop":
        _, top, left = op["low"]
        return x0 - left, y0 - top, x1 - left, y1 - top
    if op["op"] == "flip":
        size = op["shape"][op["axis"]]
        return (size - x1, y0, size - x0, y1) if op["axis"] == 2 else (x0, size - y1, x1, size - y0)
    raise BadInput("A region comes before the image is resized", op["op"])


def _grids(op):
    """Return the grids before and after a resampling.

    Those of a resize lie on a plane of their own: the outer edges meet, wherever the image lies.
    """
    if op["op"] == "resample":
        return read_geometry(op["from"]), read_geometry(op["to"])
    one = Geometry(shapes_of(op)[0])
    return one, geometry_after(op, one)


def _overlap(op):
    """Return where a crop's box meets its array: slices of the array, and of the box."""
    inside, place = [], []
    for low, high, size in zip(op["low"], op["high"], op["shape"]):
        first, last = max(low, 0), min(high, size)
        if first >= last:
            raise BadInput("The region lies outside the image", hint="Draw it on the image")
        inside.append(slice(first, last))
        place.append(slice(first - low, last - low))
    return tuple(inside), tuple(place)


def _covers(op, place):
    return all(part.start == 0 and part.stop == high - low for part, low, high in zip(place, op["low"], op["high"]))


def _sizes(values):
    """Return three positive sizes that an image can have."""
    sizes = _whole(values, 3)
    _check(min(sizes) > 0 and float(np.prod(np.array(sizes, float))) <= LARGEST_VOXELS)
    return sizes


def _whole(values, count=None):
    """Return a tuple of whole numbers."""
    _check(isinstance(values, (list, tuple)) and all(type(value) is int for value in values))
    _check(count is None or len(values) == count)
    return tuple(values)


def _check(right):
    if not right:
        raise ValueError

"""Labels and probabilities between two grids with parallel axes, axis by axis, so that masks find their way back.

An exam that is coarser than the prepared grid along an axis loses nothing there: each of its voxels holds at least one
prepared voxel, and the nearest one counts, both ways. Where the exam is finer, a prepared voxel gets a label when at
least half of it is drawn (its share), and what comes back is interpolated linearly.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import BadInput

CORRECTIONS = 1  # see `probabilities_back`
CLOSE = 1e-6


def labels_forward(labels, exam, prepared):
    """Return integer labels of the exam's grid on the prepared grid.

    Parameters
    ----------
    labels : numpy.ndarray
        Integers or bool, (z, y, x), on `exam`.
    exam, prepared : Geometry
        With parallel axes, in any order and direction.

    Returns
    -------
    numpy.ndarray
        Of the dtype of `labels` (bool becomes uint8). A voxel has the label with the largest share, at least half of
        it; outside the exam it is 0.

    Raises
    ------
    BadInput
        If the axes are not parallel.
    """
    pairs = axes_between(exam, prepared)
    return _moved(labels, pairs, [_nearest if pair.shrinks else _shares for pair in pairs])


def labels_back(labels, prepared, exam):
    """Return integer labels of the prepared grid on the exam's grid (see `labels_forward`)."""
    pairs = axes_between(prepared, exam)
    return _moved(labels, pairs, [_linear if pair.shrinks else _nearest for pair in pairs])


def shares_forward(shares, exam, prepared):
    """Return which share of each prepared voxel is drawn: what a perfect network would say.

    Parameters
    ----------
    shares : numpy.ndarray
        float, (z, y, x), 0 to 1, on `exam`.
    exam, prepared : Geometry

    Returns
    -------
    numpy.ndarray
        float32. Along axes where the exam is coarser it is interpolated linearly, as images are.
    """
    pairs = axes_between(exam, prepared)
    return _apply(shares, pairs, [(_linear if pair.shrinks else _shares)(pair) for pair in pairs])


def probabilities_back(array, prepared, exam):
    """Return probabilities of the prepared grid on the exam's grid.

    Linear interpolation alone blurs: a lesion of 5 mm would lose up to an eighth of its volume at the level 0.5. So it
    is corrected by back-projection: what the blur took away, found by going there and back, is added `CORRECTIONS`
    times (more sharpens the steps of maps that are nearly binary). Slopes stay as they are along axes where the exam
    is coarser, and to a tenth of a voxel where it is finer. No value leaves the range of the input.

    Parameters
    ----------
    array : numpy.ndarray
        float, (z, y, x), on `prepared`.
    prepared, exam : Geometry

    Returns
    -------
    numpy.ndarray
        float32. 0 outside the prepared grid.
    """
    pairs = axes_between(prepared, exam)
    result = _apply(array, pairs, [_sharp(pair) for pair in pairs])
    return np.clip(result, min(float(array.min()), 0.0), float(array.max()), out=result)


@dataclass(frozen=True)
class AxisPair:
    """An axis of the target grid and the axis of the source grid that it runs along.

    Parameters
    ----------
    source : int
        Axis of the source array (0 = z).
    start, step : float
        Place of the target's voxels along it, in voxels of the source: start + step · index.
    count, size : int
        Voxels of the source, and of the target.
    """

    source: int
    start: float
    step: float
    count: int
    size: int

    @property
    def shrinks(self):
        """bool: whether the target's voxels are smaller, or as large."""
        return abs(self.step) <= 1 + CLOSE

    @property
    def still(self):
        """bool: whether voxels lie on voxels, so that nothing is interpolated."""
        return abs(abs(self.step) - 1) * self.size <= 1e-3 and abs(self.start - round(self.start)) <= 1e-3

    @property
    def places(self):
        """numpy.ndarray: of the target's voxels, in voxels of the source."""
        return self.start + self.step * np.arange(self.size)

    def reversed(self):
        """Return the pair seen from the target (its `source` axis does not matter)."""
        return AxisPair(0, -self.start / self.step, 1 / self.step, self.size, self.count)


def axes_between(source, target):
    """Return the `AxisPair` of each array axis (z, y, x) of the grid `target`.

    Raises
    ------
    BadInput
        If the axes of the grids are not parallel.
    """
    matrix = np.linalg.inv(source.ijk_to_lps) @ target.ijk_to_lps
    order = np.abs(matrix[:3, :3]).argmax(axis=0)
    along = matrix[order, range(3)]
    apart = matrix[:3, :3].copy()
    apart[order, range(3)] = 0
    if set(order) != {0, 1, 2} or np.abs(apart).max() * max(target.shape) > 0.05:
        raise BadInput("The record of the preparation is damaged: its grids are turned against each other", "undo")
    return [
        AxisPair(
            int(2 - order[axis]),
            float(matrix[order[axis], 3]),
            float(along[axis]),
            source.shape[2 - order[axis]],
            target.shape[2 - axis],
        )
        for axis in (2, 1, 0)
    ]


def _moved(labels, pairs, kernels):
    """Return labels after one kernel for each axis; one label at a time where more than whole voxels move."""
    labels = np.asarray(labels)
    labels = labels.view(np.uint8) if labels.dtype == bool else labels
    turned = labels.transpose([pair.source for pair in pairs])
    if all(kernel is _nearest or pair.still for pair, kernel in zip(pairs, kernels)):
        for axis, pair in enumerate(pairs):
            places, inside = _nearest_places(pair)
            turned = np.take(turned, places, axis)
            turned[(slice(None),) * axis + (~inside,)] = 0
        return turned
    result = np.zeros([pair.size for pair in pairs], labels.dtype)
    best = np.full(result.shape, 0.5 - CLOSE, np.float32)
    weights = [kernel(pair) for pair, kernel in zip(pairs, kernels)]
    for label, box in _boxes(turned):
        parts = [matrix[:, extent] for matrix, extent in zip(weights, box)]
        rows = [np.flatnonzero(np.diff(part.indptr)) for part in parts]
        if not all(row.size for row in rows):
            continue
        place = tuple(slice(row[0], row[-1] + 1) for row in rows)
        share = _product([part[extent] for part, extent in zip(parts, place)], turned[box] == label)
        stronger = share >= best[place]
        result[place][stronger] = label
        best[place][stronger] = share[stronger]
    return result


def _boxes(labels):
    """Yield each label and its bounding box."""
    filled = [np.flatnonzero(labels.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    if not filled[0].size:
        return
    around = tuple(slice(places[0], places[-1] + 1) for places in filled)
    for label in np.unique(labels[around]):
        if label:
            yield label, around


def _apply(array, pairs, matrices):
    turned = array.transpose([pair.source for pair in pairs])
    return np.ascontiguousarray(_product(matrices, turned))


def _product(matrices, array):
    """Return an array after one sparse matrix for each axis, the one that shrinks most first; None changes nothing."""
    array = np.asarray(array, np.float32)
    todo = [axis for axis, matrix in enumerate(matrices) if matrix is not None]
    for axis in sorted(todo, key=lambda axis: matrices[axis].shape[0] / matrices[axis].shape[1]):
        matrix, rest = matrices[axis], np.moveaxis(array, axis, 0)
        product = matrix @ np.ascontiguousarray(rest).reshape(len(rest), -1)
        array = np.moveaxis(product.reshape(len(product), *rest.shape[1:]), 0, axis)
    return array


def _nearest_places(pair):
    """Return the nearest source voxel of each target voxel, and whether the target voxel's centre lies inside."""
    places = pair.places
    inside = (places >= -0.5 - CLOSE) & (places <= pair.count - 0.5 + CLOSE)
    return np.clip(np.rint(places).astype(np.int64), 0, pair.count - 1), inside


def _nearest(pair):
    places, inside = _nearest_places(pair)
    rows = np.flatnonzero(inside)
    return _sparse(np.ones(rows.size), rows, places[rows], pair)


def _linear(pair, beyond=False):
    """Return the weights of linear interpolation: constant in the half voxel at the ends, 0 outside.

    With `beyond` the slope at the ends goes on, without end.
    """
    places = pair.places
    inside = (places >= -0.5 - CLOSE) & (places <= pair.count - 0.5 + CLOSE)
    rows = np.arange(pair.size) if beyond else np.flatnonzero(inside)
    if pair.count == 1:
        return _sparse(np.ones(rows.size), rows, np.zeros(rows.size, int), pair)
    places = places[rows] if beyond else np.clip(places[rows], 0, pair.count - 1)
    first = np.clip(np.floor(places).astype(np.int64), 0, pair.count - 2)
    second = places - first
    return _sparse(np.r_[1 - second, second], np.r_[rows, rows], np.r_[first, first + 1], pair)


def _shares(pair):
    """Return the weights of the mean over the part of each target voxel that lies inside the source grid."""
    half = abs(pair.step) / 2
    low, high = np.clip(pair.places - half, -0.5, None), np.clip(pair.places + half, None, pair.count - 0.5)
    rows = np.flatnonzero(high - low > 1e-3)
    low, high = low[rows], high[rows]
    first = np.floor(low + 0.5).astype(np.int64)
    most = int(np.ceil((high - low).max())) + 1 if rows.size else 0
    columns = first[:, None] + np.arange(most)
    parts = np.minimum(columns + 0.5, high[:, None]) - np.maximum(columns - 0.5, low[:, None])
    parts[(columns >= pair.count) | (parts < 0)] = 0
    parts /= parts.sum(axis=1, keepdims=True)
    columns = np.minimum(columns, pair.count - 1)
    return _sparse(parts.ravel(), np.repeat(rows, most), columns.ravel(), pair)


def _sharp(pair):
    """Return the weights of linear interpolation with the correction (`probabilities_back`); None where none moves."""
    from scipy import sparse

    if pair.still:
        return None if pair.start == 0 and pair.step == 1 and pair.count == pair.size else _nearest(pair)
    there = pair.reversed()
    inside = _nearest_places(pair)[1].astype(np.float32)
    back = sparse.diags_array(inside) @ _linear(pair, beyond=True)
    there = _shares(there) if pair.shrinks else _linear(there, beyond=True)
    # Along axes where the exam is finer the series corrects the prepared values, else the exam's: the smaller side.
    once = there @ back if pair.shrinks else back @ there
    one = sparse.eye_array(once.shape[0], format="csr")
    missing = one - once
    if pair.shrinks:  # what lies outside the exam has nothing to be compared with
        missing = sparse.diags_array((np.diff(there.indptr) > 0).astype(np.float32)) @ missing
    series = one
    for _ in range(CORRECTIONS):
        series = one + missing @ series
    return ((back @ series) if pair.shrinks else (series @ back)).astype(np.float32).tocsr()


def _sparse(values, rows, columns, pair):
    from scipy import sparse

    matrix = sparse.coo_array((values.astype(np.float32), (rows, columns)), shape=(pair.size, pair.count)).tocsr()
    matrix.eliminate_zeros()
    return matrix

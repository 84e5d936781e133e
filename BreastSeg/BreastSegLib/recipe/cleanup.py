"""Clean-up of masks on the exam's own grid; each step says what it removed or filled.

A region is a connected component of everything that is not background: several labels that touch are one region.
Masks of one slice are mammograms: sizes are areas there, and a connectivity of 3 is that of 2.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..volume import Volume

ROUNDING = 1e-9  # a size is not below the limit because of the last digits of a voxel's volume


def clean(steps, mask, side_of=None, spacing_known=True):
    """Return the cleaned mask, what changed, and notes.

    Parameters
    ----------
    steps : sequence of dict
        The recipe's ``cleanup``: ``{"step": name, parameter: value, …}``, every parameter given.
    mask : Volume
        Labels (z, y, x), 0 background; never changed.
    side_of : callable, optional
        Takes a point (x, y, z, mm, LPS) and returns ``left``, ``right`` or ``""`` where it is unknown. For the scope
        ``breast``; a region lies on the side of its centroid, and regions of unknown side are taken for a side of
        their own.
    spacing_known : bool
        Without it no size in mm means anything: the step minimum-size does nothing and a note says so.

    Returns
    -------
    cleaned : Volume
        `mask` itself where nothing changed.
    rows : list of dict
        One for each region removed and each hole filled, in the order of the steps: ``step``, ``change`` (``removed``
        or ``filled``), ``voxels``, ``volume_mm3`` (``area_mm2`` of one slice; None where the spacing is unknown),
        ``centroid_lps`` (x, y, z, mm), and ``side`` where `side_of` is given.
    notes : list of str
        Sentences about steps that could not be done as they are meant.
    """
    box = _bounding_box(mask.array) if steps else None
    if box is None:
        return mask, [], []
    before = mask.array[box]
    start, unit = tuple(part.start for part in box), "area_mm2" if len(mask.array) == 1 else "volume_mm3"
    piece = _Piece(before.copy(), start, mask.geometry, unit, spacing_known, side_of)
    rows, notes = [], []
    for step in steps:
        change, changed, note = STEPS[step["step"]](step, piece)
        rows += [{"step": step["step"], "change": change, **_without_label(row)} for row in changed]
        notes += [note] if note and note not in notes else []
    if np.array_equal(piece.array, before):
        return mask, rows, notes
    result = np.zeros_like(mask.array)
    result[box] = piece.array
    return Volume(result, mask.geometry), rows, notes


def largest_component(mask, connectivity=3):
    """Return `mask` with only its largest region, and the rows of the others (see `label_components`).

    (M1: scikit-image, full connectivity.) Of equally large regions the first in array order stays, so the result is
    the same every time.
    """
    step = {"step": "largest-component", "connectivity": connectivity, "scope": "exam"}
    cleaned, rows, _ = clean([step], mask)
    return cleaned, [{key: value for key, value in row.items() if key not in ("step", "change")} for row in rows]


def label_components(mask, connectivity=3):
    """Number the regions of a mask.

    Only the mask's bounding box is labelled, so a small lesion in a large exam costs little.

    Parameters
    ----------
    mask : Volume
    connectivity : {1, 2, 3}
        As in scikit-image: neighbours share a face, an edge, a corner.

    Returns
    -------
    labels : numpy.ndarray of int32
        (z, y, x); 0 background.
    rows : list of dict
        In array order: ``label``, ``voxels``, ``volume_mm3`` (of one slice, too), ``centroid_lps`` (x, y, z in mm).
    """
    labels = np.zeros(mask.array.shape, np.int32)
    box = _bounding_box(mask.array)
    if box is None:
        return labels, []
    start = tuple(part.start for part in box)
    labels[box], rows = _Piece(mask.array[box], start, mask.geometry).regions(connectivity)
    return labels, rows


@dataclass
class _Piece:
    """The part of a mask that holds all its labels.

    Parameters
    ----------
    array : numpy.ndarray
        (z, y, x); the steps change it in place.
    start : tuple of int
        Where its first voxel lies in the whole mask (z, y, x).
    geometry : Geometry
        Of the whole mask.
    unit : {'volume_mm3', 'area_mm2'}
        What a region's size is.
    spacing_known : bool
    side_of : callable or None
    """

    array: np.ndarray
    start: tuple
    geometry: object
    unit: str = "volume_mm3"
    spacing_known: bool = True
    side_of: object = None

    @property
    def one_slice(self):
        """bool: whether the whole mask has one slice."""
        return self.geometry.shape[0] == 1

    @property
    def voxel_size(self):
        """float: volume of a voxel in mm³, or its area in the plane in mm²."""
        x, y, z = self.geometry.spacing
        return x * y if self.unit == "area_mm2" else x * y * z

    def regions(self, connectivity):
        """Return the labelled regions (int32) and their rows, in array order."""
        from skimage import measure  # not bundled with Slicer: installed when first needed

        labels = measure.label(self.array != 0, connectivity=connectivity)
        return labels, self.rows(labels)

    def rows(self, labels):
        """Return a row for each label above 0."""
        where = np.nonzero(labels)
        found = labels[where]
        voxels = np.bincount(found)
        indices = np.flatnonzero(voxels)
        # x, y, z of the centroids, as voxel indices of the whole mask
        sums = [np.bincount(found, weights)[indices] / voxels[indices] for weights in where[::-1]]
        points = np.stack([*(s + offset for s, offset in zip(sums, self.start[::-1])), np.ones(len(indices))])
        centroids = (self.geometry.ijk_to_lps @ points)[:3].T
        rows = []
        for label, centroid in zip(indices.tolist(), centroids.tolist()):
            count = int(voxels[label])
            size = round(count * self.voxel_size, 3) if self.spacing_known else None
            row = {"label": label, "voxels": count, self.unit: size, "centroid_lps": [round(v, 3) for v in centroid]}
            if self.side_of is not None:
                row["side"] = self.side_of(row["centroid_lps"])
            rows.append(row)
        return rows

    def keep(self, labels, rows, kept):
        """Remove the regions of all rows that are not in `kept`, and return the rows of the removed."""
        numbers = {row["label"] for row in kept}
        removed = [row for row in rows if row["label"] not in numbers]
        if removed:
            stays = np.ones(rows[-1]["label"] + 1, bool)
            stays[[row["label"] for row in removed]] = False
            self.array[~stays[labels]] = 0
        return removed


def _largest(step, piece):
    labels, rows = piece.regions(step["connectivity"])
    if step["scope"] == "exam":
        return "removed", piece.keep(labels, rows, _first_largest(rows, 1)), ""
    sides = [row.get("side", "") for row in rows]
    kept = []
    for side in sorted(set(sides)):
        kept += _first_largest([row for row, its in zip(rows, sides) if its == side], 1)
    note = ""
    if "" in sides:
        note = "The side of the body is not known for every region: the largest of those of unknown side was kept too."
    if not any(sides) and rows:
        note = "The side of the body is not known: the largest region of the exam was kept."
    return "removed", piece.keep(labels, rows, kept), note


def _n_largest(step, piece):
    labels, rows = piece.regions(step["connectivity"])
    return "removed", piece.keep(labels, rows, _first_largest(rows, step["count"])), ""


def _first_largest(rows, count):
    """Return the rows of the largest regions; of equally large ones the first in array order."""
    return sorted(rows, key=lambda row: -row["voxels"])[:count]  # sorting keeps the order of equals


def _minimum_size(step, piece):
    limit = step["mm2" if piece.one_slice else "mm3"]
    if not limit:
        return "removed", [], ""
    if not piece.spacing_known:
        what = "pixel" if piece.one_slice else "voxel"
        return "removed", [], f"Small regions were kept, because the {what} size is unknown."
    labels, rows = piece.regions(step["connectivity"])
    least = limit * (1 - ROUNDING)
    return "removed", piece.keep(labels, rows, [row for row in rows if row["voxels"] * piece.voxel_size >= least]), ""


def _fill_holes(step, piece):
    """Fill background that cannot reach the mask's edge from face to face (in the plane where there is one slice)."""
    array = piece.array[0] if piece.one_slice else piece.array
    holes, _ = ndimage.label(array == 0)
    open_ones = np.unique(
        np.concatenate([np.ravel(holes.take((0, -1), axis=axis)) for axis in range(array.ndim)])
    )  # what touches the edge of the bounding box goes on outside
    enclosed = np.ones(int(holes.max()) + 1, bool)
    enclosed[0] = enclosed[open_ones] = False
    if not enclosed.any():
        return "filled", [], ""
    holes *= enclosed[holes]
    rows = piece.rows(holes.reshape(piece.array.shape))
    values = np.unique(array[array != 0])
    if len(values) == 1:
        array[holes != 0] = values[0]
    else:
        _fill_with_neighbours(array, holes)
    return "filled", rows, ""


def _fill_with_neighbours(array, holes):
    """Give each hole the label that most of its neighbours in the region around it have; of equals the lowest.

    A hole can have islands in it, which do not count: the voxel before a hole's first one lies outside the hole's
    bounding box, hence in the region around it and in no island.
    """
    regions, _ = ndimage.label(array, np.ones((3,) * array.ndim))
    filled = []
    for number, box in enumerate(ndimage.find_objects(holes), start=1):
        if box is None:
            continue
        box = tuple(slice(part.start - 1, part.stop + 1) for part in box)  # holes never touch the edge
        hole = holes[box] == number
        first = np.argwhere(hole)[0]
        around = regions[box][(first[0] - 1, *first[1:])]
        edge = ndimage.binary_dilation(hole) & (regions[box] == around)
        labels, counts = np.unique(array[box][edge], return_counts=True)
        filled.append((box, hole, labels[counts.argmax()]))
    for box, hole, label in filled:
        array[box][hole] = label


def _bounding_box(array):
    """Return the slices that hold everything that is not 0, or None if there is nothing."""
    box = [slice(0, size) for size in array.shape]
    for axis in range(array.ndim):  # each axis looks only at what the others have left
        part = array[tuple(box)]
        where = np.flatnonzero(part.any(axis=tuple(other for other in range(array.ndim) if other != axis)))
        if not where.size:
            return None
        box[axis] = slice(int(where[0]), int(where[-1]) + 1)
    return tuple(box)


def _without_label(row):
    return {key: value for key, value in row.items() if key != "label"}


STEPS = {
    "largest-component": _largest,
    "n-largest": _n_largest,
    "minimum-size": _minimum_size,
    "fill-holes": _fill_holes,
}

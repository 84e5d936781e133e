"""Lesions: the pieces of a mask, and what their shape and place tell."""

import numpy as np
from scipy import ndimage

from ..errors import BadInput
from .outline import Outline
from .position import clock, nipples, quadrant
from .shape import centroid, points_lps, shape_of
from .side import breast_side
from .surroundings import Surroundings

IN_MM = ("volume_mm3", "longest_mm", "inplane_mm", "perpendicular_mm", "surface_mm2", "skin_mm", "chest_wall_mm")


def lesion_labels(mask, connected=True):
    """Number the lesions of a mask, largest first; of equally large ones first the one met first in array order.

    Parameters
    ----------
    mask : numpy.ndarray or Volume
        Integer or bool (z, y, x), 0 outside. One slice for a mammogram.
    connected : bool
        Each connected component (26 neighbours, 8 in one slice) of each label value is a lesion. Otherwise each label
        value is one lesion, however many pieces it has: for segments that somebody has edited.

    Returns
    -------
    labels : numpy.ndarray
        int32 (z, y, x), 0 outside, 1 the largest lesion.
    values : list of int
        The mask's label value of each lesion: ``values[0]`` of lesion 1.

    Raises
    ------
    BadInput
        If the mask has not three axes or its values are not whole numbers of 0 and more.
    """
    array = _checked(getattr(mask, "array", mask))
    labels = np.zeros(array.shape, np.int32)
    box = bounding_box(array)
    if box is None:
        return labels, []
    part, found = array[box], labels[box]
    inside = part != 0
    wanted = np.unique(part[inside]).tolist()
    values = []  # of each lesion, in the order of the first numbering
    for value in wanted:
        where = inside if len(wanted) == 1 else part == value
        if connected:
            numbers, count = ndimage.label(where, np.ones((3, 3, 3), bool))
            np.add(numbers, len(values), out=found, where=where)
        else:
            count = 1
            found[where] = len(values) + 1
        values += [int(value)] * count
    order = _largest_first(found, inside, len(values))
    number_of = np.zeros(len(values) + 1, np.int32)
    number_of[order + 1] = np.arange(1, len(values) + 1)
    found[inside] = number_of[found[inside]]
    return labels, [values[index] for index in order]


def measure_shapes(
    labels, geometry, values, *, breast=None, thorax_seen=True, chance=None, spacing_known=True, names=None
):
    """Measure shape and place of the lesions of a DCE exam.

    Parameters
    ----------
    labels : numpy.ndarray
        As `lesion_labels` numbers them: int (z, y, x), 1 … n.
    geometry : Geometry
        Grid of the exam.
    values : sequence of int
        The mask's label value of each lesion.
    breast : numpy.ndarray, optional
        Where the breasts are, bool (z, y, x) on the exam's grid. Quadrant, clock and the distances to skin and chest
        wall come from it.
    thorax_seen : bool
        Whether the breast mask leaves out the thorax. If not, there is no distance to the chest wall.
    chance : numpy.ndarray or Volume, optional
        Chance of a lesion, (z, y, x), 0 to 1, on the exam's grid.
    spacing_known : bool
        Without it nothing is told in mm, nor what depends on it: sphericity, side, quadrant and clock.
    names : dict, optional
        The name of a label value: ``{value: name}``.

    Returns
    -------
    list of dict
        A row for each lesion, in the order of the labels: ``label``, ``value``, ``name``, ``voxels``, ``side``,
        ``quadrant``, ``clock``, the lengths, areas and volume of ``Resources/measures.json`` (mm; None where unknown),
        ``sphericity``, ``confidence``; ``centroid_lps`` and the ends of the diameters (x, y, z in mm, LPS) and
        ``inplane_slice`` (k index). The points are places in the image and given without known spacing, too.

    Raises
    ------
    BadInput
        If an array has not the geometry's shape, or there is not one value for each label.
    """
    chance = None if chance is None else getattr(chance, "array", chance)
    for what, array in (("labels", labels), ("breast mask", breast), ("chances", chance)):
        if array is not None and tuple(array.shape) != geometry.shape:
            raise BadInput(f"The {what} and the exam differ in shape", f"{tuple(array.shape)} and {geometry.shape}")
    boxes = boxes_of(labels, values)
    around = nipple = None
    if breast is not None and boxes and spacing_known:
        outline = Outline(breast, geometry, thorax_seen)
        around, nipple = Surroundings(outline), nipples(outline)
    rows = []
    for number, (box, value) in enumerate(zip(boxes, values), start=1):
        mask, start = labels[box] == number, [part.start for part in box]
        centre = points_lps(centroid(mask) + start, geometry)
        side = breast_side(centre, geometry) if spacing_known else ""
        its = nipple[side] if nipple and side else None
        row = {
            **head_of(number, value, names, np.count_nonzero(mask)),
            "side": side,
            "quadrant": quadrant(centre, its, side),
            "clock": clock(centre, its),
            **shape_of(mask, start, geometry),
            "skin_mm": around.skin_mm(mask, start) if around else None,
            "chest_wall_mm": around.chest_wall_mm(mask, start) if around and thorax_seen else None,
            "confidence": mean_chance(chance, box, mask),
            "centroid_lps": centre,
        }
        if not spacing_known:
            row.update(dict.fromkeys((*IN_MM, "sphericity")))
        rows.append(row)
    return rows


def boxes_of(labels, values):
    """Return the bounding box (slices) of each lesion.

    Raises
    ------
    BadInput
        If there is not one value for each label.
    """
    whole = bounding_box(labels)
    inner = ndimage.find_objects(labels[whole]) if whole is not None else []
    if len(inner) != len(values) or any(box is None for box in inner):
        raise BadInput("Each lesion needs one label value", f"{len(inner)} lesions and {len(values)} values")
    return [
        tuple(slice(part.start + outer.start, part.stop + outer.start) for part, outer in zip(box, whole))
        for box in inner
    ]


def head_of(number, value, names, count):
    """Return what every row begins with."""
    name = (names or {}).get(value, "")
    return {"label": number, "value": int(value), "name": str(name or ""), "voxels": int(count)}


def mean_chance(chance, box, mask):
    """Return the mean chance (float) over a lesion in its box; None without chances or where they are no numbers."""
    if chance is None:
        return None
    mean = float(np.mean(chance[box][mask], dtype=np.float64))
    return mean if np.isfinite(mean) else None


def bounding_box(array):
    """Return the slices that hold everything that is not 0, or None if there is nothing.

    Parameters
    ----------
    array : numpy.ndarray
        Of any number of axes.
    """
    box = [slice(0, size) for size in array.shape]
    for axis in range(array.ndim):  # each axis looks only at what the others have left
        part = array[tuple(box)]
        where = np.flatnonzero(part.any(axis=tuple(other for other in range(array.ndim) if other != axis)))
        if not where.size:
            return None
        box[axis] = slice(int(where[0]), int(where[-1]) + 1)
    return tuple(box)


def _checked(array):
    """Return the mask as whole numbers."""
    array = np.asarray(array)
    if array.ndim != 3 or array.size == 0:
        raise BadInput("A mask has three axes", f"shape {array.shape}")
    if array.dtype == bool or np.issubdtype(array.dtype, np.unsignedinteger):
        return array
    whole = np.issubdtype(array.dtype, np.integer)
    if not whole and not (np.issubdtype(array.dtype, np.floating) and np.array_equal(array, np.trunc(array))):
        raise BadInput("A mask holds whole numbers, one for each label", str(array.dtype))
    lowest, highest = array.min(), array.max()
    if lowest < 0 or highest > np.iinfo(np.int32).max:
        raise BadInput("A mask holds whole numbers of 0 and more", f"from {lowest:g} to {highest:g}")
    return array if whole else array.astype(np.int32)


def _largest_first(found, inside, count):
    """Return the numbering's lesions (from 0) in the order of their size, then of their first voxel."""
    numbers = found[inside] - 1
    sizes = np.bincount(numbers, minlength=count)
    first = np.full(count, numbers.size, np.int64)
    first[numbers[::-1]] = np.arange(numbers.size - 1, -1, -1)  # the last one written is the first one met
    return np.lexsort((first, -sizes))

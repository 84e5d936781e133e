"""Lesions of a mammogram: area, diameters, distance to the nipple."""

import numpy as np

from ..errors import BadInput
from . import diameters
from .lesions import boxes_of, head_of, lesion_labels, mean_chance
from .quantities import empty_row
from .shape import centroid, points_lps

SIDES = {"L": "left", "R": "right"}
WALL_BAND = 0.03  # of the breast's width, at each end of it
WALL_LEAST, WALL_CLEAR = 0.25, 1.7  # of the image's height that the breast lies on; as often as at the other end
CAP_MM = 1.0  # before the farthest point of the breast


def measure_view(mask, geometry, view, view_index, *, breast=None, chance=None, names=None, connected=True):
    """Measure the lesions of one mammogram.

    Parameters
    ----------
    mask : numpy.ndarray or Volume
        Labels (1, y, x), 0 outside.
    geometry : Geometry
        Of the image. Its pixel size means nothing where the view's is not known.
    view : View
        ``name``, ``laterality``, ``spacing`` and ``turn`` are looked at.
    view_index : int
        Place of the view in its exam.
    breast : numpy.ndarray, optional
        Where the breast is, bool, (y, x) or (1, y, x). The distance to the nipple comes from it.
    chance : numpy.ndarray or Volume, optional
        Chance of a lesion, (1, y, x), 0 to 1.
    names : dict, optional
        The name of a label value: ``{value: name}``.
    connected : bool
        As for `lesion_labels`.

    Returns
    -------
    list of dict
        A row for each lesion, largest first: every key of ``Resources/measures.json``, and ``label``, ``value``,
        ``name``, ``view_index``, ``centroid_px`` ([x, y], pixel indices), ``centroid_lps`` and the ends of the
        diameters (x, y, z in mm of the image's own plane; given without known pixel size, too).

    Raises
    ------
    BadInput
        If the mask has more than one slice, or an array another shape than the image.
    """
    array, chance = getattr(mask, "array", mask), None if chance is None else getattr(chance, "array", chance)
    for what, other in (("mask", array), ("chances", chance)):
        if other is not None and tuple(other.shape) != geometry.shape:
            raise BadInput(f"The {what} and the image differ in shape", f"{tuple(other.shape)} and {geometry.shape}")
    if geometry.shape[0] != 1:
        raise BadInput("A mammogram has one slice", f"{geometry.shape[0]} slices")
    known = view.spacing is not None
    spacing = np.array(geometry.spacing[1::-1]) if known else np.ones(2)  # y, x
    labels, values = lesion_labels(array, connected)
    nipple = view_nipple(breast, spacing, view.turn) if known and values else None
    rows = []
    for number, (box, value) in enumerate(zip(boxes_of(labels, values), values), start=1):
        plane = (labels[box] == number)[0]
        row = empty_row("mammograms")
        row.update(_measured(plane, [part.start for part in box], spacing, geometry, known))
        row.update(
            **head_of(number, value, names, row["pixels"]),
            view=view.name,
            view_index=view_index,
            side=SIDES.get(view.laterality, ""),
            confidence=mean_chance(chance, box, plane[None]),
        )
        if nipple is not None:
            row["nipple_mm"] = float(np.linalg.norm((np.array(row["centroid_px"][::-1]) - nipple) * spacing))
        rows.append(row)
    return rows


def view_nipple(breast, spacing, turn=0):
    """Return where the breast of a mammogram reaches farthest from the chest wall, or None where that is not clear.

    The chest wall is the end of the breast, left or right in the upright image, that takes up most of the image's
    height. Of the rows that reach as far as the farthest one, to 1 mm, the middle is taken. None where neither end is
    clearly the chest wall, or the image ends at the farthest point.

    Parameters
    ----------
    breast : numpy.ndarray or None
        bool, (y, x) or (1, y, x), as stored.
    spacing : sequence of float
        Along (y, x), mm.
    turn : {0, 90, 180, 270}
        Degrees, clockwise, by which the stored image is turned to stand upright.

    Returns
    -------
    numpy.ndarray or None
        (j, i), not rounded.
    """
    if breast is None:
        return None
    plane = np.asarray(breast, bool)
    plane = plane[0] if plane.ndim == 3 else plane
    if turn in (90, 270):  # left and right of the upright image are the first and last rows of the stored one
        point = view_nipple(plane.T, tuple(spacing)[::-1])
        return None if point is None else point[::-1]
    columns = np.flatnonzero(plane.any(axis=0))
    if not columns.size:
        return None
    band = max(1, round(WALL_BAND * (columns[-1] - columns[0])))
    low = plane[:, columns[0] : columns[0] + band].mean()
    high = plane[:, columns[-1] + 1 - band : columns[-1] + 1].mean()
    if max(low, high) < WALL_LEAST or max(low, high) < WALL_CLEAR * min(low, high):
        return None
    if high > low:
        point = view_nipple(plane[:, ::-1], spacing)
        return None if point is None else np.array([point[0], plane.shape[1] - 1 - point[1]])
    rows = np.flatnonzero(plane.any(axis=1))
    reach = plane.shape[1] - 1 - plane[rows, ::-1].argmax(axis=1)
    farthest = int(reach.max())
    front = rows[(farthest - reach) * spacing[1] <= CAP_MM]
    if farthest == plane.shape[1] - 1 or front[0] == 0 or front[-1] == plane.shape[0] - 1:
        return None
    return np.array([(front[0] + front[-1]) / 2, float(farthest)])


def _measured(plane, start, spacing, geometry, known):
    """Return area, diameters and places of one lesion; lengths in mm only where the pixel size is known."""
    longest = diameters.longest(plane[None], (1.0, *spacing))
    across_mm, across = diameters.perpendicular(plane, spacing, (longest.ends[1] - longest.ends[0])[1:] * spacing)
    in_pixels = longest if spacing[0] == spacing[1] == 1 else diameters.longest(plane[None], (1.0, 1.0, 1.0))
    centre = centroid(plane) + start[1:]
    pixels = int(np.count_nonzero(plane))
    return {
        "pixels": pixels,
        "longest_px": in_pixels.mm,
        "area_mm2": pixels * float(np.prod(spacing)) if known else None,
        "longest_mm": longest.mm if known else None,
        "perpendicular_mm": min(across_mm, longest.mm) if known else None,
        "centroid_px": centre[::-1].tolist(),
        "centroid_lps": points_lps((0.0, *centre), geometry),
        "longest_ends_lps": points_lps(longest.ends + start, geometry),
        "perpendicular_ends_lps": points_lps(np.insert(across, 0, 0, axis=1) + start, geometry),
    }

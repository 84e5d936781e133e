"""Where a lesion mask lies: its parts, its side, and how much of it lies in the breast."""

from dataclasses import dataclass

import numpy as np
from BreastSegLib.exam.mammograms.breast import outline
from BreastSegLib.measures.side import breast_side
from BreastSegLib.recipe.breast_mri import breast_mask
from scipy import ndimage

MARGIN_MM = 10.0  # about the breast
FLAT_MARGIN = 0.04  # of the image's longer side, where the pixel size is not known
PART = 0.1  # of the largest component: smaller ones do not tell a side
MOST_PARTS = 200  # components that are looked at


@dataclass(frozen=True)
class Place:
    """Where a lesion lies.

    Parameters
    ----------
    components : int
        Parts that touch by faces, edges or corners.
    side : {'left', 'right', 'both', ''}
        Breast that the larger components lie in; '' where the grid does not tell.
    outside : float or None
        Share of the mask outside the breast and a margin; None where no breast was found.
    """

    components: int = 0
    side: str = ""
    outside: float | None = None


def place_in_mri(mask, volume):
    """Return the `Place` of a lesion in MRI.

    Parameters
    ----------
    mask : numpy.ndarray
        (z, y, x), not 0 in the lesion.
    volume : Volume
        The reference phase.
    """
    if not mask.any():
        return Place()
    labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel())[1:]
    large = [k + 1 for k in np.argsort(-sizes)[:MOST_PARTS] if sizes[k] >= PART * sizes.max()]
    centres = np.array(ndimage.center_of_mass(labels > 0, labels, large))
    matrix = volume.geometry.ijk_to_lps
    points = centres[:, ::-1] @ matrix[:3, :3].T + matrix[:3, 3]
    sides = {breast_side(point, volume.geometry) for point in points}
    found = breast_mask(volume)
    spacing = volume.geometry.spacing[::-1]
    outside = _outside(mask != 0, found.mask, spacing) if found.found else None
    return Place(count, "both" if sides == {"left", "right"} else "".join(sides), outside)


def place_in_mammogram(mask, image, spacing):
    """Return the `Place` of a lesion in a mammogram; the side is told by the view, not by this.

    Parameters
    ----------
    mask, image : numpy.ndarray
        (y, x).
    spacing : tuple of float or None
        Along (x, y), mm.
    """
    if not mask.any():
        return Place()
    count = ndimage.label(mask, np.ones((3, 3)))[1]
    found = outline(image)
    if not found.mask.any():
        return Place(count)
    unit = [found.step * s for s in spacing[::-1]] if spacing else [1.0, 1.0]
    margin = MARGIN_MM if spacing else FLAT_MARGIN * max(found.mask.shape)
    distance = ndimage.distance_transform_edt(~found.mask, sampling=unit)
    rows, columns = np.nonzero(mask)
    limits = np.array(found.mask.shape) - 1
    near = distance[np.minimum(rows // found.step, limits[0]), np.minimum(columns // found.step, limits[1])] <= margin
    return Place(count, "", float(1 - near.mean()))


def _outside(mask, breast, spacing):
    """Return the share of a mask that lies farther than `MARGIN_MM` from the breast, looking about the mask only."""
    box = []
    for axis, step in enumerate(spacing):
        others = tuple(a for a in range(3) if a != axis)
        places = np.flatnonzero(mask.any(axis=others))
        reach = int(np.ceil(MARGIN_MM / step))
        box.append(slice(max(0, places[0] - reach), places[-1] + 1 + reach))
    mask, breast = mask[tuple(box)], breast[tuple(box)]
    if not breast.any():
        return 1.0
    distance = ndimage.distance_transform_edt(~breast, sampling=spacing)
    return float((distance[mask] > MARGIN_MM).mean())

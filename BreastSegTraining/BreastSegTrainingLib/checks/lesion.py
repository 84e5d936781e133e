"""Where a lesion mask lies: its parts, its side, and how much of it lies in the breast."""

from dataclasses import dataclass

import numpy as np
from BreastSegLib.exam.displacement import pooled
from BreastSegLib.exam.mammograms.breast import outline
from BreastSegLib.measures.side import breast_side
from BreastSegLib.recipe.breast_mri import breast_mask
from scipy import ndimage

MARGIN_MM = 10.0  # about the breast
COARSE_MM = 3.0
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


def place_in_mri(mask, volume, whole=True):
    """Return the `Place` of a lesion in MRI.

    Parameters
    ----------
    mask : numpy.ndarray
        (z, y, x), not 0 in the lesion.
    volume : Volume
        The reference phase.
    whole : bool
        Whether the image shows the breast; a model's channel may be a difference.
    """
    if not mask.any():
        return Place()
    box = tuple(_span(mask.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1)))
    labels, count = ndimage.label(mask[box], np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel())[1:]
    large = [k + 1 for k in np.argsort(-sizes)[:MOST_PARTS] if sizes[k] >= PART * sizes.max()]
    centres = np.array(ndimage.center_of_mass(labels > 0, labels, large)) + [part.start for part in box]
    matrix = volume.geometry.ijk_to_lps
    points = centres[:, ::-1] @ matrix[:3, :3].T + matrix[:3, 3]
    sides = {breast_side(point, volume.geometry) for point in points}
    if not whole:
        return Place(count, _one(sides))
    return Place(count, _one(sides), _outside(mask, volume))


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


def _span(marked):
    """Return the slice from the first to the last marked place."""
    places = np.flatnonzero(marked)
    return slice(int(places[0]), int(places[-1]) + 1)


def _one(sides):
    """Return what a set of sides is together; '' where one of them is not known."""
    return "" if "" in sides else "both" if len(sides) > 1 else next(iter(sides))


def _outside(mask, volume):
    """Return the share of a mask that lies farther than `MARGIN_MM` from the breast; None where no breast is found.

    A breast of voxels of `COARSE_MM` is fine enough for that, and quick.
    """
    coarse = pooled(volume, COARSE_MM)
    found = breast_mask(coarse)
    if not found.found or not found.mask.any():
        return None
    distance = ndimage.distance_transform_edt(~found.mask, sampling=coarse.geometry.spacing[::-1])
    places = [
        np.minimum(index // (n // m), m - 1)
        for index, n, m in zip(np.nonzero(mask), volume.array.shape, coarse.array.shape)
    ]
    return float((distance[tuple(places)] > MARGIN_MM).mean())

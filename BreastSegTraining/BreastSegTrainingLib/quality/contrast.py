"""Signal and contrast over noise."""

import numpy as np
from scipy import ndimage

from .measured import NotMeasured

MARGIN_MM = 5.0  # about the lesion: belongs to neither side
ENHANCING_CM3 = 0.3  # of the most enhancing tissue, where no lesion is marked
LEAST_CM3 = 5.0  # of normal tissue
LEAST_VOXELS = 5  # of the lesion


def signal_to_noise(view):
    """Return the mean signal of the breast before contrast over the noise of a voxel (no unit).

    Parameters
    ----------
    view : DceView

    Raises
    ------
    NotMeasured
        If there is no breast or no noise.
    """
    note = "" if view.before is not None else "there is no pre-contrast phase, so the first post-contrast one was used"
    signal = [_mean(view.first[k], view.breast[k]) for k in view.slices]
    weights = [int((view.breast[k] & (view.first[k] != 0)).sum()) for k in view.slices]
    mean = float(np.average(signal, weights=weights)) if sum(weights) else 0.0
    if not mean > 0:
        raise NotMeasured("the signal of the breast is not positive")
    return mean / view.noise.level, note


def contrast_to_noise(view):
    """Return the contrast between enhancing and normal tissue over noise (no unit).

    Mean enhancement (reference phase minus pre-contrast phase) of the lesion minus that of normal breast tissue, over
    the noise of such a difference (sqrt(2) times that of one phase). Normal tissue is the breast without the lesion
    and 5 mm about it: its median. Without a pre-contrast phase the reference phase and its noise are taken as they
    are. Without a mask the lesion is the 0.3 cm³ of the breast, in blocks of 2 mm, that enhance most.

    Parameters
    ----------
    view : DceView

    Raises
    ------
    NotMeasured
        If there is no breast or no noise, or the lesion is too small or fills the breast.
    """
    small = view.small[view.exam.reference]
    image, noise, notes = small.array, view.noise.level, []
    if view.before is None:
        notes.append("there is no pre-contrast phase, so the contrast is that of the reference phase itself")
    else:
        image, noise = image - view.small[view.before].array, noise * np.sqrt(2)
    lesion, normal = _tissues(view, image, small.geometry)
    if view.lesion is None:
        notes.append("no lesion is marked, so the most enhancing tissue was taken")
    if view.lesion is not None:
        value = _inside(view)
    else:
        value = float(image[lesion].mean())
    return (value - float(np.median(image[normal]))) / noise, "; ".join(notes)


def _inside(view):
    """Return the mean enhancement of the lesion, voxel by voxel."""
    box = ndimage.find_objects(view.lesion.astype(np.uint8))[0]
    marked = view.lesion[box]
    values = np.asarray(view.reference[box], np.float64)
    if view.before is not None:
        values = values - view.first[box]
    values = values[marked & np.isfinite(values)]
    if values.size < LEAST_VOXELS:
        raise NotMeasured("the lesion has fewer than five voxels")
    return float(values.mean())


def _tissues(view, image, geometry):
    breast = view.small_breast & np.isfinite(image)
    if view.lesion is None:
        # The skin enhances, and its edge moves.
        deep = ndimage.distance_transform_edt(view.small_breast, sampling=geometry.spacing[::-1]) > MARGIN_MM
        count = max(LEAST_VOXELS, round(1000 * ENHANCING_CM3 / geometry.voxel_volume))
        places = np.flatnonzero(deep & breast)
        if places.size < 2 * count:
            raise NotMeasured("too little of the breast is in the image to tell its enhancing tissue")
        smooth = ndimage.uniform_filter(image, 2)
        chosen = places[np.argpartition(smooth.ravel()[places], -count)[-count:]]
        lesion = np.zeros(breast.shape, bool)
        lesion.ravel()[chosen] = True
    else:
        lesion = view.shrunk(view.lesion) > 0
    far = ndimage.distance_transform_edt(~lesion, sampling=geometry.spacing[::-1]) > MARGIN_MM
    normal = breast & far
    if normal.sum() * geometry.voxel_volume < 1000 * LEAST_CM3:
        raise NotMeasured("there is too little normal tissue beside the lesion")
    return lesion, normal


def _mean(plane, mask):
    values = plane[mask & (plane != 0)]
    return float(values.mean(dtype=float)) if values.size else 0.0

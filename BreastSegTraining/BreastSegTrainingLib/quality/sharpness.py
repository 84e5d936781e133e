"""Sharpness: how wide the edge between skin and air is.

An edge that was smoothed already changes less when it is smoothed again (re-blurring, as in Zhuo & Sim, Pattern
Recognition 44, 2011). The energy of the gradient across a step of Gaussian width s, seen through Gaussian derivatives
of width t, goes as 1 / sqrt(s² + t²); two widths t in mm, the same for all voxel sizes, give s. What noise adds to
both energies is known from the noise and is taken off.
"""

import numpy as np
from scipy import ndimage

from .measured import NotMeasured

EDGE = 2.563  # from the standard deviation of a Gaussian to the 10-90 % width of the step that it smoothed
# Skin is a thin bright layer and no step: its two edges look sharper by this part of the finer filter's variance.
SKIN = 0.65
FINE_MM, BAND_MM = 1.2, 6.0  # in MRI
LEAST = 300  # pixels beside the skin
WIDEST = 6.0  # of the finer filter: edges wider than that many of its widths are all alike


def skin_width(view):
    """Return the 10-90 % width (mm) of the edge of the skin in the reference phase of a DCE exam.

    Parameters
    ----------
    view : DceView

    Raises
    ------
    NotMeasured
        As `edge_width`.
    """
    planes = [np.nan_to_num(view.reference[k]) for k in view.slices]
    return edge_width(planes, view.bodies, view.spacing[1:], view.reference_noise, FINE_MM, BAND_MM)


def edge_width(planes, bodies, spacing, noise, fine, band):
    """Return the 10-90 % width of the edge between body and air.

    Parameters
    ----------
    planes : sequence of numpy.ndarray
        Slices, (y, x).
    bodies : sequence of numpy.ndarray
        bool, the body in each of them.
    spacing : tuple of float
        Along (y, x), mm.
    noise : Noise or None
        Of the image; None takes nothing off.
    fine : float
        Width of the finer derivative filter in mm; at least 0.8 pixels are used. The coarser one is twice as wide.
    band : float
        How far from the edge to look, mm.

    Returns
    -------
    float
        mm.

    Raises
    ------
    NotMeasured
        If no edge between body and air is in the image, or it is too weak for its noise.
    """
    spacing = np.asarray(spacing, float)
    widths = max(fine, 0.8 * spacing.max()) * np.array([1.0, 2.0])
    energy, count = np.zeros(2), 0
    for plane, body in zip(planes, bodies):
        near = _near(body, spacing, band, 3 * widths[1])
        if not near.any():
            continue
        count += int(near.sum())
        energy += [(_slope(plane, width / spacing, spacing) ** 2).sum(axis=0)[near].sum() for width in widths]
    if count < LEAST:
        raise NotMeasured("no edge between skin and air is in the image")
    if noise is not None:
        left = energy - count * _noise_energy(noise, spacing, widths)
        if left.min() < 0.15 * energy.min():
            raise NotMeasured("the edge of the skin is lost in the noise")
        energy = left
    ratio = max(float(energy[0] / energy[1]), 1.0) ** 2
    # ratio = (s² + t2²) / (s² + t1²)
    most = (WIDEST * widths[0]) ** 2
    square = (widths[1] ** 2 - ratio * widths[0] ** 2) / (ratio - 1) if ratio > 1 else most
    square += SKIN * widths[0] ** 2
    return EDGE * float(np.sqrt(np.clip(square, 0, most)))


def _near(body, spacing, band, margin):
    """Return the pixels within `band` mm of the body's edge to air, far enough from the frame."""
    if not body.any() or body.all():
        return np.zeros(body.shape, bool)
    near = ndimage.distance_transform_edt(body, sampling=spacing) <= band
    near &= ndimage.distance_transform_edt(~body, sampling=spacing) <= band
    rows, columns = (int(np.ceil(margin / s)) for s in spacing)
    frame = np.zeros(body.shape, bool)
    frame[rows : body.shape[0] - rows, columns : body.shape[1] - columns] = True
    return near & frame


def _slope(plane, sigma, spacing):
    plane = np.asarray(plane, np.float32)
    return np.array(
        [
            ndimage.gaussian_filter(plane, sigma, order, mode="nearest") / s
            for order, s in zip(((1, 0), (0, 1)), spacing)
        ]
    )


def _noise_energy(noise, spacing, widths):
    """Return the mean square of the gradient that noise alone has behind each filter."""
    own = (np.array(noise.width[1:]) * spacing) ** 2
    total = widths[:, None] ** 2 + own
    density = noise.white**2 * spacing.prod() / (8 * np.pi)
    return density / np.sqrt(total.prod(axis=1)) * (1 / total).sum(axis=1)


def structure_width(plane, mask, spacing, noise, fine):
    """Return the 10-90 % width of a step after the smoothing that the structure of an image shows.

    As `edge_width`, but over all of the tissue: the power of its texture falls with about the third power of the
    frequency, as that of steps does in the mean, so that the energy of its gradient depends on the filter in the same
    way.

    Parameters
    ----------
    plane, mask : numpy.ndarray
        (y, x): the image, and bool where to look.
    spacing, noise, fine
        As for `edge_width`.

    Returns
    -------
    float
        mm.

    Raises
    ------
    NotMeasured
        If nothing but noise is seen.
    """
    spacing = np.asarray(spacing, float)
    widths = max(fine, 0.8 * spacing.max()) * np.array([1.0, 2.0])
    energy = np.array([np.mean(_slope(plane, w / spacing, spacing)[:, mask] ** 2) * 2 for w in widths])
    left = energy - _noise_energy(noise, spacing, widths)
    if left.min() < 0.1 * energy.min():
        raise NotMeasured("the structure of the breast is lost in the noise")
    ratio = max(float(left[0] / left[1]), 1.0) ** 2
    most = (WIDEST * widths[0]) ** 2
    square = (widths[1] ** 2 - ratio * widths[0] ** 2) / (ratio - 1) if ratio > 1 else most
    return EDGE * float(np.sqrt(np.clip(square, 0, most)))

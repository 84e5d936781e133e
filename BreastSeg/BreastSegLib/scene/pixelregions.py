"""Boxes and points in the world as pixels of an image: geometry only, nothing of the scene."""

import itertools

import numpy as np

from ..errors import BadInput
from ..recipe.regions import SMALLEST
from .texts import _

# How far from the middle of the one slice, in slices, something still lies in the image's plane.
HALF_SLICE = 0.5
TOLERANCE = 1e-6


def cornersOf(size):
    """Return the eight corners (8, 3) of a box of edges `size` (x, y, z) around 0."""
    return np.array(list(itertools.product(*((-edge / 2, edge / 2) for edge in size))))


def indicesOf(points, geometry):
    """Return where points of the world lie in an image.

    Parameters
    ----------
    points : array_like
        (n, 3), mm, RAS.
    geometry : Geometry
        The image's grid in the world.

    Returns
    -------
    numpy.ndarray
        (n, 3): continuous indices (x, y, z); 0 is the middle of the first pixel.
    """
    points = np.atleast_2d(np.asarray(points, float))
    homogeneous = np.column_stack([points, np.ones(len(points))])
    return (homogeneous @ np.linalg.inv(geometry.ijk_to_ras).T)[:, :3]


def cuts(points, geometry):
    """Return whether the box around points (n, 3; RAS) meets the image: its one slice, and a part of its pixels."""
    indices = indicesOf(points, geometry)
    low, high = indices.min(axis=0), indices.max(axis=0)
    size = np.array(geometry.shape[::-1])
    return bool(np.all(low <= size - HALF_SLICE + TOLERANCE) and np.all(high >= -HALF_SLICE - TOLERANCE))


def distanceTo(points, geometry):
    """Return how far the middle of points (n, 3; RAS) lies from the plane of the image, in mm."""
    middle = indicesOf(points, geometry).mean(axis=0)
    return abs(float(middle[2])) * geometry.spacing[2]


def boxOf(points, geometry, name):
    """Return the pixels whose middles lie in the bounding box of points, as far as it lies in the image.

    Parameters
    ----------
    points : array_like
        (n, 3), mm, RAS: the corners of a box, however it is turned.
    geometry : Geometry
        The image's grid in the world; one slice.
    name : str
        What the region is called, for messages.

    Returns
    -------
    list of int
        [x0, y0, x1, y1], half-open.

    Raises
    ------
    BadInput
        If the box lies outside the image, before or behind it, or is too small.
    """
    if not cuts(points, geometry):
        raise BadInput(_("The region lies outside the image"), name, _("Move it onto the breast, or remove it"))
    indices = indicesOf(points, geometry)[:, :2]
    low = np.ceil(indices.min(axis=0) - TOLERANCE).astype(int)
    high = np.floor(indices.max(axis=0) + TOLERANCE).astype(int) + 1
    width, height = geometry.shape[2], geometry.shape[1]
    x0, y0 = max(int(low[0]), 0), max(int(low[1]), 0)
    x1, y1 = min(int(high[0]), width), min(int(high[1]), height)
    if min(x1 - x0, y1 - y0) < SMALLEST:
        what = _("The region is only {width} × {height} pixels").format(width=max(x1 - x0, 0), height=max(y1 - y0, 0))
        raise BadInput(what, name, _("Draw a larger box, or remove it"))
    return [x0, y0, x1, y1]


def pointOf(point, geometry, name):
    """Return the pixel position [x, y] of a point of the world (mm, RAS).

    Raises
    ------
    BadInput
        If it lies outside the image, before or behind it.
    """
    if not cuts([point], geometry):
        raise BadInput(_("The point lies outside the image"), name, _("Move it onto the breast, or remove it"))
    x, y = indicesOf([point], geometry)[0, :2]
    return [round(float(x), 3), round(float(y), 3)]


def sizeText(box, spacing):
    """Return the size of a pixel box for people: ``32 × 28 mm``, or in pixels where the pixel size is unknown.

    Parameters
    ----------
    box : sequence of int
        [x0, y0, x1, y1].
    spacing : tuple of float or None
        Pixel size along (x, y), mm.
    """
    width, height = box[2] - box[0], box[3] - box[1]
    if spacing is None:
        return _("{width} × {height} pixels").format(width=width, height=height)
    width, height = f"{width * spacing[0]:.0f}", f"{height * spacing[1]:.0f}"
    return _("{width} × {height} mm").format(width=width, height=height)

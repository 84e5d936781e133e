"""A small picture of a case: the slice with most of the lesion, or the mammogram, with the lesion's outline."""

import numpy as np
from BreastSegLib.errors import BadInput
from BreastSegLib.files import whole_file
from BreastSegLib.reports.pictures import key_image
from BreastSegLib.volume import Geometry, Volume

SIDE = 128  # pixels of the longer side
DARK, BRIGHT = 1.0, 99.5  # percentiles that are shown black and white


def folder_of(table):
    """Return the folder of the thumbnails of a table's file."""
    return table.parent / f"{table.stem}.thumbnails"


def write_thumbnail(path, volume, mask):
    """Write the thumbnail of a case, replacing an earlier one.

    Parameters
    ----------
    path : Path
        .png.
    volume : Volume
        The reference phase, or a mammogram.
    mask : numpy.ndarray or None
        (z, y, x), not 0 in the lesion.

    Returns
    -------
    bool
        Whether it was written; a case without a picture is no worse for it.
    """
    try:
        with whole_file(path, overwrite=True) as temporary:
            temporary.write_bytes(picture(volume, mask))
    except BadInput:
        return False
    return True


def picture(volume, mask):
    """Return the PNG of `write_thumbnail`."""
    geometry = volume.geometry
    per_slice = np.zeros(geometry.shape[0]) if mask is None else np.count_nonzero(mask, axis=(1, 2))
    k = int(per_slice.argmax()) if per_slice.any() else geometry.shape[0] // 2
    # No more pixels than are seen; a lesion of a pixel must not vanish between them.
    step = max(1, min(geometry.shape[1:]) // (2 * SIDE))
    plane = np.asarray(volume.array[k, ::step, ::step], np.float32)
    inside = np.zeros(geometry.shape[1:], bool) if mask is None else mask[k] != 0
    rows, columns = (np.arange(0, n, step) for n in inside.shape)
    inside = np.maximum.reduceat(np.maximum.reduceat(inside, rows, axis=0), columns, axis=1)
    low, high = (float(v) for v in np.percentile(plane, (DARK, BRIGHT)))
    spacing = (geometry.spacing[0] * step, geometry.spacing[1] * step, geometry.spacing[2])
    flat = Geometry((1, *plane.shape), spacing, direction=geometry.direction)
    width, height = (n * s for n, s in zip(plane.shape[::-1], spacing))
    pixels = max(1, round(SIDE * min(1.0, width / height)))
    window = (max(high - low, 1e-6), (high + low) / 2)
    return key_image(Volume(plane[None], flat), Volume(inside[None], flat), 0, window, width=pixels)

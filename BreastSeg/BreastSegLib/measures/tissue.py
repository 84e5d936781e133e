"""The mean curve of normal breast tissue."""

import numpy as np
from scipy import ndimage

CELL_MM = 3.0
MOST_CELLS = 500_000
LEAST_CELLS = 8  # along an axis, where there are as many voxels
LEAST_VOXELS = 20


def normal_tissue(signals, spacing, labels, boxes, breast, choice, settings, level):
    """Return the mean curve of the breast without lesions, skin, vessels and noise.

    One voxel of each cell of about 3 mm is looked at: gland and fat, in the breast mask and more than
    `settings.skin_mm` inside its edge, at least `settings.tissue_distance_mm` from every lesion voxel, brighter than
    noise before contrast, and never more than `settings.vessel_pct` above that.

    Parameters
    ----------
    signals : Signals
    spacing : sequence of float
        Along (z, y, x), mm.
    labels : numpy.ndarray
        int (z, y, x), 0 outside lesions.
    boxes : sequence of tuple of slice
        Where lesions are; None for none.
    breast : numpy.ndarray
        bool (z, y, x), True in the breasts.
    choice : Choice
    settings : Settings
    level : float
        Where noise ends, in the phase before contrast.

    Returns
    -------
    dict or None
        ``curve_pct``: enhancement of the mean signal for each phase; ``curve_signal``: the mean signal; ``voxels``:
        how many were averaged. None where fewer than 20 voxels are left.
    """
    step = _cell(signals.shape, spacing)
    place = tuple(slice(s // 2, None, s) for s in step)
    size = np.array(step) * spacing
    inner = np.asarray(breast[place]) != 0
    if not inner.all():
        inner = ndimage.distance_transform_edt(inner, sampling=size) > settings.skin_mm
    lesions = _cells_of(labels, boxes, step, inner.shape)
    if lesions.any():
        # Lesion voxels and the voxel looked at lie anywhere in their cells.
        clear = settings.tissue_distance_mm + float(np.linalg.norm(size))
        inner &= ndimage.distance_transform_edt(~lesions, sampling=size) >= clear
    values = np.stack([signals.part(index, place)[inner] for index in range(len(signals))])
    pre = values[choice.pre]
    posts = values[list(choice.posts)].max(axis=0)
    with np.errstate(invalid="ignore", over="ignore"):
        kept = np.isfinite(values).all(axis=0) & (pre > level)
        kept &= 100 * (posts - pre) <= settings.vessel_pct * pre
    if np.count_nonzero(kept) < LEAST_VOXELS:
        return None
    signal = values[:, kept].mean(axis=1, dtype=np.float64)
    curve = 100 * (signal / signal[choice.pre] - 1)
    return {"curve_pct": curve.tolist(), "curve_signal": signal.tolist(), "voxels": int(np.count_nonzero(kept))}


def _cell(shape, spacing):
    """Return the size of a cell in voxels along (z, y, x)."""
    largest = [max(1, n // LEAST_CELLS) for n in shape]
    step = [min(max(1, round(CELL_MM / s)), most) for s, most in zip(spacing, largest)]
    while np.prod([n // s for n, s in zip(shape, step)]) > MOST_CELLS:
        step = [s + (n > s * LEAST_CELLS) for n, s in zip(shape, step)]
    return step


def _cells_of(labels, boxes, step, shape):
    """Return in which cells there is any lesion voxel."""
    cells = np.zeros(shape, bool)
    last = np.array(shape)[:, None] - 1
    for box in boxes:
        if box is None:
            continue
        found = np.array(np.nonzero(labels[box])) + [[s.start] for s in box]
        # Voxels behind the last whole cell belong to it.
        cells[tuple(np.minimum(found // np.array(step)[:, None], last))] = True
    return cells

"""Where the breasts are in an MRI volume: the body without air and, where the skin tells of it, without the thorax.

The mask is generous: it serves statistics and the skipping of empty tiles, and a lesion must never fall outside.

On a copy of about 3 mm the body is told from air. Seen from the front, the skin between two breasts lies deep, over
the sternum; what lies behind it by more than a margin is thorax, within an ellipse that leaves the sides (axillary
tails, axillae) alone. Where no such valley between two bulges is seen, only what lies far behind all of the skin of a
single bulge is left out, or nothing.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..exam.displacement import pooled
from ..exam.enhancement import body_mask
from ..volume import Volume
from .grid import resample, target_geometry

COARSE_MM = 3.0
PART = 0.1  # of the largest component: others of that size belong to the body too (two breasts apart)
CLOSE_MM = 6.0
HUGE = 1e30
LEAST_BODY = 0.12  # of the image
DIM = 0.35  # of Otsu's threshold: the least signal of dim tissue (suppressed fat, far from the coil)
DIM_MM = 20.0  # about bright tissue, where dim tissue is looked for
GROW_MM = 4.0  # about the body; only voxels as bright as the body are kept there
STERNUM_MM = 22.0  # from the skin over the sternum to what is called thorax
SINGLE_MM = 35.0  # the same behind the deepest skin of a single breast
VALLEY_MM = 12.0  # least depth of the valley between two breasts
BULGE_MM = 30.0  # least height of a single breast over the skin above and below it
LEAST_VALLEYS = 0.15  # of the slices that must show what the thorax is told from
CUT_OFF = 0.3  # of the body's columns may be cut off by the front of the image, where no skin is seen
GOES_ON = 0.85  # of the body's columns reach into the thorax
LEAST_WIDTH_MM = 120.0  # of the skin seen in a slice with two breasts
BACK = 0.6  # how far the chest wall curves back, as a share of its half width
LUNG_CM3 = 100.0
INNER = 0.7  # of the body's half width: beyond it, at the sides, everything stays
WIDEST_MM = 120.0  # the same, where arms lie beside the body
NOT_FOUND = "No breast was found in the image; the whole image is used."
NO_THORAX = "The breast mask holds the whole body: the image does not show where the thorax begins."


@dataclass(frozen=True)
class BreastMask:
    """The breasts of a volume.

    Parameters
    ----------
    mask : numpy.ndarray
        bool (z, y, x), on the volume's grid.
    found : bool
        False where the image shows no body; the mask is True everywhere then.
    note : str
        A sentence worth reading, or "".
    """

    mask: np.ndarray
    found: bool
    note: str


def breast_mask(volume):
    """Return where the breasts are.

    Parameters
    ----------
    volume : Volume
        One phase, or a mean of phases. Any grid; its directions say where anterior and left are. NaN and infinite
        values count as air.

    Returns
    -------
    BreastMask
    """
    coarse = pooled(volume, COARSE_MM)
    # Infinite values have become very large ones.
    coarse = Volume(np.where(np.abs(coarse.array) < HUGE, coarse.array, 0), coarse.geometry)
    axial = resample(coarse, target_geometry(coarse.geometry, None, "axial"))
    spacing = np.array(axial.geometry.spacing[::-1])
    signal = _signal(axial.array, spacing)
    body = _body(signal, spacing)
    if not body.any():
        return BreastMask(np.ones(volume.array.shape, bool), False, NOT_FOUND)
    thorax = _thorax(body, body & ~signal, spacing)
    note = NO_THORAX if thorax is None else ""
    # Level 2 is kept as it is, level 1 where the voxel itself is brighter than air.
    levels = _grown(body, spacing).astype(np.float32) + ~_grown(~body, spacing)
    if thorax is not None:
        levels[thorax] = 0
    parts = levels, body | signal
    levels, tissue = (resample(Volume(part, axial.geometry), coarse.geometry).array for part in parts)
    return BreastMask(_fine(levels, volume, _brightest_air(volume, tissue != 0)), True, note)


def _signal(values, spacing):
    """Return where there is tissue that gives signal: what Otsu finds, and what is clear of noise about it."""
    bright = body_mask(values)
    for _ in range(2):
        if not 0 < bright.mean() < LEAST_BODY:
            break
        # Only heart and vessels, it seems: they may be no brighter than where they were told from the rest.
        values = np.minimum(values, values[bright].min())
        bright = body_mask(values)
    air = values[~bright]
    if not bright.any() or not air.size:
        return bright
    middle = np.median(air)
    noise = 1.4826 * np.median(np.abs(air - middle))
    clear = values > middle + max(4 * noise, DIM * (values[bright].min() - middle))
    near = ndimage.distance_transform_edt(~bright, sampling=spacing) <= DIM_MM
    return ndimage.binary_propagation(bright, mask=bright | (clear & near))


def _brightest_air(volume, tissue):
    """Return the value that most single voxels of air stay below (-inf where there is no air)."""
    factors = [n // m for n, m in zip(volume.array.shape, tissue.shape)]
    some = volume.array[tuple(slice(f // 2, f // 2 + f * (m - 1) + 1, f) for f, m in zip(factors, tissue.shape))]
    air = some[~ndimage.binary_dilation(tissue, iterations=3)]
    air = air[np.isfinite(air)]
    return float(np.percentile(air, 90)) if air.size >= 50 else -np.inf


def _ball(shape, spacing, radius):
    """Return a structuring element (z, y, x) of about `radius` mm; flat where the image is one voxel thin."""
    reach = [int(radius / s) if n > 1 else 0 for s, n in zip(spacing, shape)]
    grid = np.ogrid[tuple(slice(-r, r + 1) for r in reach)]
    return sum((g * s) ** 2 for g, s in zip(grid, spacing)) <= radius**2 + 1e-6


def _grown(mask, spacing):
    """Return every voxel that has a voxel of the mask within `GROW_MM`, at least its neighbours."""
    if not mask.any():
        return mask
    return ndimage.distance_transform_edt(~mask, sampling=spacing) <= max(GROW_MM, *spacing) + 1e-6


def _body(bright, spacing):
    """Return the body: large bright components, closed, and filled from front to back."""
    labels, count = ndimage.label(bright)
    if not count:
        return bright
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    body = (sizes >= PART * sizes.max())[labels]
    pad = [int(np.ceil(CLOSE_MM / s)) if n > 1 else 0 for s, n in zip(spacing, body.shape)]
    wide = np.pad(body, [(p, p) for p in pad])
    wide = ndimage.binary_closing(wide, _ball(body.shape, spacing, CLOSE_MM))
    body = wide[tuple(slice(p, p + n) for p, n in zip(pad, body.shape))]
    # Lungs, implants and suppressed fat are dark but lie behind skin and before more body.
    front = np.logical_or.accumulate(body, axis=1)
    back = np.logical_or.accumulate(body[:, ::-1], axis=1)[:, ::-1]
    return front & back


def _thorax(body, dark, spacing):
    """Return what of the grid lies in the thorax, or None where the skin does not tell."""
    _, sy, sx = spacing
    # Depth of the skin below the front of the image, mm.
    skin = np.where(body.any(axis=1), body.argmax(axis=1) * sy, np.nan)
    if (skin < 1.5 * sy).sum() > CUT_OFF * np.isfinite(skin).sum():
        return None
    midline, sternum = _sternum(skin, sx)
    depth = (np.arange(body.shape[1]) * sy)[None, :, None]
    if midline is None:
        limit = np.full(body.shape[2], _single(skin, sx))
    else:
        across = np.abs(np.arange(body.shape[2]) * sx - midline)
        width = min(INNER * _half_width(body, sx, midline), WIDEST_MM)
        front = max(sternum + STERNUM_MM, _lungs(dark, spacing) - STERNUM_MM)
        # The chest wall curves back to the sides: a quarter of an ellipse; beside it everything stays.
        curve = 1 - np.sqrt(np.clip(1 - (across / width) ** 2, 0, 1))
        limit = np.where(across < width, front + BACK * width * curve, np.inf)
    if not _reached(body, sy, limit):
        return None
    return np.broadcast_to(depth > limit[None, None, :], body.shape)


def _reached(body, sy, limit):
    """Return whether the body goes on to the depth of the chest wall nearly wherever it lies before the limit (mm).

    Where it ends before that, no thorax follows: the image shows something else, or its directions are wrong. Lungs
    that leave the image at the back may begin soon behind the wall.
    """
    ends = np.where(body.any(axis=1), body.shape[1] - 1 - body[:, ::-1].argmax(axis=1), -1)[:, np.isfinite(limit)]
    least = min(limit.min() - STERNUM_MM, (body.shape[1] - 3) * sy)
    seen = ends >= 0
    return bool(seen.any()) and (ends * sy >= least)[seen].mean() >= GOES_ON


def _sternum(skin, sx):
    """Return the midline and the depth of the skin over the sternum (mm), or (None, None).

    Breasts that touch hide the sternum behind them, so the depth is taken from the slices in which the skin of the
    midline lies deepest, valley or not.
    """
    places = [_valley(line, sx) for line in skin]
    places = [place for place in places if place is not None]
    if len(places) < max(1, LEAST_VALLEYS * len(skin)):
        return None, None
    midline = float(np.median(places))
    near = np.abs(np.arange(skin.shape[1]) * sx - midline) <= max(10.0, sx)
    strip = skin[:, near]
    depths = [np.median(line[np.isfinite(line)]) for line in strip if np.isfinite(line).any()]
    return (midline, float(np.percentile(depths, 90))) if depths else (None, None)


def _valley(line, sx):
    """Return where the skin of one slice lies deepest between two bulges, mm, or None."""
    places = np.flatnonzero(np.isfinite(line))
    if len(places) * sx < LEAST_WIDTH_MM:
        return None
    first, last = places[0], places[-1] + 1
    line = ndimage.gaussian_filter1d(np.interp(np.arange(first, last), places, line[places]), 4.0 / sx)
    quarter = len(line) // 4
    middle = quarter + int(np.argmax(line[quarter : len(line) - quarter]))
    higher = max(line[:middle].min(), line[middle:].min())
    return (first + middle) * sx if line[middle] - higher >= VALLEY_MM else None


def _lungs(dark, spacing):
    """Return the depth (mm) at which the deepest large space without signal inside the body begins; 0 without one."""
    labels, count = ndimage.label(dark)
    if not count:
        return 0.0
    sizes = np.bincount(labels.ravel()) * np.prod(spacing) / 1000
    starts = [np.percentile(np.nonzero(labels == label)[1], 2) for label in np.flatnonzero(sizes >= LUNG_CM3) if label]
    return float(max(starts, default=0.0) * spacing[1])


def _half_width(body, sx, midline):
    """Return the distance (mm) from the midline to the nearer side of the body."""
    places = np.flatnonzero(body.any(axis=(0, 1))) * sx
    return float(min(midline - places[0], places[-1] - midline))


def _single(skin, sx):
    """Return the depth (mm) behind which all is thorax where one breast is seen; infinite where nothing tells it.

    The breast must stand out between deeper skin above and below it.
    """
    bulges = []
    for line in skin.T:
        line = line[np.isfinite(line)]
        if len(line) >= 5:
            top = int(line.argmin())
            bulges.append(min(line[: top + 1].max(), line[top:].max()) - line[top] >= BULGE_MM)
    if np.sum(bulges) < LEAST_VALLEYS * skin.shape[1] or skin.shape[1] * sx < BULGE_MM:
        return np.inf
    return float(np.nanpercentile(skin, 98)) + SINGLE_MM


def _fine(levels, volume, threshold):
    """Return the mask on the volume's grid: all of level 2, and of level 1 what is brighter than the threshold.

    Single voxels and pairs of level 1 in a slice are noise.
    """
    shape = volume.array.shape
    lines = [_lines(n, m) for n, m in zip(shape, levels.shape)]
    mask = np.empty(shape, bool)
    planes = np.einsum("yj,kji,xi->kyx", lines[1], levels, lines[2], optimize=True).astype(np.float32)
    for k, weights in enumerate(lines[0]):
        plane = sum(weights[j] * planes[j] for j in np.flatnonzero(weights))
        sure = plane > 1.5
        bright = sure | ((plane > 0.5) & (volume.array[k] >= threshold))
        share = ndimage.uniform_filter(bright.astype(np.float32), 3)
        mask[k] = sure | (bright & (share > 0.3))
    return mask


def _lines(count, blocks):
    """Return the matrix (count, blocks) that interpolates linearly between the blocks' centres."""
    factor = count // blocks
    places = np.clip((np.arange(count) - (factor - 1) / 2) / factor, 0, blocks - 1)
    return np.maximum(1 - np.abs(places[:, None] - np.arange(blocks)), 0).astype(np.float32)

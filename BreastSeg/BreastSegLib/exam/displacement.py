"""By how much one phase is displaced against another, measured in the images themselves, without any transform."""

import numpy as np
from scipy import fft, ndimage

from ..volume import Geometry, Volume

BLOCK_MM, SEARCH_MM, MOST_BLOCKS = 24.0, 10.0, 150
FIGURE_MM = 2.0  # voxel size at which motion is measured


def pooled(volume, size):
    """Return the volume in voxels of about `size` mm: means over blocks, none along axes that are coarser already."""
    spacing, shape = np.array(volume.geometry.spacing[::-1]), np.array(volume.array.shape)
    # At least eight voxels stay along each axis, where there are as many.
    factors = np.clip(np.round(size / spacing).astype(int), 1, np.maximum(1, shape // 8))
    count = shape // factors
    (fz, fy, fx), (nz, ny, nx) = factors, count
    result = np.zeros(count, np.float32)
    for k in range(nz):
        slab = np.asarray(volume.array[k * fz : (k + 1) * fz, : ny * fy, : nx * fx], np.float32)
        result[k] = np.nan_to_num(slab.reshape(fz, ny, fy, nx, fx).mean(axis=(0, 2, 4)))
    first = volume.geometry.ijk_to_lps @ np.array([*((factors[::-1] - 1) / 2), 1.0])
    geometry = Geometry(count, tuple((spacing * factors)[::-1]), tuple(first[:3]), volume.geometry.direction)
    return Volume(result, geometry)


def displacement(reference, other, body, progress=None):
    """Return by how much `other` is displaced against `reference`: the median length over blocks with structure.

    Blocks of edge directions (without sign and nearly without strength, so that contrast agent matters little) are
    looked for within ±10 mm by normalised cross-correlation; the peak is found to a fraction of a voxel.

    Parameters
    ----------
    reference, other : Volume
        On one grid of about `FIGURE_MM`.
    body : numpy.ndarray
        bool, where to measure.
    progress : callable, optional
        Called without arguments between blocks.

    Returns
    -------
    float
        mm; NaN where fewer than four blocks have structure in all directions.
    """
    if not body.any():
        return float("nan")
    spacing = np.array(reference.geometry.spacing[::-1])
    shape = np.array(body.shape)
    block = np.minimum(np.maximum(np.round(BLOCK_MM / spacing).astype(int), 3), shape)
    margin = np.maximum(np.round(SEARCH_MM / spacing).astype(int), 1)
    fixed, moving = (_edges(v, body) for v in (reference, other))
    moving = np.pad(moving, [(0, 0), *((m, m) for m in margin)])
    lengths = []
    for corner in _blocks(fixed, body, block):
        if progress is not None:
            progress()
        inner = (slice(None), *(slice(c, c + b) for c, b in zip(corner, block)))
        outer = (slice(None), *(slice(c, c + b + 2 * m) for c, b, m in zip(corner, block, margin)))
        lengths.append(np.linalg.norm(_match(fixed[inner], moving[outer], margin) * spacing))
    return float(np.median(lengths)) if len(lengths) >= 4 else float("nan")


def _edges(volume, body):
    """Return the six parts of the tensors of normalised gradients, (6, z, y, x): edge directions without sign."""
    smooth = ndimage.gaussian_filter(volume.array, 0.7)
    gradient = np.array(np.gradient(smooth, *volume.geometry.spacing[::-1]), np.float32)
    square = (gradient**2).sum(axis=0)
    # Edges weaker than the typical one are mostly noise.
    square += max(float(np.median(square[body])), 1e-12)
    weight = np.sqrt(2)
    pairs = ((0, 0, 1), (1, 1, 1), (2, 2, 1), (0, 1, weight), (0, 2, weight), (1, 2, weight))
    return np.array([w * gradient[a] * gradient[b] / square for a, b, w in pairs], np.float32)


def _blocks(edges, body, block):
    """Return the first voxels of up to `MOST_BLOCKS` blocks that have edges in all directions, the best first."""
    starts = [
        np.unique(np.linspace(0, n - b, max(1, int((n - b) / b * 1.5) + 1)).astype(int))
        for n, b in zip(body.shape, block)
    ]
    found = []
    for corner in np.stack(np.meshgrid(*starts, indexing="ij"), -1).reshape(-1, 3):
        place = tuple(slice(c, c + b) for c, b in zip(corner, block))
        if body[place].mean() < 0.4:
            continue
        zz, yy, xx, zy, zx, yx = edges[(slice(None), *place)].reshape(6, -1).mean(axis=1) / [
            1,
            1,
            1,
            *[np.sqrt(2)] * 3,
        ]
        values = np.linalg.eigvalsh([[zz, zy, zx], [zy, yy, yx], [zx, yx, xx]])
        # A block with one straight edge can be matched anywhere along it.
        if values[0] > 0.15 * values[-1]:
            found.append((-values[0], tuple(int(c) for c in corner)))
    return [corner for _, corner in sorted(found)[:MOST_BLOCKS]]


def _match(template, search, margin):
    """Return the displacement (voxels z, y, x) at which the template correlates best with the search region."""
    size = search.shape[1:]
    shape = [fft.next_fast_len(n, real=True) for n in size]
    axes = (1, 2, 3)
    found = fft.rfftn(search, shape, axes=axes)
    product = fft.irfftn((found * np.conj(fft.rfftn(template, shape, axes=axes))).sum(axis=0), shape)
    box = np.ones(template.shape[1:], np.float32)
    energy = fft.rfftn((search**2).sum(axis=0), shape) * np.conj(fft.rfftn(box, shape))
    energy = fft.irfftn(energy, shape)
    inside = tuple(slice(0, 2 * m + 1) for m in margin)
    energy = np.maximum(energy[inside], max(1e-3 * energy.max(), 1e-12))
    score = product[inside] / np.sqrt(energy)
    peak = np.unravel_index(int(np.argmax(score)), score.shape)
    shift = np.array(peak, float) - margin
    for axis, at in enumerate(peak):
        if 0 < at < score.shape[axis] - 1:
            low, top, high = (score[(*peak[:axis], at + k, *peak[axis + 1 :])] for k in (-1, 0, 1))
            bend = low - 2 * top + high
            shift[axis] += 0.5 * (low - high) / bend if bend < 0 else 0.0
    return shift


def similarity(reference, other, body):
    """Return the mutual information (bits) of two volumes inside the body, from 64 × 64 grey levels."""
    pair = [image.array[body] for image in (reference, other)]
    limits = [np.percentile(values, (0.1, 99.9)) for values in pair]
    pair = [np.clip(values, *ends) for values, ends in zip(pair, limits)]
    joint = np.histogram2d(*pair, bins=64)[0] / len(pair[0])
    single = joint.sum(axis=1)[:, None] * joint.sum(axis=0)[None]
    some = joint > 0
    return float((joint[some] * np.log2(joint[some] / single[some])).sum())

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
    return Fixed(reference, body).displacement(other, progress)


class Fixed:
    """A volume against which several others are measured: its blocks are looked for once (see `displacement`).

    Parameters
    ----------
    reference, body
        As for `displacement`.
    most : int
        Blocks that are looked at.
    """

    def __init__(self, reference, body, most=MOST_BLOCKS):
        self._body = body
        self._spacing = np.array(reference.geometry.spacing[::-1])
        shape = np.array(body.shape)
        self._block = np.minimum(np.maximum(np.round(BLOCK_MM / self._spacing).astype(int), 3), shape)
        self._edges = _edges(reference, body) if body.any() else None
        self._corners = _blocks(self._edges, body, self._block)[:most] if body.any() else ()

    def displacement(self, other, progress=None):
        """Return by how much `other` is displaced, mm; see the function of this name."""
        if len(self._corners) < 4:
            return float("nan")
        margin = np.maximum(np.round(SEARCH_MM / self._spacing).astype(int), 1)
        moving = np.pad(_edges(other, self._body), [(0, 0), *((m, m) for m in margin)])
        lengths = []
        for corner in self._corners:
            if progress is not None:
                progress()
            inner = (slice(None), *(slice(c, c + b) for c, b in zip(corner, self._block)))
            outer = (slice(None), *(slice(c, c + b + 2 * m) for c, b, m in zip(corner, self._block, margin)))
            shift = _match(self._edges[inner], moving[outer], margin)
            lengths.append(np.linalg.norm(shift * self._spacing))
        return float(np.median(lengths))


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
    corners = np.stack(np.meshgrid(*starts, indexing="ij"), -1).reshape(-1, 3)
    corners = corners[_means(body, corners, block) >= 0.4]
    if not len(corners):
        return []
    zz, yy, xx, zy, zx, yx = (_means(part, corners, block) for part in edges)
    zy, zx, yx = (part / np.sqrt(2) for part in (zy, zx, yx))
    tensors = np.array([[zz, zy, zx], [zy, yy, yx], [zx, yx, xx]]).transpose(2, 0, 1)
    values = np.linalg.eigvalsh(tensors)
    # A block with one straight edge can be matched anywhere along it.
    clear = values[:, 0] > 0.15 * values[:, -1]
    found = zip(-values[clear, 0], corners[clear].tolist())
    return [tuple(corner) for _, corner in sorted(found)[:MOST_BLOCKS]]


def _means(array, corners, block):
    """Return the mean of an array over each block that begins at a corner, from sums up to every voxel."""
    sums = np.zeros(np.array(array.shape) + 1)
    sums[1:, 1:, 1:] = array
    for axis in range(3):
        np.cumsum(sums, axis=axis, out=sums)
    total = np.zeros(len(corners))
    for high in np.ndindex(2, 2, 2):
        place = corners + np.array(high) * block
        total += (-1) ** (3 - sum(high)) * sums[tuple(place.T)]
    return total / np.prod(block)


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

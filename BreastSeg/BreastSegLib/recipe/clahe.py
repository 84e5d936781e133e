"""Contrast limited adaptive histogram equalisation (CLAHE) in any number of dimensions.

The values are those of scikit-image's ``equalize_adapthist``, to the last bit. It is done here block by block, because
scikit-image needs some fifteen times the memory of the image, takes a last axis of 3 or 4 voxels for colours, and is
not part of Slicer.

The image is divided into regions. A region's histogram, clipped, gives a curve of grey levels; each voxel's new value
is interpolated between the curves of the regions about it.
"""

import itertools

import numpy as np

from ..errors import BadInput
from .figures import blocks

MOST = 1 << 28  # grey levels of all curves together: 512 MiB
LEVELS = 1 << 14  # grey levels that the image is rounded to and that the curves end at


def equalize(array, kernel=0.125, clip_limit=0.01, bins=256):
    """Return `array` with its local contrast equalised.

    Parameters
    ----------
    array : numpy.ndarray
        Of any number of axes, taken as float32, not changed; it is scaled to 0 … 1 first.
    kernel : float
        Edge of the regions along each axis, as a share of the array's edge; at least one voxel.
    clip_limit : float
        Largest share of a region that one bin of its histogram may hold; 0 … 1, more gives more contrast.
    bins : int
        Bins of the histograms.

    Returns
    -------
    numpy.ndarray
        float32, 0 … 1.

    Raises
    ------
    BadInput
        If the array is constant or holds NaN or infinite values.
    """
    array = np.asarray(array, np.float32)
    size = [max(1, int(n * kernel + 1e-9)) for n in array.shape]
    # Half a region before, half a one and what is missing to a whole number of regions behind.
    before = [k // 2 for k in size]
    behind = [-n % k + (k + 1) // 2 for n, k in zip(array.shape, size)]
    _check_memory(array.shape, size, bins)
    binned = np.pad(_binned(array, bins), list(zip(before, behind)), mode="reflect")
    curves = _curves(binned, size, clip_limit, bins)
    result = np.empty(array.shape, np.uint16)
    for first in np.ndindex(*(n // k for n, k in zip(binned.shape, size))):
        _interpolate(binned, curves, size, first, before, result)
    low, high = result.min(), result.max()
    equal = np.empty(array.shape, np.float32)
    for values, scaled in zip(blocks(result), blocks(equal)):
        scaled[...] = values
        scaled -= np.float32(low)
        scaled /= np.float32(max(high - low, 1))
    return equal


def _check_memory(shape, size, bins):
    """Refuse regions so small that their curves fill the memory, and that would take hours."""
    regions = [-(-n // k) + 3 for n, k in zip(shape, size)]
    if np.prod(np.array(regions, float)) * bins > MOST:
        edges = " × ".join(map(str, size[::-1]))
        raise BadInput(
            f"CLAHE cannot be done: regions of {edges} voxels with {bins} grey levels each need too much memory",
            "recipe step clahe",
            "Choose a larger kernel or fewer bins",
        )


def _binned(array, bins):
    """Return the number of the histogram's bin that each value falls into, as uint16."""
    low, high = array.min(), array.max()
    with np.errstate(over="ignore", invalid="ignore"):
        spread = high - low
    if not np.isfinite(spread):
        raise BadInput(
            "CLAHE cannot be done: the image holds values that are not numbers (NaN or infinite)",
            hint="Repair or replace the file",
        )
    if low == high:
        raise BadInput(
            "CLAHE cannot be done: the image is constant, every voxel has the same value",
            hint="Choose another phase or file",
        )
    # The image is rounded to 16 bits, those to the grey levels, and those fall into the bins.
    level = np.round(np.arange(1 << 16) / 65535 * (LEVELS - 1)).astype(np.uint16)
    bin_of = level // np.uint16(1 + LEVELS // bins)
    result = np.empty(array.shape, np.uint16)
    for values, numbers in zip(blocks(array), blocks(result)):
        share = (values - low) / spread
        numbers[...] = bin_of[np.rint(share * np.float32(65535)).astype(np.uint16)]
    return result


def _curves(binned, size, clip_limit, bins):
    """Return the curve of each region: new grey levels (…, bins), with one more region on each side."""
    counts = [n // k - 1 for n, k in zip(binned.shape, size)]
    voxels = int(np.prod(size))
    most = max(1, int(clip_limit * voxels)) if clip_limit > 0 else voxels
    curves = np.empty((*counts, bins), np.uint16)
    for index in np.ndindex(*counts):
        region = binned[tuple(slice(k // 2 + i * k, k // 2 + (i + 1) * k) for i, k in zip(index, size))]
        histogram = _clipped(np.bincount(region.ravel(), minlength=bins), most)
        curve = np.cumsum(histogram).astype(float) * ((LEVELS - 1) / voxels)
        curves[index] = np.minimum(curve, LEVELS - 1)
    return np.pad(curves, [(1, 1)] * len(size) + [(0, 0)], mode="edge")


def _clipped(histogram, most):
    """Return a histogram of at most `most` in a bin; what was over is spread over the bins with room left."""
    over = int(np.maximum(histogram - most, 0).sum())
    histogram = np.minimum(histogram, most)
    share = over // histogram.size
    roomy = histogram < most - share
    histogram[roomy] += share
    # Bins that are nearly full by now are filled; that can take more than there was, as in scikit-image.
    nearly = (histogram >= most - share) & (histogram < most)
    over -= int(roomy.sum()) * share + int((most - histogram[nearly]).sum())
    histogram[nearly] = most
    # The rest goes one by one to bins far apart, beginning one bin later in each round.
    while over > 0:
        left = over
        for start in range(histogram.size):
            room = histogram < most
            every = slice(start, None, max(1, int(room.sum()) // over))
            histogram[every] += room[every]
            over -= int(room[every].sum())
            if over <= 0:
                break
        if left == over:
            break
    return histogram


def _interpolate(binned, curves, size, first, before, result):
    """Write the new grey levels of one block: between the curves of the regions about it."""
    block = binned[tuple(slice(i * k, (i + 1) * k) for i, k in zip(first, size))]
    # The part of the block that is no padding.
    start = [i * k - b for i, k, b in zip(first, size, before)]
    inside = tuple(slice(max(0, -s), max(0, min(k, n - s))) for s, k, n in zip(start, size, result.shape))
    block = block[inside]
    if not block.size:
        return
    ndim = len(size)
    weights = []
    for axis, (k, part) in enumerate(zip(size, inside)):
        share = (np.arange(k) / k)[part].reshape([-1 if a == axis else 1 for a in range(ndim)])
        weights.append((1 - share, share))
    total = np.zeros(block.shape, np.float32)
    for edge in itertools.product((0, 1), repeat=ndim):
        curve = curves[tuple(i + e for i, e in zip(first, edge))]
        # From the last axis to the first, as the order of the products decides the last bit.
        weight = np.ones((1,) * ndim)
        for axis in reversed(range(ndim)):
            weight = weight * weights[axis][edge[axis]]
        total += (curve[block] * weight).astype(np.float32)
    result[tuple(slice(max(0, s), max(0, s) + n) for s, n in zip(start, block.shape))] = total

"""Where nnU-Net's sliding window puts its tiles, how they are weighted, and which can be left out."""

import itertools
import math

import numpy as np
from scipy import ndimage

STEP = 0.5  # of the tile's size; nnU-Net's default
SIGMA = 1 / 8  # of the tile's size
PEAK = 10.0  # nnU-Net's scale of the weights
MARGIN = 2  # voxels around the breast that are segmented too, so that nothing is interpolated from what was left out


def tile_starts(shape, tile):
    """Return the first voxels of the tiles along each axis, as nnU-Net places them.

    Parameters
    ----------
    shape, tile : sequence of int
        Of the image and of a tile, which is nowhere larger.

    Returns
    -------
    list of list of int
    """
    starts = []
    for length, size in zip(shape, tile):
        count = math.ceil((length - size) / (size * STEP)) + 1
        step = (length - size) / (count - 1) if count > 1 else 0.0
        starts.append([int(np.round(step * index)) for index in range(count)])
    return starts


def all_tiles(shape, tile):
    """Return the index of each tile in an image (z, y, x), in nnU-Net's order.

    Parameters
    ----------
    shape : sequence of int
    tile : sequence of int
        Three numbers, or two for a 2D network: then each slice has its own tiles.

    Returns
    -------
    list of tuple
        Slices; an integer first for a 2D network.
    """
    if len(tile) == 2:
        places = itertools.product(range(shape[0]), *tile_starts(shape[1:], tile))
        return [(z, *(slice(s, s + n) for s, n in zip(starts, tile))) for z, *starts in places]
    places = itertools.product(*tile_starts(shape, tile))
    return [tuple(slice(s, s + n) for s, n in zip(starts, tile)) for starts in places]


def covering_tiles(shape, tile):
    """Return as few of `all_tiles` as cover the image: about every second one along each axis.

    Parameters
    ----------
    shape, tile : sequence of int
        As for `all_tiles`.
    """
    axes = [_covering(starts, size) for starts, size in zip(tile_starts(shape[-len(tile) :], tile), tile)]
    first = [range(shape[0])] if len(tile) == 2 else []
    places = itertools.product(*first, *axes)
    count = len(first)
    return [(*place[:count], *(slice(s, s + n) for s, n in zip(place[count:], tile))) for place in places]


def _covering(starts, size):
    """Return as few starts as leave no gap."""
    chosen = [starts[0]]
    while chosen[-1] != starts[-1]:
        chosen.append(max(start for start in starts if chosen[-1] < start <= chosen[-1] + size))
    return chosen


def weights(tile):
    """Return nnU-Net's weight of each voxel of a tile: a Gaussian that is highest in the centre (float32).

    A Gaussian filter of one point is the product of its filters along each axis, which takes milliseconds.
    """
    product = np.ones((), np.float64)
    for size in tile:
        line = np.zeros(size)
        line[size // 2] = 1
        product = np.multiply.outer(product, ndimage.gaussian_filter1d(line, size * SIGMA, mode="constant"))
    product *= PEAK / product.max()
    product = product.astype(np.float32)
    return np.where(product == 0, product[product > 0].min(), product)


def mirrorings(axes):
    """Return every combination of the axes that a network may be mirrored along, without the empty one."""
    axes = tuple(axes or ())
    return [chosen for count in range(1, len(axes) + 1) for chosen in itertools.combinations(axes, count)]


def touching(tiles, mask):
    """Return the tiles that hold a voxel of `mask` (bool, z, y, x)."""
    return [tile for tile in tiles if mask[tile].any()]


def widened(mask, margin=MARGIN):
    """Return a mask (bool, z, y, x) with `margin` voxels more in every direction."""
    size = [2 * margin + 1 if length > 1 else 1 for length in mask.shape]
    return ndimage.maximum_filter(mask, size=size)

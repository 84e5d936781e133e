"""Exact figures of large float32 arrays in little memory: mean, standard deviation and percentiles, block by block.

A source of values is a function without arguments that returns an iterator over float32 blocks; it can be run through
several times.
"""

import numpy as np

BLOCK = 1 << 15  # voxels; a block and its float64 copy stay in the processor's cache


def blocks(array):
    """Yield views of an array, of about `BLOCK` voxels each; the same pieces for every array of one shape."""
    step = max(1, BLOCK * len(array) // max(array.size, 1))
    for start in range(0, len(array), step):
        part = array[start : start + step]
        if step == 1 and part.size > 4 * BLOCK and part.ndim > 1:
            yield from blocks(part[0])
        else:
            yield part


def moments(source):
    """Return the number of values, their mean and their population standard deviation, summed in double precision.

    Each block is summed around its own mean, so that a large offset costs no digits. NaN or infinite values make the
    mean or the deviation NaN or infinite.
    """
    count, mean, square = 0, 0.0, 0.0
    room = np.empty(0)  # asking for new memory takes longer than all the sums
    with np.errstate(invalid="ignore", over="ignore"):
        for block in source():
            if not block.size:
                continue
            if room.size < block.size:
                room = np.empty(block.size)
            values = room[: block.size]
            np.copyto(values.reshape(block.shape), block)
            middle = float(values.mean())
            values -= middle
            total = count + block.size
            apart = middle - mean
            values *= values  # not a dot product: for it BLAS wakes all its threads, block by block
            square += float(values.sum()) + apart * apart * count * (block.size / total)
            mean += apart * (block.size / total)
            count = total
        return count, mean, float(np.sqrt(square / count)) if count else float("nan")


def percentiles(source, percents):
    """Return percentiles of float32 values, equal to ``numpy.percentile`` of the same values as float64.

    The values are never copied or sorted: their bit patterns, made to sort as the values do, are counted by the upper
    16 bits, and those that share the upper bits of a wanted one by the lower 16 bits.

    Parameters
    ----------
    source : callable
        Without NaN (see `moments` for a check).
    percents : sequence of float
        0 to 100.

    Returns
    -------
    list of float
    """
    upper = np.zeros(1 << 16, np.int64)
    for block in source():
        upper += np.bincount(_keys(block) >> np.uint32(16), minlength=1 << 16)
    below = np.cumsum(upper)
    places = np.asarray(percents, np.float64) / 100 * (below[-1] - 1)
    ranks = {int(rank) for place in places for rank in (np.floor(place), np.ceil(place))}
    bins = {rank: int(np.searchsorted(below, rank, side="right")) for rank in ranks}
    lower = {number: np.zeros(1 << 16, np.int64) for number in set(bins.values())}
    for block in source():
        keys = _keys(block)
        high = (keys >> np.uint32(16)).astype(np.uint16)
        for number, counts in lower.items():
            counts += np.bincount(keys[high == number] & np.uint32(0xFFFF), minlength=1 << 16)
    values = {}
    for rank, number in bins.items():
        before = int(below[number - 1]) if number else 0
        low = int(np.searchsorted(np.cumsum(lower[number]), rank - before, side="right"))
        values[rank] = _value(number << 16 | low)
    return [_between(values[int(np.floor(p))], values[int(np.ceil(p))], p - np.floor(p)) for p in places]


def _keys(block):
    """Return uint32 keys that sort as the float32 values do (-0 counts as 0)."""
    # Adding 0 turns -0 into 0, which numpy takes for equal.
    bits = (np.ravel(block) + np.float32(0)).view(np.uint32)
    # Negative values have all bits inverted, so that the larger size comes first; the others get the upper bit.
    negative = (bits.view(np.int32) >> 31).view(np.uint32)
    bits ^= negative | np.uint32(1 << 31)
    return bits


def _value(key):
    """Return the float that has the sorting key."""
    bits = key ^ 0x80000000 if key & 0x80000000 else key ^ 0xFFFFFFFF
    return float(np.array(bits, np.uint32).view(np.float32))


def _between(low, high, share):
    """Interpolate linearly, from the nearer end, as numpy does."""
    step = high - low
    return high - step * (1 - share) if share >= 0.5 else low + step * share

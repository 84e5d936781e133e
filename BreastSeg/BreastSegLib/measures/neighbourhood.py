"""Sums over the 3 × 3 × 3 voxels about each voxel."""


def sum27(array):
    """Return for each voxel the sum over it and its neighbours (26 inside the array, fewer at its edge).

    Parameters
    ----------
    array : numpy.ndarray
        (z, y, x), of a type that holds the sums: unsigned bytes do for zeros and ones.

    Returns
    -------
    numpy.ndarray
        Of the same shape and type.
    """
    for axis in range(array.ndim):
        first = [slice(None)] * array.ndim
        last = list(first)
        first[axis], last[axis] = slice(None, -1), slice(1, None)
        total = array.copy()
        total[tuple(last)] += array[tuple(first)]
        total[tuple(first)] += array[tuple(last)]
        array = total
    return array

"""Arrays that the worker wrote, as the parent reads them."""

import numpy as np

from ..errors import BreastSegError


def load_array(path, shape, mapped=False):
    """Return an array of a worker's result.

    Parameters
    ----------
    path : str or Path
        ``.npy`` file, as the result message names it.
    shape : tuple of int
        (z, y, x) that the message promises.
    mapped : bool
        Leave it on the disk and read what is looked at; the file has to stay as long as the array is used.

    Raises
    ------
    BreastSegError
        If the file is missing, cut off, no array of numbers, or of another shape.
    """
    try:
        array = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = str(getattr(error, "strerror", None) or error).splitlines()[0][:200]
        raise _damaged(f"cannot be read: {reason}", path) from error
    if not isinstance(array, np.ndarray):  # an archive of arrays
        array.close()
        raise _damaged("is not an array", path)
    if array.shape != tuple(shape) or array.dtype.kind not in "buif":
        raise _damaged(f"is {array.dtype} of shape {array.shape}, expected numbers of shape {tuple(shape)}", path)
    return array


def _damaged(what, path):
    return BreastSegError(f"The worker's result {what}", path, "Run again; check the disk if it happens again")

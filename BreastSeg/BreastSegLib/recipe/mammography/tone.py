"""The tone curve of M3: the breast's darkest and brightest pixels become 0 and 1."""

import numpy as np

from ...errors import BadInput


def tone(image, mask, low_percent=2, high_percent=1):
    """Stretch the breast's values to 0..1: linear between two percentiles, cut off beyond them (M3).

    The lowest `low_percent` of the breast's pixels become 0, the highest `high_percent` 1. Percentiles are
    interpolated as NumPy does. Pixels outside the breast become 0: the published method leaves open what they are, and
    air is the darkest there is. A breast of one value (both ends equal) becomes 0.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x), tissue bright.
    mask : numpy.ndarray
        bool, (y, x): the breast.
    low_percent, high_percent : float
        Share of pixels cut off at each end, percent; together below 100.

    Returns
    -------
    toned : numpy.ndarray
        float32, (y, x), 0 to 1.
    ends : dict
        ``low`` and ``high``: the values that became 0 and 1.

    Raises
    ------
    BadInput
        If shapes differ, the mask is empty, the breast holds NaN or infinity, or the shares leave nothing between.
    """
    image, mask = np.asarray(image), np.asarray(mask, bool)
    if image.ndim != 2 or image.shape != mask.shape:
        raise BadInput("Image and mask of a tone curve have the same two axes", f"{image.shape} and {mask.shape}")
    if not (low_percent >= 0 and high_percent >= 0 and low_percent + high_percent < 100):
        raise BadInput(
            "The shares of a tone curve leave no pixel between them", f"{low_percent} % and {high_percent} %"
        )
    inside = np.asarray(image[mask], np.float32)
    if not inside.size:
        raise BadInput("A tone curve needs at least one breast pixel", "the mask is empty")
    if not (np.isfinite(inside.min()) and np.isfinite(inside.max())):
        raise BadInput("The breast holds values that are not finite", "", "Export the image again")
    low, high = (float(v) for v in np.percentile(inside, (low_percent, 100 - high_percent), overwrite_input=True))
    out = np.zeros(image.shape, np.float32)
    if high > low:
        np.subtract(image, np.float32(low), out=out, casting="unsafe")
        out *= np.float32(1 / (high - low))
        np.clip(out, 0, 1, out=out)
        out *= mask
    return out, {"low": low, "high": high}

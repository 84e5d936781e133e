"""The values of a mammogram as its file's first window or table shows them (M5)."""

import numpy as np

from ...errors import BadInput

ROWS = 256  # at a time


def apply_window(image, view, bits=16):
    """Show an image through its view's first window (M5: "VOI LUT applied, 16 bit").

    Equals ``pydicom.pixels.apply_voi_lut`` on the file's modality values, scaled to 0 .. 2^bits − 1 and inverted where
    the image is: tissue stays bright. A table (VOI LUT) is known to a view by 256 of its entries: tables of up to 256
    entries are followed exactly, longer ones linearly between those.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x), tissue bright: ``view.mirror`` minus the file's values, or those themselves where it is None.
    view : BreastSegLib.exam.mammograms.View
        Its first window is used.
    bits : int
        8 to 16.

    Returns
    -------
    numpy.ndarray
        float32, (y, x), 0 to 2^bits − 1, not rounded.

    Raises
    ------
    BadInput
        If the view has no window, the image has not two axes or holds NaN, or `bits` is out of range.
    """
    image = np.asarray(image)
    if image.ndim != 2:
        raise BadInput("A window is applied to an image with two axes", f"shape {image.shape}", "")
    if bits not in range(8, 17):
        raise BadInput("The bits of a window's result are 8 to 16", str(bits))
    if not view.windows:
        raise BadInput("The view has no window to show it through", view.name)
    shades = _shades(view.windows[0])
    out = np.empty(image.shape, np.float32)
    largest = 2**bits - 1
    for first in range(0, len(image), ROWS):
        rows = slice(first, first + ROWS)
        values = image[rows].astype(np.float64)
        if view.mirror is not None:
            np.subtract(view.mirror, values, out=values)
        share = shades(values)
        out[rows] = largest * (share if view.mirror is None else 1 - share)
    if np.isnan(out.sum(dtype=np.float64)):
        raise BadInput("The image holds values that are not numbers", view.name, "Export the image again")
    return out


def _shades(window):
    """Return the function from the file's values to 0 (lowest shade) .. 1."""
    if window.function == "SIGMOID":
        # 700: beyond, the exponential is too large for a double and the shade 0 anyway.
        return lambda v: 1 / (1 + np.exp(np.minimum(-4 * (v - window.centre) / window.width, 700)))
    if window.function == "LUT":
        places, kept = np.unique(np.rint(np.linspace(window.low, window.high, len(window.curve))), return_index=True)
        curve = np.asarray(window.curve)[kept]
        return lambda v: np.interp(v, places, curve)
    low, high = window.ends
    if window.function == "LINEAR" and window.width <= 1:
        return lambda v: np.where(v > low, 1.0, np.where(np.isnan(v), np.nan, 0.0))
    return lambda v: np.clip((v - low) / (high - low), 0, 1)

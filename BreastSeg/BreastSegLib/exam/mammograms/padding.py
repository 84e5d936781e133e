"""Pixels that were never exposed and hold a value that means nothing."""

import numpy as np

from ..dicom.values import integer, number


def padding_mask(data, stored):
    """Return where a DICOM image is padded, from its Pixel Padding Value (and Range Limit), or None.

    Parameters
    ----------
    data : pydicom.Dataset
    stored : numpy.ndarray
        Stored values (y, x), before any LUT.

    Returns
    -------
    numpy.ndarray or None
        bool, (y, x).
    """
    if number(data, "PixelPaddingValue") is None:
        return None
    bits = integer(data, "BitsAllocated", 16)
    stored_bits = integer(data, "BitsStored", bits)
    signed = integer(data, "PixelRepresentation", 0) == 1
    first = _as_stored(integer(data, "PixelPaddingValue"), bits, stored_bits, signed)
    last = integer(data, "PixelPaddingRangeLimit")
    last = first if last is None else _as_stored(last, bits, stored_bits, signed)
    mask = (stored >= min(first, last)) & (stored <= max(first, last))
    return mask if mask.any() else None


def padding_note(mask):
    """Return the sentence about padding."""
    count = int(mask.sum())
    return f"{count:,} pixels ({100 * count / mask.size:.0f} %) are padding: shown black, left out of windows."


def blacken(image, mask):
    """Give padding pixels the darkest value of the others, in place.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x), tissue bright.
    mask : numpy.ndarray or None
        bool, (y, x).
    """
    if mask is not None and not mask.all():
        image[mask] = image[~mask].min()


def _as_stored(value, bits, stored_bits, signed):
    """Return a padding value, which is often written with the wrong sign, in the range of the stored values."""
    value %= 2**bits
    if signed and value >= 2 ** (bits - 1):
        return value - 2**bits
    if not signed and value >= 2**stored_bits and stored_bits < bits:
        return int(value & (2**stored_bits - 1)) if value == 2**bits - 1 else value
    return int(np.int64(value))

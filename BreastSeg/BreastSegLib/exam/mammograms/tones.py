"""From stored values to what is seen: modality LUT, polarity, windows and VOI LUTs."""

import warnings

import numpy as np
from scipy import ndimage

from ...errors import BadInput
from ..dicom.values import integer, items, number, numbers, parts, text
from .breast import outline
from .view import CURVE_LENGTH, Window

RIM = 0.03  # of the image's longer side: what lies under the skin
SKIN = 0.2  # room below for the rim itself, of the core's range
SIGMOID_REACH = 1.5  # widths on either side of the centre, where the curve is within 0.3 % of its ends


def modality_values(data, stored, where):
    """Return modality values and the sum of the smallest and largest that the bits can hold.

    Parameters
    ----------
    data : pydicom.Dataset
    stored : numpy.ndarray
        Integers, (y, x).
    where : str

    Returns
    -------
    values : numpy.ndarray
        float32, (y, x).
    mirror : float
        An image inverted once is ``mirror - values``.

    Raises
    ------
    BadInput
        If the modality LUT is damaged.
    """
    if items(data, "ModalityLUTSequence"):
        from pydicom.pixels import apply_modality_lut

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                bare, (_, _, depth) = _one_lut(data, "ModalityLUTSequence", 0)
                # pydicom knows tables of 8 and 16 bits; others have their values in 16.
                bare.ModalityLUTSequence[0].LUTDescriptor[2] = 8 if depth == 8 else 16
                values = np.asarray(apply_modality_lut(stored, bare), np.float32)
        except Exception as error:  # noqa: BLE001 - a damaged table raises almost any exception
            raise BadInput("The modality LUT is damaged", where, "Export the image again") from error
        return values, float(2**depth - 1)
    slope, intercept = _rescale(data)
    low, high = stored_range(data)
    values = stored.astype(np.float32)
    if slope != 1:
        values *= np.float32(slope)
    if intercept:
        values += np.float32(intercept)
    return values, slope * (low + high) + 2 * intercept


def stored_range(data):
    """Return the smallest and largest value that the bits stored can hold."""
    bits = integer(data, "BitsStored") or integer(data, "BitsAllocated", 16)
    signed = integer(data, "PixelRepresentation", 0) == 1
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def windows_of(data):
    """Return the windows that a DICOM image brings, its VOI LUTs first, and notes about useless ones.

    Parameters
    ----------
    data : pydicom.Dataset

    Returns
    -------
    windows : list of Window
    notes : list of str
    """
    windows, notes = [], []
    for index, _ in enumerate(items(data, "VOILUTSequence")):
        found = _lut(data, index)
        windows += [found] if found else []
        notes += [] if found else ["A VOI LUT of the file is damaged and not used."]
    centres, widths = numbers(data, "WindowCenter"), numbers(data, "WindowWidth")
    if len(centres) != len(widths):
        notes.append("The file gives different numbers of window centres and widths; the pairs are used.")
    function = text(data, "VOILUTFunction").upper() or "LINEAR"
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        notes.append("The file names an unknown VOI LUT function; its windows are taken as linear.")
        function = "LINEAR"
    names = parts(data, "WindowCenterWidthExplanation")
    useless = 0
    for index, (centre, width) in enumerate(zip(centres, widths)):
        if width <= 0 or function == "LINEAR" and width < 1:
            useless += 1
            continue
        name = names[index] if index < len(names) and names[index] else f"window {index + 1}"
        windows.append(_sigmoid(data, name, index) if function == "SIGMOID" else Window(name, function, centre, width))
    if useless:
        notes.append(f"{useless} window{'s' * (useless != 1)} of the file without a positive width not used.")
    return windows, notes


def percentile_window(image, padding, mirror):
    """Return a window made from the grey values of the breast.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x), tissue bright.
    padding : numpy.ndarray or None
        bool, (y, x).
    mirror : float or None
        As in `View`: the window is given in the file's own units.

    Returns
    -------
    Window
    """
    found = outline(image, padding)
    # Raw values fall steeply where the breast gets thin towards the skin: that rim would take up most of the window.
    core = ndimage.binary_erosion(found.mask, iterations=max(1, round(RIM * max(found.mask.shape))), border_value=1)
    inside = found.small[core if core.sum() >= 100 else found.mask]
    if inside.size < 100:
        valid = image if padding is None or padding.all() else image[~padding]
        inside = valid.ravel()[:: max(1, valid.size // 100_000)]
        name = "from the grey values of the image"
    else:
        name = "from the grey values of the breast"
    low, high = (float(v) for v in np.percentile(inside, (1, 99.8)))
    low -= SKIN * (high - low)
    high = max(high, low + 1e-3 * max(abs(low), 1))
    centre = (low + high) / 2
    return Window(name, "LINEAR_EXACT", centre if mirror is None else mirror - centre, high - low)


def tone_of(view, window=0):
    """Return how the image of a view is shown: tissue bright, whatever the file's polarity.

    Parameters
    ----------
    view : View
    window : int
        Which of the view's windows.

    Returns
    -------
    dict
        ``window`` and ``level`` in the units of the image (tissue bright); ``curve``: None for a straight line, else
        256 grey values, 0 black to 1 white, over ``level ∓ window / 2``.

    Raises
    ------
    BadInput
        If the view has no such window.
    """
    if not 0 <= window < len(view.windows):
        raise BadInput(f"The view has no window {window}", view.name, f"It has {len(view.windows)}")
    chosen = view.windows[window]
    low, high = chosen.ends
    curve = None if chosen.curve is None else list(chosen.curve)
    if view.mirror is not None:
        low, high = view.mirror - high, view.mirror - low
        curve = None if curve is None else [1.0 - grey for grey in reversed(curve)]
    return {"window": float(high - low), "level": float((low + high) / 2), "curve": curve}


def _rescale(data):
    slope = number(data, "RescaleSlope", 1.0)
    intercept = number(data, "RescaleIntercept", 0.0)
    # A slope of 0 would wipe out the image; such files mean that there is no rescale.
    return (slope, intercept) if slope else (1.0, 0.0)


def _lut(data, index):
    """Return the window of a VOI LUT, its curve sampled from pydicom's own result, or None when damaged."""
    from pydicom.pixels import apply_voi

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            bare, (entries, first, depth) = _one_lut(data, "VOILUTSequence", index)
            last = first + entries - 1
            places = np.rint(np.linspace(first, last, CURVE_LENGTH)).astype(np.int64)
            shades = np.asarray(apply_voi(places, bare), float)
        largest = float(np.max(shades))
        # Some files state 16 bits and use 12: take the bits in use then.
        top = 2.0**depth - 1
        if largest > top or largest < top / 2:
            top = 2.0 ** np.ceil(np.log2(largest + 1)) - 1
        name = text(bare.VOILUTSequence[0], "LUTExplanation") or f"LUT {index + 1}"
        return Window(name, "LUT", (first + last) / 2, last - first, shades / top, float(first), float(last))
    except Exception:  # noqa: BLE001 - a damaged table raises almost any exception
        return None


def _one_lut(data, name, index):
    """Return a data set with one LUT of a sequence, and its entries, first value and bits as they are meant."""
    from pydicom.dataset import Dataset

    original = data[name].value[index]
    entries, first, depth = (int(v) for v in original.LUTDescriptor)
    # The first value is written unsigned even where the pixels are signed.
    if integer(data, "PixelRepresentation", 0) == 1 and first > 2**15 - 1:
        first -= 2**16
    item, bare = Dataset(), Dataset()
    bare.file_meta = data.file_meta  # the byte order of tables written as bytes
    item.update(original)
    item.add_new("LUTDescriptor", "SS", [entries, first, depth])
    setattr(bare, name, [item])
    bare.PixelRepresentation = integer(data, "PixelRepresentation", 0)
    return bare, (entries or 2**16, first, depth)


def _sigmoid(data, name, index):
    from pydicom.dataset import Dataset
    from pydicom.pixels import apply_windowing

    centre, width = numbers(data, "WindowCenter")[index], numbers(data, "WindowWidth")[index]
    bare = Dataset()
    bare.VOILUTFunction, bare.PhotometricInterpretation = "SIGMOID", "MONOCHROME2"
    bare.BitsStored, bare.PixelRepresentation = 16, 0
    low, high = centre - SIGMOID_REACH * width, centre + SIGMOID_REACH * width
    bare.WindowCenter, bare.WindowWidth = f"{centre:.10g}", f"{width:.10g}"
    shades = apply_windowing(np.linspace(low, high, CURVE_LENGTH), bare) / (2.0**16 - 1)
    return Window(name, "SIGMOID", centre, width, shades, low, high)

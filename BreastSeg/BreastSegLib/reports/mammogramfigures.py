"""The pictures of a mammography exam's report: every view with its lesions, and close-ups of the largest."""

import numpy as np
from scipy import ndimage

from ..measures.lesions import bounding_box
from . import drawing
from .blocks import Figure
from .facts import lesion_name
from .framing import air_level

HEIGHT = 760  # pixels of a view
CLOSE = 420  # of a close-up
SMALL = 400  # pixels of the longer side of the copy that the breast is looked for in
RIM = 0.02  # of the image's longer side, around the breast
CLOSEST_MM, CLOSEST_SHARE = 12.0, 0.04  # least half width of a close-up, in mm or of the longer side
LETTERS, NUMBERED, CLOSE_UPS = 28, 20, 4


def view_figures(exam, masks, rows):
    """Return a picture of each view with the outlines and numbers of its lesions.

    Parameters
    ----------
    exam : MammographyExam
    masks : sequence of Volume or None
        One for each view.
    rows : list of dict
        Lesions as measured, with ``view_index``.

    Returns
    -------
    list of Figure
    """
    figures = []
    for index, (view, image, mask) in enumerate(zip(exam.views, exam.images, masks)):
        found = [row for row in rows if row.get("view_index") == index]
        plane = image.array[0]
        piece = breast_piece(plane, mask)
        picture = _drawn(view, image, mask, piece, HEIGHT)
        for row in found[:NUMBERED]:
            _number(picture, row, piece)
        if mask is None:
            told = "not segmented"
        else:
            told = f"{len(found)} lesion{'s' if len(found) > 1 else ''}" if found else "no lesion"
        figures.append(_figure(picture, view, image, piece, f"{view.title} ({told})", view.name))
    return figures


def close_ups(exam, masks, rows):
    """Return close-ups of the largest lesions, with their outlines.

    Parameters
    ----------
    exam, masks, rows
        As for `view_figures`.

    Returns
    -------
    list of Figure
    """
    figures = []
    for row in rows[:CLOSE_UPS]:
        index = row.get("view_index", 0)
        view, image, mask = exam.views[index], exam.images[index], masks[index]
        height, width = image.array.shape[1:]
        x, y = row["centroid_px"]
        pixel = image.geometry.spacing[0] if view.spacing else None
        length = (row.get("longest_px") or 1) * 1.1
        least = CLOSEST_MM / pixel if pixel else CLOSEST_SHARE * max(height, width)
        half = min(max(length, least), max(height, width) / 2)
        piece = (_around(y, half, height), _around(x, half, width))
        picture = _drawn(view, image, mask, piece, CLOSE)
        name = f"Lesion {lesion_name(row)}" if len(rows) > 1 else f"The lesion in {view.name}"
        figures.append(_figure(picture, view, image, piece, f"{name}, close up", ""))
    return figures


def breast_piece(plane, mask=None):
    """Return the slices (rows, columns) of a mammogram that hold the breast and all lesions.

    Parameters
    ----------
    plane : numpy.ndarray
        (y, x), tissue bright.
    mask : Volume, optional
    """
    step = max(1, -(-max(plane.shape) // SMALL))
    small = np.asarray(plane[::step, ::step], np.float32)
    inside = ndimage.binary_opening(small > air_level(small), np.ones((3, 3)))
    labels, count = ndimage.label(inside)
    if count:
        inside = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    found = bounding_box(inside)
    piece = [slice(0, n) for n in plane.shape]
    if found is not None:
        piece = [slice(s.start * step, min(n, s.stop * step)) for s, n in zip(found, plane.shape)]
    held = None if mask is None else bounding_box(mask.array[0])
    rim = round(RIM * max(plane.shape))
    for axis, count in enumerate(plane.shape):
        ends = [piece[axis].start, piece[axis].stop]
        if held is not None:
            ends = [min(ends[0], held[axis].start), max(ends[1], held[axis].stop)]
        piece[axis] = slice(max(0, ends[0] - rim), min(count, ends[1] + rim))
    return tuple(piece)


def tone(view, plane):
    """Return the values shown black and white and the curve between (None: straight) of a view's first window.

    Parameters
    ----------
    view : View
    plane : numpy.ndarray
        Values to go by where the view brings no window.
    """
    if not view.windows:
        low, high = np.percentile(plane[::4, ::4], (1, 99.8))
        return float(low), float(max(high, low + 1e-3)), None
    window = view.windows[0]
    low, high = window.ends
    curve = None if window.curve is None else list(window.curve)
    if view.mirror is not None:  # the window is told in the values of the file, which are the other way round
        low, high = view.mirror - high, view.mirror - low
        curve = None if curve is None else [1.0 - grey for grey in reversed(curve)]
    return float(low), float(high), curve


def _drawn(view, image, mask, piece, height):
    low, high, curve = tone(view, image.array[0])
    spacing = image.geometry.spacing[:2]
    picture = drawing.grey_picture(_reduced(image.array[0][piece], height), spacing, height, low, high, curve)
    return picture if mask is None else drawing.draw_outline(picture, mask.array[0][piece] != 0)


def _reduced(plane, height):
    """Return means over blocks of pixels, so that a large image made small does not grain."""
    step = plane.shape[0] // (2 * height)
    if step < 2 or min(plane.shape) < step:
        return plane
    rows, columns = (n // step * step for n in plane.shape)
    blocks = np.asarray(plane[:rows, :columns], np.float32).reshape(rows // step, step, columns // step, step)
    return blocks.mean(axis=(1, 3))


def _number(picture, row, piece):
    scale = picture.size[0] / (piece[1].stop - piece[1].start), picture.size[1] / (piece[0].stop - piece[0].start)
    x, y = ((v - part.start + 0.5) * s for v, part, s in zip(row["centroid_px"], piece[::-1], scale))
    away = (row.get("longest_px") or 1) / 2 * scale[0] + LETTERS * 0.6
    x = x + away if x + away < picture.size[0] - LETTERS else x - away
    drawing.write_text(picture, (x, y), str(row["label"]), LETTERS)


def _around(middle, half, count):
    low = int(np.clip(middle - half, 0, count - 1))
    return slice(low, max(low + 1, int(np.clip(middle + half + 1, 1, count))))


def _figure(picture, view, image, piece, caption, name):
    if name:
        drawing.write_text(picture, (LETTERS * 0.4, LETTERS * 0.4), name, LETTERS, "lt")
    if view.spacing:
        drawing.draw_scale_bar(picture, (piece[1].stop - piece[1].start) * image.geometry.spacing[0], LETTERS)
    return Figure(drawing.as_jpeg(picture), caption, picture.size)

"""The steps of mammography recipes: each takes a picture and returns the next one, with the numbers that it used."""

from dataclasses import replace

import numpy as np

from ...errors import BadInput
from ...exam.mammograms.breast import chest_wall, outline
from .. import ops, regions
from ..clahe import equalize
from .breast import find_breast
from .tone import tone
from .voi import apply_window
from .wiener import wiener


def run_step(picture, step):
    """Return the picture after a step of a recipe, its parameters and figures written down.

    Parameters
    ----------
    picture : Picture
    step : dict
        ``step`` and all its parameters (`recipe.schema`).

    Raises
    ------
    BadInput
    """
    parameters = {key: value for key, value in step.items() if key != "step"}
    picture, figures = STEPS[step["step"]](picture, **parameters)
    return replace(picture, steps=(*picture.steps, {**step, **figures}))


def polarity(picture):
    """Say how the file stores tissue (M3). Reading has made tissue bright already, so nothing is inverted twice."""
    stored = picture.view.polarity or "unknown"
    return picture, {"stored": stored, "inverted": picture.view.mirror is not None}


def voi_lut(picture, bits):
    """Show the values through the file's first window or table (M5)."""
    window = picture.view.windows[0] if picture.view.windows else None
    if window is None:
        raise BadInput(
            "The mammogram has no window or VOI LUT", picture.view.name, "Choose a recipe without the step voi-lut"
        )
    return replace(picture, image=apply_window(picture.image, picture.view, bits)), {"window": window.name}


def wiener_filter(picture, size):
    """Filter noise (M4)."""
    return replace(picture, image=wiener(picture.image, size)), {}


def clahe(picture, kernel, clip_limit, bins):
    """Equalise the histogram locally (M4)."""
    return replace(picture, image=equalize(picture.image, kernel, clip_limit, bins)), {}


def breast_mask(picture, level, iterations, element):
    """Find the breast (M3)."""
    found = find_breast(picture.image, level, iterations, element)
    picture = replace(picture, breast=found.mask, found=found.found)
    return picture.noted(found.note), {"threshold": _plain(found.threshold), "found": found.found}


def crop_to_breast(picture, margin):
    """Keep the bounding box of the breast and a margin, inside the image (M3)."""
    low, high = [0], [1]
    for axis, size in enumerate(picture.image.shape):
        places = np.flatnonzero(picture.breast.any(axis=1 - axis))
        low.append(max(int(places[0]) - margin, 0))
        high.append(min(int(places[-1]) + 1 + margin, size))
    return _cropped(picture, low, high), {"box": [low[2], low[1], high[2], high[1]]}


def flip_to_left(picture):
    """Mirror a right breast (M3: laterality tag, else inferred from intensity).

    A view that is stored upside down is turned upright, too: its chest wall lies on the other edge, and mirrored alone
    a right breast would look like no left one. One that is stored on its side has its chest wall at the top or bottom;
    it is mirrored across that edge and stays on its side.
    """
    name, turn = picture.view.name, picture.view.turn
    side, evidence = picture.view.laterality, picture.view.evidence
    seen = _side_seen(picture)
    if not side:
        side, evidence = seen, "chest wall in the image"
    if not side:
        note = f"{name}: the side is unknown and the image does not show it, so nothing was flipped."
        picture, evidence = picture.noted(note), "unknown"
    elif seen and seen != side:
        picture = picture.noted(f"{name}: the chest wall lies on the other edge than that of a {_word(side)} breast.")
    axes = {2} if turn in (0, 180) else {1}
    axes = axes if side == "R" else set()
    if turn == 180:
        axes ^= {1, 2}
    elif turn:
        picture = picture.noted(f"{name}: the image is stored on its side and was not turned upright.")
    for axis in sorted(axes):
        picture = _flipped(picture, axis)
    figures = {"flipped": side == "R", "evidence": evidence}
    return picture, {**figures, "turned": 180} if turn == 180 else figures


def tone_curve(picture, low_percent, high_percent):
    """Spread the breast's values over 0 to 1 (M3)."""
    _inside_breast(picture)
    image, figures = tone(picture.image, picture.breast, low_percent, high_percent)
    return replace(picture, image=image), figures


def region(picture, margin, point_size_mm):
    """Cut out a square around a lesion (M4); `point_size_mm` was used when the region was read."""
    if picture.region is None:
        raise BadInput(
            "The recipe cuts out a region around a lesion, and none is given",
            picture.view.name,
            "Draw a box around the lesion, place a point, or give its mask",
        )
    box = picture.region.box
    for op in picture.undo:
        box = ops.box_after(op, box)
    given, shape = picture.region, picture.image.shape
    square = regions.square_of(box, shape) if given.exact else regions.square_around(box, margin, shape)
    x0, y0, x1, y1 = square
    figures = {"given": given.to_json(), "square": [x0, y0, x1, y1]}
    return _cropped(picture, [0, y0, x0], [1, y1, x1]), figures


def resize_and_pad(picture, size, place):
    """Scale the longer edge to `size` pixels and pad the shorter one with the darkest value (M4, M5).

    Shrinking smooths first, against aliasing; the published code does not say how it scales.
    """
    from skimage.transform import resize  # not bundled with Slicer

    rows, columns = picture.image.shape
    factor = size / max(rows, columns)
    shape = [1, min(size, max(1, round(rows * factor))), min(size, max(1, round(columns * factor)))]
    op = {"op": "resize", "from": [1, rows, columns], "to": shape}
    shrinks = shape[1] < rows or shape[2] < columns
    image = resize(picture.image, shape[1:], order=1, mode="edge", anti_aliasing=shrinks, preserve_range=True)
    breast = None
    if picture.breast is not None:
        breast = ops.labels_forward(op, picture.breast[None].view(np.uint8))[0].astype(bool)
    picture = picture.moved(op, np.asarray(image, np.float32), breast)
    spare = [size - shape[1], size - shape[2]]
    before = [0, 0] if place == "start" else [n // 2 for n in spare]
    low, high = [0, -before[0], -before[1]], [1, size - before[0], size - before[1]]
    return _cropped(picture, low, high), {"factor": _plain(factor)}


def z_score(picture, scope, epsilon):
    """Subtract the mean and divide by the standard deviation plus `epsilon` (M3: over the breast's pixels)."""
    if scope == "breast":
        _inside_breast(picture)
    values = picture.image[picture.breast] if scope == "breast" else picture.image
    mean = float(values.mean(dtype=np.float64))
    deviation = float(values.std(dtype=np.float64))
    if not deviation > 1e-8 * max(abs(mean), 1e-30):
        raise BadInput("The image is constant: every pixel has the same value", picture.view.name, "Choose another")
    image = (picture.image - np.float32(mean)) * np.float32(1 / (deviation + epsilon))
    return replace(picture, image=image), {"mean": _plain(mean), "standard_deviation": _plain(deviation)}


def min_max(picture):
    """Spread the values over 0 to 1 (M4)."""
    low, high = float(picture.image.min()), float(picture.image.max())
    if not high > low:
        raise BadInput("The image is constant: every pixel has the same value", picture.view.name, "Choose another")
    image = (picture.image - np.float32(low)) * np.float32(1 / (high - low))
    return replace(picture, image=image), {"low": _plain(low), "high": _plain(high)}


STEPS = {
    "polarity": polarity,
    "voi-lut": voi_lut,
    "wiener": wiener_filter,
    "clahe": clahe,
    "breast-mask": breast_mask,
    "crop-to-breast": crop_to_breast,
    "flip-to-left": flip_to_left,
    "tone": tone_curve,
    "region": region,
    "resize-and-pad": resize_and_pad,
    "z-score": z_score,
    "min-max": min_max,
}


def _cropped(picture, low, high):
    shape = list(picture.geometry.shape)
    if low == [0, 0, 0] and high == shape:
        return picture
    op = {"op": "crop", "low": low, "high": high, "shape": shape}
    image = ops.forward(op, picture.image[None], float(picture.image.min()))[0]
    breast = None if picture.breast is None else ops.forward(op, picture.breast[None], False)[0]
    return picture.moved(op, np.ascontiguousarray(image), breast)


def _flipped(picture, axis):
    op = {"op": "flip", "axis": axis, "shape": list(picture.geometry.shape)}
    breast = None if picture.breast is None else np.ascontiguousarray(np.flip(picture.breast, axis - 1))
    return picture.moved(op, np.ascontiguousarray(np.flip(picture.image, axis - 1)), breast)


def _side_seen(picture):
    """Return the side that the chest wall shows, '' where it is not clear.

    A region shows the edge of a lesion and padding that of the picture, so after them the whole frame is looked at.
    """
    cut = picture.whole is not None and any(row["step"] in ("region", "resize-and-pad") for row in picture.steps)
    wall = chest_wall(outline(picture.whole if cut else picture.image))
    if picture.view.turn in (90, 270):
        return ""
    sides = {"left": "R", "right": "L"} if picture.view.turn == 180 else {"left": "L", "right": "R"}
    return sides.get(wall, "")


def _inside_breast(picture):
    """Refuse figures of the breast where the picture shows none of it, as a region beside it does."""
    if not picture.breast.any():
        raise BadInput(
            "The region shows no breast, and the recipe takes figures of the breast there",
            picture.view.name,
            "Draw the region on the breast, or choose another recipe",
        )


def _word(side):
    return {"L": "left", "R": "right"}[side]


def _plain(value):
    """Return a float, or None where it is not finite: JSON has no NaN."""
    return float(value) if np.isfinite(value) else None

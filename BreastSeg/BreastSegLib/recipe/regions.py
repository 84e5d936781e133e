"""Regions around lesions of a mammogram: given as a box, a point or a mask (M4: each lesion is one sample)."""

from dataclasses import dataclass

import numpy as np

from ..errors import BadInput

SMALLEST = 8  # pixels; less shows no lesion


@dataclass(frozen=True)
class Region:
    """A part of a mammogram that holds one lesion.

    Parameters
    ----------
    box : tuple of int
        (x0, y0, x1, y1), pixel indices of the view's image, half-open.
    view : str
        Name of the view (``LCC``); '' where the exam has one view.
    exact : bool
        Whether the box is the whole region, as for a point with a size; else a margin is added around it.

    Raises
    ------
    BadInput
        If the box is not four whole numbers, or it is empty.
    """

    box: tuple
    view: str = ""
    exact: bool = False

    def __post_init__(self):
        try:
            box = tuple(int(v) for v in self.box)
            whole = all(int(v) == v for v in self.box)
        except (TypeError, ValueError, OverflowError):
            box, whole = (), False
        if len(box) != 4 or not whole:
            raise BadInput("A region's box is not four whole pixel numbers", str(self.box), "Give x0, y0, x1, y1")
        if box[2] <= box[0] or box[3] <= box[1]:
            raise BadInput("A region's box is empty", str(box), "x1 and y1 come after x0 and y0")
        object.__setattr__(self, "box", box)

    def to_json(self):
        """dict: the region, JSON-ready."""
        return {"box": list(self.box), "view": self.view, "exact": self.exact}


def read_region(record, spacing_of=None, point_size_mm=40.0):
    """Return the `Region` that a JSON object describes.

    Parameters
    ----------
    record : dict
        ``{"box": [x0, y0, x1, y1]}`` or ``{"point": [x, y]}`` in pixel indices, with ``view`` (name), ``size_mm`` or
        ``size`` in pixels for a point.
    spacing_of : callable, optional
        ``spacing_of(view name)`` returns the pixel size (x, y) in mm, or None where no tag tells it.
    point_size_mm : float
        Edge of the region around a point without a size.

    Raises
    ------
    BadInput
        If it is neither, a number is wrong, or a point needs a pixel size that is unknown.
    """
    if not isinstance(record, dict) or ("box" in record) == ("point" in record):
        raise BadInput("A region is a box or a point", str(record), "Give box: x0, y0, x1, y1, or point: x, y")
    view = str(record.get("view") or "")
    if "box" in record:
        if not isinstance(record["box"], (list, tuple)):
            raise BadInput("A region's box is not four whole pixel numbers", str(record["box"]))
        return Region(tuple(record["box"]), view, bool(record.get("exact", False)))
    x, y = _numbers(record["point"], 2, "point")
    if "size" in record:
        (size,) = _numbers([record["size"]], 1, "size")
        half = (size / 2, size / 2)
    else:
        (size,) = _numbers([record.get("size_mm", point_size_mm)], 1, "size in mm")
        spacing = spacing_of(view) if spacing_of is not None else None
        if spacing is None:
            raise BadInput(
                "The pixel size of the view is unknown, so a region around a point has no size", view, "Draw a box"
            )
        half = tuple(size / value / 2 for value in spacing)
    if not size > 0:
        raise BadInput("A region's size is not positive", f"{size:g}")
    low = [int(round(centre + 0.5 - part)) for centre, part in zip((x, y), half)]
    high = [max(int(round(centre + 0.5 + part)), first + 1) for centre, part, first in zip((x, y), half, low)]
    return Region((*low, *high), view, exact=True)


def regions_of_mask(mask, view=""):
    """Return one `Region` for each connected lesion of a mask, in array order.

    Parameters
    ----------
    mask : numpy.ndarray
        (y, x) or (1, y, x); any label counts. Pixels that touch by a corner are connected.
    view : str

    Raises
    ------
    BadInput
        If the mask is empty.
    """
    from scipy import ndimage

    labels, count = ndimage.label(np.asarray(mask).reshape(np.shape(mask)[-2:]) != 0, np.ones((3, 3)))
    if not count:
        raise BadInput("The mask is empty, so it holds no region", view, "Choose the mask of the lesions")
    boxes = ndimage.find_objects(labels)
    return [Region((columns.start, rows.start, columns.stop, rows.stop), view) for rows, columns in boxes]


def square_around(box, margin, shape):
    """Return the square (x0, y0, x1, y1) around a box, moved into the image where it fits.

    The published method crops "around each lesion" without saying how much: the edge is the box's longer edge and
    `margin` of it on each side, so that the network sees the surroundings and nothing is distorted. Near the border
    the square is moved inwards; it reaches beyond the image only where the image is smaller than the square.

    Parameters
    ----------
    box : tuple of int
        Half-open, in pixels.
    margin : float
        Share of the longer edge.
    shape : tuple of int
        (y, x) of the image.

    Raises
    ------
    BadInput
        If the box lies outside the image.
    """
    height, width = shape
    x0, y0, x1, y1 = box
    if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
        raise BadInput("The region lies outside the image", f"{list(box)}, image {width} × {height}", "Draw it inside")
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    edge = max(SMALLEST, int(round(max(x1 - x0, y1 - y0) * (1 + 2 * margin))))
    left, top = _placed(x0, x1, edge, width), _placed(y0, y1, edge, height)
    return left, top, left + edge, top + edge


def square_of(box, shape):
    """Return the square (x0, y0, x1, y1) that is given as a whole, moved into the image where it fits.

    Its edge is the box's longer one, also at the border, but at most the image's longer one.

    Parameters
    ----------
    box : tuple of int
        Half-open, in pixels.
    shape : tuple of int
        (y, x) of the image.

    Raises
    ------
    BadInput
        If the middle of the box lies outside the image.
    """
    height, width = shape
    x0, y0, x1, y1 = box
    if not (-1 <= x0 + x1 <= 2 * width + 1 and -1 <= y0 + y1 <= 2 * height + 1):
        middle = f"middle {(x0 + x1) // 2}, {(y0 + y1) // 2}; image {width} × {height}"
        raise BadInput("The region lies outside the image", middle, "Draw it inside")
    edge = max(SMALLEST, min(max(x1 - x0, y1 - y0), max(width, height)))
    left, top = _placed(x0, x1, edge, width), _placed(y0, y1, edge, height)
    return left, top, left + edge, top + edge


def _placed(low, high, edge, size):
    """Return where an edge begins that is centred on low … high and lies inside 0 … size where it fits."""
    first = (low + high - edge) // 2
    return (size - edge) // 2 if edge > size else min(max(first, 0), size - edge)


def _numbers(values, count, name):
    try:
        numbers = [float(v) for v in values]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) != count or not np.all(np.isfinite(numbers)):
        raise BadInput(f"A region's {name} is not {count} numbers" if count > 1 else f"A region's {name} is no number")
    return numbers

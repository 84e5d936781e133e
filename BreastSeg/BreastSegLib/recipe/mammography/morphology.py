"""Iterated erosion and dilation of masks at the cost of a few passes, however many iterations there are."""

import numpy as np

from ...errors import BadInput

ELEMENTS = ("cross", "square")


def erode(mask, iterations, element="cross", outside=False):
    """Erode a mask as often as asked for.

    Equals ``scipy.ndimage.binary_erosion(mask, structure, iterations, border_value=outside)`` pixel by pixel. (There,
    0 iterations mean "until nothing changes"; here the mask stays as it is.)

    n iterations look at a diamond (cross) or a square of radius n. A square is a row and a column of 2n + 1 pixels;
    a diamond is one cross and two diagonals of n pixels. A line of any length takes log2 of its length passes,
    because the same pixel may be looked at twice.

    Parameters
    ----------
    mask : array_like
        bool, (y, x).
    iterations : int
        0 or more.
    element : {'cross', 'square'}
        4 neighbours, or 8.
    outside : bool
        Whether what lies outside the image counts as part of the mask.

    Returns
    -------
    numpy.ndarray
        bool, (y, x).

    Raises
    ------
    BadInput
        If the mask has not two axes, the iterations are negative, or the element is not known.
    """
    mask, n = _checked(mask, iterations, element)
    if outside:
        return ~dilate(~mask, n, element)
    box = _box(mask)
    if n == 0 or box is None:
        return mask.copy()
    out = np.zeros(mask.shape, bool)
    part = mask[box]
    if min(part.shape) > 2 * n:
        rows, columns = (slice(b.start + n, b.stop - n) for b in box)
        out[rows, columns] = _probe(part, n, element, np.logical_and)
    return out


def dilate(mask, iterations, element="cross"):
    """Dilate a mask as often as asked for.

    Equals ``scipy.ndimage.binary_dilation(mask, structure, iterations, border_value=0)`` pixel by pixel, with the
    exception and by the method of `erode`.

    Parameters
    ----------
    mask, iterations, element
        As for `erode`.

    Returns
    -------
    numpy.ndarray
        bool, (y, x).

    Raises
    ------
    BadInput
        As `erode` does.
    """
    mask, n = _checked(mask, iterations, element)
    box = _box(mask)
    if n == 0 or box is None:
        return mask.copy()
    n = min(n, sum(mask.shape))  # more steps than that reach no further pixel
    # What the mask can reach, within the image, and around that what has to be looked at.
    reach = [slice(max(b.start - n, 0), min(b.stop + n, size)) for b, size in zip(box, mask.shape)]
    part = np.zeros([r.stop - r.start + 2 * n for r in reach], bool)
    part[tuple(slice(b.start - r.start + n, b.stop - r.start + n) for b, r in zip(box, reach))] = mask[box]
    out = np.zeros(mask.shape, bool)
    out[tuple(reach)] = _probe(part, n, element, np.logical_or)
    return out


def check(iterations, element):
    """Raise `BadInput` unless the iterations are a whole number, 0 or more, and the element is known."""
    if element not in ELEMENTS:
        raise BadInput(f"The element is one of {', '.join(ELEMENTS)}", str(element))
    if int(iterations) != iterations or iterations < 0:
        raise BadInput("The number of iterations is a whole number, 0 or more", str(iterations))


def _checked(mask, iterations, element):
    mask = np.asarray(mask)
    if mask.ndim != 2:
        raise BadInput("A mask to erode or dilate has two axes", f"shape {mask.shape}")
    check(iterations, element)
    return mask.astype(bool, copy=False), int(iterations)


def _box(mask):
    """Return the slices of the bounding box, or None for an empty mask."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _probe(part, n, element, join):
    """Return all (and) or any (or) of the pixels within n steps, for pixels at least n away from every edge."""
    if element == "square":
        return _line(_line(part, 2 * n + 1, (1, 0), join), 2 * n + 1, (0, 1), join)
    part = _line(_line(part, n, (1, 1), join), n, (1, -1), join)
    joined = join(part[:-2, 1:-1], part[2:, 1:-1])
    for neighbour in (part[1:-1, :-2], part[1:-1, 2:], part[1:-1, 1:-1]):
        join(joined, neighbour, out=joined)
    return joined


def _line(part, length, direction, join):
    """Return `length` pixels along a direction joined, wherever the whole line lies inside `part`."""
    done = 1
    while done < length:
        shift = min(done, length - done)  # lines may overlap: a pixel counted twice changes nothing
        first, second = [], []
        for step, size in zip(direction, part.shape):
            near, far = slice(0, size - shift), slice(shift, size)
            first.append(slice(None) if step == 0 else near if step > 0 else far)
            second.append(slice(None) if step == 0 else far if step > 0 else near)
        part = join(part[tuple(first)], part[tuple(second)])
        done += shift
    return part

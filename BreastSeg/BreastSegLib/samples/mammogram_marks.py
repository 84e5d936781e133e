"""What lies around the breast in a mammogram: lead letters, collimator edge, paddle edge and padding."""

import numpy as np
from scipy import ndimage

# Five by seven dots; only the letters of view marks.
LETTERS = {
    "L": ("10000", "10000", "10000", "10000", "10000", "10000", "11111"),
    "R": ("11110", "10001", "10001", "11110", "10100", "10010", "10001"),
    "C": ("01110", "10001", "10000", "10000", "10000", "10001", "01110"),
    "M": ("10001", "11011", "10101", "10101", "10001", "10001", "10001"),
    "O": ("01110", "10001", "10001", "10001", "10001", "10001", "01110"),
    " ": ("00000",) * 7,
}


def lettering(text, height_px):
    """Return `text` as a soft-edged image (0 to 1) whose letters are `height_px` pixels high.

    Parameters
    ----------
    text : str
        Letters L, R, C, M, O and blanks.
    height_px : int
    """
    columns = []
    for letter in text:
        glyph = np.array([[int(dot) for dot in row] for row in LETTERS[letter]], np.float32)
        columns += [glyph, np.zeros((7, 1 if letter != " " else 0), np.float32)]
    dots = np.pad(np.concatenate(columns, axis=1), 1)
    scale = max(height_px / 7.0, 1.0)
    big = ndimage.zoom(np.kron(dots, np.ones((4, 4), np.float32)), scale / 4, order=1)
    # Blurring and cutting again rounds the corners of the dots into strokes.
    round_off = ndimage.gaussian_filter(big, 0.36 * scale)
    return np.clip((round_off - 0.24) / 0.14, 0, 1).astype(np.float32)


def add_view_mark(air, text, step, free_rows):
    """Draw a lead view mark into `air` (in place), on the side away from the chest wall.

    Parameters
    ----------
    air : numpy.ndarray
        Display image (rows, columns), bright is dense, of a LEFT or already mirrored breast.
    text : str
    step : float
        Pixel size, mm.
    free_rows : tuple of int
        Row and column of the mark's top left corner.

    Returns
    -------
    tuple of slice
        Where it was drawn.
    """
    mark = lettering(text, int(round(7.5 / step)))
    row, column = free_rows
    place = (slice(row, row + mark.shape[0]), slice(column, column + mark.shape[1]))
    patch = air[place]
    np.maximum(patch, mark[: patch.shape[0], : patch.shape[1]] * 0.93, out=patch)
    return place


def paddle_line(x, y, position, corner, bottom):
    """Return the faint line (0 to 1) that the edge of the compression paddle leaves, for open grids in mm.

    Parameters
    ----------
    x, y : numpy.ndarray
    position : float
        x of the edge.
    corner : float
        Radius of its round corners.
    bottom : tuple of float
        y of its upper and lower edge.
    """
    top, low = bottom
    across = np.maximum(np.maximum(top + corner - y, y - low + corner), 0)
    along = np.maximum(x - position + corner, 0)
    inside = np.hypot(along, across) - corner
    edge = np.where((along > 0) | (across > 0), np.abs(inside), np.minimum(corner, 1e3))
    return np.exp(-((edge / 0.45) ** 2)).astype(np.float32)


def collimated(x, y, edges):
    """Return how far the blades cover each pixel (0 open to 1 covered), for open grids in mm.

    Parameters
    ----------
    x, y : numpy.ndarray
    edges : tuple of float
        Top, bottom and far edge of the open field, mm.
    """
    top, bottom, far = edges
    outside = np.maximum(np.maximum(top - y, y - bottom), x - far)
    return (1 / (1 + np.exp(-np.clip(outside / 0.18, -30, 30)))).astype(np.float32)

"""Single letters recognised by their likeness to drawn ones."""

from functools import cache
from pathlib import Path

import numpy as np
from scipy import ndimage

from ...files import read_json

RASTER = Path(__file__).resolve().parents[3] / "Resources" / "mammogram_letters.json"

SIDE = 24  # pixels of the square that every letter is brought to
WANTED = "LRCMOX"
# Everything else that may stand beside a breast, so that it is not taken for one of the wanted letters.
OTHERS = "ABDEFGHIJKNPQSTUVWYZ0123456789"
# Shapes that differ in strokes too fine to count on; inside "MLO" and "CC" nothing else can be meant.
ALIKE = {"0": "O", "Q": "O", "D": "O", "G": "C"}
STROKES = (0, 2, 5)
SLOPES = (0.0, 0.2)
BLUR = 0.9


def likeness(patches, widths):
    """Return the most alike letter of each patch.

    Parameters
    ----------
    patches : sequence of numpy.ndarray
        Grey values (y, x) of a letter's own box, bright on dark.
    widths : sequence of float
        Width of each box over its height.

    Returns
    -------
    letters : list of str
        Empty where nothing is alike.
    scores : list of float
        Normalised correlation with the best template, 0 to 1, less what the next other letter comes close.
    """
    names, templates, aspects = _templates()
    letters, scores = [], []
    for patch, width in zip(patches, widths):
        correlation = templates @ _normalised(patch)
        # A box stretched to a square forgets how wide the letter was; fonts differ by a third or so.
        stretch = np.abs(np.log2(max(width, 0.05) / aspects))
        correlation = correlation - 0.2 * np.maximum(stretch - 0.4, 0)
        best = {}
        for name, value in zip(names, correlation):
            name = ALIKE.get(name, name)
            best[name] = max(best.get(name, -1.0), float(value))
        order = sorted(best, key=best.get, reverse=True)
        first, second = best[order[0]], best[order[1]]
        close = max(0.0, 0.04 - (first - second))
        letters.append(order[0] if order[0] in WANTED else "")
        scores.append(first - close)
    return letters, scores


@cache
def _templates():
    """Return names, unit vectors (n, SIDE²) and width over height of drawn letters."""
    drawn = [*_outline_letters(), *_raster_letters()]
    aspects = np.array([patch.shape[1] / patch.shape[0] for _, patch in drawn])
    return [letter for letter, _ in drawn], np.array([_normalised(patch) for _, patch in drawn]), aspects


def _outline_letters():
    """Yield letters of the font that Pillow brings, thin and bold, upright and leaning, in their own boxes."""
    from PIL import Image, ImageDraw, ImageFont

    size = 96
    font = ImageFont.load_default(size)
    for letter in WANTED + OTHERS:
        for stroke in STROKES:
            picture = Image.new("L", (3 * size, 3 * size))
            ImageDraw.Draw(picture).text((size, size), letter, 255, font, stroke_width=stroke)
            upright = np.asarray(picture, np.float32) / 255
            for slope in SLOPES:
                leaning = ndimage.affine_transform(upright, [[1, 0], [slope, 1]], [0, -slope * 1.5 * size], order=1)
                yield letter, leaning[ndimage.find_objects((leaning > 0.5).astype(np.uint8))[0]]


def _raster_letters():
    """Yield letters of a raster font, thin and bold, in their own boxes."""
    for letter, rows in read_json(RASTER)["letters"].items():
        dots = np.pad([[float(dot) for dot in row] for row in rows], 1)
        big = np.kron(dots, np.ones((8, 8)))
        for spread, cut in ((1.5, 0.5), (3.0, 0.3)):
            soft = np.clip((ndimage.gaussian_filter(big, spread) - cut) / 0.3 + 0.5, 0, 1)
            yield letter, soft[ndimage.find_objects((soft > 0.5).astype(np.uint8))[0]]


def _normalised(patch):
    """Return a patch as a vector of SIDE² values with mean 0 and length 1."""
    zoom = (SIDE / patch.shape[0], SIDE / patch.shape[1])
    smooth = ndimage.gaussian_filter(patch, [max(0.0, 0.5 / z - 0.5) for z in zoom])
    rows, columns = (np.linspace(0, n - 1, SIDE) for n in patch.shape)
    square = ndimage.map_coordinates(smooth, np.meshgrid(rows, columns, indexing="ij"), order=1)
    square = ndimage.gaussian_filter(square, BLUR)
    square = square - square.mean()
    return square.ravel() / max(float(np.linalg.norm(square)), 1e-9)

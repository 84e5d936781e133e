"""A mammogram on its way through a recipe."""

from dataclasses import dataclass, field, replace

import numpy as np

from ...exam.mammograms import View
from ...volume import Geometry
from .. import ops


@dataclass(frozen=True)
class Picture:
    """A mammogram and what was done to it.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x), float32, tissue bright. Not changed in place: it may belong to the exam.
    view : View
    geometry : Geometry
        Where its pixels lie, shape (1, y, x).
    breast : numpy.ndarray or None
        bool, (y, x), once it was looked for.
    found : bool
        Whether the breast was found; else `breast` is the whole frame.
    region : Region or None
        The region to cut out.
    whole : numpy.ndarray or None
        (y, x), float32: the image as it was read.
    undo : tuple of dict
        The geometric operations so far (`recipe.ops`).
    steps : tuple of dict
        The steps so far with the numbers that they used.
    notes : tuple of str
    """

    image: np.ndarray
    view: View
    geometry: Geometry
    breast: np.ndarray | None = None
    found: bool = False
    region: object = None
    whole: np.ndarray | None = None
    undo: tuple = ()
    steps: tuple = ()
    notes: tuple = field(default=())

    def moved(self, op, image, breast=None):
        """Return the picture after a geometric operation that gave another image and breast mask."""
        geometry = ops.geometry_after(op, self.geometry)
        return replace(self, image=image, breast=breast, geometry=geometry, undo=(*self.undo, op))

    def noted(self, sentence):
        """Return the picture with one more note, if there is one."""
        return replace(self, notes=(*self.notes, sentence)) if sentence else self

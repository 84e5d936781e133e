"""Axial, sagittal and coronal planes of a grid, turned the way they are hung."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np

PLANES = ("axial", "sagittal", "coronal")
# Patient axis (0 left, 1 posterior, 2 head) that each plane is perpendicular to, and what runs to the right and down
# in its picture: axis and sign. The patient's right and front are on the left of the picture, head and front up.
_HUNG = {
    "axial": (2, (0, 1), (1, 1)),
    "sagittal": (0, (1, 1), (2, -1)),
    "coronal": (1, (0, 1), (2, -1)),
}
LETTERS = (("R", "L"), ("A", "P"), ("F", "H"))  # of the negative and positive end of each patient axis
THINNEST, NARROWEST = 3, 0.15  # voxels; of the longer side
OBLIQUE = 0.26  # of a unit vector, 15 degrees: a second letter is worth telling from here


@dataclass(frozen=True)
class Plane:
    """How slices of a grid along one of its own axes become a picture.

    Parameters
    ----------
    name : str
        One of `PLANES`: the one that the grid's axes come nearest to.
    normal : int
        Grid axis (0 x, 1 y, 2 z) that the slices are perpendicular to.
    right, down : tuple of int
        Grid axis and its direction (1 or -1) in the picture.
    geometry : Geometry
    """

    name: str
    normal: int
    right: tuple
    down: tuple
    geometry: object

    @classmethod
    def of(cls, geometry, name):
        """Return the plane called `name` of a grid, which may be oblique, flipped or acquired in any orientation."""
        matrix = np.abs(geometry.matrix)
        # The grid axis of each patient axis: all three together come as near as they can.
        axes = max(permutations(range(3)), key=lambda order: float(np.prod([matrix[p, order[p]] for p in range(3)])))
        normal, right, down = _HUNG[name]

        def directed(patient, sign):
            return axes[patient], int(np.sign(geometry.matrix[patient, axes[patient]]) or 1) * sign

        return cls(name, axes[normal], directed(*right), directed(*down), geometry)

    @classmethod
    def acquired(cls, geometry):
        """Return the plane of the acquired slices: those along the grid's z axis."""
        return next(plane for plane in (cls.of(geometry, name) for name in PLANES) if plane.normal == 2)

    @classmethod
    def worth_showing(cls, geometry):
        """Return the planes whose pictures are no thin strips, those of an exam of a few slices; never none."""
        planes = [cls.of(geometry, name) for name in PLANES]
        return [plane for plane in planes if plane._is_wide()] or [cls.acquired(geometry)]

    def _is_wide(self):
        sizes = [self.geometry.shape[2 - axis] for axis, _ in (self.right, self.down)]
        lengths = [size * spacing for size, spacing in zip(sizes, self.spacing)]
        return min(sizes) >= THINNEST and min(lengths) >= NARROWEST * max(lengths)

    @property
    def letters(self):
        """tuple of str: the patient's directions at the right, bottom, left and top edge, such as ``L``, ``PH``."""
        ends = [sign * self.geometry.matrix[:, axis] for axis, sign in (self.right, self.down)]
        return tuple(direction_letters(vector) for vector in (ends[0], ends[1], -ends[0], -ends[1]))

    @property
    def spacing(self):
        """tuple of float: mm between the picture's columns and rows."""
        return self.geometry.spacing[self.right[0]], self.geometry.spacing[self.down[0]]

    def picture(self, array):
        """Return a slice or projection as rows and columns of the picture.

        Parameters
        ----------
        array : numpy.ndarray
            Two axes: (z, y, x) without that of the normal.
        """
        if self.right[0] > self.down[0]:  # array axes run from z to x
            array = array.T
        return array[:: self.down[1], :: self.right[1]]

    def slice(self, array, index):
        """Return slice `index` of an array (z, y, x) as a picture."""
        return self.picture(array[tuple(index if axis == 2 - self.normal else slice(None) for axis in range(3))])

    def place(self, ijk):
        """Return column and row (floats) of voxel indices (x, y, z) in the whole picture."""
        result = []
        for axis, sign in (self.right, self.down):
            last = self.geometry.shape[2 - axis] - 1
            result.append(float(ijk[axis]) if sign > 0 else last - float(ijk[axis]))
        return tuple(result)

    def window(self, box):
        """Return the slices (rows, columns) of the picture that a box of voxels takes.

        Parameters
        ----------
        box : numpy.ndarray
            (3, 2): first voxel and the one behind the last, along (x, y, z).
        """
        result = []
        for axis, sign in (self.down, self.right):
            count = self.geometry.shape[2 - axis]
            low, high = (int(v) for v in box[axis])
            result.append(slice(low, high) if sign > 0 else slice(count - high, count - low))
        return tuple(result)


def direction_letters(vector):
    """Return the letters of a direction in the patient (LPS), the strongest first, such as ``L`` or ``PL``."""
    order = np.argsort(-np.abs(vector), kind="stable")
    strong = [axis for axis in order if abs(vector[axis]) >= OBLIQUE] or [order[0]]
    return "".join(LETTERS[axis][int(vector[axis] > 0)] for axis in strong[:2])


def ijk_of(geometry, point_lps):
    """Return the (x, y, z) voxel indices (floats) of a point in mm, LPS."""
    return (np.linalg.inv(geometry.ijk_to_lps) @ np.append(np.asarray(point_lps, float), 1.0))[:3]

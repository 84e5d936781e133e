"""The one image type that all rooms share: an array and where it lies in the patient."""

from dataclasses import dataclass, field

import numpy as np

from .errors import BadInput

NOTHING = 1e-30  # direction cosines below are 0
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Geometry:
    """A voxel grid in the patient.

    Parameters
    ----------
    shape : tuple of int
        Voxels along (z, y, x).
    spacing : tuple of float
        Voxel size along (x, y, z) in mm; positive and finite.
    origin : tuple of float
        Centre of the first voxel, (x, y, z) in mm, LPS.
    direction : tuple of float
        Nine direction cosines, row by row, LPS (columns are the x, y and z axes of the grid), as SimpleITK writes
        them.

    Raises
    ------
    BadInput
        If a size or spacing is not positive, or the direction's columns are not orthogonal unit vectors.
    """

    shape: tuple
    spacing: tuple = (1.0, 1.0, 1.0)
    origin: tuple = (0.0, 0.0, 0.0)
    direction: tuple = field(default=IDENTITY)

    def __post_init__(self):
        for name, length, kind in (
            ("shape", 3, int),
            ("spacing", 3, float),
            ("origin", 3, float),
            ("direction", 9, float),
        ):
            value = tuple(kind(v) for v in getattr(self, name))
            if len(value) != length or not np.all(np.isfinite(value)):
                raise BadInput(f"The image's {name} is not {length} finite numbers", str(value))
            object.__setattr__(self, name, value)
        # ITK computes nonsense with numbers that are next to nothing.
        direction = tuple(0.0 if abs(v) < NOTHING else v for v in self.direction)
        object.__setattr__(self, "direction", direction)
        if min(self.shape) < 1:
            raise BadInput("The image has no voxels", f"shape {self.shape}")
        if min(self.spacing) <= 0:
            raise BadInput(
                "The image's voxel size is not positive", f"spacing {self.spacing}", "Correct the file's header"
            )
        if np.abs(self.matrix.T @ self.matrix - np.eye(3)).max() > 1e-2:
            raise BadInput("The image's axes are not orthogonal unit vectors", f"direction {self.direction}")

    @property
    def matrix(self):
        """numpy.ndarray: the direction cosines as a 3 × 3 matrix (LPS)."""
        return np.asarray(self.direction, float).reshape(3, 3)

    @property
    def ijk_to_lps(self):
        """numpy.ndarray: 4 × 4 matrix from (i, j, k) = (x, y, z) voxel indices to LPS mm."""
        result = np.eye(4)
        result[:3, :3] = self.matrix * np.asarray(self.spacing)
        result[:3, 3] = self.origin
        return result

    @property
    def ijk_to_ras(self):
        """numpy.ndarray: 4 × 4 matrix from (i, j, k) voxel indices to RAS mm (Slicer's world)."""
        return np.diag([-1.0, -1.0, 1.0, 1.0]) @ self.ijk_to_lps

    @classmethod
    def from_ijk_to_ras(cls, matrix, shape):
        """Return the geometry of a 4 × 4 index-to-RAS matrix and an array shape (z, y, x)."""
        lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.asarray(matrix, float)
        spacing = np.linalg.norm(lps[:3, :3], axis=0)
        if not np.all(spacing > 0):
            raise BadInput("The image's voxel size is not positive", f"spacing {tuple(spacing)}")
        return cls(shape, tuple(spacing), tuple(lps[:3, 3]), tuple((lps[:3, :3] / spacing).ravel()))

    @property
    def voxel_volume(self):
        """float: volume of one voxel in mm³."""
        return float(np.prod(self.spacing))

    @property
    def extent(self):
        """tuple of float: edge lengths along (x, y, z) in mm."""
        return tuple(n * s for n, s in zip(self.shape[::-1], self.spacing))

    def difference(self, other):
        """Largest distance in mm between corresponding corner voxels of two grids (inf if their shapes differ)."""
        if self.shape != other.shape:
            return float("inf")
        return float(np.abs(self.corners() - other.corners()).max())

    def corners(self):
        """numpy.ndarray: LPS centres of the eight corner voxels, shape (8, 3), mm."""
        z, y, x = (n - 1 for n in self.shape)
        ijk = np.array([[i, j, k, 1] for i in (0, x) for j in (0, y) for k in (0, z)], float)
        return (ijk @ self.ijk_to_lps.T)[:, :3]

    def same_grid(self, other, tolerance=0.01):
        """bool: whether both grids have the same voxels, to `tolerance` mm."""
        return self.difference(other) <= tolerance

    def to_json(self):
        """dict: the geometry as JSON-ready lists."""
        return {name: list(getattr(self, name)) for name in ("shape", "spacing", "origin", "direction")}

    @classmethod
    def from_json(cls, record):
        """Return the geometry that `to_json` described."""
        return cls(*(tuple(record[name]) for name in ("shape", "spacing", "origin", "direction")))


@dataclass(frozen=True)
class Volume:
    """An array (z, y, x) on a `Geometry`.

    Raises
    ------
    BadInput
        If the array is not three-dimensional or has another shape than the geometry.
    """

    array: np.ndarray
    geometry: Geometry

    def __post_init__(self):
        if self.array.ndim != 3 or tuple(self.array.shape) != self.geometry.shape:
            raise BadInput("Array and geometry differ in shape", f"{self.array.shape} and {self.geometry.shape}")

    def to_sitk(self):
        """Return a SimpleITK image (a copy; boolean arrays become uint8)."""
        import SimpleITK as sitk

        array = self.array.view(np.uint8) if self.array.dtype == bool else self.array
        image = sitk.GetImageFromArray(np.ascontiguousarray(array))
        image.SetSpacing(self.geometry.spacing)
        image.SetOrigin(self.geometry.origin)
        image.SetDirection(self.geometry.direction)
        return image

    @classmethod
    def from_sitk(cls, image):
        """Return the volume of a 3D SimpleITK image (a copy)."""
        import SimpleITK as sitk

        return cls(sitk.GetArrayFromImage(image), geometry_of(image))


def geometry_of(image):
    """Return the `Geometry` of a 3D SimpleITK image.

    Raises
    ------
    BadInput
        If the image is not three-dimensional.
    """
    if image.GetDimension() != 3:
        raise BadInput("The image is not three-dimensional", f"{image.GetDimension()} dimensions")
    return Geometry(image.GetSize()[::-1], image.GetSpacing(), image.GetOrigin(), image.GetDirection())

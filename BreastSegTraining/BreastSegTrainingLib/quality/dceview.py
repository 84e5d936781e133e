"""What several measures of one DCE exam look at, found once."""

from functools import cached_property

import numpy as np
from BreastSegLib.exam.dce import with_volumes
from BreastSegLib.exam.displacement import FIGURE_MM, pooled
from BreastSegLib.recipe.breast_mri import breast_mask
from BreastSegLib.volume import Volume
from scipy import ndimage

from .measured import NotMeasured
from .noise import noise_of

AIR = 0.3  # of the way from air to tissue: brighter voxels belong to the body
DARK = 0.3  # of the breast's value: what is brighter is no air
SLICES = 24


class DceView:
    """A DCE exam as the measures see it.

    Parameters
    ----------
    exam : DceExam
    lesion : numpy.ndarray, optional
        The reference mask on the exam's grid, (z, y, x), not 0 in the lesion.
    """

    def __init__(self, exam, lesion=None):
        self.exam = exam if _is_finite(exam) else _finite(exam)
        self.lesion = None if lesion is None or not np.any(lesion) else np.asarray(lesion) != 0
        self.spacing = np.array(exam.geometry.spacing[::-1])

    @property
    def reference(self):
        """numpy.ndarray: the reference phase, (z, y, x)."""
        return self.exam.volumes[self.exam.reference].array

    @cached_property
    def before(self):
        """int or None: index of the pre-contrast phase."""
        return next((i for i, phase in enumerate(self.exam.phases) if phase.role == "pre"), None)

    @property
    def first(self):
        """numpy.ndarray: the pre-contrast phase, else the reference phase."""
        return self.reference if self.before is None else self.exam.volumes[self.before].array

    @cached_property
    def slices(self):
        """numpy.ndarray: evenly spread slices for measures that need no more."""
        depth = self.reference.shape[0]
        return np.unique(np.linspace(0, depth - 1, min(depth, SLICES)).round().astype(int))

    @cached_property
    def breast(self):
        """numpy.ndarray: bool, the breasts in the reference phase.

        Raises
        ------
        NotMeasured
            If no body is seen.
        """
        volume = self.exam.volumes[self.exam.reference]
        finite = np.isfinite(volume.array[self.slices])
        if not finite.any() or np.ptp(volume.array[self.slices][finite]) == 0:
            raise NotMeasured("the image is constant")
        found = breast_mask(volume)
        if not found.found or not found.mask.any():
            raise NotMeasured("no breast is seen in the image")
        return found.mask

    @cached_property
    def noise(self):
        """Noise: of the pre-contrast phase, else of the reference phase."""
        return noise_of(self.first, self.breast)

    @cached_property
    def reference_noise(self):
        """Noise: of the reference phase."""
        return noise_of(self.reference, self.breast)

    @cached_property
    def small(self):
        """list of Volume: the phases in voxels of about 2 mm."""
        return [pooled(volume, FIGURE_MM) for volume in self.exam.volumes]

    @cached_property
    def small_breast(self):
        """numpy.ndarray: bool, the breasts in voxels of about 2 mm."""
        return self.shrunk(self.breast) > 0.5

    def shrunk(self, mask):
        """Return which part of each voxel of about 2 mm lies in a mask of the exam's grid."""
        return pooled(Volume(mask, self.exam.geometry), FIGURE_MM).array

    @cached_property
    def levels(self):
        """(float, float): typical value of air and of the breast in the reference phase; air is 0 where none is seen.

        Air is what lies clear of the breast and is darkest.
        """
        some, inside = self.reference[self.slices], self.breast[self.slices]
        tissue = float(np.median(some[inside & np.isfinite(some)]))
        outside = some[~inside & np.isfinite(some)]
        air = float(np.percentile(outside, 25)) if outside.size > 0.02 * some.size else 0.0
        return (air, tissue) if air < DARK * tissue else (0.0, tissue)

    @cached_property
    def bodies(self):
        """numpy.ndarray: bool, (slices, y, x): the body with all that is brighter than air, in `slices`."""
        air, tissue = self.levels
        bodies = []
        for plane in self.reference[self.slices]:
            smooth = ndimage.gaussian_filter(np.nan_to_num(np.asarray(plane, np.float32)), 1.0 / self.spacing[1:])
            mask = smooth > air + AIR * (tissue - air)
            mask = ndimage.binary_opening(mask, iterations=1)
            bodies.append(_filled(mask))
        return np.array(bodies)


def _is_finite(exam):
    with np.errstate(over="ignore", invalid="ignore"):
        return all(np.isfinite(volume.array.sum(dtype=np.float64)) for volume in exam.volumes)


def _finite(exam):
    """Return the exam with 0, air, where voxels are no numbers."""
    arrays = [np.where(np.isfinite(volume.array), volume.array, 0) for volume in exam.volumes]
    return with_volumes(exam, [Volume(array, volume.geometry) for array, volume in zip(arrays, exam.volumes)])


def _filled(mask):
    """Return the large parts of a slice's body, with their holes (lungs, heart) filled."""
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    mask = (sizes > 0.1 * sizes.max())[labels]
    # Lungs reach the back of the image: what lies behind tissue is body.
    return ndimage.binary_fill_holes(mask)

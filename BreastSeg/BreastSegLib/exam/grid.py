"""Check the voxels of phases and bring all phases onto the grid of the reference phase."""

import numpy as np

from ..errors import BadInput
from ..volume import Geometry, Volume

LARGEST_VOXELS = 1_000_000_000
LEAST_OVERLAP = 0.5
SAME_GRID_MM = 0.01
SLAB_VOXELS = 3_000_000


def check_size(geometry, name):
    """Raise `BadInput` when a header asks for more voxels than any breast MRI has (a damaged header does)."""
    if float(np.prod(np.array(geometry.shape, float))) > LARGEST_VOXELS:
        z, y, x = geometry.shape
        raise BadInput(
            f"The image of {x} × {y} × {z} voxels is too large for a breast MRI phase", name, "Check the file's header"
        )


def size_note(geometry):
    """Return a sentence when the field of view cannot be that of a breast MRI, else ""."""
    longest = max(geometry.extent)
    if 20 <= longest <= 1000:
        return ""
    return f"The field of view is {longest:.0f} mm long: check the voxel size in the headers."


def check_voxels(array, name, report=None):
    """Raise `BadInput` when an array holds NaN or infinite values, or one value only.

    Parameters
    ----------
    array : numpy.ndarray
        (z, y, x).
    name : str
        The phase, for the message.
    report : callable, optional
        Called without arguments between pieces of work; may raise `Cancelled`.
    """
    low, high, bad = np.inf, -np.inf, 0
    for k, plane in enumerate(array):
        least, most = plane.min(), plane.max()
        # NaN and infinity show in the extremes; only then are they counted.
        if not (np.isfinite(least) and np.isfinite(most)):
            bad += int(np.count_nonzero(~np.isfinite(plane)))
        low, high = min(low, least), max(high, most)
        if report is not None and k % 32 == 31:
            report()
    if bad:
        raise BadInput(
            f"{bad} of {array.size} voxels are not finite numbers (NaN or infinite)",
            f"phase {name}",
            "Export the phase again",
        )
    if low == high:
        raise BadInput(f"The image is constant: every voxel is {low:g}", f"phase {name}", "Export the phase again")


def check_not_constant(array, name):
    """Raise `BadInput` when an array holds one value only; for voxels that come from whole numbers and are finite."""
    some = array[::8, ::8, ::8]
    if some.min() == some.max():
        check_voxels(array, name)


def overlap(reference, other, samples=24):
    """Return the share of the reference grid's box that lies in the other grid's box, 0 … 1, by sampling points."""
    axes = [(np.arange(samples) + 0.5) / samples * n - 0.5 for n in reference.shape[::-1]]
    ijk = np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")] + [np.ones(samples**3)])
    inside = (np.linalg.inv(other.ijk_to_lps) @ reference.ijk_to_lps @ ijk)[:3]
    limits = np.array(other.shape[::-1])[:, None] - 0.5
    return float(np.all((inside >= -0.5) & (inside <= limits), axis=0).mean())


def to_reference(volume, reference, name, reference_name, report=None):
    """Return a phase on the grid of the reference phase, and a sentence when it had to be resampled.

    Parameters
    ----------
    volume : Volume
        float32.
    reference : Geometry
    name, reference_name : str
        For messages.
    report : callable, optional
        Called without arguments between pieces of work; may raise `Cancelled`.

    Returns
    -------
    volume : Volume
    note : str
        "" when the grid was the same.

    Raises
    ------
    BadInput
        If less than half of the reference's box is covered: the missing half could only be invented.
    """
    own = volume.geometry
    if own.same_grid(reference, SAME_GRID_MM):
        return Volume(volume.array, reference), ""
    share = overlap(reference, own)
    if share < LEAST_OVERLAP:
        raise BadInput(
            f"Phase {name} covers only {100 * share:.0f} % of the box of phase {reference_name}: "
            "they do not show the same place",
            f"origins {_triple(own.origin)} and {_triple(reference.origin)} mm",
            "Check that both belong to one exam",
        )
    array = _resample(volume, reference, report)
    # A phase that does not reach the edge leaves zeros there, so the share is part of the sentence.
    outside = "" if share > 0.999 else f"; {100 * (1 - share):.1f} % of the grid lies outside it and is 0"
    return Volume(
        array, reference
    ), f"Phase {name} was resampled to the grid of phase {reference_name}: {_how_different(own, reference)}{outside}."


def _resample(volume, reference, report):
    """Resample linearly slab by slab, so that a cancel is heard in time and no second copy of the whole is made."""
    import SimpleITK as sitk

    image = volume.to_sitk()
    result = np.empty(reference.shape, np.float32)
    depth = max(1, SLAB_VOXELS // (reference.shape[1] * reference.shape[2]))
    for start in range(0, reference.shape[0], depth):
        count = min(depth, reference.shape[0] - start)
        origin = reference.ijk_to_lps @ np.array([0, 0, start, 1.0])
        slab = sitk.Resample(
            image,
            (*reference.shape[:0:-1], count),
            sitk.Transform(),
            sitk.sitkLinear,
            tuple(origin[:3]),
            reference.spacing,
            reference.direction,
            0.0,
            sitk.sitkFloat32,
        )
        result[start : start + count] = sitk.GetArrayViewFromImage(slab)
        if report is not None:
            report()
    return result


def _how_different(own, reference):
    parts = []
    if own.shape != reference.shape:
        parts.append(f"{_size(own)} voxels instead of {_size(reference)}")
    if not np.allclose(own.spacing, reference.spacing, rtol=1e-4):
        parts.append(f"voxels of {_triple(own.spacing)} mm instead of {_triple(reference.spacing)} mm")
    between = own.matrix.T @ reference.matrix
    axes = np.round(between)
    if not np.array_equal(np.abs(axes).sum(axis=0), np.ones(3)):
        axes = np.eye(3)  # turned so far that no axis is nearest
    elif not np.array_equal(axes, np.eye(3)):
        parts.append("axes stored in another order or direction")
    turn = np.degrees(np.arccos(np.clip((np.trace(between @ axes.T) - 1) / 2, -1, 1)))
    if turn > 0.01:
        parts.append(f"turned by {turn:.2f}°")
    parts.append(f"first voxels {np.linalg.norm(np.subtract(own.origin, reference.origin)):.2f} mm apart")
    return ", ".join(parts)


def _size(geometry: Geometry):
    return " × ".join(map(str, geometry.shape[::-1]))


def _triple(values):
    return " × ".join(f"{v:.2f}" for v in values)

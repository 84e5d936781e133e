"""N4 bias field correction of an exam: one smooth field for all phases.

The field is estimated on the mean of the phases and every phase is divided by it, so that ratios between the phases
(percent enhancement) stay as they are in every voxel.
"""

from dataclasses import replace

import numpy as np

from ..errors import BadInput
from ..exam.enhancement import body_mask
from ..volume import Geometry, Volume

STAGE = "Preparing"
LEAST_VOXELS = 4  # along each axis; fewer cannot carry the field
KEPT_VOXELS = 8  # along each axis of the shrunken copy
AT_ONCE = 2  # iterations; about half a second
STEPS = 100


def correct_bias(exam, shrink=4, levels=4, iterations=50, report=None):
    """Divide all phases by one bias field (N4, SimpleITK).

    Parameters
    ----------
    exam : DceExam
    shrink : int
        The field is estimated on a copy that has every so many voxels averaged along each axis (fewer along an axis
        with few voxels).
    levels : int
        Resolutions of the field, each twice as fine as the one before.
    iterations : int
        At most so many in each level.
    report : callable, optional
        Called as ``report(stage, done, total)`` several times a second; may raise `Cancelled`.

    Returns
    -------
    exam : DceExam
        float32 phases; the field has mean 1 (geometric) inside the body, so the brightness stays.
    figures : dict
        JSON-ready: the shrink factors used along (x, y, z), levels, iterations and the field's range in the body.

    Raises
    ------
    BadInput
        If the image shows no body, holds values that are not finite, or has too few voxels along an axis.
    """
    progress = _Progress(report)
    factors = _factors(exam.geometry.shape, shrink)
    small = _shrunken_mean(exam, factors, progress)
    if not np.isfinite(small).all():
        raise BadInput("The image holds values that are not numbers (NaN or infinite)", hint="Export the exam again")
    body = body_mask(small) & (small > 0)
    if not body.any():
        raise BadInput("The image shows no body to estimate the bias field in", hint="Check the phases")
    field = _log_field(small, body, exam.geometry, factors, [iterations] * levels, progress)
    field -= field[body].mean()
    volumes = _divided(exam, field, factors, progress)
    progress(1.0)
    figures = {
        "shrink": factors[::-1],
        "levels": levels,
        "iterations": iterations,
        "field": [float(v) for v in np.exp(np.percentile(field[body], (0, 50, 100)))],
    }
    return replace(exam, volumes=volumes), figures


class _Progress:
    """Progress that only rises."""

    def __init__(self, report):
        self.report, self.done = report, 0

    def __call__(self, share):
        self.done = max(self.done, int(share * STEPS))
        if self.report is not None:
            self.report(STAGE, self.done, STEPS)


def _factors(shape, shrink):
    """Return how many voxels are averaged along (z, y, x)."""
    if min(shape) < LEAST_VOXELS:
        raise BadInput(
            f"The bias field cannot be estimated with fewer than {LEAST_VOXELS} voxels along an axis",
            " × ".join(map(str, shape[::-1])),
            "Choose a recipe without N4 bias correction",
        )
    return [int(np.clip(shrink, 1, max(1, n // KEPT_VOXELS))) for n in shape]


def _shrunken_mean(exam, factors, progress):
    """Return the mean of the phases, averaged over blocks of voxels; what is over at the far ends is left out."""
    (fz, fy, fx), shape = factors, exam.geometry.shape
    nz, ny, nx = (n // f for n, f in zip(shape, factors))
    result = np.zeros((nz, ny, nx), np.float32)
    for k in range(nz):
        progress(0.1 * k / nz)
        for volume in exam.volumes:
            slab = np.asarray(volume.array[k * fz : (k + 1) * fz, : ny * fy, : nx * fx], np.float32)
            result[k] += slab.mean(axis=0).reshape(ny, fy, nx, fx).mean(axis=(1, 3))
    result /= len(exam.volumes)
    return result


def _image(array, geometry, factors):
    # Only sizes matter to the filter: the origin is left where it is.
    spacing = tuple(s * f for s, f in zip(geometry.spacing, factors[::-1]))
    return Volume(array, Geometry(array.shape, spacing, geometry.origin, geometry.direction)).to_sitk()


def _log_field(small, body, geometry, factors, plan, progress):
    """Return the logarithm of the field at the blocks.

    N4 only ever adds to the field what it finds in the image divided by the field so far, so a few iterations at a
    time, each from the image divided by the sum before, find the same field as one long run - and a cancel is heard
    between them: an abort of the running filter is not.
    """
    import SimpleITK as sitk

    mask, total = _image(body.view(np.uint8), geometry, factors), np.zeros(small.shape, np.float64)
    for level, most in enumerate(plan):
        for done in range(0, most, AT_ONCE):
            progress(0.1 + 0.7 * (level + done / most) / len(plan))
            method = sitk.N4BiasFieldCorrectionImageFilter()
            # As many control points as N4 has at this level when it runs through all of them.
            method.SetNumberOfControlPoints([2**level + method.GetSplineOrder()] * 3)
            method.SetMaximumNumberOfIterations([min(AT_ONCE, most - done)])
            image = _image((small * np.exp(-total)).astype(np.float32), geometry, factors)
            try:
                method.Execute(image, mask)
            except RuntimeError as error:
                raise BadInput(
                    "The bias field could not be estimated", hint="Choose a recipe without N4 bias correction"
                ) from error
            total += sitk.GetArrayFromImage(method.GetLogBiasFieldAsImage(image))
            if method.GetCurrentConvergenceMeasurement() <= method.GetConvergenceThreshold():
                break
    return total


def _divided(exam, field, factors, progress):
    """Return the phases divided by exp(field); the field is interpolated by cubic splines, slice by slice."""
    along = [_spline(n, f) for n, f in zip(exam.geometry.shape, factors)]
    field = np.einsum("yj,kji,xi->kyx", along[1], field, along[2], optimize=True).astype(np.float32)
    results = [np.empty(volume.array.shape, np.float32) for volume in exam.volumes]
    for k, weights in enumerate(along[0]):
        progress(0.8 + 0.2 * k / len(along[0]))
        gain = np.exp(-np.tensordot(weights, field, 1))
        for volume, result in zip(exam.volumes, results):
            np.multiply(volume.array[k], gain, out=result[k])
    return tuple(Volume(result, volume.geometry) for volume, result in zip(exam.volumes, results))


def _spline(count, factor):
    """Return the matrix (count, blocks) that interpolates values at the blocks' centres; constant beyond them."""
    from scipy.interpolate import CubicSpline

    blocks = count // factor
    if blocks < 2:
        return np.ones((count, 1), np.float32)
    places = np.clip((np.arange(count) - (factor - 1) / 2) / factor, 0, blocks - 1)
    return CubicSpline(np.arange(blocks), np.eye(blocks))(places).astype(np.float32)

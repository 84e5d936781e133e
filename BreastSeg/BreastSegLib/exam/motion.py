"""Optional motion correction: every phase is moved onto the reference phase, the first post-contrast phase.

A rigid transform, optionally followed by a B-spline with control points every 40 mm, maximises the mutual information
of phase and reference inside the body. How much motion there was and is left is measured without the transforms: by
matching small blocks of edge directions, which contrast agent changes little.
"""

from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import numpy as np
from scipy import ndimage

from ..errors import BadInput
from ..volume import Volume
from .dce import DceExam
from .displacement import FIGURE_MM, displacement, pooled, similarity
from .enhancement import body_mask

STAGE = "Correcting motion"
KINDS = ("rigid", "bspline")
CONTROL_MM = 40.0
SEED = 20240607
LEAST_VOXELS = 6  # along each axis
# Voxel size (mm), random samples and most iterations of each level.
RIGID_LEVELS = ((6.0, 20_000, 60), (3.0, 40_000, 60), (2.0, 60_000, 40))
BSPLINE_LEVELS = ((4.0, 15_000, 15), (2.5, 25_000, 15))
BODY_MARGIN_MM = 8.0  # the skin's edge and some air belong to what is matched
STEPS = 100  # of the progress, for each phase
UNMOVED = 0.1  # a correction by less than this part of the smallest voxel edge is not worth the interpolation
BETTER_MM = 0.05  # by how much the measured motion must shrink, for each step from none to rigid to B-spline


@dataclass(frozen=True)
class Motion:
    """Motion of one phase against the reference phase.

    Parameters
    ----------
    phase : str
        Its name.
    before_mm, after_mm : float
        Median displacement of blocks with structure, before and after the correction; NaN where too few blocks have
        any. Equal when the phase was left as it was.
    similarity_before, similarity_after : float
        Mutual information with the reference inside the body, in bits.
    """

    phase: str
    before_mm: float
    after_mm: float
    similarity_before: float
    similarity_after: float

    def to_json(self):
        """dict: the figures, JSON-ready (None instead of NaN)."""
        return {
            name: value if isinstance(value, str) or np.isfinite(value) else None
            for name, value in asdict(self).items()
        }


def correct_motion(exam, kind, report=None):
    """Move every phase onto the reference phase.

    Parameters
    ----------
    exam : DceExam
        Its reference phase stays as it is (the same array).
    kind : {'rigid', 'bspline'}
    report : callable, optional
        Called as ``report(stage, done, total)`` several times a second; may raise `Cancelled`.

    Returns
    -------
    exam : DceExam
        Moved phases are float32, interpolated with cubic B-splines within the phase's range of values; a voxel that
        lies outside the phase takes the nearest voxel's value. A phase that the correction would not make better
        keeps its array. The notes say what was done with each phase.
    motion : tuple of Motion
        One for each phase but the reference.

    Raises
    ------
    BadInput
        If the kind is unknown, the exam has too few slices, or the reference shows no body.
    """
    if kind not in KINDS:
        raise BadInput("Motion correction of this kind is unknown", str(kind), f"Choose one of: {', '.join(KINDS)}")
    others = [index for index in range(len(exam.phases)) if index != exam.reference]
    if not others:
        return replace(exam, notes=(*exam.notes, "The exam has one phase, so there is no motion to correct.")), ()
    if min(exam.geometry.shape) < LEAST_VOXELS:
        raise BadInput(
            f"Motion cannot be corrected in an exam with fewer than {LEAST_VOXELS} voxels along an axis",
            " × ".join(map(str, exam.geometry.shape[::-1])),
            "Switch motion correction off",
        )
    progress = _Progress(report, len(others))
    target = _Target(exam.volumes[exam.reference], exam.phases[exam.reference].name, progress)
    volumes, notes, motion = list(exam.volumes), list(exam.notes), []
    for turn, index in enumerate(others):
        progress.start(turn)
        volumes[index], figures, note = _correct(exam.volumes[index], exam.phases[index].name, target, kind, progress)
        motion.append(figures)
        notes.append(note)
    progress.start(len(others))
    return DceExam(exam.phases, tuple(volumes), tuple(notes)), tuple(motion)


class _NoMatch(Exception):
    """SimpleITK gave up: no overlap, a constant image …"""


@contextmanager
def _one_thread():
    """Let SimpleITK use one thread while the block runs.

    With several the metric's sums depend on which thread is first, and no two results are the same. It costs no time:
    for this few samples more threads are not faster.
    """
    import SimpleITK as sitk

    usual = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(usual)


class _Progress:
    """Progress that only rises, over all phases."""

    def __init__(self, report, phases):
        self.report, self.total, self.done, self.base = report, phases * STEPS, 0, 0

    def start(self, turn):
        self.base = turn * STEPS
        self(0.0)

    def __call__(self, share=0.0):
        """Report the share (0 … 1) of the current phase; a smaller one than before repeats the last."""
        self.done = max(self.done, min(self.total, self.base + int(share * STEPS)))
        if self.report is not None:
            self.report(STAGE, self.done, self.total)


class _Target:
    """The reference phase at the voxel sizes that are needed, and where its body is."""

    def __init__(self, volume, name, progress):
        self.volume, self.name, self.levels = volume, name, {}
        self.figure = pooled(volume, FIGURE_MM)
        self.body = body_mask(self.figure.array)
        if not self.body.any():
            raise BadInput("The image shows no body to correct motion in", f"phase {name}", "Check the phase")
        progress()

    def level(self, size):
        """Return image and mask (SimpleITK) at about `size` mm."""
        if size not in self.levels:
            small = pooled(self.volume, size)
            body = ndimage.binary_fill_holes(body_mask(small.array))
            margin = [max(1, round(BODY_MARGIN_MM / s)) for s in small.geometry.spacing[::-1]]
            grown = ndimage.maximum_filter(body.view(np.uint8), [2 * m + 1 for m in margin])
            self.levels[size] = small.to_sitk(), Volume(grown, small.geometry).to_sitk()
        return self.levels[size]


def _correct(volume, name, target, kind, progress):
    """Return the corrected phase (or the phase itself), its figures, and a sentence."""
    small = pooled(volume, FIGURE_MM)
    before = displacement(target.figure, small, target.body, progress)
    alike = similarity(target.figure, small, target.body)
    unchanged = Motion(name, before, before, alike, alike)
    try:
        transform, left = _best(_register(volume, target, kind, progress), small, before, target, progress)
    except _NoMatch:
        return volume, unchanged, f"Phase {name} could not be matched to phase {target.name} and stays as it was."
    if transform is None:
        note = f"Phase {name} stays as it was: motion {_mm(before)}, {_mm(left)} after correction."
        return volume, unchanged, note
    moved = _mean_shift(transform, target)
    if moved < UNMOVED * min(volume.geometry.spacing):
        note = f"Phase {name} lies on phase {target.name} already (motion {_mm(before)}) and stays as it was."
        return volume, unchanged, note
    result = Volume(_resample(volume, transform, (0.9, 0.08), progress), volume.geometry)
    small = pooled(result, FIGURE_MM)
    after = displacement(target.figure, small, target.body, progress)
    if after > before:
        return volume, unchanged, f"Phase {name} stays as it was: motion {_mm(before)}, {_mm(after)} after correction."
    note = (
        f"Phase {name} was moved by {moved:.1f} mm on average onto phase {target.name} "
        f"(motion {_mm(before)} → {_mm(after)})."
    )
    return result, Motion(name, before, after, alike, similarity(target.figure, small, target.body)), note


def _best(transforms, small, before, target, progress):
    """Return the transform that is worth its freedom by the measured motion, or None, and the motion left.

    Where motion cannot be measured the last transform is returned.
    """
    best, least, tried = None, before, before
    for number, transform in enumerate(transforms):
        moved = Volume(_resample(small, transform, (0.86 + 0.02 * number, 0.02), progress), small.geometry)
        tried = displacement(target.figure, moved, target.body, progress)
        if not (np.isfinite(before) and np.isfinite(tried)) or tried < least - BETTER_MM:
            best, least = transform, tried
    return best, least if best is not None else tried


def _register(volume, target, kind, progress):
    """Return transforms from points of the reference to points of the phase: the rigid one, and both combined."""
    import SimpleITK as sitk

    centre = np.mean(target.volume.geometry.corners(), axis=0)
    rigid = sitk.Euler3DTransform(tuple(centre))
    levels = len(RIGID_LEVELS) + (len(BSPLINE_LEVELS) if kind == "bspline" else 0)
    for number, (size, samples, iterations) in enumerate(RIGID_LEVELS):
        method = _method(target, size, samples)
        method.SetOptimizerAsRegularStepGradientDescent(
            learningRate=size / 3, minStep=0.005, numberOfIterations=iterations, relaxationFactor=0.6
        )
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetInitialTransform(rigid, inPlace=True)
        _run(method, volume, target, size, progress, (number, levels, iterations))
    if kind == "rigid":
        return [rigid]
    extent = target.volume.geometry.extent
    mesh = [max(1, round(length / CONTROL_MM)) for length in extent]
    spline = sitk.BSplineTransformInitializer(target.level(BSPLINE_LEVELS[0][0])[0], mesh, order=3)
    for number, (size, samples, iterations) in enumerate(BSPLINE_LEVELS, len(RIGID_LEVELS)):
        method = _method(target, size, samples)
        # The step is a length over all control points: half a millimetre for each of them at first.
        step = (0.5 if number == len(RIGID_LEVELS) else 0.2) * np.sqrt(len(spline.GetParameters()))
        method.SetOptimizerAsRegularStepGradientDescent(
            learningRate=step, minStep=step / 50, numberOfIterations=iterations, relaxationFactor=0.6
        )
        method.SetMovingInitialTransform(rigid)
        method.SetInitialTransform(spline, inPlace=True)
        _run(method, volume, target, size, progress, (number, levels, iterations))
    # The transform added last is applied first.
    return [rigid, sitk.CompositeTransform([rigid, spline])]


def _method(target, size, samples):
    import SimpleITK as sitk

    _, mask = target.level(size)
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricFixedMask(mask)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(min(1.0, samples / float(np.prod(mask.GetSize()))), SEED)
    method.SetInterpolator(sitk.sitkLinear)
    return method


def _run(method, volume, target, size, progress, place):
    """Run one level; an exception of the report stops it and is raised again afterwards."""
    import SimpleITK as sitk

    number, levels, iterations = place
    stopped = []

    def heard():
        if stopped:
            return
        try:
            progress(0.05 + 0.8 * (number + method.GetOptimizerIteration() / iterations) / levels)
        except Exception as error:  # must not cross the C++ code; raised below
            stopped.append(error)
            method.StopRegistration()

    progress(0.05 + 0.8 * number / levels)
    method.AddCommand(sitk.sitkIterationEvent, heard)
    fixed, _ = target.level(size)
    progress()
    moving = pooled(volume, size).to_sitk()
    progress()
    try:
        with _one_thread():
            method.Execute(fixed, moving)
    except RuntimeError as error:
        if not stopped:
            raise _NoMatch from error
    if stopped:
        raise stopped[0]


def _resample(volume, transform, part, progress):
    """Return the moved array; `part` is where it begins in the phase's progress, and its length."""
    import SimpleITK as sitk

    image = volume.to_sitk()
    stopped = []
    resampler = sitk.ResampleImageFilter()
    resampler.SetReferenceImage(image)
    resampler.SetTransform(transform)
    resampler.SetInterpolator(sitk.sitkBSpline)
    resampler.SetOutputPixelType(sitk.sitkFloat32)
    # Zeros would look like missing or enhancing tissue in the slices at the edge.
    resampler.SetUseNearestNeighborExtrapolator(True)

    def heard():
        if stopped:
            return
        try:
            progress(part[0] + part[1] * resampler.GetProgress())
        except Exception as error:  # must not cross the C++ code; raised below
            stopped.append(error)
            resampler.Abort()

    resampler.AddCommand(sitk.sitkProgressEvent, heard)
    try:
        result = resampler.Execute(image)
    except RuntimeError as error:
        if not stopped:
            raise _NoMatch from error
    if stopped:
        raise stopped[0]
    array = sitk.GetArrayFromImage(result)
    return np.clip(array, volume.array.min(), volume.array.max(), out=array)


def _mean_shift(transform, target):
    """Return the mean length in mm by which the transform moves points of the body."""
    geometry = target.figure.geometry
    places = np.argwhere(target.body)
    places = places[:: max(1, len(places) // 2000), ::-1]
    points = places @ geometry.ijk_to_lps[:3, :3].T + geometry.origin
    moved = np.array([transform.TransformPoint(tuple(map(float, point))) for point in points])
    return float(np.linalg.norm(moved - points, axis=1).mean())


def _mm(value):
    return f"{value:.1f} mm" if np.isfinite(value) else "not measurable"

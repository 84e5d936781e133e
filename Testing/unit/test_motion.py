"""Motion correction finds known motion, leaves unmoved phases alone, and can be repeated and cancelled."""

import time
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.exam import motion
from BreastSegLib.exam.dce import DceExam, number_phases
from BreastSegLib.exam.displacement import displacement, pooled, similarity
from BreastSegLib.exam.enhancement import body_mask
from BreastSegLib.exam.motion import correct_motion
from BreastSegLib.samples.dce import make_dce_exam
from BreastSegLib.volume import Geometry, Volume

SMALL = {"shape": (27, 64, 104), "spacing": (1.85, 1.8, 3.0), "radius_mm": (5, 8), "motion_mm": 0.0}


@pytest.fixture(scope="module")
def still():
    """An exam without motion, turned in space, with washout masses and noise."""
    return make_dce_exam(4, posts=2, masses=2, curve="washout", oblique_degrees=12, **SMALL)


@pytest.fixture
def transforms(monkeypatch):
    """The transforms that phases were moved by, in order."""
    used, resample = [], motion._resample

    def recorded(volume, transform, part, progress):
        used.append((volume.geometry.shape, transform))
        return resample(volume, transform, part, progress)

    monkeypatch.setattr(motion, "_resample", recorded)
    return used


def moved(volume, transform):
    image = volume.to_sitk()
    result = sitk.Resample(image, image, transform, sitk.sitkBSpline, 0.0, sitk.sitkFloat32, True)
    return Volume(sitk.GetArrayFromImage(result), volume.geometry)


def rigid(geometry, degrees, shift):
    transform = sitk.Euler3DTransform(tuple(np.mean(geometry.corners(), axis=0)))
    transform.SetRotation(*np.radians(degrees))
    transform.SetTranslation(shift)
    return transform


def smooth(volume, millimetres, seed=1):
    transform = sitk.BSplineTransformInitializer(volume.to_sitk(), [2, 2, 2], order=3)
    values = np.random.default_rng(seed).uniform(-millimetres, millimetres, len(transform.GetParameters()))
    transform.SetParameters(values.tolist())
    return transform


def with_pre(exam, pre):
    return DceExam(exam.phases[:2], (pre, exam.volumes[1]))


def error_mm(found, truth, mask):
    """Distance between points and where the found and the true transform together bring them."""
    places = np.argwhere(mask.array)[:, ::-1]
    places = places[:: max(1, len(places) // 400)]
    points = places @ mask.geometry.ijk_to_lps[:3, :3].T + mask.geometry.origin
    ends = np.array([truth.TransformPoint(found.TransformPoint(tuple(map(float, p)))) for p in points])
    return np.linalg.norm(ends - points, axis=1)


def edges_of(sample):
    """Voxels at the edge of two tissues inside the breasts."""
    tissue = sample.tissue.array.astype(int)
    edge = np.zeros(tissue.shape, bool)
    for axis in range(3):
        edge |= np.abs(np.diff(tissue, axis=axis, append=tissue.take([-1], axis))) > 0
    return Volume(edge & (tissue > 0), sample.tissue.geometry)


@pytest.mark.parametrize(
    "degrees, shift", [((0, 0, 0), (2.5, -1.0, 2.0)), ((1.5, -2, 2.5), (-1.0, 3.0, -1.5)), ((0, 0, 1), (6.0, 0, 4.0))]
)
def test_a_known_rigid_motion_is_recovered(still, transforms, degrees, shift):
    truth = rigid(still.exam.geometry, degrees, shift)
    exam = with_pre(still.exam, moved(still.exam.volumes[0], truth))
    reference = exam.volumes[1].array.copy()
    result, (figures,) = correct_motion(exam, "rigid")
    shape, found = transforms[-1]
    assert shape == exam.geometry.shape
    assert error_mm(found, truth, still.truth).max() < 0.5
    assert error_mm(found, truth, edges_of(still)).mean() < 0.3
    applied = error_mm(sitk.Transform(), truth, edges_of(still)).mean()
    assert figures.before_mm == pytest.approx(applied, rel=0.3)
    assert figures.after_mm < 0.35
    assert figures.similarity_after > figures.similarity_before + 0.1
    assert f"motion {figures.before_mm:.1f} mm → {figures.after_mm:.1f} mm" in result.notes[-1]
    assert result.volumes[1].array is exam.volumes[1].array
    np.testing.assert_array_equal(reference, exam.volumes[1].array)
    old, new = exam.volumes[0].array, result.volumes[0].array
    assert new.dtype == np.float32 and new.min() >= old.min() and new.max() <= old.max()


def test_a_smooth_deformation_needs_the_spline(still, transforms):
    truth = smooth(still.exam.volumes[0], 5.0)
    exam = with_pre(still.exam, moved(still.exam.volumes[0], truth))
    _, (figures,) = correct_motion(exam, "bspline")
    found = transforms[-1][1]
    edges = edges_of(still)
    before, after = (error_mm(t, truth, edges).mean() for t in (sitk.Transform(), found))
    assert after < 0.6 and after < 0.55 * before
    assert error_mm(found, truth, still.truth).mean() < 0.6
    assert figures.after_mm < 0.5 * figures.before_mm


def test_phases_without_motion_are_left_as_they_were(still):
    result, figures = correct_motion(still.exam, "rigid")
    assert [f.phase for f in figures] == ["pre", "post2"]
    for old, new in zip(still.exam.volumes, result.volumes):
        assert new.array is old.array
    for figure in figures:
        assert figure.before_mm == figure.after_mm < 0.4
    assert all("stays as it was" in note for note in result.notes) and len(result.notes) == 2


@pytest.mark.parametrize("kind, limit", [("rigid", 0.15), ("bspline", 0.3)])
def test_contrast_alone_hardly_moves_anything(still, kind, limit):
    """The transform itself, before it is judged by the measured motion."""
    pre, post, late = still.exam.volumes
    strong = post.array * (1 + 3.0 * (still.truth.array > 0)).astype(np.float32)
    target = motion._Target(Volume(strong, post.geometry), "post1", motion._Progress(None, 1))
    for phase in (pre, late) if kind == "rigid" else (pre,):
        found = motion._register(phase, target, kind, motion._Progress(None, 1))[-1]
        shifts = error_mm(found, sitk.Transform(), edges_of(still))
        assert shifts.mean() < limit * min(post.geometry.spacing)


def test_the_same_input_gives_the_same_result_bit_by_bit(still, monkeypatch):
    """Whatever the number of threads that the machine would use."""
    monkeypatch.setattr(motion, "BSPLINE_LEVELS", ((4.0, 15_000, 5),))
    exam = with_pre(still.exam, moved(still.exam.volumes[0], smooth(still.exam.volumes[0], 5.0, seed=3)))
    first = correct_motion(exam, "bspline")
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    try:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
        np.random.seed(5)
        again = correct_motion(exam, "bspline")
        assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == 1
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    assert "was moved" in first[0].notes[-1]
    assert first[1] == again[1] and first[0].notes == again[0].notes
    for a, b in zip(first[0].volumes, again[0].volumes):
        np.testing.assert_array_equal(a.array, b.array)


def test_progress_rises_to_its_end(still):
    seen = []
    exam = replace(still.exam, notes=("said before",))
    result, _ = correct_motion(exam, "rigid", lambda *args: seen.append(args))
    done = [step for _, step, _ in seen]
    assert done == sorted(done) and done[0] == 0 and done[-1] == seen[-1][2] == 2 * motion.STEPS
    assert {stage for stage, _, _ in seen} == {"Correcting motion"}
    assert len(set(done)) > 20
    assert result.notes[0] == "said before"


@pytest.mark.parametrize("share", [0.0, 0.04, 0.2, 0.6, 0.86, 0.92])
def test_a_cancel_stops_within_a_second(still, share):
    """In the blocks, in each kind of level, and while resampling."""
    shift = rigid(still.exam.geometry, (0, 0, 0), (3.0, 2.0, 1.0))
    exam = with_pre(still.exam, moved(still.exam.volumes[0], shift))
    raised = []

    def stop(stage, done, total):
        if done >= share * total:
            raised.append(time.perf_counter())
            raise Cancelled()

    with pytest.raises(Cancelled):
        correct_motion(exam, "bspline" if 0.1 < share < 0.8 else "rigid", stop)
    assert time.perf_counter() - raised[0] < 1.0
    assert len(raised) == 1


def test_other_errors_of_the_report_come_out_too(still):
    def fail(stage, done, total):
        if done > 0.3 * total:
            raise RuntimeError("in the report")

    with pytest.raises(RuntimeError, match="in the report"):
        correct_motion(still.exam, "rigid", fail)


def test_voxels_outside_the_phase_take_the_nearest_value(still):
    pre = still.exam.volumes[0]
    lifted = Volume(pre.array + 200, pre.geometry)  # no voxel is near 0
    exam = with_pre(still.exam, moved(lifted, rigid(pre.geometry, (0, 0, 0), (0.0, 0.0, 7.0))))
    result, (figures,) = correct_motion(exam, "rigid")
    assert "was moved by 7" in result.notes[-1] or "was moved by 6.9" in result.notes[-1]
    assert result.volumes[0].array.min() >= exam.volumes[0].array.min() > 10


def test_very_anisotropic_voxels(transforms):
    sample = make_dce_exam(6, posts=1, masses=1, **{**SMALL, "shape": (14, 96, 150), "spacing": (1.3, 1.2, 6.0)})
    truth = rigid(sample.exam.geometry, (0, 0, 1.0), (2.5, -1.5, 2.0))
    exam = with_pre(sample.exam, moved(sample.exam.volumes[0], truth))
    _, (figures,) = correct_motion(exam, "rigid")
    assert error_mm(transforms[-1][1], truth, edges_of(sample)).mean() < 0.6
    assert figures.after_mm < 0.5 * figures.before_mm


def test_what_cannot_be_corrected_is_said(still):
    exam = still.exam
    with pytest.raises(BadInput, match="rigid, bspline"):
        correct_motion(exam, "affine")
    one = DceExam(exam.phases[:1], exam.volumes[:1])
    result, figures = correct_motion(one, "rigid")
    assert figures == () and "one phase" in result.notes[-1] and result.volumes == one.volumes
    flat = Geometry((1, *exam.geometry.shape[1:]), exam.geometry.spacing)
    slices = DceExam(exam.phases, tuple(Volume(v.array[10:11], flat) for v in exam.volumes))
    with pytest.raises(BadInput, match="fewer than 6 voxels"):
        correct_motion(slices, "rigid")
    constant = Volume(np.full(exam.geometry.shape, 7, np.float32), exam.geometry)
    with pytest.raises(BadInput, match="no body"):
        correct_motion(DceExam(exam.phases[:2], (exam.volumes[0], constant)), "rigid")
    result, (figures,) = correct_motion(with_pre(exam, constant), "rigid")
    assert result.volumes[0].array is constant.array and "stays as it was" in result.notes[-1]
    assert figures.to_json()["phase"] == "pre"


def test_the_phases_after_contrast_only_are_moved_onto_the_first(still, transforms):
    volume = still.exam.volumes[2]
    truth = rigid(volume.geometry, (0, 0, 0), (2.0, 2.0, 0.0))
    phases = number_phases([("post", 0.0, "", ()), ("post", 90.0, "", ())])
    exam = DceExam(phases, (still.exam.volumes[1], moved(volume, truth)))
    result, (figures,) = correct_motion(exam, "rigid")
    assert figures.phase == "post2" and result.volumes[0].array is exam.volumes[0].array
    assert error_mm(transforms[-1][1], truth, still.truth).max() < 0.4


@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (0.8, 0.0, 0.0), (1.5, -2.0, 1.0), (0.0, 6.0, 3.0)])
def test_the_measured_motion_is_the_applied_one(still, shift):
    pre, post = (pooled(v, 2.0) for v in still.exam.volumes[:2])
    other = pooled(moved(still.exam.volumes[0], rigid(pre.geometry, (0, 0, 0), shift)), 2.0)
    found = displacement(post, other, body_mask(post.array))
    assert found == pytest.approx(np.linalg.norm(shift), abs=0.35)
    assert np.isnan(displacement(post, other, np.zeros(post.array.shape, bool)))


def test_pooling_keeps_points_in_place():
    geometry = Geometry((24, 40, 50), (0.9, 1.1, 2.5), (5.0, -3.0, 8.0), (0, 1, 0, -1, 0, 0, 0, 0, 1))
    z, y, x = np.meshgrid(*map(np.arange, geometry.shape), indexing="ij")
    points = np.stack([x, y, z], -1) @ geometry.ijk_to_lps[:3, :3].T + geometry.origin
    for axis in range(3):
        small = pooled(Volume(points[..., axis].astype(np.float32), geometry), 2.0)
        k, j, i = 3, 4, 5
        expected = small.geometry.ijk_to_lps @ [i, j, k, 1]
        assert small.array[k, j, i] == pytest.approx(expected[axis], abs=1e-3)
    assert small.geometry.shape == (24, 20, 25)


def test_similarity_falls_with_motion(still):
    pre, post = (pooled(v, 2.0) for v in still.exam.volumes[:2])
    body = body_mask(post.array)
    values = [similarity(post, Volume(np.roll(pre.array, k, axis=2), pre.geometry), body) for k in (0, 1, 3)]
    assert values[0] > values[1] > values[2] > 0

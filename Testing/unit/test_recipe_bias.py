"""N4 bias correction: against the field the sample was made with, and against one plain run of SimpleITK's N4."""

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.exam.dce import with_volumes
from BreastSegLib.exam.enhancement import body_mask
from BreastSegLib.recipe.bias import correct_bias
from BreastSegLib.samples import anatomy
from BreastSegLib.samples.dce import make_dce_exam
from BreastSegLib.volume import Geometry, Volume

SMALL = {"shape": (20, 48, 80), "spacing": (2.4, 2.4, 4.0), "posts": 2, "motion_mm": 0.0, "seed": 5, "masses": 1}
QUICK = {"shrink": 2, "levels": 3, "iterations": 15}


@pytest.fixture(scope="module")
def samples():
    """The same exam with and without a bias field."""
    return make_dce_exam(**SMALL, noise=0.0, bias=0.3), make_dce_exam(**SMALL, noise=0.0, bias=0.0)


@pytest.fixture(scope="module")
def corrected(samples):
    return correct_bias(samples[0].exam, **QUICK)


def log_ratio(first, second):
    return np.log(np.maximum(first.array, 1e-6)) - np.log(np.maximum(second.array, 1e-6))


def test_field_is_the_one_the_sample_was_made_with(samples, corrected):
    biased, plain = samples
    inside = ~np.isin(biased.tissue.array, (anatomy.LUNG, anatomy.AIR))
    truth = log_ratio(biased.exam.volumes[0], plain.exam.volumes[0])[inside]
    found = log_ratio(biased.exam.volumes[0], corrected[0].volumes[0])[inside]
    assert np.corrcoef(truth, found)[0, 1] > 0.8
    assert np.std(truth - found) < 0.65 * np.std(truth)


def test_all_phases_become_flatter(samples, corrected):
    biased = samples[0]
    muscle = biased.tissue.array == anatomy.MUSCLE
    for before, after in zip(biased.exam.volumes, corrected[0].volumes):
        spread = [np.std(v.array[muscle]) / np.mean(v.array[muscle]) for v in (before, after)]
        assert spread[1] < 0.6 * spread[0]


def test_percent_enhancement_stays_as_it_was(samples, corrected):
    before, after = samples[0].exam, corrected[0]
    body = before.volumes[0].array > 20
    enhancement = [100 * (e.volumes[1].array / e.volumes[0].array - 1)[body] for e in (before, after)]
    np.testing.assert_allclose(enhancement[1], enhancement[0], atol=1e-3)


def test_brightness_of_the_body_stays(samples, corrected):
    body = body_mask(samples[0].exam.volumes[0].array)
    gain = log_ratio(corrected[0].volumes[0], samples[0].exam.volumes[0])[body]
    assert abs(gain.mean()) < 0.1


def test_field_is_that_of_one_run_of_simpleitk(samples):
    """Without shrinking, the field is N4's own at every voxel: many short runs add up to one long one."""
    exam = samples[0].exam
    result, _ = correct_bias(exam, shrink=1, levels=2, iterations=6)
    mean = np.mean([v.array for v in exam.volumes], axis=0, dtype=np.float64).astype(np.float32)
    body = body_mask(mean) & (mean > 0)
    image, mask = Volume(mean, exam.geometry).to_sitk(), Volume(body, exam.geometry).to_sitk()
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations([6, 6])
    n4.Execute(image, mask)
    expected = sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(image))
    found = log_ratio(exam.volumes[1], result.volumes[1])
    visible = body & (exam.volumes[1].array > 1)
    np.testing.assert_allclose(found[visible], (expected - expected[body].mean())[visible], atol=2e-3)


def test_the_shrunken_field_lies_where_the_image_is(samples):
    """The blocks' centres are half a block from the first voxels: a shift would show against the unshrunken field."""
    exam = samples[0].exam
    fine, coarse = (correct_bias(exam, shrink=s, levels=2, iterations=10)[0].volumes[0] for s in (1, 4))
    body = body_mask(exam.volumes[0].array)
    difference = log_ratio(fine, coarse)[body]
    assert np.std(difference) < 0.03
    here = log_ratio(exam.volumes[0], coarse)
    moved = np.roll(here, 4, axis=2)
    target = log_ratio(exam.volumes[0], fine)
    assert np.std((here - target)[body]) < np.std((moved - target)[body])


def test_figures_are_ready_for_the_record(corrected):
    figures = corrected[1]
    assert figures["shrink"] == [2, 2, 2] and figures["levels"] == 3 and figures["iterations"] == 15
    low, middle, high = figures["field"]
    assert low < middle < high and middle == pytest.approx(1, abs=0.2)


def test_the_exam_itself_is_not_changed_and_the_result_repeats(samples):
    exam = samples[0].exam
    before = [v.array.copy() for v in exam.volumes]
    first, second = (correct_bias(exam, shrink=4, levels=1, iterations=4)[0] for _ in range(2))
    for old, volume, one, two in zip(before, exam.volumes, first.volumes, second.volumes):
        np.testing.assert_array_equal(volume.array, old)
        np.testing.assert_array_equal(one.array, two.array)
        assert one.geometry == volume.geometry and one.array.dtype == np.float32


def test_progress_rises_to_the_end(samples):
    seen = []
    correct_bias(samples[0].exam, shrink=4, levels=2, iterations=4, report=lambda *event: seen.append(event))
    done = [row[1] for row in seen]
    assert done == sorted(done) and done[-1] == seen[-1][2] and len(seen) > 10
    assert {row[0] for row in seen} == {"Preparing"}


def test_a_cancel_is_heard_between_iterations(samples):
    calls = []

    def stop(stage, done, total):
        calls.append(done)
        if done > 0.3 * total:
            raise Cancelled()

    with pytest.raises(Cancelled):
        correct_bias(samples[0].exam, **QUICK, report=stop)
    assert calls[-1] < 50  # of 100: in the middle of the estimate


def spoiled(exam, change):
    return with_volumes(exam, [Volume(change(v.array.copy()), v.geometry) for v in exam.volumes])


def test_a_constant_exam_is_refused(samples):
    with pytest.raises(BadInput, match="no body"):
        correct_bias(spoiled(samples[0].exam, lambda a: np.full_like(a, 7)), **QUICK)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_numbers_are_refused(samples, value):
    def change(array):
        array[3, 4, 5] = value
        return array

    with pytest.raises(BadInput, match="NaN or infinite"):
        correct_bias(spoiled(samples[0].exam, change), **QUICK)


@pytest.mark.parametrize("shape", [(1, 40, 60), (3, 40, 60), (40, 2, 60), (40, 40, 1)])
def test_thin_exams_are_refused_with_their_size(samples, shape):
    exam = samples[0].exam
    rng = np.random.default_rng(0)
    volumes = tuple(Volume(rng.random(shape, np.float32), Geometry(shape)) for _ in exam.phases)
    with pytest.raises(BadInput, match=" × ".join(map(str, shape[::-1]))):
        correct_bias(type(exam)(exam.phases, volumes), **QUICK)

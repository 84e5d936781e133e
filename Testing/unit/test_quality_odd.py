"""Exams that do not show what is to be measured: empty measures with a reason, never a crash or a wrong number."""

import numpy as np
import pytest
from Benchmarks import quality_truth as truth
from BreastSegLib.exam.dce import DceExam, Phase
from BreastSegLib.volume import Geometry, Volume
from BreastSegTrainingLib.cases.columns import all_columns, columns_of
from BreastSegTrainingLib.quality import measure_dce, measures


def exam_of(arrays, spacing=(1.6, 1.6, 3.0), roles=None):
    """Return an exam of these arrays, pre-contrast first."""
    phases = roles or [Phase("pre", 0)] + [Phase("post", k) for k in range(1, len(arrays))]
    volumes = [Volume(np.asarray(a, np.float32), Geometry(a.shape, spacing)) for a in arrays]
    return DceExam(tuple(phases), tuple(volumes))


@pytest.fixture(scope="module")
def sample():
    return truth.clean(11, 2)


@pytest.fixture(scope="module")
def exam(sample):
    return truth.noisy(sample.exam, truth.NOISE, np.random.default_rng(3))[0]


def explained(found):
    """Check that every empty measure has its reason and every other one is a finite number in range."""
    reasons = " ".join(found.notes)
    assert set(found.values) == set(measures())
    for column, value in found.values.items():
        if value is None:
            assert f"{measures()[column]['title']} is not measured: " in reasons, column
        else:
            assert np.isfinite(value) and not all_columns()[column].problem(f"{value:.6g}"), column
    return found


def test_every_quality_column_is_a_measure():
    assert list(measures()) == columns_of("quality")
    assert all(row["better"] in ("higher", "lower") for row in measures().values())


def test_an_ordinary_exam_has_all_measures(sample, exam):
    found = explained(measure_dce(exam, sample.truth.array))
    assert None not in found.values.values()
    assert found.notes == ()


def test_the_same_exam_gives_the_same_numbers(sample, exam):
    assert measure_dce(exam, sample.truth.array) == measure_dce(exam, sample.truth.array)


@pytest.mark.parametrize("value", [0.0, 1000.0, np.nan, np.inf])
def test_constant_images(value):
    found = explained(measure_dce(exam_of([np.full((20, 60, 80), value)] * 2)))
    assert set(found.values.values()) == {None}


def test_noise_alone():
    # Half of pure noise may pass for a body; then nothing about it may look like a breast's edge or coverage.
    rng = np.random.default_rng(0)
    found = explained(measure_dce(exam_of([rng.rayleigh(10, (20, 60, 80)) for _ in range(2)])))
    assert found.values["coverage"] is None


def test_one_phase(exam):
    found = explained(measure_dce(DceExam(exam.phases[1:], exam.volumes[1:])))
    assert found.values["motion_mm"] is None
    assert any("one phase" in note for note in found.notes)
    assert any("no pre-contrast phase" in note for note in found.notes)
    assert all(found.values[column] is not None for column in ("snr", "sharpness_mm", "coverage", "artefact"))


def test_six_slices(exam):
    found = explained(measure_dce(truth.cropped(exam, (slice(11, 17), slice(None), slice(None)))))
    assert found.values["snr"] is not None


@pytest.mark.parametrize("count", [1, 2, 3])
def test_next_to_no_slices(exam, count):
    explained(measure_dce(truth.cropped(exam, (slice(13, 13 + count), slice(None), slice(None)))))


def test_tiny_images():
    rng = np.random.default_rng(0)
    for shape in ((1, 1, 1), (2, 3, 4), (6, 6, 6), (1, 200, 1)):
        explained(measure_dce(exam_of([rng.rayleigh(10, shape) for _ in range(2)])))


def test_no_air(exam):
    inside = truth.cropped(exam, (slice(8, 19), slice(34, 49), slice(19, 45)))
    found = explained(measure_dce(inside))
    assert found.values["sharpness_mm"] is None


def test_values_that_are_not_numbers_change_little(exam):
    spoilt = [volume.array.copy() for volume in exam.volumes]
    spoilt[0][:, :3] = np.nan
    spoilt[1][13, 38:41, 30:33] = np.nan
    spoilt[1][5, 5, 5] = np.inf
    found, clean = explained(measure_dce(truth.with_arrays(exam, spoilt))), measure_dce(exam)
    for column in ("snr", "sharpness_mm", "motion_mm", "bias", "coverage"):
        assert found.values[column] == pytest.approx(clean.values[column], rel=0.15, abs=0.05), column


def test_background_set_to_zero(sample, exam):
    # Some scanners blank the air: its noise must not be looked for there.
    body = sample.tissue.array != 0
    found = explained(measure_dce(truth.with_arrays(exam, [np.where(body, v.array, 0) for v in exam.volumes])))
    assert found.values["snr"] == pytest.approx(measure_dce(exam).values["snr"], rel=0.1)
    assert found.values["artefact"] < 5


def test_the_scale_of_the_intensities_does_not_matter(sample, exam):
    usual = measure_dce(exam, sample.truth.array).values
    scaled = measure_dce(truth.with_arrays(exam, [v.array * 1e-3 for v in exam.volumes]), sample.truth.array)
    assert scaled.values == pytest.approx(usual, rel=0.02, abs=0.02)


def test_channels_have_no_motion(exam):
    roles = [Phase("channel", k) for k in range(2)]
    found = explained(measure_dce(exam_of([v.array for v in exam.volumes], roles=roles)))
    assert found.values["motion_mm"] is None


def test_a_lesion_that_fills_everything(exam):
    found = explained(measure_dce(exam, np.ones(exam.geometry.shape, np.uint8)))
    assert found.values["cnr"] is None


def test_another_orientation_changes_nothing(sample, exam):
    # The same voxels as a sagittal acquisition: x, the slowest axis, runs from right to left.
    volumes = []
    for volume in exam.volumes:
        x, y, z = volume.geometry.spacing
        array = np.ascontiguousarray(volume.array.transpose(2, 0, 1)[:, ::-1])
        last = volume.geometry.origin[2] + (volume.array.shape[0] - 1) * z
        origin = (*volume.geometry.origin[:2], last)
        # Axes of the grid (fast to slow): posterior, inferior, left.
        volumes.append(Volume(array, Geometry(array.shape, (y, z, x), origin, (0, 0, 1, 1, 0, 0, 0, -1, 0))))
    found = explained(measure_dce(DceExam(exam.phases, tuple(volumes))))
    usual = measure_dce(exam)
    for column, tolerance in (("snr", 0.1), ("cnr", 0.1), ("coverage", 0.05)):
        assert found.values[column] == pytest.approx(usual.values[column], rel=tolerance), column
    assert abs(found.values["bias"] - usual.values["bias"]) < 0.02

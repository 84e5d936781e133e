"""Measures of DCE exams rank as the truth does, at any size, and are not fooled by one another."""

import numpy as np
import pytest
from Benchmarks import quality_truth as truth
from BreastSegLib.exam.dce import with_volumes
from BreastSegLib.volume import Geometry, Volume
from BreastSegTrainingLib.quality import artefact, bias, contrast, coverage, motion, sharpness
from BreastSegTrainingLib.quality.dceview import DceView
from scipy import ndimage
from scipy.stats import spearmanr

FUNCTIONS = {
    "snr": contrast.signal_to_noise,
    "cnr": contrast.contrast_to_noise,
    "sharpness_mm": sharpness.skin_width,
    "motion_mm": motion.largest_motion,
    "bias": bias.bias_strength,
    "coverage": coverage.breast_coverage,
    "artefact": artefact.artefact_score,
}
KINDS = {"artefact": list(truth.ARTEFACTS), "coverage": ["0", "1", "2"]}
# Another anatomy in each, the sizes mixed.
SEEDS_AND_SIZES = ((1, 2), (2, 0), (3, 2))


def value_of(column, exam, lesion=None):
    """Return one measure of an exam."""
    found = FUNCTIONS[column](DceView(exam, lesion))
    return found[0] if isinstance(found, tuple) else found


@pytest.mark.parametrize(
    ("column", "kind"), [(column, kind) for column in FUNCTIONS for kind in KINDS.get(column, [""])]
)
def test_measures_rank_as_the_truth(column, kind):
    wanted, found = [], []
    # Parts of the artefact score hardly depend on the anatomy.
    for seed, size in SEEDS_AND_SIZES[: 2 if column == "artefact" else 3]:
        for exam, true, lesion in truth.worse(column, seed, size, kind):
            wanted.append(true)
            found.append(value_of(column, exam, lesion))
    assert spearmanr(wanted, found).statistic >= 0.9


def test_noise_is_told_to_a_tenth():
    for size in range(3):
        exam, _ = truth.noisy(truth.clean(1, size).exam, 12.0, np.random.default_rng(0))
        assert DceView(exam).noise.sigma == pytest.approx(12.0, rel=0.1)


def test_motion_is_told_in_millimetres():
    exam, _ = truth.moved(truth.clean(2).exam, 3.0, np.random.default_rng(1))
    assert value_of("motion_mm", exam) == pytest.approx(3.0, abs=0.3)


def test_an_interpolated_image_is_no_less_noisy():
    exam = truth.noisy(truth.clean(2).exam, 10.0, np.random.default_rng(0))[0]
    volumes = []
    for volume in exam.volumes:
        array = ndimage.zoom(volume.array, (1, 1.5, 1.5), order=1, grid_mode=True, mode="nearest")
        x, y, z = volume.geometry.spacing
        volumes.append(Volume(array, Geometry(array.shape, (x / 1.5, y / 1.5, z), volume.geometry.origin)))
    assert value_of("snr", with_volumes(exam, volumes)) == pytest.approx(value_of("snr", exam), rel=0.25)


def test_a_smoothed_image_is_not_taken_for_one_without_noise():
    # Smoothing by 1 mm takes nine tenths of the noise of a voxel away.
    for seed, size in SEEDS_AND_SIZES[:2]:
        exam = truth.noisy(truth.clean(seed, size).exam, 10.0, np.random.default_rng(0))[0]
        spacing = np.array(exam.geometry.spacing[::-1])
        smooth = [ndimage.gaussian_filter(v.array, 1.0 / spacing) for v in exam.volumes]
        ratio = value_of("snr", truth.with_arrays(exam, smooth)) / value_of("snr", exam)
        assert 0.5 < ratio < 2


def test_noise_does_not_look_like_sharpness():
    sample = truth.clean(2).exam
    blurred = truth.with_arrays(
        sample,
        [ndimage.gaussian_filter(v.array, 1.5 / np.array(sample.geometry.spacing[::-1])) for v in sample.volumes],
    )
    found = [
        value_of("sharpness_mm", truth.noisy(blurred, sigma, np.random.default_rng(0))[0]) for sigma in (2, 10, 25)
    ]
    assert np.ptp(found) < 0.3


def test_contrast_agent_does_not_look_like_motion():
    # Four phases, with lesions and vessels that enhance by up to 170 %, and none that moves.
    sample = truth.clean(8, 2, posts=3)
    exam = truth.noisy(sample.exam, truth.NOISE, np.random.default_rng(0))[0]
    assert value_of("motion_mm", exam) < 0.4


def test_a_smaller_field_of_view_changes_little():
    exam = truth.noisy(truth.clean(2).exam, truth.NOISE, np.random.default_rng(0))[0]
    part = truth.cropped(exam, (slice(8, -6), slice(None), slice(10, -10)))
    for column, tolerance in (("snr", 0.1), ("cnr", 0.3), ("sharpness_mm", 0.2)):
        assert value_of(column, part) == pytest.approx(value_of(column, exam), rel=tolerance), column
    assert abs(value_of("bias", part) - value_of("bias", exam)) < 0.05


def test_the_number_of_voxels_changes_little():
    # Against the range of the levels that the ranking is tested with.
    span = {"snr": 50, "sharpness_mm": 6, "motion_mm": 6, "bias": 0.3, "coverage": 0.5, "artefact": 20}
    exams = [truth.noisy(truth.clean(1, k).exam, truth.NOISE, np.random.default_rng(0))[0] for k in range(3)]
    for column, width in span.items():
        assert np.ptp([value_of(column, exam) for exam in exams]) < 0.12 * width, column

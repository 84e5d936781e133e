"""Measures of mammograms rank as the truth does, at any pixel size; odd images are empty with a reason."""

import numpy as np
import pytest
from BreastSegLib.exam.mammograms import MammographyExam, View
from BreastSegLib.samples.mammogram import make_mammogram
from BreastSegLib.volume import Geometry, Volume
from BreastSegTrainingLib.quality import measure_mammograms
from scipy import ndimage
from scipy.stats import spearmanr

SEEDS_AND_SIZES = ((1, (1664, 1280)), (2, (1250, 960)))


def exam_of(image, spacing, view="CC"):
    """Return an exam of one mammogram."""
    geometry = Geometry((1, *image.shape), (spacing, spacing, 1.0))
    return MammographyExam(
        [View("L", view, "made so", spacing=(spacing, spacing))], [Volume(np.float32(image)[None], geometry)]
    )


def measured(image, spacing, lesion=None, view="CC"):
    return measure_mammograms(exam_of(image, spacing, view), lesion).values


@pytest.fixture(scope="module")
def samples():
    return [make_mammogram(seed, size=size, padding="none", markers=False) for seed, size in SEEDS_AND_SIZES]


def test_noise_lowers_signal_and_contrast_to_noise(samples):
    rng = np.random.default_rng(0)
    sigmas, snr, cnr = [], [], []
    for sample in samples:
        for sigma in (0, 80, 160, 320, 640):
            found = measured(
                sample.display + rng.normal(0, sigma, sample.image.shape), sample.spacing_mm, sample.truth
            )
            sigmas.append(-sigma)
            snr.append(found["snr"])
            cnr.append(found["cnr"])
    assert spearmanr(sigmas, snr).statistic >= 0.9
    assert spearmanr(sigmas, cnr).statistic >= 0.85  # masses differ in contrast


def test_blur_widens_the_edge_whatever_the_noise(samples):
    rng = np.random.default_rng(0)
    blur, width = [], []
    for sample in samples:
        for millimetres in (0, 0.15, 0.3, 0.5, 0.8):
            image = ndimage.gaussian_filter(sample.display.astype(np.float32), millimetres / sample.spacing_mm)
            found = measured(image + rng.normal(0, rng.choice([5, 40, 90]), image.shape), sample.spacing_mm)
            blur.append(millimetres)
            width.append(found["sharpness_mm"])
    assert spearmanr(blur, width).statistic >= 0.9


@pytest.mark.parametrize("edge", ["bottom", "front"])
def test_cuts_lower_the_coverage(samples, edge):
    shares, found = [], []
    for sample in samples:
        columns = np.flatnonzero(sample.breast.any(axis=0))[-1] + 1
        rows = np.flatnonzero(sample.breast.any(axis=1))[[0, -1]]
        for cut in (0, 0.1, 0.2, 0.3, 0.4):
            if edge == "front":
                part = (slice(None), slice(0, int(columns * (1 - cut)) if cut else None))
            else:
                part = (slice(0, int(rows[1] - cut * np.ptp(rows)) if cut else None), slice(None))
            shares.append(sample.breast[part].sum() / sample.breast.sum())
            found.append(measured(sample.display[part], sample.spacing_mm)["coverage"])
    assert spearmanr(shares, found).statistic >= 0.9


@pytest.mark.parametrize("kind", ["clipped", "stripes", "lines"])
def test_artefacts_raise_the_score(samples, kind):
    levels, found = [], []
    for sample in samples:
        inner = ndimage.binary_erosion(sample.breast, iterations=60)
        for level in (0, 0.05, 0.1, 0.2, 0.4):
            image = sample.display.astype(np.float32)
            if kind == "clipped" and level:
                image = np.minimum(image, np.quantile(image[inner], 1 - level))
            elif kind == "stripes":
                y, x = np.indices(image.shape)
                image += 0.4 * level * image[inner].mean() * np.cos(0.7 * x + 0.4 * y)
            elif kind == "lines" and level:
                image[::5][: int(level * len(image) / 2)] = 0
            levels.append(level)
            found.append(measured(image, sample.spacing_mm)["artefact"])
    assert spearmanr(levels, found).statistic >= 0.9


def test_the_pixel_size_changes_little():
    values = []
    for size in ((1664, 1280), (1110, 854)):
        sample = make_mammogram(5, size=size, padding="none")
        values.append(measured(sample.display, sample.spacing_mm, sample.truth))
    for column, tolerance in (("snr", 0.1), ("cnr", 0.5), ("coverage", 0.02)):
        assert values[0][column] == pytest.approx(values[1][column], rel=tolerance), column
    assert abs(values[0]["sharpness_mm"] - values[1]["sharpness_mm"]) < 0.2


def test_mammograms_have_no_motion_and_no_bias_field(samples):
    found = measured(samples[0].display, samples[0].spacing_mm)
    assert found["motion_mm"] is None
    assert found["bias"] is None


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((400, 300)),
        np.full((400, 300), np.nan),
        np.full((400, 300), 4095.0),
        np.random.default_rng(0).normal(100, 5, (400, 300)),
        np.ones((1, 1)),
        np.random.default_rng(0).normal(100, 5, (3, 900)),
    ],
    ids=["zero", "nan", "white", "noise", "pixel", "strip"],
)
def test_odd_images_are_empty_with_a_reason(image):
    found = measure_mammograms(exam_of(image, 0.1))
    assert all(value is None for column, value in found.values.items())
    assert len(found.notes) >= 5


def test_of_several_views_the_worst_counts(samples):
    one, other = samples[0].display.astype(float), samples[1].display.astype(float)
    other = other + np.random.default_rng(0).normal(0, 400, other.shape)
    exams = [exam_of(image, sample.spacing_mm) for image, sample in zip((one, other), samples)]
    both = MammographyExam([exam.views[0] for exam in exams], [exam.images[0] for exam in exams])
    found = measure_mammograms(both)
    assert found.values["snr"] == measure_mammograms(exams[1]).values["snr"]
    assert "worst" in found.notes[0]

"""Where the breast is in a mammogram: against the truth of synthetic ones, and against scipy done step by step."""

from functools import cache

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.recipe.mammography import breast, histogram
from BreastSegLib.samples.mammogram import make_mammogram
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

CROSS = ndimage.generate_binary_structure(2, 1)
SIZE = (416, 320)
STEPS = 12  # 100 at 0.07 mm


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@cache
def _sample(seed, laterality, view, density, padding, intent):
    made = make_mammogram(
        seed, laterality, view, density=density, size=SIZE, mass=False, padding=padding, intent=intent
    )
    return made.display.astype(np.float32), made.breast > 0


def sample(seed, laterality="L", view="CC", density="b", padding="border", intent="presentation"):
    """Return an image (a copy of its own) and the true breast."""
    image, truth = _sample(seed, laterality, view, density, padding, intent)
    return image.copy(), truth


@pytest.mark.parametrize("density", list("abcd"))
@pytest.mark.parametrize("padding", ["border", "air", "none"])
@pytest.mark.parametrize("intent", ["presentation", "processing"])
def test_the_breast_of_every_kind_of_sample_is_found(density, padding, intent):
    for laterality, view in (("L", "CC"), ("R", "MLO")):
        image, truth = sample(ord(density), laterality, view, density, padding=padding, intent=intent)
        found = breast.find_breast(image, iterations=STEPS)
        assert found.found and not found.note
        assert dice(found.mask, truth) > 0.975


def test_a_full_size_mammogram_with_the_published_parameters():
    made = make_mammogram(8, "R", "MLO", density="c", size=(3328, 2560))
    found = breast.find_breast(made.display.astype(np.float32))
    assert found.found and not found.note
    assert dice(found.mask, made.breast > 0) > 0.985


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_mask_equals_the_published_steps_done_one_after_the_other_with_scipy(seed):
    image, _ = sample(seed, "R", "MLO", padding="none")
    found = breast.find_breast(image, iterations=30)
    tissue = image > found.threshold
    background, count = ndimage.label(~tissue)
    for number in range(1, count + 1):
        hole = background == number
        at_edge = hole[0].any() or hole[-1].any() or hole[:, 0].any() or hole[:, -1].any()
        if not at_edge and hole.sum() <= 0.01 * hole.size:
            tissue |= hole
    core = ndimage.binary_erosion(tissue, CROSS, iterations=30, border_value=1)
    labels, _ = ndimage.label(core)
    core = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    closed = ndimage.binary_dilation(core, CROSS, iterations=5)
    closed = ndimage.binary_erosion(closed, CROSS, iterations=5, border_value=1)
    np.testing.assert_array_equal(found.mask, ndimage.binary_dilation(closed, CROSS, iterations=30))


def film_edges(image, rng):
    for edge in (np.s_[:5], np.s_[-7:], np.s_[:, :4], np.s_[:, -6:]):
        image[edge] = image.max() * rng.uniform(0.8, 1)


def film_fog(image, rng):
    top = image.max()
    slope = np.linspace(0.05, 0.12, image.shape[1], dtype=np.float32)
    image[:] = np.clip(top * slope + 0.85 * image + rng.normal(0, 0.01 * top, image.shape), 0, top)


def label_box(image, rng):
    side = np.s_[20:60, -100:-8] if image[:, :40].mean() > image[:, -40:].mean() else np.s_[20:60, 8:100]
    image[side] = np.where(image[side] < 0.5 * image.max(), image.max(), image[side])


def noise(image, rng):
    image += rng.normal(0, 0.02 * np.ptp(image), image.shape).astype(np.float32)


def specks(image, rng):
    chosen = rng.random(image.shape)
    image[chosen < 0.001], image[chosen > 0.999] = image.min(), image.max()


def hot_pixels(image, rng):
    image[5, 5], image[7, 9] = 50 * image.max(), -5 * image.max()


def eight_bits(image, rng):
    image[:] = np.rint(255 * (image - image.min()) / np.ptp(image))


def second_padding(image, rng):
    image += 0.05 * np.ptp(image)
    image[: len(image) // 50] = 0
    image[-len(image) // 50 :] = 0


HARD = (film_edges, film_fog, noise, specks, hot_pixels, eight_bits, second_padding)


@pytest.mark.parametrize("spoil", HARD, ids=[f.__name__ for f in HARD])
@pytest.mark.parametrize("intent", ["presentation", "processing"])
def test_hard_frames_do_not_mislead(spoil, intent):
    for seed, density in enumerate("abcd"):
        image, truth = sample(ord(density), "LR"[seed % 2], ("CC", "MLO")[seed % 2], density, intent=intent)
        spoil(image, np.random.default_rng(seed))
        found = breast.find_breast(image, iterations=STEPS)
        assert found.found
        assert dice(found.mask, truth) > 0.94, density


def test_film_edges_fog_and_a_label_together_do_not_mislead():
    image, truth = sample(4, "L", "CC", "c", padding="none")
    for spoil in (film_fog, label_box, film_edges):
        spoil(image, np.random.default_rng(1))
    assert dice(breast.find_breast(image, iterations=STEPS).mask, truth) > 0.94


def test_padding_over_nine_tenths_of_the_frame_beside_a_rim_of_air_does_not_mislead():
    image, truth = sample(4, padding="air", intent="processing")
    wide = np.zeros((image.shape[0] * 2, image.shape[1] * 2), np.float32)
    wide[: image.shape[0], : image.shape[1]] = image
    found = breast.find_breast(wide, iterations=STEPS)
    assert dice(found.mask[: image.shape[0], : image.shape[1]], truth) > 0.97
    assert not found.mask[image.shape[0] :].any()


@pytest.mark.parametrize("value", [0, 7, -3.5])
@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (60, 50)])
def test_a_constant_image_has_no_breast(shape, value):
    found = breast.find_breast(np.full(shape, value, np.float32))
    assert not found.found and found.mask.all() and np.isnan(found.threshold)
    assert found.note == "No breast was found; the whole image is used."


def test_a_breast_that_fills_the_frame_keeps_the_whole_frame():
    image, truth = sample(3, density="a")
    rows, columns = np.nonzero(truth)
    row, column = int(rows.mean()), int(columns.mean())
    inside = np.s_[row - 60 : row + 60, column - 40 : column + 40]
    assert truth[inside].all()
    found = breast.find_breast(image[inside], iterations=STEPS)
    assert found.mask.all() and not found.found and found.note


def test_a_breast_that_touches_all_edges_of_the_frame_is_found():
    rows, columns = np.ogrid[:300, :260]
    truth = (np.abs(rows - 149.5) / 150) ** 4 + (np.abs(columns - 129.5) / 130) ** 4 < 1
    assert all(edge.any() for edge in (truth[0], truth[-1], truth[:, 0], truth[:, -1]))
    image = np.where(truth, 2000, 0) + np.random.default_rng(0).normal(0, 20, truth.shape)
    found = breast.find_breast(image, iterations=STEPS)
    assert found.found and dice(found.mask, truth) > 0.98


def test_where_the_erosion_leaves_too_little_it_is_halved_and_said():
    image, truth = sample(3)
    found = breast.find_breast(image, iterations=400)
    assert found.found and dice(found.mask, truth) > 0.9
    steps = int(found.note.split(":")[1].split()[0])
    assert 0 < steps < 200 and "instead of 400" in found.note


def test_one_pixel_wide_images_and_no_iterations_are_answered():
    strip = np.r_[np.zeros(300), np.full(200, 900)].astype(np.float32)
    for image in (strip[None], strip[:, None]):
        found = breast.find_breast(image)
        assert found.found and not found.note
        np.testing.assert_array_equal(found.mask.ravel(), strip > 0)
        assert not breast.find_breast(image, iterations=0).note


@pytest.mark.parametrize("share", [0.13, 0.6])
@pytest.mark.parametrize("value", [16383.0, 65535.0])
def test_padding_at_the_maximum_that_no_tag_marks_is_air(share, value):
    image, truth = sample(5, "L", "CC", padding="none")
    width = round(share * image.shape[1] / (1 - share))
    padded = np.pad(image, ((0, 0), (0, width)), constant_values=value)
    found = breast.find_breast(padded, iterations=12)
    assert found.found and "padding" in found.note
    assert dice(found.mask[:, : image.shape[1]], truth) > 0.95
    assert not found.mask[:, image.shape[1] + 15 :].any()


def test_saturated_tissue_is_no_padding():
    image, truth = sample(5, "L", "CC", padding="none")
    top = np.percentile(image[truth > 0], 85)
    found = breast.find_breast(np.minimum(image, top), iterations=12)
    assert found.found and not found.note
    assert dice(found.mask, truth) > 0.95


def test_a_tiny_mark_alone_is_no_breast():
    image = np.zeros((300, 200), np.float32)
    image[10:20, 10:30] = 4000
    assert not breast.find_breast(image).found


def test_small_holes_are_filled_and_enclosed_air_is_not():
    mask = np.ones((60, 60), bool)
    mask[5, 5] = mask[20:25, 20:25] = False  # 1 and 25 pixels of 3600
    mask[40:52, 30:45] = False  # 180
    mask[0, 30] = False  # at the edge
    expected = np.ones((60, 60), bool)
    expected[40:52, 30:45] = expected[0, 30] = False
    np.testing.assert_array_equal(breast.fill_holes(mask, 0.01), expected)
    assert not breast.fill_holes(np.zeros((4, 4), bool)).any()
    assert breast.fill_holes(np.ones((4, 4), bool)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value):
    image = np.zeros((20, 20), np.float32)
    image[3, 4] = value
    with pytest.raises(BadInput, match="not finite"):
        breast.find_breast(image)


@pytest.mark.parametrize("image", [np.zeros((0, 5)), np.zeros((2, 3, 4))])
def test_other_shapes_are_refused(image):
    with pytest.raises(BadInput, match="two axes"):
        breast.find_breast(image)


@pytest.mark.parametrize(
    ("more", "words"),
    [({"level": 0}, "above 0"), ({"iterations": -1}, "0 or more"), ({"element": "disk"}, "cross, square")],
)
def test_parameters_out_of_range_are_refused_on_any_image(more, words):
    for image in (np.zeros((20, 20)), sample(3)[0]):
        with pytest.raises(BadInput, match=words):
            breast.find_breast(image, **more)


@settings(max_examples=80, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(["uint8", "uint16", "int16", "float32", "float64", "bool"]),
    levels=st.integers(1, 300),
    iterations=st.integers(0, 120),
)
def test_any_image_gets_a_mask_that_is_not_empty(shape, seed, kind, levels, iterations):
    rng = np.random.default_rng(seed)
    image = (rng.integers(0, levels, shape) * rng.random() * 100).astype(kind)
    found = breast.find_breast(image, iterations=iterations)
    assert found.mask.dtype == bool and found.mask.shape == shape and found.mask.any()
    assert found.found or (found.mask.all() and found.note)


@settings(max_examples=15, deadline=None)
@given(scale=st.floats(1e-6, 1e6), offset=st.floats(-1000, 1000))
def test_the_mask_does_not_depend_on_the_units_of_the_values(scale, offset):
    image, _ = sample(6)
    first = breast.find_breast(image.astype(float), iterations=STEPS)
    other = breast.find_breast((image.astype(float) + offset) * scale, iterations=STEPS)
    assert dice(first.mask, other.mask) > 0.999


def test_the_end_of_a_background_is_the_published_formula_worked_out_by_hand():
    counts = histogram.Histogram(np.full(100, 1000.0), 0.0, 2.0)  # 100 000 pixels in bins of 2
    component = histogram.Gaussian(weight=0.5, mean=40.0, sd=10.0)
    # 50 000 pixels, 2 per bin over 10 · sqrt(2 π): A = 3989.4; σ² = 2 · 10². 40 + sqrt(200 · ln(3989.4 / 0.05)).
    assert histogram.background_end(component, counts, 0.05) == pytest.approx(40 + np.sqrt(200 * 11.287107), abs=1e-3)
    assert histogram.background_end(component, counts, 3989.5) == 40
    x = histogram.background_end(component, counts, 0.05)
    assert 3989.4228 * np.exp(-((x - 40) ** 2) / 200) == pytest.approx(0.05, rel=1e-3)


def test_the_mixture_finds_the_gaussians_that_were_drawn():
    rng = np.random.default_rng(2)
    values = np.r_[rng.normal(100, 8, 60_000), rng.normal(900, 60, 30_000), rng.normal(1500, 90, 10_000)]
    parts = histogram.fit(histogram.histogram(values[:, None]), 3)
    np.testing.assert_allclose([p.weight for p in parts], [0.6, 0.3, 0.1], atol=0.005)
    np.testing.assert_allclose([p.mean for p in parts], [100, 900, 1500], atol=5)
    np.testing.assert_allclose([p.sd for p in parts], [8, 60, 90], rtol=0.03)


def test_the_mixture_is_the_same_every_time_and_knows_air_of_one_value():
    image, _ = sample(5, padding="none")
    image[image < 200] = 0
    counted = histogram.histogram(image)
    parts = histogram.fit(counted)
    assert parts == histogram.fit(counted)
    assert parts[0].sd == pytest.approx(counted.width / np.sqrt(12))
    assert parts[0].mean == pytest.approx(0, abs=counted.width)
    assert 0 < histogram.threshold(counted) < 200


def test_the_histogram_equals_numpys():
    image = np.random.default_rng(1).integers(0, 1024, (300, 70)).astype(np.uint16)
    image[0, :2] = 0, 1023
    found = histogram.histogram(image)
    expected, _ = np.histogram(image, len(found.counts), (found.low, found.low + found.width * len(found.counts)))
    np.testing.assert_array_equal(found.counts, expected)

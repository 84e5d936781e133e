"""Masks and probabilities find their way back, and left stays left."""

import json

import numpy as np
import pytest
from BreastSegLib.recipe import (
    list_recipes,
    load_recipe,
    prepare,
    prepare_cases,
    prepare_mask,
    regions_of_mask,
    restore,
)
from BreastSegLib.volume import Geometry, Volume
from geometry_cases import centred, geometries, named_matrices, rotation, signed_permutations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recipe_cases import (
    NAME,
    ball,
    dice,
    lps_centre,
    make_exam,
    mammograms,
    mammography_recipe,
    picture,
    places,
    record_of,
    with_grid,
)


def there_and_back(recipe, mask):
    """Return the mask after the whole preparation of an exam on its grid, and back."""
    exam = make_exam(mask.geometry, times=(None, 0.0, 90.0))
    record = json.loads(json.dumps(prepare(recipe, exam).record, allow_nan=False))
    return restore(record, prepare_mask(record, mask).array)


def labels_back(mask, record):
    return restore(record, prepare_mask(record, mask).array).array > 0


def shares_back(mask, record):
    """Return the mask that a perfect network would give: it says which share of each prepared voxel is lesion."""
    shares = prepare_mask(record, Volume(mask.array.astype(np.float32), mask.geometry)).array
    assert shares.dtype == np.float32
    assert shares.min() >= 0
    assert shares.max() <= 1 + 1e-6
    return restore(record, shares).array >= 0.5


# --- DCE exams -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.2, 1.2, 2.0), (1.5, 1.0, 3.0), (2.0, 1.1, 1.3)], ids=str)
@pytest.mark.parametrize("name", sorted(named_matrices()))
@pytest.mark.parametrize("radius", [2.6, 8.0])
def test_a_lesion_comes_back(name, spacing, radius):
    geometry = centred((22, 26, 24), spacing, named_matrices()[name])
    mask = ball(geometry, (1.3, -2.2, 0.7), radius)
    assert mask.array.any()
    back = there_and_back(load_recipe(NAME), mask)
    assert back.geometry == geometry
    assert back.array.dtype == np.uint8
    np.testing.assert_array_equal(back.array, mask.array)


@settings(max_examples=60, deadline=None)
@given(
    geometries((3, 9)),
    st.tuples(*[st.sampled_from((0.3, 0.5, 0.8))] * 3),
    st.sampled_from(("axial", "as-acquired")),
    st.sampled_from((bool, np.uint8, np.int16, np.uint16)),
    st.integers(0, 99),
)
def test_nothing_is_lost_where_the_prepared_grid_is_as_fine(geometry, spacing, orientation, dtype, seed):
    """Even noise comes back voxel by voxel, all labels of it."""
    spacing = tuple(min(s, min(geometry.spacing)) for s in spacing)
    labels = np.random.default_rng(seed).integers(0, 2 if dtype is bool else 5, geometry.shape).astype(dtype)
    record = record_of(geometry, spacing, orientation)
    back = restore(record, prepare_mask(record, Volume(labels, geometry)).array)
    assert back.geometry == geometry
    np.testing.assert_array_equal(back.array, labels)


def ellipsoid(rng, diameter, longest, finest, coarsest):
    """Return the mask of a lesion on an exam of random voxels (mm), axes and oblique angles."""
    matrix = signed_permutations()[rng.integers(48)]
    for axis in range(3):
        matrix = rotation(rng.uniform(-25, 25), axis) @ matrix
    radii = diameter / 2 * rng.uniform(1, longest, 3)
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    spacing = rng.uniform(finest, coarsest)
    size = np.ceil((2 * radii.max() + 8) / spacing).astype(int)
    geometry = Geometry(tuple(size[::-1]), tuple(spacing), tuple(rng.uniform(-200, 200, 3)), tuple(matrix.ravel()))
    middle = (geometry.ijk_to_lps @ np.append((size - 1) / 2, 1))[:3] + rng.uniform(-1, 1, 3)
    inside = (((places(geometry) - middle) @ axes / radii) ** 2).sum(-1) <= 1
    return Volume(inside.astype(np.uint8), geometry)


FINEST = np.array([0.6, 0.6, 0.6])
ANY, FINE, COARSE = np.array([3.0, 3.0, 3.0]), np.array([1.0, 1.0, 3.0]), np.array([1.0, 1.0, 1.0])


@pytest.mark.parametrize("coarsest", [ANY, FINE], ids=["voxels 0.6 to 3 mm", "pixels finer than 1 mm"])
@pytest.mark.parametrize(("diameter", "longest"), [(5, 1), (5, 2), (8, 1), (12, 1.5)])
def test_lesions_come_back_from_what_a_network_says(diameter, longest, coarsest):
    """Dice 0.98 for lesions of 5 mm and more, whatever the exam's geometry.

    Of balls of exactly 5 mm on exams finer than 1 mm about one in fifty misses it by a voxel or two: 1 voxel of 1 mm
    more or less is 1.5 % of such a lesion.
    """
    rng = np.random.default_rng(11)
    found = []
    for _ in range(50):
        mask = ellipsoid(rng, diameter, longest, FINEST, coarsest)
        found.append(dice(mask.array, shares_back(mask, record_of(mask.geometry))))
    smallest = diameter == 5 and longest == 1
    assert np.mean(np.array(found) >= 0.98) >= (0.96 if smallest else 1)
    assert min(found) >= 0.95
    assert np.median(found) >= 0.995


@pytest.mark.parametrize(("diameter", "least", "middle"), [(5, 0.78, 0.90), (8, 0.90, 0.945), (12, 0.94, 0.965)])
def test_labels_lose_only_the_edge_on_a_coarser_grid(diameter, least, middle):
    """One bit for each voxel of 1 mm cannot say where the edge lies inside it, so an edge drawn finer is lost."""
    rng = np.random.default_rng(12)
    found = []
    for _ in range(40):
        mask = ellipsoid(rng, diameter, 1, FINEST, FINE)
        record = record_of(mask.geometry)
        back = labels_back(mask, record)
        found.append(dice(mask.array, back))
        wrong = np.argwhere((mask.array > 0) != back)
        edge = np.abs(np.diff(np.pad(mask.array.astype(int), 2), axis=0)).any()
        assert edge
        # Nothing changes further from the edge than the diagonal of a prepared voxel.
        outline = np.argwhere(mask.array) * mask.geometry.spacing[::-1]
        outside = np.argwhere(mask.array == 0) * mask.geometry.spacing[::-1]
        for place in wrong:
            other = outside if mask.array[tuple(place)] else outline
            assert np.linalg.norm(other - place * mask.geometry.spacing[::-1], axis=1).min() <= np.sqrt(3) + 0.5
    assert min(found) >= least
    assert np.median(found) >= middle


def test_every_label_comes_back():
    geometry = centred((20, 24, 24), (1.2, 1.2, 2.0), named_matrices()["coronal"])
    array = ball(geometry, (-7, 0, 0), 5).array + 3 * ball(geometry, (7, 0, 0), 5).array
    back = there_and_back(load_recipe(NAME), Volume(array, geometry))
    np.testing.assert_array_equal(back.array, array)


def test_labels_that_touch_stay_apart_on_a_coarser_grid():
    geometry = centred((40, 40, 40), (0.7, 0.7, 0.7), rotation(10, 2))
    left = ball(geometry, (0, 0, 0), 9).array
    array = np.where(places(geometry)[..., 0] > 0, 300, 2).astype(np.int16) * left
    back = there_and_back(load_recipe(NAME), Volume(array, geometry)).array
    assert back.dtype == np.int16
    np.testing.assert_array_equal(np.unique(back), [0, 2, 300])
    for label in (2, 300):
        assert dice(array == label, back == label) >= 0.95


def test_an_empty_mask_stays_empty():
    geometry = Geometry((5, 6, 7), (0.7, 1.3, 2))
    record = record_of(geometry)
    mask = prepare_mask(record, Volume(np.zeros(geometry.shape, np.uint8), geometry))
    assert not mask.array.any()
    assert not restore(record, mask.array).array.any()


def test_the_exam_comes_back_filled_to_its_border():
    for spacing in ((0.7, 0.7, 2.2), (1.4, 0.9, 0.9)):
        geometry = Geometry((7, 11, 13), spacing, (3, 4, 5), tuple(rotation(12, 1).ravel()))
        record = record_of(geometry)
        full = Volume(np.ones(geometry.shape, np.uint8), geometry)
        assert labels_back(full, record).all()
        assert shares_back(full, record).all()
        ones = np.ones(record["prepared_geometry"]["shape"], np.float32)
        np.testing.assert_allclose(restore(record, ones).array, 1, atol=1e-5)


# --- probabilities ---------------------------------------------------------------------------------------------------


def test_probabilities_come_back_linear():
    exam = make_exam(centred((10, 12, 14), (1.3, 1.2, 2.0), np.eye(3)))
    prepared = prepare(load_recipe(NAME), exam)
    _, _, i = np.indices(prepared.geometry.shape)
    back = restore(prepared.record, (i * 0.05).astype(np.float32))
    x = exam.geometry.origin[0] + np.arange(14) * 1.3
    expected = np.clip((x - prepared.geometry.origin[0]) * 0.05, 0, (prepared.geometry.shape[2] - 1) * 0.05)
    assert back.array.dtype == np.float32
    np.testing.assert_allclose(back.array[5, 6], expected, atol=1e-5)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(geometries((14, 18)), st.tuples(*[st.floats(-0.01, 0.01)] * 3))
def test_slopes_come_back_as_they_are(geometry, slope):
    """Away from the border a linear slope in the patient stays, to a tenth of a prepared voxel (1 mm)."""
    record = record_of(geometry)
    prepared = Geometry.from_json(record["prepared_geometry"])
    middle = np.mean(geometry.corners(), axis=0)
    back = restore(record, (0.5 + (places(prepared) - middle) @ slope).astype(np.float32)).array
    inner = tuple(slice(5, -5) for _ in range(3))
    expected = 0.5 + (places(geometry) - middle) @ slope
    within = 1e-5 + 0.1 * sum(abs(value) for value in slope)
    if min(geometry.spacing) >= 1:
        within = 1e-5
    np.testing.assert_allclose(back[inner], expected[inner], atol=within)


@settings(max_examples=40, deadline=None)
@given(geometries((3, 12)), st.integers(0, 99))
def test_probabilities_stay_within_their_range(geometry, seed):
    record = record_of(geometry)
    array = np.random.default_rng(seed).random(record["prepared_geometry"]["shape"]).astype(np.float32)
    back = restore(record, array).array
    assert back.dtype == np.float32
    assert back.shape == geometry.shape
    assert back.min() >= 0
    assert back.max() <= array.max()


@pytest.mark.parametrize("spacing", [(0.6, 0.7, 0.8), (0.6, 0.6, 2.5), (1.4, 1.7, 2.2)], ids=str)
def test_probabilities_keep_their_place_and_volume(spacing):
    geometry = centred((30, 40, 40), spacing, rotation(14, 0))
    record = record_of(geometry)
    prepared = Geometry.from_json(record["prepared_geometry"])
    smooth = np.exp(-((np.linalg.norm(places(prepared) - (1.2, -0.7, 0.4), axis=-1) / 6) ** 2)).astype(np.float32)
    back = restore(record, smooth).array
    truth = np.exp(-((np.linalg.norm(places(geometry) - (1.2, -0.7, 0.4), axis=-1) / 6) ** 2))
    np.testing.assert_allclose(back, truth, atol=0.05)
    assert back.sum() * geometry.voxel_volume == pytest.approx(smooth.sum() * prepared.voxel_volume, rel=0.01)


def test_bool_masks_are_labels():
    exam = make_exam()
    prepared = prepare(load_recipe(NAME), exam)
    assert restore(prepared.record, np.ones(prepared.geometry.shape, bool)).array.all()


def test_images_and_masks_take_the_same_way():
    """What is bright in the channel is inside the prepared mask."""
    geometry = centred((20, 24, 24), (1.2, 1.0, 2.0), named_matrices()["oblique sagittal"])
    mask = ball(geometry, (4, -3, 5), 6)
    exam = make_exam(geometry, times=(None, 0.0, 90.0))
    for volume in exam.volumes:
        volume.array[:] = 1000.0 * mask.array
    prepared = prepare(load_recipe(NAME), exam)
    channel = prepared.channels[0]
    bright = channel > (channel.min() + channel.max()) / 2
    assert dice(bright, prepare_mask(prepared.record, mask).array) > 0.93
    shares = prepare_mask(prepared.record, Volume(mask.array.astype(np.float32), geometry)).array
    np.testing.assert_allclose((channel - channel.min()) / np.ptp(channel), shares, atol=0.01)


# --- left and right --------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(signed_permutations()),
    st.sampled_from(((1.0, 1.3, 2.0), (0.6, 0.8, 1.0), (2.5, 1.0, 1.0))),
    st.sampled_from((None, [1.0, 1.0, 1.0], [1.5, 0.8, 2.0])),
    st.sampled_from(("axial", "as-acquired")),
)
def test_left_stays_left(matrix, spacing, target, orientation):
    """A lesion at the patient's left, front and head stays there on the prepared grid and after the way back."""
    geometry = centred((24, 22, 26), spacing, matrix)
    centre = np.array([5.0, -4.0, 4.5])
    mask = ball(geometry, centre, 3.0)
    record = record_of(geometry, target, orientation)
    assert (
        record["undo"][0]["to"]
        == prepare(
            with_grid(spacing=target, orientation=orientation), make_exam(geometry, times=(None, 0.0, 90.0))
        ).geometry.to_json()
    )
    prepared = prepare_mask(record, mask)
    for volume in (prepared, restore(record, prepared.array)):
        np.testing.assert_allclose(lps_centre(volume), lps_centre(mask), atol=0.95)  # 0.91 is the most of all cases
    if orientation == "axial":
        middle = np.argwhere(prepared.array).mean(0) - (np.array(prepared.geometry.shape) - 1) / 2
        assert middle[2] > 1  # x grows to the left
        assert middle[1] < -1  # y grows to the back
        assert middle[0] > 1  # z grows to the head


@pytest.mark.parametrize("name", list_recipes("dce"))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    matrix=st.sampled_from(signed_permutations()), turn=st.floats(-20, 20), axis=st.integers(0, 2), side=st.booleans()
)
def test_every_dce_recipe_leaves_the_lesion_in_its_breast(name, matrix, turn, axis, side):
    """Bright in the image, marked in the mask: both lie in the right breast after everything, or both in the left."""
    centre = np.array([9.0 if side else -9.0, -3.0, 2.0])
    geometry = centred((26, 28, 30), (1.3, 1.1, 1.2), rotation(turn, axis) @ matrix)
    mask = ball(geometry, centre, 4.0)
    exam = make_exam(geometry, times=(None, 0.0, 90.0))
    for volume in exam.volumes[1:]:
        volume.array[mask.array > 0] += 9000
    prepared = prepare(load_recipe(name), exam)
    moved = prepare_mask(prepared.record, mask)
    back = restore(prepared.record, moved.array)
    last = Volume(prepared.channels[-1], prepared.geometry)
    bright = Volume((last.array > 0.6 * last.array.max()).astype(np.uint8), last.geometry)
    for volume in (moved, back, bright):
        np.testing.assert_allclose(lps_centre(volume), centre, atol=1.0)
    np.testing.assert_array_equal(back.array, mask.array)
    assert prepared.geometry == moved.geometry


def lesion(shape, centre, radius):
    y, x = np.indices(shape)
    return ((y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2).astype(np.uint8)[None]


@pytest.mark.parametrize("name", list_recipes("mammograms"))
@pytest.mark.parametrize("side", ["L", "R"])
def test_every_mammography_recipe_leaves_the_lesion_in_its_place(name, side):
    """The bright spot of the image, the prepared mask and the restored mask lie at one place, for both sides."""
    image = picture((120, 100), side)
    column = 30 if side == "L" else 69
    marked = lesion(image.shape, (52, column), 6)
    image[marked[0] > 0] += 6000
    exam = mammograms(image, sides=side, origin=(12.0, -7.0, 0.0))
    mask = Volume(marked, exam.images[0].geometry)
    recipe = load_recipe(name)
    regions = regions_of_mask(marked) if recipe.needs_region else ()
    (case,) = prepare_cases(recipe, exam, regions)
    moved = prepare_mask(case.record, mask)
    back = restore(case.record, moved.array)
    bright = Volume((case.channels[0] > 0.8 * case.channels.max()).astype(np.uint8), case.geometry)
    expected = lps_centre(mask)
    for volume in (moved, back, bright):
        np.testing.assert_allclose(lps_centre(volume), expected, atol=0.12)  # a pixel is 0.1 mm
    assert case.geometry == moved.geometry
    flipped = any(op["op"] == "flip" for op in case.record["undo"])
    assert flipped == (side == "R" and name.startswith("inbreast-ffdm"))


# --- mammograms ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sides", ["L", "R", "LR", " "])
def test_a_mammogram_mask_comes_back_pixel_by_pixel(sides):
    images = [picture((140, 110), side.strip() or "L", seed) for seed, side in enumerate(sides)]
    exam = mammograms(*images, sides=sides)
    rng = np.random.default_rng(3)
    for case, volume in zip(prepare_cases(load_recipe("inbreast-ffdm"), exam), exam.images):
        drawn = rng.integers(0, 4, volume.array.shape).astype(np.uint8)
        inside = restore(case.record, np.ones(case.geometry.shape, np.uint8)).array > 0
        back = restore(case.record, prepare_mask(case.record, Volume(drawn, volume.geometry)).array)
        assert back.geometry == volume.geometry
        np.testing.assert_array_equal(back.array, np.where(inside, drawn, 0))
        np.testing.assert_array_equal(back.array[inside], drawn[inside])
        chance = rng.random(case.geometry.shape).astype(np.float32)
        there = restore(case.record, chance)
        np.testing.assert_array_equal(np.sort(there.array[inside]), np.sort(chance, axis=None))


def test_a_mask_of_a_full_size_frame_comes_back_pixel_by_pixel():
    image = picture((3328, 2560), "R", 5)
    exam = mammograms(image, sides="R", spacing=(0.07, 0.07))
    (case,) = prepare_cases(load_recipe("inbreast-ffdm"), exam)
    assert case.channels.shape[-1] < 2560
    marked = lesion(image.shape, (1650, 1900), 70)
    back = restore(case.record, prepare_mask(case.record, Volume(marked, exam.images[0].geometry)).array)
    assert dice(back.array, marked) == 1
    np.testing.assert_array_equal(back.array, marked)


@pytest.mark.parametrize("box", [(20, 30, 50, 60), (-15, -15, 20, 25), (90, 100, 140, 150), (0, 0, 110, 140)], ids=str)
def test_a_mask_in_a_region_comes_back_pixel_by_pixel(box):
    """Also in regions that lie partly outside the image, where nothing is resized."""
    recipe = mammography_recipe("polarity", "flip-to-left", "region", "min-max")
    image = picture((140, 110), "R")
    exam = mammograms(image, sides="R")
    (case,) = prepare_cases(recipe, exam, [{"box": list(box)}])
    drawn = np.random.default_rng(4).integers(0, 3, (1, *image.shape)).astype(np.uint8)
    back = restore(case.record, prepare_mask(case.record, Volume(drawn, exam.images[0].geometry)).array).array
    x0, y0, x1, y1 = max(box[0], 0), max(box[1], 0), min(box[2], 110), min(box[3], 140)
    np.testing.assert_array_equal(back[0, y0:y1, x0:x1], drawn[0, y0:y1, x0:x1])
    outside = restore(case.record, np.ones(case.geometry.shape, np.uint8)).array == 0
    assert not back[outside].any()


@pytest.mark.parametrize(
    ("name", "least"),
    [("ffdm-512", 0.98), ("mass-region-224", 0.98), ("inbreast-ffdm-512", 0.98), ("inbreast-ffdm-1024", 0.98)],
)
def test_a_mask_comes_back_from_a_resized_mammogram(name, least):
    image = picture((1400, 1100))
    marked = lesion(image.shape, (700, 300), 110)
    exam = mammograms(image, spacing=(0.1, 0.1))
    recipe = load_recipe(name)
    (case,) = prepare_cases(recipe, exam, regions_of_mask(marked) if recipe.needs_region else ())
    mask = Volume(marked, exam.images[0].geometry)
    assert dice(labels_back(mask, case.record), marked) >= least
    assert dice(shares_back(mask, case.record), marked) >= 0.995

"""Clean-up of masks, against scipy's and scikit-image's own functions."""

import numpy as np
import pytest
from BreastSegLib.recipe import clean
from BreastSegLib.recipe.cleanup import label_components, largest_component
from BreastSegLib.recipe.schema import read_steps, step_kinds
from BreastSegLib.volume import Geometry, Volume
from geometry_cases import centred, rotation
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage import measure, morphology

GEOMETRY = centred((7, 8, 9), (0.7, 0.8, 2.0), rotation(15, 2))
VOXEL = 1.12  # mm³; the product of the spacing is 1.1199999999999999
SLICE = Geometry((1, 9, 11), (0.07, 0.07, 1.0))
SEEDS, SHARES = st.integers(0, 10**6), st.floats(0, 0.5)
CONNECTIVITY = st.sampled_from((1, 2, 3))
LEFT, RIGHT, UNKNOWN = 4.0, -4.0, 0.0


def step(name, **parameters):
    """Return one step with the table's defaults."""
    return read_steps([{"step": name, **parameters}], "cleanup", "test")[0]


def random_mask(seed, share, shape=GEOMETRY.shape):
    rng = np.random.default_rng(seed)
    return ((rng.random(shape) < share) * rng.integers(1, 4, shape)).astype(np.uint8)


def mask_of(rows):
    """Return a one-slice mask from a drawing, one digit for each pixel of 1 mm."""
    array = np.array([[int(c) for c in row] for row in rows], np.uint8)[None]
    return Volume(array, Geometry(array.shape))


def side_of(point):
    """Left and right of x = 0, unknown within 2 mm of it."""
    return "" if abs(point[0]) < 2 else "left" if point[0] > 0 else "right"


def blobs(*sizes_at, z=1):
    """Return a mask (3, 3, x) with bars of (voxels, x of their centre in mm), x = 0 in the middle."""
    array = np.zeros((3, 3, 31), np.uint8)
    for size, x in sizes_at:
        first = round(x + 15 - (size - 1) / 2)
        array[z, 1, first : first + size] = 1
    return Volume(array, Geometry(array.shape, origin=(-15.0, 0.0, 0.0)))


def spans(mask):
    """Return (first, last) x index of each bar."""
    bars, count = ndimage.label(mask.array.any(axis=(0, 1)))
    return [(int(np.flatnonzero(bars == n)[0]), int(np.flatnonzero(bars == n)[-1])) for n in range(1, count + 1)]


def check_books(mask, cleaned, rows):
    """Nothing but what the rows say has changed."""
    before, after = mask.array != 0, cleaned.array != 0
    removed = sum(row["voxels"] for row in rows if row["change"] == "removed")
    filled = sum(row["voxels"] for row in rows if row["change"] == "filled")
    assert after.sum() == before.sum() - removed + filled
    np.testing.assert_array_equal(cleaned.array[before & after], mask.array[before & after])
    assert cleaned.geometry == mask.geometry and cleaned.array.dtype == mask.array.dtype


# --- the largest -----------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(SEEDS, SHARES, CONNECTIVITY)
def test_largest_against_scipy(seed, share, connectivity):
    array = random_mask(seed, share)
    labels, count = ndimage.label(array, ndimage.generate_binary_structure(3, connectivity))
    mask = Volume(array, GEOMETRY)
    cleaned, rows, notes = clean([step("largest-component", connectivity=connectivity)], mask)
    expected = labels == 1 + np.argmax(np.bincount(labels.ravel(), minlength=2)[1:]) if count else array != 0
    np.testing.assert_array_equal(cleaned.array, array * expected)
    assert len(rows) == max(0, count - 1) and notes == []
    check_books(mask, cleaned, rows)
    volume = sum(row["volume_mm3"] for row in rows) + (cleaned.array != 0).sum() * VOXEL
    assert volume == pytest.approx((array != 0).sum() * VOXEL, abs=1e-3 * (count + 1))


@settings(max_examples=80, deadline=None)
@given(SEEDS, SHARES, CONNECTIVITY, st.integers(1, 6))
def test_n_largest_against_scipy(seed, share, connectivity, count):
    array = random_mask(seed, share)
    labels, found = ndimage.label(array, ndimage.generate_binary_structure(3, connectivity))
    sizes = ndimage.sum_labels(array != 0, labels, np.arange(1, found + 1))
    kept = np.argsort(-sizes, kind="stable")[:count] + 1
    mask = Volume(array, GEOMETRY)
    cleaned, rows, _ = clean([step("n-largest", connectivity=connectivity, count=count)], mask)
    np.testing.assert_array_equal(cleaned.array, array * np.isin(labels, kept))
    assert len(rows) == max(0, found - count)
    check_books(mask, cleaned, rows)


def test_of_equals_the_first_stays():
    mask = blobs((3, -10), (3, 0), (3, 10))
    cleaned, removed = largest_component(mask)
    assert spans(cleaned) == [(4, 6)]
    assert [row["centroid_lps"] for row in removed] == [[0.0, 1.0, 1.0], [10.0, 1.0, 1.0]]
    assert spans(clean([step("n-largest", count=2)], mask)[0]) == [(4, 6), (14, 16)]


def test_touching_labels_are_one_object():
    array = np.zeros((3, 3, 6), np.uint8)
    array[1, 1, 0:2], array[1, 1, 2:4] = 1, 2
    mask = Volume(array, Geometry(array.shape))
    assert clean([step("largest-component")], mask) == (mask, [], [])


# --- the largest of each breast --------------------------------------------------------------------------------------


def test_the_largest_of_each_breast_stays():
    mask = blobs((7, -10), (2, -3.5), (5, 9), (3, 4))
    steps = [step("largest-component", scope="breast")]
    cleaned, rows, notes = clean(steps, mask, side_of)
    assert spans(cleaned) == [(2, 8), (22, 26)] and notes == []
    assert [(row["side"], row["voxels"]) for row in rows] == [("right", 2), ("left", 3)]
    assert spans(clean([step("largest-component")], mask, side_of)[0]) == [(2, 8)]


def test_regions_of_unknown_side_are_a_side_of_their_own():
    cleaned, rows, notes = clean(
        [step("largest-component", scope="breast")], blobs((5, -8), (1, 0), (3, 9), (1, 4)), side_of
    )
    assert spans(cleaned) == [(5, 9), (15, 15), (23, 25)]
    assert [row["voxels"] for row in rows] == [1]
    assert len(notes) == 1 and "not known for every region" in notes[0]


@pytest.mark.parametrize("side", [None, lambda point: ""])
def test_without_sides_the_largest_of_the_exam_stays(side):
    cleaned, rows, notes = clean([step("largest-component", scope="breast")], blobs((5, -8), (3, 9)), side)
    assert spans(cleaned) == [(5, 9)] and len(rows) == 1
    assert notes == ["The side of the body is not known: the largest region of the exam was kept."]


def test_a_lesion_in_the_right_breast_stays_in_the_right_breast_when_the_grid_is_flipped():
    mask = blobs((7, -10), (2, -4), (5, 9))
    geometry = Geometry(mask.array.shape, origin=(15.0, 0.0, 0.0), direction=(-1, 0, 0, 0, 1, 0, 0, 0, 1))
    flipped = Volume(np.ascontiguousarray(mask.array[..., ::-1]), geometry)
    steps = [step("largest-component", scope="breast")]
    cleaned, rows, _ = clean(steps, flipped, side_of)
    expected, expected_rows, _ = clean(steps, mask, side_of)
    np.testing.assert_array_equal(cleaned.array[..., ::-1], expected.array)
    assert rows == expected_rows and rows[0]["side"] == "right"


# --- small ones ------------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(SEEDS, SHARES, CONNECTIVITY, st.integers(0, 12))
@example(5, 0.2, 3, 10)
def test_minimum_volume_against_skimage(seed, share, connectivity, voxels):
    array = random_mask(seed, share)
    mask = Volume(array, GEOMETRY)
    # A region of exactly the limit stays, whatever its volume's last digits are.
    cleaned, rows, notes = clean([step("minimum-size", mm3=voxels * VOXEL, connectivity=connectivity)], mask)
    labels = measure.label(array != 0, connectivity=connectivity)
    large = [region.label for region in measure.regionprops(labels) if region.num_pixels >= voxels]
    np.testing.assert_array_equal(cleaned.array, array * np.isin(labels, large))
    kept = morphology.remove_small_objects(array != 0, max_size=max(0, voxels - 1), connectivity=connectivity)
    np.testing.assert_array_equal(cleaned.array != 0, kept)
    assert all(row["voxels"] < voxels and row["volume_mm3"] < voxels * VOXEL for row in rows) and notes == []
    check_books(mask, cleaned, rows)


def test_masks_of_one_slice_are_measured_in_mm2():
    array = np.zeros(SLICE.shape, np.uint8)
    array[0, 1:4, 1:4], array[0, 6, 6:8] = 1, 1
    steps = [step("minimum-size", mm2=0.02, mm3=1000.0)]
    cleaned, rows, _ = clean(steps, Volume(array, SLICE))
    assert int(cleaned.array.sum()) == 9
    (row,) = rows
    assert row["area_mm2"] == 0.01 and "volume_mm3" not in row
    assert row["centroid_lps"] == [pytest.approx(0.455), pytest.approx(0.42), 0]
    thick = Volume(np.concatenate([array, array]), Geometry((2, 9, 11), (0.07, 0.07, 1.0)))
    assert not clean(steps, thick)[0].array.any()


def test_without_a_known_spacing_small_ones_stay_and_a_note_says_so():
    for geometry, what in ((SLICE, "pixel"), (GEOMETRY, "voxel")):
        mask = Volume(random_mask(2, 0.1, geometry.shape), geometry)
        cleaned, rows, notes = clean([step("minimum-size")] * 2, mask, spacing_known=False)
        assert cleaned is mask and rows == []
        assert notes == [f"Small regions were kept, because the {what} size is unknown."]
        _, rows, _ = clean([step("largest-component", connectivity=1)], mask, spacing_known=False)
        assert rows and all(row.get("area_mm2", row.get("volume_mm3")) is None and row["voxels"] for row in rows)


def test_a_minimum_of_nothing_removes_nothing():
    mask = Volume(random_mask(2, 0.1), GEOMETRY)
    assert clean([step("minimum-size", mm3=0)], mask) == (mask, [], [])
    assert clean([step("minimum-size", mm3=0)], mask, spacing_known=False) == (mask, [], [])


# --- holes -----------------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(SEEDS, st.floats(0.3, 0.95), st.sampled_from((GEOMETRY, SLICE)))
def test_holes_against_scipy(seed, share, geometry):
    array = random_mask(seed, share, geometry.shape)
    flat = array[0] if geometry is SLICE else array
    expected = ndimage.binary_fill_holes(flat != 0).reshape(array.shape)
    mask = Volume(array, geometry)
    cleaned, rows, notes = clean([step("fill-holes")], mask)
    np.testing.assert_array_equal(cleaned.array != 0, expected)
    check_books(mask, cleaned, rows)
    assert len(rows) == ndimage.label(expected & (array == 0))[1] and notes == []
    assert all(row["change"] == "filled" for row in rows)
    if len(np.unique(array[array != 0])) == 1:
        assert set(np.unique(cleaned.array)) <= set(np.unique(array))


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.floats(0.5, 0.95), st.sampled_from((GEOMETRY, SLICE)))
def test_new_voxels_take_a_label_that_the_hole_touches(seed, share, geometry):
    array = random_mask(seed, share, geometry.shape)
    cleaned, _, _ = clean([step("fill-holes")], Volume(array, geometry))
    holes, count = ndimage.label((array == 0) & (cleaned.array != 0))
    for number in range(1, count + 1):
        hole = holes == number
        (label,) = np.unique(cleaned.array[hole])
        assert label in array[ndimage.binary_dilation(hole) & ~hole]


def test_holes_in_a_plane_stay_open_in_three_dimensions():
    ring = np.ones((5, 5), np.uint8)
    ring[1:4, 1:4] = 0
    tube = Volume(np.stack([ring] * 3), Geometry((3, 5, 5)))
    assert clean([step("fill-holes")], tube) == (tube, [], [])
    filled, rows, _ = clean([step("fill-holes")], Volume(ring[None], Geometry((1, 5, 5))))
    assert filled.array.all()
    assert rows == [
        {"step": "fill-holes", "change": "filled", "voxels": 9, "area_mm2": 9.0, "centroid_lps": [2.0, 2.0, 0.0]}
    ]


def test_a_hole_takes_the_label_around_it_not_that_of_an_island():
    mask = mask_of(["111111111", "100000001", "102222201", "102222201", "102222201", "100000001", "111111111"])
    cleaned, (row,), _ = clean([step("fill-holes")], mask)
    np.testing.assert_array_equal(cleaned.array == 2, mask.array == 2)
    assert cleaned.array.all() and set(np.unique(cleaned.array)) == {1, 2} and row["voxels"] == 20
    # Many islands: most of the hole's neighbours are theirs, and the label around it still wins.
    array = np.zeros((1, 21, 21), np.uint8)
    array[0, 2:-2:2, 2:-2:2] = 2
    array[0, [0, -1]] = array[0, :, [0, -1]] = 1
    assert (array == 2).sum() == 81 > 4 * 19
    cleaned, _, _ = clean([step("fill-holes")], Volume(array, Geometry(array.shape)))
    np.testing.assert_array_equal(cleaned.array, np.where(array, array, 1))


def test_a_hole_between_labels_takes_the_one_it_touches_most():
    mask = mask_of(["11333", "10033", "11333"])
    assert clean([step("fill-holes")], mask)[0].array[0, 1].tolist() == [1, 1, 1, 3, 3]  # 1: three sides, 3: three
    mask = mask_of(["13333", "10033", "13333"])
    assert clean([step("fill-holes")], mask)[0].array[0, 1].tolist() == [1, 3, 3, 3, 3]


# --- all steps -------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.floats(0, 0.9), CONNECTIVITY)
def test_connectivity_of_one_slice_is_that_of_the_plane(seed, share, connectivity):
    array = random_mask(seed, share, SLICE.shape)
    labels, rows = label_components(Volume(array, SLICE), connectivity)
    expected = measure.label(array[0] != 0, connectivity=min(connectivity, 2))
    np.testing.assert_array_equal(labels[0], expected)
    assert [row["voxels"] for row in rows] == [int(r.num_pixels) for r in measure.regionprops(expected)]


@settings(max_examples=60, deadline=None)
@given(
    SEEDS,
    st.floats(0, 0.9),
    st.lists(st.sampled_from(sorted(step_kinds("cleanup"))), max_size=4),
    st.sampled_from((GEOMETRY, SLICE)),
)
def test_several_steps_are_the_steps_one_by_one(seed, share, names, geometry):
    mask = Volume(random_mask(seed, share, geometry.shape), geometry)
    before = mask.array.copy()
    steps = [step(name) for name in names]
    cleaned, rows, notes = clean(steps, mask, side_of)
    after, single_rows = mask, []
    for one in steps:
        after, more, _ = clean([one], after, side_of)
        single_rows += more
    np.testing.assert_array_equal(cleaned.array, after.array)
    assert rows == single_rows and len(notes) == len(set(notes))
    np.testing.assert_array_equal(mask.array, before)
    signs = {"removed": -1, "filled": 1}
    change = sum(signs[row["change"]] * row["voxels"] for row in rows)
    assert np.count_nonzero(cleaned.array) == np.count_nonzero(before) + change


def test_every_step_of_the_table_reports_in_full():
    array = np.zeros((5, 5, 12), np.uint8)
    array[0:5, 0:5, 0:5], array[2, 2, 2], array[2, 2, 7], array[2, 2, 10:12] = 1, 0, 1, 1
    for name in step_kinds("cleanup"):
        _, rows, _ = clean(
            [step(name, **({"count": 1} if name == "n-largest" else {}))], Volume(array, Geometry((5, 5, 12)))
        )
        assert len(rows) == (1 if name == "fill-holes" else 2)
        for row in rows:
            assert set(row) == {"step", "change", "voxels", "volume_mm3", "centroid_lps"} and row["step"] == name
            assert row["change"] == ("filled" if name == "fill-holes" else "removed")


def test_no_steps_and_empty_masks_change_nothing():
    mask = Volume(random_mask(5, 0.05), GEOMETRY)
    assert clean([], mask) == (mask, [], [])
    empty = Volume(np.zeros(GEOMETRY.shape, np.uint8), GEOMETRY)
    assert clean([step(name) for name in step_kinds("cleanup")], empty, side_of) == (empty, [], [])


def test_full_masks_are_one_region():
    full = Volume(np.ones(GEOMETRY.shape, np.uint8), GEOMETRY)
    assert clean([step(name) for name in step_kinds("cleanup")], full) == (full, [], [])


# --- numbering -------------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_rows_against_scipy(seed):
    array = random_mask(seed, 0.05)
    labels, count = ndimage.label(array, np.ones((3, 3, 3)))
    image = Volume(array, GEOMETRY).to_sitk()
    found, rows = label_components(Volume(array, GEOMETRY))
    np.testing.assert_array_equal(found, labels)
    assert [row["label"] for row in rows] == list(range(1, count + 1))
    for row in rows:
        zyx = ndimage.center_of_mass(labels == row["label"])
        centroid = image.TransformContinuousIndexToPhysicalPoint(tuple(float(v) for v in zyx[::-1]))
        np.testing.assert_allclose(row["centroid_lps"], centroid, atol=1e-3)
        assert row["voxels"] == (labels == row["label"]).sum()
        assert row["volume_mm3"] == pytest.approx(row["voxels"] * VOXEL, abs=1e-3)


def test_an_empty_mask_has_no_rows():
    mask = Volume(np.zeros((40, 200, 200), np.uint8), Geometry((40, 200, 200)))
    assert label_components(mask)[1] == []

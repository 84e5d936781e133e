"""Largest component, checked against scipy."""

import numpy as np
import pytest
from BreastSegLib.recipe import clean
from BreastSegLib.recipe.cleanup import label_components, largest_component
from BreastSegLib.volume import Geometry, Volume
from geometry_cases import centred, rotation
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

GEOMETRY = centred((7, 8, 9), (0.7, 0.8, 2.0), rotation(15, 2))
STEP = [{"step": "largest-component", "connectivity": 3}]


def random_mask(seed, share):
    rng = np.random.default_rng(seed)
    return ((rng.random(GEOMETRY.shape) < share) * rng.integers(1, 4, GEOMETRY.shape)).astype(np.uint8)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 0.5), st.sampled_from((1, 2, 3)))
def test_against_scipy(seed, share, connectivity):
    array = random_mask(seed, share)
    labels, count = ndimage.label(array, ndimage.generate_binary_structure(3, connectivity))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    mask, removed = clean([{"step": "largest-component", "connectivity": connectivity}], Volume(array, GEOMETRY))
    if not count:
        assert not mask.array.any()
        assert removed == []
        return
    kept = mask.array != 0
    assert kept.sum() == sizes.max()
    assert len(np.unique(labels[kept])) == 1
    np.testing.assert_array_equal(mask.array[kept], array[kept])
    assert sum(row["voxels"] for row in removed) + kept.sum() == (array != 0).sum()
    assert len(removed) == count - 1
    volume = sum(row["volume_mm3"] for row in removed) + kept.sum() * GEOMETRY.voxel_volume
    assert volume == pytest.approx((array != 0).sum() * 0.7 * 0.8 * 2.0, abs=1e-3 * count)
    assert mask.geometry == GEOMETRY
    assert mask.array.dtype == array.dtype


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_rows_against_scipy(seed):
    array = random_mask(seed, 0.05)
    labels, count = ndimage.label(array, np.ones((3, 3, 3)))
    expected = []
    image = Volume(array, GEOMETRY).to_sitk()
    for label in range(1, count + 1):
        zyx = ndimage.center_of_mass(labels == label)
        expected.append(
            (
                int((labels == label).sum()),
                *image.TransformContinuousIndexToPhysicalPoint(tuple(float(v) for v in zyx[::-1])),
            )
        )
    rows = [(row["voxels"], *row["centroid_lps"]) for row in label_components(Volume(array, GEOMETRY))[1]]
    np.testing.assert_allclose(sorted(rows), np.reshape(sorted(expected), np.shape(sorted(rows))), atol=2e-3)


def test_of_equals_the_first_stays():
    array = np.zeros((3, 3, 12), np.uint8)
    array[1, 1, 1:4] = array[1, 1, 5:8] = array[1, 1, 9:12] = 1
    mask, removed = largest_component(Volume(array, Geometry(array.shape)))
    assert np.flatnonzero(mask.array[1, 1]).tolist() == [1, 2, 3]
    assert [row["centroid_lps"] for row in removed] == [[6.0, 1.0, 1.0], [10.0, 1.0, 1.0]]


def test_touching_labels_are_one_object():
    array = np.zeros((3, 3, 6), np.uint8)
    array[1, 1, 0:2], array[1, 1, 2:4] = 1, 2
    mask, removed = clean(STEP, Volume(array, Geometry(array.shape)))
    np.testing.assert_array_equal(mask.array, array)
    assert removed == []


def test_the_input_is_not_changed():
    array = random_mask(3, 0.1)
    before = array.copy()
    clean(STEP, Volume(array, GEOMETRY))
    np.testing.assert_array_equal(array, before)


def test_removed_rows_say_which_step():
    _, removed = clean(STEP, Volume(random_mask(5, 0.05), GEOMETRY))
    assert removed
    assert all(
        set(row) == {"step", "voxels", "volume_mm3", "centroid_lps"} and row["step"] == "largest-component"
        for row in removed
    )


def test_no_steps_change_nothing():
    mask = Volume(random_mask(5, 0.05), GEOMETRY)
    assert clean([], mask) == (mask, [])


def test_memory_of_large_empty_masks_stays_small():
    mask = Volume(np.zeros((40, 200, 200), np.uint8), Geometry((40, 200, 200)))
    assert label_components(mask)[1] == []

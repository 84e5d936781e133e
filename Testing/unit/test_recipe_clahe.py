"""CLAHE, checked against scikit-image's, which is written independently."""

import tracemalloc

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.recipe.clahe import equalize
from scipy import ndimage


def image(shape, seed=0):
    rng = np.random.default_rng(seed)
    return ndimage.gaussian_filter(rng.normal(0, 100, shape), 1.0).astype(np.float32) ** 3 - np.float32(20)


def reference(array, kernel, clip_limit, bins):
    exposure = pytest.importorskip("skimage.exposure")
    scaled = (array - array.min()) / (array.max() - array.min())
    size = [max(1, int(n * kernel)) for n in array.shape]
    return exposure.equalize_adapthist(scaled, size, clip_limit, bins)


@pytest.mark.parametrize(
    ("shape", "kernel", "clip_limit", "bins"),
    [
        ((24, 40, 56), 0.125, 0.01, 256),  # the defaults
        ((60, 70, 80), 0.25, 0.02, 256),
        ((60, 70, 80), 0.25, 0.005, 64),
        ((17, 30, 41), 0.125, 0.01, 100),
        ((140, 133), 0.125, 0.03, 256),
        ((64, 50), 0.3, 0.5, 4096),
        ((1, 50, 40), 0.2, 0.01, 16),
        ((30, 30, 30), 1.0, 0.001, 256),
        ((7, 1, 9), 0.5, 1.0, 256),
        ((5, 6, 7), 0.01, 0.01, 256),
    ],
)
def test_values_are_those_of_scikit_image(shape, kernel, clip_limit, bins):
    array = image(shape)
    np.testing.assert_array_equal(
        equalize(array, kernel, clip_limit, bins), reference(array, kernel, clip_limit, bins)
    )


def test_defaults_are_those_of_scikit_image():
    array = image((90, 100))
    exposure = pytest.importorskip("skimage.exposure")
    expected = exposure.equalize_adapthist((array - array.min()) / (array.max() - array.min()))
    np.testing.assert_array_equal(equalize(array), expected)


@pytest.mark.parametrize("width", [3, 4])
def test_few_columns_are_no_colours(width):
    """scikit-image takes a last axis of 3 or 4 for colours; the axes in another order show what is meant."""
    array = image((20, 22, width))
    turned = np.ascontiguousarray(array.transpose(2, 1, 0))
    np.testing.assert_allclose(equalize(array), reference(turned, 0.125, 0.01, 256).transpose(2, 1, 0), atol=2e-4)


def test_input_stays_and_output_is_float32_from_0_to_1():
    array = image((20, 24, 28))
    before = array.copy()
    result = equalize(array)
    np.testing.assert_array_equal(array, before)
    assert result.dtype == np.float32 and result.min() == 0 and result.max() == 1


def test_memory_stays_below_three_times_the_image():
    array = image((64, 128, 128))
    tracemalloc.start()
    equalize(array)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * array.nbytes


@pytest.mark.parametrize("value", [0.0, -3.5, 1e6])
def test_a_constant_image_is_refused(value):
    with pytest.raises(BadInput, match="constant"):
        equalize(np.full((6, 7, 8), value, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_numbers_are_refused(value):
    array = image((6, 7, 8))
    array[1, 2, 3] = value
    with pytest.raises(BadInput, match="NaN or infinite"):
        equalize(array)

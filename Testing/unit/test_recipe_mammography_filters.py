"""Tone curve and Wiener filter of mammograms, against hand-computed examples, NumPy and scipy."""

import warnings

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.recipe.mammography.tone import tone
from BreastSegLib.recipe.mammography.wiener import wiener
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal


def test_the_tone_curve_of_a_five_by_five_image_is_the_one_computed_by_hand():
    image = np.arange(25, dtype=np.float32).reshape(5, 5) * 4  # 0, 4 … 96
    mask = np.ones((5, 5), bool)
    mask[4, :4] = False  # 21 values: 0 … 76 in steps of 4, and 96
    toned, ends = tone(image, mask, low_percent=10, high_percent=5)
    # 10 % of 20 steps is 2 values up: 8. 95 % is 19 values up: 76.
    assert ends == {"low": 8, "high": 76}
    expected = np.array(
        [
            [0, 0, 0, 4 / 68, 8 / 68],
            [12 / 68, 16 / 68, 20 / 68, 24 / 68, 28 / 68],
            [32 / 68, 36 / 68, 40 / 68, 44 / 68, 48 / 68],
            [52 / 68, 56 / 68, 60 / 68, 64 / 68, 1],
            [0, 0, 0, 0, 1],
        ]
    )
    np.testing.assert_allclose(toned, expected, atol=1e-6)
    assert toned.dtype == np.float32


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), low=st.floats(0, 40), high=st.floats(0, 40))
def test_the_tone_curve_equals_numpys_percentiles_and_interpolation(seed, low, high):
    rng = np.random.default_rng(seed)
    image = rng.normal(800, 300, (17, 23)).astype(np.float32)
    mask = rng.random(image.shape) < 0.6
    before = image.copy()
    toned, ends = tone(image, mask, low, high)
    first, last = np.percentile(image[mask].astype(float), (low, 100 - high))
    assert ends == pytest.approx({"low": first, "high": last}, rel=1e-5)
    np.testing.assert_allclose(toned, np.where(mask, np.interp(image, (first, last), (0, 1)), 0), atol=1e-4)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float64])
def test_the_tone_curve_takes_any_kind_of_number(dtype):
    image = np.arange(100).reshape(10, 10).astype(dtype)
    toned, _ = tone(image, np.ones(image.shape, bool), 0, 0)
    np.testing.assert_allclose(toned, np.arange(100).reshape(10, 10) / 99, atol=1e-6)


def test_a_breast_of_one_value_becomes_zero():
    toned, ends = tone(np.full((3, 4), 7.0, np.float32), np.ones((3, 4), bool))
    assert not toned.any() and ends == {"low": 7, "high": 7}


@pytest.mark.parametrize(
    ("value", "mask", "shares", "words"),
    [
        (1, np.zeros((4, 4), bool), (2, 1), "mask is empty"),
        (1, np.ones((4, 5), bool), (2, 1), "same two axes"),
        (1, np.ones((4, 4), bool), (60, 40), "no pixel between"),
        (1, np.ones((4, 4), bool), (-1, 1), "no pixel between"),
        (np.nan, np.ones((4, 4), bool), (2, 1), "not finite"),
        (np.inf, np.ones((4, 4), bool), (2, 1), "not finite"),
        (-np.inf, np.ones((4, 4), bool), (2, 1), "not finite"),
    ],
)
def test_what_the_tone_curve_cannot_use_is_named(value, mask, shares, words):
    image = np.arange(16, dtype=np.float32).reshape(4, 4)
    image[1, 2] = value
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(BadInput, match=words):
            tone(image, mask, *shares)


@pytest.mark.parametrize("size", [2, 3, 4, 5, 8, 11, 31])
@pytest.mark.parametrize("shape", [(40, 50), (1, 9), (200, 1), (140, 33), (5, 5)])
def test_the_wiener_filter_equals_scipys(size, shape):
    rng = np.random.default_rng(size)
    image = rng.normal(1000, 60, shape).astype(np.float32)
    image[: shape[0] // 2, : shape[1] // 2] = 500  # flat: less than the noise
    before = image.copy()
    result = wiener(image, size)
    assert result.dtype == np.float32
    with np.errstate(divide="ignore", invalid="ignore"):  # scipy's own, on the flat part
        expected = signal.wiener(image.astype(float), (size, size))
    np.testing.assert_allclose(result, expected, rtol=2e-6, atol=1e-4)
    np.testing.assert_array_equal(image, before)


def test_the_wiener_filter_equals_scipys_on_values_of_sixteen_bits():
    image = np.random.default_rng(4).integers(60_000, 65_536, (150, 90)).astype(np.uint16)
    np.testing.assert_allclose(wiener(image), signal.wiener(image.astype(float), 3), rtol=1e-6)


@pytest.mark.parametrize("value", [0, 1, 4095])
def test_the_wiener_filter_divides_by_no_zero_on_a_constant_image(value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = wiener(np.full((20, 20), value, np.float32))
        assert np.isfinite(wiener(np.full((20, 20), value, np.float32), 1)).all()
    np.testing.assert_allclose(result[1:-1, 1:-1], value, rtol=1e-6)


def test_a_zero_image_stays_zero():
    assert not wiener(np.zeros((9, 9), np.float32)).any()


@pytest.mark.parametrize(
    ("image", "size", "words"),
    [
        (np.zeros((2, 3, 4)), 3, "two axes"),
        (np.zeros((0, 4)), 3, "two axes"),
        (np.zeros((4, 4)), 0, "positive whole number"),
        (np.zeros((4, 4)), 2.5, "positive whole number"),
        (np.full((4, 4), np.nan), 3, "not finite"),
        (np.where(np.eye(4) > 0, np.inf, 1), 3, "not finite"),
    ],
)
def test_what_the_wiener_filter_cannot_use_is_named(image, size, words):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(BadInput, match=words):
            wiener(image, size)

"""z-score, checked against the formula and against nnU-Net's own."""

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.recipe.intensity import apply_steps

VOLUME = [{"step": "z-score", "scope": "volume"}]
EXAM = [{"step": "z-score", "scope": "exam"}]


@pytest.fixture
def channels():
    rng = np.random.default_rng(0)
    return (rng.gamma(2.0, 150.0, (3, 6, 7, 8)) * np.array([1, 2, 5])[:, None, None, None]).astype(np.float32)


def test_formula_per_volume(channels):
    original = channels.astype(np.float64)
    record = apply_steps(VOLUME, channels, ["a", "b", "c"])
    axes = (1, 2, 3)
    expected = (original - original.mean(axes, keepdims=True)) / original.std(axes, keepdims=True)
    np.testing.assert_allclose(channels, expected, atol=1e-5)
    np.testing.assert_allclose(record[0]["mean"], original.mean(axes), rtol=1e-6)
    np.testing.assert_allclose(record[0]["standard_deviation"], original.std(axes), rtol=1e-6)
    assert record[0]["step"] == "z-score"
    assert record[0]["scope"] == "volume"


def test_formula_per_exam(channels):
    original = channels.astype(np.float64)
    record = apply_steps(EXAM, channels, ["a", "b", "c"])
    np.testing.assert_allclose(channels, (original - original.mean()) / original.std(), atol=1e-5)
    assert len(record[0]["mean"]) == 1
    assert not np.allclose(channels.mean((1, 2, 3)), 0, atol=0.1)  # the relation between the phases stays


def test_as_nnunet(channels):
    schemes = pytest.importorskip("nnunetv2.preprocessing.normalization.default_normalization_schemes")
    original = channels.copy()
    apply_steps(VOLUME, channels, ["a", "b", "c"])
    for index in range(3):
        expected = schemes.ZScoreNormalization(False, {}).run(original[index].copy(), None)
        np.testing.assert_allclose(channels[index], expected, atol=1e-4)


def test_large_offset_keeps_its_digits():
    """A float32 mean over many voxels would be off here; the sums must run in double precision."""
    rng = np.random.default_rng(1)
    channel = (30000 + rng.normal(0, 5, (1, 40, 100, 100))).astype(np.float32)
    apply_steps(VOLUME, channel, ["a"])
    assert abs(channel.mean(dtype=np.float64)) < 2e-3
    assert channel.std(dtype=np.float64) == pytest.approx(1, abs=2e-3)


def test_no_step_no_change(channels):
    before = channels.copy()
    assert apply_steps([], channels, ["a", "b", "c"]) == []
    np.testing.assert_array_equal(channels, before)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("steps", [VOLUME, EXAM], ids=["volume", "exam"])
def test_not_finite(channels, value, steps):
    channels[1, 2, 3, 4] = value
    with pytest.raises(BadInput, match="not numbers") as caught:
        apply_steps(steps, channels, ["pre", "post1", "post2"])
    assert ("post1" if steps is VOLUME else "all channels") in caught.value.line


@pytest.mark.parametrize("value", [0.0, 5.0, -1234.5, 1e6, 0.1])
def test_constant(channels, value):
    channels[2] = value
    with pytest.raises(BadInput, match="constant.*channel post2"):
        apply_steps(VOLUME, channels, ["pre", "post1", "post2"])

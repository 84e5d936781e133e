"""Intensity steps, checked against numpy, scikit-image and nnU-Net's own."""

import numpy as np
import pytest
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.recipe.figures import blocks, moments, percentiles
from BreastSegLib.recipe.intensity import apply_steps
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

VOLUME = [{"step": "z-score", "scope": "volume"}]
EXAM = [{"step": "z-score", "scope": "exam"}]
BREAST = [{"step": "z-score", "scope": "breast"}]
CLAHE = {"step": "clahe", "kernel": 0.25, "clip_limit": 0.02, "bins": 64}
NAMES = ["a", "b", "c"]


def clip(scope, lower=2, upper=97):
    return {"step": "percentile-clip", "scope": scope, "lower": lower, "upper": upper}


@pytest.fixture
def phases():
    """Four phases on a grid of their own, with other values than the channels."""
    rng = np.random.default_rng(3)
    return [rng.gamma(2.0, 90.0 * (k + 1), (5, 9, 11)).astype(np.float32) for k in range(4)]


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


def test_the_channels_are_taken_together_only_without_the_exam(channels, phases):
    original = channels.astype(np.float64)
    record = apply_steps(EXAM, channels, NAMES, exam=phases)
    pooled = np.concatenate([p.ravel() for p in phases]).astype(np.float64)
    np.testing.assert_allclose(record[0]["mean"], [pooled.mean()], rtol=1e-12)
    np.testing.assert_allclose(record[0]["standard_deviation"], [pooled.std()], rtol=1e-12)
    np.testing.assert_allclose(channels, (original - pooled.mean()) / pooled.std(), atol=1e-5)


def test_the_exam_is_never_changed_and_may_be_memory_mapped(channels, phases, tmp_path):
    np.save(tmp_path / "phase.npy", phases[0])
    mapped = [np.load(tmp_path / "phase.npy", mmap_mode="r"), *phases[1:]]
    before = [p.copy() for p in phases]
    steps = [clip("exam"), clip("volume"), *EXAM]
    other = channels.copy()
    assert apply_steps(steps, channels, NAMES, exam=mapped) == apply_steps(steps, other, NAMES, exam=phases)
    for old, new in zip(before, phases):
        np.testing.assert_array_equal(old, new)


def test_figures_of_the_breast_are_applied_everywhere(channels):
    mask = np.zeros(channels.shape[1:], bool)
    mask[1:4, 2:6, 1:7] = True
    original, calls = channels.astype(np.float64), []

    def breast():
        calls.append(1)
        return mask

    record = apply_steps([clip("breast"), *BREAST], channels, NAMES, breast=breast)
    assert len(calls) == 1
    for index in range(3):
        low, high = np.percentile(original[index][mask], (2, 97))
        clipped = np.clip(original[index], low, high)
        inside = clipped[mask]
        np.testing.assert_allclose(channels[index], (clipped - inside.mean()) / inside.std(), atol=2e-5)
        assert record[0]["low"][index] == pytest.approx(low) and record[1]["mean"][index] == pytest.approx(
            inside.mean()
        )


def test_volume_percentiles_are_numpys(channels):
    original = channels.copy()
    record = apply_steps([clip("volume", 0.5, 99.5)], channels, NAMES)
    for index in range(3):
        low, high = np.percentile(original[index].astype(np.float64), (0.5, 99.5))
        assert (record[0]["low"][index], record[0]["high"][index]) == (low, high)
        np.testing.assert_array_equal(channels[index], np.clip(original[index], np.float32(low), np.float32(high)))


def test_clip_and_z_score_of_the_exam_are_the_maths_of_nnunets_ct(channels, phases):
    schemes = pytest.importorskip("nnunetv2.preprocessing.normalization.default_normalization_schemes")
    pooled = np.concatenate([p.ravel() for p in phases]).astype(np.float64)
    low, high = np.percentile(pooled, (0.5, 99.5))
    clipped = np.clip(pooled, low, high)
    figures = {"mean": clipped.mean(), "std": clipped.std(), "percentile_00_5": low, "percentile_99_5": high}
    expected = [schemes.CTNormalization(False, figures).run(channel.copy(), None) for channel in channels]
    apply_steps([clip("exam", 0.5, 99.5), *EXAM], channels, NAMES, exam=phases)
    np.testing.assert_allclose(channels, expected, atol=1e-5)


def test_a_clip_of_each_volume_is_done_to_each_phase_before_the_exam_is_measured(channels, phases):
    record = apply_steps([clip("volume"), *EXAM], channels, NAMES, exam=phases)
    clipped = [np.clip(p, *np.percentile(p.astype(np.float64), (2, 97)).astype(np.float32)) for p in phases]
    pooled = np.concatenate([p.ravel() for p in clipped]).astype(np.float64)
    assert record[1]["mean"] == [pytest.approx(pooled.mean(), rel=1e-9)]
    assert record[1]["standard_deviation"] == [pytest.approx(pooled.std(), rel=1e-9)]


@pytest.mark.parametrize(("first", "name"), [(CLAHE, "clahe"), (clip("breast"), "percentile-clip")])
def test_figures_of_the_exam_after_a_step_that_only_the_channels_had_are_refused(channels, phases, first, name):
    mask = np.ones(channels.shape[1:], bool)
    with pytest.raises(BadInput, match=f"z-score.*follows {name}"):
        apply_steps([first, *EXAM], channels, NAMES, exam=phases, breast=lambda: mask)


def test_clahe_is_scikit_images_for_each_channel(channels):
    exposure = pytest.importorskip("skimage.exposure")
    original = channels.copy()
    record = apply_steps([CLAHE], channels, NAMES)
    assert record == [CLAHE]
    for before, after in zip(original, channels):
        scaled = (before - before.min()) / (before.max() - before.min())
        np.testing.assert_array_equal(after, exposure.equalize_adapthist(scaled, [1, 1, 2], 0.02, 64))


def test_channels_that_are_views_are_changed_too(channels):
    view = np.asfortranarray(channels)[:, ::-1]
    expected = np.ascontiguousarray(view)
    steps = [clip("volume"), *VOLUME]
    assert apply_steps(steps, view, NAMES) == apply_steps(steps, expected, NAMES)
    np.testing.assert_array_equal(view, expected)


@pytest.mark.parametrize(
    ("breast", "words"),
    [
        (None, "needs a breast mask"),
        (lambda: np.zeros((6, 7, 8), bool), "mask is empty"),
        (lambda: np.ones((6, 7, 9), bool), "does not lie"),
    ],
)
def test_a_breast_mask_that_cannot_be_used_is_one_line(channels, breast, words):
    with pytest.raises(BadInput, match=words):
        apply_steps(BREAST, channels, NAMES, breast=breast)


def test_constant_breast_or_exam_is_named(channels, phases):
    mask = np.zeros(channels.shape[1:], bool)
    mask[2, 3, 4] = True
    with pytest.raises(BadInput, match="constant.*channel a"):
        apply_steps(BREAST, channels, NAMES, breast=lambda: mask)
    with pytest.raises(BadInput, match="constant.*all phases"):
        apply_steps(EXAM, channels, NAMES, exam=[np.ones_like(p) for p in phases])


def test_percentiles_that_are_equal_leave_nothing_and_are_refused(channels):
    channels[1] = 0
    channels[1, 0, 0, 0] = 9
    with pytest.raises(BadInput, match="both 0.*channel b"):
        apply_steps([clip("volume", 0.5, 95)], channels, NAMES)


def test_progress_and_cancel(channels, phases):
    seen = []
    steps = [clip("volume"), *EXAM, *VOLUME]
    apply_steps(steps, channels.copy(), NAMES, exam=phases, report=lambda *event: seen.append(event))
    assert [row[1] for row in seen] == [0, 1, 2, 3, 6, 7, 8, 9] and {row[2] for row in seen} == {9}

    def stop(stage, done, total):
        if done:
            raise Cancelled()

    before = channels.copy()
    with pytest.raises(Cancelled):
        apply_steps(steps, channels, NAMES, exam=phases, report=stop)
    np.testing.assert_array_equal(channels[1:], before[1:])


FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float32, st.integers(1, 60), elements=st.one_of(FLOATS, st.sampled_from([0.0, -0.0, 1.0, -1.0]))),
    st.lists(st.floats(0, 100), min_size=1, max_size=4),
)
def test_percentiles_equal_numpys_for_any_values(values, percents):
    expected = np.percentile(values.astype(np.float64), percents)
    np.testing.assert_array_equal(percentiles(lambda: blocks(values), percents), expected)


@pytest.mark.parametrize("shape", [(3, 700, 900), (1, 1500, 1100), (200, 40, 50), (500_000,), (2, 1, 1, 300_000)])
def test_blocks_hold_every_value_once_and_figures_are_exact(shape):
    values = np.random.default_rng(4).normal(1e5, 3, shape).astype(np.float32)
    assert sum(block.size for block in blocks(values)) == values.size
    count, mean, deviation = moments(lambda: blocks(values))
    exact = values.astype(np.float64)
    assert count == values.size
    assert mean == pytest.approx(exact.mean(), rel=1e-13) and deviation == pytest.approx(exact.std(), rel=1e-10)
    np.testing.assert_array_equal(
        percentiles(lambda: blocks(values), (1, 50, 99.9)), np.percentile(exact, (1, 50, 99.9))
    )

"""Maps of enhancement, signal enhancement ratio and curve types."""

import numpy as np
import pytest
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.measures import maps
from BreastSegLib.measures.maps import MAPS, curve_type_map, pe_map, possible_maps, ser_map
from BreastSegLib.measures.noise import noise_level
from BreastSegLib.measures.settings import Settings
from BreastSegLib.samples.dce import make_dce_exam
from BreastSegLib.volume import Volume
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from kinetics_cases import BARE, exam_of, type_by_hand

TIMES = [-60.0, 0.0, 90.0, 180.0, 450.0]
PLAIN = Settings(**BARE)


def column(*signals):
    """Return an exam of voxels in a row; each argument is the signals of one voxel in all phases."""
    return exam_of(np.array(signals).T[:, None, None, :], TIMES)


def test_maps_by_hand():
    exam = column(
        [100, 200, 250, 260, 150],
        [100, 150, 140, 130, 109],
        [300, 600, 570, 480, 700],
        [0, 50, 60, 70, 80],
        [-10, 50, 60, 70, 80],
        [100, 120, 120, 120, 120],
    )
    np.testing.assert_allclose(pe_map(exam, PLAIN).array.ravel(), [160, 30, 60, 0, 0, 20], rtol=1e-6)
    # 160 / 50; 9 % late are too little; 180 / 400; noise; noise; 20 / 20.
    np.testing.assert_allclose(ser_map(exam, PLAIN).array.ravel(), [3.2, 0, 0.45, 0, 0, 1], rtol=1e-6)
    assert curve_type_map(exam, PLAIN).array.ravel().tolist() == [3, 3, 1, 0, 0, 0]


VALUES = st.one_of(
    st.sampled_from([0.0, -5.0, 100.0, 110.0, 150.0, float("nan"), float("inf"), -float("inf"), 1e-42, 3e38]),
    st.floats(-50, 2000, width=32),
)


@settings(max_examples=100, deadline=None)
@given(st.data(), hnp.array_shapes(min_dims=3, max_dims=3, max_side=4), st.sampled_from([0.0, 0.05]))
def test_maps_are_finite_and_those_of_each_voxel(data, shape, fraction):
    arrays = [data.draw(hnp.arrays(np.float32, shape, elements=VALUES)) for _ in TIMES]
    exam, thresholds = exam_of(arrays, TIMES), Settings(noise_fraction=fraction, noise_sigmas=0)
    enhancement, ratio, types = (MAPS[name](exam, thresholds) for name in ("pe", "ser", "types"))
    assert (enhancement.array.dtype, ratio.array.dtype, types.array.dtype) == (np.float32, np.float32, np.uint8)
    assert np.isfinite(enhancement.array).all() and np.isfinite(ratio.array).all()
    level = noise_level(arrays[0], thresholds)
    for at in np.ndindex(shape):
        pre, post1, post2, early, late = (float(array[at]) for array in arrays)
        if max(map(abs, (pre, post1, post2, early, late))) > 1e30 or 0 < pre < 1e-30:
            continue  # beyond what percentages in float32 hold
        signal = np.isfinite(pre) and pre > level
        expected = 100 * (early - pre) / pre if signal and np.isfinite(early) else 0
        np.testing.assert_allclose(enhancement.array[at], expected, rtol=1e-4, atol=1e-2)
        enough = signal and np.isfinite(early + late) and late > pre and 100 * (late - pre) >= 10.001 * pre
        if enough:
            np.testing.assert_allclose(ratio.array[at], (early - pre) / (late - pre), rtol=1e-3, atol=1e-3)
        elif not signal or not np.isfinite(early + late) or 100 * (late - pre) < 9.999 * pre:
            assert ratio.array[at] == 0
        peak = max(post1, post2) if np.isfinite(post1 + post2) else np.nan
        near = [100 * (peak - pre) / pre - 50 if pre else 1, 100 * abs(late - peak) / peak - 10 if peak else 1]
        if signal and min(map(abs, near)) > 1e-3:
            assert types.array[at] == type_by_hand(pre, peak, late)
        elif not signal:
            assert types.array[at] == 0


def test_slabs_make_no_difference(monkeypatch):
    exam = make_dce_exam(4, posts=4, shape=(27, 64, 104), spacing=(1.85, 1.8, 3.0), radius_mm=(5, 9)).exam
    whole = [function(exam, Settings()).array for function in MAPS.values()]
    monkeypatch.setattr(maps, "SLAB_VOXELS", 3 * 64 * 104)
    for function, expected in zip(MAPS.values(), whole):
        said = []
        found = function(exam, Settings(), report=lambda *args: said.append(args))  # noqa: B023
        np.testing.assert_array_equal(found.array, expected)
        assert found.geometry == exam.geometry
        assert [done for _, done, _ in said] == [*range(0, 27, 3), 27] and {total for *_, total in said} == {27}


def test_maps_can_be_filled_into_files(tmp_path):
    exam = make_dce_exam(4, posts=3).exam
    out = np.lib.format.open_memmap(tmp_path / "pe.npy", "w+", np.float32, exam.geometry.shape)
    found = pe_map(exam, Settings(), out=out)
    assert found.array is out
    out.flush()
    np.testing.assert_array_equal(np.load(tmp_path / "pe.npy"), pe_map(exam, Settings()).array)
    for wrong in (np.zeros(exam.geometry.shape, float), np.zeros((2, 2, 2), np.float32)):
        with pytest.raises(BadInput, match="does not fit"):
            pe_map(exam, Settings(), out=wrong)


def test_noise_and_what_is_outside_the_breast_are_left_out():
    sample = make_dce_exam(5, posts=6, shape=(27, 64, 104), spacing=(1.85, 1.8, 3.0), radius_mm=(5, 9))
    air = sample.tissue.array == 0
    enhancement = pe_map(sample.exam, Settings()).array
    assert np.mean(enhancement[air] != 0) < 0.02 and np.mean(enhancement[sample.truth.array > 0] > 0) > 0.9
    # Noise over noise would be anything.
    bare = pe_map(sample.exam, PLAIN).array
    assert np.mean(np.abs(bare[air]) > 50) > 0.1
    breast = np.zeros(air.shape, bool)
    breast[:, :30] = True
    for function in MAPS.values():
        whole = function(sample.exam, Settings()).array
        for mask in (breast, Volume(breast, sample.exam.geometry)):
            found = function(sample.exam, Settings(), breast=mask).array
            np.testing.assert_array_equal(found, np.where(breast, whole, 0))


def test_maps_that_an_exam_cannot_give():
    image = np.full((2, 3, 3), 100.0)
    none, one = exam_of([image, image], [0, 90], pre=False), exam_of([image, image * 2], [-60, 0])
    assert possible_maps(none.phases, Settings()) == () and possible_maps(one.phases, Settings()) == ("pe",)
    assert possible_maps(column([1, 2, 3, 4, 5]).phases, Settings()) == ("pe", "ser", "types")
    with pytest.raises(BadInput, match="no pre-contrast phase"):
        pe_map(none, Settings())
    np.testing.assert_array_equal(pe_map(one, PLAIN).array, 100)
    for function in (ser_map, curve_type_map):
        with pytest.raises(BadInput, match="one post-contrast phase only"):
            function(one, Settings())


def test_mapping_can_be_cancelled():
    def cancel(*_):
        raise Cancelled()

    with pytest.raises(Cancelled):
        pe_map(column([1, 2, 3, 4, 5]), PLAIN, report=cancel)

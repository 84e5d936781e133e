"""Kinetics of lesions: numbers computed by hand, on random exams and on data that tell nothing."""

import json

import numpy as np
import pytest
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.exam.dce import DceExam, Phase
from BreastSegLib.measures.curvetypes import curve_types, type_shares
from BreastSegLib.measures.kinetics import KEYS, measure_kinetics
from BreastSegLib.measures.noise import noise_level
from BreastSegLib.measures.settings import Settings
from BreastSegLib.volume import Geometry, Volume
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from kinetics_cases import BARE, curve_exam, exam_of, type_by_hand

TIMES = [-60.0, 0.0, 90.0, 180.0, 450.0]


def measured(exam, labels=None, breast=None, report=None, region=None, **changes):
    """Return rows, tissue and notes, after a check that they are JSON without NaN."""
    if labels is None:
        labels = np.ones(exam.geometry.shape, np.int32)
    found = measure_kinetics(exam, labels, Settings(**{**BARE, **changes}), breast, report, region)
    json.dumps(found, allow_nan=False)
    for row in found[0]:
        assert set(row) == set(KEYS)
    return found


def two_voxels(first, second, times=TIMES, **kwargs):
    """Return an exam of two voxels beside each other with these signals."""
    return exam_of([[[[a, b]]] for a, b in zip(first, second)], times, **kwargs)


def test_curve_of_the_mean_and_mean_of_the_voxels_by_hand():
    exam = two_voxels([100, 200, 250, 260, 150], [300, 600, 570, 480, 450])
    (row,), tissue, notes = measured(exam)
    assert row["curve_signal"] == [200, 400, 410, 370, 300]
    # Enhancement of the mean signal: 400 / 200, 410 / 200 …
    assert row["curve_pct"] == pytest.approx([0, 100, 105, 85, 50])
    # Mean over the voxels at 180 s: (160 % + 60 %) / 2, which is not the 85 % of the mean signal.
    assert row["enhancement_mean_pct"] == pytest.approx(110)
    # (260 − 100) / (150 − 100) = 3.2 and (480 − 300) / (450 − 300) = 1.2.
    assert row["ser_mean"] == pytest.approx(2.2)
    # Highest of the initial phases 0 and 90 s: 410; 300 is 26.8 % less.
    assert row["curve_type"] == "wash-out" and row["peak_phase"] == "post2" and row["time_to_peak_s"] == 90
    # Voxel 1: 250 → 150 (−40 %); voxel 2: 600 → 450 (−25 %).
    assert (row["persistent_pct"], row["plateau_pct"], row["washout_pct"]) == (0, 0, 100)
    assert row["enhancing_voxels"] == 2 and row["noise_voxels"] == 0
    # From before contrast (−60 s) to the first phase: 100 % in 60 s.
    assert row["slope_max_pct_per_s"] == pytest.approx(100 / 60)
    # Both voxels are the neighbourhood: (150 + 90) / 2 at 90 s.
    assert row["enhancement_peak_pct"] == pytest.approx(120)
    assert tissue is None and "Where the breast lies is not known" in notes[-1]


@pytest.mark.parametrize(
    "signals, kind",
    [
        ([100, 200, 190, 230, 221], "persistent"),  # 200 → 221: +10.5 %
        ([100, 200, 190, 230, 220], "plateau"),  # exactly +10 %
        ([100, 190, 200, 230, 180], "plateau"),  # exactly −10 % of the peak at 90 s
        ([100, 190, 200, 230, 179], "wash-out"),
        ([100, 150, 140, 230, 300], "persistent"),  # exactly 50 % initial enhancement
        ([100, 149, 140, 230, 300], ""),  # too little
        ([100, 90, 80, 70, 60], ""),
        ([0, 90, 80, 70, 60], ""),
    ],
)
def test_types_of_curves_by_hand(signals, kind):
    row = measured(curve_exam(signals, times=TIMES))[0][0]
    assert row["curve_type"] == kind
    shares = [row["persistent_pct"], row["plateau_pct"], row["washout_pct"]]
    if kind:
        assert shares == [100 * (kind == name) for name in ("persistent", "plateau", "wash-out")]
    else:
        assert shares == [None] * 3 and not row["enhancing_voxels"]


def test_dense_series_are_averaged_for_the_types_only():
    times = [-60.0, 0.0, 10.0, 20.0, 300.0, 310.0]
    exam = curve_exam([100, 200, 260, 200, 200, 240], times=times)
    row = measured(exam)[0][0]
    # Initial (200 + 260 + 200) / 3 = 220, late (200 + 240) / 2 = 220.
    assert row["curve_type"] == "plateau" and row["curve_pct"][2] == pytest.approx(160)
    assert measured(exam, window_s=0)[0][0]["curve_type"] == "plateau"  # 260 → 240
    assert measured(exam, window_s=0, flat_pct=5)[0][0]["curve_type"] == "wash-out"
    assert measured(exam, flat_pct=5)[0][0]["curve_type"] == "plateau"


def test_time_to_peak_and_slope():
    row = measured(curve_exam([100, 110, 200, 260, 290], times=TIMES))[0][0]
    assert row["time_to_peak_s"] == 450 and row["peak_phase"] == "post4"
    assert row["slope_max_pct_per_s"] == pytest.approx(90 / 90)
    falling = measured(curve_exam([100, 90, 80, 70, 60], times=TIMES))[0][0]
    assert falling["time_to_peak_s"] is None and falling["peak_phase"] == ""
    assert falling["slope_max_pct_per_s"] == pytest.approx(-10 / 270)


@pytest.mark.parametrize("times", [None, [None, 0.0, 90.0, 180.0, 450.0], [-60.0, 0.0, None, 180.0, 450.0]])
def test_unknown_times(times):
    (row,), _, notes = measured(curve_exam([100, 110, 200, 260, 290], times=times))
    assert row["slope_max_pct_per_s"] is None and row["curve_pct"][-1] == pytest.approx(190)
    all_posts = times is not None and times[2] is not None
    assert row["time_to_peak_s"] == (450 if all_posts else None) and row["peak_phase"] == "post4"
    assert any("times of the phases are not known" in note for note in notes) != all_posts
    assert any("pre-contrast phase is not known" in note for note in notes) == all_posts


def test_hottest_neighbourhood():
    rng = np.random.default_rng(3)
    pre = rng.integers(90, 110, (6, 7, 8)).astype(np.float32)
    posts = [rng.integers(100, 400, pre.shape).astype(np.float32) for _ in range(3)]
    lesion = rng.random(pre.shape) < 0.7
    row = measured(exam_of([pre, *posts], TIMES[:4]), lesion.astype(np.int32))[0][0]
    best = -np.inf
    for post in posts:
        percent = 100 * (post - pre) / pre
        for z, y, x in np.argwhere(lesion):
            around = tuple(slice(max(0, c - 1), c + 2) for c in (z, y, x))
            if lesion[around].sum() >= 14:
                best = max(best, percent[around][lesion[around]].mean())
    assert row["enhancement_peak_pct"] == pytest.approx(best, rel=1e-6)


def test_neighbourhoods_that_hold_little_of_the_lesion_do_not_count():
    # A cube of 3 voxels with a spike: the spike's neighbourhood holds 10 voxels, the one below it 19.
    labels = np.zeros((5, 5, 6), np.int32)
    labels[1:4, 1:4, 1:4] = labels[2, 2, 4] = 1
    post = np.where(labels, 110, 100)
    post[2, 2, 4] = 1000
    row = measured(exam_of([np.full(labels.shape, 100), post], [-60, 0]), labels)[0][0]
    assert row["enhancement_peak_pct"] == pytest.approx((900 + 18 * 10) / 19)


def test_hottest_neighbourhood_of_thin_lesions():
    # No voxel has 14 neighbours: those with most (three in a row) count, not the bright end.
    line = exam_of([np.full((1, 1, 5), 100), [[[110, 120, 130, 140, 900]]]], [-60, 0])
    row = measured(line)[0][0]
    assert row["enhancement_peak_pct"] == pytest.approx((30 + 40 + 800) / 3)
    one = exam_of([np.full((1, 1, 1), 100), np.full((1, 1, 1), 250)], [-60, 0])
    assert measured(one)[0][0]["enhancement_peak_pct"] == pytest.approx(150)


def test_ratio_is_left_out_where_the_late_phase_enhances_too_little():
    exam = two_voxels([100, 150, 150, 200, 109], [100, 150, 150, 200, 150])
    assert measured(exam)[0][0]["ser_mean"] == pytest.approx(2)  # 100 / 50; 9 % are too little
    assert measured(exam, ser_change_pct=9)[0][0]["ser_mean"] == pytest.approx((100 / 9 + 2) / 2)
    flat = two_voxels([100, 150, 150, 200, 100], [100, 150, 150, 200, 90])
    for least in (0, 10):
        assert measured(flat, ser_change_pct=least)[0][0]["ser_mean"] is None


def test_rows_come_in_the_order_of_labels_even_with_gaps():
    labels = np.zeros((3, 4, 10), np.int32)
    labels[:, :, :3], labels[:, :, 6:9] = 3, 1
    arrays = [np.full(labels.shape, 100.0) for _ in TIMES]
    for k, array in enumerate(arrays[1:], 1):
        array[labels == 3], array[labels == 1] = 100 + 20 * k, 100 + 50 * k
    rows, _, _ = measured(exam_of(arrays, TIMES), labels)
    assert [row["enhancement_mean_pct"] and round(row["enhancement_mean_pct"]) for row in rows] == [150, None, 60]
    assert rows[1]["curve_pct"] is None and rows[1]["curve_type"] == ""


def test_no_lesions():
    exam = curve_exam([100, 200, 300], times=TIMES[:3])
    assert measured(exam, np.zeros(exam.geometry.shape, np.int32))[0] == []


def test_masks_may_be_volumes_of_other_types():
    exam = curve_exam([100, 200, 300], times=TIMES[:3])
    expected = measured(exam)
    for kind in (bool, np.uint8, np.int64):
        labels = np.ones(exam.geometry.shape, kind)
        assert measured(exam, labels) == measured(exam, Volume(labels, exam.geometry)) == expected


def test_other_grids_are_refused():
    exam = curve_exam([100, 200, 300], times=TIMES[:3])
    wrong, right = np.ones((3, 4, 4), np.int32), np.ones((3, 4, 5), np.int32)
    for extra in ({"labels": wrong}, {"labels": right, "breast": wrong}, {"labels": right, "region": wrong}):
        with pytest.raises(BadInput, match="differ in shape"):
            measured(exam, **extra)


@pytest.mark.parametrize("pre, words", [(False, "no pre-contrast phase"), (True, "no post-contrast phase")])
def test_exams_without_kinetics_have_empty_rows_and_a_reason(pre, words):
    exam = curve_exam([100], pre=pre) if pre else curve_exam([100, 200], times=[0, 90], pre=False)
    rows, tissue, notes = measured(exam, breast=np.ones(exam.geometry.shape, bool))
    assert [value for value in rows[0].values() if value not in (None, "")] == [] and tissue is None
    assert len(notes) == 1 and words in notes[0]


def test_channels_have_no_kinetics():
    geometry = Geometry((2, 2, 2))
    volumes = tuple(Volume(np.ones((2, 2, 2), np.float32), geometry) for _ in range(2))
    rows, tissue, notes = measured(DceExam((Phase("channel", 0), Phase("channel", 1)), volumes))
    assert rows[0]["curve_pct"] is None and tissue is None and "channels" in notes[0]


def test_one_post_contrast_phase_has_enhancement_only():
    (row,), _, notes = measured(curve_exam([100, 250], times=[-60, 0]))
    assert row["enhancement_mean_pct"] == row["enhancement_peak_pct"] == pytest.approx(150)
    assert row["curve_pct"] == pytest.approx([0, 150]) and row["slope_max_pct_per_s"] == pytest.approx(2.5)
    for key in ("ser_mean", "persistent_pct", "washout_pct", "ftv_mm3"):
        assert row[key] is None
    assert row["curve_type"] == "" and any("one post-contrast phase only" in note for note in notes)


def test_voxels_of_noise_are_left_out_and_said():
    rng = np.random.default_rng(1)
    pre = np.hypot(rng.normal(0, 5, (8, 30, 30)), rng.normal(0, 5, (8, 30, 30)))
    pre[:, 10:20, 10:20] += 300
    labels = np.zeros(pre.shape, np.int32)
    labels[:, 10:20, 10:14] = 1  # tissue
    labels[:, 10:20, 7:9] = 2  # air
    labels[:, 12:18, 18:24] = 3  # 2 of 6 voxels are tissue
    settings = {"noise_sigmas": 6, "noise_fraction": 0.05}
    rows, _, notes = measured(exam_of([pre, pre * 2, pre * 2], [-60, 0, 450]), labels, **settings)
    assert rows[0]["noise_voxels"] == 0 and rows[0]["enhancement_mean_pct"] == pytest.approx(100, abs=1e-3)
    assert rows[1]["noise_voxels"] == 160 and rows[1]["curve_pct"] is None and rows[1]["curve_type"] == ""
    assert rows[2]["noise_voxels"] == 192 and rows[2]["curve_signal"][0] > 290
    assert "Lesion 2 has no signal above noise before contrast, so it has no kinetics." in notes
    assert "67 % of the voxels of lesion 3 are noise before contrast and were left out." in notes


def test_air_is_told_from_its_noise_and_by_a_part_of_the_signal():
    rng = np.random.default_rng(5)
    sigma, shape = 7.0, (20, 60, 60)
    image = np.hypot(rng.normal(0, sigma, shape), rng.normal(0, sigma, shape))
    image[5:15, 20:40, 20:40] += 400
    # Median and spread of a Rayleigh distribution: 1.177 σ, and σ of its complex parts.
    level = noise_level(image, Settings(noise_fraction=0))
    assert level == pytest.approx((1.177 + 3) * sigma, rel=0.06)
    assert noise_level(image + 1000, Settings(noise_fraction=0)) == pytest.approx(0, abs=1)  # no air is seen
    blank = np.where(image > 200, image, 0)
    assert noise_level(blank, Settings()) == pytest.approx(0.05 * np.percentile(image[image > 200], 95), rel=0.05)
    assert noise_level(np.full(shape, 7.0), Settings()) == noise_level(np.full(shape, np.nan), Settings()) == 0
    # Dim tissue (dark fat) is no part of the air.
    for brighter in (45, 100):
        dim = image.copy()
        dim[:, :, 20:] += brighter
        assert noise_level(dim, Settings(noise_fraction=0)) == pytest.approx(level, rel=0.1)
    image[0, 0] = np.nan
    image[0, 1] = np.inf
    assert noise_level(image, Settings(noise_fraction=0)) == pytest.approx(level, rel=0.05)


def test_work_is_reported_and_can_be_cancelled():
    exam = curve_exam([100, 200, 300], times=TIMES[:3])
    labels = np.ones(exam.geometry.shape, np.int32)
    labels[:, :, 3:] = 2
    said = []
    measured(exam, labels, report=lambda *args: said.append(args))
    assert [done for _, done, _ in said] == [0, 1, 2, 3] and {total for *_, total in said} == {3}

    def cancel(*_):
        raise Cancelled()

    with pytest.raises(Cancelled):
        measured(exam, labels, report=cancel)


def test_phases_may_be_memory_mapped(tmp_path):
    rng = np.random.default_rng(2)
    arrays = [rng.integers(50, 400, (5, 9, 11)).astype(np.float32) for _ in TIMES]
    labels = (rng.random((5, 9, 11)) < 0.5).astype(np.int32)
    plain, mapped = exam_of(arrays, TIMES), []
    for index, array in enumerate(arrays):
        np.save(tmp_path / f"{index}.npy", array)
        mapped.append(Volume(np.load(tmp_path / f"{index}.npy", mmap_mode="r"), plain.geometry))
    breast = np.ones(labels.shape, bool)
    assert measured(DceExam(plain.phases, tuple(mapped)), labels, breast) == measured(plain, labels, breast)


VALUES = st.one_of(
    st.sampled_from([0.0, -5.0, 100.0, 150.0, float("nan"), float("inf"), -float("inf"), 1e-42, 3e38]),
    st.floats(-50, 2000, width=32),
)
SHAPES = hnp.array_shapes(min_dims=3, max_dims=3, max_side=4)


@settings(max_examples=150, deadline=None)
@given(st.data(), SHAPES, st.integers(1, 5))
def test_any_voxels_give_plain_numpy_numbers_or_none(data, shape, posts):
    arrays = [data.draw(hnp.arrays(np.float32, shape, elements=VALUES)) for _ in range(posts + 1)]
    labels = data.draw(hnp.arrays(np.int32, shape, elements=st.integers(0, 3)))
    times = TIMES[: posts + 1] if posts < 5 else [*TIMES, 600.0]
    breast = np.ones(shape, bool)
    rows, _, _ = measured(exam_of(arrays, times), labels, breast)
    assert len(rows) == labels.max()
    level = noise_level(arrays[0], Settings(**BARE))
    for number, row in enumerate(rows, 1):
        compare(row, np.array([a[labels == number] for a in arrays], float), level, times)


def compare(row, values, level, times):
    """Assert that `row` has the numbers of `values` (phases, voxels), computed voxel by voxel."""
    kept = [v for v in values.T if np.isfinite(v).all() and v[0] > level]
    assert (row["noise_voxels"] or 0) == values.shape[1] - len(kept)
    if not kept:
        assert row["curve_pct"] is None and row["enhancement_mean_pct"] is None
        return
    late = {1: 1, 2: 2, 3: 3, 4: 4, 5: 4}[len(times) - 1]
    early = {1: 1, 2: 1, 3: 2}.get(len(times) - 1, 3)
    initial = [n for n in range(1, len(times)) if times[n] <= 120 and n < late] or [1]
    mean = [sum(column) / len(kept) for column in zip(*kept)]
    np.testing.assert_allclose(row["curve_signal"], mean, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(row["curve_pct"], [100 * (m - mean[0]) / mean[0] for m in mean], rtol=1e-6, atol=1e-6)
    percent = [100 * (v[early] - v[0]) / v[0] for v in kept]
    np.testing.assert_allclose(row["enhancement_mean_pct"], np.mean(percent), rtol=1e-6, atol=1e-6)
    if len(times) == 2:
        assert row["ser_mean"] is None and row["washout_pct"] is None
        return
    ratios = [
        (v[early] - v[0]) / (v[late] - v[0]) for v in kept if v[late] > v[0] and 100 * (v[late] - v[0]) >= 10 * v[0]
    ]
    assert row["ser_mean"] == (pytest.approx(np.mean(ratios), rel=1e-6, abs=1e-9) if ratios else None)
    types = [type_by_hand(v[0], max(v[i] for i in initial), v[late]) for v in kept]
    shares = [100 * types.count(n) / (len(types) - types.count(0)) if any(types) else None for n in (1, 2, 3)]
    assert [row[f"{name}_pct"] for name in ("persistent", "plateau", "washout")] == pytest.approx(shares)


@given(st.lists(st.tuples(*[st.integers(0, 400)] * 3), min_size=1, max_size=60))
def test_types_of_many_curves_are_those_of_each(curves):
    types = curve_types(*np.array(curves, np.float32).T, Settings())
    assert list(types) == [type_by_hand(*curve) for curve in curves]
    shares, count = type_shares(types)
    assert count == np.count_nonzero(types) and (sum(shares) == pytest.approx(100) if count else shares == [None] * 3)

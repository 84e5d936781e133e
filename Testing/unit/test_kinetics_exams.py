"""Kinetics of synthetic exams with known curves, of normal tissue, and of the real series."""

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.measures.kinetics import measure_kinetics
from BreastSegLib.measures.maps import curve_type_map, pe_map, ser_map
from BreastSegLib.measures.noise import noise_level
from BreastSegLib.measures.settings import Settings
from BreastSegLib.samples.dce import CURVES, LATE_SLOPE, make_dce_exam
from kinetics_cases import exam_of
from scipy import ndimage
from scipy.io import loadmat

TYPES = {"persistent": "persistent", "plateau": "plateau", "washout": "wash-out"}
SMALL = {"shape": (27, 64, 104), "spacing": (1.85, 1.8, 3.0), "radius_mm": (5, 9)}
STILL = {"motion_mm": 0.0, "noise": 4.0, "posts": 6}


@pytest.fixture(scope="module", params=CURVES)
def sample(request):
    """A synthetic exam with one solid mass of each curve type."""
    return make_dce_exam(11, curve=request.param, rim=False, **STILL)


def inner(sample):
    """Return the mass without its blurred edge."""
    return ndimage.binary_erosion(sample.truth.array > 0)


def test_curve_of_a_synthetic_mass_is_recovered(sample):
    curve = sample.masses[0].curve
    (row,), _, _ = measure_kinetics(sample.exam, inner(sample), Settings())
    assert row["curve_type"] == TYPES[curve]
    shares = {name: row[f"{name}_pct"] for name in CURVES}
    assert max(shares, key=shares.get) == curve and shares[curve] > 80
    # Wash-in is nearly complete 90 s after the first phase; from there the slope is that of the curve type, which is
    # told to a fifth (see samples.dce).
    percent, seconds = np.array(row["curve_pct"]), np.array([phase.time_s for phase in sample.exam.phases])
    late = np.polyfit(seconds[2:], percent[2:], 1)[0] / (percent[2] / (1 + LATE_SLOPE[curve] * 90))
    assert late == pytest.approx(LATE_SLOPE[curve], rel=0.35, abs=1e-4)
    assert row["slope_max_pct_per_s"] == pytest.approx(percent[1] / 135, rel=1e-6)
    expected = {"persistent": [450], "washout": [0, 90]}
    if curve in expected:
        assert row["time_to_peak_s"] in expected[curve]
    assert 0.8 * sample.masses[0].volume_mm3 < row["ftv_mm3"] < 1.6 * sample.masses[0].volume_mm3


def test_maps_and_rows_of_a_synthetic_mass_agree(sample):
    mass = inner(sample)
    (row,), _, _ = measure_kinetics(sample.exam, mass, Settings())
    assert row["noise_voxels"] == 0
    enhancement = pe_map(sample.exam, Settings()).array
    assert row["enhancement_mean_pct"] == pytest.approx(enhancement[mass].mean(dtype=float), rel=1e-5)
    ratio = ser_map(sample.exam, Settings()).array
    assert row["ser_mean"] == pytest.approx(ratio[mass][ratio[mass] != 0].mean(dtype=float), rel=1e-5)
    types = np.bincount(curve_type_map(sample.exam, Settings()).array[mass], minlength=4)[1:]
    shares = [row[f"{name}_pct"] for name in ("persistent", "plateau", "washout")]
    assert shares == pytest.approx(list(100 * types / types.sum())) and row["enhancing_voxels"] == types.sum()


def test_normal_tissue_is_that_of_the_breast_alone(sample):
    tissue, mass = sample.tissue.array, sample.truth.array
    breast = np.isin(tissue, (1, 2, 3, 7, 8))
    _, found, notes = measure_kinetics(sample.exam, mass.astype(np.int32), Settings(), breast=breast)
    assert notes == [] and found["voxels"] > 500
    # Fat enhances by 3 % and gland by 30 % at most (times how strong the background is); the mass by more than 100 %.
    assert found["curve_pct"][0] == 0 and 1 < found["curve_pct"][-1] < 40
    assert all(b > a - 1 for a, b in zip(found["curve_pct"], found["curve_pct"][1:]))
    expected = 100 * (np.array(found["curve_signal"]) / found["curve_signal"][0] - 1)
    np.testing.assert_allclose(found["curve_pct"], expected)


def marked(shape, spacing, change, breast=None, labels=None, **changes):
    """Return the tissue of an exam whose voxels are 100, and 200 after contrast where `change` is True."""
    arrays = [np.full(shape, 100.0), *[np.where(change, 150.0, 100.0)] * 2]
    breast = np.ones(shape, bool) if breast is None else breast
    labels = np.zeros(shape, np.int32) if labels is None else labels
    return measure_kinetics(exam_of(arrays, [-60, 0, 450], spacing), labels, Settings(**changes), breast)


@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.7, 0.7, 2.5), (0.4, 0.4, 0.4), (3, 3, 5)])
@pytest.mark.parametrize("distance", [0.0, 5.0, 12.0])
def test_no_voxel_of_normal_tissue_is_nearer_to_a_lesion_than_it_may(spacing, distance):
    rng = np.random.default_rng(8)
    shape = (30, 60, 60)
    for _ in range(3):
        labels = np.zeros(shape, np.int32)
        corner = [rng.integers(0, n - 8) for n in shape]
        size = rng.integers(1, 8, 3)
        labels[tuple(slice(c, c + s) for c, s in zip(corner, size))] = 1
        away = ndimage.distance_transform_edt(labels == 0, sampling=spacing[::-1])
        too_near = (away < distance) | (labels > 0)
        _, tissue, _ = marked(shape, spacing, too_near, labels=labels, tissue_distance_mm=distance)
        if tissue is not None:
            assert tissue["curve_pct"] == [0, 0, 0], "an enhancing voxel was taken"


def test_skin_vessels_noise_and_what_is_not_breast_are_no_normal_tissue():
    shape = (20, 40, 40)
    breast = np.zeros(shape, bool)
    breast[:, 5:35, 5:35] = True
    outside = ~breast
    assert marked(shape, (1, 1, 1), outside, breast)[1]["curve_pct"] == [0, 0, 0]
    rim = breast & ~ndimage.binary_erosion(breast, np.ones((1, 5, 5)))  # two voxels of 2 mm in the slices
    assert marked(shape, (2, 2, 2), rim | outside, breast)[1]["curve_pct"] == [0, 0, 0]
    assert marked(shape, (2, 2, 2), rim, breast, skin_mm=0)[1]["curve_pct"][1] > 5
    every = np.ones(shape, bool)
    assert marked(shape, (1, 1, 1), every, breast)[1]["curve_pct"] == [0, 50, 50]
    rows, tissue, notes = marked(shape, (1, 1, 1), every, breast, vessel_pct=49)
    assert (rows, tissue) == ([], None) and notes[-1] == "Too little normal breast tissue is left for a curve."
    assert marked(shape, (1, 1, 1), every, np.zeros(shape, bool))[1] is None


@pytest.fixture(scope="module")
def real(real_data):
    """The real sagittal slice with a rim-enhancing tumour: the exam from the last time point before contrast on, the
    tumour's region and plain arrays."""
    path = real_data / "breast-dce-invivo" / "invivo.mat"
    if not path.is_file():
        pytest.skip("the real DCE series is not in the test data")
    data = loadmat(path)
    series, seconds, blood = np.asarray(data["DCEdata"]), np.ravel(data["t"]), np.ravel(data["Cp"])
    arrival = int(np.argmax(blood > 0.1 * blood.max()))
    series, seconds = series[arrival - 1 :], seconds[arrival - 1 :]
    times = list(seconds - seconds[1])
    # Pixel size and slice thickness are assumptions of this test.
    exam = exam_of(series[:, None], times, spacing=(0.9, 0.9, 3.0))
    early = int(np.argmin(np.abs(np.array(times) - 120)))
    strong = series[early] > 2 * np.maximum(series[0], 0.05 * series[0].max())
    parts, _ = ndimage.label(ndimage.binary_opening(strong))
    tumour = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    return exam, tumour[None], series[:, None], np.array(times)


def test_real_tumour_enhances_within_two_minutes(real):
    exam, tumour, _, times = real
    (row,), _, _ = measure_kinetics(exam, tumour, Settings())
    assert 200 < tumour.sum() < 2000
    curve = np.array(row["curve_pct"])
    reached = times[np.argmax(curve >= 0.9 * curve.max())]
    assert 0 < reached <= 120 and row["time_to_peak_s"] <= 120 and curve.max() > 150
    assert (np.diff(curve[:5]) > 0).all() and row["curve_type"] in ("plateau", "wash-out")
    assert row["slope_max_pct_per_s"] > 3


def test_real_values_agree_with_plain_numpy(real):
    exam, tumour, series, times = real
    (row,), tissue, notes = measure_kinetics(exam, tumour, Settings(), breast=np.ones(tumour.shape, bool))
    # A few voxels of the slice are 0 or nearly so before contrast, and would be divided by.
    assert (series[0, tumour] == 0).any()
    values = series[:, tumour & (series[0] > noise_level(series[0], Settings()))]
    assert row["noise_voxels"] == np.count_nonzero(tumour) - values.shape[1] < 0.05 * tumour.sum()
    pre, early = values[0], values[np.argmin(np.abs(times - 150))]
    late = values[-1]  # the series ends before 450 s
    assert any("from the wished 450 s" in note for note in notes)
    mean = values.mean(axis=1)
    np.testing.assert_allclose(row["curve_signal"], mean, rtol=1e-6)
    np.testing.assert_allclose(row["curve_pct"], 100 * (mean / mean[0] - 1), rtol=1e-5, atol=1e-4)
    assert row["enhancement_mean_pct"] == pytest.approx(np.mean(100 * (early - pre) / pre), rel=1e-5)
    enough = late >= 1.1 * pre
    ratios = (early[enough] - pre[enough]) / (late[enough] - pre[enough])
    assert row["ser_mean"] == pytest.approx(ratios.mean(), rel=1e-4)
    assert row["time_to_peak_s"] == pytest.approx(times[np.argmax(mean)])
    steepest = np.max(np.diff(100 * mean / mean[0]) / np.diff(times))
    assert row["slope_max_pct_per_s"] == pytest.approx(steepest, rel=1e-5)
    # Phases every 16 s: three are averaged for the type (two at the ends of the series).
    smooth = np.array([values[max(1, k - 1) : k + 2].mean(axis=0) for k in range(1, len(values))])
    initial, end = smooth[: np.count_nonzero(times[1:] <= 120)].max(axis=0), smooth[-1]
    enhancing = (initial - pre) / pre >= 0.5
    change = ((end - initial) / initial)[enhancing]
    shares = [np.mean(change > 0.1), np.mean(np.abs(change) <= 0.1), np.mean(change < -0.1)]
    found = [row[f"{name}_pct"] for name in ("persistent", "plateau", "washout")]
    # The exam is float32: a voxel right on a threshold may fall to either side.
    assert found == pytest.approx([100 * share for share in shares], abs=150 / change.size)
    # Normal tissue hardly enhances.
    assert tissue["voxels"] > 300 and max(map(abs, tissue["curve_pct"])) < 0.1 * max(row["curve_pct"])


def test_real_volume_says_that_fat_is_bright(real):
    exam, tumour, series, times = real
    (row,), _, notes = measure_kinetics(exam, tumour, Settings())
    pre, early, late = series[0], series[np.argmin(np.abs(times - 150))], series[-1]
    assert any("are left out of it: before contrast they are darker" in note for note in notes)
    rows, _, notes = measure_kinetics(exam, tumour, Settings(background_fraction=0), region=tumour)
    passed = tumour & (early >= 1.7 * pre) & (pre > 0)
    near = ndimage.convolve(passed.astype(int), np.ones((3, 3, 3), int), mode="constant") - 1
    expected = np.count_nonzero(passed & (near >= 4) & (late > pre))
    assert rows[0]["ftv_mm3"] == pytest.approx(expected * 0.9 * 0.9 * 3)
    assert expected > 0.9 * tumour.sum() and row["ftv_mm3"] < 0.2 * rows[0]["ftv_mm3"]
    assert not any("before contrast they are darker" in note for note in notes)


def test_random_exams_of_all_kinds():
    made = 0
    for seed in range(20, 30):
        try:
            sample = make_dce_exam(seed, masses=seed % 3, posts=1 + seed % 5, noise=(0, 9, 30)[seed % 3], **SMALL)
        except BadInput:  # masses that do not fit
            continue
        labels, count = ndimage.label(sample.truth.array)
        rows, tissue, _ = measure_kinetics(sample.exam, labels, Settings(), breast=sample.tissue.array > 0)
        assert len(rows) == count and tissue["voxels"] > 100
        assert all(row["enhancement_mean_pct"] > 20 for row in rows)
        made += 1
    assert made > 4

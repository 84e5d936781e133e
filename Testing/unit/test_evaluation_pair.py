"""What is measured of a pair of masks, against nnU-Net, SimpleITK, scikit-learn, SciPy and counting by hand."""

import math

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput
from BreastSegTrainingLib.evaluation import surface
from BreastSegTrainingLib.evaluation.measures import (
    STATES,
    MeasureOptions,
    all_measures,
    describe_measures,
    empty_rule,
    empty_rules,
)
from BreastSegTrainingLib.evaluation.pair import measure_pair
from evaluation_pairs import (
    challenge_norm_hd,
    image_of,
    masks,
    odd_pairs,
    random_pairs,
    slow_distances,
    slow_surface,
    write,
)
from hypothesis import given, settings
from scipy.spatial.distance import directed_hausdorff

PAIRS = [*random_pairs(60), *odd_pairs()]
CLOSE = {"rel": 1e-6, "abs": 1e-6}


def test_counts_and_ratios_are_those_of_nnunet(tmp_path):
    from nnunetv2.evaluation.evaluate_predictions import compute_metrics
    from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

    axes = set()
    for index, (name, truth, prediction, spacing) in enumerate(random_pairs(40, seed=1, empty=True)):
        files = [write(tmp_path / f"{index}_{k}.nii.gz", m, spacing) for k, m in enumerate((truth, prediction))]
        if min(truth.shape) == 1:
            continue  # NIfTI drops axes of length one
        axes.add(truth.ndim)
        theirs = compute_metrics(*map(str, files), SimpleITKIO(), [1])["metrics"][1]
        ours = measure_pair(truth, prediction, spacing)
        for own, name_there in (
            ("dice", "Dice"),
            ("jaccard", "IoU"),
            ("tp", "TP"),
            ("fp", "FP"),
            ("fn", "FN"),
            ("tn", "TN"),
        ):
            assert ours[own] == pytest.approx(theirs[name_there], nan_ok=True, **CLOSE), (name, own)
    assert axes == {2, 3}


def test_two_empty_masks_are_left_out_as_nnunet_does(tmp_path):
    from nnunetv2.evaluation.evaluate_predictions import compute_metrics
    from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

    empty = np.zeros((3, 4, 5), bool)
    file = str(write(tmp_path / "empty.nii.gz", empty))
    theirs = compute_metrics(file, file, SimpleITKIO(), [1])["metrics"][1]
    ours = measure_pair(empty, empty, (1, 1, 1))
    assert math.isnan(theirs["Dice"]) and math.isnan(ours["dice"])
    assert math.isnan(theirs["IoU"]) and math.isnan(ours["jaccard"])


@pytest.mark.parametrize(("name", "truth", "prediction", "spacing"), PAIRS, ids=[pair[0] for pair in PAIRS])
def test_overlap_and_hausdorff_are_those_of_simpleitk_and_scipy(name, truth, prediction, spacing):
    ours = measure_pair(truth, prediction, spacing)
    images = image_of(truth, spacing), image_of(prediction, spacing)
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(*(sitk.Cast(image, sitk.sitkUInt8) for image in images))
    assert ours["dice"] == pytest.approx(overlap.GetDiceCoefficient(1), **CLOSE)
    assert ours["jaccard"] == pytest.approx(overlap.GetJaccardCoefficient(1), **CLOSE)
    distance = sitk.HausdorffDistanceImageFilter()
    distance.Execute(*images)
    assert ours["hausdorff"] == pytest.approx(distance.GetHausdorffDistance(), **CLOSE)
    points = [np.argwhere(mask) * spacing for mask in (truth, prediction)]
    both = directed_hausdorff(*points)[0], directed_hausdorff(*points[::-1])[0]
    assert ours["hausdorff"] == pytest.approx(max(both), **CLOSE)


@pytest.mark.parametrize(("name", "truth", "prediction", "spacing"), PAIRS, ids=[pair[0] for pair in PAIRS])
def test_surface_distances_are_those_of_all_pairs_of_voxels(name, truth, prediction, spacing):
    points = [slow_surface(mask) * spacing for mask in (truth, prediction)]
    forward, backward = slow_distances(*points), slow_distances(*points[::-1])
    near = np.concatenate([forward, backward])
    ours = measure_pair(truth, prediction, spacing)
    if not (truth.ndim == 3 and truth.shape[0] == 1):  # one slice is flat: tested by itself
        assert ours["hd95"] == pytest.approx(max(np.percentile(forward, 95), np.percentile(backward, 95)), **CLOSE)
        assert ours["nsd"] == pytest.approx(np.mean(near <= 1 + 1e-9), **CLOSE)
        pooled = measure_pair(truth, prediction, spacing, MeasureOptions(("hd95",), hd95="pooled"))
        assert pooled == {"hd95": pytest.approx(np.percentile(near, 95), **CLOSE)}
        other = measure_pair(truth, prediction, spacing, MeasureOptions(hausdorff="surface", tolerance_mm=2.5))
        assert other["hausdorff"] == pytest.approx(near.max(), **CLOSE)
        assert other["nsd"] == pytest.approx(np.mean(near <= 2.5 + 1e-9), **CLOSE)
    assert ours["norm_hd"] == pytest.approx(challenge_norm_hd(truth, prediction), **CLOSE)


def test_ratios_are_those_of_scikit_learn():
    from sklearn import metrics

    for name, truth, prediction, spacing in PAIRS:
        ours, flat = measure_pair(truth, prediction, spacing), (truth.ravel(), prediction.ravel())
        theirs = {
            "dice": metrics.f1_score(*flat),
            "f1": metrics.f1_score(*flat),
            "jaccard": metrics.jaccard_score(*flat),
            "precision": metrics.precision_score(*flat),
            "recall": metrics.recall_score(*flat),
            "accuracy": metrics.accuracy_score(*flat),
        }
        assert {key: ours[key] for key in theirs} == pytest.approx(theirs, **CLOSE), name
        if not truth.all():
            assert ours["specificity"] == pytest.approx(metrics.recall_score(*flat, pos_label=False), **CLOSE), name


def test_zero_rule_is_that_of_scikit_learn():
    from sklearn import metrics

    empty, dot = np.zeros(9, bool), np.eye(1, 9, 4)[0] > 0
    for truth, prediction in ((empty, empty), (empty, dot), (dot, empty)):
        ours = measure_pair(truth.reshape(3, 3), prediction.reshape(3, 3), (1, 1), MeasureOptions(empty="zero"))
        for name, theirs in (("dice", "f1"), ("jaccard", "jaccard"), ("precision", "precision"), ("recall", "recall")):
            assert ours[name] == getattr(metrics, f"{theirs}_score")(truth, prediction, zero_division=0), name


@settings(max_examples=150, deadline=None)
@given(masks())
def test_any_pair(drawn):
    truth, prediction, spacing = drawn
    there, back = measure_pair(truth, prediction, spacing), measure_pair(prediction, truth, spacing)
    assert tuple(there) == tuple(all_measures())
    for name in ("dice", "jaccard", "hausdorff", "hd95", "nsd", "norm_hd", "accuracy"):
        assert there[name] == pytest.approx(back[name], nan_ok=True, rel=1e-9), name
    assert there["precision"] == pytest.approx(back["recall"], nan_ok=True)
    assert there["tp"] + there["fp"] + there["fn"] + there["tn"] == truth.size
    # The challenge's code takes a mask that fills the image for an empty one; against a mask that is empty, we do not.
    if not ((truth.all() or prediction.all()) and not (truth.any() and prediction.any())):
        assert there["norm_hd"] == pytest.approx(challenge_norm_hd(truth, prediction), **CLOSE)
    if not (truth.any() and prediction.any()):
        assert not math.isfinite(there["hausdorff"]) and not math.isfinite(there["hd95"])
        return
    # Room around the masks, or the axes in another order, change no distance.
    for case in (
        (np.pad(truth, 2), np.pad(prediction, 2), spacing),
        (truth.T, prediction.T, spacing[::-1]),
        (np.flip(truth), np.flip(prediction), spacing),
    ):
        if case[0].ndim == 3 and (case[0].shape[0] == 1) != (truth.shape[0] == 1):
            continue
        if truth.ndim == 3 and truth.shape[0] == 1 and case[0].shape[0] != 1:
            continue
        other = measure_pair(*case)
        for name in ("hausdorff", "hd95", "nsd", "dice"):
            assert other[name] == pytest.approx(there[name], rel=1e-9), name
    twice = measure_pair(truth, prediction, tuple(2 * value for value in spacing))
    assert twice["hd95"] == pytest.approx(2 * there["hd95"])
    assert twice["hausdorff"] == pytest.approx(2 * there["hausdorff"])


def test_search_tree_and_distance_map_agree():
    rng = np.random.default_rng(5)
    for density in (0.01, 0.2):
        start, target = rng.random((9, 10, 11)) < density, rng.random((9, 10, 11)) < density
        tree, plane = (surface.nearest(start, target, (2.0, 0.7, 1.1), cost) for cost in (0, math.inf))
        np.testing.assert_allclose(tree, plane, rtol=1e-12)


def test_an_image_of_one_slice_is_flat():
    truth, prediction = np.zeros((2, 30, 30), bool)
    truth[5:20, 5:20], prediction[8:26, 4:18] = True, True
    flat = measure_pair(truth, prediction, (0.5, 0.7))
    slice_ = measure_pair(truth[None], prediction[None], (1.0, 0.5, 0.7))
    assert slice_ == pytest.approx(flat, nan_ok=True)
    assert math.isnan(flat["volume_truth"]) and math.isnan(flat["volume_difference"])
    assert flat["volume_difference_relative"] == pytest.approx(100 * abs(18 * 14 - 225) / 225)


def test_volumes():
    truth, prediction = np.zeros((2, 10, 10, 10), bool)
    truth[2:4, 2:4, 2:7], prediction[2:4, 2:4, 2:4] = True, True
    found = measure_pair(truth, prediction, (5.0, 2.0, 3.0))
    assert found["volume_truth"] == pytest.approx(20 * 30 / 1000)
    assert found["volume_prediction"] == pytest.approx(8 * 30 / 1000)
    assert found["volume_difference"] == pytest.approx(12 * 30 / 1000)
    assert found["volume_difference_relative"] == pytest.approx(60)
    assert found["volume_truth"] == pytest.approx(np.prod(image_of(truth, (5.0, 2.0, 3.0)).GetSpacing()) * 20 / 1000)


def test_without_spacing_nothing_is_said_in_mm():
    truth, prediction = np.zeros((2, 10, 10), bool)
    truth[2:5, 2:5], prediction[3:8, 3:8] = True, True
    found = measure_pair(truth, prediction, None)
    assert all(math.isnan(found[name]) for name in ("hausdorff", "hd95", "nsd", "volume_truth"))
    assert found["norm_hd"] == pytest.approx(challenge_norm_hd(truth, prediction))
    assert found["dice"] == pytest.approx(2 * 4 / (9 + 25))


def test_norm_hd_is_in_voxels_and_not_cut_at_one():
    truth, prediction = np.zeros((2, 3, 3, 400), bool)
    truth[1, 1, 2], prediction[1, 1, 392] = True, True
    found = measure_pair(truth, prediction, (1.0, 1.0, 0.1))
    assert found["norm_hd"] == pytest.approx(390 / 150)
    assert found["hd95"] == pytest.approx(39)
    half = measure_pair(truth, prediction, (1.0, 1.0, 0.1), MeasureOptions(norm_hd_voxels=300))
    assert half["norm_hd"] == pytest.approx(390 / 300)


def test_a_distance_of_just_the_tolerance_is_within_it():
    truth, prediction = np.zeros((2, 5, 5, 30), bool)
    truth[2, 2, 4], prediction[2, 2, 14] = True, True
    assert measure_pair(truth, prediction, (1, 1, 0.1))["nsd"] == 1
    assert measure_pair(truth, prediction, (1, 1, 0.1001))["nsd"] == 0


NAN, INF = math.nan, math.inf
EXPECTED = {  # both empty, reference empty, prediction empty, nothing overlaps
    ("nnunet", "dice"): (NAN, 0, 0, 0),
    ("nnunet", "precision"): (NAN, 0, NAN, 0),
    ("nnunet", "recall"): (NAN, NAN, 0, 0),
    ("nnunet", "hausdorff"): (NAN, INF, INF, 1),
    ("nnunet", "hd95"): (NAN, INF, INF, 1),
    ("nnunet", "nsd"): (NAN, 0, 0, 1),
    ("nnunet", "norm_hd"): (0, 1, 1, 1 / 150),
    ("overlap", "dice"): (NAN, NAN, NAN, NAN),
    ("overlap", "jaccard"): (NAN, NAN, NAN, NAN),
    ("overlap", "hd95"): (NAN, INF, INF, 1),
    ("challenge", "dice"): (0, 0, 0, 0),
    ("challenge", "hd95"): (0, INF, INF, 1),
    ("challenge", "norm_hd"): (0, 1, 1, 1 / 150),
    ("agree", "dice"): (1, 0, 0, 0),
    ("agree", "precision"): (1, 0, 0, 0),
    ("agree", "recall"): (1, 0, 0, 0),
    ("agree", "hausdorff"): (0, INF, INF, 1),
    ("agree", "nsd"): (1, 0, 0, 1),
    ("zero", "precision"): (0, 0, 0, 0),
    ("zero", "recall"): (0, 0, 0, 0),
    ("zero", "dice"): (0, 0, 0, 0),
}


@pytest.mark.parametrize(("rule", "measure"), EXPECTED, ids=str)
def test_empty_masks_count_as_their_rule_says(rule, measure):
    empty, one, other = np.zeros((3, 5, 5, 5), bool)
    one[2, 2, 2], other[2, 2, 3] = True, True
    pairs = (empty, empty), (empty, one), (one, empty), (one, other)
    found = [measure_pair(*pair, (1, 1, 1), MeasureOptions(empty=rule))[measure] for pair in pairs]
    assert found == pytest.approx(EXPECTED[rule, measure], nan_ok=True)


def test_the_table_says_how_every_measure_and_rule_treats_empty_masks():
    assert all(measure.title and measure.definition and measure.empty for measure in all_measures().values())
    assert all(measure.better in ("higher", "lower", "") for measure in all_measures().values())
    for measure in all_measures().values():
        assert set(measure.undefined) <= set(STATES)
    for rule in empty_rules().values():
        assert rule.title and rule.meaning
        assert set(rule.values) <= set(all_measures())
        assert all(set(states) <= set(STATES) for states in rule.values.values())
    assert empty_rule("M5") is empty_rules()["overlap"] and empty_rule("m6") is empty_rules()["challenge"]
    assert describe_measures(("hd95",))["hd95"]["unit"] == "mm"


@pytest.mark.parametrize(
    "wrong",
    [
        {"measures": ("dices",)},
        {"empty": "perhaps"},
        {"hd95": "mean"},
        {"hausdorff": "mesh"},
        {"tolerance_mm": 0},
        {"tolerance_mm": math.nan},
        {"norm_hd_voxels": -1},
    ],
    ids=str,
)
def test_unknown_options_are_refused(wrong):
    with pytest.raises(BadInput) as caught:
        MeasureOptions(**wrong)
    assert "\n" not in caught.value.line


def test_pairs_that_do_not_fit_are_refused():
    mask = np.ones((3, 4, 5), bool)
    for truth, prediction, spacing in (
        (mask, mask[:2], (1, 1, 1)),
        (mask, mask, (1, 1)),
        (mask, mask, (1, 0, 1)),
        (mask, mask, (1, math.nan, 1)),
        (mask[0, 0], mask[0, 0], (1,)),
        (mask[:0], mask[:0], (1, 1, 1)),
    ):
        with pytest.raises(BadInput):
            measure_pair(truth, prediction, spacing)


def test_only_what_is_wanted_is_returned():
    mask = np.ones((3, 4, 5), np.uint8)
    assert measure_pair(mask, 7 * mask, None, MeasureOptions(("hd95", "dice"))) == pytest.approx(
        {"dice": 1.0, "hd95": math.nan}, nan_ok=True
    )


def test_masks_are_not_changed():
    truth, prediction = np.random.default_rng(3).random((2, 6, 6, 6)) < 0.4
    before = truth.copy(), prediction.copy()
    measure_pair(truth, prediction, (1, 1, 1))
    assert np.array_equal(truth, before[0]) and np.array_equal(prediction, before[1])

"""Paired comparisons, against SciPy and computations by hand."""

import copy
import importlib.util
import itertools
import json
import math

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegTrainingLib.evaluation.compare import compare, holm, paired
from BreastSegTrainingLib.evaluation.compare_page import comparison_page, write_comparison
from BreastSegTrainingLib.evaluation.summary import Judging, assemble
from evaluation_records import about, make_records
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

PAIRS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=2, max_size=12)


@pytest.fixture(scope="module")
def evaluations():
    made = []
    for name, seed, error in (("A", 1, 3), ("B", 2, 1)):
        judging = Judging(columns=(), bands=False, image_level=False)
        made.append(json.loads(json.dumps(assemble(make_records(14, seed, error), about(name), judging))))
    return made


def changed(evaluation, **values):
    return {**copy.deepcopy(evaluation), **values}


# --- one measure


def test_p_is_that_of_scipy():
    random = np.random.default_rng(4)
    first, second = random.random(30), random.random(30) + 0.1
    found = paired(first, second)
    assert found["p"] == pytest.approx(stats.wilcoxon(second, first).pvalue, abs=1e-15)
    assert found["median_difference"] == pytest.approx(np.median(second - first))
    assert (found["n"], found["zeros"], found["missing"]) == (30, 0, 0)


@given(PAIRS)
@settings(max_examples=40, deadline=None)
def test_effect_and_p_of_whole_numbers_agree_with_the_definition(pairs):
    """Exact p by all assignments of signs (with ties), effect by counting pairs of ranks."""
    first, second = zip(*pairs)
    found = paired(first, second)
    moved = [b - a for a, b in pairs if a != b]
    assert found["zeros"] == len(pairs) - len(moved)
    if not moved:
        assert found["p"] is None and found["effect"] is None
        return
    # The rank of a size: how many are smaller, and half of those that are equal.
    ranks = [sum((abs(y) < abs(x)) + 0.5 * (abs(y) == abs(x)) for y in moved) + 0.5 for x in moved]
    positive = sum(rank for rank, value in zip(ranks, moved) if value > 0)
    assert found["effect"] == pytest.approx((2 * positive - sum(ranks)) / sum(ranks))
    if len(moved) <= 8:
        least = min(positive, sum(ranks) - positive)
        sums = [sum(r for r, s in zip(ranks, signs) if s) for signs in itertools.product((0, 1), repeat=len(ranks))]
        exact = min(1, 2 * sum(s <= least + 1e-9 for s in sums) / len(sums))
        assert found["p"] == pytest.approx(exact, abs=1e-9)


def test_exchanged_models_give_the_opposite():
    random = np.random.default_rng(9)
    first, second = random.random(12), random.random(12)
    there, back = paired(first, second), paired(second, first)
    assert there["p"] == pytest.approx(back["p"]) and there["effect"] == pytest.approx(-back["effect"])
    assert there["median_difference"] == pytest.approx(-back["median_difference"])


def test_infinite_is_the_worst_and_not_left_out():
    first = [3.0, 4.0, 5.0, 6.0, 7.0, 8.0, math.inf]
    second = [2.0, 3.5, 4.0, 5.2, 6.0, 7.5, math.inf]
    assert paired(first, second)["zeros"] == 1  # two infinite ones are equal
    failing = paired(first[:6] + [1.0], second[:6] + [math.inf])
    assert failing["infinite"] == 1 and failing["n"] == 7
    large = paired(first[:6] + [1.0], second[:6] + [1e6])
    assert failing["p"] == large["p"] and failing["effect"] == large["effect"]
    assert failing["median_difference"] == pytest.approx(np.median(np.subtract(second[:6], first[:6])))


def test_missing_values_take_their_pair_along():
    found = paired([0.1, None, 0.3, 0.2], [0.2, 0.4, math.nan, 0.5])
    assert (found["n"], found["missing"]) == (2, 2)
    assert paired([None], [0.3])["p"] is None


# --- many tests


def test_holm_by_hand():
    # Sorted: 0.005·4 = 0.02, 0.01·3 = 0.03, 0.03·2 = 0.06, 0.04·1 = 0.04 raised to 0.06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([None, 0.02, None]) == [None, 0.02, None]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=12))
@settings(max_examples=100, deadline=None)
def test_holm_never_lowers_and_keeps_the_order(values):
    found = holm(values)
    assert all(corrected >= p and corrected <= 1 for corrected, p in zip(found, values))
    order = sorted(range(len(values)), key=lambda index: values[index])
    assert [found[index] for index in order] == sorted(found)
    assert not values or min(found) == pytest.approx(min(1, len(values) * min(values)))


@pytest.mark.skipif(not importlib.util.find_spec("statsmodels"), reason="statsmodels is not installed")
def test_holm_agrees_with_statsmodels():
    from statsmodels.stats.multitest import multipletests

    values = np.random.default_rng(0).random(20) ** 3
    assert holm(list(values)) == pytest.approx(multipletests(values, method="holm")[1])


# --- evaluations


def test_the_better_model_is_told(evaluations):
    found = compare(evaluations)
    test = next(test for test in found["tests"] if test["measure"] == "dice")
    assert test["better"] == "B" and "B is better than A" in test["words"] and test["effect"] > 0.5
    assert found["stage"] == "cleaned" and len(found["cases"]) == 14
    distance = next(test for test in found["tests"] if test["measure"] == "hd95")
    assert distance["effect"] < 0 and distance["better"] in ("B", "")  # smaller is better


def test_three_models_make_three_pairs(evaluations):
    third = changed(evaluations[0], name="C")
    found = compare([*evaluations, third], measures=["dice", "jaccard"])
    assert len(found["tests"]) == 6
    same = [test for test in found["tests"] if {test["first"], test["second"]} == {"A", "C"}]
    assert all(test["p"] is None and "the same in 14 cases" in test["words"] for test in same)
    assert "(4)" in " ".join(found["notes"])  # tests that there were


def test_only_common_cases_count_and_others_are_told(evaluations):
    fewer = changed(evaluations[1], cases=evaluations[1]["cases"][2:])
    found = compare([evaluations[0], fewer])
    assert len(found["cases"]) == 12 and found["left_out"] == {"A": ["P001_1", "P002_1"], "B": []}
    assert any("2 cases of A." in note for note in found["notes"])


def test_an_empty_prediction_counts_as_infinitely_far():
    judging = Judging(columns=(), bands=False, image_level=False)
    found = [
        json.loads(json.dumps(assemble(make_records(9, 1, empty=empty), about(name), judging)))
        for name, empty in (("A", ()), ("B", (4,)))
    ]
    test = next(test for test in compare(found, measures=["hausdorff"])["tests"])
    assert (test["n"], test["infinite"], test["missing"]) == (9, 1, 0) and test["effect"] == 1


@pytest.mark.parametrize(
    "change, expected",
    [
        ({"grid": "exam"}, "on other grids"),
        ({"truth": "others"}, "against other truths"),
        ({"options": {"tolerance_mm": 2.0}}, "other tolerances"),
        ({"options": {"tolerance_mm": 1.0, "empty": "zero"}}, "other rules for empty masks"),
        ({"name": "A"}, "Two evaluations are called A"),
    ],
)
def test_evaluations_that_do_not_mean_the_same_are_refused(evaluations, change, expected):
    with pytest.raises(BadInput, match=expected):
        compare([evaluations[0], changed(evaluations[1], **change)])


def test_another_truth_of_the_same_name_is_refused(evaluations):
    other = changed(evaluations[1])
    other["cases"][3]["raw"]["fn"] += 1
    with pytest.raises(BadInput, match="reference mask of P004_1 has another size"):
        compare([evaluations[0], other])


def test_nothing_in_common_and_too_few_are_refused(evaluations):
    other = changed(evaluations[1])
    for row in other["cases"]:
        row["case"] = "X" + row["case"]
    with pytest.raises(BadInput, match="no case in common"):
        compare([evaluations[0], other])
    with pytest.raises(BadInput, match="one evaluation"):
        compare(evaluations[:1])
    with pytest.raises(BadInput, match="cannot be compared"):
        compare(evaluations, measures=["tp"])
    with pytest.raises(BadInput, match="2 evaluations"):
        compare(evaluations, names=["one"])


def test_masks_that_were_not_cleaned(evaluations):
    raw = changed(evaluations[1])
    for row in raw["cases"]:
        row["cleaned"] = None
    assert compare([evaluations[0], raw])["stage"] == "raw"
    with pytest.raises(BadInput, match="no cleaned masks"):
        compare([evaluations[0], raw], stage="cleaned")


def test_other_clean_ups_are_told(evaluations):
    other = changed(evaluations[1], options={**evaluations[1]["options"], "cleanup": "recipe x"})
    assert any("clean-ups differ" in note for note in compare([evaluations[0], other])["notes"])


def test_the_folder_of_a_comparison(evaluations, tmp_path):
    found = compare(evaluations, names=["nnU-Net <A>", "$B$"])
    write_comparison(tmp_path / "made", found)
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [
        "comparison.html",
        "comparison.json",
        "figures",
        "tests.csv",
        "values.csv",
    ]
    kept = json.loads((tmp_path / "made/comparison.json").read_text(encoding="utf-8"))
    assert kept["format"] == "breastseg-comparison-1" and len(kept["tests"]) == len(found["tests"])
    page = comparison_page(found, {})
    assert "nnU-Net &lt;A&gt;" in page and "research use only" in page
    with pytest.raises(BadInput, match="exists"):
        write_comparison(tmp_path / "made", found)
    write_comparison(tmp_path / "made", found, overwrite=True)

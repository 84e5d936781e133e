"""Means and intervals, against the standard library, SciPy and known truths."""

import math
import statistics

import numpy as np
import pytest
from BreastSegTrainingLib.evaluation.stats import bootstrap_interval, describe, finite, mean
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

VALUES = st.lists(st.floats(0, 1, allow_nan=False), min_size=2, max_size=40)


@given(VALUES)
@settings(max_examples=60, deadline=None)
def test_numbers_agree_with_the_standard_library(values):
    found = describe(values, draws=50)
    assert found["mean"] == pytest.approx(statistics.fmean(values), abs=1e-12)
    assert found["sd"] == pytest.approx(statistics.stdev(values), abs=1e-9)
    assert found["median"] == pytest.approx(statistics.median(values), abs=1e-12)
    assert (found["min"], found["max"], found["n"], found["missing"]) == (min(values), max(values), len(values), 0)
    assert found["min"] - 1e-12 <= found["ci_low"] <= found["ci_high"] <= found["max"] + 1e-12


@pytest.mark.parametrize("statistic", ["mean", "median"])
@pytest.mark.parametrize("n", [2, 7, 50, 333])
def test_interval_equals_that_of_scipy_with_the_same_draws(statistic, n):
    values = np.random.default_rng(n).beta(5, 2, n)
    expected = stats.bootstrap(
        (values,),
        getattr(np, statistic),
        n_resamples=2000,
        method="percentile",
        rng=np.random.default_rng(11),
        vectorized=True,
    ).confidence_interval
    low, high = bootstrap_interval(values, statistic, seed=11)
    assert low == pytest.approx(expected.low, abs=1e-12) and high == pytest.approx(expected.high, abs=1e-12)


def test_interval_is_near_that_of_scipy_with_other_draws():
    values = np.random.default_rng(0).normal(0.7, 0.15, 80)
    low, high = bootstrap_interval(values)
    other = stats.bootstrap((values,), np.mean, n_resamples=20000, method="percentile", rng=5).confidence_interval
    assert low == pytest.approx(other.low, abs=0.005) and high == pytest.approx(other.high, abs=0.005)


def test_interval_holds_the_true_mean_about_as_often_as_it_says():
    random = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        low, high = bootstrap_interval(random.normal(0.5, 0.1, 40), draws=400)
        hits += low <= 0.5 <= high
    assert 180 <= hits <= 199  # 95 % of 200 is 190


def test_draws_are_made_in_blocks_without_changing_the_interval(monkeypatch):
    from BreastSegTrainingLib.evaluation import stats as module

    values = np.random.default_rng(3).random(64)
    whole = bootstrap_interval(values)
    monkeypatch.setattr(module, "_BLOCK", 64 * 100)
    assert bootstrap_interval(values) == pytest.approx(whole, abs=1e-12)


def test_same_values_same_interval():
    assert describe([0.1, 0.5, 0.9, 0.7]) == describe([0.1, 0.5, 0.9, 0.7])


def test_what_is_no_number_is_left_out_and_counted():
    found = describe([0.5, None, math.nan, math.inf, 0.7, -math.inf])
    assert found["mean"] == pytest.approx(0.6) and found["n"] == 2 and found["missing"] == 4


def test_none_and_one_and_equal_values():
    assert describe([None, math.nan]) == {
        **dict.fromkeys(("mean", "sd", "median", "min", "max", "ci_low", "ci_high")),
        "n": 0,
        "missing": 2,
    }
    one = describe([0.4])
    assert (one["mean"], one["sd"], one["ci_low"], one["n"]) == (0.4, None, None, 1)
    same = describe([0.1] * 7)
    assert (same["sd"], same["ci_low"], same["ci_high"]) == (pytest.approx(0), 0.1, 0.1)
    assert describe([])["n"] == 0


def test_help_functions():
    assert finite([1, None, math.nan, 2.5]).tolist() == [1, 2.5]
    assert mean([]) is None and mean([None, 2, 4]) == 3

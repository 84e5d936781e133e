"""Numbers about numbers: mean, spread, range, and how sure the mean is."""

import math

import numpy as np

DRAWS, LEVEL, SEED = 2000, 0.95, 20260101
_BLOCK = 4_000_000  # drawn values held at once


def describe(values, seed=SEED, draws=DRAWS, interval=True):
    """Return what a table says of the values of one measure.

    Parameters
    ----------
    values : sequence of float or None
        None, NaN and infinite values are left out and counted.
    seed : int
        Of the bootstrap: the same values give the same interval.
    draws : int
        Of the bootstrap.
    interval : bool
        Whether an interval is wanted, which takes most of the time.

    Returns
    -------
    dict
        ``mean``; ``sd`` (n - 1 in the denominator, None for one value); ``median``, ``min``, ``max``; ``ci_low`` and
        ``ci_high``, the bootstrap 95 % interval of the mean (None for one value); ``n`` values that counted;
        ``missing``, how many did not.
    """
    numbers = finite(values)
    n, missing = numbers.size, len(values) - numbers.size
    if not n:
        empty = dict.fromkeys(("mean", "sd", "median", "min", "max", "ci_low", "ci_high"))
        return {**empty, "n": 0, "missing": missing}
    low, high = bootstrap_interval(numbers, "mean", seed, draws) if interval else (None, None)
    return {
        "mean": float(numbers.mean()),
        "sd": float(numbers.std(ddof=1)) if n > 1 else None,
        "median": float(np.median(numbers)),
        "min": float(numbers.min()),
        "max": float(numbers.max()),
        "ci_low": low,
        "ci_high": high,
        "n": int(n),
        "missing": int(missing),
    }


def bootstrap_interval(values, statistic="mean", seed=SEED, draws=DRAWS, level=LEVEL):
    """Return the percentile bootstrap interval of a mean or median.

    The values are drawn again and again with replacement, as many as there are; the interval holds the middle of the
    statistics of these draws. Values are taken as independent of each other.

    Parameters
    ----------
    values : array_like of float
        Finite.
    statistic : {'mean', 'median'}
    seed : int
    draws : int
    level : float
        Share of the draws that lies in the interval.

    Returns
    -------
    (float, float) or (None, None)
        None for fewer than two values: one value says nothing about spread.
    """
    values = np.asarray(values, float)
    n = values.size
    if n < 2:
        return None, None
    if values.min() == values.max():
        return float(values[0]), float(values[0])  # else the rounding of sums would make an interval of it
    function = {"mean": np.mean, "median": np.median}[statistic]
    random, found, step = np.random.default_rng(seed), np.empty(draws), max(1, _BLOCK // n)
    for start in range(0, draws, step):
        rows = min(step, draws - start)
        found[start : start + rows] = function(values[random.integers(0, n, (rows, n))], axis=1)
    tail = (1 - level) / 2
    low, high = np.quantile(found, (tail, 1 - tail))
    return float(low), float(high)


def finite(values):
    """Return the values that are finite numbers, as an array."""
    return np.array([value for value in values if value is not None and math.isfinite(value)], float)


def mean(values):
    """Return the mean of the finite values, or None where there is none."""
    numbers = finite(values)
    return float(numbers.mean()) if numbers.size else None

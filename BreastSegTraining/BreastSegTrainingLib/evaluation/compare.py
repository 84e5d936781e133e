"""Which of several models is better on the same cases: paired tests, effect sizes, corrected for their number."""

import math
from itertools import combinations

import numpy as np
from BreastSegLib.errors import BadInput

from .caserecord import counted, counts_of, is_infinite
from .stats import SEED, bootstrap_interval, describe

FORMAT = "breastseg-comparison-1"
ALPHA = 0.05
WAYS = ("hausdorff", "hd95", "norm_hd_voxels", "label")  # options that change what measures mean
FEWEST = 6  # pairs that differ: with fewer, p cannot be below 0.05 in the exact two-sided test


def paired(first, second, seed=SEED):
    """Return the paired comparison of one measure between two models (M3).

    Wilcoxon's signed-rank test, two-sided, of second - first. Pairs without a difference are left out of the ranks
    (Wilcoxon's own way) and counted. An infinite value (a distance to an empty mask) is the largest of all, two of
    them are equal: a model does not look better by failing. Pairs in which either value is missing are left out.

    Parameters
    ----------
    first, second : sequence of float or None
        Values of the same cases in the same order.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        ``n`` pairs; ``missing`` pairs; ``infinite`` pairs with an infinite value; ``zeros`` pairs without difference;
        ``median_difference`` of the pairs that are finite, with ``ci_low`` and ``ci_high`` (bootstrap 95 %); ``p``
        (None when nothing differs); ``effect``: matched-pairs rank-biserial correlation, (R+ - R-) / (R+ + R-), from
        -1 to 1 (None likewise).
    """
    from scipy.stats import rankdata, wilcoxon

    pairs = [(a, b) for a, b in zip(first, second, strict=True) if _is_known(a) and _is_known(b)]
    finite = np.array([b - a for a, b in pairs if math.isfinite(a) and math.isfinite(b)], float)
    beyond = 1 + 2 * float(np.abs(finite).max(initial=0))  # only its rank counts
    difference = np.array([_difference(a, b, beyond) for a, b in pairs], float)
    moved = difference[difference != 0]
    found = {
        "n": len(pairs),
        "missing": len(first) - len(pairs),
        "infinite": len(pairs) - int(finite.size),
        "zeros": len(pairs) - int(moved.size),
        "median_difference": float(np.median(finite)) if finite.size else None,
    }
    found["ci_low"], found["ci_high"] = bootstrap_interval(finite, "median", seed)
    if not moved.size:
        return {**found, "p": None, "effect": None}
    ranks = rankdata(np.abs(moved))
    effect = (ranks[moved > 0].sum() - ranks[moved < 0].sum()) / ranks.sum()
    p = wilcoxon(moved, zero_method="wilcox", alternative="two-sided").pvalue
    return {**found, "p": float(p), "effect": float(effect)}


def holm(values):
    """Return p values corrected for their number (Holm's step-down method).

    Parameters
    ----------
    values : sequence of float or None
        None is no test: it stays None and does not count.

    Returns
    -------
    list of float or None
    """
    tests = sorted((p, index) for index, p in enumerate(values) if p is not None)
    corrected, highest = [None] * len(values), 0.0
    for rank, (p, index) in enumerate(tests):
        highest = max(highest, min(1.0, (len(tests) - rank) * p))
        corrected[index] = highest
    return corrected


def compare(evaluations, stage=None, measures=None, names=None):
    """Return the comparison of evaluations in pairs.

    Parameters
    ----------
    evaluations : sequence of dict
        Contents of ``evaluation.json``, two or more.
    stage : {'raw', 'cleaned'}, optional
        When not given, the cleaned masks if every evaluation has them, else the raw ones.
    measures : sequence of str, optional
        When not given, all that every evaluation has and of which is known what is better.
    names : sequence of str, optional
        Of the models; when not given, those of the evaluations.

    Returns
    -------
    dict
        As ``comparison.json`` keeps it: ``models``, ``cases`` (in common), ``left_out`` (per model), ``stage``,
        ``measures``, ``summary`` (per model and measure, of the common cases), ``tests`` and ``notes``.

    Raises
    ------
    BadInput
        If there are fewer than two, they are of other truths, grids or rules, or have no case in common.
    """
    names = _names(evaluations, names)
    _check_alike(evaluations, names)
    stage = _stage(evaluations, stage)
    by_name = [{row["case"]: row for row in evaluation["cases"]} for evaluation in evaluations]
    common = [case for case in by_name[0] if all(case in rows for rows in by_name)]
    if not common:
        raise BadInput("The evaluations have no case in common", ", ".join(names), "Evaluate the same cases")
    _check_truths(by_name, common, names)
    described = _measures(evaluations, measures)
    values = [
        {measure: [_value(rows[case], stage, measure) for case in common] for measure in described} for rows in by_name
    ]
    tests = []
    for (i, first), (j, second) in combinations(enumerate(names), 2):
        for measure in described:
            result = paired(values[i][measure], values[j][measure])
            tests.append({"first": first, "second": second, "measure": measure, **result})
    for test, p in zip(tests, holm([test["p"] for test in tests])):
        test["p_holm"] = p
        test["better"] = _better(test, described[test["measure"]])
        test["words"] = in_words(test, described[test["measure"]])
    left_out = {name: sorted(set(rows) - set(common)) for name, rows in zip(names, by_name)}
    return {
        "format": FORMAT,
        "models": list(names),
        "truth": evaluations[0].get("truth", ""),
        "grid": evaluations[0].get("grid", ""),
        "stage": stage,
        "cases": common,
        "left_out": left_out,
        "measures": described,
        "summary": {name: {m: describe(v) for m, v in found.items()} for name, found in zip(names, values)},
        "values": dict(zip(names, values)),
        "tests": tests,
        "notes": [*_notes(tests, left_out, common, stage), *_cleanups(evaluations, names, stage)],
    }


def in_words(test, measure):
    """Return what a test says, as a sentence."""
    name = measure["title"]
    if test["n"] == 0:
        return f"{name}: no case has a value of both models."
    if test["p"] is None:
        return f"{name}: the same in {counted(test['n'], 'case')}."
    differing = test["n"] - test["zeros"]
    if test["better"]:
        other = test["first"] if test["better"] == test["second"] else test["second"]
        return f"{name}: {test['better']} is better than {other} ({p_words(test['p_holm'])})."
    few = f" Too few differ for any difference to show ({counted(differing, 'case')})." if differing < FEWEST else ""
    return f"{name}: no difference shown ({p_words(test['p_holm'])}).{few}"


def p_text(p):
    """Return a p value as papers write it."""
    return "none" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_words(p):
    """Return a corrected p value as a part of a sentence."""
    return f"p {p_text(p)} after correction" if p < 0.001 else f"p = {p_text(p)} after correction"


def _names(evaluations, names):
    if len(evaluations) < 2:
        raise BadInput("There is one evaluation only", hint="Name two or more to compare")
    given = list(names or (evaluation.get("name") or "model" for evaluation in evaluations))
    if len(given) != len(evaluations):
        raise BadInput(f"There are {len(given)} names for {len(evaluations)} evaluations", "--names")
    double = next((name for name in given if given.count(name) > 1), None)
    if double is not None:
        raise BadInput(f"Two evaluations are called {double}", hint="Tell them apart with --names")
    return given


def _check_alike(evaluations, names):
    """Refuse evaluations whose numbers do not mean the same."""
    checks = (
        ("grid", "on other grids", lambda e: e.get("grid")),
        ("truth", "against other truths", lambda e: e.get("truth")),
        ("tolerance", "with other tolerances", lambda e: e.get("options", {}).get("tolerance_mm")),
        ("rule", "with other rules for empty masks", lambda e: e.get("options", {}).get("empty")),
        ("way", "in other ways", lambda e: ", ".join(str(e.get("options", {}).get(name)) for name in WAYS)),
    )
    for field, text, get in checks:
        found = [get(evaluation) for evaluation in evaluations]
        if any(value != found[0] for value in found):
            where = ", ".join(f"{name}: {'none' if v is None else v}" for name, v in zip(names, found))
            raise BadInput(f"The evaluations were made {text}", where, f"Evaluate all with the same {field}")


def _check_truths(by_name, common, names):
    """Refuse evaluations whose reference masks differ, whatever their folders are called."""
    for rows, name in zip(by_name[1:], names[1:]):
        for case in common:
            counts = [counts_of(part[case]) for part in (by_name[0], rows)]
            if None not in counts and counts[0].truth != counts[1].truth:
                raise BadInput(
                    f"The reference mask of {case} has another size in {name} than in {names[0]}",
                    hint="Evaluate both against the same masks",
                )


def _stage(evaluations, stage):
    have = all(all(row.get("cleaned") for row in evaluation["cases"]) for evaluation in evaluations)
    if stage == "cleaned" and not have:
        raise BadInput("An evaluation has no cleaned masks", "--stage", "Compare the raw ones: --stage raw")
    return stage or ("cleaned" if have else "raw")


def _measures(evaluations, wanted):
    known = evaluations[0]["measures"]
    common = [
        name
        for name, measure in known.items()
        if measure.get("better") in ("higher", "lower") and all(name in e["measures"] for e in evaluations)
    ]
    for name in wanted or ():
        if name not in common:
            raise BadInput(f"The measure {name} cannot be compared", "--measures", f"There are {', '.join(common)}")
    return {name: known[name] for name in (wanted or common)}


def _better(test, measure):
    """Return the name of the better model, '' when the test does not show one."""
    if test["p_holm"] is None or test["p_holm"] >= ALPHA or not test["effect"]:
        return ""
    second = (test["effect"] > 0) == (measure["better"] == "higher")
    return test["second"] if second else test["first"]


def _notes(tests, left_out, common, stage):
    count = sum(test["p"] is not None for test in tests)
    notes = [
        f"In all evaluations: {counted(len(common), 'case')}; {stage} masks are compared.",
        "Two-sided Wilcoxon signed-rank tests of paired values; p corrected after Holm for their number "
        f"({count}); a difference is told when the corrected p is below {ALPHA}.",
        "Effect: matched-pairs rank-biserial correlation, from -1 (second lower in every case) to 1 (second higher).",
        "Cases are taken as independent of each other.",
    ]
    notes += [
        f"Not in all evaluations: {counted(len(cases), 'case')} of {name}."
        for name, cases in left_out.items()
        if cases
    ]
    zeros = max((test["zeros"] for test in tests), default=0)
    if zeros:
        notes.append(f"Cases without a difference (up to {zeros} in a test) are left out of the ranks.")
    if any(test["infinite"] for test in tests):
        notes.append(
            "A distance to an empty mask is infinite: larger than every other in the ranks; medians of differences "
            "are those of the other cases."
        )
    lost = sorted({test["measure"] for test in tests if test["missing"]})
    if lost:
        notes.append(
            f"Cases in which a model has no value are left out of the tests of {', '.join(lost)}; see the counts."
        )
    return notes


def _cleanups(evaluations, names, stage):
    """Return a note when the masks were cleaned in different ways."""
    found = [str(evaluation.get("options", {}).get("cleanup")) for evaluation in evaluations]
    if stage == "raw" or len(set(found)) == 1:
        return []
    return [f"The clean-ups differ: {', '.join(f'{name}: {text}' for name, text in zip(names, found))}."]


def _value(row, stage, measure):
    return math.inf if is_infinite(row, stage, measure) else row[stage].get(measure)


def _difference(first, second, beyond):
    """Return second - first; of infinite values a difference of the right sign that is larger than all others."""
    if math.isfinite(first) and math.isfinite(second):
        return second - first
    return 0.0 if first == second else math.copysign(beyond, second - first)


def _is_known(value):
    return value is not None and not math.isnan(value)

"""Training, test and folds: whole patients, alike strata, and places that last."""

from collections import Counter

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegTrainingLib.cases import Case
from BreastSegTrainingLib.dataset import SplitOptions, divide, leakage
from BreastSegTrainingLib.dataset.split import splits_final
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold


def cases_of(rows):
    """Return cases of (patient, centre, volume) rows."""
    return [
        Case({"case": f"c{k}", "patient": str(p), "centre": centre, "volume_mm3": str(volume)})
        for k, (p, centre, volume) in enumerate(rows)
    ]


def many(count, seed=0, centres=("A", "B", "C")):
    rng = np.random.default_rng(seed)
    return cases_of([(k // 2, centres[(k // 2) % len(centres)], float(rng.lognormal(6, 1))) for k in range(count)])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from(["", "A", "B", "rare"]), st.floats(1, 1e5)),
        min_size=1,
        max_size=80,
    ),
    st.sampled_from([0.0, 0.1, 0.2, 0.34, 0.5]),
    st.sampled_from([0, 2, 3, 5]),
    st.integers(0, 3),
)
def test_no_patient_is_ever_on_two_sides(rows, test, folds, seed):
    cases = cases_of(rows)
    try:
        split = divide(cases, SplitOptions(test, folds, ("centre", "volume"), seed))
    except BadInput as error:
        patients = len({case.patient for case in cases})
        assert patients < 40 and error.hint  # only for want of patients
        return
    patients = [case.patient for case in cases]
    assert leakage(patients, split.parts, split.folds) == []
    for part, fold in zip(split.parts, split.folds):
        assert (fold is None) == (part == "test" or folds == 0)
    if test:
        assert "test" in split.parts and "train" in split.parts
    if folds:
        assert {fold for fold in split.folds if fold is not None} == set(range(folds))


def test_folds_are_those_of_scikit_learn():
    cases = many(60)
    split = divide(cases, SplitOptions(0, 5, ("centre",), 7))
    strata, patients = [c.get("centre").lower() for c in cases], [c.patient for c in cases]
    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=7)
    expected = [None] * 60
    for fold, (_, held) in enumerate(splitter.split(np.zeros(60), strata, patients)):
        for index in held:
            expected[index] = fold
    assert split.folds == expected


def test_strata_are_alike_in_all_parts():
    cases = many(240)
    split = divide(cases, SplitOptions(0.2, 5, ("centre",), 1))
    assert 0.15 <= split.parts.count("test") / 240 <= 0.25
    for centre in "ABC":
        own = [k for k, case in enumerate(cases) if case.get("centre") == centre]
        assert 0.1 <= sum(split.parts[k] == "test" for k in own) / len(own) <= 0.3
        sizes = Counter(split.folds[k] for k in own if split.parts[k] == "train")
        assert max(sizes.values()) - min(sizes.values()) <= 4


def test_rare_strata_are_joined_and_told():
    cases = many(40) + cases_of([(f"x{k}", "Tiny", 5.0) for k in range(2)])
    split = divide(cases, SplitOptions(0, 5, ("centre", "volume"), 0))
    assert any("joined" in note for note in split.notes)
    assert min(Counter(split.strata).values()) >= 2


def test_places_last_when_the_table_grows():
    options = SplitOptions(0.2, 5, ("centre",), 3)
    first = many(60)
    split = divide(first, options)
    kept = {c.patient: place for c, place in zip(first, zip(split.parts, split.folds)) for place in [place]}
    grown = first[::-1] + cases_of([(f"n{k}", "ABC"[k % 3], 10.0) for k in range(40)])
    again = divide(grown, options, kept)
    for case, part, fold in zip(grown, again.parts, again.folds):
        if case.patient in kept:
            assert (part, fold) == kept[case.patient]
    new = again.parts[60:]
    assert 0.1 <= new.count("test") / 40 <= 0.3
    sizes = Counter(fold for fold in again.folds if fold is not None)
    assert max(sizes.values()) - min(sizes.values()) <= 4


def test_the_table_fixes_parts():
    cases = [case.changed(split="Testing" if int(case.patient) < 5 else "train") for case in many(40)]
    split = divide(cases, SplitOptions(0.0, 3))
    assert split.parts == ["test" if int(case.patient) < 5 else "train" for case in cases]
    cases[0] = cases[0].changed(split="train")
    with pytest.raises(BadInput, match="in training and in test by the column split"):
        divide(cases, SplitOptions(0.0, 3))
    with pytest.raises(BadInput, match="the dataset has the patient in test"):
        divide([many(2)[0].changed(split="train")], SplitOptions(0, 0), {"0": ("test", None)})


@pytest.mark.parametrize(
    "values, what",
    [
        ({"test": 1.5}, "between 0 and 0.9"),
        ({"folds": 1}, "0 or 2 to 20"),
        ({"stratify": ("nothing",)}, "no column 'nothing'"),
        ({"seed": -1}, "seed is not a whole number"),
        ({"test": float("nan")}, "between 0 and 0.9"),
        ({"stratify": ("patient",)}, "can tell who a patient is"),
    ],
)
def test_bad_options(values, what):
    with pytest.raises(BadInput, match=what):
        SplitOptions(**values)


def test_too_few_patients_are_told():
    with pytest.raises(BadInput, match="2 training patients cannot be divided into 5 folds"):
        divide(many(4), SplitOptions(0, 5))
    with pytest.raises(BadInput, match="One patient cannot be divided"):
        divide(many(2), SplitOptions(0.2, 0))


def test_leakage_is_seen():
    assert leakage(["a", "a", "b"], ["train", "test", "train"], [0, None, 1]) == [
        "One patient is in both training and test (1 times)"
    ]
    assert leakage(["a", "a"], ["train", "train"], [0, 1]) == ["One patient is in several folds (1 times)"]
    assert leakage(["a", "b"], ["train", "test"], [0, None], ["x", "x"]) == [
        "The same image is in both training and test (1 times)"
    ]


def test_splits_final_holds_every_training_sample_once():
    cases = many(20)
    split = divide(cases, SplitOptions(0.2, 4))
    names = [[f"{c.name}_r1", f"{c.name}_r2"] if k % 5 == 0 else [c.name] for k, c in enumerate(cases)]
    rows = splits_final(names, split, 4)
    everything = {name for own, part in zip(names, split.parts) if part == "train" for name in own}
    assert sorted(name for row in rows for name in row["val"]) == sorted(everything)
    for row in rows:
        assert set(row["train"]) | set(row["val"]) == everything and not set(row["train"]) & set(row["val"])

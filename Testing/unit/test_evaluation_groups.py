"""Groups of cases, bands of results, fairness: against definitions and numbers by hand."""

import math

import pytest
from BreastSegLib.errors import BadInput
from BreastSegTrainingLib.cases import CaseTable
from BreastSegTrainingLib.cases.case import Case
from BreastSegTrainingLib.dataset.names import KeyRow
from BreastSegTrainingLib.evaluation.bands import band_of, count_bands
from BreastSegTrainingLib.evaluation.fairness import challenge_score, parity
from BreastSegTrainingLib.evaluation.groups import (
    attach,
    check_columns,
    divide,
    groups_of,
    order,
    size_groups,
    usual_columns,
)
from hypothesis import given, settings
from hypothesis import strategies as st


def table_of(*rows):
    """Return a case table and a key, one case for each dict of columns."""
    cases = [Case({"case": f"c{k}", "patient": f"p{k}", "exam": "x", **row}) for k, row in enumerate(rows)]
    key = [KeyRow(f"P{k + 1:03d}_1", case.name, case.patient) for k, case in enumerate(cases)]
    return CaseTable(cases), key


def group(column, **row):
    table, key = table_of(row)
    return groups_of(table, key, (column,))["P001_1"][column]


# --- columns


@pytest.mark.parametrize(
    "age, expected",
    [
        ("0", "0-40"),
        ("40", "0-40"),
        ("40.9", "0-40"),
        ("41", "41-50"),
        ("50", "41-50"),
        ("51", "51-60"),
        ("70", "61-70"),
        ("71", "71+"),
        ("104", "71+"),
        ("", "unknown"),
        ("old", "unknown"),
        ("-3", "unknown"),
        ("nan", "unknown"),
    ],
)
def test_ages_of_the_challenge(age, expected):
    assert group("age", age=age) == expected


@pytest.mark.parametrize(
    "column, text, expected",
    [
        ("menopause", "peri", "pre"),
        ("menopause", "Premenopausal", "pre"),
        ("menopause", "post", "post"),
        ("menopause", "", "unknown"),
        ("density", "2", "b"),
        ("density", "D", "d"),
        ("birads", "4a", "4"),
        ("birads", "4c", "4"),
        ("birads", "6", "6"),
        ("birads", "", "unknown"),
        ("centre", "DUKE", "DUKE"),
    ],
)
def test_texts_become_groups(column, text, expected):
    assert group(column, **{column: text}) == expected


def test_many_numbers_become_thirds_and_many_texts_are_refused():
    table, key = table_of(*({"field_strength": str(1 + k / 10)} for k in range(15)))
    found = [groups["field_strength"] for groups in groups_of(table, key, ("field_strength",)).values()]
    assert len(set(found)) == 3 and [found.count(name) for name in dict.fromkeys(found)] == [5, 5, 5]
    table, key = table_of(*({"scanner": f"machine {k}"} for k in range(15)))
    with pytest.raises(BadInput, match="15 different values"):
        groups_of(table, key, ("scanner",))


def test_columns_that_tell_who_she_is_are_refused():
    table, _ = table_of({"centre": "DUKE", "notes": "Mrs A"})
    for column in ("patient", "notes", "exam"):
        with pytest.raises(BadInput, match="who a patient is"):
            check_columns((column,), table)
    with pytest.raises(BadInput, match="no column age"):
        check_columns(("age",), table)
    with pytest.raises(BadInput, match="need the case table"):
        check_columns(("centre",), None)
    check_columns(("centre", "size"), table)
    check_columns(("size",), None)


def test_usual_columns_are_those_that_hold_something():
    table, _ = table_of({"centre": "DUKE"}, {"age": "50"})
    assert usual_columns(table) == ("centre", "age", "size") and usual_columns(None) == ("size",)


def test_regions_have_the_groups_of_their_case_and_strangers_are_unknown():
    records = [{"case": "P001_1_r1"}, {"case": "P001_1_r2"}, {"case": "P009_1"}]
    assert attach(records, {"P001_1": {"density": "b"}}) == 1
    assert [record["groups"]["density"] for record in records] == ["b", "b", "unknown"]


def test_groups_are_shown_in_their_own_order():
    assert order("age", ["unknown", "71+", "0-40", "51-60"]) == ["0-40", "51-60", "71+", "unknown"]
    assert order("menopause", ["unknown", "post", "pre"]) == ["pre", "post", "unknown"]
    assert order("size", ["> 20 ml", "10 to 20 ml", "≤ 10 ml"]) == ["≤ 10 ml", "10 to 20 ml", "> 20 ml"]
    assert order("centre", ["b", "unknown", "a"]) == ["a", "b", "unknown"]
    rows = [{"groups": {"age": "71+"}}, {"groups": {"age": "0-40"}}, {"groups": {}}]
    assert list(divide(rows, "age")) == ["0-40", "71+"]


# --- sizes


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e6)), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_thirds_are_in_order_of_size(volumes):
    found = size_groups(volumes)
    sized = sorted((v, name) for v, name in zip(volumes, found) if name is not None)
    assert all((name is None) == (not volume) for volume, name in zip(volumes, found))
    places = [order("size", {name for _, name in sized}).index(name) for _, name in sized]
    assert places == sorted(places) and len(set(places)) <= 3


def test_nine_sizes_make_three_thirds():
    found = size_groups([9, 8, 7, 6, 5, 4, 3, 2, 1])
    assert [found.count(name) for name in dict.fromkeys(found)] == [3, 3, 3]


def test_limits_of_sizes():
    assert size_groups([0.5, 1, 1.01, 5, 6], (1, 5), "ml") == ["≤ 1 ml", "≤ 1 ml", "1 to 5 ml", "1 to 5 ml", "> 5 ml"]
    for wrong in ((5, 1), (1, 1), (0, 2), (-1,)):
        with pytest.raises(BadInput, match="increase"):
            size_groups([1.0], wrong)


# --- bands of M3


@pytest.mark.parametrize(
    "jaccard, expected",
    [
        (1.0, "excellent"),
        (math.nextafter(0.85, 1), "excellent"),
        (0.85, "good"),
        (0.70, "good"),
        (math.nextafter(0.70, 0), "moderate"),
        (0.50, "moderate"),
        (math.nextafter(0.50, 0), "poor"),
        (0.0, "poor"),
        (None, None),
        (math.nan, None),
    ],
)
def test_bands(jaccard, expected):
    assert band_of(jaccard) == expected


def test_bands_are_counted():
    found = count_bands([0.9, 0.85, 0.6, 0.1, None])
    assert [(band["name"], band["n"]) for band in found["bands"]] == [
        ("excellent", 1),
        ("good", 1),
        ("moderate", 1),
        ("poor", 1),
    ]
    assert found["missing"] == 1 and sum(band["share"] for band in found["bands"]) == pytest.approx(1)
    assert count_bands([])["bands"][0]["share"] is None


# --- fairness


def rows_of(*rows):
    return [
        {"case": f"c{k}", "raw": {"dice": dice, "norm_hd": far}, "groups": groups}
        for k, (dice, far, groups) in enumerate(rows)
    ]


def test_parity_is_the_span_of_the_group_means():
    rows = rows_of(
        (0.8, 0, {"centre": "A"}),
        (0.6, 0, {"centre": "A"}),
        (0.5, 0, {"centre": "B"}),
        (None, 0, {"centre": "B"}),
        (0.0, 0, {"centre": "unknown"}),
    )
    found = parity(rows, "centre", "raw")
    assert found["difference"] == pytest.approx(0.7 - 0.5) and (found["best"], found["worst"]) == ("A", "B")
    assert found["n"] == {"A": 2, "B": 1}
    assert parity(rows[:2], "centre", "raw") is None and parity([], "centre", "raw") is None


def test_challenge_score_by_hand():
    rows = rows_of(
        (0.8, 0.1, {"age": "0-40", "menopause": "pre", "density": "a"}),
        (0.6, 0.3, {"age": "41-50", "menopause": "post", "density": "a"}),
        (0.7, 0.2, {"age": "41-50", "menopause": "unknown", "density": "unknown"}),
    )
    found = challenge_score(rows, "raw")
    assert found["performance"] == pytest.approx(0.5 * (0.7 + 1 - 0.2))
    assert found["variables"]["age"]["fairness"] == pytest.approx(1 - 0.5 * (0.15 + 0.15))
    assert found["variables"]["menopause"]["fairness"] == pytest.approx(1 - 0.5 * (0.2 + 0.2))
    assert found["left_out"] == ["Density (ACR)"]  # one known group
    assert found["fairness"] == pytest.approx((0.85 + 0.8) / 2)
    assert found["total"] == pytest.approx(0.5 * (found["performance"] + found["fairness"]))


def test_challenge_score_needs_both_measures():
    assert challenge_score(rows_of((0.5, None, {})), "raw") is None
    found = challenge_score(rows_of((0.5, 0.5, {}), (None, 0.2, {})), "raw")
    assert found["performance"] == pytest.approx(0.5) and found["missing"] == 1
    assert found["fairness"] is None and found["total"] is None

"""Thresholds of kinetics, and which phases are taken."""

import json
from dataclasses import fields

import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.dce import Phase, number_phases
from BreastSegLib.measures.phasechoice import choose_phases
from BreastSegLib.measures.settings import Settings
from hypothesis import given
from hypothesis import strategies as st


def phases(times, pre=-60.0):
    """Return a pre-contrast phase and one post-contrast phase for each of `times` (None unknown)."""
    return number_phases([("pre", pre, "", ()), *(("post", t, "", ()) for t in times)])


def names(times, **changes):
    found = phases(times)
    choice = choose_phases(found, Settings(**changes))
    record = choice.to_json(found)
    return record["early"], record["late"], record["initial"], choice


def test_defaults_are_those_of_the_method():
    settings = Settings()
    assert (settings.early_s, settings.late_s, settings.pe_threshold_pct) == (150, 450, 70)
    assert (settings.background_fraction, settings.background_percentile) == (0.6, 95)
    assert (settings.min_neighbours, settings.ser_min, settings.flat_pct) == (4, 0, 10)


def test_settings_go_through_json():
    settings = Settings(early_s=90, min_neighbours=3, flat_pct=12.5)
    assert Settings.from_json(json.loads(json.dumps(settings.to_json(), allow_nan=False))) == settings
    assert Settings.from_json({}) == Settings.from_json(None) == Settings()
    assert settings.changed({"flat_pct": " 15 ", "min_neighbours": "6"}) == Settings(90, flat_pct=15, min_neighbours=6)
    assert all({"low", "high", "unit", "title"} <= set(item.metadata) for item in fields(Settings))


@pytest.mark.parametrize(
    "record, words",
    [
        ({"early": 100}, "no such setting of kinetics.*early_s"),
        ({1: 100}, "no such setting"),
        ({"early_s": "soon"}, "early_s is a number from 0"),
        ({"early_s": float("nan")}, "early_s is a number"),
        ({"late_s": float("inf")}, "late_s is a number"),
        ({"flat_pct": True}, "flat_pct is a number"),
        ({"flat_pct": None}, "flat_pct is a number"),
        ({"flat_pct": [10]}, "flat_pct is a number"),
        ({"min_neighbours": 3.5}, "min_neighbours is a whole number from 0 to 26"),
        ({"min_neighbours": 27}, "min_neighbours is a whole number"),
        ({"background_fraction": -0.1}, "background_fraction is a number from 0 to 1"),
        ({"late_s": 150}, "late phase is not after the early"),
        ([("early_s", 1)], "names with numbers"),
    ],
)
def test_impossible_settings_are_refused_in_one_line(record, words):
    with pytest.raises(BadInput, match=words) as caught:
        Settings.from_json(record)
    assert "\n" not in caught.value.line


def test_phases_nearest_in_time_are_taken():
    early, late, initial, choice = names([0, 90, 180, 270, 360, 450])
    assert (early, late, initial) == ("post3", "post6", ["post1", "post2"])
    assert choice.notes == () and choice.timed
    record = choice.to_json(phases([0, 90, 180, 270, 360, 450]))
    assert (record["early_s"], record["late_s"], record["by"]) == (180, 450, "time")
    assert "post3 (+180 s) for 150 s (early)" in choice.evidence
    assert "post6 (+450 s) for 450 s (late)" in choice.evidence
    # Of two equally near the earlier one.
    assert names([0, 100, 200, 400, 500])[:2] == ("post2", "post4")
    assert names([0, 90, 180, 270, 360, 450], early_s=60, late_s=240, initial_s=0)[:3] == ("post2", "post4", ["post1"])


def test_times_are_counted_from_the_first_post_contrast_phase():
    found = tuple(
        Phase("pre" if n == 0 else "post", n, t) for n, t in enumerate((940.0, 1000.0, 1150.0, 1300.0, 1450.0))
    )
    choice = choose_phases(found, Settings())
    assert choice.times == (-60, 0, 150, 300, 450) and (choice.early, choice.late) == (2, 4)


def test_early_comes_before_late_and_far_phases_are_said():
    early, late, initial, choice = names([0, 60, 120])
    assert (early, late, initial) == ("post2", "post3", ["post1", "post2"])
    assert len(choice.notes) == 2
    assert "early phase is post2 at +60 s, 90 s from the wished 150 s" in choice.notes[0]
    assert "late phase is post3 at +120 s, 330 s from" in choice.notes[1]
    # The late phase is no part of the initial ones, however short the series.
    assert names([0, 30])[:3] == ("post1", "post2", ["post1"])


@pytest.mark.parametrize(
    "count, early, late", [(2, "post1", "post2"), (3, "post1", "post3"), (4, "post2", "post4"), (6, "post2", "post6")]
)
@pytest.mark.parametrize("known", [0, 1])
def test_without_times_the_order_decides_and_that_is_said(count, early, late, known):
    times = [None] * count
    times[-1] = 300.0 if known else None
    found = phases(times)
    choice = choose_phases(found, Settings())
    record = choice.to_json(found)
    assert (record["early"], record["late"], record["by"]) == (early, late, "order")
    assert record["initial"] == [f"post{n}" for n in range(1, int(early[-1]) + 1)]
    assert choice.times == (None,) * (count + 1) and choice.windows == tuple((i,) for i in range(count + 1))
    assert len(choice.notes) == 1 and f"{early} as the early phase and {late} as the late phase" in choice.notes[0]


def test_times_out_of_order_are_not_used():
    choice = names([0, 180, 90, 270])[3]
    assert not choice.timed and "not known" in choice.notes[0]


@pytest.mark.parametrize(
    "found, words",
    [
        (number_phases([("post", 0, "", ()), ("post", 90, "", ())]), "no pre-contrast phase"),
        (number_phases([("pre", 0, "", ())]), "no post-contrast phase"),
        ((Phase("channel", 0), Phase("channel", 1)), "channels of a model"),
    ],
)
def test_exams_without_kinetics(found, words):
    choice = choose_phases(found, Settings())
    assert choice.early is None and choice.late is None and choice.evidence == ""
    assert len(choice.notes) == 1 and words in choice.notes[0]
    assert choice.to_json(found)["early"] is None


def test_one_post_contrast_phase():
    for time in (0.0, None):
        choice = choose_phases(phases([time]), Settings())
        assert (choice.early, choice.late, choice.initial) == (1, None, (1,))
        assert any("one post-contrast phase only" in note for note in choice.notes)
        assert "None" not in "".join(choice.notes) + choice.evidence


def test_phases_near_in_time_share_a_window():
    choice = choose_phases(phases([0, 16, 32, 60, 90, 120]), Settings())
    assert choice.windows == ((0,), (1, 2), (1, 2, 3), (2, 3, 4), (3, 4), (5,), (6,))
    assert choose_phases(phases([0, 16, 32]), Settings(window_s=0)).windows == ((0,), (1,), (2,), (3,))


@given(
    st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.floats(-100, 900)), max_size=8),
    st.booleans(),
)
def test_any_times_give_a_choice_in_order(times, pre):
    roles = (["pre"] if pre else []) + ["post"] * len(times)
    times = ([-60.0] if pre else []) + times
    found = tuple(Phase(role, n + (not pre), t) for n, (role, t) in enumerate(zip(roles, times)))
    choice = choose_phases(found, Settings())
    json.dumps(choice.to_json(found), allow_nan=False)
    if choice.early is None:
        assert choice.notes and not (pre and len(times) > 1)
        return
    assert choice.initial and set(choice.initial) <= set(choice.posts)
    if choice.late is None:
        assert len(choice.posts) == 1
    else:
        assert choice.early < choice.late and max(choice.initial) < choice.late

"""What is found about cases: each check has a case with the fault and one without, and fixes that mend it."""

import json
import random
import re
from pathlib import Path

import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.recipe import list_recipes, load_recipe
from BreastSegTrainingLib.cases import CaseTable, columns_of
from BreastSegTrainingLib.checks import Facts, all_checks, judge, status_of
from BreastSegTrainingLib.checks.among import untrusted_identities
from BreastSegTrainingLib.checks.catalogue import read_choices
from BreastSegTrainingLib.checks.fixing import changes_for
from check_cases import codes, facts, judged, mammogram, phases, row
from hypothesis import given, settings
from hypothesis import strategies as st

DOCS = Path(__file__).resolve().parents[2] / "docs" / "checks.md"


def one(changes=None, values=None, recipe=None, make=facts):
    """Return the findings of one case."""
    return judged([row(**(values or {}))], [make(**(changes or {}))], recipe)["a"]


# each check by itself: facts or row with the fault

FAULTS = {
    "row": ({}, {"age": "300"}),
    "unreadable": ({"problem": "The file is damaged (x.dcm)."}, {}),
    "mask-missing": ({"complaints": [["mask-missing", "no mask is given", "negative"]]}, {}),
    "mask-empty": ({"complaints": [["mask-empty", "the mask is empty", "negative"]], "voxels": 0}, {}),
    "label-absent": ({"complaints": [["label-absent", "no label is 3", "negative"]]}, {}),
    "several-labels": ({"complaints": [["several-labels", "several labels: 1, 2", "merge"]]}, {}),
    "label-255": ({"complaints": [["label-255", "the only label is 255", "to-1"]]}, {}),
    "label-value": ({"complaints": [["label-value", "the only label is 7", "to-1"]]}, {}),
    "mask-grid": ({"complaints": [["mask-grid", "another grid", "resample"]]}, {}),
    "mask-elsewhere": ({"complaints": [["mask-elsewhere", "80% outside", ""]]}, {}),
    "mask-outside-breast": ({"outside": 0.25}, {}),
    "tiny-lesion": ({"voxels": 9}, {}),
    "side": ({"side": "right"}, {"side": "left"}),
    "blank-slices": ({"blank": 3}, {}),
    "mask-on-blank": ({"lesion_on_blank": 4}, {}),
    "spacing-unknown": ({"spacing_known": False}, {}),
    "spacing-outlier": ({"spacing": [80.0, 80.0, 2.0]}, {}),
    "phases-missing": ({"phases": phases("post1", "post2")}, {}),
}


def test_a_sound_case_has_no_finding():
    for make in (facts, mammogram):
        assert one(make=make) == [] and status_of([]) == "ok"


@pytest.mark.parametrize("code", FAULTS)
def test_the_fault_is_found_and_nothing_else(code):
    changes, values = FAULTS[code]
    (found,) = one(changes, values)
    check = all_checks()[code]
    assert found.code == code and found.level == check.level and not found.fixed
    assert status_of([found]) == {"refuse": "refused", "fix": "fix", "note": "ok"}[check.level]


@pytest.mark.parametrize(
    ("code", "fix"),
    [(c, f.name) for c in FAULTS for f in all_checks()[c].fixes if f.how == "export"],
)
def test_a_chosen_fix_makes_the_case_right(code, fix):
    changes, values = FAULTS[code]
    found = one(changes, {**values, "fixes": f"other; {fix}"})
    assert codes(found) == [(code, "fix", True)] and status_of(found) == "ok"
    assert status_of(one(changes, {**values, "fixes": "nonsense"})) == "fix"


def test_a_mask_that_cannot_be_placed_is_refused_whatever_was_chosen():
    found = one({"complaints": [["mask-grid", "other pixels", ""]]}, {"fixes": "resample"})
    assert codes(found) == [("mask-grid", "refuse", False)] and status_of(found) == "refused"


@pytest.mark.parametrize("outside, wrong", [(None, False), (0.0, False), (0.19, False), (0.2, True), (1.0, True)])
def test_outside_the_breast(outside, wrong):
    assert bool(one({"outside": outside})) == wrong


@pytest.mark.parametrize(
    ("told", "mask", "headers", "wrong"),
    [
        ("left", "left", "", False),
        ("L", "left", "left", False),
        ("", "left", "", False),
        ("left", "", "", False),
        ("both", "left", "", False),
        ("left", "right", "", True),
        ("left", "both", "", True),
        ("", "left", "right", True),
        ("right", "", "left", True),
        ("left", "left", "right", True),
    ],
)
def test_left_and_right(told, mask, headers, wrong):
    found = one({"side": mask, "laterality": headers}, {"side": told})
    assert [each.code for each in found] == ["side"] * wrong


def test_the_side_of_the_mask_mends_only_what_it_can():
    assert one({"side": "right"}, {"side": "left"})[0].fixes == ("side-from-mask", "accept-side")
    assert one({"side": "left", "laterality": "right"})[0].fixes == ("accept-side",)


def test_mammogram_tags_that_contradict_each_other():
    told = ["side: Image Laterality says L, Series Description says R", "view: CC is said, View Position says MLO"]
    found = one({"contradictions": told}, make=mammogram)
    assert [each.code for each in found] == ["side", "view"]
    assert status_of(one({"contradictions": told}, {"fixes": "accept-side; accept-view"}, make=mammogram)) == "ok"
    assert codes(one({}, {"view": "mlo"}, make=mammogram)) == [("view", "fix", False)]
    assert one({}, {"view": "cc", "side": "l"}, make=mammogram) == []
    assert codes(one({}, {"side": "r"}, make=mammogram)) == [("side", "fix", False)]


def test_blank_slices_are_a_note_where_the_recipe_leaves_them_out():
    recipes = {load_recipe(name).slices: load_recipe(name) for name in list_recipes("dce")}
    assert set(recipes) == {"all", "drop-blank"}
    for rule, level in (("all", "fix"), ("drop-blank", "note")):
        found = one({"blank": 2, "phases": phases("pre", "post1", "post2", "post3", "post4")}, recipe=recipes[rule])
        assert codes(found) == [("blank-slices", level, False)]


@pytest.mark.parametrize(
    ("numbers", "wrong"),
    [
        ([0, 1, 2], False),
        ([0, 1, 3], True),
        ([1, 2, 3], False),
        ([], False),
        ([0, 90, 180], False),
        ([7, 7, 7], False),
    ],
)
def test_numbers_of_phase_files_with_a_gap(numbers, wrong):
    assert [each.code for each in one({"file_numbers": numbers})] == ["phases-missing"] * wrong


def test_times_of_phases_with_a_gap():
    names = ("pre", "post1", "post2", "post3", "post4")
    assert one({"phases": phases(*names)}) == []
    late = phases(*names)
    late[-1]["time_s"] += 90.0
    assert "post3 and post4 lie 180 s apart" in one({"phases": late})[0].text
    uneven = phases(*names)  # no beat, so that nothing is lacking
    for phase, seconds in zip(uneven, (-60, 0, 40, 130, 400)):
        phase["time_s"] = float(seconds)
    assert one({"phases": uneven}) == [] and one({"phases": phases(*names, times=False)}) == []


def test_recipe_that_the_exam_cannot_serve():
    recipe = load_recipe("phase-aware-0000-0002")
    assert one(recipe=recipe) == []
    (found,) = one({"phases": phases("pre", "post1")}, recipe=recipe)
    assert found.code == "recipe" and "post2" in found.text and found.level == "refuse"
    assert codes(one(recipe=recipe, make=mammogram)) == [("recipe", "refuse", False)]


# among cases


def test_the_same_image_under_two_names():
    rows = [row("a", patient="P"), row("b", patient="P"), row("c", patient="P")]
    known = [facts("a"), facts("b", pixels=["x", "a1", "y"], identity="who-a"), facts("c", identity="who-a")]
    found = judged(rows, known)
    assert found["a"] == [] and found["c"] == []
    assert codes(found["b"]) == [("duplicate-image", "fix", False)] and found["b"][0].other == "a"
    for mended in ({"selected": "no"}, {"fixes": "accept-duplicate"}):
        rows[1] = row("b", patient="P", **mended)
        assert status_of(judged(rows, known)["b"]) == "ok"
    rows = [row("a", patient="P", selected="no"), row("b", patient="P"), row("c", patient="P")]
    assert judged(rows, known)["b"] == []


def test_two_lesions_of_one_image_are_no_duplicates():
    rows = [row("a", patient="P", lesion="1"), row("b", patient="P", lesion="2")]
    same = {"pixels": ["x"], "identity": "w"}
    assert judged(rows, [facts("a", **same), facts("b", **same)])["b"] == []
    again = judged(rows, [facts("a", **same), facts("b", **same, mask_hash="a")])["b"]
    assert codes(again) == [("duplicate-image", "fix", False)]


def test_the_same_image_of_two_patients_is_one_patient():
    rows = [row("a"), row("b", fixes="accept-patients")]
    found = judged(rows, [facts("a"), facts("b", pixels=["a0"])])
    assert codes(found["b"]) == [("patient-two-ids", "fix", False), ("duplicate-image", "fix", False)]
    assert found["b"][0].fixes == ("same-patient",) and found["a"] == []


def test_one_person_under_two_ids_and_two_under_one():
    rows = [row("a"), row("b"), row("c", patient="P_a"), row("d")]
    known = [facts("a"), facts("b", identity="who-a"), facts("c"), facts("d", identity="")]
    found = judged(rows, known)
    assert codes(found["b"]) == [("patient-two-ids", "fix", False)]
    assert codes(found["c"]) == [("patient-two-people", "fix", False)] and found["a"] == found["d"] == []
    rows[1], rows[2] = row("b", fixes="accept-patients"), row("c", patient="P_a", fixes="accept-patients")
    assert {status_of(each) for each in judged(rows, known).values()} == {"ok"}


def test_headers_that_tell_nothing_of_persons_are_not_believed():
    names = [f"n{k}" for k in range(12)]
    anonymous = {name: facts(name, identity="anonymous") for name in names}
    table = CaseTable([row(name) for name in names])
    assert not any(judge(table, anonymous).values()) and "placeholder" in untrusted_identities(table, anonymous)
    # An id for every image, as CBIS-DDSM has it.
    table = CaseTable([row(name, patient=f"P{k // 2}") for k, name in enumerate(names)])
    own = {name: facts(name) for name in names}
    assert not any(judge(table, own).values()) and "id of its own" in untrusted_identities(table, own)
    # One wrong patient among six is found.
    right = {name: facts(name, identity=f"who{k // 2}") for k, name in enumerate(names)}
    right["n3"] = facts("n3", identity="somebody else")
    assert [name for name, found in judge(table, right).items() if found] == ["n3"]
    assert untrusted_identities(table, right) == ""


def test_a_voxel_size_far_from_the_others():
    spread = [0.7, 0.75, 0.8, 0.85, 0.9, 0.8, 0.7]
    known = [facts(f"n{k}", spacing=[s, s, 2.0]) for k, s in enumerate(spread)]
    rows = [row(f"n{k}") for k in range(len(spread))]
    assert not any(judged(rows, known).values())
    known[2] = facts("n2", spacing=[0.8, 0.8, 8.0])
    found = judged(rows, known)
    assert codes(found["n2"]) == [("spacing-outlier", "fix", False)] and sum(map(bool, found.values())) == 1
    # Mammograms are another kind, and too few cases say nothing.
    assert not any(judged([*rows[:2], row("m")], [*known[:2], mammogram("m")]).values())
    # A sagittal exam has its slices along another axis of the file.
    known[2] = facts("n2", spacing=[2.0, 0.8, 0.8])
    assert not any(judged(rows, known).values())


def test_fewer_phases_than_the_others_of_the_centre():
    rows = [row(f"n{k}", centre="A" if k < 6 else "B") for k in range(12)]
    full, short = phases("pre", "post1", "post2", "post3"), phases("pre", "post1")
    known = [facts(f"n{k}", phases=full if k < 6 else short) for k in range(12)]
    assert not any(judged(rows, known).values())
    known[4] = facts("n4", phases=short)
    assert [name for name, found in judged(rows, known).items() if found] == ["n4"]


# fixes that change the table


def mended(rows, known, *choices, everything=False):
    table, by_name = CaseTable(rows), {case.name: one for case, one in zip(rows, known)}
    names = set(by_name)
    for _ in range(3):
        found = judge(table, by_name)
        changes = changes_for(table, found, by_name, read_choices(choices, everything), names)
        table = table.replace(case.changed(**changes.get(case.name, {})) for case in table)
    return table, judge(table, by_name)


def test_one_id_is_given_to_all_cases_of_a_patient():
    rows = [row("a", patient="1"), row("b", patient="2"), row("c", patient="2"), row("d", patient="3")]
    known = [
        facts("a"),
        facts("b", identity="who-a"),
        facts("c", identity="who-a", pixels=["d0"]),
        facts("d", identity=""),
    ]
    table, found = mended(rows, known, "patient-two-ids=same-patient", "duplicate-image=drop")
    assert [case.patient for case in table] == ["1", "1", "1", "1"]
    assert {status_of(each) for each in found.values()} == {"ok"}
    dropped = table.cases[3]
    assert dropped.get("selected") == "no" and dropped.get("reason") == "check: the same pixels in a phase as c"


def test_what_is_a_double_of_a_case_that_goes_itself_stays():
    rows = [row(name, patient="P") for name in "abc"]
    pixels = {"a": ["1", "2"], "b": ["2", "3"], "c": ["3", "4"]}
    known = [facts(name, pixels=own, identity="who") for name, own in pixels.items()]
    table, found = mended(rows, known, everything=True)
    assert [case.selected for case in table] == [True, False, True]
    assert {status_of(each) for each in found.values()} == {"ok"}


def test_the_side_is_taken_from_the_mask():
    table, found = mended([row(side="left")], [facts(side="right")], "side=side-from-mask")
    assert table.cases[0].get("side") == "right" and found["a"] == []


def test_all_fixes_are_those_that_need_no_judgement():
    complaints = [["label-255", "255", "to-1"], ["mask-grid", "grid", "resample"], ["several-labels", "1, 2", "merge"]]
    table, found = mended([row()], [facts(complaints=complaints, outside=0.9)], everything=True)
    assert table.cases[0].get("fixes") == "to-1; resample"
    assert [one.code for one in found["a"] if not one.fixed] == ["several-labels", "mask-outside-breast"]
    for check in all_checks().values():
        assert not any(fix.all and fix.name.startswith("accept") for fix in check.fixes)


@pytest.mark.parametrize("text", ["nonsense", "nonsense=drop", "mask-grid", "mask-grid=drop", "row=drop", "=", ""])
def test_fixes_that_are_none_are_refused_with_those_that_are(text):
    with pytest.raises(BadInput) as error:
        read_choices([text])
    assert error.value.hint


# the data file


def test_the_table_of_checks_is_sound_and_documented():
    text = DOCS.read_text(encoding="utf-8")
    for code, check in all_checks().items():
        assert check.level in ("refuse", "fix", "note") and check.title and check.help.endswith(".")
        assert bool(check.fixes) == (check.level == "fix")
        assert all(fix.how in ("export", "table") and fix.title for fix in check.fixes)
        fixes = "; ".join(f"`{fix.name}` {fix.title}" for fix in check.fixes) or "–"
        assert f"| `{code}` | {check.title} | {check.level} | {check.help} | {fixes} |" in text
    assert set(re.findall(r"^\| `([a-z0-9-]+)` \|", text, re.MULTILINE)) == set(all_checks())
    assert {"status", "findings", "fixes", "volume_mm3", "area_mm2"} <= set(columns_of("check"))


# size and hostile input


def test_faults_are_found_among_ten_thousand_cases():
    rng = random.Random(1)
    rows, known = [], {}
    for k in range(10_000):
        name = f"n{k}"
        rows.append(row(name, patient=f"P{k // 2}", centre=f"C{k % 7}"))
        s = rng.uniform(0.6, 0.9)
        known[name] = facts(name, identity=f"who{k // 2}", spacing=[s, s, 2.0])
    wrong = {"n17": {"pixels": ["n3" + "0"]}, "n400": {"spacing": [9.0, 9.0, 9.0]}, "n9999": {"outside": 0.5}}
    for name, changes in wrong.items():
        known[name] = facts(name, **{"identity": f"who{int(name[1:]) // 2}", **changes})
    table = CaseTable(rows)
    found = judge(table, known, load_recipe("phase-aware-0000-0002"))
    assert {name for name, own in found.items() if own} == set(wrong)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(facts().to_json())), JSON)
def test_facts_from_a_file_are_facts_or_refused(name, value):
    record = json.loads(json.dumps({**facts().to_json(), name: value}))
    try:
        known = Facts.from_json(record)
    except BadInput:
        return
    assert set(known.to_json()) == set(record)


def test_facts_survive_json_without_the_person():
    known = facts(complaints=[["mask-grid", "x", "resample"]], blank=2)
    record = json.loads(json.dumps(known.to_json()))
    assert "identity" not in record and "who-a" not in json.dumps(record) and "who-a" not in repr(known)
    assert Facts.from_json(record).to_json() == known.to_json()
    with pytest.raises(BadInput):
        Facts.from_json({})

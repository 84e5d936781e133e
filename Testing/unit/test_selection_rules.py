"""Selection rules: text, JSON and back, errors that help, and the sentences that say why a case is left out."""

import json

import pytest
from BreastSegLib.errors import BadInput
from BreastSegTrainingLib.cases.case import Case
from BreastSegTrainingLib.cases.columns import all_columns
from BreastSegTrainingLib.quality.rule import KINDS, LISTS, NOT_FOR_RULES, PRESENCE, THRESHOLDS, Rule, is_text
from BreastSegTrainingLib.quality.rules import Selection
from hypothesis import given
from hypothesis import strategies as st

NUMBERS = st.floats(allow_nan=False, min_value=-1e9, max_value=1e9).map(lambda v: v + 0.0)
TEXTS = st.text(st.characters(exclude_categories=("C",)), min_size=1, max_size=12).filter(
    lambda text: text.strip() and " ".join(text.split()) == text
)
WICKED = st.sampled_from(
    ["and", "or", "empty", "in, not in", 'a "b" c', "at", "< 3", "'x'", "Ärzte, Süd", "!", "=", '"']
)


@st.composite
def rules(draw):
    names = [name for name in all_columns() if name not in NOT_FOR_RULES] + ["site code", "at", "x>y", "known"]
    column = draw(st.sampled_from(names))
    kinds = [kind for kind in KINDS if not (kind in THRESHOLDS and is_text(column))]
    kind = draw(st.sampled_from(kinds))
    known = all_columns().get(column)
    if kind in THRESHOLDS or (known and known.kind in ("number", "integer")):
        least, most = (known.least, known.most) if known else (None, None)
        value = NUMBERS
        if kind not in THRESHOLDS:
            value = st.floats(max(least or -1e9, -1e9), min(most or 1e9, 1e9), allow_nan=False)
            value = value.map(lambda v: v + 0.0)
    elif known and known.kind == "choice":
        value = st.sampled_from(list(known.choices))
    else:
        value = TEXTS | WICKED
    if kind in PRESENCE:
        return Rule(column, kind)
    if kind in LISTS:
        value = st.lists(value, min_size=1, max_size=4).map(tuple)
    return Rule(column, kind, draw(value), draw(st.booleans()))


@given(st.lists(rules(), min_size=1, max_size=4), st.none() | st.integers(1, 9999), st.integers(0, 99), TEXTS)
def test_text_and_json_give_the_rules_back(found, at_most, seed, title):
    selection = Selection(found, title, at_most, seed if at_most else 0)
    record = json.loads(json.dumps(selection.to_json()))
    assert Selection.from_json(record) == selection
    again = Selection.from_text(selection.text, title, extra=[rule.column for rule in found])
    assert again == selection
    assert again.text == selection.text


@given(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from(
            ["motion", "<", "1.5", "mm", "and", "in", "is", "not", ",", '"a"', "or", "empty", "at", "most", "3"]
        )
    ).map(" ".join)
)
def test_any_text_is_a_rule_or_one_line_that_says_why_not(text):
    try:
        selection = Selection.from_text(text)
    except BadInput as error:
        assert error.line and "\n" not in error.line
    else:
        assert Selection.from_text(selection.text) == selection


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (
            "centre in DUKE, NACT and motion < 1.5 mm and CNR > 3",
            [
                {"column": "centre", "in": ["DUKE", "NACT"]},
                {"column": "motion_mm", "below": 1.5},
                {"column": "cnr", "above": 3.0},
            ],
        ),
        ("Site IN duke or nact", [{"column": "centre", "in": ["duke", "nact"]}]),
        ("MOTION_MM ≤ 2mm or empty", [{"column": "motion_mm", "at_most": 2.0, "or_empty": True}]),
        ("Edge (mm) >= .5", [{"column": "sharpness_mm", "at_least": 0.5}]),
        ('centre = "North, East"', [{"column": "centre", "is": "North, East"}]),
        ("scanner != GE Signa HDx", [{"column": "scanner", "is_not": "GE Signa HDx"}]),
        ("side not in R", [{"column": "side", "not_in": ["right"]}]),
        (
            "age is known AND density is empty",
            [{"column": "age", "known": True}, {"column": "density", "empty": True}],
        ),
        ("age is not empty", [{"column": "age", "known": True}]),
        ("birads in 4a, 5 or empty", [{"column": "birads", "in": ["4a", "5"], "or_empty": True}]),
        ('birads in 4a or "empty"', [{"column": "birads", "in": ["4a", "empty"]}]),
        ("artefact < 5%", [{"column": "artefact", "below": 5.0}]),
        ("lesion (mm³) > 100 mm3", [{"column": "volume_mm3", "above": 100.0}]),
    ],
)
def test_what_people_type(text, rows):
    assert Selection.from_text(text).to_json()["rules"] == rows


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("motoin < 1", ["motoin", "motion"]),
        ("foo < 1", ["foo", "CNR"]),
        ("motion < 1.5 cm", ["mm", "cm"]),
        ("CNR > 3 mm", ["CNR", "no unit"]),
        ("motion < 1,5", ["','", "point"]),
        ("motion < fast", ["fast", "number"]),
        ("motion", ["motion", "<=", "ends"]),
        ("motion 1.5", ["1.5"]),
        ("motion < ", ["missing"]),
        ("motion < 1 or CNR > 3", ["'or'"]),
        ("motion < 1 and", ["expected"]),
        ("motion < 1 CNR > 3", ["1 CNR"]),
        ("centre < 3", ["centre", "number"]),
        ("side = up", ["up", "left"]),
        ('centre = "DUKE', ["not closed"]),
        ("selected = no", ["selected"]),
        ("at most x", ["x"]),
        ("at most 3 and motion < 1", ["last"]),
        ("at most 0", ["1 or more"]),
        ("", ["empty"]),
        ("centre in", ["missing"]),
        ("centre in DUKE,", ["missing"]),
        ("motion < nan", ["nan"]),
        ("motion < 1e999", ["1e999"]),
        ("age >= 45 and", ("A column is expected", "the rule ends")),
    ],
)
def test_errors_say_which_word_and_what_is_possible(text, parts):
    with pytest.raises(BadInput) as error:
        Selection.from_text(text)
    assert all(part in error.value.line for part in parts), error.value.line


@pytest.mark.parametrize(
    ("rule", "values", "sentence"),
    [
        ("motion < 1.5 mm", {"motion_mm": "2.3"}, "motion 2.3 mm is not below 1.5 mm"),
        ("motion < 1.5 mm", {"motion_mm": "1.5"}, "motion 1.5 mm is not below 1.5 mm"),
        ("motion <= 1.5 mm", {"motion_mm": "1,5"}, ""),
        ("motion < 1.5 mm", {}, "motion is not measured"),
        ("motion < 1.5 mm or empty", {}, ""),
        ("motion < 1.5 mm", {"motion_mm": "much"}, "motion 'much' is not a number"),
        ("cnr > 3", {"cnr": "-2"}, "CNR -2 is not above 3"),
        ("coverage >= 0.9", {"coverage": "0.85"}, "coverage 0.85 is not at least 0.9"),
        ("centre in DUKE, NACT", {"centre": "ISPY2"}, "centre ISPY2 is none of DUKE, NACT"),
        ("centre in DUKE, NACT", {"centre": "duke"}, ""),
        ("centre in DUKE, NACT", {}, "centre is not given"),
        ("centre not in DUKE", {"centre": "DUKE"}, "centre DUKE is one of DUKE"),
        ("density = b", {"density": "2"}, ""),
        ("density = b", {"density": "3"}, "density c is not b"),
        ("side != left", {"side": "L"}, "side left is left"),
        ("age is empty", {"age": "50"}, "age 50 years is not empty"),
        ("age is known", {}, "age is not given"),
        ("age = 50", {"age": "50.0"}, ""),
    ],
)
def test_a_refusal_says_the_value_and_the_rule(rule, values, sentence):
    assert Selection.from_text(rule).rules[0].refusal(Case(values)) == sentence


def test_columns_of_the_table_alone_can_be_asked_for():
    selection = Selection.from_text("coil channels > 8 and reader = A B", extra=["Coil channels", "reader"])
    assert [rule.column for rule in selection.rules] == ["Coil channels", "reader"]
    assert selection.rules[0].refusal(Case({"Coil channels": "4"})) == "Coil channels 4 is not above 8"
    assert selection.rules[1].refusal(Case({"reader": "a  b"})) == ""


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        {},
        {"format": "breastseg-selection-2", "rules": []},
        {"format": "breastseg-selection-1", "rules": []},
        {"format": "breastseg-selection-1", "rules": {}},
        {"format": "breastseg-selection-1", "rules": ["motion < 1"]},
        {"format": "breastseg-selection-1", "rules": [{"column": "motion_mm"}]},
        {"format": "breastseg-selection-1", "rules": [{"column": "motion_mm", "below": 1, "above": 0}]},
        {"format": "breastseg-selection-1", "rules": [{"column": "motion_mm", "below": True}]},
        {"format": "breastseg-selection-1", "rules": [{"column": "motion_mm", "below": None}]},
        {"format": "breastseg-selection-1", "rules": [{"column": "motion_mm", "below": 1, "or": 1}]},
        {"format": "breastseg-selection-1", "rules": [{"column": "centre", "in": "DUKE"}]},
        {"format": "breastseg-selection-1", "rules": [{"column": "centre", "in": []}]},
        {"format": "breastseg-selection-1", "rules": [{"column": "centre", "empty": False}]},
        {"format": "breastseg-selection-1", "rules": [{"column": 3, "empty": True}]},
        {"format": "breastseg-selection-1", "rules": [{"column": "centre", "is": "x"}], "at_most": 2.5},
        {"format": "breastseg-selection-1", "rules": [{"column": "centre", "is": "x"}], "title": 1},
        {"format": "breastseg-selection-1", "rules": [{"column": "centre", "is": "x"}], "atmost": 3},
    ],
)
def test_json_that_is_no_selection_is_refused(record):
    with pytest.raises(BadInput):
        Selection.from_json(record, "rules.json")

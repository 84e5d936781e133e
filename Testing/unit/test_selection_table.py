"""Selection rules on tables: reasons, hand-made exclusions, coming back, limits, the verb, and the shipped rules."""

import json
from pathlib import Path

import pytest
from BreastSegLib.errors import BadInput
from BreastSegTrainingLib.cases.case import Case
from BreastSegTrainingLib.cases.table import CaseTable
from BreastSegTrainingLib.commands import parser
from BreastSegTrainingLib.commands.select import SHIPPED
from BreastSegTrainingLib.quality.rules import FORMAT, PREFIX, Selection, apply_rules, clear_rules

ROWS = [
    {"case": "a", "centre": "DUKE", "motion_mm": "0.5", "cnr": "8"},
    {"case": "b", "centre": "NACT", "motion_mm": "2.3", "cnr": "2"},
    {"case": "c", "centre": "ISPY2", "motion_mm": "0.2", "cnr": "9"},
    {"case": "d", "centre": "DUKE"},
    {"case": "e", "centre": "DUKE", "motion_mm": "9", "selected": "no", "reason": "implant"},
    {"case": "f", "centre": "DUKE", "motion_mm": "0.1", "cnr": "7", "selected": "no"},
]
TEXT = "centre in DUKE, NACT and motion < 1.5 mm and CNR > 3"


def table_of(rows, folder="."):
    return CaseTable([Case({"patient": f"p{i}", "exam": "x", **row}) for i, row in enumerate(rows)], folder)


def applied(table, text):
    """Return the table with a selection applied, and what it did."""
    found = apply_rules(table, Selection.from_text(text))
    return table.replace([case.changed(**found.changes.get(case.name, {})) for case in table]), found


def test_every_excluded_case_has_its_reasons():
    table, found = applied(table_of(ROWS), TEXT)
    reasons = {case.name: case.get("reason") for case in table}
    assert reasons == {
        "a": "",
        "b": "rule: motion 2.3 mm is not below 1.5 mm; CNR 2 is not above 3",
        "c": "rule: centre ISPY2 is none of DUKE, NACT",
        "d": "rule: motion is not measured; CNR is not measured",
        "e": "implant",
        "f": "",
    }
    assert [case.name for case in table if case.selected] == ["a"] == list(found.selected)
    assert set(found.by_hand) == {"e", "f"}
    assert found.by_reason == {"centre in DUKE, NACT": 1, "motion < 1.5 mm": 2, "CNR > 3": 2}


def test_applying_again_changes_nothing():
    table, _ = applied(table_of(ROWS), TEXT)
    assert applied(table, TEXT)[1].changes == {}


def test_another_rule_brings_cases_back_and_the_order_of_rules_leaves_no_trace():
    first, _ = applied(table_of(ROWS), TEXT)
    second, _ = applied(first, "motion < 3 or empty")
    assert [case.name for case in second if case.selected] == ["a", "b", "c", "d"]
    direct, _ = applied(table_of(ROWS), "motion < 3 or empty")
    assert [case.values for case in second] == [case.values for case in direct]


def test_clearing_leaves_hand_made_exclusions():
    table, _ = applied(table_of(ROWS), TEXT)
    found = clear_rules(table)
    assert set(found.changes) == {"b", "c", "d"}
    cleared = [case.changed(**found.changes.get(case.name, {})) for case in table]
    assert [case.values for case in cleared] == [case.values for case in table_of(ROWS)]


def test_a_limit_draws_the_same_cases_in_any_order_of_the_table():
    rows = [{"case": f"case_{k}", "centre": "DUKE"} for k in range(200)]
    text = "centre in DUKE and at most 80 seed 7"
    found = apply_rules(table_of(rows), Selection.from_text(text))
    assert len(found.selected) == 80
    assert len(found.excluded) == 120
    assert found.by_reason["at most 80 seed 7"] == 120
    other = apply_rules(table_of(rows[::-1]), Selection.from_text(text))
    assert set(other.selected) == set(found.selected)
    assert set(apply_rules(table_of(rows), Selection.from_text("at most 80")).selected) != set(found.selected)
    # Drawn, not the first ones: about 40 of the first hundred.
    assert 25 < sum(int(name[5:]) < 100 for name in found.selected) < 55


def test_a_limit_counts_only_cases_that_pass():
    found = apply_rules(table_of(ROWS), Selection.from_text("centre in DUKE, NACT and at most 2"))
    assert len(found.selected) == 2
    assert "e" not in found.selected
    assert sum("drawn" in why for why in found.excluded.values()) == 1


def test_rows_that_cannot_be_told_apart_are_refused():
    for rows in ([{"case": "a"}, {"case": "a"}], [{"centre": "DUKE"}]):
        with pytest.raises(BadInput):
            apply_rules(table_of(rows), Selection.from_text("cnr > 3"))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "Fälle mit Platz.csv"
    table_of(ROWS, tmp_path).write(path)
    return path


def run(*arguments):
    return parser.run([str(argument) for argument in arguments])


def last_event(capsys):
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def test_the_verb_writes_the_table_and_the_rules(file, tmp_path, capsys):
    saved = tmp_path / "rules.json"
    assert run("select", file, "--rule", TEXT, "--save-rules", saved, "--events") == 0
    event = last_event(capsys)
    assert (event["event"], event["selected"], event["excluded"], event["by_hand"]) == ("result", 1, 3, 2)
    assert event["by_reason"]["motion < 1.5 mm"] == 2
    assert event["examples"][0] == {"case": "b", "why": "motion 2.3 mm is not below 1.5 mm; CNR 2 is not above 3"}
    assert CaseTable.read(file).cases[1].get("reason").startswith(PREFIX)
    before = file.read_bytes()
    assert json.loads(saved.read_text(encoding="utf-8"))["format"] == FORMAT
    assert run("select", file, "--rules", saved) == 0
    assert file.read_bytes() == before
    assert run("select", file, "--clear") == 0
    assert [case.name for case in CaseTable.read(file) if case.selected] == ["a", "b", "c", "d"]


def test_a_dry_run_writes_nothing(file, tmp_path, capsys):
    before = file.read_bytes()
    assert run("select", file, "--rule", TEXT, "--dry-run", "--save-rules", tmp_path / "r.json") == 0
    assert "nothing was written" in capsys.readouterr().out
    assert file.read_bytes() == before
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--rule", "motoin < 1"),
        ("--rule", ""),
        ("--rules", "missing.json"),
        ("--rules", "."),
        ("--clear", "--save-rules", "new.json"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(file, arguments, capsys):
    before = file.read_bytes()
    assert run("select", file, *arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert file.read_bytes() == before


def test_rules_are_not_saved_over_a_file(file, tmp_path, capsys):
    taken = tmp_path / "rules.json"
    taken.write_text("mine")
    before = file.read_bytes()
    assert run("select", file, "--rule", TEXT, "--save-rules", taken) == 2
    assert taken.read_text() == "mine"
    assert file.read_bytes() == before
    assert run("select", file, "--rule", TEXT, "--save-rules", file, "--overwrite") == 2
    assert file.read_bytes() == before and "the table itself" in capsys.readouterr().err


def test_rules_may_ask_for_columns_of_the_table_alone(tmp_path):
    path = tmp_path / "cases.csv"
    path.write_text("case,patient,exam,reader\na,1,x,Anna\nb,2,x,Bo\n", encoding="utf-8")
    assert run("select", path, "--rule", "reader = anna") == 0
    assert [case.name for case in CaseTable.read(path) if case.selected] == ["a"]
    rules = tmp_path / "r.json"
    rules.write_text(json.dumps({"format": FORMAT, "rules": [{"column": "dose", "below": 3}]}))
    assert run("select", path, "--rules", rules) == 2


def test_the_six_selections_of_the_paper_are_shipped(tmp_path):
    files = sorted(SHIPPED.glob("m1-*.json"))
    assert [path.name[:4] for path in files] == [f"m1-{k}" for k in range(1, 7)]
    rows = [
        {"case": f"{centre.lower()}_{k}", "centre": centre, "phase_count": "6"}
        for centre, count in (("DUKE", 291), ("ISPY1", 171), ("ISPY2", 980), ("NACT", 64))
        for k in range(count)
    ]
    table = table_of(rows)
    counts = [len(apply_rules(table, Selection.read(path)).selected) for path in files]
    assert counts == [80, 400, 400, 1200, 355, 355]
    for path in sorted(SHIPPED.glob("*.json")):
        selection = Selection.read(path)
        assert selection.title
        assert Selection.from_text(selection.text, selection.title) == selection


def test_shipped_selections_are_chosen_by_name(file):
    assert run("select", file, "--rules", "quality-duke-nact") == 0
    assert [case.name for case in CaseTable.read(file) if case.selected] == ["a"]
    assert Path(SHIPPED / "quality-duke-nact.json").exists()

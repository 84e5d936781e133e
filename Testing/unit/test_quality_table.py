"""The verb ``quality`` on tables, and distributions per centre against pandas and numpy."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.exam.store import save_exam
from BreastSegLib.samples.dce import make_dce_exam
from BreastSegLib.samples.dicom_mg import write_mammogram_dicom
from BreastSegLib.samples.mammogram import make_mammogram
from BreastSegTrainingLib.cases.case import Case
from BreastSegTrainingLib.cases.columns import columns_of
from BreastSegTrainingLib.cases.table import CaseTable
from BreastSegTrainingLib.commands import parser
from BreastSegTrainingLib.commands.quality import measure_table
from BreastSegTrainingLib.quality import distributions, measure_dce


@pytest.fixture(scope="module")
def sample():
    return make_dce_exam(3, shape=(24, 72, 120), spacing=(1.6, 1.6, 3.3), posts=1)


@pytest.fixture
def file(sample, tmp_path):
    """Return a table of two good cases, one that cannot be read, and one whose mask cannot be used."""
    from BreastSegLib.files import write_image

    folder = tmp_path / "exam ä"
    save_exam(sample.exam, folder)
    write_image(sample.truth.to_sitk(), tmp_path / "mask.nii.gz")
    (tmp_path / "bad.nii.gz").write_bytes(b"no image")
    rows = [
        {"case": "one", "mask": "mask.nii.gz", "centre": "A", "age": "50"},
        {"case": "two", "exam": "gone"},
        {"case": "three", "mask": "bad.nii.gz", "notes": "kept; as, it is"},
    ]
    rows = [Case({"patient": row["case"], "exam": folder.name, **row}) for row in rows]
    return CaseTable(rows, tmp_path).write(tmp_path / "cases.csv").folder / "cases.csv"


def run(*arguments):
    return parser.run([str(argument) for argument in arguments])


def test_values_are_written_and_what_cannot_be_read_is_told_row_by_row(file, sample, capsys):
    assert run("quality", file, "--workers", 1, "--events") == 1
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert any(event["event"] == "progress" and event["total"] == 3 for event in events)
    result = events[-1]
    assert (result["event"], result["measured"], result["skipped"]) == ("result", 2, 0)
    assert [row["case"] for row in result["failed"]] == ["two"]
    assert "gone" in result["failed"][0]["why"]
    assert any("mask was not used" in note for row in result["notes"] for note in row["notes"])
    table = CaseTable.read(file)
    expected = measure_dce(sample.exam, sample.truth.array).values
    for column in columns_of("quality"):
        assert table.cases[0].number(column) == pytest.approx(expected[column], rel=1e-4), column
        assert not table.cases[1].get(column)
    assert table.cases[2].get("notes") == "kept; as, it is"
    assert not [problem for problem in table.problems() if problem.case.name != "two"]


def test_cases_with_values_are_left_unless_asked_for(file):
    assert measure_table(file, 1, names=["one"])["measured"] == 1
    table = CaseTable.read(file)
    table.replace([table.cases[0].changed(snr=99), *table.cases[1:]]).write(file, overwrite=True)
    assert measure_table(file, 1, names=["one"])["skipped"] == 1
    assert CaseTable.read(file).cases[0].get("snr") == "99"
    assert measure_table(file, 1, again=True, names=["one"])["measured"] == 1
    assert CaseTable.read(file).cases[0].get("snr") != "99"


def test_a_cancel_keeps_what_is_done(file):
    def report(stage, done, total):
        if done:
            raise Cancelled

    with pytest.raises(Cancelled):
        measure_table(file, 1, report=report)
    cases = CaseTable.read(file).cases
    assert cases[0].number("snr") > 0
    assert not cases[2].get("snr")


def test_several_processes_give_the_same_values(file):
    measure_table(file, 1)
    alone = CaseTable.read(file).cases
    measure_table(file, 2, again=True)
    assert [case.values for case in CaseTable.read(file)] == [case.values for case in alone]


def test_values_are_not_written_into_rows_that_have_become_others(file, sample, tmp_path):
    save_exam(sample.exam, tmp_path / "other")

    def report(stage, done, total):
        table = CaseTable.read(file)
        if done == 1 and len(table) == 3:
            first, second, third = table
            changed = [first.changed(exam="other"), second, third, third.changed(exam="other", notes="new")]
            table.replace(changed).write(file, overwrite=True)

    result = measure_table(file, 1, report=report)
    assert result["measured"] == 0 and [row["case"] for row in result["failed"]] == ["two", "one", "three"]
    assert "changed while" in result["failed"][-1]["why"]
    assert not any(case.get(column) for case in CaseTable.read(file) for column in columns_of("quality"))


def test_a_write_protected_table_is_refused_before_anything_is_measured(file, capsys):
    file.chmod(0o444)
    assert run("quality", str(file)) == 2
    said = capsys.readouterr().err
    assert "write-protected" in said and "Measuring" not in said
    file.chmod(0o644)


def test_rows_of_one_name_are_not_mixed_up(file):
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("three", "one"), encoding="utf-8")
    result = measure_table(file, 1)
    assert result["measured"] == 0
    assert [row["why"] for row in result["failed"]][:2] == ["several rows have this name"] * 2


@pytest.mark.parametrize("arguments", [("--cases", "nobody"), ("--workers", "0"), ("--workers", "x")])
def test_bad_input_is_one_line(file, arguments, capsys):
    try:
        code = run("quality", file, *arguments)
    except SystemExit as error:
        code = error.code
    assert code == 2
    assert capsys.readouterr().err.count("\n") == 1


def table_of(centres, values):
    cases = [Case({"case": str(k), "centre": c, "snr": v}) for k, (c, v) in enumerate(zip(centres, values))]
    return CaseTable(cases)


def test_distributions_agree_with_numpy():
    rng = np.random.default_rng(0)
    centres = rng.choice(["DUKE", "NACT", ""], 300)
    values = [f"{v:.4f}" if v > -1 else "" for v in rng.normal(size=300)]
    found = distributions(table_of(centres, values), "snr", bins=12)
    assert [group.name for group in found.groups] == ["DUKE", "NACT", ""]
    every = np.array([float(v) for v in values if v])
    assert found.edges == pytest.approx(np.histogram_bin_edges(every, 12))
    for group in (*found.groups, found.whole):
        mine = [v for c, v in zip(centres, values) if group is found.whole or c == group.name]
        numbers = np.array([float(v) for v in mine if v])
        assert (group.count, group.missing) == (len(numbers), mine.count(""))
        assert list(group.counts) == list(np.histogram(numbers, found.edges)[0])
        assert sum(group.counts) == group.count
        assert (group.quartile1, group.median, group.quartile3) == pytest.approx(np.percentile(numbers, (25, 50, 75)))
    left = found.left_by(">", 0.5)
    assert sum(left.values()) == int((every > 0.5).sum())
    assert found.better == "higher"
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize(("values", "count"), [([], 0), (["", "x"], 0), (["3", "3"], 2), (["0"], 1), (["1e6"], 1)])
def test_distributions_of_few_values(values, count):
    found = distributions(table_of(["A"] * len(values), values), "snr")
    assert found.whole.count == count
    assert found.whole.missing == len(values) - count
    assert sum(found.whole.counts) == count
    assert len(found.edges) == (25 if count else 0)
    json.dumps(found.to_json(), allow_nan=False)


def test_only_numbers_have_distributions():
    for column, bins in (("centre", 24), ("nothing", 24), ("snr", 0)):
        with pytest.raises(BadInput):
            distributions(CaseTable(), column, bins)
    with pytest.raises(BadInput):
        distributions(CaseTable(), "snr").left_by("=", 3)


def test_mammogram_rows_are_measured(tmp_path):
    sample = make_mammogram(4, size=(832, 640))
    write_mammogram_dicom(sample, tmp_path / "a.dcm")
    image = sitk.GetImageFromArray(sample.truth)
    sitk.WriteImage(image, str(tmp_path / "mask.png"))
    row = {"case": "one", "patient": "p", "image": "a.dcm", "mask": "mask.png"}
    CaseTable([Case(row)], tmp_path).write(tmp_path / "cases.csv")
    result = measure_table(tmp_path / "cases.csv", 1)
    assert (result["measured"], result["failed"], result["notes"]) == (1, [], [])
    case = CaseTable.read(tmp_path / "cases.csv").cases[0]
    assert [column for column in columns_of("quality") if not case.get(column)] == ["motion_mm", "bias"]
    assert case.number("coverage") > 0.95


def test_of_several_views_the_one_that_the_row_names_is_measured(tmp_path):
    for view in ("CC", "MLO"):
        sample = make_mammogram(4, "L", view, size=(832, 640))
        write_mammogram_dicom(sample, tmp_path / f"{view}.dcm")
        sitk.WriteImage(sitk.GetImageFromArray(sample.truth), str(tmp_path / f"{view}.png"))
    one = {"case": "one", "patient": "p", "image": "CC.dcm", "mask": "CC.png"}
    both = {**one, "case": "both", "image": "CC.dcm;MLO.dcm", "side": "left", "view": "CC"}
    cases = [Case(one), Case(both), Case({**both, "case": "wrong", "side": "R"})]
    CaseTable(cases, tmp_path).write(tmp_path / "t.csv")
    result = measure_table(tmp_path / "t.csv", 1)
    assert [row["case"] for row in result["failed"]] == ["wrong"], result["failed"]
    first, second, _ = CaseTable.read(tmp_path / "t.csv")
    assert all(first.get(column) == second.get(column) for column in columns_of("quality")) and first.get("cnr")

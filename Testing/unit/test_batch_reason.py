"""Reasons and rows of the summary say nothing about who the patient is."""

import csv

import pytest
from BreastSegLib.errors import BadInput, Undecided
from BreastSegLib.pipeline.batch_reason import reason_of, without_names
from BreastSegLib.pipeline.batch_summary import COLUMNS, row_of_record, row_without_result, write_summary


@pytest.fixture
def exam(tmp_path):
    folder = tmp_path / "SMITH^ANNA"
    (folder / "Smith Anna (2)").mkdir(parents=True)
    (folder / "Smith Anna (2)" / "SmithA.0001.dcm").write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    "text",
    [
        "The file cannot be read ({folder}/Smith Anna (2)/SmithA.0001.dcm).",
        "The file cannot be read (phase post1, SmithA.0001.dcm).",
        "The folder {folder} holds nothing.",
        "Two series differ ({folder}/Smith Anna (2), {folder}/other): choose one.",
        "In Smith Anna (2) lies SmithA.0001.dcm of SMITH^ANNA, taken on 1999-12-31",
    ],
)
def test_names_of_folders_and_files_are_left_out(exam, text):
    shown = without_names(text.format(folder=exam), {"folder": str(exam)})
    assert "smith" not in shown.lower() and "1999" not in shown and str(exam.parent) not in shown


def test_names_of_files_are_numbers(tmp_path):
    paths = [str(tmp_path / name) for name in ("Anna_pre.nii.gz", "Anna_post.nii.gz")]
    error = BadInput("The grids differ", paths[1], "Look at Anna_pre.nii.gz")
    assert reason_of(error, {"files": paths}) == "The grids differ (file 2). Look at …."


def test_what_is_no_name_stays(exam):
    error = BadInput("The exam has 2 phases, the recipe wants 3", "phase-aware", "Choose another model")
    assert reason_of(error, {"folder": str(exam)}) == error.line


def test_a_question_with_many_answers_names_some():
    error = Undecided("Which", "", "", "study", [(str(n), f"study of patient {n}") for n in range(1, 40)])
    shown = reason_of(error, {})
    assert "study=1 or study=2" in shown and "study=39" in shown and "study=20" not in shown and "patient" not in shown


def test_a_summary_opens_in_a_spreadsheet_program_as_text(tmp_path):
    record = {"results": [{"components": []}, {"components": [{"area_mm2": 12.34}, {"area_mm2": None}]}]}
    rows = [
        row_of_record("a", {**record, "notes": ["one,", 'two "x"'], "seconds": {"A": 1, "B": 0.26}}),
        row_without_result("b", "failed", "=cmd|'/c calc'!A1\nsecond line"),
        row_of_record("c", {"components": [{"volume_mm3": None}]}),
    ]
    write_summary(tmp_path, rows)
    data = (tmp_path / "summary.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    with open(tmp_path / "summary.csv", encoding="utf-8-sig", newline="") as stream:
        a, b, c = csv.DictReader(stream)
    assert tuple(a) == COLUMNS and (a["lesions"], a["largest_mm2"], a["largest_cm3"], a["seconds"]) == (
        "2",
        "12.3",
        "",
        "1.3",
    )
    assert b["reason"] == "'=cmd|'/c calc'!A1 second line" and a["notes"] == 'one, two "x"'
    assert c["lesions"] == "1" and c["largest_cm3"] == c["largest_mm2"] == ""

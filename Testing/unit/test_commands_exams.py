"""The verbs that name an exam: what they print, what they ask, how they are answered."""

import json
import shutil

import pytest
from BreastSegLib.commands import run
from BreastSegLib.samples.writing import write_dce_sample


def call(capsys, *arguments):
    """Run one command in this process; return exit code, standard output and standard error."""
    code = run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture(scope="module")
def numbered(sample, tmp_path_factory):
    """The sample's phases as CASE_0000.nii.gz, CASE_0001.nii.gz …"""
    folder = tmp_path_factory.mktemp("files")
    written = write_dce_sample(sample, folder / "sample", format="nifti")
    case = folder / "case"
    case.mkdir()
    for number, path in enumerate(sorted((written / "exam").iterdir())):
        shutil.copy(path, case / f"Secret_Patient_{number:04d}.nii.gz")
    return case


def test_phases_of_dicom_are_printed_with_times_and_evidence(capsys, dicom_sample):
    code, out, _ = call(capsys, "phases", dicom_sample / "exam")
    rows = [line.split() for line in out.splitlines()]
    assert code == 0 and rows[0] == ["Phase", "Time", "Takes", "Files", "Evidence"]
    assert [row[0] for row in rows[1:4]] == ["pre", "post1", "post2"]
    assert "acquisition time" in out and "contrast agent tag" in out


def test_numbered_files_are_asked_about_and_the_line_says_how_to_answer(capsys, numbered):
    code, out, err = call(capsys, "phases", numbered)
    assert code == 2 and not out and len(err.splitlines()) == 1
    assert "--choose meaning=phases or --choose meaning=channels" in err
    code, out, _ = call(capsys, "phases", numbered, "--choose", "meaning=phases")
    assert code == 0 and [line.split()[0] for line in out.splitlines()[1:]] == ["pre", "post1", "post2"]
    code, out, _ = call(capsys, "phases", numbered, "--choose", "meaning=channels")
    assert code == 0 and [line.split()[0] for line in out.splitlines()[1:]] == ["channel0", "channel1", "channel2"]


def test_named_files_are_not_asked_about(capsys, sample, tmp_path):
    written = write_dce_sample(sample, tmp_path / "sample", format="nifti")
    code, out, _ = call(capsys, "phases", written / "exam")
    assert code == 0 and [line.split()[0] for line in out.splitlines()[1:]] == ["pre", "post1", "post2"]


@pytest.mark.parametrize(
    ("choice", "words"),
    [("meaning", "NAME=VALUE"), ("colour=red", "'colour'"), ("meaning=both", "'both'")],
)
def test_wrong_choices_are_refused_in_one_line(capsys, numbered, choice, words):
    code, out, err = call(capsys, "phases", numbered, "--choose", choice)
    assert code == 2 and not out and len(err.splitlines()) == 1 and words in err


def test_views_of_mammograms_are_printed(capsys, tmp_path):
    code, _, err = call(capsys, "sample", "mammogram", "--view", "all", "--output", tmp_path / "views")
    assert code == 0, err
    code, out, _ = call(capsys, "phases", tmp_path / "views")
    rows = [line.split() for line in out.splitlines()]
    assert code == 0 and [row[0] for row in rows[1:5]] == ["RCC", "LCC", "RMLO", "LMLO"]
    assert "0.14 × 0.14 mm" in out and "Image Laterality" in out
    code, out, _ = call(capsys, "phases", tmp_path / "views", "--json")
    record = json.loads(out)
    assert [(view["laterality"], view["position"]) for view in record["views"]] == [
        ("R", "CC"),
        ("L", "CC"),
        ("R", "MLO"),
        ("L", "MLO"),
    ]
    assert "Sample" not in out and str(tmp_path) not in out


def test_json_holds_the_evidence_of_each_phase_and_no_file_names(capsys, dicom_sample):
    code, out, _ = call(capsys, "phases", dicom_sample / "exam", "--json")
    record = json.loads(out)
    assert code == 0 and [row["role"] for row in record["phases"]] == ["pre", "post", "post"]
    fields = {"role", "number", "time_s", "evidence", "resolution_s", "since_injection_s", "contradictions"}
    assert fields <= set(record["phases"][0])
    assert str(dicom_sample) not in out and "Sample" not in out


def test_mammograms_and_a_dce_exam_in_one_folder_are_asked_about(capsys, dicom_sample, tmp_path):
    call(capsys, "sample", "mammogram", "--output", tmp_path / "view")
    folder = tmp_path / "both"
    shutil.copytree(dicom_sample / "exam", folder / "a")
    shutil.copytree(tmp_path / "view", folder / "b")
    code, _, err = call(capsys, "phases", folder)
    assert code == 2 and "--choose kind=dce or --choose kind=mammograms" in err
    code, out, _ = call(capsys, "phases", folder, "--choose", "kind=dce")
    assert code == 0 and "post2" in out
    code, out, _ = call(capsys, "phases", folder, "--choose", "kind=mammograms")
    assert code == 0 and "MLO" in out and "post" not in out

"""Sample cases: a ready case table of synthetic exams, whole or not at all."""

import json
from collections import Counter

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.exam.source import read
from BreastSegTrainingLib.cases import CaseTable
from BreastSegTrainingLib.commands import run


def sample(folder, kind, count, *more):
    """Make sample cases and return their table."""
    assert (
        run(
            ["sample", kind, "--count", str(count), "--output", str(folder), "--size", "tiny", "--workers", "1", *more]
        )
        == 0
    )
    return CaseTable.read(folder / "cases.csv")


def contents(folder):
    """Return {relative path: content} of the text and images below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): sitk.GetArrayFromImage(sitk.ReadImage(str(path))).tobytes()
        if path.suffix in (".gz", ".dcm")
        else path.read_bytes()
        for path in files
    }


@pytest.fixture(scope="module")
def dynamics(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dce") / "cases"
    return sample(folder, "dce", 8)


@pytest.fixture(scope="module")
def mammograms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mammogram") / "cases"
    return sample(folder, "mammogram", 6, "--without-mass", "2")


def test_dynamics_can_be_read_and_have_a_lesion(dynamics):
    assert not dynamics.problems() and not dynamics.missing_files()
    patients = Counter(case.patient for case in dynamics)
    assert len(dynamics) == 8 and sorted(patients.values()) == [1, 1, 1, 1, 1, 1, 2]
    assert {case.get("centre") for case in dynamics} == {"DUKE", "ISPY1", "ISPY2", "NACT"}
    for case in dynamics:
        exam = read(dynamics.source(case))
        assert len(exam.phases) == case.number("phase_count") == 3
        assert [phase.time_s for phase in exam.phases] == [float(text) for text in case.parts("times")]
        (path,) = dynamics.mask_paths(case)
        mask = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        assert mask.shape == exam.volumes[0].array.shape and set(np.unique(mask)) == {0, 1}


def test_what_is_told_of_a_woman_is_told_in_all_her_cases(dynamics, mammograms):
    for table in (dynamics, mammograms):
        told = {}
        for case in table:
            values = [case.get(column) for column in ("centre", "age", "menopause", "density", "side", "birads")]
            assert told.setdefault(case.patient, values) == values
            assert 10 <= case.number("age") <= 120 and case.get("density") in tuple("abcd")
        assert len({tuple(values) for values in told.values()}) == len(told)


def test_mammograms_have_two_views_and_some_no_mass(mammograms):
    assert not mammograms.problems() and not mammograms.missing_files()
    assert [case.get("view") for case in mammograms] == ["CC", "MLO"] * 3 and mammograms.patients == 3
    filled = [
        bool(sitk.GetArrayFromImage(sitk.ReadImage(str(*mammograms.mask_paths(case)))).any()) for case in mammograms
    ]
    assert filled == [True] * 4 + [False] * 2
    assert [case.get("fixes") for case in mammograms] == [""] * 4 + ["negative"] * 2


@pytest.mark.parametrize("recipe", ["phase-aware-0000-0002", "single-phase-0002", "breastdm-pre-post-sub"])
def test_the_check_finds_nothing_wrong_with_dynamics(dynamics, recipe, capsys):
    assert (
        run(["check", str(dynamics.folder / "cases.csv"), "--recipe", recipe, "--workers", "1", "--no-thumbnails"])
        == 0
    )
    assert "8 right, 0 in need of a fix, 0 refused" in capsys.readouterr().out


@pytest.mark.parametrize("recipe", ["inbreast-ffdm-512", "mass-region-224", "ffdm-512"])
def test_the_check_finds_nothing_wrong_with_mammograms(mammograms, recipe, capsys):
    assert (
        run(["check", str(mammograms.folder / "cases.csv"), "--recipe", recipe, "--workers", "1", "--no-thumbnails"])
        == 0
    )
    assert "6 right, 0 in need of a fix, 0 refused" in capsys.readouterr().out


def test_the_same_seed_gives_the_same_cases(tmp_path):
    for kind, more in (("dce", ()), ("mammogram", ())):
        made = [
            contents(sample(tmp_path / f"{kind}{name}", kind, 2, "--seed", seed, *more).folder)
            for name, seed in ("a5", "b5", "c6")
        ]
        assert made[0] == made[1] and made[0].keys() == made[2].keys()
        images = [name for name in made[0] if name.endswith((".gz", ".dcm"))]
        assert all(made[0][name] != made[2][name] for name in images)


def test_dicom(tmp_path):
    table = sample(tmp_path / "out", "dce", 1, "--format", "dicom")
    exam = read(table.source(table.cases[0]))
    assert len(exam.phases) == 3 and exam.phases[1].evidence not in ("file order", "")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["dce", "--count", "0"], "1 to 10000"),
        (["dce", "--count", "3", "--without-mass", "1"], "some of the mammograms"),
        (["mammogram", "--count", "3", "--without-mass", "4"], "some of the mammograms"),
        (["dce", "--seed", "-1"], "seed"),
    ],
)
def test_wrong_numbers(tmp_path, capsys, arguments, expected):
    assert run(["sample", *arguments, "--output", str(tmp_path / "out")]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.endswith(" …")]
    assert len(lines) == 1 and expected in lines[0] and list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    assert run(["sample", "dce", "--count", "1", "--output", str(tmp_path), "--size", "tiny"]) == 2
    assert "not empty" in capsys.readouterr().err and [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_events(tmp_path, capsys):
    assert (
        run(
            [
                "sample",
                "mammogram",
                "--count",
                "2",
                "--output",
                str(tmp_path / "out"),
                "--size",
                "tiny",
                "--workers",
                "1",
                "--events",
            ]
        )
        == 0
    )
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[-1]["event"] == "result" and events[-1]["cases"] == 2 and events[-1]["patients"] == 1
    assert [event["done"] for event in events[:-1]] == sorted(event["done"] for event in events[:-1])

"""The verbs ``cases`` and ``relocate``, as people and panels call them."""

import json
import shutil
from pathlib import Path

import pytest
from BreastSegTrainingLib.__main__ import main
from BreastSegTrainingLib.cases import CaseTable, all_columns
from BreastSegTrainingLib.cases.layouts import LAYOUTS
from BreastSegTrainingLib.cases.layouts.description import description
from layouts_cases import box, phase, write_volume


@pytest.fixture
def dataset(tmp_path):
    root = tmp_path / "my data"
    for name in ("a", "b"):
        write_volume(root / "images" / f"{name}.nii.gz", phase())
        write_volume(root / "masks" / f"{name}.nii.gz", box())
    write_volume(root / "images" / "c.nii.gz", phase())
    return root


def events(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def import_folder(dataset, output, *more):
    return main(["cases", "--layout", "folder", str(dataset), "--output", str(output), *more])


def test_people_are_told_what_was_made_and_what_was_not_read(dataset, tmp_path, capsys):
    output, lost = tmp_path / "cases.csv", tmp_path / "lost.csv"
    assert import_folder(dataset, output, "--not-read", str(lost)) == 0
    said = capsys.readouterr().out
    assert "2 cases of 2 patients" in said and "images/c.nii.gz: there is no mask of this name" in said
    table = CaseTable.read(output)
    assert not table.problems() and not table.missing_files()
    assert table.cases[0].get("phases") == "my data/images/a.nii.gz"
    assert lost.read_text(encoding="utf-8-sig").splitlines() == [
        "where,why", "images/c.nii.gz,there is no mask of this name",
    ]  # fmt: skip


def test_panels_are_told_as_events(dataset, tmp_path, capsys):
    output = tmp_path / "cases.csv"
    assert import_folder(dataset, output, "--events") == 0
    *progress, result = events(capsys)
    assert {event["event"] for event in progress} == {"progress"}
    assert result == {
        "event": "result",
        "table": str(output),
        "cases": 2,
        "patients": 2,
        "not_read": [{"where": "images/c.nii.gz", "why": "there is no mask of this name"}],
        "notes": ["Patient ids are the case names: correct that column where a patient has several cases."],
    }


def test_nothing_is_overwritten_unasked(dataset, tmp_path, capsys):
    output, lost = tmp_path / "cases.csv", tmp_path / "lost.csv"
    output.write_text("mine")
    assert import_folder(dataset, output) == 2
    assert "exists" in capsys.readouterr().err and output.read_text() == "mine"
    assert import_folder(dataset, output, "--overwrite") == 0
    lost.write_text("mine")
    assert import_folder(dataset, tmp_path / "new.csv", "--not-read", str(lost)) == 2
    assert lost.read_text() == "mine" and not (tmp_path / "new.csv").exists()
    capsys.readouterr()
    same = ("--not-read", f"{tmp_path}/../{tmp_path.name}/cases.csv", "--overwrite")
    before = output.read_bytes()
    assert import_folder(dataset, output, *same) == 2
    assert "same file" in capsys.readouterr().err and output.read_bytes() == before


@pytest.mark.parametrize(
    "arguments, what",
    [
        (["--layout", "none"], "invalid choice"),
        (["--layout", "folder", "--findings", "mass"], "has no option findings"),
        (["--layout", "inbreast", "--findings", "x"], "invalid choice"),
        (["--layout", "mama-mia"], "no folder segmentations"),
        (["--layout", "bids"], "no folder sub-"),
    ],
)
def test_bad_commands_are_one_line(arguments, what, dataset, tmp_path, capsys):
    try:
        code = main(["cases", *arguments, str(dataset), "--output", str(tmp_path / "t.csv")])
    except SystemExit as ended:
        code = ended.code
    said = capsys.readouterr().err
    assert code == 2 and what in said and len(said.strip().splitlines()) == 1
    assert not (tmp_path / "t.csv").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "{long}.csv"],
        ["select", "{table}", "--rules", "{long}"],
        ["relocate", "{table}", "--search", "{long}"],
        ["cases", "--layout", "folder", "{long}", "--output", "t.csv"],
        ["check", "{table}", "--recipe", "{long}"],
    ],
)
def test_names_that_no_system_takes_are_one_line(arguments, dataset, tmp_path, capsys):
    table = tmp_path / "cases.csv"
    assert import_folder(dataset, table) == 0
    capsys.readouterr()
    assert main([text.format(long="x" * 5000, table=table) for text in arguments]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if not line.endswith("…")]
    assert len(errors) == 1 and errors[0].startswith("Error: ")


def test_layouts_and_their_description_agree():
    assert list(LAYOUTS) == list(description()["layouts"])
    assert list(LAYOUTS) == ["inbreast", "cbis-ddsm", "breastdm", "mama-mia", "folder", "bids"]
    names = [option.name for layout in LAYOUTS.values() for option in layout.options]
    assert len(set(names)) == len(names), "the command line has one option of each name"
    for layout in LAYOUTS.values():
        for option in layout.options:
            assert not option.choices or option.default in ("", *option.choices)
    choices = next(option.choices for option in LAYOUTS["inbreast"].options if option.name == "findings")
    assert set(choices) == set(description()["findings"])


@pytest.fixture
def moved(dataset, tmp_path):
    """A table outside the dataset, whose files were moved after it was written."""
    table = tmp_path / "tables" / "cases.csv"
    import_folder(dataset, table)
    target = tmp_path / "archive" / "2026" / "renamed"
    target.parent.mkdir(parents=True)
    shutil.move(dataset, target)
    return table, dataset, target


def test_paths_are_relocated_in_place(moved, capsys):
    table, old, new = moved
    assert len(CaseTable.read(table).missing_files()) == 4
    capsys.readouterr()
    assert main(["relocate", str(table), str(old), str(new), "--events"]) == 0
    assert events(capsys) == [{"event": "result", "table": str(table), "paths": 4, "missing": 0}]
    read = CaseTable.read(table)
    assert not read.missing_files() and read.path(read.cases[0].get("phases")) == new / "images" / "a.nii.gz"


def test_the_new_folder_is_proposed_and_nothing_changed(moved, tmp_path, capsys):
    table, old, new = moved
    decoy = tmp_path / "archive" / "images"
    write_volume(decoy / "a.nii.gz", phase())  # as deep a match, but the other files are not there
    before = table.read_bytes()
    capsys.readouterr()
    assert main(["relocate", str(table), "--search", str(tmp_path / "archive"), "--events"]) == 0
    result = events(capsys)[-1]
    assert (result["old"], result["new"]) == (old.as_posix(), new.as_posix())
    assert (result["paths"], result["missing"]) == (4, 0)
    assert table.read_bytes() == before
    assert main(["relocate", str(table), result["old"], result["new"]]) == 0
    assert "Cells changed: 4; no files are missing" in capsys.readouterr().out


def test_relative_paths_are_relocated_too(dataset, tmp_path, capsys):
    table = dataset / "cases.csv"
    import_folder(dataset, table)
    away = tmp_path / "away"
    shutil.move(dataset / "images", away / "images")
    capsys.readouterr()
    assert main(["relocate", str(table), "--search", str(away), "--events"]) == 0
    result = events(capsys)[-1]
    assert (result["old"], result["new"]) == ("images", (away / "images").as_posix())
    assert main(["relocate", str(table), "images", str(away / "images")]) == 0
    assert not CaseTable.read(table).missing_files()


@pytest.mark.parametrize(
    "more, what",
    [
        ([], "OLD and NEW"),
        (["old"], "OLD and NEW"),
        (["old", "new", "--search", "."], "OLD and NEW"),
        (["/no/such", "/new"], "No path of the table begins with /no/such"),
        (["", "/new"], "is empty"),
        (["/old", ""], "new folder is empty"),
        (["--search", "{empty}"], "There is no a.nii.gz below"),
        (["--search", "/no/such/folder"], "does not exist"),
    ],
)
def test_bad_relocations_are_one_line(moved, more, what, tmp_path, capsys):
    table, _, _ = moved
    (tmp_path / "empty").mkdir()
    before = table.read_bytes()
    capsys.readouterr()
    more = [text.replace("{empty}", str(tmp_path / "empty")) for text in more]
    assert main(["relocate", str(table), *more]) == 2
    said = capsys.readouterr().err
    errors = [line for line in said.splitlines() if not line.endswith("…")]  # others are progress
    assert len(errors) == 1 and what in errors[0] and table.read_bytes() == before


def test_a_table_whose_files_are_all_there_needs_no_search(dataset, tmp_path, capsys):
    table = tmp_path / "cases.csv"
    import_folder(dataset, table)
    assert main(["relocate", str(table), "--search", str(dataset)]) == 2
    assert "No file of the table is missing" in capsys.readouterr().err


def test_the_documentation_lists_all_columns_layouts_and_options():
    text = (Path(__file__).resolve().parents[2] / "docs" / "cases.md").read_text(encoding="utf-8")
    rows = [f"| `{column.name}` | {column.title} | {column.help} |" for column in all_columns().values()]
    described = [
        line for line in text.split("## Columns")[1].split("## Masks")[0].splitlines() if line.startswith("| `")
    ]
    assert sorted(described) == sorted(rows)
    for layout in LAYOUTS.values():
        chapter = text.split(f"### `{layout.name}`")[1].split("\n### ")[0].split("\n## ")[0]
        for option in layout.options:
            assert f"`--{option.name}`" in chapter
            assert all(f"`{choice}`" in chapter for choice in option.choices)

"""``models …`` as users type it, and as the window that runs it as its child reads it."""

import json
from fractions import Fraction

import pytest
from BreastSegLib.models import find_model, trust
from command_cases import call
from fake_models import files_of, make_folder, make_results, pack

SAID = ("--recipe", "phase-aware-0000-0002", "--label", "lesion=mass")


@pytest.fixture(autouse=True)
def library(tmp_path, monkeypatch):
    folder = tmp_path / "my models"
    monkeypatch.setenv("BREASTSEG_MODELS", str(folder))
    return folder


@pytest.fixture
def source(tmp_path):
    return make_folder(tmp_path / "quelle ä", folds=("0", "1"))


def done(capsys, *arguments):
    code, out, err = call(capsys, "models", *arguments)
    assert code == 0, err
    return out


def refused(capsys, *arguments):
    """Run a command that has to be refused and return its one line."""
    code, _out, err = call(capsys, *arguments)
    lines = [line for line in err.splitlines() if not line.endswith(" …")]
    assert code == 2 and len(lines) == 1 and lines[0].startswith("Error: "), err
    return lines[0]


def events(capsys, *arguments):
    """Return the exit code and the events of a command."""
    code, out, _err = call(capsys, "models", *arguments, "--events")
    return code, [json.loads(line) for line in out.splitlines()]


def test_the_whole_life_of_a_model(source, tmp_path, library, capsys):
    assert done(capsys, "install", source, "--name", "mine", *SAID, "--licence", "MIT", "--title", "Ours") == (
        "Installed mine: Ours\n"
    )
    table = done(capsys, "list").splitlines()
    assert table[0].split() == ["Name", "Title", "Configuration", "Folds", "Size", "Licence"]
    row = next(line for line in table if line.startswith("mine"))
    assert [cell.strip() for cell in row.split("  ") if cell.strip()] == [
        "mine",
        "Ours",
        "3d_fullres",
        "0 1",
        "0.1 MB",
        "MIT",
    ]
    card = json.loads(done(capsys, "show", "mine"))
    assert card["licence"] == "MIT" and card["configuration"] == "3d_fullres" and card["channels"][0] == "pre"
    assert "every file is as it was" in done(capsys, "verify", "mine")
    assert done(capsys, "rename", "mine", "ours") == "mine is now ours\n"
    assert str(tmp_path / "out.zip") in done(capsys, "export", "ours", tmp_path / "out.zip")
    assert done(capsys, "remove", "ours", "--yes") == "Removed: ours\n"
    assert done(capsys, "install", tmp_path / "out.zip") == "Installed ours: Ours\n"
    assert find_model("ours").card["licence"] == "MIT"


def test_results_become_an_ensemble_that_is_listed(tmp_path, capsys):
    out = done(capsys, "install", make_results(tmp_path / "r", folds=("0", "1")), "--name", "both", "--combine", *SAID)
    assert [line.split(":")[0] for line in out.splitlines()] == [
        "Installed both-2d",
        "Installed both-3d_fullres",
        "Installed both",
    ]
    out = done(capsys, "combine", "some", "both-2d:0", "both-3d_fullres", "--title", "Some folds")
    assert out == "some averages both-2d:0, both-3d_fullres\n"
    row = next(line for line in done(capsys, "list").splitlines() if line.startswith("some"))
    assert "ensemble of both-2d, both-3d_fullres" in row and "0 | 0 1" in row
    record = json.loads(done(capsys, "show", "some"))
    assert record["members"] == [
        {"name": "both-2d", "folds": ["0"]},
        {"name": "both-3d_fullres", "folds": ["0", "1"]},
    ]
    listed = json.loads(done(capsys, "list", "--json"))
    assert {row["name"] for row in listed["models"]} >= {"both", "some", "demo-dce"} and listed["problems"] == {}
    assert "--with-ensembles" in refused(capsys, "models", "remove", "both-2d", "--yes")
    assert done(capsys, "remove", "both-2d", "--yes", "--with-ensembles") == "Removed: both-2d, both, some\n"


def test_without_options_one_line_says_what_is_missing(source, library, capsys):
    line = refused(capsys, "models", "install", source)
    assert "--recipe phase-aware-0000-0002 --label lesion=mass" in line and str(source) in line
    line = refused(
        capsys, "models", "install", pack(source, source.with_suffix(".zip")), "--recipe", "phase-aware-clahe"
    )
    assert "check it: --label lesion=mass" in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("install", "missing.zip"), "no such folder or zip (missing.zip)"),
        (("install", "no/folder"), "no such folder or zip"),
        (("install", "nothing"), "no such model (nothing)"),
        (("install", "mama-mia"), "licence"),
        (("install", "mama-mia", "--recipe", "as-acquired"), "--recipe"),
        (("install", "SOURCE", *SAID[:2], "--label", "lesion"), "NAME=TERM"),
        (("install", "SOURCE", *SAID[:2], "--label", "=mass"), "NAME=TERM"),
        (("install", "SOURCE", *SAID, "--checkpoint", "../x"), "final or best"),
        (("install", "SOURCE", *SAID, "--checkpoint", "latest"), "no fold_*/checkpoint_latest.pth"),
        (("install", "SOURCE", *SAID, "--name", "a b"), "cannot be named"),
        (("show", "nothing"), "no such model"),
        (("verify", "nothing"), "no such model"),
        (("rename", "nothing", "x"), "no such installed model"),
        (("remove", "nothing", "--yes"), "no such installed model"),
        (("export", "nothing", "x.zip"), "no such model"),
        (("combine", "x", "demo-dce"), "at least two"),
        (("combine", "x", "demo-dce:", "demo-dce"), "NAME:0,1"),
        (("trust", "missing.pth"), "no such folder or zip"),
        (("folder", "x", "--default"), "contradict"),
    ],
)
def test_what_cannot_be_is_one_line(source, capsys, monkeypatch, tmp_path, arguments, words):
    monkeypatch.chdir(tmp_path)
    arguments = [str(source) if argument == "SOURCE" else argument for argument in arguments]
    assert words in refused(capsys, "models", *arguments)


def test_removing_has_to_be_confirmed(source, capsys, monkeypatch):
    done(capsys, "install", source, "--name", "mine", *SAID)
    assert "Say --yes" in refused(capsys, "models", "remove", "mine")
    for answer, code in (("\n", 2), ("n\n", 2), ("y\n", 0)):
        stream = type("Terminal", (), {"isatty": lambda self: True, "readline": lambda self, answer=answer: answer})()
        monkeypatch.setattr("sys.stdin", stream)
        assert call(capsys, "models", "remove", "mine")[0] == code
    assert "no such model" in refused(capsys, "models", "show", "mine")


def test_verify_reads_all_models_and_says_which_are_damaged(source, library, capsys):
    done(capsys, "install", source, "--name", "mine", *SAID)
    assert done(capsys, "check").count("every file is as it was") == 3
    with open(library / "mine" / "plans.json", "a") as stream:
        stream.write(" ")
    code, out, err = call(capsys, "models", "verify")
    assert code == 2 and "demo-dce: every file" in out
    assert len([line for line in err.splitlines() if line.startswith("Error")]) == 1
    assert "1 of 3 models cannot be used" in err and "mine: plans.json is missing, or is not" in err
    code, seen = events(capsys, "verify", "mine")
    assert code == 0 and len(seen[-1]["problems"]) == 1 and "plans.json" in seen[-1]["problems"][0]


def test_a_broken_model_is_listed_with_its_reason(source, library, capsys):
    done(capsys, "install", source, "--name", "mine", *SAID)
    (library / "mine" / "plans.json").unlink()
    assert "mine: not usable: " in done(capsys, "list")
    assert "plans.json is missing" in json.loads(done(capsys, "list", "--json"))["problems"]["mine"]


def test_trust_says_what_it_is_about_before_it_is_given(tmp_path, capsys):
    source = make_folder(tmp_path / "m", extra=Fraction(1, 3))
    assert "models trust" in refused(capsys, "models", "install", source, "--name", "x", *SAID)
    line = refused(capsys, "models", "trust", source)
    assert "fractions.Fraction" in line and "--yes" in line and trust.trusted() == {}
    checkpoint = source / "fold_0" / "checkpoint_final.pth"
    assert "trusted from now on: checkpoint_final.pth" in done(capsys, "trust", checkpoint, "--yes")
    done(capsys, "install", source, "--name", "x", *SAID)
    assert "trusted no longer" in done(capsys, "trust", checkpoint, "--forget")
    assert "models trust" in refused(capsys, "models", "install", source, "--name", "y", *SAID)
    assert "needs no trust" in done(capsys, "trust", make_folder(tmp_path / "plain"), "--yes")


def test_the_folder_is_chosen_and_said(tmp_path, capsys, monkeypatch, library):
    assert done(capsys, "folder") == f"{library}\n"
    monkeypatch.setattr("BreastSegLib.models.place.settings_file", lambda: tmp_path / "settings.json")
    assert "counts first" in done(capsys, "folder", tmp_path / "a")
    monkeypatch.delenv("BREASTSEG_MODELS")
    assert done(capsys, "folder") == f"{tmp_path / 'a'}\n"
    assert "stay there" in done(capsys, "folder", tmp_path / "b")
    done(capsys, "folder", "--default")
    assert done(capsys, "folder") not in (f"{tmp_path / 'a'}\n", f"{tmp_path / 'b'}\n")


def test_a_window_hears_of_progress_and_the_result(source, tmp_path, capsys):
    code, seen = events(capsys, "install", pack(source, tmp_path / "m.zip"), "--name", "mine", *SAID)
    assert code == 0 and {event["event"] for event in seen[:-1]} == {"progress"}
    assert seen[-1]["event"] == "result" and seen[-1]["models"][0]["name"] == "mine" and seen[-1]["notes"] == []
    assert events(capsys, "rename", "mine", "ours")[1][-1]["models"][0]["name"] == "ours"
    assert events(capsys, "export", "ours", tmp_path / "o.zip")[1][-1]["file"] == str(tmp_path / "o.zip")
    assert events(capsys, "combine", "all", "ours", "demo-dce")[1][-1]["models"][0]["name"] == "all"
    assert events(capsys, "remove", "ours", "--yes", "--with-ensembles")[1][-1]["removed"] == ["ours", "all"]


def test_a_window_hears_what_is_needed_of_the_user(source, tmp_path, capsys):
    code, seen = events(capsys, "install", source)
    assert code == 2 and seen[-1]["event"] == "error" and seen[-1]["code"] == "needs-card"
    assert seen[-1]["proposal"]["labels"] == {"lesion": {"value": 1, "terminology": "mass"}}
    strange = make_folder(tmp_path / "m", extra=Fraction(1, 3))
    code, seen = events(capsys, "install", strange, *SAID)
    assert (code, seen[-1]["code"]) == (2, "untrusted")
    assert seen[-1]["globals"] == ["fractions.Fraction"] and seen[-1]["files"] == [str(strange)]
    known = make_folder(tmp_path / "Dataset105_x" / "m", channels=("MRI",), dataset="Dataset105_x")
    code, seen = events(capsys, "install", known)
    assert (code, seen[-1]["code"], seen[-1]["entry"]) == (2, "needs-licence", "mama-mia")
    code, seen = events(capsys, "install", known, "--accept-licence")
    assert code == 0 and "looks like MAMA-MIA" in seen[-1]["notes"][0]


def test_an_own_recipe_is_checked_and_kept(source, tmp_path, capsys, library):
    recipe = tmp_path / "ours.json"
    recipe.write_text("{}")
    assert "format" in refused(capsys, "models", "install", source, "--name", "x", "--recipe", recipe, *SAID[2:])
    code, out, _err = call(capsys, "recipes", "show", "phase-aware-0000-0002", "--json")
    recipe.write_text(json.dumps({**json.loads(out), "name": "ours", "cleanup": []}))
    done(capsys, "install", source, "--name", "x", "--recipe", recipe, *SAID[2:])
    assert json.loads(done(capsys, "show", "x"))["recipe_source"] == str(library.resolve() / "x" / "recipe.json")
    assert "recipe.json" in files_of(library / "x")


def test_the_best_checkpoint_is_taken_when_said(tmp_path, capsys):
    source = make_folder(tmp_path / "m", checkpoint="checkpoint_best.pth")
    assert "--checkpoint best" in refused(capsys, "models", "install", source, *SAID)
    done(capsys, "install", source, "--name", "x", "--checkpoint", "best", *SAID)
    assert find_model("x").checkpoint == "checkpoint_best.pth"

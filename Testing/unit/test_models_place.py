"""Where the model library lies, and which names models may have."""

import errno
import os
import sys
from pathlib import Path

import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.models import find_model, place, survey
from BreastSegLib.models.card import LONGEST_NAME, check_name, safe_name
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A user without settings."""
    monkeypatch.delenv("BREASTSEG_MODELS", raising=False)
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "häme")
    return tmp_path / "häme"


@pytest.mark.parametrize(
    ("system", "folder", "settings"),
    [
        ("linux", ".local/share/BreastSeg/models", ".config/BreastSeg/settings.json"),
        ("win32", "AppData/Local/BreastSeg/models", "AppData/Roaming/BreastSeg/settings.json"),
        (
            "darwin",
            "Library/Application Support/BreastSeg/models",
            "Library/Application Support/BreastSeg/settings.json",
        ),
    ],
)
def test_each_system_has_its_usual_folders_and_asking_creates_none(home, monkeypatch, system, folder, settings):
    monkeypatch.setattr(sys, "platform", system)
    assert place.library_folder() == home / folder
    assert place.settings_file() == home / settings
    assert not home.exists()


def test_the_systems_variables_count(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert place.library_folder() == tmp_path / "data" / "BreastSeg" / "models"
    assert place.settings_file() == tmp_path / "config" / "BreastSeg" / "settings.json"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert place.library_folder().is_relative_to(Path.home())


def test_the_choice_is_kept_and_can_be_taken_back(tmp_path):
    usual = place.library_folder()
    chosen = tmp_path / "other disk" / "Modelle ü"
    assert place.set_library_folder(chosen) == chosen and chosen.is_dir()
    assert place.library_folder() == chosen == place.chosen_folder()
    assert list(chosen.iterdir()) == []
    assert place.set_library_folder(None) == usual
    assert place.chosen_folder() is None


def test_the_environment_counts_before_the_choice(tmp_path, monkeypatch):
    place.set_library_folder(tmp_path / "chosen")
    monkeypatch.setenv("BREASTSEG_MODELS", str(tmp_path / "named"))
    assert place.library_folder() == tmp_path / "named"
    monkeypatch.setenv("BREASTSEG_MODELS", " ")
    assert place.library_folder() == tmp_path / "chosen"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BREASTSEG_MODELS", "relative")
    assert place.library_folder() == tmp_path / "relative"


@pytest.mark.parametrize("inner", ["", "Resources/Models", "new/folder"])
def test_no_library_lies_inside_the_extension(inner, monkeypatch):
    with pytest.raises(BadInput, match="inside the extension.*Choose another folder"):
        place.set_library_folder(place.EXTENSION / inner)
    monkeypatch.setenv("BREASTSEG_MODELS", str(place.EXTENSION / inner))
    with pytest.raises(BadInput, match="inside the extension.*BREASTSEG_MODELS"):
        place.library_folder()
    assert not (place.EXTENSION / "new").exists()


def test_a_file_or_a_model_is_no_library(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "plans.json").touch()
    for name, words in (
        ("file", "this is a file"),
        ("model", "itself a model"),
        ("file/inner", "could not be written"),
    ):
        with pytest.raises(BadInput, match=words):
            place.set_library_folder(tmp_path / name)
    assert place.chosen_folder() is None


def test_a_folder_that_cannot_be_written_is_no_library(tmp_path, monkeypatch):
    def forbidden(**_options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("BreastSegLib.models.place.tempfile.TemporaryFile", forbidden)
    with pytest.raises(BadInput, match="Permission denied.*may write to"):
        place.set_library_folder(tmp_path / "x")
    assert place.chosen_folder() is None


@pytest.mark.parametrize(("text", "words"), [("{", "valid JSON"), ('{"models": 3}', "names no"), ("[]", "names no")])
def test_damaged_settings_are_one_line_and_the_shipped_models_stay(text, words):
    path = place.settings_file()
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(BadInput, match=words):
        place.library_folder()
    models, problems = survey()
    assert [model.name for model in models] == ["demo-dce", "demo-mass-region"]
    assert list(problems) == ["model library"] and words in problems["model library"].line
    assert find_model("demo-dce", verify=False).shipped


def test_a_chosen_folder_that_is_gone_is_said(tmp_path):
    place.set_library_folder(tmp_path / "disk")
    assert survey()[1] == {}
    (tmp_path / "disk").rmdir()
    problem = survey()[1]["model library"]
    assert "not there" in problem.line and "Connect its disk" in problem.line
    with pytest.raises(BadInput, match="no such model.*not there"):
        find_model("mine")


def test_other_settings_are_kept(tmp_path):
    path = place.settings_file()
    path.parent.mkdir(parents=True)
    path.write_text('{"other": 1}')
    assert place.chosen_folder() is None
    place.set_library_folder(tmp_path / "x")
    assert '"other": 1' in path.read_text()


@pytest.mark.parametrize(
    "name", ["a", "demo-dce", "M6.v2", "x_1", "7", "console", "com", "lpt", "nul-1", "a" * LONGEST_NAME]
)
def test_ordinary_names_are_taken(name):
    assert check_name(name) == name


BAD = [
    "",
    " ",
    ".",
    "..",
    ".x",
    "x.",
    "a b",
    "a/b",
    "a\\b",
    "ä",
    "a:b",
    "-x",
    "_x",
    "a" * (LONGEST_NAME + 1),
    "a\n",
    None,
]
BAD += [
    "con",
    "CON",
    "nul.txt",
    "Com1",
    "lpt9.a",
    "aux",
    "prn",
    "com0",
    "x.json",
    "catalogue.JSON",
    "m.zip",
    "c.pth",
    "a*",
]


@pytest.mark.parametrize("name", BAD)
def test_names_that_fail_somewhere_are_refused_in_one_line(name):
    with pytest.raises(BadInput) as caught:
        check_name("" if name is None else name)
    assert "cannot be named" in caught.value.line and "\n" not in caught.value.line


@given(st.text(max_size=100))
def test_any_text_gives_a_safe_name(text):
    name = safe_name(text)
    assert check_name(name) == name


@given(st.from_regex(r"[A-Za-z0-9._-]{1,70}", fullmatch=True))
def test_a_name_that_is_taken_is_one_plain_folder(name):
    try:
        check_name(name)
    except BadInput:
        return
    assert os.path.basename(name) == name and name not in (".", "..") and name.rstrip(". ") == name
    assert safe_name(name) == name

"""Model folders and cards. The checkpoints are a few bytes: nothing here loads them."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json
from BreastSegLib.models import find_model, list_models, open_model, survey
from BreastSegLib.models import library as library_module
from BreastSegLib.models.card import NAME, changed_files, checksums, read_card, write_card
from BreastSegLib.recipe import load_recipe

RECIPE = "phase-aware-0000-0002"
CARD = {
    "name": "mine",
    "title": "Mine",
    "description": "For tests.",
    "recipe": RECIPE,
    "recipe_hash": load_recipe(RECIPE).hash,
    "labels": {"lesion": {"value": 1, "terminology": "mass"}},
    "licence": "Apache-2.0",
    "citation": "none",
    "training": {"data": "none"},
}


def make_model(folder, folds=("0",), card=CARD):
    """Write a model folder whose checkpoints are not networks."""
    folder.mkdir(parents=True)
    (folder / "dataset.json").write_text(
        json.dumps({"channel_names": {"0": "pre", "1": "post1", "10": "last", "2": "post2"}})
    )
    (folder / "plans.json").write_text("{}")
    for fold in folds:
        (folder / f"fold_{fold}").mkdir()
        (folder / f"fold_{fold}" / "checkpoint_final.pth").write_bytes(b"weights " + str(fold).encode())
    if card:
        write_card(folder, card)
    return folder


@pytest.fixture(autouse=True)
def library(tmp_path, monkeypatch):
    monkeypatch.setenv("BREASTSEG_MODELS", str(tmp_path / "no models"))


@pytest.fixture
def model(tmp_path):
    return make_model(tmp_path / "mine é")


def refused(folder):
    with pytest.raises(BadInput) as caught:
        open_model(folder)
    assert "\n" not in caught.value.line
    return caught.value.line


def edit_card(folder, **changes):
    card = {**read_json(folder / NAME), **changes}
    (folder / NAME).write_text(json.dumps({key: value for key, value in card.items() if value is not None}))


def test_a_whole_model(model):
    opened = open_model(model)
    assert opened.name == "mine"
    assert opened.folds == ("0",)
    assert opened.channel_names == ("pre", "post1", "post2", "last")
    assert opened.card["format"] == "breastseg-card-1"
    assert opened.folder == model.resolve()


def test_folds_in_order(tmp_path):
    assert open_model(make_model(tmp_path / "m", (3, 0, "all", 1))).folds == ("0", "1", "3", "all")


def test_checksums_are_sha256_of_every_file(model):
    sums = checksums(model)
    assert set(sums) == {"dataset.json", "plans.json", "fold_0/checkpoint_final.pth"}
    for name, value in sums.items():
        assert value == hashlib.sha256((model / name).read_bytes()).hexdigest()


def test_hash_follows_the_weights_only(model):
    before = open_model(model).hash
    write_card(model, {**CARD, "title": "Another"})
    assert open_model(model).hash == before
    (model / "fold_0" / "checkpoint_final.pth").write_bytes(b"other")
    write_card(model, CARD)
    assert open_model(model).hash != before


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("plans.json", ["plans.json is missing", "Choose the folder"]),
        ("dataset.json", ["dataset.json is missing"]),
        ("fold_0/checkpoint_final.pth", ["no checkpoint", "fold_*/checkpoint_final.pth"]),
        (NAME, ["no model card", NAME]),
    ],
)
def test_a_missing_file_is_one_line(model, name, words):
    (model / name).unlink()
    line = refused(model)
    assert all(word in line for word in words), line
    assert str(model.resolve()) in line or str(model) in line


@pytest.mark.parametrize("name", ["plans.json", "dataset.json", "fold_0/checkpoint_final.pth"])
def test_a_changed_file_is_one_line(model, name):
    with open(model / name, "ab") as stream:
        stream.write(b" ")
    assert changed_files(model, read_card(model)) == [name]
    line = refused(model)
    assert name in line
    assert "changed" in line
    assert "Install the model again" in line


def test_one_of_two_checkpoints_missing(tmp_path):
    folder = make_model(tmp_path / "m", ("0", "1"))
    (folder / "fold_1" / "checkpoint_final.pth").unlink()
    assert "fold_1/checkpoint_final.pth" in refused(folder)


def test_a_checkpoint_that_the_card_does_not_know(model):
    """Loading a checkpoint can run code: one that was slipped in beside the others must not be taken."""
    (model / "fold_1").mkdir()
    (model / "fold_1" / "checkpoint_final.pth").write_bytes(b"slipped in")
    assert "fold_1/checkpoint_final.pth" in refused(model)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "else"}, ["unknown format", "breastseg-card-1"]),
        ({"recipe": None}, ["no recipe"]),
        ({"recipe": None, "licence": None}, ["recipe", "licence"]),
        ({"labels": {}}, ["no labels"]),
        ({"labels": ["lesion"]}, ["no labels"]),
        ({"labels": {"lesion": 1}}, ["label 'lesion'", "mass, neoplasm"]),
        ({"labels": {"lesion": {"value": "1", "terminology": "mass"}}}, ["label 'lesion'"]),
        ({"labels": {"lesion": {"value": 1, "terminology": "lump"}}}, ["label 'lesion'", "mass, neoplasm"]),
        ({"checksums": []}, ["checksums"]),
        ({"checksums": {}}, ["fold_0/checkpoint_final.pth"]),
        ({"checksums": {"../secret": "0"}}, ["outside the model"]),
        ({"checksums": {"/etc/secret": "0"}}, ["outside the model"]),
        ({"checksums": {"c:secret": "0"}}, ["outside the model"]),
        ({"checksums": {"plans.json": 3}}, ["checksums"]),
        ({"recipe": "../secret.json"}, ["not the name of a recipe"]),
        ({"recipe": 3}, ["recipe"]),
        ({"recipe_hash": 3}, ["recipe"]),
        ({"title": 3}, ["title"]),
        ({"licence": {"name": "x"}}, ["licence"]),
        ({"citation": 3}, ["citation"]),
        ({"configuration": 3}, ["configuration"]),
        ({"checkpoint": "../x.pth"}, ["not the name of a checkpoint"]),
        ({"labels": {"lesion": {"value": True, "terminology": "mass"}}}, ["label 'lesion'"]),
        ({"labels": {"lesion": {"value": 0, "terminology": "mass"}}}, ["above 0"]),
        ({"labels": {name: {"value": 1, "terminology": "mass"} for name in "ab"}}, ["differ"]),
        ({"name": 3}, ["name"]),
    ],
)
def test_a_wrong_card_is_one_line(model, changes, words):
    edit_card(model, **changes)
    line = refused(model)
    assert all(word in line for word in words), line


def test_texts_of_a_card_cannot_write_over_other_lines_of_a_terminal(model):
    edit_card(model, title="Good\n\x1b[2JEvery model\r is fine", licence="CC\x1b]0;x\x07", citation="Ärzteblatt, 2025")
    card = open_model(model).card
    assert card["title"] == "Good \\x1b[2JEvery model is fine" and card["licence"] == "CC\\x1b]0;x\\x07"
    assert card["citation"] == "Ärzteblatt, 2025"


@pytest.mark.parametrize(
    "text", ["[]", "3", "{", '{"channel_names": ["pre"]}', '{"channel_names": {"a": "pre"}}', "{}"]
)
def test_a_wrong_dataset_is_one_line(model, text):
    (model / "dataset.json").write_text(text)
    write_card(model, CARD)
    assert "dataset.json" in refused(model)


def test_a_card_that_is_not_json(model):
    (model / NAME).write_text("{")
    assert "not valid JSON" in refused(model)


def test_find_by_folder_and_by_name(tmp_path, monkeypatch, model):
    monkeypatch.setattr(library_module, "SHIPPED", tmp_path / "library")
    make_model(tmp_path / "library" / "mine")
    assert find_model("mine").folder == (tmp_path / "library" / "mine").resolve()
    assert find_model(model).folder == model.resolve()
    assert find_model(str(model)).name == "mine"


@pytest.mark.parametrize("name", ["nothing", "", "no/such/folder", "c:\\models\\x", ".."])
def test_no_such_model_lists_what_there_is(tmp_path, monkeypatch, name):
    monkeypatch.setattr(library_module, "SHIPPED", tmp_path / "library")
    monkeypatch.chdir(tmp_path)
    make_model(tmp_path / "library" / "mine")
    with pytest.raises(BadInput) as caught:
        find_model(name)
    assert ("Installed: mine" in caught.value.line) == (name != "..")
    assert "\n" not in caught.value.line


def test_list(tmp_path):
    assert list_models(tmp_path / "missing") == []
    make_model(tmp_path / "b", card={**CARD, "name": "b"})
    make_model(tmp_path / "a", card={**CARD, "name": "a"})
    make_model(tmp_path / "not a model", card=None)
    assert [model.name for model in list_models(tmp_path)] == ["a", "b"]


def test_a_broken_model_does_not_hide_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(library_module, "SHIPPED", tmp_path)
    make_model(tmp_path / "good", card={**CARD, "name": "good"})
    shutil.rmtree(make_model(tmp_path / "broken", card={**CARD, "name": "broken"}) / "fold_0")
    with pytest.raises(BadInput, match="no such model.*Installed: .*good"):
        find_model("nothing")


def test_shipped_models_are_whole():
    if not library_module.SHIPPED.is_dir():
        pytest.skip("this checkout has no shipped models")
    for model in list_models():
        assert model.folder.name == model.name
        recipe = load_recipe(model.recipe_source)
        assert model.shipped and model.configuration in ("2d", "3d_fullres")
        assert model.card["recipe_hash"] == recipe.hash
        assert len(recipe.channel_names) == len(model.channel_names)
        size = sum(path.stat().st_size for path in Path(model.folder).rglob("*") if path.is_file())
        assert size <= 3.5e6


def test_one_broken_model_does_not_hide_the_rest(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(library_module, "SHIPPED", tmp_path)
    make_model(tmp_path / "whole", card={**CARD, "name": "whole"})
    (make_model(tmp_path / "broken") / "plans.json").unlink()
    models, problems = survey()
    assert [model.name for model in models] == ["whole"]
    assert list(problems) == ["broken"] and "plans.json is missing" in problems["broken"].line
    from BreastSegLib.commands import run

    assert run(["models", "list"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 3 and printed[1].startswith("whole  Mine") and printed[2].startswith("broken: not usable")

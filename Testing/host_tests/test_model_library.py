"""The model library in the window: every button, with the real commands behind it. Only file dialogs are stand-ins."""

# ruff: noqa: F811 - fixtures

import sys
import zipfile

import pytest
from breastseg_fixtures import breastseg, finish, load, scene, turnUntil, widget  # noqa: F401
from library_fixtures import (  # noqa: F401
    card,
    choose,
    finishWork,
    installFolder,
    installZip,
    library,
    libraryFolder,
    names,
    press,
    said,
    screen,
    select,
    uncarded,
    zipOf,
)

SHIPPED = ["demo-dce", "demo-mass-region"]


def cells(window, name):
    """Return the texts of a model's row."""
    row = names(window).index(name)
    return [window.ui.modelTable.item(row, column).text() for column in range(window.ui.modelTable.columnCount)]


def test_an_empty_library_shows_the_shipped_models_and_where_models_go(library, libraryFolder):
    assert names(library) == SHIPPED and screen(library) == "listScreen"
    assert cells(library, "demo-dce")[1:4] == ["DCE-MRI, 3 channels", "3D", "all"]
    assert cells(library, "demo-mass-region")[1:3] == ["Mammograms", "2D"]
    assert str(libraryFolder) in library.ui.libraryFolderLabel.text
    assert not library.ui.removeButton.isEnabled() and "comes with BreastSeg" in library.ui.removeButton.toolTip
    assert not library.ui.libraryProgressFrame.isVisible()


def test_a_zip_with_a_card_is_installed_and_chosen(library, widget, tiny_model, tmp_path, monkeypatch):
    installZip(library, monkeypatch, zipOf(tiny_model, tmp_path / "tiny.zip"))
    assert said(library) == "tiny is installed."
    assert names(library) == ["tiny", *SHIPPED] and library.table.row.name == "tiny"
    assert cells(library, "tiny")[1:4] == ["DCE-MRI, 3 channels", "3D", "0, 1"]
    assert cells(library, "tiny")[4].endswith((" kB", " MB")) and cells(library, "tiny")[4] != "0 kB"
    assert widget.panel.ui.modelBox.currentText == "tiny"
    assert widget.panel.modelStep.model.folder.parent == library_folder()
    assert "1 model of your own" in library.ui.libraryFolderLabel.text


def library_folder():
    from BreastSegLib.models import place

    return place.library_folder()


def test_a_model_without_a_card_is_asked_about(library, widget, uncarded, libraryFolder, monkeypatch):
    installFolder(library, monkeypatch, uncarded)
    ui = library.ui
    assert screen(library) == "ModelCard" and not ui.cardInstallButton.isEnabled()
    assert ui.cardChannelsLabel.text == "pre, post1, post2" and ui.cardNameEdit.text == "Tiny"
    offered = [ui.cardRecipeBox.itemText(k) for k in range(ui.cardRecipeBox.count)]
    assert offered[0] == "Please choose", "two recipes have channels of these names"
    assert offered[1].startswith("Phase-aware") and offered[2].startswith("Phase-aware")
    ui.cardRecipeBox.setCurrentIndex(offered.index("Phase-aware DCE-MRI: pre, first and second post-contrast phase"))
    assert "pre, post1, post2" in ui.cardWhyLabel.text
    assert ui.cardLabelTable.item(0, 0).text() == "lesion (1)"
    ui.cardLabelTable.cellWidget(0, 1).setCurrentIndex(2)
    assert ui.cardNoteLabel.text.endswith("Write the licence, or “unknown”.")
    ui.cardLicenceEdit.text = "CC BY-NC 4.0"
    press(library, "cardInstallButton")
    finishWork(library)
    assert said(library) == "Tiny is installed." and screen(library) == "listScreen"
    made = card(libraryFolder / "Tiny")
    assert made["recipe"] == "phase-aware-0000-0002" and made["licence"] == "CC BY-NC 4.0"
    assert made["labels"] == {"lesion": {"value": 1, "terminology": "neoplasm"}}
    assert widget.panel.ui.modelBox.currentText == "Tiny"


def test_the_user_can_go_back_from_the_card(library, uncarded, libraryFolder, monkeypatch):
    installFolder(library, monkeypatch, uncarded)
    assert screen(library) == "ModelCard"
    library.ui.cardNameEdit.text = "demo-dce"
    assert "is there already" in library.ui.cardInstallButton.toolTip
    library.ui.cardNameEdit.text = "a/b"
    assert "cannot be named" in library.ui.cardInstallButton.toolTip
    press(library, "cardBackButton")
    assert screen(library) == "listScreen" and names(library) == SHIPPED
    assert [path for path in libraryFolder.iterdir() if path.is_dir()] == []


def test_verify_finds_a_changed_file(library, tiny_model, libraryFolder, tmp_path, monkeypatch):
    installFolder(library, monkeypatch, tiny_model)
    press(library, "verifyButton")
    finishWork(library)
    assert said(library).startswith("Every file of tiny") and cells(library, "tiny")[-1] == "Verified"
    with open(libraryFolder / "tiny" / "plans.json", "ab") as stream:
        stream.write(b" ")
    press(library, "verifyButton")
    finishWork(library)
    assert "plans.json" in said(library) and cells(library, "tiny")[-1] == "Damaged"


def test_rename_keeps_the_choice(library, widget, tiny_model, libraryFolder, monkeypatch):
    installFolder(library, monkeypatch, tiny_model)
    press(library, "renameButton")
    assert screen(library) == "askScreen" and library.ui.askEdit.text == "tiny"
    assert not library.ui.askButton.isEnabled()
    library.ui.askEdit.text = "my-model"
    press(library, "askButton")
    finishWork(library)
    assert said(library) == "Renamed to my-model." and "my-model" in names(library) and "tiny" not in names(library)
    assert (libraryFolder / "my-model").is_dir() and widget.panel.ui.modelBox.currentText == "my-model"


def test_a_name_that_cannot_be_is_said_and_nothing_changes(library, tiny_model, libraryFolder, monkeypatch):
    installFolder(library, monkeypatch, tiny_model)
    press(library, "renameButton")
    for wrong in ("../outside", "nul", "--help", " "):
        library.ui.askEdit.text = wrong
        assert not library.ui.askButton.isEnabled() and library.ui.askButton.toolTip
    library.ui.askEdit.text = "demo-dce"
    press(library, "askButton")
    finishWork(library)
    assert "There is a model named demo-dce" in said(library) and "\n" not in said(library)
    assert names(library) == ["tiny", *SHIPPED] and (libraryFolder / "tiny").is_dir()


def test_the_chosen_model_is_removed(library, widget, tiny_model, libraryFolder, monkeypatch):
    installFolder(library, monkeypatch, tiny_model)
    assert widget.panel.ui.modelBox.currentText == "tiny"
    press(library, "removeButton")
    assert "tiny" in library.ui.askTitleLabel.text and library.ui.askBackButton.isEnabled()
    press(library, "askButton")
    finishWork(library)
    assert said(library) == "tiny was removed." and names(library) == SHIPPED
    assert not (libraryFolder / "tiny").exists()
    assert widget.panel.modelStep.model is None, "another model must not take its place unnoticed"
    assert widget.panel.ui.modelCardLabel.text == (
        "The model “tiny” is not installed. Choose another one, or install it with “Models…”."
    )


def test_export_installs_elsewhere(library, tiny_model, libraryFolder, tmp_path, monkeypatch):
    installFolder(library, monkeypatch, tiny_model)
    choose(monkeypatch, tmp_path / "out" / "tiny-model.zip", "getSaveFileName")
    (tmp_path / "out").mkdir()
    press(library, "exportButton")
    finishWork(library)
    assert said(library).startswith("tiny was written to")
    assert any(
        name.endswith("breastseg.json") for name in zipfile.ZipFile(tmp_path / "out" / "tiny-model.zip").namelist()
    )
    monkeypatch.setenv("BREASTSEG_MODELS", str(tmp_path / "elsewhere"))
    library.refresh()
    assert names(library) == SHIPPED
    installZip(library, monkeypatch, tmp_path / "out" / "tiny-model.zip")
    assert said(library) == "tiny is installed." and (tmp_path / "elsewhere" / "tiny").is_dir()


def test_an_ensemble_is_made_and_chosen(library, widget, tiny_model, tmp_path, monkeypatch):
    from tiny_model import make_tiny_model

    installFolder(library, monkeypatch, tiny_model)
    installFolder(library, monkeypatch, make_tiny_model(tmp_path / "other", name="other", seed=5))
    press(library, "combineButton")
    ui = library.ui
    assert not ui.combineMakeButton.isEnabled() and ui.combineNoteLabel.text == "Tick at least two models."
    rows = {ui.combineList.item(k).text(): ui.combineList.item(k) for k in range(ui.combineList.count)}
    rows["tiny"].setCheckState(2)
    rows["other"].setCheckState(2)
    assert ui.combineNoteLabel.text == "Give the new model a name."
    ui.combineNameEdit.text = "both"
    press(library, "combineMakeButton")
    finishWork(library)
    assert said(library) == "both is installed." and cells(library, "both")[2] == "Ensemble of 2"
    assert widget.panel.modelStep.model.name == "both" and len(widget.panel.modelStep.model.members) == 2
    select(library, "tiny")
    press(library, "removeButton")
    press(library, "askButton")
    finishWork(library)
    assert "both" in said(library) and "tiny" in names(library), "a model that an ensemble uses stays"


def test_the_catalogue_wants_file_and_licence(library, libraryFolder, mamaMia, tmp_path, monkeypatch):
    press(library, "catalogueButton")
    ui = library.ui
    titles = [ui.catalogueList.item(k).text() for k in range(ui.catalogueList.count)]
    ui.catalogueList.setCurrentRow(next(k for k, title in enumerate(titles) if title.startswith("MAMA-MIA")))
    assert "Synapse" in ui.catalogueDetailsLabel.text and "CC BY-NC 4.0" in ui.catalogueDetailsLabel.text
    assert ui.catalogueInstallButton.toolTip == "Choose the file first."
    choose(monkeypatch, mamaMia)
    press(library, "catalogueFileButton")
    assert ui.catalogueInstallButton.toolTip == "Accept the licence first."
    ui.catalogueLicenceCheck.setChecked(True)
    press(library, "catalogueInstallButton")
    finishWork(library)
    assert said(library) == "mama-mia is installed.", said(library)
    assert card(libraryFolder / "mama-mia")["recipe"] == "mama-mia-first-post"


@pytest.fixture
def mamaMia(tmp_path):
    """A zip that looks like the MAMA-MIA weights, with a tiny network."""
    from tiny_model import make_tiny_model

    folder = tmp_path / "Dataset105_full_image" / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    make_tiny_model(folder, recipe="mama-mia-first-post")
    (folder / "breastseg.json").unlink()
    return zipOf(folder.parent, tmp_path / "weights.zip")


def test_known_weights_ask_for_their_licence_only(library, libraryFolder, mamaMia, monkeypatch):
    installZip(library, monkeypatch, mamaMia)
    assert screen(library) == "askScreen" and "CC BY-NC 4.0" in library.ui.askCheck.text
    assert not library.ui.askButton.isEnabled()
    library.ui.askCheck.setChecked(True)
    press(library, "askButton")
    finishWork(library)
    assert said(library).startswith("mama-mia is installed.") and "recipe mama-mia-first-post" in said(library)


class Odd:
    """A class that no checkpoint of nnU-Net holds; harmless, but nobody can know that from its name."""


def make_odd(folder):
    """Add an object of a foreign class to the checkpoint of a model."""
    import torch

    path = folder / "fold_0" / "checkpoint_final.pth"
    content = torch.load(path, map_location="cpu", weights_only=False)
    Odd.__module__ = "somebodys_trainer"
    sys.modules["somebodys_trainer"] = sys.modules[__name__]
    try:
        torch.save({**content, "extra": Odd()}, path)
    finally:
        del sys.modules["somebodys_trainer"]
        Odd.__module__ = __name__


def test_an_unsafe_checkpoint_is_refused_by_name_until_it_is_trusted(
    library,
    tiny_model,
    libraryFolder,
    tmp_path,
    monkeypatch,
):
    from tiny_model import make_tiny_model

    source = make_tiny_model(tmp_path / "odd", name="odd")
    make_odd(source)
    (source / "breastseg.json").unlink()
    from BreastSegLib.models.card import write_card
    from BreastSegLib.models.library import open_model

    write_card(source, {key: value for key, value in open_model(tiny_model).card.items() if key != "checksums"})
    installFolder(library, monkeypatch, source)
    assert screen(library) == "askScreen" and "somebodys_trainer.Odd" in library.ui.askLabel.text
    assert "your rights" in library.ui.askLabel.text and not library.ui.askButton.isEnabled()
    press(library, "askBackButton")
    assert names(library) == SHIPPED, "back means no"
    installFolder(library, monkeypatch, source)
    library.ui.askCheck.setChecked(True)
    press(library, "askButton")
    finishWork(library)
    turnUntil(lambda: not library.work.running and screen(library) == "listScreen")
    assert said(library) == "tiny is installed.", said(library)


def test_a_checkpoint_that_runs_code_cannot_be_trusted(library, tmp_path, monkeypatch):
    import pickle

    from tiny_model import make_tiny_model

    class Evil:
        def __reduce__(self):
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    source = make_tiny_model(tmp_path / "evil")
    (source / "fold_0" / "checkpoint_final.pth").write_bytes(pickle.dumps({"network_weights": Evil()}, protocol=2))
    (source / "breastseg.json").unlink()
    installFolder(library, monkeypatch, source)
    if screen(library) == "ModelCard":
        fillCard(library)
    assert screen(library) != "askScreen" and "builtins.exec" in said(library), said(library)
    assert names(library) == SHIPPED and not (tmp_path / "ran").exists()


def fillCard(window):
    """Answer everything that the card dialog asks."""
    ui = window.ui
    ui.cardRecipeBox.setCurrentIndex(1)
    for row in range(ui.cardLabelTable.rowCount):
        ui.cardLabelTable.cellWidget(row, 1).setCurrentIndex(1)
    ui.cardLicenceEdit.text = "unknown"
    press(window, "cardInstallButton")
    finishWork(window)


def test_what_is_no_model_is_said_in_one_line(library, libraryFolder, tmp_path, monkeypatch):
    (tmp_path / "holiday.zip").write_bytes(b"not a zip")
    installZip(library, monkeypatch, tmp_path / "holiday.zip")
    assert "holiday.zip" in said(library) and "\n" not in said(library) and "Traceback" not in said(library)
    (tmp_path / "empty").mkdir()
    installFolder(library, monkeypatch, tmp_path / "empty")
    assert "empty" in said(library) and names(library) == SHIPPED
    assert [path for path in libraryFolder.iterdir() if path.is_dir()] == [], "nothing is left behind"


def test_the_library_can_be_moved(library, widget, tmp_path, tiny_model, monkeypatch):
    assert not library.ui.libraryFolderButton.isEnabled(), "an environment variable decides"
    monkeypatch.delenv("BREASTSEG_MODELS")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    library.refresh()
    installFolder(library, monkeypatch, tiny_model)
    assert names(library) == ["tiny", *SHIPPED]
    choose(monkeypatch, tmp_path / "other disk", "getExistingDirectory")
    press(library, "libraryFolderButton")
    assert str(tmp_path / "other disk") in library.ui.libraryFolderLabel.text and names(library) == SHIPPED
    assert (tmp_path / "data" / "BreastSeg" / "models" / "tiny").is_dir(), "models that are elsewhere stay there"
    choose(monkeypatch, tiny_model, "getExistingDirectory")
    press(library, "libraryFolderButton")
    assert "itself a model" in said(library) and str(tmp_path / "other disk") in library.ui.libraryFolderLabel.text


def test_a_taken_name_asks_for_another(library, tiny_model, monkeypatch):
    installFolder(library, monkeypatch, tiny_model)
    installFolder(library, monkeypatch, tiny_model)
    assert screen(library) == "askScreen" and library.ui.askTitleLabel.text == "A model named tiny is there already"
    library.ui.askEdit.text = "tiny-2"
    press(library, "askButton")
    finishWork(library)
    assert said(library) == "tiny-2 is installed." and names(library) == ["tiny", "tiny-2", *SHIPPED]


def test_an_installed_model_is_there_after_the_scene_was_closed(
    library,
    widget,
    tiny_model,
    dicom_sample,
    monkeypatch,
):
    import slicer

    installFolder(library, monkeypatch, tiny_model)
    slicer.mrmlScene.Clear(0)
    assert names(library) == ["tiny", *SHIPPED]
    panel = widget.panel
    panel.modelStep.chooseModel("demo-dce")
    panel.modelStep.chooseModel("tiny")
    assert widget.logic.getParameterNode().model == "tiny", "the scene keeps the chosen model"
    panel.modelStep.chooseDevice("cpu")
    load(panel, dicom_sample / "exam")
    panel.ui.segmentButton.click()
    finish(panel)
    assert panel.result is not None and panel.result.record["model"]["name"] == "tiny"

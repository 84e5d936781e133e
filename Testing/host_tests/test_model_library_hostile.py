"""The model library when things go wrong: cancelled, closed, pulled away, used twice at once; and it never waits."""

# ruff: noqa: F811 - fixtures

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from breastseg_fixtures import breastseg, finish, load, scene, turnUntil, widget  # noqa: F401
from library_fixtures import (  # noqa: F401
    choose,
    finishWork,
    hold,
    installFolder,
    letGo,
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
from test_breastseg_responsive import LIMIT_S, longestBlock
from test_model_library import SHIPPED

LARGE = 96 * 2**20


@pytest.fixture
def large(tmp_path):
    """A zip of a model that takes a while to unpack, copy and check."""
    import torch
    from BreastSegLib.models.card import write_card
    from BreastSegLib.models.library import open_model
    from tiny_model import make_tiny_model

    folder = make_tiny_model(tmp_path / "large", name="large")
    path = folder / "fold_0" / "checkpoint_final.pth"
    content = torch.load(path, map_location="cpu", weights_only=False)
    torch.save({**content, "optimizer_state": torch.rand(LARGE // 4)}, path)
    card = {key: value for key, value in open_model(folder, verify=False).card.items() if key != "checksums"}
    write_card(folder, card)
    return zipOf(folder, tmp_path / "large.zip")


def leftIn(folder):
    """Return what is in a library folder but the models and our own lists and locks."""
    return [path.name for path in Path(folder).iterdir() if path.name.startswith(".making-")]


def test_the_window_lives_while_a_large_model_is_installed(library, large, monkeypatch):
    import slicer

    choose(monkeypatch, large)
    stages = []

    def install():
        library.zipAction.trigger()
        while library.work.running:
            slicer.app.processEvents()
            time.sleep(0.002)
            stage = said(library).split(" – ")[0]
            if stage not in stages:
                stages.append(stage)
        if "large" in names(library):
            select(library, "large")
            press(library, "removeButton")
            press(library, "askButton")
            finishWork(library)

    seconds, report = longestBlock(install)
    assert seconds < LIMIT_S, report
    assert said(library) == "large was removed." and len(stages) >= 2, stages


@pytest.mark.parametrize("moment", ["at once", "while it copies"])
def test_cancel_leaves_the_library_as_it_was(library, large, libraryFolder, monkeypatch, moment):
    choose(monkeypatch, large)
    library.zipAction.trigger()
    assert library.work.running and library.ui.libraryProgressFrame.isVisible()
    if moment == "while it copies":
        turnUntil(lambda: library.ui.libraryProgressBar.maximum > 0 or not library.work.running)
    began = time.monotonic()
    press(library, "libraryCancelButton")
    assert said(library) == "Cancelling …" and not library.ui.libraryCancelButton.isEnabled()
    turnUntil(lambda: not library.work.running, patience=6)
    assert time.monotonic() - began < 4
    assert said(library) == "Cancelled; nothing was changed." and names(library) == SHIPPED
    assert leftIn(libraryFolder) == [], "what was copied is gone"
    installFolder(library, monkeypatch, large)
    assert "large" in names(library), "it works after that"


def test_a_command_that_does_not_listen_is_killed(library, large, libraryFolder, monkeypatch):
    choose(monkeypatch, large)
    library.zipAction.trigger()
    turnUntil(lambda: library.ui.libraryProgressBar.maximum > 0)
    pid = library.work.pid
    hold(library)
    press(library, "libraryCancelButton")
    turnUntil(lambda: not library.work.running, patience=6)
    assert said(library) == "Cancelled; nothing was changed." and not Path(f"/proc/{pid}").exists()
    installFolder(library, monkeypatch, large)
    assert leftIn(libraryFolder) == [], "the next command clears up after the killed one"


def test_a_command_that_dies_is_told(library, large, monkeypatch):
    choose(monkeypatch, large)
    library.zipAction.trigger()
    turnUntil(lambda: library.ui.libraryProgressBar.maximum > 0)
    os.kill(library.work.pid, signal.SIGKILL)
    finishWork(library)
    assert "was killed by signal 9" in said(library) and names(library) == SHIPPED
    assert library.ui.libraryScreens.isEnabled() and not library.ui.libraryProgressFrame.isVisible()


def test_a_closed_window_lets_the_installation_finish(library, widget, large, monkeypatch):
    choose(monkeypatch, large)
    library.zipAction.trigger()
    turnUntil(lambda: library.ui.libraryProgressBar.maximum > 0)
    library.dialog.close()
    assert not library.shown and library.work.running
    widget.panel.ui.modelsButton.click()
    assert library.shown and library.ui.libraryProgressFrame.isVisible(), "it shows how far it is"
    library.dialog.close()
    finishWork(library)
    assert widget.panel.ui.modelBox.currentText == "large"
    assert "large is installed." in widget.panel.ui.logText.toPlainText()


def test_a_failure_behind_a_closed_window_is_told(library, large, monkeypatch):
    import slicer

    told = []
    monkeypatch.setattr(slicer.util, "warningDisplay", lambda text, **options: told.append(text))
    choose(monkeypatch, large)
    library.zipAction.trigger()
    turnUntil(lambda: library.ui.libraryProgressBar.maximum > 0)
    library.dialog.close()
    os.kill(library.work.pid, signal.SIGKILL)
    finishWork(library)
    assert len(told) == 1 and "was killed" in told[0]


def test_the_panel_goes_away_during_an_installation(library, widget, large, libraryFolder, monkeypatch):
    choose(monkeypatch, large)
    library.zipAction.trigger()
    turnUntil(lambda: library.ui.libraryProgressBar.maximum > 0)
    pid = library.work.pid
    widget.panel.modelWindows.close()
    assert not Path(f"/proc/{pid}").exists() and leftIn(libraryFolder) == []


def test_the_library_folder_vanishes(library, widget, tiny_model, libraryFolder, monkeypatch):
    installFolder(library, monkeypatch, tiny_model)
    shutil.rmtree(libraryFolder)
    press(library, "verifyButton")
    finishWork(library)
    assert said(library) and "Traceback" not in said(library) and "\n" not in said(library)
    assert names(library) == SHIPPED and widget.panel.modelStep.model is None
    library.ui.libraryCloseButton.click()
    widget.panel.ui.modelsButton.click()
    assert library.shown and names(library) == SHIPPED
    libraryFolder.write_text("no folder any more")
    installFolder(library, monkeypatch, tiny_model)
    assert names(library) == SHIPPED and said(library) and "\n" not in said(library)


def test_a_model_that_somebody_damaged_is_shown_and_can_be_removed(library, tiny_model, libraryFolder, monkeypatch):
    installFolder(library, monkeypatch, tiny_model)
    (libraryFolder / "tiny" / "plans.json").unlink()
    library.showList()
    select(library, "tiny")
    assert "plans.json" in library.ui.modelDetailsLabel.text and not library.ui.verifyButton.isEnabled()
    press(library, "removeButton")
    press(library, "askButton")
    finishWork(library)
    assert names(library) == SHIPPED and not (libraryFolder / "tiny").exists()


def test_a_model_at_work_stays(library, widget, tiny_model, dicom_sample, monkeypatch):
    installFolder(library, monkeypatch, tiny_model)
    panel = widget.panel
    panel.modelStep.chooseDevice("cpu")
    load(panel, dicom_sample / "exam")
    panel.ui.segmentButton.click()
    turnUntil(lambda: panel.session.workerBusy)
    press(library, "removeButton")
    press(library, "askButton")
    assert said(library) == "A model is at work. Wait for its end or cancel it." and not library.work.running
    finish(panel)
    assert panel.result is not None
    press(library, "askButton")
    finishWork(library)
    assert names(library) == SHIPPED


@pytest.fixture
def second(library):
    """Another window on the same library, as of a second application."""
    from BreastSegLib.panel.modellibrary import ModelLibrary

    window = ModelLibrary(None, lambda names: None, lambda *said: None, lambda: "", lambda: None)
    window.open()
    yield window
    window.close()


def test_two_windows_install_the_same_model_at_once(library, second, tiny_model, libraryFolder, monkeypatch):
    choose(monkeypatch, tiny_model, "getExistingDirectory")
    library.folderAction.trigger()
    second.folderAction.trigger()
    turnUntil(lambda: not library.work.running and not second.work.running)
    ends = sorted([screen(library), screen(second)])
    assert ends == ["askScreen", "listScreen"], "one installs it, the other is told that the name is taken"
    assert leftIn(libraryFolder) == []
    library.showList()
    assert names(library) == ["tiny", *SHIPPED]


def test_the_other_window_removes_the_model(library, second, widget, tiny_model, monkeypatch):
    installFolder(library, monkeypatch, tiny_model)
    second.showList()
    select(second, "tiny")
    press(second, "removeButton")
    press(second, "askButton")
    finishWork(second)
    press(library, "verifyButton")
    finishWork(library)
    assert "tiny" in said(library) and names(library) == SHIPPED and widget.panel.modelStep.model is None


def test_held_commands_do_not_pile_up(library, uncarded, monkeypatch):
    choose(monkeypatch, uncarded, "getExistingDirectory")
    library.folderAction.trigger()
    hold(library)
    assert not library.ui.libraryScreens.isEnabled(), "no second command while one is at work"
    letGo(library)
    finishWork(library)
    assert screen(library) == "ModelCard"

"""What the tests of the model library share: a library folder of their own, its window, and things to install."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from breastseg_fixtures import turnUntil

CARD = "breastseg.json"


@pytest.fixture
def libraryFolder(tmp_path, monkeypatch):
    """An empty model library, in a folder that is not easy to write down."""
    folder = tmp_path / "mögliche Modelle"
    folder.mkdir()
    monkeypatch.setenv("BREASTSEG_MODELS", str(folder))
    return folder


@pytest.fixture
def library(widget, libraryFolder):
    """The window "Models", opened by the user with the button of step 2."""
    panel = widget.panel
    panel.modelStep.refresh()
    panel.modelStep.chooseModel("demo-dce")
    panel.ui.modelsButton.click()
    library = panel.modelWindows.library
    assert library.shown
    yield library
    panel.modelWindows.close()
    panel.modelStep.chooseModel("demo-dce")


@pytest.fixture
def uncarded(tiny_model, tmp_path):
    """A model folder as nnU-Net leaves it: no card."""
    folder = shutil.copytree(tiny_model, tmp_path / "Dataset501_Breast" / "nnUNetTrainer__nnUNetPlans__3d_fullres")
    (folder / CARD).unlink()
    return folder


def zipOf(folder, path):
    """Zip a folder, with its name, and return the zip's path."""
    return Path(shutil.make_archive(str(path.with_suffix("")), "zip", folder.parent, folder.name))


def choose(monkeypatch, path, how="getOpenFileName"):
    """Let the next file dialogs answer with a path."""
    import qt

    monkeypatch.setattr(qt.QFileDialog, how, lambda *arguments: str(path))


def press(library, name):
    """Press a button of the window as a user can: it has to be there and enabled."""
    button = getattr(library.ui, name)
    assert button.isEnabled() and library.dialog.isVisible(), f"{name}: {button.toolTip}"
    button.click()


def finishWork(library):
    """Let the event loop turn until the command of the window has ended."""
    turnUntil(lambda: not library.work.running)


def installFolder(library, monkeypatch, folder):
    """Install a folder with the button."""
    choose(monkeypatch, folder, "getExistingDirectory")
    library.folderAction.trigger()
    finishWork(library)


def installZip(library, monkeypatch, path):
    """Install a zip with the button."""
    choose(monkeypatch, path)
    library.zipAction.trigger()
    finishWork(library)


def said(library):
    """Return the line at the bottom of the window."""
    return library.ui.libraryStatusLabel.text


def screen(library):
    """Return the name of the screen that is shown."""
    return library.ui.libraryScreens.currentWidget().objectName


def names(library):
    """Return the names in the table."""
    return [row.name for row in library.table.rows]


def select(library, name):
    """Click the row of a model."""
    library.ui.modelTable.selectRow(names(library).index(name))


def hold(library):
    """Stop the running command where it is, so that it is surely at work during what follows."""
    os.kill(library.work.pid, signal.SIGSTOP)


def letGo(library):
    """Let a held command go on."""
    os.kill(library.work.pid, signal.SIGCONT)


def card(folder):
    """Return the card of an installed model."""
    return json.loads((folder / CARD).read_text(encoding="utf-8"))

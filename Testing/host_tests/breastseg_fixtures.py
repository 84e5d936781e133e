"""What the tests of the BreastSeg module share: the host with the module loaded, an empty scene, and a panel."""

import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120


@pytest.fixture(scope="session")
def breastseg(_session_host):
    """The host with the BreastSeg module, in testing mode, with main window and views."""
    from Host import application

    return application.start([ROOT / "BreastSeg"], testing=True)


@pytest.fixture
def scene(breastseg, host):
    """The application's scene, empty before and after the test."""
    import slicer

    yield slicer.mrmlScene
    slicer.mrmlScene.Clear(0)


@pytest.fixture
def widget(scene):
    """The module's widget object, opened by the user. Its worker stays warm for the next test, as for the user."""
    import slicer

    slicer.util.selectModule("BreastSeg")
    widget = slicer.util.getModuleWidget("BreastSeg")
    widget.panel.examStep.setFolder("")
    widget.panel.reset()
    # The test before may have had other models.
    widget.panel.modelStep._own.clear()
    widget.panel.modelStep.refresh()
    widget.panel.modelStep.chooseModel("demo-dce")
    yield widget
    widget.panel.reset()


@pytest.fixture
def tiny_in_library(tiny_model, monkeypatch):
    """A library that holds nothing but the tiny model."""
    import sys

    for name in ("BreastSegLib.models", "BreastSegLib.models.library", "BreastSegLib.panel.modelstep"):
        __import__(name)
    from BreastSegLib.models import library

    def only_tiny(folder=None):
        return [library.open_model(tiny_model)], {}

    monkeypatch.setattr(sys.modules["BreastSegLib.panel.modelstep"], "survey", only_tiny)
    return tiny_model


@pytest.fixture
def panel(widget, tiny_in_library):
    """The module's panel with the tiny model chosen, on the CPU."""
    panel = widget.panel
    panel.modelStep.refresh()
    panel.modelStep.chooseModel("tiny")
    panel.modelStep.chooseDevice("cpu")
    return panel


def drain(turns):
    """Run a generator of turns to its end and return what it returns."""
    while True:
        try:
            next(turns)
        except StopIteration as end:
            return end.value


def turnUntil(condition, patience=PATIENCE_S):
    """Let the event loop turn until the condition holds; fail after `patience` seconds."""
    import slicer

    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"still waiting after {patience} s"
        slicer.app.processEvents()
        time.sleep(0.002)


@pytest.fixture
def one_event_a_turn(monkeypatch):
    """The panel hears of one event in each turn: on a fast machine a small exam is read between two looks."""
    from BreastSegLib.inference.client import WorkerClient

    poll, waiting = WorkerClient.poll, []

    def one(client):
        waiting.extend(poll(client))
        return [waiting.pop(0)] if waiting else []

    monkeypatch.setattr(WorkerClient, "poll", one)


def finish(panel):
    """Let the event loop turn until the panel has nothing more to do."""
    turnUntil(lambda: not panel.working)


def load(panel, folder):
    """Load an exam as the user does, and return what is shown."""
    panel.examStep.setFolder(str(folder))
    panel.ui.loadButton.click()
    assert panel.working == "loading", panel.ui.statusLabel.text
    finish(panel)
    return panel.examStep.exam


def status(panel):
    """Return the sentence of the status line."""
    return panel.ui.statusLabel.text

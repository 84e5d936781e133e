"""The "Check" button: what an interpreter lacks, on one screen, and the devices that it finds in the panel."""

# ruff: noqa: F811 - fixtures

import sys
from pathlib import Path

import pytest
from breastseg_fixtures import breastseg, scene, turnUntil, widget  # noqa: F401
from test_breastseg_responsive import LIMIT_S, longestBlock

GPUS = [
    {"device": "cuda:0", "name": "Card A", "memory_total": 24 * 2**30, "memory_free": 20 * 2**30, "problem": ""},
    {"device": "cuda:1", "name": "Card B", "memory_total": 8 * 2**30, "memory_free": None, "problem": ""},
    {"device": "cuda:2", "name": "Old", "memory_total": 2**30, "memory_free": 2**30, "problem": "is too old"},
    {"device": "cpu", "name": "CPU", "memory_total": 2**34, "memory_free": 2**33, "problem": ""},
]


@pytest.fixture
def panel(widget):
    """The panel with Slicer's own interpreter; devices and interpreter are as before afterwards."""
    panel = widget.panel
    former = panel.modelStep.interpreter
    panel.ui.advancedGroup.collapsed = False
    yield panel
    panel.ui.advancedGroup.collapsed = True
    panel.modelWindows.close()
    panel.ui.interpreterEdit.setCurrentPath(former)
    panel.modelStep.showDevices(())
    panel.modelStep.chooseDevice("cpu")


def check(panel):
    panel.ui.environmentButton.click()
    box = panel.modelWindows.environment
    assert box.checking and box.dialog.isVisible()
    turnUntil(lambda: not box.checking)
    return box


def cells(box):
    table = box.ui.environmentTable
    return [[table.item(row, column).text() for column in range(4)] for row in range(table.rowCount)]


def devices(panel):
    return [panel.ui.deviceBox.itemText(place) for place in range(panel.ui.deviceBox.count)]


def test_the_own_interpreter_is_looked_at_and_the_window_lives(panel):
    def look():
        check(panel)

    seconds, report = longestBlock(look)
    assert seconds < LIMIT_S, report
    box = panel.modelWindows.environment
    found = {row[0]: row for row in cells(box)}
    assert found["Python"][1] == "ok" and sys.version.split()[0] in found["Python"][2]
    assert found["torch"][1] == "ok" and found["nnunetv2"][1] == "ok"
    assert box.ui.environmentLabel.text == "Models can run with this Python."
    assert not box.ui.environmentProgressBar.isVisible() and box.ui.environmentAgainButton.isEnabled()


@pytest.mark.parametrize("what", ["missing", "no program", "silent"])
def test_an_interpreter_that_cannot_be_used_is_told(panel, tmp_path, what):
    path = tmp_path / "mein python"
    if what != "missing":
        path.write_text("#!/bin/sh\n" + ("exit 3\n" if what == "silent" else "echo rubbish\n"))
        path.chmod(0o755)
    panel.ui.interpreterEdit.setCurrentPath(str(path))
    box = check(panel)
    rows = cells(box)
    assert len(rows) == 1 and rows[0][1] == "missing" and str(path) in rows[0][2] and rows[0][3]
    assert box.ui.environmentLabel.text == "Models cannot run with this Python yet."


def test_closing_the_window_ends_the_check(panel, tmp_path):
    path, note = tmp_path / "sleeper", tmp_path / "pid"
    path.write_text(f"#!/bin/sh\necho $$ > '{note}'\nexec sleep 100\n")
    path.chmod(0o755)
    panel.ui.interpreterEdit.setCurrentPath(str(path))
    panel.ui.environmentButton.click()
    turnUntil(lambda: note.is_file() and note.read_text().strip())
    panel.modelWindows.environment.dialog.close()
    assert not panel.modelWindows.environment.checking
    turnUntil(lambda: not Path(f"/proc/{note.read_text().strip()}").exists(), patience=3)
    panel.ui.interpreterEdit.setCurrentPath("")
    assert check(panel).ui.environmentLabel.text == "Models can run with this Python.", "it can be asked again"


def test_found_devices_can_be_chosen(panel):
    step = panel.modelStep
    step.showDevices(())
    assert devices(panel) == ["Automatic (GPU; asks before the CPU)", "GPU (CUDA)", "CPU (slow)"]
    step.chooseDevice("cpu")
    step.showDevices(GPUS)
    assert devices(panel) == [
        "Automatic (GPU; asks before the CPU)",
        "GPU 0: Card A (24 GB, 20 GB free)",
        "GPU 1: Card B (8 GB)",
        "CPU (slow)",
    ]
    assert step.device == "cpu", "the choice stays"
    panel.ui.deviceBox.setCurrentIndex(2)
    assert step.device == "cuda:1" and panel._parameterNode.device == "cuda:1"


def test_the_device_of_another_computer_is_kept_and_nonsense_is_not(panel):
    step = panel.modelStep
    step.showDevices(())
    step.chooseDevice("cuda:3")
    assert step.device == "cuda:3" and devices(panel)[2] == "GPU 3"
    step.showDevices(GPUS)
    assert step.device == "cuda:3", "a run says that it is not there; nothing falls back silently"
    step.chooseDevice("cuda:1")
    assert step.device == "cuda:1"
    for nonsense in ("tpu", "cuda:", "cuda:999", ""):
        step.chooseDevice(nonsense)
        assert step.device == "auto"


def test_the_device_of_the_scene_is_shown(panel, widget):
    widget.logic.getParameterNode().device = "cuda:7"
    widget.initializeParameterNode()
    assert panel.modelStep.device == "cuda:7" and panel.ui.deviceBox.currentText == "GPU 7"

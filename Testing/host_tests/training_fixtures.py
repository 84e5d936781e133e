"""What the tests of the BreastSegTraining module share: the panel with an empty table, tables, and told commands."""

import csv
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120


@pytest.fixture(scope="session")
def training(_session_host):
    """The host with the BreastSegTraining module, in testing mode, with main window and views."""
    from Host import application

    return application.start([ROOT / "BreastSegTraining"], testing=True)


@pytest.fixture
def asked(monkeypatch):
    """Answers to the questions that the panel asks, by name; what was asked is kept under "asked"."""
    from BreastSegTrainingLib.panel import ask

    answers = {"asked": []}

    def answer(name, usual):
        def function(*arguments):
            answers["asked"].append((name, *arguments))
            return answers.get(name, usual)

        return function

    for name, usual in (
        ("fileToOpen", ""),
        ("filesToOpen", ()),
        ("fileToSave", ""),
        ("folder", ""),
        ("yes", True),
        ("unsaved", "cancel"),
        ("choice", -1),
    ):
        monkeypatch.setattr(ask, name, answer(name, usual))
    return answers


@pytest.fixture
def widget(training, host, asked):
    """The module's widget object, opened by the user, with an empty table."""
    import slicer

    slicer.util.selectModule("BreastSegTraining")
    widget = slicer.util.getModuleWidget("BreastSegTraining")
    _empty(widget.panel)
    yield widget
    _empty(widget.panel)
    slicer.mrmlScene.Clear(0)


@pytest.fixture
def panel(widget):
    """The module's panel."""
    return widget.panel


def _empty(panel):
    panel.work.close()
    panel.runner.abandon()
    panel._setIdle(True)
    panel.case.forget()
    panel.opened.clear()
    panel.file.new()
    panel.quality.chooseRules("")
    panel.dataset.recipe.choose("")
    panel.cases.recipe.choose("")
    panel.dataset.chooseStratify(())
    panel.ui.stateBox.setCurrentIndex(0)
    panel.ui.stepTabs.setCurrentIndex(0)
    for edit in (panel.ui.nameEdit, panel.ui.prefixEdit, panel.ui.licenceEdit, panel.ui.referenceEdit):
        edit.text = ""
    for edit in (panel.ui.outputEdit, panel.ui.keyEdit):
        edit.setCurrentPath("")
    panel.say("")
    panel.refresh()


class Told:
    """Stands for `ChildCommand`: tells the events that a test gives it."""

    made = []

    def __init__(self, arguments, python=None, environment=None, package="", folder=None):
        self.arguments, self.package, self.folder = list(arguments), package, folder
        self.events, self.calls, self.pid = [], [], 1
        Told.made.append(self)

    def start(self):
        self.calls.append("start")

    def poll(self):
        events, self.events = self.events, []
        return events

    def cancel(self):
        self.calls.append("cancel")

    def close(self):
        self.calls.append("close")


@pytest.fixture
def told(monkeypatch):
    """The commands that the panel starts, in order; they tell what a test gives them."""
    Told.made = []
    monkeypatch.setattr("BreastSegTrainingLib.panel.commandwork.ChildCommand", Told)
    return Told.made


def tell(panel, command, *events):
    """Tell events and let the panel's timer tick."""
    command.events += events
    turnUntil(lambda: not command.events, patience=5)


def turnUntil(condition, patience=PATIENCE_S):
    """Let the event loop turn until the condition holds; fail after `patience` seconds."""
    import slicer

    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"still waiting after {patience} s"
        slicer.app.processEvents()
        time.sleep(0.002)


def finish(panel):
    """Let the event loop turn until the panel has nothing more to do."""
    turnUntil(lambda: not panel.working)


def writeTable(path, rows, columns=("case", "patient", "exam", "mask", "centre", "age", "status")):
    """Write a case table of tuples and make the files that it names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(rows)
    for row in rows:
        values = dict(zip(columns, row))
        if values.get("exam"):
            (path.parent / values["exam"]).mkdir(parents=True, exist_ok=True)
        if values.get("mask"):
            (path.parent / values["mask"]).parent.mkdir(parents=True, exist_ok=True)
            (path.parent / values["mask"]).write_bytes(b"mask")
    return path


ROWS = (
    ("case_2", "B", "exams/2", "masks/2.nrrd", "North", "61", "ok"),
    ("case_10", "A", "exams/10", "masks/10.nrrd", "South", "17,5", "fix"),
    ("case_1", "A", "exams/1", "masks/1.nrrd", "South", "", ""),
)


@pytest.fixture
def table(tmp_path):
    """A small table whose files are there."""
    return writeTable(tmp_path / "tafel ä" / "cases.csv", ROWS)


def shown(panel, column=0):
    """Return what a column shows, from top to bottom."""
    widget = panel.ui.caseTable
    return [widget.item(row, column).text() for row in range(widget.rowCount)]


def cell(panel, row, column):
    """Return the item of a cell by its column's name."""
    return panel.ui.caseTable.item(row, panel.cases.grid.columns.index(column))


def settle(panel):
    """Let the panel look for missing files."""
    turnUntil(lambda: not panel.cases.missing.looking, patience=10)

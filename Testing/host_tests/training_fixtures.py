"""What the tests of the BreastSegTraining module share: the panel with an empty table, tables, and told commands."""

import csv
import time
from pathlib import Path

import numpy as np
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


# Cases with images, for the scene

SIZE = {"shape": (28, 72, 112), "spacing": (1.8, 1.8, 3.0), "posts": 2, "radius_mm": (8.0, 11.0)}


@pytest.fixture(scope="session")
def small_sample():
    """A small exam with its truth."""
    from BreastSegLib.samples.dce import make_dce_exam

    return make_dce_exam(seed=9103, **SIZE)


@pytest.fixture
def cases(tmp_path, small_sample):
    """A table with two DCE cases (one with another label for the mass) and one mammogram."""
    from BreastSegLib.exam.store import save_exam
    from BreastSegLib.reports.masks import write_mask
    from BreastSegLib.samples.writing import write_mammogram_sample
    from BreastSegLib.volume import Volume
    from BreastSegTrainingLib.cases import Case, CaseTable

    folder = tmp_path / "fälle"
    save_exam(small_sample.exam, folder / "exams" / "a")
    write_mask(folder / "masks" / "a.nrrd", small_sample.truth)
    two = small_sample.truth.array * 2
    two[0, 0, 0] = 1
    write_mask(folder / "masks" / "b.nii.gz", Volume(two.astype(np.uint8), small_sample.truth.geometry))
    write_mammogram_sample(folder / "mg", 5, "R", "CC", size=(416, 320), shape="oval", diameter_mm=16.0)
    rows = [
        {"case": "a", "patient": "P1", "exam": "exams/a", "mask": "masks/a.nrrd", "status": "ok", "volume_mm3": "1"},
        {"case": "b", "patient": "P2", "exam": "exams/a", "mask": "masks/b.nii.gz", "label": "2", "fixes": "merge"},
        {"case": "mg", "patient": "P3", "image": "mg/exam/IM0001.dcm", "mask": "mg/truth.png"},
        {"case": "none", "patient": "P4", "exam": "exams/a"},
        {"case": "gone", "patient": "P5", "exam": "exams/missing", "mask": "masks/b.nii.gz"},
    ]
    table = CaseTable([Case(row) for row in rows], folder)
    table.write(folder / "cases.csv")
    return folder / "cases.csv"


def load(panel, name):
    """Load a case as the user does."""
    panel.cases.grid.choose(panel.opened.table.index_of(name))
    panel.ui.loadCaseButton.click()
    finish(panel)
    return panel.case.loaded


def row(panel, name):
    return panel.opened.cases[panel.opened.table.index_of(name)]


def drawn(loaded):
    """Return the lesion of the loaded case as an array."""
    import slicer

    ids = [loaded.segmentation.GetSegmentation().GetNthSegmentID(0)]
    return slicer.util.arrayFromSegmentBinaryLabelmap(loaded.segmentation, ids[0], loaded.volume)


def draw(loaded, array):
    """Replace the lesion as an effect of the Segment Editor does."""
    import slicer

    segmentId = loaded.segmentation.GetSegmentation().GetNthSegmentID(0)
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, loaded.segmentation, segmentId, loaded.volume)

"""Several exams in the panel: what is asked for, how each exam goes, and that nothing outlives the panel.

First with a stand-in that tells what the batch tells, then with the real batch, its worker and nnU-Net.
"""

import csv
import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from breastseg_fixtures import (  # noqa: F401
    breastseg,
    finish,
    load,
    panel,
    scene,
    status,
    tiny_in_library,
    turnUntil,
    widget,
)

CASE, STATE, RESULT = range(3)


class Told:
    """Stands for `BatchProcess`: tells the events that a test gives it."""

    made = []

    def __init__(self, arguments, python=None, environment=None):
        self.arguments, self.python, self.environment = arguments, python, environment
        self.events, self.calls = [], []
        Told.made.append(self)

    def start(self):
        self.calls.append("start")

    def poll(self):
        events, self.events = self.events, []
        return events

    def stop(self):
        self.calls.append("stop")

    def close(self):
        self.calls.append("close")


@pytest.fixture
def box(panel, tmp_path):  # noqa: F811
    """The group "Several exams", open, with a folder of exams and one for the results chosen."""
    panel.modelStep.chooseModel("tiny")
    panel.ui.batchGroup.collapsed = False
    box = panel.batchBox
    box.ui.batchSourceBox.setCurrentIndex(0)
    box.ui.batchFormatBox.setCurrentIndex(0)
    box.ui.batchExamsEdit.setCurrentPath(str(tmp_path / "exams"))
    box.ui.batchOutputEdit.setCurrentPath(str(tmp_path / "results"))
    yield box
    box.close()
    for edit in (box.ui.batchExamsEdit, box.ui.batchTableEdit, box.ui.batchOutputEdit):
        edit.setCurrentPath("")
    box.rows.clear()
    box._output = None
    panel.ui.batchGroup.collapsed = True


@pytest.fixture
def told(box, monkeypatch):
    """What stands for the batch's process, once it is started."""
    Told.made = []
    monkeypatch.setattr("BreastSegLib.panel.batchbox.BatchProcess", Told)
    box.ui.batchStartButton.click()
    return Told.made[0]


def tell(box, process, *events):
    """Tell events, and let the box's timer tick."""
    process.events += events
    turnUntil(lambda: not process.events, patience=5)


def cells(box):
    """Return the table as it is read."""
    table = box.ui.batchResultTable
    rows = [[table.item(row, column) for column in range(3)] for row in range(table.rowCount)]
    return [[item.text() if item is not None else "" for item in row] for row in rows]


def case(name, state="done", **more):
    return {"event": "case", "case": name, "state": state, **more}


def begun(*names, finished=0):
    return {"event": "start", "cases": list(names), "finished": finished, "notes": []}


def running(name, number, of):
    return {"event": "running", "case": name, "number": number, "of": of, "left_s": None}


def test_the_box_says_what_is_missing(box, panel):  # noqa: F811
    ui = box.ui
    assert ui.batchStartButton.isEnabled() and ui.batchStatusLabel.text == ""
    ui.batchOutputEdit.setCurrentPath("")
    assert ui.batchStatusLabel.text == "Choose the folder for the results first."
    assert not ui.batchStartButton.isEnabled() and ui.batchStartButton.toolTip == ui.batchStatusLabel.text
    ui.batchExamsEdit.setCurrentPath("")
    assert ui.batchStatusLabel.text == "Choose the folder that holds the exams first."
    ui.batchSourceBox.setCurrentIndex(1)
    assert ui.batchStatusLabel.text == "Choose the table of cases first."
    assert ui.batchExamsEdit.isHidden() and not ui.batchTableEdit.isHidden()
    assert ui.batchResultTable.isHidden() and ui.batchProgressFrame.isHidden() and ui.batchSummaryButton.isHidden()


def test_no_batch_while_the_panel_works(box, panel, dicom_sample):  # noqa: F811
    panel.examStep.setFolder(str(dicom_sample / "exam"))
    panel.ui.loadButton.click()
    assert not box.ui.batchStartButton.isEnabled() and box.ui.batchStatusLabel.text.startswith("Wait until the")
    finish(panel)
    assert box.ui.batchStartButton.isEnabled() and box.ui.batchStatusLabel.text == ""


def test_the_batch_is_asked_for_what_was_chosen(box, panel, tiny_model, tmp_path, monkeypatch):  # noqa: F811
    Told.made = []
    monkeypatch.setattr("BreastSegLib.panel.batchbox.BatchProcess", Told)
    box.ui.batchStartButton.click()
    usual = ["--model", str(Path(tiny_model).resolve()), "--exams", str(tmp_path / "exams")]
    usual += ["--output", str(tmp_path / "results"), "--device", "cpu", "--format", "nii.gz"]
    assert Told.made[0].arguments == usual and Told.made[0].calls == ["start"]
    assert box.ui.batchNoteLabel.text == "Model: tiny."
    tell(box, Told.made[0], {"event": "done", "line": "nothing to do", "stopped": ""})
    checks = (panel.ui.mirroringCheck, panel.ui.entropyMapCheck, panel.ui.chanceMapCheck)
    for check, value in (
        (panel.ui.cleanupCheck, False),
        (panel.ui.shortcutsCheck, False),
        *((c, True) for c in checks),
    ):
        check.checked = value
    panel.runOptions.chooseFolds("1")
    panel.batchBox.showSettings()
    box.ui.batchSourceBox.setCurrentIndex(1)
    box.ui.batchTableEdit.setCurrentPath(str(tmp_path / "cases.csv"))
    box.ui.batchFormatBox.setCurrentIndex(2)
    assert "Folds: 1. Mirrored images are averaged. No shortcuts. No clean-up." in box.ui.batchNoteLabel.text
    assert box.ui.batchNoteLabel.text.endswith("Maps: chance of a lesion, uncertainty.")
    box.ui.batchStartButton.click()
    wanted = ["--cases", str(tmp_path / "cases.csv"), "--output", str(tmp_path / "results"), "--device", "cpu"]
    wanted += ["--format", "seg.nrrd", "--folds", "1", "--tta", "--exact", "--no-cleanup"]
    assert Told.made[1].arguments == [*usual[:2], *wanted, "--maps", "probabilities", "entropy"]
    for check, value in (
        (panel.ui.cleanupCheck, True),
        (panel.ui.shortcutsCheck, True),
        *((c, False) for c in checks),
    ):
        check.checked = value
    panel.runOptions.chooseFolds("")


def test_each_exam_has_a_row_with_its_state_and_reason(box, told, panel):  # noqa: F811
    assert box.running and not box.ui.batchProgressFrame.isHidden() and box.ui.batchCancelButton.isEnabled()
    assert not box.ui.batchSettingsFrame.isEnabled() and not box.ui.batchStartButton.isEnabled()
    tell(box, told, begun("a", "b", "c"), running("a", 1, 3))
    assert cells(box) == [["a", "Running", ""], ["b", "Waiting", ""], ["c", "Waiting", ""]]
    progress = {"event": "progress", "case": "a", "number": 1, "of": 3, "stage": "Segmenting", "done": 4, "total": 8}
    tell(box, told, {**progress, "eta_s": 3.0, "left_s": None})
    assert box.ui.batchStageLabel.text == "Exam 1 of 3: Segmenting" and box.ui.batchProgressBar.value == 50
    assert box.ui.batchProgressBar.maximum == 300
    tell(box, told, case("a", lesions=2, largest_cm3="1.234", notes="A note."), running("b", 2, 3))
    tell(box, told, {**progress, "case": "b", "number": 2, "done": 1, "eta_s": 3.0, "left_s": 240.0})
    assert box.ui.batchStageLabel.text == "Exam 2 of 3: Segmenting – about 4 min left"
    assert box.ui.batchProgressBar.value == 112 and panel.ui.batchGroup.text == "Several exams (batch): 1 of 3"
    tell(box, told, case("b", "failed", reason="No post-contrast phase", message="No post-contrast phase (b). Look."))
    assert cells(box)[:2] == [["a", "Done", "2 lesions, largest 1.23 cm³"], ["b", "Failed", "No post-contrast phase"]]
    assert box.ui.batchResultTable.item(1, RESULT).toolTip() == "No post-contrast phase (b). Look."
    assert "A note." in box.ui.batchResultTable.item(0, RESULT).toolTip()
    tell(box, told, running("c", 3, 3), case("c", lesions=0, largest_cm3=""))
    tell(box, told, {"event": "done", "line": "2 done, 1 failed (see summary.csv)", "stopped": ""})
    assert cells(box)[2] == ["c", "Done", "No lesion"]
    assert not box.running and box.ui.batchStatusLabel.text == "2 done, 1 failed (see summary.csv)"
    assert panel.ui.batchGroup.text == "Several exams (batch)" and box.ui.batchProgressFrame.isHidden()
    assert box.ui.batchStartButton.isEnabled() and not box.ui.batchCancelButton.isEnabled()


def test_cancel_asks_the_batch_to_end(box, told):
    tell(box, told, begun("a", "b"), running("a", 1, 2))
    box.ui.batchCancelButton.click()
    assert told.calls == ["start", "stop"] and box.ui.batchStageLabel.text == "Cancelling …"
    assert not box.ui.batchCancelButton.isEnabled()
    tell(box, told, {"event": "done", "line": "0 done, 0 failed, 2 not run", "stopped": "stopped by the user"})
    assert box.ui.batchStatusLabel.text == "0 done, 0 failed, 2 not run. Press “Start batch” again to go on."
    assert cells(box) == [["a", "Not run", ""], ["b", "Not run", ""]]


def test_what_was_finished_before_is_shown(box, told, tmp_path):
    (tmp_path / "results").mkdir()
    with open(tmp_path / "results" / "summary.csv", "w", encoding="utf-8-sig", newline="") as stream:
        stream.write("case,state,reason,lesions,largest_cm3,largest_mm2,seconds,notes\n")
        stream.write("a,done,,1,2.5,,3.0,\nb,skipped,not run yet,,,,,\n")
    tell(box, told, begun("a", "b", finished=1))
    assert cells(box) == [["a", "Done", "1 lesion, 2.50 cm³"], ["b", "Waiting", ""]]
    assert box.ui.batchProgressBar.value == 0 or box.ui.batchProgressBar.value == 100


def test_two_thousand_exams_do_not_hold_the_window_up(box, told):
    import time

    names = [f"case_{place:04d}" for place in range(2000)]
    tell(box, told, begun(*names))
    began = time.monotonic()
    for name in names[:100]:
        box.rows.showRunning(name)
        box.rows.showRow(case(name, "failed", reason="No post-contrast phase was found in any of the series. " * 3))
    assert (time.monotonic() - began) / 100 < 0.02, "seconds for each exam, whatever their number"
    assert box.rows.ended == 100


def test_an_error_ends_the_batch_with_one_sentence(box, told, panel):  # noqa: F811
    tell(
        box, told, begun("a"), {"event": "error", "code": "batch-died", "message": "The batch was killed.", "log": "x"}
    )
    assert not box.running and box.ui.batchStatusLabel.text == "The batch was killed."
    assert cells(box) == [["a", "Not run", ""]] and box.ui.batchStartButton.isEnabled()
    assert "The batch was killed." in panel.ui.logText.toPlainText()


def test_without_a_gpu_the_user_is_asked_first(box, panel, monkeypatch):  # noqa: F811
    import slicer

    Told.made, questions, answers = [], [], [False, True]

    def ask(text, **options):
        questions.append(text)
        return answers.pop(0)

    monkeypatch.setattr("BreastSegLib.panel.batchbox.BatchProcess", Told)
    monkeypatch.setattr(slicer.util, "confirmYesNoDisplay", ask)
    panel.modelStep.chooseDevice("auto")
    for place in range(2):
        box.ui.batchStartButton.click()
        tell(box, Told.made[place], {"event": "error", "code": "device", "message": "CUDA is not available"})
    assert "CUDA is not available" in questions[0] and len(questions) == 2
    assert len(Told.made) == 3 and box.running
    assert Told.made[2].arguments[Told.made[2].arguments.index("--device") + 1] == "cpu"


def test_summary_and_folder_are_opened(box, told, monkeypatch, tmp_path):
    import qt

    opened = []
    monkeypatch.setattr(qt.QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()) or True)
    tell(box, told, begun("a"), case("a", lesions=0), {"event": "done", "line": "1 done, 0 failed", "stopped": ""})
    box.ui.batchSummaryButton.click()
    box.ui.batchFolderButton.click()
    box.ui.batchResultTable.cellDoubleClicked(0, 0)
    results = str(tmp_path / "results")
    assert opened == [str(Path(results) / "summary.csv"), results, results]


def test_closing_the_panel_ends_the_batch(box, told):
    tell(box, told, begun("a"))
    box.close()
    assert told.calls == ["start", "close"] and not box.running


def test_another_module_or_scene_lets_the_batch_go_on(box, told, widget):  # noqa: F811
    import slicer

    tell(box, told, begun("a", "b"))
    slicer.util.selectModule("TinyModule")
    slicer.mrmlScene.Clear(0)
    slicer.util.selectModule("BreastSeg")
    assert box.running and told.calls == ["start"]
    tell(box, told, running("a", 1, 2))
    assert cells(box)[0] == ["a", "Running", ""]


# The real batch


@pytest.fixture
def exams(box, dicom_sample, tmp_path):
    """Two good exams and a folder with a broken one between them."""
    folder = tmp_path / "exams"
    for name in ("a", "c"):
        shutil.copytree(dicom_sample / "exam", folder / name)
    (folder / "b").mkdir()
    (folder / "b" / "image.dcm").write_bytes(b"no DICOM at all")
    return folder


def processes(pid):
    """Return the process ids of a process and of everything below it."""
    found, rows = {pid}, []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            after = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        rows.append((int(path.parent.name), int(after[1]), after[0]))
    while True:
        more = {own for own, parent, state in rows if parent in found and state != "Z"} - found
        if not more:
            return found
        found |= more


def alive(pids):
    """Return which of the processes still run."""
    found = set()
    for pid in pids:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                found.add(pid)
        except OSError:
            continue
    return found


def test_a_failed_exam_does_not_stop_the_others(box, exams, tmp_path):
    box.ui.batchStartButton.click()
    turnUntil(lambda: not box.running)
    rows = cells(box)
    assert [row[:2] for row in rows] == [["a", "Done"], ["b", "Failed"], ["c", "Done"]], box.ui.batchStatusLabel.text
    assert rows[1][RESULT] and "Traceback" not in rows[1][RESULT]
    assert box.ui.batchStatusLabel.text.startswith("2 done, 1 failed")
    results = tmp_path / "results"
    assert (results / "a.nii.gz").is_file() and (results / "c.run.json").is_file()
    with open(results / "summary.csv", encoding="utf-8-sig", newline="") as stream:
        assert [(row["case"], row["state"]) for row in csv.DictReader(stream)] == [
            ("a", "done"),
            ("b", "failed"),
            ("c", "done"),
        ]


def test_a_killed_batch_goes_on_where_it_ended(box, exams, tmp_path):
    box.ui.batchStartButton.click()
    turnUntil(lambda: box.rows.ended >= 1)
    assert box.running and cells(box)[0][STATE] == "Done", cells(box)
    os.kill(box._process.pid, signal.SIGKILL)
    turnUntil(lambda: not box.running, patience=10)
    assert "Run it again" in box.ui.batchStatusLabel.text and box.ui.batchStartButton.isEnabled()
    first = json.loads((tmp_path / "results" / "a.run.json").read_text(encoding="utf-8"))["id"]
    box.ui.batchStartButton.click()
    turnUntil(lambda: not box.running)
    assert [row[:2] for row in cells(box)] == [["a", "Done"], ["b", "Failed"], ["c", "Done"]]
    again = json.loads((tmp_path / "results" / "a.run.json").read_text(encoding="utf-8"))["id"]
    assert again == first, "what was finished is not done again"


def test_cancel_and_close_leave_no_process(box, exams):
    box.ui.batchStartButton.click()
    turnUntil(lambda: box.ui.batchStageLabel.text.startswith("Exam 1"))
    pids = processes(box._process.pid)
    assert len(pids) >= 2, "the batch and its worker"
    box.ui.batchCancelButton.click()
    turnUntil(lambda: not box.running, patience=10)
    assert "again to go on" in box.ui.batchStatusLabel.text
    turnUntil(lambda: not alive(pids), patience=5)
    box.ui.batchStartButton.click()
    turnUntil(lambda: box.ui.batchStageLabel.text.startswith("Exam 1"))
    pids = processes(box._process.pid)
    box.close()
    turnUntil(lambda: not alive(pids), patience=5)


def test_other_settings_for_the_same_results_are_refused(box, exams, panel):  # noqa: F811
    shutil.rmtree(exams / "b")
    shutil.rmtree(exams / "c")
    box.ui.batchStartButton.click()
    turnUntil(lambda: not box.running)
    panel.ui.cleanupCheck.checked = False
    panel.refresh()
    box.ui.batchStartButton.click()
    turnUntil(lambda: not box.running)
    panel.ui.cleanupCheck.checked = True
    text = box.ui.batchStatusLabel.text
    assert text and "done" not in text and "\n" not in text and "Traceback" not in text

"""The training panel and the commands that do its work: progress, cancel, errors, and files that change meanwhile.

First with a stand-in that tells what commands tell, then with real child processes.
"""

import os
import sys
import time
from pathlib import Path

import pytest
from training_fixtures import (  # noqa: F401
    asked,
    cell,
    finish,
    panel,
    settle,
    shown,
    table,
    tell,
    told,
    training,
    turnUntil,
    widget,
    writeTable,
)


def test_check_shows_progress_time_left_and_what_it_found(panel, table, told):  # noqa: F811
    panel.open(table)
    panel.cases.recipe.choose("mama-mia-first-post")
    panel.ui.checkButton.click()
    command = told[0]
    assert command.arguments == ["check", str(table), "--recipe", "mama-mia-first-post", "--events"]
    assert command.package == "BreastSegTrainingLib" and Path(command.folder).name == "BreastSegTraining"
    assert panel.working and not panel.ui.progressFrame.isHidden()
    for button in (panel.ui.checkButton, panel.ui.openButton, panel.ui.loadCaseButton, panel.ui.saveButton):
        assert not button.isEnabled()
    tell(panel, command, {"event": "progress", "stage": "Checking", "done": 1, "total": 3, "eta_s": 65.0})
    assert panel.ui.stageLabel.text == "Checking: 1 of 3 – about 65 s left"
    assert (panel.ui.progressBar.value, panel.ui.progressBar.maximum) == (1, 3)
    table.write_text(
        table.read_text(encoding="utf-8").replace("exams/1,masks/1.nrrd,South,,", "exams/1,masks/1.nrrd,South,,ok")
    )
    found = {"several-labels": 2, "recipe": 1, "blank-slices": 0}
    tell(panel, command, {"event": "result", "ok": 2, "fix": 1, "refused": 0, "findings": found})
    assert not panel.working and panel.ui.progressFrame.isHidden() and panel.ui.openButton.isEnabled()
    assert cell(panel, 2, "status").text() == "OK", "the file was read again"
    assert panel.ui.statusLabel.text == "Checked: 2 fine, 1 in need of a fix, 0 refused."
    rows = panel.ui.findingsTable
    assert [rows.item(row, 0).text() for row in range(rows.rowCount)] == ["Several labels", "Recipe cannot be made"]
    assert rows.item(1, 2).text() == "correct by hand"
    button = rows.cellWidget(0, 2)
    button.menu().actions()[0].trigger()
    assert told[1].arguments[-3:] == ["--fix", "several-labels=merge", "--events"]


def test_edits_are_saved_before_a_command_reads_the_file(panel, table, told, asked):  # noqa: F811
    panel.open(table)
    cell(panel, 0, "centre").setText("East")
    asked["yes"] = False
    panel.ui.checkButton.click()
    assert not told and panel.opened.unsaved
    asked["yes"] = True
    panel.ui.checkButton.click()
    assert told and not panel.opened.unsaved and "East" in table.read_text(encoding="utf-8")


def test_nothing_is_edited_while_a_command_writes_the_file(panel, table, told):  # noqa: F811
    import qt

    panel.open(table)
    panel.ui.checkButton.click()
    assert panel.ui.caseTable.editTriggers == qt.QAbstractItemView.NoEditTriggers
    panel.cases.grid.choose(0)
    assert not panel.ui.removeButton.isEnabled() and not panel.ui.loadCaseButton.isEnabled()
    panel.quality.measure()
    assert len(told) == 1 and "Wait" in panel.ui.statusLabel.text
    tell(panel, told[0], {"event": "error", "code": "error", "message": "no", "hint": ""})
    assert panel.ui.caseTable.editTriggers != qt.QAbstractItemView.NoEditTriggers


def test_cancel_keeps_what_was_finished(panel, table, told):  # noqa: F811
    panel.open(table)
    panel.ui.checkButton.click()
    panel.ui.cancelButton.click()
    assert told[0].calls == ["start", "cancel"] and panel.ui.stageLabel.text == "Cancelling …"
    tell(panel, told[0], {"event": "progress", "stage": "Checking", "done": 1, "total": 3, "eta_s": None})
    assert panel.ui.stageLabel.text == "Cancelling …" and not panel.ui.cancelButton.isEnabled()
    table.write_text(table.read_text(encoding="utf-8").replace("North", "Nord"))
    tell(panel, told[0], {"event": "error", "code": "cancelled", "message": "Cancelled", "hint": ""})
    assert panel.ui.statusLabel.text == "Cancelled; what was finished is kept."
    assert cell(panel, 0, "centre").text() == "Nord"


def test_an_error_is_one_line(panel, table, told):  # noqa: F811
    panel.open(table)
    panel.ui.checkButton.click()
    event = {"event": "error", "code": "bad", "message": "The recipe\nis broken.", "hint": "Choose another one"}
    tell(panel, told[0], event)
    assert panel.ui.statusLabel.text == "The recipe is broken. Choose another one."
    assert panel.error is not None and not panel.working


def test_a_table_that_is_gone_or_broken_after_a_command_stays_in_memory(panel, table, told):  # noqa: F811
    panel.open(table)
    panel.ui.checkButton.click()
    table.unlink()
    tell(panel, told[0], {"event": "result", "ok": 3, "fix": 0, "refused": 0, "findings": {}})
    assert shown(panel) == ["case_2", "case_10", "case_1"] and panel.opened.unsaved
    assert panel.file.save() and table.is_file()


def test_closing_the_scene_lets_a_command_go_on(panel, table, told):  # noqa: F811
    import slicer

    panel.open(table)
    panel.ui.checkButton.click()
    slicer.mrmlScene.Clear(0)
    assert panel.working and told[0].calls == ["start"] and not panel.ui.progressFrame.isHidden()
    tell(panel, told[0], {"event": "result", "ok": 3, "fix": 0, "refused": 0, "findings": {}})
    assert not panel.working and len(panel.opened.table) == 3


def test_another_module_lets_a_command_go_on(panel, table, told):  # noqa: F811
    import slicer

    panel.open(table)
    panel.ui.checkButton.click()
    slicer.util.selectModule("SegmentEditor")
    tell(panel, told[0], {"event": "progress", "stage": "Checking", "done": 2, "total": 3, "eta_s": None})
    slicer.util.selectModule("BreastSegTraining")
    assert panel.working and panel.ui.stageLabel.text == "Checking: 2 of 3"


def test_cases_of_a_dataset_are_added(panel, table, told, tmp_path):  # noqa: F811
    panel.open(table)
    box = panel.addBox
    box.show()
    box.ui.sourceEdit.setCurrentPath("")
    assert not box.ui.addStartButton.isEnabled() and box.ui.addMissingLabel.text
    box.chooseLayout("mama-mia")
    source = tmp_path / "mama"
    source.mkdir()
    box.ui.sourceEdit.setCurrentPath(str(source))
    box._fields["annotation"].setCurrentIndex(3)
    box.ui.addStartButton.click()
    arguments = told[0].arguments
    assert arguments[:4] == ["cases", "--layout", "mama-mia", str(source)]
    assert arguments[-2:] == ["--annotation=any", "--events"]
    output = Path(arguments[arguments.index("--output") + 1])
    same = f"case_2,B,{table.parent / 'exams' / '2'},{table.parent / 'masks' / '2.nrrd'}"
    output.write_text(
        f"case,patient,exam,mask\nnew,N,{source / 'a'},{source / 'b.nrrd'}\ncase_1,X,{source},\n{same}\n"
    )
    rows = [{"where": f"row {k}", "why": "no mask"} for k in range(20)]
    tell(panel, told[0], {"event": "result", "table": str(output), "not_read": rows, "notes": ["Check the sides."]})
    assert [case.name for case in panel.opened.cases][3:] == ["new", "case_1_001"], "names stay unique"
    assert panel.opened.unsaved and not output.exists()
    text = panel.ui.statusLabel.text
    assert "2 cases added" in text and "1 were in the table already" in text and "20 could not be read" in text
    assert "row 0: no mask" in panel.ui.statusLabel.toolTip and "8 more" in panel.ui.statusLabel.toolTip


def test_a_cancelled_import_leaves_no_folder(panel, told, tmp_path):  # noqa: F811
    panel.addBox.ui.sourceEdit.setCurrentPath(str(tmp_path))
    panel.addBox.start()
    folder = Path(panel.addBox._folder)
    assert folder.is_dir()
    tell(panel, told[0], {"event": "error", "code": "cancelled", "message": "Cancelled", "hint": ""})
    assert not folder.exists() and not len(panel.opened.table)


def test_layouts_and_their_options_are_those_of_the_command(panel):  # noqa: F811
    from BreastSegTrainingLib.commands.parser import build_parser

    for name in panel.addBox._names:
        panel.addBox.chooseLayout(name)
        arguments = ["cases", "--layout", name, "SOURCE", "--output", "T.csv", "--events"]
        for option, entry in panel.addBox._layouts[name]["options"].items():
            arguments += [f"--{option}", entry["choices"][-1] if entry["choices"] else "text"]
        assert build_parser().parse_args(arguments).layout == name


def test_closing_the_panel_ends_what_runs(told):  # noqa: F811
    import qt
    from BreastSegTrainingLib.panel.commandwork import CommandWork

    parent = qt.QWidget()
    work = CommandWork(parent, lambda *progress: None)
    work.start(["check"], None, None)
    with pytest.raises(RuntimeError):
        work.start(["check"], None, None)
    work.close()
    assert told[0].calls == ["start", "close"] and not work.running


# Real child processes


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that stands for the training library: its verbs do what a test needs."""
    folder = tmp_path / "pakét"
    (folder / "pretended").mkdir(parents=True)
    (folder / "pretended" / "__init__.py").write_text("")
    (folder / "pretended" / "__main__.py").write_text(
        "import json, os, sys, time\n"
        "import BreastSegLib\n"
        "def tell(**event): print(json.dumps(event), flush=True)\n"
        "if sys.argv[1] == 'wait':\n"
        "    tell(event='progress', stage='Waiting', done=0, total=1, eta_s=None)\n"
        "    time.sleep(60)\n"
        "if sys.argv[1] == 'crash':\n"
        "    os.abort()\n"
        "tell(event='result', arguments=sys.argv[1:], library=BreastSegLib.__file__, here=os.getcwd())\n"
    )
    monkeypatch.setattr("BreastSegTrainingLib.panel.commandwork.PACKAGE", "pretended")
    monkeypatch.setattr("BreastSegTrainingLib.panel.commandwork.FOLDER", folder)
    return folder


def test_any_package_runs_and_finds_this_library(panel, package):  # noqa: F811
    from BreastSegLib.inference.child import PACKAGE_FOLDER

    results = []
    panel.run(["ver b", "ä"], results.append)
    finish(panel)
    assert results[0]["arguments"] == ["ver b", "ä", "--events"]
    assert Path(results[0]["library"]).parents[1] == PACKAGE_FOLDER and Path(results[0]["here"]) == package


def test_a_crash_is_told_and_cancel_ends_the_process(panel, package):  # noqa: F811
    panel.run(["crash"], lambda event: None)
    finish(panel)
    assert "before it had finished" in panel.ui.statusLabel.text
    panel.run(["wait"], lambda event: None)
    turnUntil(lambda: panel.ui.stageLabel.text.startswith("Waiting"), patience=20)
    pid = panel.work.pid
    began = time.monotonic()
    panel.ui.cancelButton.click()
    finish(panel)
    assert time.monotonic() - began < 10 and panel.ui.statusLabel.text.startswith("Cancelled")
    if sys.platform != "win32":
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_relocate_and_select_work_from_a_script(training, table):  # noqa: F811
    from BreastSegLib.errors import BreastSegError
    from BreastSegTrainingLib.cases import CaseTable

    from BreastSegTraining import BreastSegTrainingLogic

    logic = BreastSegTrainingLogic()
    result = logic.run("select", str(table), "--rule", "age > 20")
    assert result["selected"] == 1
    assert [case.selected for case in CaseTable.read(table)] == [True, False, False]
    with pytest.raises(BreastSegError, match="does not exist"):
        logic.run("select", str(table.parent / "nothing.csv"), "--rule", "age > 20")
    logic.close()


def test_what_was_not_read_is_told_only_with_its_own_line(panel, table, told):  # noqa: F811
    panel.open(table)
    panel._onCases([], [{"where": "P7", "why": "no mask"}], [])
    assert "P7" in panel.ui.statusLabel.toolTip
    panel.say("Something else")
    assert panel.ui.statusLabel.toolTip == ""


def test_a_value_of_an_option_may_begin_with_a_dash(training):  # noqa: F811
    from BreastSegTrainingLib.panel.addbox import optionArguments

    assert optionArguments("masks", "-seg.nii.gz") == ["--masks=-seg.nii.gz"]


def test_the_log_has_no_names_of_patients(panel, table, told, caplog):  # noqa: F811
    import logging

    caplog.set_level(logging.INFO)
    panel.open(table)
    panel.ui.checkButton.click()
    log = (
        "Error: no (/data/Meier_Anna)\nTraceback (most recent call last):\n  File \"x.py\", line 3\nKeyError: 'Meier'"
    )
    tell(panel, told[0], {"event": "error", "code": "error", "message": "No (Meier)", "hint": "", "log": log})
    assert "Meier" in panel.ui.statusLabel.text
    assert "Meier" not in caplog.text and "x.py" in caplog.text and "KeyError" in caplog.text

"""Step 4 of the training panel: what a training is asked for, the queue of fold runs, stop, resume, curves."""

import json
import os

import pytest
from runs_fixtures import (
    NAME,
    cleanSteps,
    writeCurves,
    writeDataset,
    writeState,
    writeTraining,
    writeWork,
)
from training_fixtures import (  # noqa: F401
    asked,
    panel,
    table,
    tell,
    told,
    training,
    turnUntil,
    widget,
)


@pytest.fixture
def step(panel, told):  # noqa: F811
    """The tab "Training", with nothing chosen; no command is really started."""
    cleanSteps(panel)
    panel.ui.stepTabs.setCurrentIndex(3)
    yield panel.training
    cleanSteps(panel)


@pytest.fixture
def raw(tmp_path):
    return writeDataset(tmp_path / "nnUNet_raw")


def choose(step, raw, work, preset="m1-phase-aware"):
    """Choose what a training needs, as the user does."""
    step._ui.trainDatasetEdit.setCurrentPath(str(raw))
    step._ui.workEdit.setCurrentPath(str(work))
    step.preset.choose(preset)
    return step._ui


def looked(step):
    """Let the timer look once."""
    step.queue.look()


def cells(step):
    """Return what the table of fold runs shows, row by row."""
    widget = step._ui.queueTable  # noqa: F811
    rows = range(widget.rowCount)
    texts = [[widget.item(row, column) for column in range(widget.columnCount)] for row in rows]
    return [[item.text() if item is not None else "" for item in row] for row in texts]


def pick(step, key):
    """Choose a row of the table of fold runs."""
    step.queue.table.choose(key)


def test_one_sentence_says_what_is_missing(step, raw, tmp_path):
    ui = step._ui
    assert ui.trainMissingLabel.text == "Choose a dataset, or export one in step 3."
    assert not ui.startTrainingButton.isEnabled()
    ui.trainDatasetEdit.setCurrentPath(str(tmp_path))
    assert "DatasetNNN_Name" in ui.trainMissingLabel.text
    ui.trainDatasetEdit.setCurrentPath(str(raw))
    assert "work folder" in ui.trainMissingLabel.text
    assert ui.estimateLabel.text.startswith("Dataset101_BreastDCE: 40 cases, 3 channels. Each fold trains on about 32")
    ui.workEdit.setCurrentPath(str(tmp_path / "work"))
    assert ui.trainMissingLabel.text == "Choose a preset."
    step.preset.choose("m1-phase-aware")
    assert ui.trainMissingLabel.text == "" and ui.startTrainingButton.isEnabled()
    assert ui.trainNameEdit.placeholderText == NAME
    ui.trainNameEdit.text = "bad name"
    assert "letters, digits" in ui.trainMissingLabel.text
    ui.trainNameEdit.text = ""
    ui.patchEdit.text = "large"
    assert "patch size" in ui.trainMissingLabel.text
    ui.patchEdit.text = ""
    step.folds.tick(())
    assert ui.trainMissingLabel.text == "Tick at least one fold."
    assert not ui.startTrainingButton.isEnabled() and ui.startTrainingButton.toolTip == "Tick at least one fold."


def test_a_preset_is_explained_and_another_recipe_is_told(step, raw, tmp_path):
    ui = choose(step, raw, tmp_path / "work")
    assert ui.presetHelpLabel.text.startswith("M1: ") and "3d_fullres, 1000 epochs" in ui.presetHelpLabel.text
    assert "recipe" not in ui.estimateLabel.text
    step.preset.choose("m1-single-phase")
    assert "is meant for the recipe single-phase-0002" in ui.estimateLabel.text
    assert ui.startTrainingButton.isEnabled(), "the user decides"


def test_folds_are_those_of_the_dataset(step, tmp_path):
    two = writeDataset(tmp_path / "two", cases=6, folds=2)
    none = writeDataset(tmp_path / "none", cases=6, folds=0)
    choose(step, two, tmp_path / "work")
    assert step.folds.names == ("0", "1", "all") and step.settings.folds == ("0", "1")
    step.folds.tick(("1", "all"))
    assert "has no test of its own" in step._ui.estimateLabel.text
    step._ui.trainDatasetEdit.setCurrentPath(str(none))
    assert step.folds.names == ("all",) and step.settings.folds == ("all",)


def test_start_gives_everything_that_was_chosen(step, raw, tmp_path, told, monkeypatch):  # noqa: F811
    monkeypatch.setattr("BreastSegTrainingLib.panel.needs.ensure", lambda names, session: None)
    work = tmp_path / "work ä"
    ui = choose(step, raw, work)
    step.folds.tick(("0", "3"))
    step.device.choose("cpu")
    ui.epochsBox.value, ui.iterationsBox.value, ui.batchBox.value, ui.checkpointBox.value = 20, 50, 4, 2
    ui.patchEdit.text = "64 96, 96"
    ui.trainSeedBox.value, ui.trainWorkersBox.value = 0, 3
    step.configuration.choose("3d_lowres")
    ui.trainAdvancedGroup.collapsed = False
    assert ui.hoursBox.isHidden()
    step.executor.choose("slurm")
    assert not ui.hoursBox.isHidden()
    ui.partitionEdit.text, ui.hoursBox.value, ui.gpusBox.value = "gpu", 12, 2
    ui.startTrainingButton.click()
    start = [command for command in told if command.arguments[0] == "train"][0]
    assert start.arguments[:6] == ["train", str(raw), "--work", str(work), "--preset", "m1-phase-aware"]
    text = " ".join(start.arguments[6:])
    for part in (
        f"--name {NAME} --folds 0 3 --device cpu",
        "--epochs 20",
        "--configuration 3d_lowres --iterations 50 --batch 4 --checkpoint-every 2",
        "--patch 64 96 96 --seed 0 --workers 3",
        "--executor slurm --hours 12 --gpus 2 --partition gpu --detach --events",
    ):
        assert part in text
    writeTraining(work, raw, folds=("0", "3"))
    tell(step_panel(step), start, {"event": "result", "training": NAME, "notes": ["The disk may not suffice."]})
    assert ui.statusLabel.text == f"{NAME} was started. The disk may not suffice."
    assert [run.key for run in step.queue.table.chosen] == [f"{NAME}:0", f"{NAME}:3"]
    assert ui.trainNameEdit.placeholderText == f"{NAME}-2", "the next one has a name of its own"


def step_panel(step):
    import slicer

    return slicer.util.getModuleWidget("BreastSegTraining").panel


def test_arguments_are_those_of_the_command(step, raw, tmp_path):
    """The command line itself takes what the panel gives it."""
    from BreastSegTrainingLib.commands.parser import build_parser
    from BreastSegTrainingLib.panel import traincommand

    ui = choose(step, raw, tmp_path / "work")
    ui.epochsBox.value, ui.batchBox.value, ui.trainSeedBox.value = 5, 2, 7
    ui.patchEdit.text = "32 64 64"
    step.executor.choose("slurm")
    options = build_parser().parse_args(traincommand.argumentsOf(step.settings))
    assert (options.epochs, options.batch, options.patch, options.seed) == (5, 2, [32, 64, 64], 7)
    assert options.folds == ["0", "1", "2", "3", "4"] and not options.wait and options.hours == 24
    step.executor.choose("local")
    options = build_parser().parse_args(traincommand.estimateArguments(step.settings))
    assert options.estimate and options.dry_run and options.executor == "local"


def test_estimate_tells_disk_and_time(step, raw, tmp_path, told, monkeypatch):  # noqa: F811
    monkeypatch.setattr("BreastSegTrainingLib.panel.needs.ensure", lambda names, session: None)
    ui = choose(step, raw, tmp_path / "work")
    ui.estimateButton.click()
    answer = {"disk": {"least": 2e9, "most": 9e9, "free": 5e9, "basis": ""}, "time": {"seconds": 7200.0}}
    tell(step_panel(step), told[-1], {"event": "result", "training": NAME, **answer, "notes": []})
    assert ui.estimateLabel.text.endswith("Disk: 2.0 GB to 9.0 GB, but only 5.0 GB are free. Time: about 2 h 0 min.")
    ui.epochsBox.value = 7
    assert "Disk" not in ui.estimateLabel.text, "it was told for something else"


def test_packages_are_asked_for_by_what_is_trained(training):  # noqa: F811
    from BreastSegTrainingLib.panel import needs

    assert needs.neededFor(["train", "D", "--preset", "m1-phase-aware"]) == ("skimage", "torch", "nnunetv2")
    with_network = needs.neededFor(["train", "D", "--preset", "m4-unet", "--executor", "slurm"])
    assert with_network[3:] == ("segmentation_models_pytorch", "submitit")
    assert needs.neededFor(["evaluate", "--training", "T"]) == ("matplotlib", "skimage")
    assert needs.neededFor(["stop", "W"]) == needs.neededFor(["publish"]) == ()


def test_every_state_is_told_in_words_and_found_again(step, raw, tmp_path, told):  # noqa: F811
    work = tmp_path / "work"
    training = writeWork(work, raw)  # noqa: F811
    choose(step, raw, work)
    rows = cells(step)
    assert rows[0][0] == f"{NAME}  (Dataset101_BreastDCE)"
    assert rows[1] == ["0", "Done", "1000/1000", "0.812 (871)", ""]
    assert rows[2] == ["1", "Training", "212/1000", "0.779 (207)", "20 h 50 min"]
    assert rows[3][0] == "cuda:0 NVIDIA RTX A6000"
    assert rows[4][:3] == ["2", "Queued", "0/1000"]
    assert rows[6][0] == "Stopped after epoch 139, as asked."
    assert rows[7][:2] == ["4", "Failed"] and rows[8][0].startswith("The graphics card has too little memory")
    assert step._ui.queueLabel.text == "Fold runs: 1 running, 1 queued, 1 done, 1 stopped, 1 failed."
    pick(step, f"{NAME}:4")
    assert "Choose a smaller patch." in step._ui.runLabel.text
    colours = {step._ui.queueTable.item(row, 1).foreground().color().name() for row in (1, 2, 4, 5, 7)}
    assert len(colours) == 5
    writeState(training, "1", state="done", stage="", epoch=1000, epochs=1000, best=0.81, best_epoch=900)
    looked(step)
    assert cells(step)[2][:4] == ["1", "Done", "1000/1000", "0.810 (900)"]
    assert [run.key for run in step.queue.table.chosen] == [f"{NAME}:4"], "what was chosen stays chosen"
    step._ui.workEdit.setCurrentPath(str(tmp_path / "other"))
    assert cells(step) == [] and step._ui.queueTable.isHidden()
    step._ui.workEdit.setCurrentPath(str(work))
    assert len(cells(step)) == 8, "found again"


def test_only_files_that_have_changed_are_read(step, raw, tmp_path, monkeypatch):
    from BreastSegTrainingLib.launch import FoldState

    work = tmp_path / "work"
    training = writeWork(work, raw)  # noqa: F811
    choose(step, raw, work)
    read, original = [], FoldState.read.__func__
    monkeypatch.setattr(
        FoldState, "read", classmethod(lambda cls, folder: read.append(folder) or original(cls, folder))
    )
    looked(step)
    looked(step)
    assert read == []
    writeState(training, "2", state="running", stage="preprocessing", epochs=1000)
    looked(step)
    assert read == [training.fold_folder("2")] and cells(step)[4][1] == "Preparing data"


def test_damaged_files_are_told_and_hide_nothing(step, raw, tmp_path, told):  # noqa: F811
    work = tmp_path / "work"
    training = writeWork(work, raw)  # noqa: F811
    (training.fold_folder("2") / "state.json").write_text("{")
    bad = work / "trainings" / "bad"
    bad.mkdir()
    (bad / "training.json").write_text("[]")
    choose(step, raw, work)
    rows = cells(step)
    assert rows[4][:2] == ["2", "Failed"] and rows[1][1] == "Done"
    assert "training.json" in step._ui.queueLabel.text


def test_stop_and_resume_name_whole_trainings_or_folds(step, raw, tmp_path, told, monkeypatch):  # noqa: F811
    monkeypatch.setattr("BreastSegTrainingLib.panel.needs.ensure", lambda names, session: None)
    work = tmp_path / "work"
    training = writeWork(work, raw)  # noqa: F811
    choose(step, raw, work)
    queue, ui = step.queue, step._ui
    queue.commands.close()
    told.clear()
    pick(step, f"{NAME}:0")
    assert not ui.stopButton.isEnabled() and not ui.resumeButton.isEnabled(), "it is done"
    pick(step, f"{NAME}:1")
    assert ui.stopButton.isEnabled() and not ui.resumeButton.isEnabled()
    ui.stopButton.click()
    assert told[-1].arguments == ["stop", str(work), f"{NAME}:1", "--events"]
    (training.fold_folder("1") / "stop").write_text("epoch")
    tell(step_panel(step), told[-1], {"event": "result", "asked": [], "now": False})
    assert cells(step)[2][1] == "Stopping …" and ui.statusLabel.text == f"{NAME}:1 was asked to stop."
    queue.stop("now")
    assert told[-1].arguments == ["stop", str(work), f"{NAME}:1", "--now", "--events"]
    tell(step_panel(step), told[-1], {"event": "error", "code": "bad", "message": "No.", "hint": ""})
    assert ui.statusLabel.text == "No."
    pick(step, NAME)
    ui.resumeButton.click()
    assert told[-1].arguments == ["resume", str(work), NAME, "--events"], "those that are done stay so"
    tell(step_panel(step), told[-1], {"event": "result", "queued": []})
    assert ui.statusLabel.text == f"{NAME} goes on." and not queue.busy


def test_a_training_gets_further_folds(step, raw, tmp_path, told, monkeypatch):  # noqa: F811
    monkeypatch.setattr("BreastSegTrainingLib.panel.needs.ensure", lambda names, session: None)
    work = tmp_path / "work"
    training = writeWork(work, raw)  # noqa: F811
    choose(step, raw, work)
    ui = step._ui
    step.queue.commands.close()
    assert not ui.addFoldsButton.isEnabled() and ui.addFoldsButton.toolTip == "Choose rows of one training first"
    pick(step, NAME)
    has = training.folds
    assert f"that {NAME} does not have yet" in ui.addFoldsButton.toolTip and not ui.addFoldsButton.isEnabled()
    new = [fold for fold in step.folds.names if fold not in has]
    step.folds.tick((has[0], *new))
    assert ui.addFoldsButton.isEnabled() and ui.addFoldsButton.toolTip.endswith(f"too: {' '.join(new)}")
    ui.addFoldsButton.click()
    assert told[-1].arguments == ["resume", str(work), NAME, "--add-folds", *new, "--events"]
    training.changed(folds=(*has, *new)).write(overwrite=True)
    tell(step_panel(step), told[-1], {"event": "result", "queued": [{"training": NAME, "fold": new[0]}]})
    assert ui.statusLabel.text == f"{NAME} trains further folds: {' '.join(new)}."
    assert [run.fold for run in step.queue.runs.of(NAME)] == [*has, *new]
    assert set(new) < {row[0] for row in cells(step)} and not ui.addFoldsButton.isEnabled()
    other = writeDataset(tmp_path / "other")
    ui.trainDatasetEdit.setCurrentPath(str(other))
    assert ui.addFoldsButton.toolTip == f"Choose the dataset of {NAME} above first"


def test_stopping_does_not_wait_for_other_work(step, raw, tmp_path, told, table):  # noqa: F811
    panel = step_panel(step)  # noqa: F811
    work = tmp_path / "work"
    writeWork(work, raw)
    choose(step, raw, work)
    step.queue.commands.close()
    panel.open(table)
    panel.ui.checkButton.click()
    assert panel.working
    pick(step, f"{NAME}:1")
    step._ui.stopButton.click()
    assert told[-1].arguments[0] == "stop" and told[-1].calls == ["start"]
    tell(panel, told[-1], {"event": "result", "asked": []})
    assert panel.working, "the check goes on"


def test_the_queue_is_looked_after(step, raw, tmp_path, told):  # noqa: F811
    """A process that was killed cannot tell: the command that knows is asked when a work folder is opened."""
    work = tmp_path / "work"
    writeWork(work, raw)
    choose(step, raw, work)
    assert told[0].arguments == ["status", str(work)]
    tell(step_panel(step), told[0], {"event": "error", "code": "error", "message": "killed", "hint": ""})
    assert step._ui.statusLabel.text == "", "nobody asked for it"


def test_curves_lie_over_each_other_and_grow(step, raw, tmp_path, told):  # noqa: F811
    import slicer

    work = tmp_path / "work"
    training = writeWork(work, raw)  # noqa: F811
    choose(step, raw, work)
    layout = slicer.app.layoutManager().layoutLogic().GetLayoutNode()
    before = layout.GetViewArrangement()
    curves = step.queue.curves
    curves.chooseKind("loss")
    assert curves.plot is None and "Choose fold runs" in step._ui.curvesHelpLabel.text
    pick(step, NAME)
    chart = curves.plot.chart("loss")
    assert chart.GetNumberOfPlotSeriesNodes() == 6, "training and validation of the three folds that have epochs"
    names = [chart.GetNthPlotSeriesNode(k).GetName() for k in range(6)]
    assert any("fold 3" in name for name in names)
    shown = [
        slicer.app.layoutManager().plotWidget(k).mrmlPlotViewNode().GetPlotChartNodeID()
        for k in range(slicer.app.layoutManager().plotViewCount)
    ]
    assert chart.GetID() in shown
    table = chart.GetNthPlotSeriesNode(2).GetTableNode().GetTable()  # noqa: F811
    assert table.GetNumberOfRows() == 212
    writeCurves(training, "1", 213, seed=1)
    curves.turn()
    curves.turn()
    assert table.GetNumberOfRows() == 213
    pick(step, f"{NAME}:2")
    assert curves.plot is None and step._ui.curvesHelpLabel.text == "No epoch is finished yet."
    curves.chooseKind("")
    assert layout.GetViewArrangement() == before
    assert not slicer.util.getNodesByClass("vtkMRMLPlotChartNode")


def test_closing_follows_the_setting(step, raw, tmp_path, told):  # noqa: F811
    work = tmp_path / "work"
    training = writeWork(work, raw)  # noqa: F811
    choose(step, raw, work)
    stop = training.fold_folder("1") / "stop"
    step.queue.stopOwn()
    assert not stop.exists(), "it was not started here"
    step.queue.started(NAME)
    writeState(
        training,
        "1",
        state="running",
        stage="training",
        epoch=3,
        epochs=9,
        job={"executor": "none", "pid": os.getpid()},
    )
    step.queue.stopOwn()
    states = {fold: json.loads((training.fold_folder(fold) / "state.json").read_text())["state"] for fold in "0123"}
    assert states["0"] == "done" and states["2"] == "stopped", "what waited is taken out of the queue"


def test_an_exported_dataset_is_the_next_training_s(step, raw, tmp_path):
    step.chooseDataset(raw)
    assert step._ui.trainDatasetEdit.currentPath == str(raw)
    assert step.work == str(tmp_path / "training")


def test_choices_are_kept_in_the_scene(step, raw, tmp_path, widget, told):  # noqa: F811
    panel, work = widget.panel, tmp_path / "work"  # noqa: F811
    choose(step, raw, work)
    step.folds.tick(("1", "2"))
    step.device.choose("cpu")
    step._ui.epochsBox.value = 33
    step.closing.choose("stop")
    panel.kept.keep()
    node = widget.logic.getParameterNode()
    assert (node.trainDataset, node.workFolder, node.preset) == (str(raw), str(work), "m1-phase-aware")
    assert (node.trainFolds, node.trainDevice, node.epochs, node.whenClosing) == ("1 2", "cpu", 33, "stop")
    widget.setParameterNode(None)
    cleanSteps(panel)
    assert step.settings.folds == ("0", "1", "2", "3", "4")
    widget.initializeParameterNode()
    assert step.settings.folds == ("1", "2") and step.settings.epochs == 33 and step.settings.work == str(work)
    assert step.preset.value == "m1-phase-aware" and step.closing.value == "stop"


@pytest.mark.parametrize(
    "seconds, words",
    [
        (None, ""),
        (-1, ""),
        (40, "40 s"),
        (600, "10 min"),
        (7500, "2 h 5 min"),
        (200000, "2 d 8 h"),
        (float("nan"), ""),
    ],
)
def test_time_left_in_words(training, seconds, words):  # noqa: F811
    from BreastSegTrainingLib.panel.runrows import duration

    assert duration(seconds) == words

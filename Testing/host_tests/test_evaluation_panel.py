"""Step 5 of the training panel: what is evaluated, tables, cases in the views, comparison, publishing."""

import json

import numpy as np
import pytest
from runs_fixtures import (
    NAME,
    cleanSteps,
    evaluationRecord,
    writeDataset,
    writeEvaluation,
    writeState,
    writeTraining,
    writeWork,
)
from training_fixtures import (  # noqa: F401
    ROWS,
    asked,
    finish,
    panel,
    table,
    tell,
    told,
    training,
    turnUntil,
    widget,
    writeTable,
)


@pytest.fixture
def step(panel, monkeypatch):  # noqa: F811
    """The tab "Evaluation", with nothing chosen."""
    monkeypatch.setattr("BreastSegTrainingLib.panel.needs.ensure", lambda names, session: None)
    cleanSteps(panel)
    panel.ui.stepTabs.setCurrentIndex(4)
    yield panel.evaluation
    cleanSteps(panel)


@pytest.fixture
def work(step, panel, tmp_path, told):  # noqa: F811
    """A work folder with a training of which fold 0 is done; commands are told by the test."""
    raw = writeDataset(tmp_path / "nnUNet_raw", test=2)
    writeWork(tmp_path / "work", raw)
    panel.ui.workEdit.setCurrentPath(str(tmp_path / "work"))
    told.clear()
    panel.training.queue.commands.close()
    return tmp_path / "work"


def cells(widget):  # noqa: F811
    """Return what a table shows, row by row."""
    return [
        [widget.item(row, column).text() for column in range(widget.columnCount)] for row in range(widget.rowCount)
    ]


def parsed(arguments):
    """Return the options that the command line makes of arguments."""
    from BreastSegTrainingLib.commands.parser import build_parser

    return build_parser().parse_args([text for text in arguments if text != "--events"])


def test_one_sentence_says_what_is_missing(step, tmp_path):
    ui = step._ui
    assert ui.evaluateMissingLabel.text == "Train a model in step 4 first, or choose its work folder there."
    assert not ui.evaluateButton.isEnabled()
    step.what.choose("folders")
    assert ui.evalTrainingBox.isHidden() and not ui.truthEdit.isHidden()
    assert ui.evaluateMissingLabel.text == "Choose the folder with the reference masks."
    ui.truthEdit.setCurrentPath(str(tmp_path))
    assert ui.evaluateMissingLabel.text == "Choose the folder with the predictions."
    ui.predictionEdit.setCurrentPath(str(tmp_path / "none"))
    assert "predictions is not there" in ui.evaluateMissingLabel.text
    ui.predictionEdit.setCurrentPath(str(tmp_path))
    assert ui.evaluateMissingLabel.text == "Both folders are the same."


def test_a_training_without_a_finished_fold(step, panel, tmp_path, told):  # noqa: F811
    raw = writeDataset(tmp_path / "nnUNet_raw")
    training = writeTraining(tmp_path / "work", raw, folds=("0", "all"))  # noqa: F811
    writeState(training, "0", state="running", stage="training", epoch=1, epochs=2)
    writeState(training, "all", state="done", stage="")
    panel.ui.workEdit.setCurrentPath(str(tmp_path / "work"))
    assert step._ui.evaluateMissingLabel.text == f"No fold of {NAME} is done yet."
    step.what.choose("test")
    assert "done yet" in step._ui.evaluateMissingLabel.text


def test_cross_validation_is_asked_for(step, work, told):  # noqa: F811
    ui = step._ui
    assert ui.evaluateMissingLabel.text == "Only the folds that are done: 0."
    step.cleanup.choose("largest")
    ui.toleranceBox.value = 2.5
    ui.evaluateButton.click()
    options = parsed(told[0].arguments)
    assert options.training == str(work / "trainings" / NAME) and options.folds == ["0"]
    assert options.output == str(work / "evaluations" / NAME) and options.grid == "prepared"
    assert (options.cleanup, options.tolerance, options.groups) == ("largest", 2.5, None)
    file = writeEvaluation(work / "evaluations" / NAME)
    tell(step_panel(), told[0], {"event": "result", "evaluation": str(file), "cases": 40, "failed": []})
    assert step_panel().ui.statusLabel.text.startswith("Evaluated 40 cases.")
    assert not ui.resultFrame.isHidden() and step.file == str(file)
    ui.evaluateButton.click()
    assert parsed(told[1].arguments).output == str(work / "evaluations" / f"{NAME}-2"), "nothing is overwritten"


def test_the_test_part_is_predicted_first(step, work, told):  # noqa: F811
    step.what.choose("test")
    assert step._ui.evaluateMissingLabel.text == "2 test cases; they are segmented first."
    step._ui.evaluateButton.click()
    options = parsed(told[0].arguments)
    assert options.verb == "predict" and options.output == str(work / "predictions" / NAME)
    for name in ("P900_1", "P901_1"):
        path = work / "predictions" / NAME / f"{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"mask")
    tell(step_panel(), told[0], {"event": "result", "cases": ["P900_1", "P901_1"]})
    options = parsed(told[1].arguments)
    assert options.verb == "evaluate" and options.prediction == str(work / "predictions" / NAME)
    assert options.dataset.endswith("Dataset101_BreastDCE") and options.name == NAME
    tell(step_panel(), told[1], {"event": "error", "code": "bad", "message": "No.", "hint": ""})
    assert step._ui.evaluateMissingLabel.text == "2 test cases."
    step._ui.evaluateButton.click()
    assert told[2].arguments[0] == "evaluate", "the predictions are there already"


def test_groups_need_the_table_and_its_key(step, work, told, panel, tmp_path):  # noqa: F811
    ui = step._ui
    step.groups.tick(("size",))
    assert ui.evaluateButton.isEnabled(), "sizes are those of the masks"
    step.groups.tick(("centre", "size"))
    assert "open it in step 1" in ui.evaluateMissingLabel.text
    path = writeTable(tmp_path / "cases.csv", ROWS)
    panel.open(path)
    assert "key file" in ui.evaluateMissingLabel.text
    key = tmp_path / "cases.Dataset101_BreastDCE.key.csv"
    key.write_text("name,case\n")
    panel.refresh()
    assert ui.evaluateButton.isEnabled()
    step.grid.choose("exam")
    ui.evaluateButton.click()
    options = parsed(told[0].arguments)
    assert (options.cases, options.key, options.grid) == (str(path), str(key), "exam")
    assert options.groups == ["centre", "size"]


def test_summary_shows_what_is_chosen(step, tmp_path):
    assert step.open(writeEvaluation(tmp_path / "one"))
    record, ui = evaluationRecord(), step._ui
    found = record["summary"]["cleaned"]["dice"]
    rows = cells(ui.summaryTable)
    assert [row[0] for row in rows] == ["Dice ↑", "Jaccard (IoU) ↑", "HD95 (mm) ↓"]
    assert rows[0][2] == f"{found['mean']:.3f} ± {found['sd']:.3f}"
    step.result.statistic.choose("median")
    expected = f"{found['median']:.3f} ({found['min']:.3f} – {found['max']:.3f})"
    assert cells(ui.summaryTable)[0][2] == expected and expected in ui.measureLabel.text
    step.result.statistic.choose("interval")
    assert cells(ui.summaryTable)[0][2] == f"{found['mean']:.3f} ({found['ci_low']:.3f} – {found['ci_high']:.3f})"
    assert "Lesions found: 47 of 48" in ui.resultLabel.text
    step.result.statistic.choose("mean")


def test_cases_are_sorted_the_worst_first_whatever_is_better(step, tmp_path):
    step.open(writeEvaluation(tmp_path / "one"))
    widget = step._ui.resultCaseTable  # noqa: F811
    rows = evaluationRecord()["cases"]
    order = [row["case"] for row in sorted(rows, key=lambda row: (row["cleaned"]["dice"], row["case"]))]
    assert [row[0] for row in cells(widget)] == order and cells(widget)[0][3] == "0 of 1"
    step._ui.summaryTable.selectRow(2)
    known = [row for row in rows if row["cleaned"]["hd95"] is not None]
    worst = max(known, key=lambda row: row["cleaned"]["hd95"])["case"]
    assert cells(widget)[0][0] == worst
    assert cells(widget)[-1][:3] == ["P007_1", "–", "–"], "a case without a value is last"
    widget.horizontalHeader().sectionClicked(0)
    assert [row[0] for row in cells(widget)] == sorted(row["case"] for row in rows)
    widget.horizontalHeader().sectionClicked(0)
    assert cells(widget)[0][0] == "P040_1"


def test_the_plot_has_a_point_for_each_case(step, tmp_path):
    import slicer

    step.open(writeEvaluation(tmp_path / "one"))
    chart = step.result._plot.chart
    assert chart.GetNumberOfPlotSeriesNodes() == 2 and not step._ui.pointsFrame.isHidden()
    table = chart.GetNthPlotSeriesNode(1).GetTableNode().GetTable()  # noqa: F811
    values = [table.GetColumnByName("cleaned").GetValue(k) for k in range(table.GetNumberOfRows())]
    assert len(values) == 40 and values == sorted(values) and not chart.GetSaveWithScene()
    slicer.mrmlScene.Clear(0)
    assert step.result._plot.chart is not None, "it is made again"
    assert slicer.mrmlScene.IsNodePresent(step.result._plot.chart)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": "other"}', '{"format": "breastseg-evaluation-1"}'])
def test_a_file_that_is_no_evaluation_is_refused(step, tmp_path, text, asked):  # noqa: F811
    step.open(writeEvaluation(tmp_path / "one"))
    path = tmp_path / "evaluation.json"
    path.write_text(text)
    asked["fileToOpen"] = str(path)
    step._ui.openEvaluationButton.click()
    assert "evaluation.json" in step_panel().ui.statusLabel.text or str(tmp_path) in step_panel().ui.statusLabel.text
    assert step.file == str(tmp_path / "one" / "evaluation.json"), "what was shown stays"


def test_an_evaluation_of_raw_masks_only(step, tmp_path):
    step.open(writeEvaluation(tmp_path / "one", cleaned=False))
    assert step._ui.summaryTable.columnCount == 2 and step._ui.resultCaseTable.columnCount == 4
    assert step.result._plot.chart.GetNumberOfPlotSeriesNodes() == 1


def test_where_the_masks_lie_is_found_and_never_guessed(step, work, tmp_path):
    from BreastSegTrainingLib.panel import evaluatecommand

    training = step.training  # noqa: F811
    record = {"name": NAME, "truth": "gt_segmentations", "prediction": f"{training.model.name}/validation"}
    place = evaluatecommand.placeOf(record, [training], "", "")
    assert place == {"what": "cv", "training": training}
    files = evaluatecommand.filesOf(place, "P001_1", 0)
    assert files.prediction == training.output(0) / "validation" / "P001_1.nii.gz"
    assert files.truth.parent.name == "labelsTr" and files.missing is not None
    test = {"name": NAME, "truth": "labelsTs", "prediction": NAME}
    assert evaluatecommand.placeOf(test, [training], "", "")["what"] == "test"
    other = {"name": "other", "truth": "labelsTr", "prediction": "mine"}
    assert evaluatecommand.placeOf(other, [training], "", "") is None
    assert evaluatecommand.placeOf(other, [training], "/d/labelsTr", "/d/yours") is None
    assert evaluatecommand.placeOf(other, [training], "/d/labelsTr", "/d/mine")["what"] == "folders"
    step.open(writeEvaluation(tmp_path / "one"))
    step._ui.resultCaseTable.cellClicked(0, 0)
    assert "Where its masks lie is not known" in step_panel().ui.statusLabel.text


def test_two_evaluations_are_compared(step, tmp_path, told, asked):  # noqa: F811
    first, second = writeEvaluation(tmp_path / "one"), writeEvaluation(tmp_path / "two", seed=9, name="other")
    step.open(first)
    asked["fileToOpen"] = str(second)
    step._ui.compareButton.click()
    options = parsed(told[0].arguments)
    assert options.evaluations == [str(first.parent), str(second.parent)] and options.names == [NAME, "other"]
    from BreastSegTrainingLib.evaluation.compare import compare
    from BreastSegTrainingLib.evaluation.compare_page import write_comparison
    from BreastSegTrainingLib.evaluation.write import read_evaluation

    found = compare([read_evaluation(path) for path in options.evaluations], None, None, options.names)
    write_comparison(options.output, found)
    result = {"comparison": f"{options.output}/comparison.json"}
    tell(step_panel(), told[0], {"event": "result", **result})
    rows = cells(step._ui.compareTable)
    record = json.loads((first.parent / "compared-with-two" / "comparison.json").read_text())
    assert [row[0] for row in rows] == ["Dice", "Jaccard (IoU)", "HD95 (mm)"]
    assert rows[0][1] == f"{record['summary'][NAME]['dice']['median']:.3f}"
    assert rows[0][3] == f"{record['tests'][0]['p_holm']:.3f}"
    assert "A: " + NAME in step._ui.compareLabel.text and not step._ui.compareTable.isHidden()
    step.open(second)
    assert step._ui.compareTable.isHidden(), "that was another evaluation"


def test_an_evaluation_is_not_compared_with_itself(step, tmp_path, told, asked):  # noqa: F811
    first = writeEvaluation(tmp_path / "one")
    step.open(first)
    asked["fileToOpen"] = str(first)
    step._ui.compareButton.click()
    assert told == [] and "another one" in step_panel().ui.statusLabel.text


def test_the_best_training_is_found_among_those_with_the_same_folds(step, panel, work, told):  # noqa: F811
    training, queue = step.training, panel.training.queue
    other = writeTraining(work, training.raw, name="other")
    writeState(other, "0", state="done", stage="", epoch=1000, epochs=1000)
    writeState(writeTraining(work, training.raw, name="unfinished"), "0", state="stopped", stage="", epoch=3)
    writeState(writeTraining(work, "/another/dataset", name="stranger"), "0", state="done", stage="", epoch=1000)
    for each, kept in ((training, True), (other, False)):
        folder = each.output("0") / "validation"
        folder.mkdir(parents=True)
        (folder / "P001_1.nii.gz").write_bytes(b"")
        if kept:
            (folder / "P001_1.npz").write_bytes(b"")
    queue.look(always=True)
    step.refresh()
    assert step._ui.bestButton.isEnabled() and step._ui.bestLabel.isHidden()
    assert "other" in step._ui.bestButton.toolTip and "unfinished" not in step._ui.bestButton.toolTip
    step._ui.bestButton.click()
    options = parsed(told[0].arguments)
    assert options.training == [str(training.folder), str(other.folder)] and options.folds == ["0"]
    assert not options.pairs, "the chances of one are gone, so no pair can be averaged"
    rows = [{"trainings": [NAME], "dice": 0.7, "cases": 8}, {"trainings": ["other"], "dice": 0.75, "cases": 8}]
    best = {"trainings": ["other"], "dice": 0.75, "largest_component": True, "dice_cleaned": 0.8}
    tell(step_panel(), told[0], {"event": "result", "candidates": rows, "best": best})
    lines = step._ui.bestLabel.text.split("\n")
    assert lines[:2] == ["Dice 0.750: other", f"Dice 0.700: {NAME}"] and "0.750 becomes 0.800" in lines[2]
    step.chooseTraining("other")
    step.refresh()
    assert step._ui.bestLabel.isHidden(), "that was of the other training"


def test_publishing_needs_a_licence_and_says_where_the_model_is(step, work, told, tmp_path):  # noqa: F811
    record = evaluationRecord()
    record["prediction"] = f"{step.training.model.name}/validation"
    file = work / "evaluations" / NAME / "evaluation.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(record))
    step.open(file)
    step._ui.publishButton.click()
    box = step.publishBox
    assert box.ui.publishNameEdit.text == NAME and box.folds.names == ("0",), "folds that are done"
    assert "licence" in box.whatIsMissing and not box.ui.publishStartButton.isEnabled()
    box.ui.publishLicenceBox.setCurrentText("CC-BY-4.0")
    assert box.whatIsMissing == ""
    box.ui.publishZipCheck.setChecked(True)
    assert box.whatIsMissing == "Choose the zip file." and not box.ui.publishZipEdit.isHidden()
    box.ui.publishZipEdit.setCurrentPath(str(tmp_path / "model"))
    box.ui.publishTitleEdit.text = "A title"
    box.checkpoint.choose("best")
    box.ui.publishStartButton.click()
    options = parsed(told[0].arguments)
    assert (options.name, options.licence, options.title, options.checkpoint) == (NAME, "CC-BY-4.0", "A title", "best")
    assert options.zip == str(tmp_path / "model.zip") and options.library and options.evaluation == str(file)
    assert options.folds == ["0"] and options.training == str(work / "trainings" / NAME)
    done = {"model": {"name": NAME}, "folder": "/library/m", "zip": str(tmp_path / "model.zip"), "notes": []}
    tell(step_panel(), told[0], {"event": "result", **done})
    words = step._ui.publishedLabel.text
    assert "in the model library: BreastSeg offers it" in words and "model.zip" in words
    box.ui.publishZipCheck.setChecked(False)
    box.ui.publishLibraryCheck.setChecked(False)
    assert box.whatIsMissing == "Tick where the model goes."
    box.ui.publishLibraryCheck.setChecked(True)
    box.ui.publishLicenceBox.setCurrentText("")


def test_choices_are_kept_in_the_scene(step, work, widget, tmp_path):  # noqa: F811
    panel = widget.panel  # noqa: F811
    file = writeEvaluation(tmp_path / "one")
    step.open(file)
    step.grid.choose("exam")
    step.cleanup.choose("none")
    step.groups.tick(("age", "size"))
    step._ui.toleranceBox.value = 3.0
    panel.kept.keep()
    node = widget.logic.getParameterNode()
    assert (node.grid, node.cleanup, node.groups, node.tolerance) == ("exam", "none", "age size", 3.0)
    assert node.evaluation == str(file) and node.evaluateTraining == NAME
    widget.setParameterNode(None)
    cleanSteps(panel)
    assert step.file == ""
    widget.initializeParameterNode()
    assert step.settings.grid == "exam" and step.settings.groups == ("age", "size") and step.settings.tolerance == 3.0
    assert step.file == str(file) and not step._ui.resultFrame.isHidden()
    step._ui.toleranceBox.value = 1.0


# With real images, the worker and real commands


@pytest.fixture
def images(tmp_path):
    """A raw dataset with the images of one case, and a prediction that has lost half of the lesion."""
    import SimpleITK as sitk

    raw = writeDataset(tmp_path / "raw", cases=4, folds=2)
    grid = np.zeros((12, 40, 48), np.float32)
    noise = np.random.default_rng(1).normal(size=grid.shape).astype(np.float32)
    lesion = grid.astype(np.uint8)
    lesion[4:8, 10:20, 30:40] = 1
    half = lesion.copy()
    half[:, :, 35:] = 0
    (tmp_path / "predicted").mkdir()
    for path, array in (
        *((raw / "imagesTr" / f"P001_1_000{k}.nii.gz", noise + 5 * k * lesion) for k in range(3)),
        (raw / "labelsTr" / "P001_1.nii.gz", lesion),
        (tmp_path / "predicted" / "P001_1.nii.gz", half),
    ):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((1.0, 1.0, 2.5))
        image.SetOrigin((-20.0, 5.0, 7.0))
        sitk.WriteImage(image, str(path))
    return raw, lesion, half


def test_a_click_shows_image_reference_and_prediction(step, panel, images, tmp_path):  # noqa: F811
    import slicer

    raw, lesion, half = images
    step.what.choose("folders")
    step._ui.truthEdit.setCurrentPath(str(raw / "labelsTr"))
    step._ui.predictionEdit.setCurrentPath(str(tmp_path / "predicted"))
    record = evaluationRecord(cases=1)
    record |= {"name": "predicted", "truth": "labelsTr", "prediction": "predicted"}
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "evaluation.json").write_text(json.dumps(record))
    assert step.open(tmp_path / "e" / "evaluation.json")
    counts = []
    for _twice in range(2):  # the second one takes the place of the first
        step._ui.resultCaseTable.cellClicked(0, 0)
        assert panel.working
        finish(panel)
        shown = step.shown
        assert shown is not None, panel.ui.statusLabel.text
        counts.append(len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")))
    assert len(shown.exam.nodes) == 3 and counts[0] == counts[1]
    assert len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")) == 2
    for node, expected in ((shown.truth, lesion), (shown.prediction, half)):
        segment = node.GetSegmentation().GetNthSegmentID(0)
        found = slicer.util.arrayFromSegmentBinaryLabelmap(node, segment, shown.exam.reference)
        assert np.array_equal(found > 0, expected > 0)
        assert node.GetDisplayNode().GetOpacity2DFill() == 0.0
    colours = [node.GetSegmentation().GetNthSegment(0).GetColor() for node in (shown.truth, shown.prediction)]
    assert colours[0] != colours[1] and "P001_1" in panel.ui.shownCaseLabel.text
    red = slicer.app.layoutManager().sliceWidget("Red").sliceLogic()
    assert red.GetSliceCompositeNode().GetBackgroundVolumeID() == shown.exam.nodes[1].GetID()
    assert abs(red.GetSliceNode().GetSliceOffset() - (7.0 + 2.5 * 5.5)) < 2.6, "the lesion's slice"
    (tmp_path / "predicted" / "P001_1.nii.gz").unlink()
    step._ui.resultCaseTable.cellClicked(0, 0)
    assert "P001_1.nii.gz" in panel.ui.statusLabel.text and step.shown is shown, "what is shown stays"
    slicer.mrmlScene.Clear(0)
    assert step.shown is None and panel.ui.shownCaseLabel.isHidden()


def test_an_empty_prediction_is_shown_as_nothing(step, panel, images, tmp_path):  # noqa: F811
    import SimpleITK as sitk

    raw, lesion, _half = images
    path = tmp_path / "predicted" / "P001_1.nii.gz"
    empty = sitk.ReadImage(str(path)) * 0
    sitk.WriteImage(empty, str(path))
    from BreastSegTrainingLib.panel import evaluatecommand

    step._place = {"what": "folders", "truth": str(raw / "labelsTr"), "prediction": str(tmp_path / "predicted")}
    files = evaluatecommand.filesOf(step._place, "P001_1", None)
    assert files.missing is None and len(files.images) == 3
    step.showCase({"case": "P001_1", "fold": None})
    finish(panel)
    assert step.shown is not None, panel.ui.statusLabel.text
    assert step.shown.prediction.GetSegmentation().GetNumberOfSegments() == 0
    assert step.shown.truth.GetSegmentation().GetNumberOfSegments() == 1


def step_panel():
    import slicer

    return slicer.util.getModuleWidget("BreastSegTraining").panel

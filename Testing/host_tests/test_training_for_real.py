"""From a dataset to a published model in the panel: two epochs of real nnU-Net, evaluated and looked at."""

import json
import sys

import numpy as np
import pytest
from runs_fixtures import cleanSteps
from training_fixtures import asked, finish, panel, training, turnUntil, widget  # noqa: F401

pytest.importorskip("nnunetv2")
RECIPE = "single-phase-0002"
SHAPE, SPACING = (12, 32, 40), (1.0, 1.0, 1.0)


@pytest.fixture
def raw(tmp_path):
    """A raw dataset of four small cases, each with a bright lesion; two folds."""
    import SimpleITK as sitk
    from BreastSegLib.recipe import load_recipe

    folder, names = tmp_path / "nnUNet_raw" / "Dataset107_Small", [f"P00{k}_1" for k in range(1, 5)]
    random = np.random.default_rng(4)
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    for place, name in enumerate(names):
        lesion = np.zeros(SHAPE, np.uint8)
        lesion[3:9, 8:18, 6 + 4 * place : 16 + 4 * place] = 1
        image = random.normal(size=SHAPE).astype(np.float32) + 4 * lesion
        for path, array in (("imagesTr/{}_0000", image), ("labelsTr/{}", lesion)):
            picture = sitk.GetImageFromArray(array)
            picture.SetSpacing(SPACING)
            sitk.WriteImage(picture, str(folder / f"{path.format(name)}.nii.gz"))
    recipe = load_recipe(RECIPE)
    record = {
        "channel_names": {"0": "post2"},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": 4,
        "file_ending": ".nii.gz",
        "recipe": RECIPE,
        "recipe_hash": recipe.hash,
        "recipe_source": RECIPE,
    }
    (folder / "dataset.json").write_text(json.dumps(record))
    splits = [{"train": names[2:], "val": names[:2]}, {"train": names[:2], "val": names[2:]}]
    (folder / "splits_final.json").write_text(json.dumps(splits))
    return folder


def test_trained_evaluated_looked_at_and_published(panel, raw, tmp_path, monkeypatch):  # noqa: F811
    from BreastSegTrainingLib.launch import stop

    monkeypatch.setattr("BreastSegTrainingLib.panel.commandwork.ownInterpreter", lambda: sys.executable)
    cleanSteps(panel)
    ui, step, queue = panel.ui, panel.training, panel.training.queue
    try:
        ui.trainDatasetEdit.setCurrentPath(str(raw))
        ui.workEdit.setCurrentPath(str(tmp_path / "work"))
        step.preset.choose("m1-single-phase")
        step.folds.tick(("0",))
        step.device.choose("cpu")
        ui.epochsBox.value, ui.iterationsBox.value, ui.batchBox.value = 2, 2, 2
        ui.trainWorkersBox.value, ui.patchEdit.text = 0, "12 32 32"
        ui.trainNameEdit.text = "small"
        assert ui.startTrainingButton.isEnabled(), ui.trainMissingLabel.text
        ui.startTrainingButton.click()
        finish(panel)
        assert panel.error is None, ui.statusLabel.text
        assert ui.statusLabel.text.startswith("small was started.")
        assert [run.key for run in queue.table.chosen] == ["small:0"]
        seen = set()

        def ended():
            run = queue.runs.of("small")[0]
            seen.add(run.stateWords)
            return not run.active

        turnUntil(ended, patience=110)
        run = queue.runs.of("small")[0]
        assert run.state.state == "done", run.details
        assert run.epochWords == "2/2" and "Training" in seen
        queue.curves.chooseKind("loss")
        assert queue.curves.plot.chart("loss").GetNumberOfPlotSeriesNodes() == 2
        queue.curves.chooseKind("")
        _evaluate(panel)
        _publish(panel, tmp_path)
        _use(tmp_path)
    finally:
        stop(tmp_path / "work", immediately=True)  # nothing is left running when a check fails
        cleanSteps(panel)


def _evaluate(panel):  # noqa: F811
    ui, step = panel.ui, panel.evaluation
    ui.stepTabs.setCurrentIndex(4)
    assert step.model.value == "small" and ui.evaluateButton.isEnabled(), ui.evaluateMissingLabel.text
    ui.evaluateButton.click()
    finish(panel)
    assert panel.error is None, ui.statusLabel.text
    record = step.result.evaluation.record
    assert [row["case"] for row in record["cases"]] == ["P001_1", "P002_1"]
    assert ui.summaryTable.rowCount > 3 and ui.resultCaseTable.rowCount == 2
    assert (step.result.evaluation.path.parent / "evaluation.html").is_file()
    ui.resultCaseTable.cellClicked(0, 0)
    finish(panel)
    assert step.shown is not None, ui.statusLabel.text
    assert step.shown.truth.GetSegmentation().GetNumberOfSegments() == 1


def _publish(panel, tmp_path):  # noqa: F811
    ui, box = panel.ui, panel.evaluation.publishBox
    ui.publishButton.click()
    box.ui.publishNameEdit.text = "small-model"
    box.ui.publishLicenceBox.setCurrentText("CC-BY-4.0")
    box.ui.publishLibraryCheck.setChecked(True)
    box.ui.publishZipCheck.setChecked(True)
    box.ui.publishZipEdit.setCurrentPath(str(tmp_path / "small.zip"))
    assert box.whatIsMissing == ""
    box.ui.publishStartButton.click()
    finish(panel)
    assert panel.error is None, ui.statusLabel.text
    assert (tmp_path / "small.zip").is_file() and "small.zip" in ui.publishedLabel.text


def _use(tmp_path):
    """Segment an exam that the training has not seen with the published model, as a script of BreastSeg does."""
    import SimpleITK as sitk

    from BreastSeg import BreastSegLogic

    random, paths = np.random.default_rng(77), []
    for place in range(3):
        array = random.normal(100, 5, (14, 40, 44)).astype(np.float32)
        array[4:10, 12:24, 14:28] += 40 * place
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((1.2, 1.2, 1.5))
        paths.append(str(tmp_path / f"unseen_{place}.nii.gz"))
        sitk.WriteImage(image, paths[-1])
    logic = BreastSegLogic()
    try:
        node = logic.segment(paths, model="small-model", device="cpu")
        record = logic.result.record
        assert record["model"]["name"] == "small-model" and record["model"]["folds"] == ["0"]
        assert record["recipe"]["name"] == RECIPE
        assert [row["role"] for row in record["phases"]] == ["pre", "post", "post"]
        assert node.GetAttribute("BreastSeg.model.hash") == record["model"]["hash"]
    finally:
        logic.close()

"""What the module's self test does in the panel, and what it looks at; the same in Slicer and in the host."""

import shutil
from pathlib import Path

import numpy as np
import slicer
from BreastSegLib.exam.store import save_exam
from BreastSegLib.files import write_json
from BreastSegLib.reports.masks import write_mask
from BreastSegLib.samples.dce import make_dce_exam

from ..cases import Case, CaseTable
from ..launch import FoldState, Training

SEEDS = (9101, 9102)
SIZE = {"shape": (28, 72, 112), "spacing": (1.8, 1.8, 3.0), "posts": 2, "radius_mm": (8.0, 11.0)}


def makeTable(folder):
    """Write sample exams with their true masks and a case table; returns its path."""
    folder, cases = Path(folder), []
    for number, seed in enumerate(SEEDS, 1):
        sample = make_dce_exam(seed=seed, **SIZE)
        name = f"sample_{number:02d}"
        save_exam(sample.exam, folder / "exams" / name)
        write_mask(folder / "masks" / f"{name}.nii.gz", sample.truth)
        cases.append(
            Case({}).changed(
                case=name,
                patient=f"P{number}",
                exam=f"exams/{name}",
                mask=f"masks/{name}.nii.gz",
                centre="North" if number == 1 else "South",
                age=60 - number,
            )
        )
    path = folder / "cases.csv"
    CaseTable(cases, folder).write(path)
    return str(path)


def checkTable(test, panel):
    """The table is shown, filtered, sorted, edited and saved.

    Parameters
    ----------
    test : unittest.TestCase
    panel : TrainingPanel
        With the table of `makeTable` open.
    """
    table, grid = panel.ui.caseTable, panel.cases.grid
    test.assertEqual(table.rowCount, 2)
    test.assertIn("2 cases of 2 patients", panel.ui.tableLabel.text)
    panel.ui.filterEdit.text = "south"
    panel.cases.showRows()
    test.assertEqual([table.item(row, 0).text() for row in range(table.rowCount)], ["sample_02"])
    panel.ui.filterEdit.text = ""
    grid.sortColumn = "age"
    panel.cases.showRows()
    test.assertEqual([table.item(row, 0).text() for row in range(table.rowCount)], ["sample_02", "sample_01"])
    panel.cases.setColumns(("case", "status", "patient", "centre", "age", "density"))
    table.item(0, grid.columns.index("density")).setText("C")
    test.assertTrue(panel.opened.unsaved)
    test.assertTrue(panel.file.save(), panel.ui.statusLabel.text)
    saved = CaseTable.read(panel.opened.path)
    test.assertEqual(saved.cases[saved.index_of("sample_02")].plain("density"), "c")


def checkMask(test, panel, waitFor):
    """A case is loaded, its mask is corrected and saved, and the former file is still there.

    Parameters
    ----------
    test : unittest.TestCase
    panel : TrainingPanel
    waitFor : callable
        ``waitFor(panel)`` lets the window turn until the panel is idle.
    """
    place = panel.opened.table.index_of("sample_01")
    panel.cases.grid.choose(place)
    panel.ui.loadCaseButton.click()
    waitFor(panel)
    loaded = panel.case.loaded
    test.assertIsNotNone(loaded, panel.ui.statusLabel.text)
    test.assertEqual(len(loaded.exam.nodes), 3)
    node, segmentId = loaded.segmentation, loaded.segmentation.GetSegmentation().GetNthSegmentID(0)
    before = slicer.util.arrayFromSegmentBinaryLabelmap(node, segmentId, loaded.volume)
    folder = panel.opened.path.parent
    truth = panel.opened.table.mask_paths(panel.opened.cases[place])[0]
    test.assertGreater(int(before.sum()), 20)
    after = before.copy()
    after[:, : before.shape[1] // 2] = 0
    after[0, 0, 0] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(after, node, segmentId, loaded.volume)
    test.assertTrue(panel.case.maskChanged)
    panel.case.save()
    waitFor(panel)
    test.assertFalse(panel.case.maskChanged)
    case = panel.opened.cases[panel.opened.table.index_of("sample_01")]
    test.assertEqual(case.get("mask"), "masks/sample_01.nrrd", panel.ui.statusLabel.text)
    test.assertTrue(truth.is_file(), "the former mask stays")
    volume = slicer.util.loadVolume(str(folder / case.get("mask")), properties={"show": False})
    test.assertTrue(np.array_equal(slicer.util.arrayFromVolume(volume) > 0, after > 0))
    slicer.mrmlScene.RemoveNode(volume)


def checkDataset(test, panel, output, waitFor):
    """The cases are checked, selected by a rule, and exported as an nnU-Net dataset.

    Parameters
    ----------
    test : unittest.TestCase
    panel : TrainingPanel
    output : str
        Folder of the datasets.
    waitFor : callable
    """
    panel.ui.checkButton.click()
    waitFor(panel)
    test.assertIsNone(panel.error, panel.ui.statusLabel.text)
    panel.quality.chooseRules("age > 20")
    panel.ui.applyButton.click()
    waitFor(panel)
    test.assertIsNone(panel.error, panel.ui.statusLabel.text)
    test.assertTrue(all(case.selected for case in panel.opened.cases))
    ui = panel.ui
    panel.dataset.recipe.choose("mama-mia-first-post")
    ui.nameEdit.text = "Sample"
    ui.outputEdit.setCurrentPath(output)
    ui.testBox.value = 0.0
    ui.foldsBox.value = 2
    panel.refresh()
    test.assertTrue(ui.exportButton.isEnabled(), ui.exportButton.toolTip)
    ui.exportButton.click()
    waitFor(panel)
    test.assertIsNone(panel.error, panel.ui.statusLabel.text)
    found = sorted(path.name for path in (Path(output) / "Dataset101_Sample" / "labelsTr").iterdir())
    test.assertEqual(len(found), 2)


def checkTraining(test, panel, work):
    """The exported dataset can be trained on, and fold runs are found in their work folder.

    Nothing is trained: that needs packages which Slicer may not have.

    Parameters
    ----------
    test : unittest.TestCase
    panel : TrainingPanel
        With a dataset exported.
    work : str
        Folder of the trainings.

    Returns
    -------
    Training
        One whose files say that its folds are done; its predictions are the reference masks.
    """
    ui, step = panel.ui, panel.training
    test.assertTrue(ui.trainDatasetEdit.currentPath.endswith("Dataset101_Sample"), "as step 3 has exported it")
    ui.workEdit.setCurrentPath(work)
    step.preset.choose("nnunet-default")
    test.assertTrue(ui.startTrainingButton.isEnabled(), ui.startTrainingButton.toolTip)
    test.assertEqual(step.folds.names, ("0", "1", "all"))
    settings = step.settings
    training = Training(work, "sample", settings.dataset, "3d_fullres", "nnUNetTrainerBreastSeg", folds=("0", "1"))
    training.write()
    for fold in training.folds:
        training.fold_folder(fold).mkdir(parents=True)
        FoldState(state="done", stage="", epoch=2, epochs=2, best=0.5, best_epoch=1).write(training.fold_folder(fold))
        shutil.copytree(Path(settings.dataset, "labelsTr"), training.output(fold) / "validation")
    step.queue.look()
    test.assertEqual(ui.queueTable.rowCount, 3)
    test.assertEqual([ui.queueTable.item(row, 1).text() for row in (1, 2)], ["Done", "Done"])
    return training


def checkEvaluation(test, panel, training, waitFor):
    """An evaluation is shown, and a click on a case shows its image with both masks.

    Parameters
    ----------
    test : unittest.TestCase
    panel : TrainingPanel
    training : Training
        See `checkTraining`.
    waitFor : callable
    """
    case = sorted(path.name for path in (training.output("0") / "validation").iterdir())[0].removesuffix(".nii.gz")
    figures = {"mean": 1.0, "sd": None, "median": 1.0, "min": 1.0, "max": 1.0, "ci_low": None, "ci_high": None, "n": 1}
    record = {
        "format": "breastseg-evaluation-1",
        "name": training.name,
        "truth": "gt_segmentations",
        "prediction": f"{training.model.name}/validation",
        "stage": "raw",
        "measures": {"dice": {"title": "Dice", "unit": "", "better": "higher"}},
        "cases": [{"case": case, "fold": 0, "raw": {"dice": 1.0}, "cleaned": None}],
        "summary": {"raw": {"dice": figures}},
    }
    path = training.work / "evaluations" / "sample" / "evaluation.json"
    write_json(path, record)
    test.assertTrue(panel.evaluation.open(path), panel.ui.statusLabel.text)
    test.assertEqual(panel.ui.summaryTable.item(0, 1).text(), "1.000")
    panel.ui.resultCaseTable.cellClicked(0, 0)
    waitFor(panel)
    shown = panel.evaluation.shown
    test.assertIsNotNone(shown, panel.ui.statusLabel.text)
    arrays = []
    for node in (shown.truth, shown.prediction):
        segmentId = node.GetSegmentation().GetNthSegmentID(0)
        arrays.append(slicer.util.arrayFromSegmentBinaryLabelmap(node, segmentId, shown.exam.reference))
    test.assertGreater(int(arrays[0].sum()), 20)
    test.assertTrue(np.array_equal(*arrays))

"""What the module's self test does in the panel, and what it looks at; the same in Slicer and in the host."""

from pathlib import Path

import numpy as np
import slicer
from BreastSegLib.exam.store import save_exam
from BreastSegLib.reports.masks import write_mask
from BreastSegLib.samples.dce import make_dce_exam

from ..cases import Case, CaseTable

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

"""Step 4 as a user meets it: lesions, editing and measuring again, regions brought back, runs beside each other."""

import os
import signal

import numpy as np
import pytest
from breastseg_fixtures import (  # noqa: F401
    breastseg,
    finish,
    load,
    scene,
    status,
    turnUntil,
    widget,
)
from region_fixtures import addExam, layout, view  # noqa: F401
from results_fixtures import BOX, draw, measuresOf, rowOf
from test_breastseg_examstep import saveAndLoad


@pytest.fixture(scope="session")
def threeMasses(tmp_path_factory):
    """An exam with three masses, written as DICOM, and its truth."""
    from BreastSegLib.samples.dce import make_dce_exam
    from BreastSegLib.samples.writing import write_dce_sample

    sample = make_dce_exam(seed=9004, masses=3, posts=3)
    return write_dce_sample(sample, tmp_path_factory.mktemp("three") / "sample") / "exam", sample


@pytest.fixture
def panel(widget):  # noqa: F811
    """The panel with the demo model, on the CPU."""
    panel = widget.panel
    panel.modelStep.chooseModel("demo-dce")
    panel.modelStep.chooseDevice("cpu")
    panel.ui.resultsGroup.collapsed = False
    return panel


def settle(panel):
    """Let the panel end what it does, and tell what changed."""
    import slicer

    finish(panel)
    turnUntil(lambda: not panel.resultSteps.working)
    timer = panel.resultsBox.list._timer
    turnUntil(lambda: not timer.active)
    slicer.app.processEvents()


def cells(box):
    table = box.ui.lesionTable
    return [[table.item(row, column).text() for column in range(table.columnCount)] for row in range(table.rowCount)]


def listed(box):
    return [box.ui.resultList.item(place).text() for place in range(box.ui.resultList.count)]


def lines():
    import slicer

    return [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLMarkupsLineNode")]


def tables():
    import slicer

    return [node for node in slicer.util.getNodesByClass("vtkMRMLTableNode") if node.GetName().endswith(" lesions")]


def arrayOf(node, exam, place=0):
    import slicer

    segment = node.GetSegmentation().GetNthSegmentID(place)
    return slicer.util.arrayFromSegmentBinaryLabelmap(node, segment, exam.reference) > 0


def paint(node, exam, array, place=0):
    """Replace the voxels of a segment, as an effect of the Segment Editor does."""
    import slicer

    segment = node.GetSegmentation().GetNthSegmentID(place)
    slicer.util.updateSegmentBinaryLabelmapFromArray(array.astype(np.uint8), node, segment, exam.reference)


def volumes(box):
    return [row["volume_mm3"] for row in box.result.measures["lesions"]]


def drawTruth(exam, sample, name="Drawn by hand"):
    """Draw the true masses of a sample, one segment for each, and return their voxel counts, largest first."""
    import SimpleITK as sitk
    import slicer

    parts = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray((sample.truth.array > 0) * 1), True))
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(exam.reference)
    for label in range(1, int(parts.max()) + 1):
        node.GetSegmentation().AddEmptySegment("", f"Mine {label}")
        paint(node, exam, parts == label, label - 1)
    return node, sorted((int((parts == label).sum()) for label in range(1, int(parts.max()) + 1)), reverse=True)


def test_the_whole_way(panel, threeMasses, layout, artefacts):  # noqa: F811
    from Host import screenshots

    folder, sample = threeMasses
    exam, box = load(panel, folder), panel.resultsBox
    panel.ui.resultsGroup.collapsed = True
    assert box.result is None and box.ui.resultsEmptyLabel.text.startswith("Nothing is segmented on this exam yet.")
    panel.ui.segmentButton.click()
    settle(panel)
    assert panel.result is box.result and listed(box) == ["Segmentation 1 (demo-dce) – 1 lesion"]
    voxel = float(np.prod(sample.exam.geometry.spacing))
    first = arrayOf(box.result.node, exam)
    (volume,) = volumes(box)
    assert volume == pytest.approx(first.sum() * voxel)
    assert cells(box)[0][2] == f"{volume / 1000:.2f}" and len(lines()) == 2
    assert box.row is box.result.measures["lesions"][0], "the largest one is shown"
    assert not panel.ui.resultsGroup.collapsed and status(panel).startswith("1 lesion found")
    # What the clean-up removed comes back, and goes again.
    assert "Left out:" in box.ui.warningsLabel.text
    assert box.ui.restoreButton.isVisible() and box.ui.restoreButton.text.startswith("Bring back 2 removed regions (")
    box.ui.restoreButton.click()
    assert not box.ui.measureButton.isEnabled() and not panel.ui.segmentButton.isEnabled()
    settle(panel)
    assert len(volumes(box)) == 3 and box.result.node.GetSegmentation().GetNumberOfSegments() == 3
    assert not box.edited and "The clean-up removed" not in box.ui.warningsLabel.text
    box.ui.lesionTable.selectRow(1)
    screenshots.layoutScreenshot(artefacts / "breastseg-results.png")
    box.ui.restoreButton.click()
    settle(panel)
    assert volumes(box) == [pytest.approx(volume)] and box.ui.restoreButton.text.startswith("Bring back 2")
    # Half of it is erased.
    half = first.copy()
    half[:, :, int(np.argwhere(first)[:, 2].mean()) :] = False
    paint(box.result.node, exam, half)
    settle(panel)
    assert box.edited and box.ui.editedLabel.text == "Edited: the numbers are of the former outline."
    assert volumes(box) == [pytest.approx(volume)], "as told"
    color = box.result.node.GetSegmentation().GetNthSegment(0).GetColor()
    name = box.result.node.GetSegmentation().GetNthSegment(0).GetName()
    box.ui.measureButton.click()
    settle(panel)
    assert volumes(box) == [pytest.approx(half.sum() * voxel)] and not box.edited
    segment = box.result.node.GetSegmentation().GetNthSegment(0)
    assert segment.GetColor() == color and segment.GetName() == name == box.result.measures["lesions"][0]["name"]
    edited = box.result.node
    # A second run beside the first one.
    panel.ui.segmentButton.click()
    settle(panel)
    assert listed(box) == ["Segmentation 1 (demo-dce) – 1 lesion", "Segmentation 2 (demo-dce) – 1 lesion"]
    assert not edited.GetDisplayNode().GetVisibility() and volumes(box) == [pytest.approx(volume)]
    box.ui.compareButton.click()
    settle(panel)
    second = arrayOf(box.result.node, exam)
    dice = 2 * (half & second).sum() / (half.sum() + second.sum())
    assert f">{dice:.2f}<" in box.ui.agreementLabel.text, box.ui.agreementLabel.text
    assert "1; 0 only here, 0 only there" in box.ui.agreementLabel.text
    box.ui.resultList.setCurrentRow(0)
    assert box.result.node is edited and edited.GetDisplayNode().GetVisibility()
    assert volumes(box) == [pytest.approx(half.sum() * voxel)]


def test_what_was_drawn_by_hand_is_measured(panel, threeMasses, layout):  # noqa: F811
    import qt
    import slicer

    folder, sample = threeMasses
    exam, box = load(panel, folder), panel.resultsBox
    node, counts = drawTruth(exam, sample)
    settle(panel)
    assert listed(box) == ["Drawn by hand – not measured"] and box.ui.measureButton.text == "Measure"
    assert not box.ui.lesionTable.isVisible() and not box.ui.numbersButton.isEnabled()
    box.ui.measureButton.click()
    assert panel.working == "measuring" and box.ui.measureProgressFrame.isVisible()
    assert not panel.ui.progressFrame.isVisible()
    settle(panel)
    voxel = float(np.prod(sample.exam.geometry.spacing))
    np.testing.assert_allclose(sorted(volumes(box), reverse=True), np.array(counts) * voxel)
    assert {row["name"] for row in box.result.measures["lesions"]} == {"Mine 1", "Mine 2", "Mine 3"}
    # A click shows the lesion and its segment; a click on the same row shows it again.
    box.ui.lesionTable.selectRow(2)
    assert box.row["name"] in box.ui.lesionDetailsLabel.text and len(lines()) == 2
    faint = [node.GetDisplayNode().GetSegmentOpacity3D(one) for one in node.GetSegmentation().GetSegmentIDs()]
    assert sorted(faint) == [0.5, 0.5, 1.0]
    assert panel.resultSteps.kinetics.chosen == box.row["label"], "its curve stands out"
    red = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode()
    offset = red.GetSliceOffset()
    red.SetSliceOffset(offset + 20)
    box.ui.lesionTable.cellClicked(2, 0)
    box.ui.lesionTable.cellClicked(2, 0)
    assert red.GetSliceOffset() == pytest.approx(offset)
    # The tick is the eye.
    box.ui.resultList.item(0).setCheckState(qt.Qt.Unchecked)
    assert not node.GetDisplayNode().GetVisibility()
    node.GetDisplayNode().SetVisibility(True)
    settle(panel)
    assert box.ui.resultList.item(0).checkState() == qt.Qt.Checked
    # Renamed, it is no other segmentation; removed, nothing of it stays.
    node.SetName("Renamed")
    settle(panel)
    assert listed(box) == ["Renamed – 3 lesions"]
    box.ui.numbersButton.click()
    assert box.numbers.view.mrmlTableNode().GetNumberOfRows() == 3
    slicer.mrmlScene.RemoveNode(node)
    settle(panel)
    assert box.result is None and lines() == [] and tables() == []
    assert box.ui.resultsEmptyLabel.isVisible() and not box.ui.lesionTable.isVisible()


def test_a_script_measures_what_is_drawn(panel, threeMasses):
    import slicer

    folder, sample = threeMasses
    exam = load(panel, folder)
    node, counts = drawTruth(exam, sample)
    logic = slicer.util.getModuleLogic("BreastSeg")
    logic.session, own = panel.session, logic.session
    try:
        measured = logic.measure(exam, node)
    finally:
        logic.session = own
    found = sorted((row["voxels"] for row in measured.measures["lesions"]), reverse=True)
    assert measured is logic.result and found == counts


def test_all_numbers_are_copied(panel, threeMasses):
    import slicer

    exam, box = load(panel, threeMasses[0]), panel.resultsBox
    node = draw(exam, BOX)
    box.show(exam, resultWith(node, rowOf(BOX, name="Mine", clock="3:00")))
    box.ui.numbersButton.click()
    box.numbers.copy()
    head, row = (line.split("\t") for line in slicer.app.clipboard().text().splitlines())
    assert dict(zip(head, row))["clock"] == "3:00" and float(dict(zip(head, row))["volume (mm³)"]) == pytest.approx(
        240
    )
    box.numbers.close()


def resultWith(node, *rows, **more):
    from BreastSegLib.scene.sceneexam import SceneResult

    return SceneResult(node, (), more.pop("notes", ()), {}, {}, measures=measuresOf(*rows, **more))


def test_the_outline_is_edited_in_the_segment_editor(panel, threeMasses, layout):  # noqa: F811
    import slicer

    exam, box = load(panel, threeMasses[0]), panel.resultsBox
    node = draw(exam, BOX)
    box.show(exam, resultWith(node, rowOf(BOX)))
    box.ui.editButton.click()
    editor = slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    assert editor.GetSegmentationNode() is node and editor.GetSourceVolumeNode() is exam.reference
    slicer.util.selectModule("BreastSeg")
    settle(panel)
    assert panel.resultsBox.result.node is node and len(panel.resultsBox.result.measures["lesions"]) == 1


@pytest.mark.parametrize("how", ["cancel", "kill"])
def test_measuring_that_is_ended_leaves_the_numbers(panel, threeMasses, how):
    folder, sample = threeMasses
    exam, box = load(panel, folder), panel.resultsBox
    node, _counts = drawTruth(exam, sample)
    box.show(exam, resultWith(node, rowOf(BOX)))
    former = box.result
    paint(node, exam, arrayOf(node, exam))
    settle(panel)
    box.ui.measureButton.click()
    turnUntil(lambda: panel.session.workerBusy or not panel.working)
    if how == "cancel":
        box.ui.measureCancelButton.click()
    else:
        os.kill(panel.session.workerPid, signal.SIGKILL)
    turnUntil(lambda: not panel.working, patience=10)
    wanted = "Cancelled: the numbers are as before." if how == "cancel" else "worker process was killed"
    assert wanted in box.ui.resultsStatusLabel.text and box.result is former and box.edited
    assert not box.ui.measureProgressFrame.isVisible()
    box.ui.measureButton.click()
    settle(panel)
    assert len(volumes(box)) == 3 and not box.ui.resultsStatusLabel.isVisible()


def test_another_exam_has_no_results_yet(panel, threeMasses):
    exam, box = load(panel, threeMasses[0]), panel.resultsBox
    box.show(exam, resultWith(draw(exam, BOX), rowOf(BOX)))
    assert listed(box) == ["Drawn – 1 lesion"] and len(lines()) == 2
    load(panel, threeMasses[0])
    assert box.result is None and listed(box) == [] and lines() == []


def test_a_scene_brings_its_segmentations_along(panel, scene, threeMasses, tmp_path):  # noqa: F811
    exam, box = load(panel, threeMasses[0]), panel.resultsBox
    from BreastSegLib.scene import lesiontable

    result = resultWith(draw(exam, BOX), rowOf(BOX))
    box.show(exam, result)
    lesiontable.write(result)
    saveAndLoad(scene, tmp_path)
    settle(panel)
    assert listed(box) == ["Drawn – not measured"] and lines() == []
    (table,) = tables()
    box.ui.measureButton.click()
    settle(panel)
    assert lesiontable.tableOf(box.result) is table and table.GetNumberOfColumns() > 9, "it is filled again"


def test_closing_the_scene_empties_the_step(panel, threeMasses):
    import slicer

    exam, box = load(panel, threeMasses[0]), panel.resultsBox
    box.show(exam, resultWith(draw(exam, BOX), rowOf(BOX)))
    slicer.mrmlScene.Clear(0)
    settle(panel)
    assert box.result is None and box.ui.resultsEmptyLabel.text == "Load an exam first."


def test_corrected_phases_make_the_numbers_old(panel, threeMasses):
    exam, box = load(panel, threeMasses[0]), panel.resultsBox
    box.show(exam, resultWith(draw(exam, BOX), rowOf(BOX)))
    assert not box.ui.editedLabel.isVisible()
    panel.ui.phaseTable.selectRow(2)
    panel.ui.phaseUpButton.click()
    settle(panel)
    assert box.ui.editedLabel.text == "The phases were corrected: the numbers are of the former ones."
    # The phase that it was drawn on is left out.
    roleBox = panel.ui.phaseTable.cellWidget(2, 0)
    roleBox.setCurrentIndex(2)
    roleBox.activated(2)
    settle(panel)
    assert len(panel.examStep.exam.nodes) == 3 and listed(box) == ["Drawn – 1 lesion"]
    box.ui.measureButton.click()
    settle(panel)
    assert not box.ui.editedLabel.isVisible() and len(box.result.measures["phases"]) == 3


def mammogramRow(box, label, place, **known):
    from BreastSegLib.measures.quantities import empty_row

    names = ("LCC", "LMLO")
    row = rowOf(box, label)
    ends = {key: row[key] for key in ("centroid_lps", "longest_ends_lps", "perpendicular_ends_lps", "voxels")}
    return {**empty_row("mammograms"), **ends, "label": label, "view": names[place], "view_index": place, **known}


def test_mammograms_show_their_lesion_and_both_views(panel, layout, tmp_path):  # noqa: F811
    import slicer
    from BreastSegLib.scene import shownviews
    from BreastSegLib.scene.sceneexam import SceneResult

    exam, box = addExam(tmp_path / "exam", [view(), view("L", "MLO")]), panel.resultsBox
    panel.takeExam(exam)
    area = (slice(0, 1), slice(10, 20), slice(10, 20))
    nodes = [draw(exam, area, name=f"Mine {place}", image=exam.nodes[place]) for place in range(2)]
    rows = [
        mammogramRow(area, 1, 0, area_mm2=200.4, longest_mm=18.14, perpendicular_mm=14.4, same_as=[["LMLO", 1]]),
        mammogramRow(area, 1, 1, area_mm2=190.0, longest_mm=17.0, perpendicular_mm=13.0, same_as=[["LCC", 1]]),
    ]
    measures = measuresOf(*rows, kind="mammograms")
    box.show(exam, SceneResult(nodes[0], (), (), {}, {}, tuple(nodes), measures=measures))
    assert cells(box) == [["1", "LCC", "200", "18.1 × 14.4"], ["1", "LMLO", "190", "17.0 × 13.0"]]
    box.ui.lesionTable.selectRow(1)
    assert shownviews.placeShown(exam.nodes) == 1 and len(lines()) == 2
    assert "May be the same as lesion 1 of LCC" in box.ui.lesionDetailsLabel.text and "href='1,0'" in (
        box.ui.lesionDetailsLabel.text
    )
    box.ui.lesionDetailsLabel.linkActivated("1,0")
    manager = slicer.app.layoutManager()
    shown = [
        manager.sliceWidget(name).sliceLogic().GetSliceCompositeNode().GetBackgroundVolumeID()
        for name in ("Red", "Yellow")
    ]
    assert shown == [exam.nodes[1].GetID(), exam.nodes[0].GetID()]
    assert manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView
    panel.reset()
    assert manager.layout != slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView


def test_the_table_fits_into_a_narrow_panel(panel, threeMasses):
    import qt

    exam, box = load(panel, threeMasses[0]), panel.resultsBox
    rows = [rowOf(BOX, 11, clock="10:30", volume_mm3=123456.0, longest_mm=123.4, inplane_mm=111.1)]
    rows[0]["perpendicular_mm"] = 100.0
    box.show(exam, resultWith(draw(exam, BOX), *rows))
    table = box.ui.lesionTable
    turnUntil(lambda: table.isVisible())
    table.setFixedWidth(336)
    turnUntil(lambda: table.viewport().width <= 336)
    header = table.horizontalHeader()
    widths = [header.sectionSize(column) for column in range(table.columnCount)]
    assert sum(widths) <= table.viewport().width, "nothing has to be scrolled sideways"
    metrics = qt.QFontMetrics(table.font)
    for column, text in enumerate(cells(box)[0]):
        assert metrics.width(text) <= widths[column], f"{text} is cut off"
    table.setMinimumWidth(0)
    table.setMaximumWidth(16777215)

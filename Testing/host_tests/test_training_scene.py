"""The scene room of the training panel: cases are loaded, corrected, and saved with the old mask kept."""

import numpy as np
from training_fixtures import (  # noqa: F401
    asked,
    cases,
    draw,
    drawn,
    finish,
    load,
    panel,
    row,
    small_sample,
    training,
    widget,
)


def saveMask(panel):  # noqa: F811
    panel.ui.saveMaskButton.click()
    finish(panel)


def test_a_case_is_shown_with_its_mask_coded_over_the_right_phase(panel, cases, small_sample):  # noqa: F811
    import slicer

    panel.open(cases)
    loaded = load(panel, "a")
    assert [phase.name for phase in loaded.exam.phases] == [phase.name for phase in small_sample.exam.phases]
    assert loaded.volume.GetAttribute("BreastSeg.Phase") == "1"
    assert np.array_equal(drawn(loaded), small_sample.truth.array > 0)
    segment = loaded.segmentation.GetSegmentation().GetNthSegment(0)
    assert segment.GetName() == "Mass" and "SCT" in segment.GetTerminology()
    composite = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    assert composite.GetBackgroundVolumeID() == loaded.volume.GetID()
    assert not any(node.GetName() == "a" for node in slicer.util.getNodesByClass("vtkMRMLNode")), "no case names"
    assert panel.ui.caseLabel.text == "In the scene: a." and panel.ui.saveMaskButton.isEnabled()


def test_only_the_chosen_label_is_the_lesion(panel, cases, small_sample):  # noqa: F811
    panel.open(cases)
    loaded = load(panel, "b")
    assert np.array_equal(drawn(loaded), small_sample.truth.array > 0)


def test_another_case_takes_the_place_of_the_former(panel, cases):  # noqa: F811
    import slicer

    panel.open(cases)
    load(panel, "a")
    before = {node.GetID() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")}
    loaded = load(panel, "mg")
    volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    assert len(volumes) == 1 and volumes[0] is loaded.volume
    assert len(before) > 1 and len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")) == 1
    assert drawn(loaded).shape == (1, 416, 320) and drawn(loaded).any()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    import vtk

    items = vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, False)
    assert items.GetNumberOfIds() == 1, "the folder of the former exam is gone"


def test_a_corrected_mask_is_saved_and_the_old_file_stays(panel, cases):  # noqa: F811
    import SimpleITK as sitk
    from BreastSegTrainingLib.cases import CaseTable

    panel.open(cases)
    loaded = load(panel, "b")
    old = (cases.parent / "masks" / "b.nii.gz").read_bytes()
    assert not panel.case.maskChanged
    corrected = np.roll(drawn(loaded), 2, axis=2)
    draw(loaded, corrected)
    assert panel.case.maskChanged
    saveMask(panel)
    path = cases.parent / "masks" / "b.nrrd"
    image = sitk.ReadImage(str(path))
    assert np.array_equal(sitk.GetArrayFromImage(image), corrected > 0)
    exam = loaded.exam.geometry
    assert np.allclose(image.GetOrigin(), exam.origin) and np.allclose(image.GetSpacing(), exam.spacing)
    assert np.allclose(image.GetDirection(), exam.direction)
    assert (cases.parent / "masks" / "b.nii.gz").read_bytes() == old
    for case in (row(panel, "b"), CaseTable.read(cases).cases[1]):
        assert case.get("mask") == "masks/b.nrrd"
        assert not case.get("label") and not case.get("fixes") and not case.get("status")
    assert not panel.opened.unsaved and not panel.case.maskChanged
    again = load(panel, "b")
    assert np.array_equal(drawn(again) > 0, corrected > 0)


def test_a_mask_with_the_same_name_is_kept_with_a_date(panel, cases):  # noqa: F811
    panel.open(cases)
    loaded = load(panel, "a")
    old = (cases.parent / "masks" / "a.nrrd").read_bytes()
    for shift in (1, 2):
        draw(loaded, np.roll(drawn(loaded), shift, axis=1))
        saveMask(panel)
        assert "former one" in panel.ui.statusLabel.text
    kept = sorted(path for path in (cases.parent / "masks").glob("a_*.nrrd"))
    assert len(kept) == 2 and old in [path.read_bytes() for path in kept]
    assert row(panel, "a").get("status") == "" and row(panel, "a").get("volume_mm3") == ""
    assert not list((cases.parent / "masks").glob(".part-*"))


def test_several_segments_are_one_lesion_and_other_grids_are_brought_back(panel, cases):  # noqa: F811
    import SimpleITK as sitk
    import slicer

    panel.open(cases)
    loaded = load(panel, "a")
    first = drawn(loaded).copy()
    second = np.zeros_like(first)
    second[2:4, 5:9, 10:14] = 1
    segmentId = loaded.segmentation.GetSegmentation().AddEmptySegment("other")
    slicer.util.updateSegmentBinaryLabelmapFromArray(second, loaded.segmentation, segmentId, loaded.volume)
    saveMask(panel)
    path = cases.parent / "masks" / "a.nrrd"
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), (first | second) > 0)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = slicer.util.vtkMatrixFromArray(np.array([[1, 0, 0, 5.4], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    transform.SetMatrixTransformToParent(matrix)
    loaded.segmentation.SetAndObserveTransformNodeID(transform.GetID())
    saveMask(panel)
    moved = sitk.GetArrayFromImage(sitk.ReadImage(str(path))) > 0
    before = np.argwhere((first | second) > 0).mean(axis=0)
    shift = (np.argwhere(moved).mean(axis=0) - before)[::-1] * loaded.exam.geometry.spacing
    ras = np.diag([-1, -1, 1]) @ loaded.exam.geometry.matrix @ shift
    assert np.allclose(ras, (5.4, 0, 0), atol=1.0), "it lies where the user sees it"


def test_a_case_without_mask_can_be_drawn(panel, cases):  # noqa: F811
    panel.open(cases)
    loaded = load(panel, "none")
    assert loaded.notes == ("No mask is given.",)
    assert loaded.segmentation.GetSegmentation().GetNumberOfSegments() == 1
    array = np.zeros(loaded.exam.geometry.shape, np.uint8)
    array[3:6, 4:8, 5:9] = 1
    draw(loaded, array)
    saveMask(panel)
    assert row(panel, "none").get("mask") == "masks/none.nrrd" and (cases.parent / "masks" / "none.nrrd").is_file()


def test_an_empty_mask_is_asked_about(panel, cases, asked):  # noqa: F811
    panel.open(cases)
    loaded = load(panel, "none")
    asked["yes"] = False
    saveMask(panel)
    assert not (cases.parent / "masks" / "none.nrrd").exists() and loaded is panel.case.loaded
    asked["yes"] = True
    saveMask(panel)
    assert (cases.parent / "masks" / "none.nrrd").exists()


def test_what_cannot_be_loaded_is_told_in_a_line(panel, cases):  # noqa: F811
    import slicer

    panel.open(cases)
    assert load(panel, "gone") is None
    assert "missing" in panel.ui.statusLabel.text and "\n" not in panel.ui.statusLabel.text
    assert not slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    (cases.parent / "masks" / "a.nrrd").write_bytes(b"broken")
    loaded = load(panel, "a")
    assert loaded is not None and "damaged" in " ".join(loaded.notes) and "damaged" in panel.ui.caseLabel.text


def test_a_mask_that_is_not_saved_is_asked_about(panel, cases, asked):  # noqa: F811
    panel.open(cases)
    loaded = load(panel, "a")
    draw(loaded, np.roll(drawn(loaded), 3, axis=1))
    asked["yes"] = False
    assert load(panel, "b") is loaded
    asked["yes"] = True
    assert load(panel, "b").name == "b"


def test_correct_opens_the_segment_editor_on_the_mask(panel, cases):  # noqa: F811
    import slicer

    panel.open(cases)
    loaded = load(panel, "a")
    panel.ui.correctMaskButton.click()
    assert slicer.util.selectedModule() == "SegmentEditor"
    editor = slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    assert editor.GetSegmentationNode() is loaded.segmentation and editor.GetSourceVolumeNode() is loaded.volume
    assert editor.GetSelectedSegmentID() == loaded.segmentation.GetSegmentation().GetNthSegmentID(0)
    slicer.util.selectModule("BreastSegTraining")
    assert panel.case.loaded is loaded and panel.ui.saveMaskButton.isEnabled()
    editor = slicer.util.getNodesByClass("vtkMRMLSegmentEditorNode")
    assert len(editor) == 1


def test_correct_loads_the_chosen_case_first(panel, cases):  # noqa: F811
    import slicer

    panel.open(cases)
    assert not panel.ui.correctMaskButton.isEnabled() and "row" in panel.ui.correctMaskButton.toolTip
    load(panel, "a")
    panel.cases.grid.choose(panel.opened.table.index_of("b"))
    assert panel.ui.correctMaskButton.toolTip.endswith("mask of b")
    assert panel.ui.saveMaskButton.toolTip.startswith("Write the mask of a ")
    panel.ui.correctMaskButton.click()
    finish(panel)
    assert panel.case.loaded.name == "b" and slicer.util.selectedModule() == "SegmentEditor"
    slicer.util.selectModule("BreastSegTraining")
    panel.ui.loadCaseButton.click()
    finish(panel)
    assert slicer.util.selectedModule() == "BreastSegTraining"


def test_nodes_that_are_deleted_meanwhile(panel, cases):  # noqa: F811
    import slicer

    panel.open(cases)
    loaded = load(panel, "a")
    panel.case.save()
    slicer.mrmlScene.RemoveNode(loaded.segmentation)
    finish(panel)
    assert "no longer in the scene" in panel.ui.statusLabel.text
    assert panel.case.loaded is None and not panel.ui.saveMaskButton.isEnabled()
    assert not list((cases.parent / "masks").glob("a_*"))
    assert load(panel, "a") is not None
    slicer.mrmlScene.RemoveNode(panel.case.loaded.volume)
    assert panel.case.loaded is None and panel.ui.caseLabel.isHidden() and not panel.ui.saveMaskButton.isEnabled()


def test_closing_the_scene_while_a_case_loads(panel, cases):  # noqa: F811
    import slicer

    panel.open(cases)
    panel.cases.grid.choose(0)
    panel.ui.loadCaseButton.click()
    for _turn in range(5):
        slicer.app.processEvents()
    slicer.mrmlScene.Clear(0)
    assert not panel.working and panel.ui.progressFrame.isHidden() and panel.ui.openButton.isEnabled()
    for _turn in range(20):
        slicer.app.processEvents()
    assert not slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    assert len(panel.opened.table) == 5, "the table stays open"
    assert load(panel, "a") is not None


def test_cancel_while_a_case_loads_leaves_nothing(panel, cases):  # noqa: F811
    import slicer

    panel.open(cases)
    panel.cases.grid.choose(0)
    panel.ui.loadCaseButton.click()
    panel.ui.cancelButton.click()
    finish(panel)
    assert panel.ui.statusLabel.text == "Cancelled." and panel.case.loaded is None
    assert not slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")


def test_a_table_that_cannot_be_written_keeps_mask_and_row(panel, cases, monkeypatch):  # noqa: F811
    panel.open(cases)
    loaded = load(panel, "b")
    draw(loaded, np.roll(drawn(loaded), 2, axis=2))
    cases.unlink()
    saveMask(panel)
    assert "table could not be written" in panel.ui.statusLabel.text
    assert (cases.parent / "masks" / "b.nrrd").is_file() and row(panel, "b").get("mask") == "masks/b.nrrd"
    assert panel.opened.unsaved and panel.file.save() and "masks/b.nrrd" in cases.read_text(encoding="utf-8")


def test_a_mask_that_cannot_be_written_changes_nothing(panel, cases):  # noqa: F811
    from BreastSegTrainingLib.scene import casemask

    panel.open(cases)
    loaded = load(panel, "b")
    draw(loaded, np.roll(drawn(loaded), 2, axis=2))
    masks = cases.parent / "masks"
    masks.rename(cases.parent / "elsewhere")
    masks.write_text("a file in the way")
    saveMask(panel)
    assert panel.ui.statusLabel.text and row(panel, "b").get("mask") == "masks/b.nii.gz"
    assert panel.case.maskChanged and casemask.segmentsOf(loaded.segmentation)


def test_the_loaded_case_comes_back_with_the_scene(panel, cases, tmp_path, widget):  # noqa: F811
    import slicer

    panel.open(cases)
    loaded = load(panel, "a")
    panel.kept.keep()
    node = widget._parameterNode
    assert node.loadedCase == "a" and node.segmentation is loaded.segmentation and len(list(node.phases)) == 3
    panel.case.forget()
    node.loadedCase, node.segmentation, node.phases = "a", loaded.segmentation, list(loaded.exam.nodes)
    panel.kept.follow(node)
    assert panel.case.loaded is not None and panel.case.loaded.volume is loaded.volume
    draw(panel.case.loaded, np.roll(drawn(panel.case.loaded), 2, axis=2))
    saveMask(panel)
    assert row(panel, "a").get("status") == "" and list((cases.parent / "masks").glob("a_*.nrrd"))
    assert slicer.mrmlScene.IsNodePresent(loaded.segmentation)


def test_a_case_of_the_same_name_in_another_table_is_another_one(panel, cases, tmp_path, asked):  # noqa: F811
    panel.open(cases)
    loaded = load(panel, "a")
    other = tmp_path / "other.csv"
    other.write_text("case,patient,exam,mask\na,P9,x,y.nrrd\n", encoding="utf-8")
    draw(loaded, np.roll(drawn(loaded), 3, axis=1))
    asked["fileToOpen"], asked["yes"] = str(other), False
    panel.ui.openButton.click()
    assert panel.opened.path == cases, "a mask that is not saved is asked about first"
    asked["yes"] = True
    panel.ui.openButton.click()
    assert panel.opened.path == other and panel.case.loaded is None and not panel.ui.saveMaskButton.isEnabled()
    assert not (tmp_path / "masks").exists()
    panel.open(cases)
    load(panel, "a")
    asked["fileToSave"] = str(cases.parent / "copy.csv")
    assert panel.file.saveAs() and panel.case.loaded is not None, "the same table under another name"


def test_a_question_that_the_files_leave_open_is_asked_and_kept(panel, cases, asked, monkeypatch):  # noqa: F811
    from BreastSegLib.errors import Undecided

    panel.open(cases)
    reads, readExam = [], panel.session.readExam

    def read(source, report):
        reads.append(source)
        if "decisions" not in source:
            raise Undecided(
                "Which clock is right?", choices=(("content", "Content"), ("trigger", "Trigger")), name="clock"
            )
        return (yield from readExam({"store": source["store"]}, report))

    monkeypatch.setattr(panel.session, "readExam", read)
    assert load(panel, "a") is None and "Which clock" in panel.ui.statusLabel.text
    asked["choice"] = 1
    assert load(panel, "a") is not None, panel.ui.statusLabel.text
    assert row(panel, "a").get("choose") == "clock=trigger" and panel.opened.unsaved
    assert reads[-1]["decisions"] == {"clock": "trigger"}


def test_a_removed_segment_is_a_change(panel, cases, asked):  # noqa: F811
    panel.open(cases)
    loaded = load(panel, "a")
    segmentation = loaded.segmentation.GetSegmentation()
    segmentation.RemoveSegment(segmentation.GetNthSegmentID(0))
    assert panel.case.maskChanged
    asked["yes"] = False
    panel.cases.grid.choose(1)
    panel.ui.loadCaseButton.click()
    assert panel.case.loaded is loaded and loaded.there, "not left without a question"


def test_a_loaded_case_goes_with_its_row_when_that_is_renamed(panel, cases):  # noqa: F811
    panel.open(cases)
    loaded = load(panel, "a")
    column = panel.cases.grid.columns.index("case")
    # For a moment two rows have the name.
    panel.ui.caseTable.item(panel.cases.grid.order.index(1), column).setText("a")
    panel.ui.caseTable.item(panel.cases.grid.order.index(0), column).setText("former")
    assert panel.file.save()
    draw(loaded, np.roll(drawn(loaded), 1, axis=2))
    saveMask(panel)
    assert row(panel, "former").get("mask") != "masks/a.nrrd", panel.ui.statusLabel.text
    assert row(panel, "former").get("mask") == "masks/former.nrrd"
    assert row(panel, "a").get("mask") == "masks/b.nii.gz" and row(panel, "a").get("label") == "2"


def test_a_name_that_two_rows_have_or_no_file_can_have_is_not_loaded_or_saved(panel, cases):  # noqa: F811
    panel.open(cases)
    loaded = load(panel, "a")
    before = (cases.parent / "masks" / "a.nrrd").read_bytes()
    column = panel.cases.grid.columns.index("case")
    panel.ui.caseTable.item(panel.cases.grid.order.index(1), column).setText("a")
    draw(loaded, np.roll(drawn(loaded), 1, axis=2))
    saveMask(panel)
    assert "2 rows are called a" in panel.ui.statusLabel.text and panel.case.maskChanged
    panel.ui.caseTable.item(panel.cases.grid.order.index(1), column).setText("b")
    panel.ui.caseTable.item(panel.cases.grid.order.index(0), column).setText("../a")
    saveMask(panel)
    assert "letters" in panel.ui.statusLabel.text and not (cases.parent / "a.nrrd").exists()
    assert (cases.parent / "masks" / "a.nrrd").read_bytes() == before
    panel.cases.grid.choose(0)
    panel.ui.loadCaseButton.click()
    assert "letters" in panel.ui.statusLabel.text and panel.case.loaded.there and not panel.working


def test_a_mask_file_that_another_row_needs_is_not_replaced(panel, cases):  # noqa: F811
    panel.open(cases)
    panel.opened.setValue(panel.opened.table.index_of("none"), "mask", "masks/a.nrrd")
    before = (cases.parent / "masks" / "a.nrrd").read_bytes()
    loaded = load(panel, "a")
    corrected = np.roll(drawn(loaded), 1, axis=2)
    draw(loaded, corrected)
    saveMask(panel)
    assert (cases.parent / "masks" / "a.nrrd").read_bytes() == before
    assert row(panel, "none").get("mask") == "masks/a.nrrd" and row(panel, "a").get("mask") == "masks/a_2.nrrd"
    assert np.array_equal(drawn(load(panel, "a")) > 0, corrected > 0)


def test_an_image_of_the_exam_that_is_deleted_leaves_the_rest_usable(panel, cases, caplog):  # noqa: F811
    import slicer

    panel.open(cases)
    loaded = load(panel, "a")
    other = next(node for node in loaded.exam.nodes if node is not loaded.volume)
    slicer.mrmlScene.RemoveNode(other)
    panel.kept.keep()
    panel.refresh()
    corrected = np.roll(drawn(loaded), 1, axis=2)
    draw(loaded, corrected)
    saveMask(panel)
    assert "Saved the mask" in panel.ui.statusLabel.text and "Traceback" not in caplog.text

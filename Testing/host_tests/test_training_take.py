"""Cases that are taken from the scene: exam and mask are written beside the table, whole or not at all."""

import json
import os

import numpy as np
import pytest
from training_fixtures import (  # noqa: F401
    asked,
    cases,
    finish,
    load,
    panel,
    row,
    small_sample,
    training,
    widget,
)


@pytest.fixture
def in_scene(panel, cases):  # noqa: F811
    """A table with an exam in the scene that is to become another case."""
    panel.open(cases)
    load(panel, "a")
    return panel.case.loaded


def test_a_case_is_taken_from_the_scene(panel, cases, in_scene, small_sample):  # noqa: F811
    import SimpleITK as sitk
    from BreastSegLib.exam.store import load_exam

    panel.addSceneCase()
    box = panel.sceneBox
    assert "(SCT:4147007)" in box.ui.segmentList.item(0).text(), "a segment shows its code beside its name"
    assert box.whatIsMissing == "Say which patient it is.", "what the DICOM files say is not taken silently"
    assert not box.ui.sceneAddButton.isEnabled()
    box.ui.patientEdit.text = "P9"
    box.ui.caseNameEdit.text = "a"
    assert "already" in box.whatIsMissing
    box.ui.caseNameEdit.text = "ä b"
    assert "letters" in box.whatIsMissing
    box.ui.caseNameEdit.text = "new"
    box.ui.centreEdit.text = "East"
    box.ui.sceneAddButton.click()
    finish(panel)
    case = row(panel, "new")
    assert case.patient == "P9" and case.get("centre") == "East" and case.get("phase_count") == "3"
    exam = load_exam(cases.parent / case.get("exam"))
    assert [phase.name for phase in exam.phases] == [phase.name for phase in small_sample.exam.phases]
    assert [phase.time_s for phase in exam.phases] == [phase.time_s for phase in small_sample.exam.phases]
    for mine, theirs in zip(exam.volumes, small_sample.exam.volumes):
        assert np.array_equal(mine.array, theirs.array) and mine.geometry.same_grid(theirs.geometry)
    mask = sitk.ReadImage(str(cases.parent / case.get("mask")))
    assert np.array_equal(sitk.GetArrayFromImage(mask), small_sample.truth.array > 0)
    assert panel.opened.unsaved and "Save the table" in panel.ui.statusLabel.text
    assert load(panel, "new") is not None
    record = json.loads((cases.parent / case.get("exam") / "exam.json").read_text(encoding="utf-8"))
    assert "P9" not in json.dumps(record)


def test_only_the_chosen_segment_is_taken(panel, cases, in_scene):  # noqa: F811
    import SimpleITK as sitk
    import slicer
    from BreastSegLib.errors import BadInput

    other = np.zeros(in_scene.exam.geometry.shape, np.uint8)
    other[2:4, 5:9, 10:14] = 1
    segmentId = in_scene.segmentation.GetSegmentation().AddEmptySegment("", "Lymph node")
    slicer.util.updateSegmentBinaryLabelmapFromArray(other, in_scene.segmentation, segmentId, in_scene.volume)
    panel.addSceneCase()
    box = panel.sceneBox
    assert box.whatIsMissing == "Tick the segment that is the lesion."
    box.chooseSegment("lymph NODE")
    with pytest.raises(BadInput, match="No segment is called"):
        box.chooseSegment("nothing")
    box.chooseSegment("SCT:4147007")
    box.chooseSegment("Lymph node")
    box.ui.patientEdit.text, box.ui.caseNameEdit.text = "P9", "node"
    box.add()
    finish(panel)
    mask = sitk.ReadImage(str(cases.parent / row(panel, "node").get("mask")))
    assert np.array_equal(sitk.GetArrayFromImage(mask), other)


def test_a_mammogram_is_taken_with_side_and_view(panel, cases):  # noqa: F811
    from BreastSegLib.exam.mammograms.store import load_views

    panel.open(cases)
    load(panel, "mg")
    panel.addSceneCase()
    box = panel.sceneBox
    box.ui.patientEdit.text, box.ui.caseNameEdit.text = "P9", "view"
    box.add()
    finish(panel)
    case = row(panel, "view")
    assert case.get("side") == "right" and case.get("view") == "CC"
    exam = load_views(cases.parent / case.get("exam"))
    assert [view.name for view in exam.views] == ["RCC"]
    assert load(panel, "view") is not None, panel.ui.statusLabel.text


def test_what_is_cancelled_or_full_leaves_no_half_case(panel, cases, in_scene, monkeypatch):  # noqa: F811
    from BreastSegTrainingLib.scene import takecase

    def full(mask, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(takecase.casemask, "writeMask", full)
    panel.addSceneCase()
    panel.sceneBox.ui.patientEdit.text, panel.sceneBox.ui.caseNameEdit.text = "P9", "new"
    panel.sceneBox.add()
    finish(panel)
    assert "No space left" in panel.ui.statusLabel.text and "new" not in {case.name for case in panel.opened.cases}
    assert not (cases.parent / "exams" / "new").exists() and os.listdir(cases.parent / "masks")
    monkeypatch.undo()
    panel.addSceneCase()
    panel.sceneBox.ui.patientEdit.text, panel.sceneBox.ui.caseNameEdit.text = "P9", "new"
    panel.sceneBox.add()
    panel.ui.cancelButton.click()
    finish(panel)
    assert not (cases.parent / "exams" / "new").exists() and not (cases.parent / "masks" / "new.nrrd").exists()


def test_files_that_are_there_are_not_overwritten(panel, cases, in_scene):  # noqa: F811
    (cases.parent / "masks" / "new.nrrd").write_bytes(b"precious")
    panel.addSceneCase()
    panel.sceneBox.ui.patientEdit.text, panel.sceneBox.ui.caseNameEdit.text = "P9", "new"
    panel.sceneBox.add()
    finish(panel)
    assert "already" in panel.ui.statusLabel.text and not (cases.parent / "exams" / "new").exists()
    assert (cases.parent / "masks" / "new.nrrd").read_bytes() == b"precious"


def test_a_new_table_is_saved_before_a_case_is_taken(panel, asked, tmp_path):  # noqa: F811
    panel.addSceneCase()
    assert [name for name, *_ in asked["asked"]] == ["fileToSave"] and not panel.sceneBox.dialog.isVisible()
    asked["fileToSave"] = str(tmp_path / "new.csv")
    panel.addSceneCase()
    assert panel.sceneBox.whatIsMissing == "There is no segmentation in the scene."
    panel.sceneBox.dialog.hide()


def test_a_segment_that_is_removed_meanwhile_is_told(panel, cases, in_scene):  # noqa: F811
    panel.addSceneCase()
    box = panel.sceneBox
    box.chooseSegment("mass")
    box.ui.patientEdit.text = "P"
    assert box.whatIsMissing == ""
    segmentation = box.segmentation.GetSegmentation()
    segmentation.RemoveSegment(box._ticked(box.ui.segmentList, box._segments)[0])
    box.add()
    finish(panel)
    assert "no longer in the scene" in panel.ui.statusLabel.text
    assert not list((cases.parent / "exams").glob("case_*"))


def test_a_segment_that_was_never_drawn_on_adds_nothing(panel, cases):  # noqa: F811
    panel.open(cases)
    loaded = load(panel, "a")
    segmentation = loaded.segmentation.GetSegmentation()
    segmentation.RemoveAllSegments()
    segmentation.AddEmptySegment("new")
    panel.case.save()
    finish(panel)
    assert "Saved the mask" in panel.ui.statusLabel.text


def test_a_new_table_or_other_work_while_the_window_is_open(panel, cases, in_scene, caplog):  # noqa: F811
    panel.addSceneCase()
    box = panel.sceneBox
    box.ui.patientEdit.text = "P"
    panel.case.load()
    assert panel.working
    box.add()
    assert "Wait" in panel.ui.statusLabel.text and box.dialog.isVisible() and box.ui.patientEdit.text == "P"
    finish(panel)
    panel.addSceneCase()
    box.ui.patientEdit.text = "P"
    panel.file.new()
    box.add()
    assert "Save the table first" in panel.ui.statusLabel.text and not panel.working
    assert "Traceback" not in caplog.text

"""The exam step: corrections that come back with the scene, questions, sources, and the plot. Real worker."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from breastseg_fixtures import (  # noqa: F401
    breastseg,
    finish,
    load,
    panel,
    scene,
    status,
    tiny_in_library,
    widget,
)
from BreastSegLib.errors import BadInput, Undecided


def rowTexts(panel):  # noqa: F811
    table = panel.ui.phaseTable
    return [
        (table.cellWidget(row, 0).currentText, table.item(row, 1).text(), table.item(row, 2).text())
        for row in range(table.rowCount)
    ]


def choose(box, index):
    box.setCurrentIndex(index)
    box.activated(index)


def saveAndLoad(scene, folder):  # noqa: F811
    """Save the scene, close it, and load it again, as the user does."""
    import slicer

    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        if node.GetSaveWithScene():
            assert slicer.util.saveNode(node, str(folder / f"{node.GetID()}.nrrd"))
    scene.SetRootDirectory(str(folder))
    scene.SetURL(str(folder / "scene.mrml"))
    assert scene.Commit()
    scene.Clear(0)
    slicer.util.loadScene(str(folder / "scene.mrml"))
    slicer.app.processEvents()


def count(scene, kind):  # noqa: F811
    return scene.GetNumberOfNodesByClass(f"vtkMRML{kind}Node")


def test_corrected_phases_come_back_with_a_saved_scene(panel, scene, dicom_sample, tmp_path):  # noqa: F811
    import slicer

    load(panel, dicom_sample / "exam")
    panel.ui.phaseTable.selectRow(2)
    panel.ui.phaseUpButton.click()
    slicer.app.processEvents()
    panel.ui.phaseTable.item(2, 1).setText("75")
    slicer.app.processEvents()
    before, exam = rowTexts(panel), panel.examStep.exam
    assert exam.order == (0, 2, 1) and exam.phases[2].time_s == 75.0
    saveAndLoad(scene, tmp_path)
    finish(panel)
    again = panel.examStep.exam
    assert rowTexts(panel) == before
    assert again.order == (0, 2, 1) and again.phases == exam.phases and again.enhancement == exam.enhancement
    sequence = again.companions.sequence
    assert [float(sequence.GetNthIndexValue(place)) for place in range(3)] == [p.time_s for p in exam.phases]
    assert (count(scene, "ScalarVolume"), count(scene, "Sequence"), count(scene, "PlotChart")) == (4, 1, 1)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    assert hierarchy.GetNumberOfItems() == len(again.nodes) + 7, "one folder, three phases, six companions"


def test_an_exam_from_a_saved_scene_is_segmented_at_once(panel, scene, dicom_sample, tmp_path):  # noqa: F811
    import slicer

    load(panel, dicom_sample / "exam")
    panel.ui.segmentButton.click()
    finish(panel)
    first = panel.result
    assert first is not None, status(panel)
    mask = slicer.util.arrayFromSegmentBinaryLabelmap
    segmentId = first.node.GetSegmentation().GetNthSegmentID(0)
    expected = mask(first.node, segmentId, panel.examStep.exam.reference).copy()
    scene.RemoveNode(first.node)
    saveAndLoad(scene, tmp_path)
    finish(panel)
    assert panel.examStep.exam.store == "" and status(panel) == "Ready to segment."
    panel.ui.segmentButton.click()
    finish(panel)
    assert panel.result is not None, status(panel)
    found = mask(
        panel.result.node, panel.result.node.GetSegmentation().GetNthSegmentID(0), panel.examStep.exam.reference
    )
    np.testing.assert_array_equal(found, expected)


def test_left_out_phases_stay_left_out_when_the_module_is_opened_again(panel, widget, dicom_sample):  # noqa: F811
    import slicer

    load(panel, dicom_sample / "exam")
    choose(panel.ui.phaseTable.cellWidget(2, 0), 2)
    slicer.app.processEvents()
    before = rowTexts(panel)
    assert before[2][0] == "Leave out" and before[2][2].endswith("left out")
    panel.examStep.show(None)
    widget.exit()
    widget.enter()
    finish(panel)
    assert rowTexts(panel) == before and [phase.name for phase in panel.examStep.exam.phases] == ["pre", "post1"]


@pytest.mark.parametrize("damage", ["", "{", '{"rows": []}', '{"phases": 3, "rows": 4}', "[]"])
def test_a_damaged_record_falls_back_on_the_nodes(panel, widget, dicom_sample, damage):  # noqa: F811
    load(panel, dicom_sample / "exam")
    panel.examStep.show(None)
    widget.exit()
    widget.logic.getParameterNode().phaseTable = damage
    widget.enter()
    finish(panel)
    assert [phase.name for phase in panel.examStep.exam.phases] == ["pre", "post1", "post2"]


def test_what_is_left_of_an_exam_is_no_exam(panel, widget, dicom_sample):  # noqa: F811
    import slicer

    exam = load(panel, dicom_sample / "exam")
    widget.exit()
    text = widget.logic.getParameterNode().phaseTable
    slicer.mrmlScene.RemoveNode(exam.nodes[1])
    widget.enter()
    finish(panel)
    assert panel.examStep.exam is None and "were removed from the scene" in status(panel)
    node = widget.logic.getParameterNode()
    widget.exit()
    node.phases, node.phaseTable = [exam.nodes[0], exam.nodes[2]], text
    widget.enter()
    assert panel.examStep.exam is None, "Post 2 must not become Post 1 unasked"


def test_what_is_kept_names_no_file(panel, widget, dicom_sample):  # noqa: F811
    load(panel, dicom_sample / "exam")
    text = widget.logic.getParameterNode().phaseTable
    assert str(dicom_sample) not in text and len(json.loads(text)["rows"]) == 3


def test_an_exam_that_was_loaded_elsewhere_is_taken(panel, widget, dicom_sample):  # noqa: F811
    from BreastSeg import BreastSegLogic

    logic = BreastSegLogic()
    try:
        exam = logic.loadExam(dicom_sample / "exam")
        widget.takeExam(exam)
        assert panel.examStep.exam is exam and panel.ui.phaseTable.rowCount == 3
        node = widget.logic.getParameterNode()
        assert list(node.phases) == list(exam.nodes) and node.reference is exam.reference and node.phaseTable
    finally:
        logic.close()
    assert not Path(exam.store).exists()
    panel.ui.segmentButton.click()
    finish(panel)
    assert panel.result is not None, "without its arrays the exam is read from its nodes"


def test_an_exam_that_a_script_chose_is_shown_when_the_module_is_opened(panel, widget, dicom_sample):  # noqa: F811
    from BreastSeg import BreastSegLogic

    widget.exit()
    logic = BreastSegLogic()
    try:
        exam = logic.loadExam(dicom_sample / "exam")
        logic.chooseExam(exam)
    finally:
        logic.close()
    widget.enter()
    finish(panel)
    assert panel.examStep.exam.nodes == exam.nodes and panel.examStep.exam.phases == exam.phases


def test_other_modules_load_with_the_panel_and_wait(panel, widget, dicom_sample, tmp_path):  # noqa: F811
    exam = widget.loadExam({"folder": str(dicom_sample / "exam")})
    assert panel.examStep.exam is exam and not panel.working
    with pytest.raises(BadInput, match="nowhere"):
        widget.loadExam({"folder": str(tmp_path / "nowhere")})


# --- questions


@pytest.fixture
def twoWomen(dicom_sample, tmp_path):
    """A folder with the exams of two women."""
    from BreastSegLib.samples.dce import make_dce_exam
    from BreastSegLib.samples.writing import write_dce_sample

    write_dce_sample(make_dce_exam(seed=8, posts=1), tmp_path / "other")
    folder = tmp_path / "both"
    shutil.copytree(dicom_sample / "exam", folder / "a")
    shutil.copytree(tmp_path / "other" / "exam", folder / "b")
    return folder


def test_what_the_files_leave_open_is_asked_in_the_panel(panel, twoWomen, artefacts):  # noqa: F811
    from Host import screenshots

    assert load(panel, twoWomen) is None
    assert panel.ui.questionFrame.isVisible() and "2 patients" in panel.ui.questionLabel.text
    assert panel.ui.questionBox.count == 2
    assert status(panel) == "Answer the question under “Load exam” first."
    screenshots.layoutScreenshot(artefacts / "breastseg-6-question.png")
    panel.ui.questionBox.setCurrentIndex(1)
    panel.ui.questionButton.click()
    assert panel.working == "loading"
    finish(panel)
    assert panel.examStep.exam is not None, status(panel)
    assert not panel.ui.questionFrame.isVisible()


def test_scripts_answer_questions_beforehand(panel, widget, twoWomen):  # noqa: F811
    from BreastSeg import BreastSegLogic

    with pytest.raises(Undecided) as asked:
        widget.loadExam({"folder": str(twoWomen)})
    assert panel.examStep.asking == asked.value.name == "study" and len(asked.value.choices) == 2
    logic = BreastSegLogic()
    try:
        exam = logic.loadExam(twoWomen, decisions={"study": asked.value.choices[1][0]})
        assert len(exam.phases) == 2 and exam.decisions == {"study": asked.value.choices[1][0]}
    finally:
        logic.close()


def test_several_questions_follow_one_another(panel, dicom_sample, monkeypatch):  # noqa: F811
    real, sources = panel.session.readExam, []

    def asking(source, report):
        sources.append(source)
        given = source.get("decisions", {})
        for name in ("clock", "pre"):
            if name not in given:

                def ask(name=name):
                    yield
                    raise Undecided("Which one?", name=name, choices=(("a", "This one"), ("b", "That one")))

                return ask()
        return real({"folder": source["folder"]}, report)

    monkeypatch.setattr(panel.session, "readExam", asking)
    assert load(panel, dicom_sample / "exam") is None
    assert [panel.ui.questionBox.itemText(index) for index in range(2)] == ["This one", "That one"]
    panel.ui.questionBox.setCurrentIndex(1)
    panel.ui.questionButton.click()
    finish(panel)
    assert panel.examStep.asking == "pre"
    panel.ui.questionButton.click()
    finish(panel)
    assert sources[-1]["decisions"] == {"clock": "b", "pre": "a"} and panel.examStep.exam is not None


def test_another_choice_is_the_way_out_of_a_question(panel, twoWomen, dicom_sample):  # noqa: F811
    load(panel, twoWomen)
    panel.examStep.setFolder(str(dicom_sample / "exam"))
    assert not panel.ui.questionFrame.isVisible() and status(panel) == "Press “Load exam”."


# --- sources


@pytest.fixture
def phaseFiles(sample, tmp_path):
    """The phases of the sample exam as NIfTI files that could be phases or channels by their names."""
    import SimpleITK as sitk

    files = [tmp_path / f"case_{place:04d}.nii.gz" for place in range(3)]
    for path, volume in zip(files, sample.exam.volumes):
        sitk.WriteImage(volume.to_sitk(), str(path))
    return [str(path) for path in files]


def test_files_that_may_be_channels_have_to_be_named(panel, phaseFiles):  # noqa: F811
    panel.examStep.setFiles(phaseFiles)
    assert status(panel) == "Say first what the files are." and not panel.ui.loadButton.isEnabled()
    panel.ui.meaningBox.setCurrentIndex(1)
    assert status(panel) == "Press “Load exam”."
    assert panel.examStep.chooser.source() == {"files": phaseFiles}
    panel.ui.loadButton.click()
    finish(panel)
    assert [phase.name for phase in panel.examStep.exam.phases] == ["pre", "post1", "post2"], status(panel)
    panel.examStep.setFiles(["left.png", "right.png"])
    assert panel.examStep.chooser.source() == {"views": ["left.png", "right.png"]}
    panel.examStep.setFiles([])


def test_channels_keep_what_they_are(panel, widget, phaseFiles):  # noqa: F811
    import slicer

    panel.examStep.setFiles(phaseFiles[:2])
    panel.ui.meaningBox.setCurrentIndex(2)
    assert panel.examStep.chooser.source() == {"channels": phaseFiles[:2]}
    panel.ui.loadButton.click()
    finish(panel)
    assert status(panel).startswith("2 images are loaded, but the model “tiny” takes 3")
    panel.examStep.setFiles(phaseFiles)
    panel.ui.meaningBox.setCurrentIndex(2)
    panel.ui.loadButton.click()
    finish(panel)
    assert [row[0] for row in rowTexts(panel)] == ["Channel 0", "Channel 1", "Channel 2"], status(panel)
    panel.ui.phaseTable.selectRow(2)
    panel.ui.phaseUpButton.click()
    slicer.app.processEvents()
    assert panel.examStep.exam.order == (0, 2, 1) and status(panel) == "Ready to segment."
    panel.examStep.show(None)
    widget.exit()
    widget.enter()
    finish(panel)
    assert panel.examStep.exam.order == (0, 2, 1)
    panel.ui.segmentButton.click()
    finish(panel)
    assert panel.result is not None, status(panel)
    panel.examStep.setFiles([])


def test_motion_correction_is_kept_and_asked_for(panel, widget, dicom_sample):  # noqa: F811
    panel.examStep.setFolder(str(dicom_sample / "exam"))
    assert "motion" not in panel.examStep.chooser.source()
    panel.ui.motionBox.setCurrentIndex(1)
    assert panel.examStep.chooser.source()["motion"] == "rigid"
    assert widget.logic.getParameterNode().motion == "rigid"
    panel.ui.motionBox.setCurrentIndex(0)


def test_motion_figures_are_shown(panel, dicom_sample):  # noqa: F811
    panel.ui.motionBox.setCurrentIndex(1)
    exam = load(panel, dicom_sample / "exam")
    panel.ui.motionBox.setCurrentIndex(0)
    assert exam is not None, status(panel)
    assert len(exam.motion) == 3 and any("→" in note and "mm" in note for note in exam.notes)
    assert "→" in panel.ui.phaseTable.item(0, 3).toolTip()


def test_a_sequence_in_the_scene_is_an_exam(panel, dicom_sample):  # noqa: F811
    first = load(panel, dicom_sample / "exam")
    panel.ui.sourceBox.setCurrentIndex(2)
    texts = [panel.ui.nodesList.item(place).text() for place in range(panel.ui.nodesList.count)]
    assert texts[-1] == "Exam 1 phases over time (Sequence, 3 volumes)" and len(texts) == 4
    panel.ui.nodesList.item(3).setCheckState(2)
    panel.ui.loadButton.click()
    finish(panel)
    exam = panel.examStep.exam
    assert exam is not first and exam.name == "Exam 2", status(panel)
    assert [phase.time_s for phase in exam.phases] == [phase.time_s for phase in first.phases]
    for old, new in zip(first.nodes, exam.nodes):
        assert new is not old and new.GetImageData() is old.GetImageData(), "no voxel is copied"
    panel.ui.sourceBox.setCurrentIndex(0)


# --- the plot


def test_five_phases_with_their_plot(panel, tmp_path, artefacts):  # noqa: F811
    import slicer
    from BreastSegLib.samples.dce import make_dce_exam
    from BreastSegLib.samples.writing import write_dce_sample
    from Host import screenshots

    write_dce_sample(make_dce_exam(seed=7, posts=4), tmp_path / "sample")
    exam = load(panel, tmp_path / "sample" / "exam")
    assert len(exam.phases) == 5 and len(exam.enhancement) == 5, status(panel)
    assert panel.ui.plotFrame.isVisible() and min(exam.enhancement[1:]) > 10
    screenshots.layoutScreenshot(artefacts / "breastseg-7-five-phases.png", (1400, 1000))
    panel.ui.phaseTable.selectRow(1)
    panel.ui.phaseUpButton.click()
    slicer.app.processEvents()
    assert min(panel.examStep.exam.enhancement[1:]) < 0, "a wrong order is seen at a glance"
    screenshots.layoutScreenshot(artefacts / "breastseg-8-wrong-order.png", (1400, 1000))
    slicer.mrmlScene.RemoveNode(exam.nodes[0])
    assert not panel.ui.plotFrame.isVisible() and count(slicer.mrmlScene, "PlotChart") == 0

"""What impatient users do: load again, cancel, switch modules, delete what the exam is made of. Real worker."""

import numpy as np
import pytest
from breastseg_fixtures import (  # noqa: F401
    breastseg,
    finish,
    load,
    one_event_a_turn,
    panel,
    scene,
    status,
    tiny_in_library,
    turnUntil,
    widget,
)


@pytest.fixture(scope="module")
def mammogram(tmp_path_factory):
    """One synthetic mammogram with several windows, in a folder."""
    from BreastSegLib.samples.dicom_mg import write_mammogram_dicom
    from BreastSegLib.samples.mammogram import make_mammogram

    folder = tmp_path_factory.mktemp("mammogram")
    write_mammogram_dicom(make_mammogram(seed=3, laterality="L", view="CC", size=(416, 320)), folder / "LCC.dcm")
    return folder


@pytest.fixture
def layout(scene):  # noqa: F811
    """The layout is as before after the test."""
    import slicer

    manager = slicer.app.layoutManager()
    before = manager.layout
    yield manager
    manager.setLayout(before)


def contents(scene):  # noqa: F811
    """Return the names of all subject hierarchy items, and of all nodes of exams."""
    import slicer
    import vtk

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    items = vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    names = [hierarchy.GetItemName(items.GetId(place)) for place in range(items.GetNumberOfIds())]
    nodes = [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLNode")]
    return names, [name for name in nodes if name and name.startswith("Exam ")]


def count(scene, kind):  # noqa: F811
    return scene.GetNumberOfNodesByClass(f"vtkMRML{kind}Node")


def times(panel):  # noqa: F811
    return [panel.ui.phaseTable.item(row, 1).text() for row in range(panel.ui.phaseTable.rowCount)]


def choose(panel, row, index):  # noqa: F811
    """Choose a role in the phase table: 0 pre, 1 post, 2 left out."""
    import slicer

    panel.ui.phaseTable.cellWidget(row, 0).activated(index)
    slicer.app.processEvents()


def beginLoading(panel, folder):  # noqa: F811
    panel.examStep.setFolder(str(folder))
    panel.ui.loadButton.click()
    assert panel.working == "loading", status(panel)


# --- other modules meanwhile


def test_an_exam_that_came_while_another_module_was_open_is_the_exam(panel, widget, dicom_sample):  # noqa: F811
    first = load(panel, dicom_sample / "exam")
    beginLoading(panel, dicom_sample / "exam")
    widget.exit()
    finish(panel)
    second = panel.examStep.loaded
    assert second.name != first.name
    assert list(widget.logic.getParameterNode().phases) == list(second.nodes), "a scene saved now has it"
    widget.enter()
    finish(panel)
    assert panel.examStep.loaded.nodes == second.nodes


def test_the_kind_of_source_stays_when_the_module_is_opened_again(panel, widget, dicom_sample):  # noqa: F811
    load(panel, dicom_sample / "exam")
    panel.ui.sourceBox.setCurrentIndex(2)
    widget.exit()
    widget.enter()
    assert panel.ui.sourceBox.currentIndex == 2
    panel.ui.sourceBox.setCurrentIndex(0)


# --- loads that do not come to their end


def arrays(panel):
    """Return the folders of exams that the worker keeps."""
    client = panel.session._client
    return set() if client is None else set(client.folder.glob("exam-*"))


def test_ticks_do_not_pass_on_to_another_volume(panel, scene):  # noqa: F811
    def add(name):
        node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        return node.GetID()

    first = add("one")
    panel.ui.sourceBox.setCurrentIndex(2)
    panel.ui.nodesList.item(0).setCheckState(2)
    panel.ui.sourceBox.setCurrentIndex(0)
    scene.Clear(0)
    assert add("another") == first
    panel.ui.sourceBox.setCurrentIndex(2)
    assert panel.ui.nodesList.item(0).text() == "another" and panel.ui.nodesList.item(0).checkState() == 0
    panel.ui.sourceBox.setCurrentIndex(0)


@pytest.mark.usefixtures("one_event_a_turn")
@pytest.mark.parametrize("when", ["at once", "worker", "phases", "Sequence", "PlotChart"])
def test_a_cancelled_load_leaves_neither_nodes_nor_files(panel, scene, dicom_sample, when):  # noqa: F811
    load(panel, dicom_sample / "exam")
    before, folder = contents(scene), panel.session._client.folder
    kept = set(folder.glob("exam-*"))
    beginLoading(panel, dicom_sample / "exam")
    if when == "worker":
        turnUntil(lambda: panel.session.workerBusy)
    elif when == "phases":
        turnUntil(lambda: "Adding" in panel.ui.stageLabel.text)
    elif when != "at once":
        turnUntil(lambda: count(scene, when) == 2)
    assert panel.working
    panel.ui.cancelButton.click()
    finish(panel)
    assert status(panel) == "Cancelled." and contents(scene) == before
    assert set(folder.glob("exam-*")) == kept


@pytest.mark.usefixtures("one_event_a_turn")
def test_a_cancelled_motion_correction_leaves_nothing_behind(panel, scene, dicom_sample):  # noqa: F811
    kept = arrays(panel)
    panel.ui.motionBox.setCurrentIndex(2)
    beginLoading(panel, dicom_sample / "exam")
    panel.ui.motionBox.setCurrentIndex(0)
    turnUntil(lambda: "otion" in panel.ui.stageLabel.text)
    panel.ui.cancelButton.click()
    turnUntil(lambda: not panel.working, patience=5)
    assert status(panel) == "Cancelled." and contents(scene) == ([], [])
    assert arrays(panel) == kept
    assert load(panel, dicom_sample / "exam") is not None, status(panel)


def test_a_cancelled_load_of_volumes_leaves_no_empty_folder(panel, scene, dicom_sample):  # noqa: F811
    load(panel, dicom_sample / "exam")
    before = contents(scene)
    panel.ui.sourceBox.setCurrentIndex(2)
    for place in range(3):
        panel.ui.nodesList.item(place).setCheckState(2)
    panel.ui.loadButton.click()
    turnUntil(lambda: count(scene, "Sequence") == 2)
    panel.ui.cancelButton.click()
    finish(panel)
    panel.ui.sourceBox.setCurrentIndex(0)
    assert contents(scene) == before


def test_a_question_leaves_no_files(panel, dicom_sample, mammogram, tmp_path):  # noqa: F811
    import shutil

    shutil.copytree(dicom_sample / "exam", tmp_path / "both" / "mr")
    shutil.copytree(mammogram, tmp_path / "both" / "mg")
    kept = arrays(panel)
    assert load(panel, tmp_path / "both") is None and panel.examStep.asking, status(panel)
    assert arrays(panel) == kept


def test_an_exam_taken_during_a_load_does_not_block_the_next_load(panel, widget, dicom_sample):  # noqa: F811
    from BreastSeg import BreastSegLogic

    logic = BreastSegLogic()
    try:
        exam = logic.loadExam(dicom_sample / "exam")
        beginLoading(panel, dicom_sample / "exam")
        turnUntil(lambda: panel.session.workerBusy)
        widget.takeExam(exam)
    finally:
        logic.close()
    assert panel.examStep.loaded is exam and not panel.working
    assert load(panel, dicom_sample / "exam") is not exam, status(panel)


@pytest.mark.parametrize("when", ["worker", "phases", "Sequence", "PlotChart"])
def test_a_scene_closed_while_loading_is_empty(panel, scene, dicom_sample, when):  # noqa: F811
    import slicer

    beginLoading(panel, dicom_sample / "exam")
    if when == "worker":
        turnUntil(lambda: panel.session.workerBusy)
    elif when == "phases":
        turnUntil(lambda: count(scene, "ScalarVolume") == 2)
    else:
        turnUntil(lambda: count(scene, when) == 1)
    scene.Clear(0)
    slicer.app.processEvents()
    assert not panel.working and contents(scene) == ([], [])


# --- nodes that the user removes


def test_a_removed_plot_is_no_longer_shown(panel, scene, dicom_sample):  # noqa: F811
    exam = load(panel, dicom_sample / "exam")
    assert panel.ui.plotFrame.isVisible()
    scene.RemoveNode(exam.companions.chart)
    assert not panel.ui.plotFrame.isVisible() and panel.examStep.exam is not None


def test_a_volume_that_the_browser_made_anew_goes_with_the_exam(panel, scene, dicom_sample):  # noqa: F811
    import slicer

    exam = load(panel, dicom_sample / "exam")
    scene.RemoveNode(exam.companions.overTime)
    panel.ui.phaseTable.selectRow(2)
    panel.ui.phaseUpButton.click()
    slicer.app.processEvents()
    for node in exam.nodes:
        scene.RemoveNode(node)
    assert contents(scene)[1] == []


def test_the_exams_plot_stays_when_another_chart_is_chosen_after_the_scene_was_closed(
    panel,  # noqa: F811
    scene,  # noqa: F811
    dicom_sample,
):
    load(panel, dicom_sample / "exam")
    scene.Clear(0)
    load(panel, dicom_sample / "exam")
    view = scene.GetSingletonNode("BreastSegEnhancement", "vtkMRMLPlotViewNode")
    assert not view.GetDoPropagatePlotChartSelection()


def test_an_exam_of_one_phase_goes_with_its_folder(panel, scene, sample, tmp_path):  # noqa: F811
    import SimpleITK as sitk
    import slicer

    sitk.WriteImage(sample.exam.volumes[0].to_sitk(), str(tmp_path / "case_post1.nii.gz"))
    panel.examStep.setFiles([str(tmp_path / "case_post1.nii.gz")])
    panel.ui.meaningBox.setCurrentIndex(1)
    panel.ui.loadButton.click()
    finish(panel)
    panel.examStep.setFiles([])
    exam = panel.examStep.exam
    assert exam is not None and len(exam.nodes) == 1, status(panel)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    hierarchy.RemoveItem(hierarchy.GetItemByName(exam.name), True, True)
    slicer.app.processEvents()
    assert contents(scene) == ([], []) and panel.examStep.exam is None


def test_a_scene_added_twice_leaves_no_items_without_nodes(panel, scene, dicom_sample, tmp_path):  # noqa: F811
    import slicer
    from test_breastseg_examstep import saveAndLoad

    load(panel, dicom_sample / "exam")
    saveAndLoad(scene, tmp_path)
    finish(panel)
    once = contents(scene)[0]
    slicer.util.loadScene(str(tmp_path / "scene.mrml"))
    finish(panel)
    assert sorted(contents(scene)[0]) == sorted([*once, *once])


def test_what_is_played_lies_where_the_volumes_lie(panel, scene, dicom_sample):  # noqa: F811
    import slicer

    exam = load(panel, dicom_sample / "exam")
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = slicer.util.arrayFromTransformMatrix(transform)
    matrix[0, 3] = 25.0
    slicer.util.updateTransformMatrixFromArray(transform, matrix)
    for node in exam.nodes:
        node.SetAndObserveTransformNodeID(transform.GetID())
    panel.ui.sourceBox.setCurrentIndex(2)
    for place in range(3):
        panel.ui.nodesList.item(place).setCheckState(2)
    panel.ui.loadButton.click()
    finish(panel)
    panel.ui.sourceBox.setCurrentIndex(0)
    exam = panel.examStep.exam
    bounds, expected = [0.0] * 6, [0.0] * 6
    exam.companions.overTime.GetRASBounds(bounds)
    exam.reference.GetRASBounds(expected)
    assert exam.name == "Exam 2" and bounds == pytest.approx(expected), status(panel)


# --- corrections


def test_a_phase_that_was_left_out_comes_back_with_its_time(panel, dicom_sample):  # noqa: F811
    load(panel, dicom_sample / "exam")
    before = times(panel)
    choose(panel, 1, 2)
    assert panel.examStep.exam.phases[1].time_s == 0.0, "Post 2 is the first one now"
    choose(panel, 1, 1)
    assert times(panel) == before
    assert [f"{phase.time_s:g}" for phase in panel.examStep.exam.phases] == before


def test_phases_that_were_all_left_out_come_back_with_their_times(panel, dicom_sample):  # noqa: F811
    load(panel, dicom_sample / "exam")
    before = times(panel)
    for row in (1, 2, 0):
        choose(panel, row, 2)
    assert status(panel) == "Every phase is left out. Use at least one phase."
    for row in (2, 1):
        choose(panel, row, 1)
    choose(panel, 0, 0)
    assert times(panel) == before and np.all(np.diff([phase.time_s for phase in panel.examStep.exam.phases]) > 0)


# --- mammograms


def test_a_window_chosen_in_a_closed_scene_is_forgotten(panel, scene, mammogram, layout):  # noqa: F811
    first = load(panel, mammogram)
    box, identifier = panel.ui.windowBox, first.nodes[0].GetID()
    box.setCurrentIndex(1)
    box.activated(1)
    scene.Clear(0)
    second = load(panel, mammogram)
    assert second.nodes[0].GetID() == identifier and box.currentIndex == 0

"""What an exam brings into the scene beside its phases: the Sequence, what plays it, and the enhancement plot."""

import numpy as np
import pytest
from breastseg_fixtures import breastseg, drain, scene  # noqa: F401
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.dce import number_phases
from BreastSegLib.volume import Geometry

GRID = Geometry((6, 20, 24), (1.5, 1.5, 3.0), (-18.0, -15.0, -9.0))
TIMES = (-80.0, 0.0, 80.0, 160.0, 240.0)
PERCENT = (0.0, 62.0, 71.0, 69.0, 66.0)


def voxels(node):
    """Return the VTK array that holds the voxels of a volume node."""
    return node.GetImageData().GetPointData().GetScalars()


@pytest.fixture
def exam(scene):  # noqa: F811
    """A five-phase exam in the scene, with its companions."""
    return makeExam()


def makeExam(times=TIMES, percent=PERCENT):
    from BreastSegLib.scene import companions, corrections, examnodes
    from BreastSegLib.scene.sceneexam import SceneExam

    rows = [("post" if place else "pre", time, "TriggerTime", ()) for place, time in enumerate(times)]
    phases, name = number_phases(rows), examnodes.uniqueExamName()
    arrays = [np.full(GRID.shape, 100.0 + value, np.float32) for value in percent]
    nodes = drain(examnodes.addPhaseNodes(phases, arrays, GRID, name, (400.0, 200.0)))
    order = tuple(range(len(phases)))
    made = SceneExam(name, "", phases, GRID, tuple(nodes), (), order, tuple(percent))
    return corrections.withCompanions(made, drain(companions.makeCompanions(made)))


def indexValues(sequence):
    return [sequence.GetNthIndexValue(place) for place in range(sequence.GetNumberOfDataNodes())]


def parentName(node):
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    return hierarchy.GetItemName(hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)))


def column(table, place):
    return [table.GetTable().GetValue(row, place).ToDouble() for row in range(table.GetNumberOfRows())]


def correct(exam, rows):  # noqa: F811
    from BreastSegLib.scene import companions, corrections

    changed = corrections.correctPhases(exam, rows)
    companions.updateCompanions(changed)
    return changed


def test_the_sequence_counts_seconds_and_shares_the_voxels(exam):
    sequence = exam.companions.sequence
    assert (sequence.GetIndexName(), sequence.GetIndexUnit()) == ("time", "s")
    assert sequence.GetIndexType() == sequence.NumericIndex
    assert [float(value) for value in indexValues(sequence)] == list(TIMES)
    for place, node in enumerate(exam.nodes):
        item = sequence.GetNthDataNode(place)
        assert voxels(item) is voxels(node), "no voxel is copied"
        assert item.GetName() == node.GetName() and item.GetOrigin() == node.GetOrigin()


def test_unknown_times_are_counted_as_phases(scene):  # noqa: F811
    sequence = makeExam(times=(None, None, None), percent=(0.0, 50.0, 60.0)).companions.sequence
    assert sequence.GetIndexUnit() == "" and indexValues(sequence) == ["0", "1", "2"]


def test_playing_shares_voxels_and_leaves_the_views_alone(exam):
    import slicer

    slicer.util.setSliceViewerLayers(background=exam.nodes[1])
    browser, played = exam.companions.browser, exam.companions.overTime
    assert voxels(played) is voxels(exam.nodes[1])
    browser.SetSelectedItemNumber(3)
    slicer.app.processEvents()
    assert voxels(played) is voxels(exam.nodes[3])
    composite = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    assert composite.GetBackgroundVolumeID() == exam.nodes[1].GetID()
    assert played.GetDisplayNode().GetWindow() == 400.0


def test_all_lie_in_the_exams_folder(exam):
    found = exam.companions
    for node in (*exam.nodes, found.sequence, found.browser, found.overTime, found.table, found.series, found.chart):
        assert parentName(node) == exam.name, node.GetName()


def test_corrections_reach_the_sequence_and_the_plot(exam):
    changed = correct(exam, [(0, "pre", -80.0), (2, "post", 0.0), (3, "post", 95.0)])
    sequence, table = exam.companions.sequence, exam.companions.table
    assert [float(value) for value in indexValues(sequence)] == [-80, 0, 95]
    assert voxels(sequence.GetNthDataNode(1)) is voxels(exam.nodes[2])
    assert column(table, 0) == [-80, 0, 95] and column(table, 1) == [0, 71, 69]
    assert voxels(exam.companions.overTime) is voxels(changed.reference)
    assert exam.nodes[1].GetName() == "Exam 1 Post 1 (+0 s), left out"
    assert exam.nodes[1].GetAttribute("BreastSeg.Role") == "unused"
    correct(exam, [(place, phase.role, phase.time_s) for place, phase in enumerate(exam.phases)])
    assert column(table, 1) == list(PERCENT) and exam.nodes[1].GetName() == "Exam 1 Post 1 (+0 s)"


def test_the_plot_names_its_axes_and_shows_a_wrong_order(exam):
    chart, series = exam.companions.chart, exam.companions.series
    assert "(s)" in chart.GetXAxisTitle() and chart.GetYAxisTitle() == "Enhancement (%)"
    assert series.GetXColumnName() == chart.GetXAxisTitle()
    # The volumes of the first two phases are exchanged: their times no longer rise.
    correct(exam, [(1, "pre", 0.0), (0, "post", -80.0), (2, "post", 80.0), (3, "post", 160.0), (4, "post", 240.0)])
    assert chart.GetXAxisTitle() == "Phase" and column(exam.companions.table, 0) == [0, 1, 2, 3, 4]
    drop, back = column(exam.companions.table, 1)[1:3]
    assert drop == pytest.approx(100 / 1.62 - 100, abs=0.01), "enhancement counts from the phase that is first now"
    assert back == pytest.approx(171 / 1.62 - 100, abs=0.01)


def test_companions_go_with_the_exam(exam, scene):  # noqa: F811
    import slicer
    from BreastSegLib.scene import companions, examnodes

    for node in exam.nodes:
        slicer.mrmlScene.RemoveNode(node)
    companions.removeCompanions(exam.companions)
    examnodes.removeLost(exam.name)
    for kind in ("Sequence", "SequenceBrowser", "ScalarVolume", "Table", "PlotSeries", "PlotChart"):
        assert scene.GetNumberOfNodesByClass(f"vtkMRML{kind}Node") == 0, kind
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    assert hierarchy.GetItemByName(exam.name) == 0


def test_a_cancelled_load_leaves_no_companion(scene):  # noqa: F811
    from BreastSegLib.scene import companions

    bare = makeExam()
    companions.removeCompanions(bare.companions)
    turns = companions.makeCompanions(bare)
    next(turns), next(turns)
    turns.close()
    assert scene.GetNumberOfNodesByClass("vtkMRMLSequenceNode") == 0
    assert scene.GetNumberOfNodesByClass("vtkMRMLSequenceBrowserNode") == 0


@pytest.mark.parametrize("unit, expected", [("s", TIMES), ("ms", tuple(t / 1000 for t in TIMES)), ("", ())])
def test_a_sequence_becomes_phases_with_its_times(exam, unit, expected):
    from BreastSegLib.scene import fromnodes

    exam.companions.sequence.SetIndexUnit(unit)
    found = fromnodes.framesOf([exam.companions.sequence])
    assert found.sequence and found.times == pytest.approx(expected)
    assert [voxels(node) for node in found.nodes] == [voxels(node) for node in exam.nodes]


def test_what_is_no_exam_is_refused_with_a_sentence(exam, scene):  # noqa: F811
    import slicer
    from BreastSegLib.scene import fromnodes

    with pytest.raises(BadInput, match="Tick either one Sequence or the volumes"):
        fromnodes.framesOf([exam.companions.sequence, exam.nodes[0]])
    other = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Transforms")
    other.SetDataNodeAtValue(slicer.vtkMRMLLinearTransformNode(), "0")
    with pytest.raises(BadInput, match="holds no scalar volumes"):
        fromnodes.framesOf([other])
    vectors = slicer.util.addVolumeFromArray(
        np.zeros((4, 5, 6, 5), np.float32), name="4D", nodeClassName="vtkMRMLVectorVolumeNode"
    )
    with pytest.raises(BadInput, match="several values for each voxel.*Sequence"):
        fromnodes.geometryOf(vectors)

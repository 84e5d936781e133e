"""Previews in the scene: channels as volumes, the breast's outline, histograms, two views side by side."""

import numpy as np
import pytest
from breastseg_fixtures import breastseg, drain, scene  # noqa: F401
from BreastSegLib.volume import Geometry
from preview_fixtures import (  # noqa: F401
    HISTOGRAM,
    answerOf,
    caseRow,
    contents,
    fourViews,
    mirroredGeometry,
    sliceState,
)
from region_fixtures import SPACING, addExam, view
from test_breastseg_mammograms import picture

GRID = Geometry((6, 20, 24), (1.0, 1.0, 2.0), (-12.0, -10.0, -5.0))


@pytest.fixture
def dynamic(scene):  # noqa: F811
    """A `SceneExam` of two phases."""
    from BreastSegLib.exam.dce import number_phases
    from BreastSegLib.scene import examnodes
    from BreastSegLib.scene.sceneexam import SceneExam

    phases = tuple(number_phases([("pre", -60.0, "", ()), ("post", 0.0, "", ())]))
    arrays = [np.full(GRID.shape, 100.0 * (place + 1), np.float32) for place in range(2)]
    nodes = drain(examnodes.addPhaseNodes(phases, arrays, GRID, "Exam 1", (300.0, 150.0)))
    return SceneExam("Exam 1", "", phases, GRID, tuple(nodes), order=(0, 1))


@pytest.fixture
def answer(tmp_path):
    """The dynamic, prepared on a coarser grid that is turned: two channels and a breast."""
    grid = Geometry((3, 10, 12), (2.0, 2.0, 4.0), (11.0, 9.0, -4.0), (-1, 0, 0, 0, -1, 0, 0, 0, 1))
    ramp = np.arange(np.prod(grid.shape), dtype=np.float32).reshape(grid.shape)
    breast = np.zeros(grid.shape, bool)
    breast[1:, 2:8, 3:9] = True
    after = {"low": -1.0, "high": 3.0, "counts": [0, 0, 1, 9, 0, 0, 0, 0]}
    channels = [("pre", ramp), ("sub", -ramp, after)]
    return answerOf("dce", [caseRow(tmp_path / "case", "exam", grid, channels, ["pre", "post1"], breast=breast)])


@pytest.fixture
def mammograms(scene, tmp_path):  # noqa: F811
    """A right and a left view, and what a recipe makes of them: the right one mirrored, both bright in one corner."""
    exam = addExam(tmp_path / "exam", [view("R", "CC"), view("L", "CC")])
    shape = (150, 100)
    array = np.zeros((1, *shape), np.float32)
    array[0, :30, :30] = 5.0
    straight = Geometry((1, *shape), (SPACING, SPACING, 1.0))
    rows = []
    for name, grid in (("RCC", mirroredGeometry(shape, SPACING)), ("LCC", straight)):
        rows.append(caseRow(tmp_path / name, name, grid, [("mammogram", array)], [name], name, array > 0))
    return exam, answerOf("mammograms", rows)


def shown(answer, exam):  # noqa: F811
    """Add a preview and show its first channel, as the flow does."""
    import slicer
    from BreastSegLib.scene import previewflow, previewlayout, previewnodes

    preview = drain(previewnodes.addPreview(answer, exam))
    previewlayout.enter()
    slicer.app.processEvents()
    previewflow.showChannel(preview, preview.cases[0], preview.cases[0].channels[0])
    return preview


def test_channels_are_volumes_on_the_prepared_grid(dynamic, answer):
    import slicer
    import vtk
    from BreastSegLib.scene import previewnodes

    preview = drain(previewnodes.addPreview(answer, dynamic))
    (case,) = preview.cases
    assert [channel.name for channel in case.channels] == ["pre", "sub"] and case.title == "Exam 1"
    assert [channel.original for channel in case.channels] == list(dynamic.nodes)
    for channel, row in zip(case.channels, answer["cases"][0]["channels"]):
        array = slicer.util.arrayFromVolume(channel.node)
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, np.load(row["array"]))
        matrix = vtk.vtkMatrix4x4()
        channel.node.GetIJKToRASMatrix(matrix)
        grid = Geometry.from_json(answer["cases"][0]["geometry"])
        np.testing.assert_allclose(slicer.util.arrayFromVTKMatrix(matrix), grid.ijk_to_ras)
        display = channel.node.GetDisplayNode()
        assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == (4.0, 1.0, False)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    folder = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(case.channels[0].node))
    assert hierarchy.GetItemName(folder) == "Exam 1 preview: some-recipe"
    assert all(hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == folder for node in preview.nodes)


def test_the_breast_is_an_outline_and_coded_as_a_breast(dynamic, answer):
    import slicer
    from BreastSegLib.scene import previewnodes

    node = drain(previewnodes.addPreview(answer, dynamic)).cases[0].breast
    display, segmentation = node.GetDisplayNode(), node.GetSegmentation()
    assert not display.GetVisibility2DFill() and display.GetVisibility2DOutline() and not display.GetVisibility3D()
    segment = segmentation.GetNthSegment(0)
    entry = slicer.vtkSlicerTerminologyEntry()
    assert slicer.vtkSlicerTerminologiesModuleLogic().DeserializeTerminologyEntry(segment.GetTerminology(), entry)
    code = entry.GetTypeObject()
    assert (code.GetCodingSchemeDesignator(), code.GetCodeValue(), code.GetCodeMeaning()) == (
        "SCT",
        "76752008",
        "Breast",
    )
    assert entry.GetCategoryObject().GetCodeMeaning() == "Anatomical Structure"
    assert node.GetSegmentation().GetSourceRepresentationName() == "Binary labelmap"
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    # x 3 … 8, y 2 … 7 and z 1 … 2 of a grid that counts from left to right and from the back to the front.
    np.testing.assert_allclose(bounds, [-6.0, 6.0, -6.0, 6.0, -2.0, 6.0])


def test_the_histogram_has_the_chosen_channel_before_and_after(dynamic, answer, fourViews):  # noqa: F811
    from BreastSegLib.scene import previewflow, previewlayout

    preview = shown(answer, dynamic)
    table, before, after, chart = preview.histogram
    assert [chart.GetNthPlotSeriesNode(place) for place in range(chart.GetNumberOfPlotSeriesNodes())] == [
        before,
        after,
    ]
    assert before.GetName() == "Before (0 to 10)" and after.GetName() == "After (0 to 10)"

    def column(series):
        values = table.GetTable().GetColumnByName(series.GetYColumnName())
        return [values.GetValue(place) for place in range(values.GetNumberOfTuples())]

    assert column(before) == pytest.approx(HISTOGRAM["counts"])
    previewflow.showChannel(preview, preview.cases[0], preview.cases[0].channels[1])
    assert after.GetName() == "After (-1 to 3)" and column(after)[:4] == pytest.approx([0.0, 0.0, 10.0, 90.0])
    assert column(before) == pytest.approx(HISTOGRAM["counts"])
    previewlayout.leave()


def test_the_air_does_not_hide_the_tissue_in_the_histogram():
    from BreastSegLib.scene.histogramnodes import heightOf, sharesOf

    tissue = [0, 0, 0, 0, 1, 2, 4, 6, 4, 2, 1, 0, 0, 0]
    assert heightOf([20.0, 40.0, 10.0, *tissue]) == pytest.approx(12.0), "twice the peak of the tissue"
    assert heightOf([1.0, 2.0, 1.0, *tissue]) == pytest.approx(6.0), "the highest of all"
    assert heightOf([0.0] * 8) == 0.0 and heightOf([]) == 0.0
    assert heightOf([100.0, *[0.0] * 20]) == pytest.approx(100.0), "a constant image"
    assert sharesOf([1, 3]) == [25.0, 75.0] and sharesOf([0, 0]) == [0.0, 0.0]


def test_a_dynamic_is_shown_in_the_same_plane_and_scrolled_together(dynamic, answer, fourViews):  # noqa: F811
    import slicer
    from BreastSegLib.scene import examnodes, previewlayout

    examnodes.showPhase(dynamic.reference)
    fourViews.sliceWidget("Red").sliceLogic().SetSliceOffset(-1.0)
    preview = shown(answer, dynamic)
    assert fourViews.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView
    left, right = fourViews.sliceWidget("Red"), fourViews.sliceWidget("Yellow")
    assert sliceState("Red")[0] == sliceState("Yellow")[0] and left.mrmlSliceNode().GetSliceOffset() == -1.0
    assert sliceState("Red")[1] == dynamic.nodes[0].GetID()
    assert sliceState("Yellow")[1] == preview.cases[0].channels[0].node.GetID()
    assert left.mrmlSliceNode().GetFieldOfView()[0] == pytest.approx(right.mrmlSliceNode().GetFieldOfView()[0])
    logic = left.sliceLogic()
    logic.StartSliceNodeInteraction(slicer.vtkMRMLSliceNode.MultiplanarReformatFlag)
    logic.StartSliceNodeInteraction(slicer.vtkMRMLSliceNode.SliceToRASFlag)
    logic.SetSliceOffset(3.0)
    logic.EndSliceNodeInteraction()
    assert right.mrmlSliceNode().GetSliceOffset() == 3.0, "scrolling on the left scrolls on the right"
    previewlayout.leave()


def test_a_mirrored_mammogram_is_seen_as_the_network_sees_it(mammograms, fourViews):  # noqa: F811
    from BreastSegLib.scene import previewflow, previewlayout

    exam, answer = mammograms
    preview = shown(answer, exam)
    assert [case.mirrored for case in preview.cases] == [True, False]
    assert [case.title for case in preview.cases] == ["Right CC", "Left CC"]
    assert [case.channels[0].original for case in preview.cases] == list(exam.nodes)
    assert preview.cases[0].channels[0].node.GetName() == "Exam 1 prepared Right CC, mirrored"
    for case in preview.cases:
        previewflow.showChannel(preview, case, case.channels[0])
        image = picture("Yellow", (300, 450))
        rows, columns = np.nonzero(image > 200)
        assert rows.mean() < image.shape[0] / 2 and columns.mean() < image.shape[1] / 2, "the first pixel, top left"
        assert [other.breast.GetDisplayNode().GetVisibility() for other in preview.cases] == [
            other is case for other in preview.cases
        ]
        assert sliceState("Red")[1] == case.channels[0].original.GetID()
        assert sliceState("Red")[0][:3] == [-1.0, 0.0, 0.0], "the original is not mirrored"
    previewlayout.leave()


def test_everything_goes_when_the_preview_is_hidden(dynamic, answer, scene, fourViews):  # noqa: F811
    from BreastSegLib.scene import examnodes, previewflow

    examnodes.showPhase(dynamic.reference)
    before, layout = contents(scene), fourViews.layout
    views = [sliceState(name) for name in ("Red", "Yellow", "Green")]
    preview = shown(answer, dynamic)
    assert contents(scene) != before
    previewflow.hidePreview(preview)
    assert contents(scene) == before and fourViews.layout == layout
    assert [sliceState(name) for name in ("Red", "Yellow", "Green")] == views
    previewflow.hidePreview(preview)
    assert contents(scene) == before, "a second time does no harm"


@pytest.mark.parametrize("turns", range(1, 7))
def test_a_preview_that_is_broken_off_leaves_nothing(dynamic, answer, scene, turns):  # noqa: F811
    from BreastSegLib.scene import previewnodes

    before = contents(scene)
    adding = previewnodes.addPreview(answer, dynamic)
    for _ in range(turns):
        next(adding)
    assert contents(scene) != before
    adding.close()
    assert contents(scene) == before


def test_a_damaged_array_leaves_nothing(dynamic, answer, scene):  # noqa: F811
    from BreastSegLib.scene import previewnodes

    before = contents(scene)
    with open(answer["cases"][0]["channels"][1]["array"], "wb") as stream:
        stream.write(b"no array")
    with pytest.raises(ValueError):
        drain(previewnodes.addPreview(answer, dynamic))
    assert contents(scene) == before


def test_a_layout_that_the_user_chose_meanwhile_stays(dynamic, answer, fourViews):  # noqa: F811
    import slicer
    from BreastSegLib.scene import previewflow, previewlayout

    preview = shown(answer, dynamic)
    fourViews.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpGreenSliceView)
    assert previewlayout.isShown()
    previewflow.hidePreview(preview)
    assert fourViews.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpGreenSliceView
    assert not previewlayout.isShown()


@pytest.mark.parametrize("text", ["", "{", '{"layout": "x"}', '{"layout": 3, "views": {"Red": {"plane": [1]}}}'])
def test_what_was_kept_of_the_views_may_be_damaged(dynamic, answer, fourViews, text):  # noqa: F811
    from BreastSegLib.scene import previewflow, previewlayout

    preview = shown(answer, dynamic)
    fourViews.layoutLogic().GetLayoutNode().SetAttribute(previewlayout.FORMER, text or "[]")
    previewflow.hidePreview(preview)
    assert fourViews.sliceWidget("Yellow").mrmlSliceNode().GetOrientation() == "Sagittal"
    assert sliceState("Yellow")[1] is None and not previewlayout.isShown()


def test_a_preview_is_no_part_of_an_exam(dynamic, answer, scene, tmp_path):  # noqa: F811
    import qt
    from BreastSegLib.panel.nodelist import NodeList
    from BreastSegLib.scene import previewnodes

    preview = drain(previewnodes.addPreview(answer, dynamic))
    widget = qt.QListWidget()
    offered = NodeList(widget, lambda: None)
    offered.refresh()
    assert [widget.item(row).text() for row in range(widget.count)] == [node.GetName() for node in dynamic.nodes]
    displays = [node.GetDisplayNode() for node in preview.nodes if node.IsA("vtkMRMLDisplayableNode")]
    assert not any(node.GetSaveWithScene() for node in (*preview.nodes, *displays))


def test_only_channels_and_originals_are_needed(dynamic, answer, scene):  # noqa: F811
    from BreastSegLib.scene import previewnodes

    preview = drain(previewnodes.addPreview(answer, dynamic))
    scene.RemoveNode(preview.cases[0].breast)
    assert preview.complete, "the user may do without the outline"
    previewnodes.showOutline(preview, preview.cases[0])
    scene.RemoveNode(preview.cases[0].channels[1].node)
    assert not preview.complete


def test_an_answer_without_cases_is_refused(dynamic, scene):  # noqa: F811
    from BreastSegLib.errors import BadInput
    from BreastSegLib.scene import previewnodes

    before = contents(scene)
    with pytest.raises(BadInput, match="prepares nothing"):
        drain(previewnodes.addPreview(answerOf("dce", []), dynamic))
    assert contents(scene) == before


def test_columns_counted_the_other_way_round_are_seen():
    from BreastSegLib.scene import sliceplanes

    def node(direction):
        import slicer

        made = slicer.vtkMRMLScalarVolumeNode()
        made.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(Geometry((1, 2, 2), direction=direction).ijk_to_ras))
        return made

    straight, mirrored = node((1, 0, 0, 0, 1, 0, 0, 0, 1)), node((-1, 0, 0, 0, 1, 0, 0, 0, 1))
    assert sliceplanes.isMirrored(mirrored, straight) and not sliceplanes.isMirrored(straight, straight)

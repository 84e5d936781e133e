"""Results in the scene: voxels of segments, lesions in the views, diameters, tables, several runs, what came back."""

import numpy as np
import pytest
from breastseg_fixtures import breastseg, drain, scene  # noqa: F401
from BreastSegLib.volume import Geometry
from region_fixtures import addExam, layout, view  # noqa: F401
from results_fixtures import (
    BOX,
    OTHER,
    draw,
    lps,
    maskOf,
    measuresOf,
    resultOf,
    rowOf,
)
from run_fixtures import OBLIQUE, Client, addDceExam, dceModel, dceRows, runOn


@pytest.fixture
def exam(scene, tmp_path):  # noqa: F811
    """An exam of three phases on an oblique grid."""
    return addDceExam(tmp_path / "exam")


# --- voxels of segments


def labels(node, geometry=OBLIQUE, **options):
    from BreastSegLib.scene import segmentvoxels

    return drain(segmentvoxels.labelsOf(node, geometry, **options))


def test_visible_segments_become_one_label_volume(exam):
    found = labels(draw(exam, BOX, OTHER))
    np.testing.assert_array_equal(found.array, maskOf(BOX, OTHER))
    assert found.names == {1: "Lesion 1", 2: "Lesion 2"} and found.notes == ()
    np.testing.assert_array_equal(labels(draw(exam, OTHER), first=7).array, maskOf(OTHER, values=[7]))


def test_hidden_segments_are_left_out(exam):
    node = draw(exam, BOX, OTHER)
    node.GetDisplayNode().SetSegmentVisibility(node.GetSegmentation().GetNthSegmentID(0), False)
    found = labels(node)
    np.testing.assert_array_equal(found.array, maskOf(OTHER))
    assert found.names == {1: "Lesion 2"}


def test_overlapping_segments_are_told(exam):
    inner = (slice(6, 8), slice(11, 13), slice(5, 8))
    found = labels(draw(exam, BOX, inner))
    np.testing.assert_array_equal(found.array, maskOf(BOX, inner))
    assert found.notes == ("12 voxels of other segments were counted for “Lesion 2”, which overlaps them.",)


def test_segments_that_share_a_layer_are_told_apart(exam):
    node = draw(exam, BOX, OTHER)
    node.GetSegmentation().CollapseBinaryLabelmaps(False)
    assert node.GetSegmentation().GetNumberOfLayers("Binary labelmap") == 1
    np.testing.assert_array_equal(labels(node).array, maskOf(BOX, OTHER))


def test_what_was_drawn_beyond_the_image_is_left_out(exam):
    import slicer

    node = draw(exam, BOX)
    smaller = Geometry((8, 12, 40), OBLIQUE.spacing, OBLIQUE.origin, OBLIQUE.direction)
    np.testing.assert_array_equal(labels(node, smaller).array, maskOf(BOX)[:8, :12])
    beside = Geometry((8, 12, 40), OBLIQUE.spacing, tuple(lps((12, 0, 0))), OBLIQUE.direction)
    assert not labels(node, beside).array.any()
    # Counted from another corner, the voxels stay where they are.
    shifted = Geometry(OBLIQUE.shape, OBLIQUE.spacing, tuple(lps((2, 3, 1))), OBLIQUE.direction)
    np.testing.assert_array_equal(labels(node, shifted).array[:-2, :-3, :-1], maskOf(BOX)[2:, 3:, 1:])
    assert slicer.mrmlScene.IsNodePresent(node)


def test_segments_on_another_grid_are_resampled_as_simpleitk_does(exam):
    import SimpleITK as sitk

    finer = Geometry((30, 45, 60), (1.1, 0.8, 1.4), (-31.0, -24.0, -17.0), OBLIQUE.direction)
    node = draw(exam, BOX, OTHER)
    found = labels(node, finer).array
    image = sitk.GetImageFromArray(maskOf(BOX, OTHER))
    grid = sitk.Image(finer.shape[::-1], sitk.sitkUInt8)
    for each, geometry in ((image, OBLIQUE), (grid, finer)):
        each.SetSpacing(geometry.spacing)
        each.SetOrigin(geometry.origin)
        each.SetDirection(geometry.direction)
    truth = sitk.GetArrayFromImage(sitk.Resample(image, grid, sitk.Transform(), sitk.sitkNearestNeighbor))
    assert set(np.unique(truth)) == {0, 1, 2}
    # Voxels halfway between two others may fall to either.
    assert (found != truth).mean() < 0.002
    for value in (1, 2):
        both = ((found == value) & (truth == value)).sum()
        assert 2 * both / ((found == value).sum() + (truth == value).sum()) > 0.97


def test_a_transformed_segmentation_is_measured_where_it_is_seen(exam):
    import slicer
    import vtk

    node, move = draw(exam, BOX), slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    step = OBLIQUE.ijk_to_ras @ [2, 1, 0, 0]
    for row in range(3):
        matrix.SetElement(row, 3, step[row])
    move.SetMatrixTransformToParent(matrix)
    node.SetAndObserveTransformNodeID(move.GetID())
    moved = (BOX[0], slice(11, 15), slice(6, 11))
    np.testing.assert_array_equal(labels(node).array, maskOf(moved))


def test_the_segment_at_a_point_is_found(exam):
    from BreastSegLib.scene import segmentvoxels

    node = draw(exam, BOX, OTHER)
    ids = node.GetSegmentation().GetSegmentIDs()
    node.GetSegmentation().CollapseBinaryLabelmaps(False)
    assert segmentvoxels.segmentAt([node], lps((5, 10, 4))) == (node, ids[0])
    assert segmentvoxels.segmentAt([node], lps((14, 8, 29))) == (node, ids[1])
    assert segmentvoxels.segmentAt([node], lps((9, 10, 4))) == (None, "")
    assert segmentvoxels.segmentAt([], lps((5, 10, 4))) == (None, "")


# --- a lesion in the views


def test_a_lesion_is_shown_in_the_slice_of_its_diameter(exam, layout):  # noqa: F811
    import slicer
    from BreastSegLib.scene import diameternodes, lesionviews

    result = resultOf(draw(exam, BOX, OTHER), rowOf(BOX), rowOf(OTHER, 2))
    row = result.measures["lesions"][1]
    lesionviews.showLesion(exam, result, row)
    middle = np.mean(row["inplane_ends_lps"], axis=0) * (-1, -1, 1)
    for sliceNode in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        matrix = slicer.util.arrayFromVTKMatrix(sliceNode.GetSliceToRAS())
        assert abs((np.linalg.inv(matrix) @ [*middle, 1])[2]) < 1e-6, "the slice goes through it"
    for camera in slicer.util.getNodesByClass("vtkMRMLCameraNode"):
        np.testing.assert_allclose(camera.GetFocalPoint(), middle, atol=1e-6)
    assert len(diameternodes.shown()) == 2


def test_a_view_turns_into_tilted_slices(exam, layout):  # noqa: F811
    import slicer
    from BreastSegLib.scene import lesionviews

    tilt = np.radians(20)
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    for node in exam.nodes:
        node.SetIJKToRASDirections(*turn.ravel())
    result = resultOf(draw(exam, BOX), rowOf(BOX))

    def normals():
        nodes = sorted(slicer.util.getNodesByClass("vtkMRMLSliceNode"), key=lambda node: node.GetName())
        return {node.GetName(): slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS())[:3, 2] for node in nodes}

    before = normals()
    lesionviews.showLesion(exam, result, result.measures["lesions"][0])
    after = normals()
    assert abs(after["Red"] @ turn[:, 2]) == pytest.approx(1, abs=1e-6), "in the plane of the acquired slices"
    for name in ("Green", "Yellow"):
        np.testing.assert_allclose(after[name], before[name])


def test_the_camera_keeps_direction_and_distance(exam, layout):  # noqa: F811
    import slicer
    from BreastSegLib.scene import lesionviews

    camera = slicer.util.getNodesByClass("vtkMRMLCameraNode")[0]
    before = np.subtract(camera.GetPosition(), camera.GetFocalPoint())
    lesionviews.centreThreeD([10.0, -20.0, 30.0])
    np.testing.assert_allclose(camera.GetFocalPoint(), (-10, 20, 30))
    np.testing.assert_allclose(np.subtract(camera.GetPosition(), camera.GetFocalPoint()), before, atol=1e-9)


def test_without_diameters_the_centre_is_shown():
    from BreastSegLib.scene import diameternodes, lesionviews

    row = {**rowOf(BOX), "inplane_ends_lps": None, "perpendicular_ends_lps": None}
    assert lesionviews.placeOf(row) == row["centroid_lps"] and diameternodes.endsOf(row) == []
    assert lesionviews.placeOf({}) is None


def test_the_chosen_segment_stands_out_and_all_come_back(exam):
    from BreastSegLib.scene import lesionviews

    node = draw(exam, BOX, OTHER)
    result, ids = resultOf(node, rowOf(BOX), rowOf(OTHER, 2)), node.GetSegmentation().GetSegmentIDs()
    display = node.GetDisplayNode()

    def strengths():
        return [[getattr(display, f"GetSegmentOpacity{kind}")(one) for kind in ("2DOutline", "3D")] for one in ids]

    lesionviews.highlight(exam, result, result.measures["lesions"][1])
    assert strengths() == [[lesionviews.FAINT] * 2, [1.0, 1.0]]
    lesionviews.highlight(exam, result)
    assert strengths() == [[1.0, 1.0], [1.0, 1.0]]
    # Its place is empty by now: then none is drawn faintly.
    nowhere = rowOf((slice(0, 2), slice(0, 2), slice(0, 2)))
    lesionviews.highlight(exam, result, nowhere)
    assert strengths() == [[1.0, 1.0], [1.0, 1.0]]


def test_diameters_are_locked_lines_of_the_measured_length(exam):
    import slicer
    from BreastSegLib.scene import diameternodes

    row = rowOf(BOX)
    result = resultOf(draw(exam, BOX), row)
    lines = diameternodes.show(result, row, exam)
    assert [line.GetName().rsplit(" ", 2)[0] for line in lines] == [
        "Lesion 1 longest diameter",
        "Lesion 1 perpendicular diameter",
    ]
    told = (("inplane_mm", "inplane_ends_lps"), ("perpendicular_mm", "perpendicular_ends_lps"))
    for line, (key, ends) in zip(lines, told):
        assert line.GetLocked() and not line.GetSaveWithScene() and not line.GetDisplayNode().GetSaveWithScene()
        assert line.GetLineLengthWorld() == pytest.approx(row[key], abs=1e-6)
        points = [line.GetNthControlPointPositionWorld(place) for place in range(2)]
        found = sorted((-x, -y, z) for x, y, z in points)
        np.testing.assert_allclose(found, sorted(map(tuple, row[ends])), atol=1e-6)
        texts = [line.GetNthControlPointLabel(place) for place in range(2)]
        assert texts == ["", f"{row[key]:.1f} mm"] and line.GetName().endswith(f" {row[key]:.1f} mm")
        # The end with the text lies towards the patient's left.
        assert points[1][0] <= points[0][0]
    diameternodes.show(result, rowOf(OTHER, 2), exam)
    assert len(slicer.util.getNodesByClass("vtkMRMLMarkupsLineNode")) == 2, "one pair at a time"
    diameternodes.clear()
    assert not slicer.util.getNodesByClass("vtkMRMLMarkupsLineNode")
    assert not slicer.util.getNodesByClass("vtkMRMLMarkupsDisplayNode")


def test_unknown_sizes_give_lines_without_numbers(exam):
    from BreastSegLib.scene import diameternodes

    row = {**rowOf(BOX), "inplane_mm": None, "perpendicular_mm": None}
    lines = diameternodes.show(resultOf(draw(exam, BOX), row), row, exam)
    assert [line.GetName() for line in lines] == ["Lesion 1 longest diameter", "Lesion 1 perpendicular diameter"]


# --- the table node


def test_the_table_node_holds_all_numbers_with_units(exam):
    from BreastSegLib.measures.quantities import quantities
    from BreastSegLib.scene import lesiontable

    rows = [rowOf(BOX, name="Mass, right breast", clock="10:30"), rowOf(OTHER, 2, sphericity=0.123456789)]
    table = lesiontable.write(resultOf(draw(exam, BOX, OTHER, name="Mine"), *rows))
    assert table.GetName() == "Mine lesions" and table.GetLocked()
    contents = table.GetTable()
    columns = {}
    for place in range(contents.GetNumberOfColumns()):
        column = contents.GetColumn(place)
        columns[column.GetName()] = [column.GetValue(row) for row in range(2)]
    assert set(columns) == {"Lesion", "Name", *(quantity.column for quantity in quantities("dce"))}
    assert columns["Lesion"] == ["1", "2"] and columns["Name"] == ["Mass, right breast", ""]
    assert columns["clock"] == ["10:30", ""] and columns["sphericity"] == ["", "0.123457"]
    volumes = [float(text) for text in columns["volume (mm³)"]]
    np.testing.assert_allclose(volumes, [80 * 3.0, 240 * 3.0], rtol=1e-5)


def test_the_same_result_keeps_its_table_and_a_lost_one_loses_it(exam):
    import slicer
    from BreastSegLib.scene import lesiontable

    node = draw(exam, BOX)
    table = lesiontable.write(resultOf(node, rowOf(BOX)))
    assert lesiontable.write(resultOf(node, rowOf(BOX), rowOf(OTHER, 2))) is table and table.GetNumberOfRows() == 2
    mine = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "Somebody's own")
    lesiontable.removeLost()
    assert slicer.mrmlScene.IsNodePresent(table)
    slicer.mrmlScene.RemoveNode(node)
    lesiontable.removeLost()
    assert not slicer.mrmlScene.IsNodePresent(table) and slicer.mrmlScene.IsNodePresent(mine)
    assert lesiontable.write(resultOf(node, rowOf(BOX))) is None


# --- what lies on the exam


def test_drawn_and_loaded_segmentations_are_found_on_their_exam(exam, tmp_path):
    import slicer
    from BreastSegLib.scene import results

    drawn, loaded, away = draw(exam, BOX), draw(exam, OTHER, name="Loaded"), draw(exam, BOX, name="Away")
    loaded.SetReferenceImageGeometryParameterFromVolumeNode(None)
    role = loaded.GetReferenceImageGeometryReferenceRole()
    loaded.SetNodeReferenceID(role, None)
    away.SetNodeReferenceID(role, None)
    move = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = move.GetMatrixTransformToParent()
    matrix.SetElement(0, 3, 1000.0)
    move.SetMatrixTransformToParent(matrix)
    away.SetAndObserveTransformNodeID(move.GetID())
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Empty, of nobody")
    other = addDceExam(tmp_path / "other", "Exam 2")
    ofOther = draw(other, BOX, name="Of the other exam")
    assert [result.node for result in results.resultsOf(exam)] == [drawn, loaded]
    assert [result.node for result in results.resultsOf(other)] == [loaded, ofOther], "both exams lie in one place"
    assert empty not in [result.node for result in results.resultsOf(exam)]
    assert results.resultsOf(None) == []
    assert results.titleOf(results.resultsOf(exam)[1], exam) == "Loaded"


def test_known_results_stay_the_same_and_lost_ones_go(exam):
    import slicer
    from BreastSegLib.scene import results

    first = resultOf(draw(exam, BOX), rowOf(BOX))
    second = draw(exam, OTHER)
    found = results.resultsOf(exam, [first])
    assert found[0] is first and found[1].node is second and found[1].measures is None
    assert results.resultsOf(exam, found)[1] is found[1], "nothing new, no new object"
    slicer.mrmlScene.RemoveNode(first.node)
    assert [result.node for result in results.resultsOf(exam, found)] == [second]


def test_segmentations_of_mammograms_are_one_result(scene, tmp_path):  # noqa: F811
    from BreastSegLib.scene import results

    exam = addExam(tmp_path / "exam", [view(), view("R")])
    box = (slice(0, 1), slice(10, 20), slice(10, 20))
    nodes = [draw(exam, box, name=f"Mine {place}", image=image) for place, image in enumerate(exam.nodes)]
    again = draw(exam, box, name="Another one", image=exam.nodes[0])
    ofRun = [draw(exam, box, name=f"{image.GetName()} segmentation 1 (mine)", image=image) for image in exam.nodes]
    for node in ofRun:
        node.SetAttribute("BreastSeg.id", "run-1")
    found = results.resultsOf(exam)
    assert [list(result.nodes) for result in found] == [nodes, [again], ofRun]
    assert results.titleOf(found[2], exam) == "Segmentation 1 (mine): Left CC, Right CC"
    measured = results.SceneResult(nodes[0], (), (), {}, {}, tuple(nodes), measures=measuresOf(kind="mammograms"))
    assert results.resultsOf(exam, [measured])[0] is measured


def test_every_run_has_a_name_of_its_own(exam, tmp_path):
    from BreastSegLib.scene import results

    client = Client(dceRows)
    made = [drain(runOn(exam, client, tmp_path, dceModel(name))) for name in ("mine", "yours", "mine")]
    names = [result.node.GetName() for result in made]
    assert names == [
        "Exam 1 segmentation 1 (mine)",
        "Exam 1 segmentation 2 (yours)",
        "Exam 1 segmentation 3 (mine)",
    ]
    assert [results.titleOf(result, exam) for result in made][1] == "Segmentation 2 (yours)"
    assert [result.node.GetAttribute("BreastSeg.Number") for result in made] == ["1", "2", "3"]
    # An answer without measures, of which side and size are known.
    (row,) = made[0].measures["lesions"]
    assert (row["side"], row["volume_mm3"], row["voxels"], row["longest_mm"]) == ("right", 240.0, 80, None)
    assert row["name"] == "Mass, right breast"

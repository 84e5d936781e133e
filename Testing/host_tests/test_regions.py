"""Regions on mammograms: from markups in the world to pixels of the right image, whichever way it lies."""

import numpy as np
import pytest
from breastseg_fixtures import breastseg, scene  # noqa: F401
from BreastSegLib.errors import BadInput
from BreastSegLib.volume import Geometry
from region_fixtures import SHAPE, SPACING, addExam, layout, rasOf, view  # noqa: F401

TURNS = (0, 90, 180, 270)
FLIPPED = (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def addRoi(exam, place, low, high, name="Box", angle=0.0):
    """Add a box of the user's own from pixel edge `low` (x, y) to `high` of a view, turned in its plane by degrees."""
    import slicer
    import vtk

    one = rasOf(exam, place, low[0] - 0.5, low[1] - 0.5)
    two = rasOf(exam, place, high[0] - 0.5, high[1] - 0.5)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", name)
    node.SetCenterWorld(*((one + two) / 2))
    node.SetSize(*np.abs(two - one)[:2], 4.0)
    if angle:
        turn = vtk.vtkTransform()
        turn.RotateZ(angle)
        node.SetAndObserveObjectToNodeMatrix(moved(node, turn.GetMatrix()))
    return node


def moved(node, rotation):
    import vtk

    matrix = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Multiply4x4(node.GetObjectToNodeMatrix(), rotation, matrix)
    return matrix


def addPoints(positions, name="Points"):
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    for position in positions:
        node.AddControlPointWorld(*position)
    return node


@pytest.mark.parametrize("turn", TURNS)
def test_a_box_comes_back_as_the_pixels_it_was_drawn_around(scene, tmp_path, turn):  # noqa: F811
    from BreastSegLib.scene import regionnodes

    exam = addExam(tmp_path, [view(), view("R")], [0, turn])
    node = addRoi(exam, 1, (30, 40), (90, 120))
    assert regionnodes.regionsOf(exam, [node]) == [{"view": "RCC", "box": [30, 40, 90, 120]}]


@pytest.mark.parametrize("turn", TURNS)
def test_a_point_comes_back_as_the_pixel_it_was_placed_on(scene, tmp_path, turn):  # noqa: F811
    from BreastSegLib.scene import regionnodes

    exam = addExam(tmp_path, [view(), view("R", "MLO")], [turn, turn])
    node = addPoints([rasOf(exam, 1, 12.25, 250.5), rasOf(exam, 0, 3.0, 4.0)])
    regionnodes.setSize(node, 25.0)
    told = sorted(regionnodes.regionsOf(exam, [node]), key=lambda row: row["view"])
    assert [row["view"] for row in told] == ["LCC", "RMLO"] and {row["size_mm"] for row in told} == {25.0}
    assert told[0]["point"] == pytest.approx([3.0, 4.0]) and told[1]["point"] == pytest.approx([12.25, 250.5])


def test_pure_conversion_on_a_flipped_grid_by_hand():
    from BreastSegLib.scene import pixelregions

    grid = Geometry((1, 20, 30), (0.5, 0.25, 1.0), (10.0, -3.0, 7.0), FLIPPED)
    # LPS x = 10 - 0.5 i, y = -3 + 0.25 j; RAS has both signs turned. Pixel 4 … 11 along x, 2 … 9 along y.
    low, high = [-(10 - 0.5 * 3.5), 3 - 0.25 * 1.5, 7.0], [-(10 - 0.5 * 11.5), 3 - 0.25 * 9.5, 7.0]
    assert pixelregions.boxOf([low, high], grid, "Box") == [4, 2, 12, 10]
    assert pixelregions.pointOf([-(10 - 0.5 * 6), 3 - 0.25 * 5, 7.4], grid, "Point") == [6.0, 5.0]
    assert not pixelregions.cuts([[-8.0, 2.0, 9.0]], grid), "1.5 slices away from the plane"


@pytest.mark.parametrize("seed", range(6))
def test_pure_conversion_inverts_any_grid(seed):
    from BreastSegLib.scene import pixelregions
    from scipy.spatial.transform import Rotation

    random = np.random.default_rng(seed)
    turn = Rotation.random(random_state=seed).as_matrix() @ np.diag(random.choice([-1.0, 1.0], 3))
    grid = Geometry((1, 80, 60), tuple(random.uniform(0.05, 0.3, 3)), tuple(random.uniform(-90, 90, 3)), turn.ravel())
    x, y = sorted(random.choice(61, 2, False)), sorted(random.choice(81, 2, False))
    x, y = (x[0], min(x[0] + 20, 60)), (y[0], min(y[0] + 20, 80))
    x, y = (x[1] - 10, x[1]), (y[1] - 10, y[1])
    corners = [grid.ijk_to_ras @ [i - 0.5, j - 0.5, k, 1] for i in x for j in y for k in (-3, 3)]
    assert pixelregions.boxOf(np.array(corners)[:, :3], grid, "Box") == [x[0], y[0], x[1], y[1]]


def test_a_box_beyond_the_edge_is_cut_and_one_far_off_is_refused(scene, tmp_path):  # noqa: F811
    from BreastSegLib.scene import regionnodes

    exam = addExam(tmp_path, [view()])
    assert regionnodes.regionsOf(exam, [addRoi(exam, 0, (-20, 250), (30, 350))])[0]["box"] == [0, 250, 30, 300]
    for low, high in (((210, 10), (260, 60)), ((10, 310), (60, 360))):
        with pytest.raises(BadInput, match=r"does not lie on an image of this exam \(Far, Exam 1\)\. Draw it"):
            regionnodes.regionsOf(exam, [addRoi(exam, 0, low, high, "Far")])
    with pytest.raises(BadInput, match=r"only 5 × 3 pixels \(Tiny, Left CC\)\. Draw a larger box"):
        regionnodes.regionsOf(exam, [addRoi(exam, 0, (10, 10), (15, 13), "Tiny")])


def test_a_drawn_box_that_was_moved_off_its_image_is_one_line(scene, tmp_path, layout):  # noqa: F811
    from BreastSegLib.scene import regionnodes

    exam = addExam(tmp_path, [view(), view("R")])
    node = regionnodes.addBox(exam, 1)
    node.SetCenterWorld(*rasOf(exam, 1, 900, 900))
    node.SetSize(8.0, 8.0, 1.0)
    with pytest.raises(BadInput, match=r"outside the image \(Exam 1 RCC region 1, Right CC\)\. Move it") as caught:
        regionnodes.regionsOf(exam)
    assert "\n" not in caught.value.line


def test_a_turned_box_counts_with_its_bounding_box(scene, tmp_path):  # noqa: F811
    from BreastSegLib.scene import regionnodes

    exam = addExam(tmp_path, [view()])
    node = addRoi(exam, 0, (60, 100), (100, 140), angle=45.0)
    x0, y0, x1, y1 = regionnodes.regionsOf(exam, [node])[0]["box"]
    half = 20 * np.sqrt(2)
    np.testing.assert_allclose([x0, y0, x1, y1], [80 - half, 120 - half, 80 + half, 120 + half], atol=1.0)


def test_transforms_of_image_and_box_count(scene, tmp_path):  # noqa: F811
    import slicer
    import vtk
    from BreastSegLib.scene import regionnodes

    exam = addExam(tmp_path, [view()])
    node = addRoi(exam, 0, (30, 40), (90, 120))
    told = []
    for moving in (exam.nodes[0], node):
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = vtk.vtkMatrix4x4()
        matrix.SetElement(0, 3, 4.0)
        matrix.SetElement(1, 3, -6.0)
        transform.SetMatrixTransformToParent(matrix)
        moving.SetAndObserveTransformNodeID(transform.GetID())
        told.append(regionnodes.regionsOf(exam, [node])[0]["box"])
    # The image went 4 mm to the patient's right and 6 mm back: columns run to the left, rows to the back, 0.2 mm each.
    assert told == [[50, 10, 110, 90], [30, 40, 90, 120]], "the box stood still, then it went along"


def test_another_exams_box_is_refused_and_not_listed(scene, tmp_path):  # noqa: F811
    from BreastSegLib.scene import regionnodes

    first = addExam(tmp_path / "1", [view(), view("R")])
    second = addExam(tmp_path / "2", [view(), view("R")], name="Exam 2")
    node = addRoi(first, 0, (30, 40), (90, 120), "Mine")
    assert [region.node for region in regionnodes.regionsIn(first)] == [node] and not regionnodes.regionsIn(second)
    with pytest.raises(BadInput, match=r"not lie on an image of this exam \(Mine, Exam 2\)"):
        regionnodes.regionsOf(second, [node])


def test_each_image_has_a_plane_of_its_own(scene, tmp_path):  # noqa: F811
    from BreastSegLib.scene import regionnodes

    exams = [addExam(tmp_path / str(k), [view(), view("R"), view("L", "MLO")], name=f"Exam {k}") for k in (1, 2)]
    depths = [node.GetOrigin()[2] for exam in exams for node in exam.nodes]
    assert len(set(depths)) == 6 and np.diff(sorted(depths)).min() >= 300.0
    assert min(depths) >= 3000.0, "beyond any DCE exam in the same scene"
    # Whatever depth a box has, it belongs to the image whose plane is nearest to its middle.
    node = addRoi(exams[1], 1, (30, 40), (90, 120))
    node.SetSize(12.0, 16.0, 800.0)
    assert [region.place for region in regionnodes.regionsIn(exams[1])] == [1]


def test_an_unknown_pixel_size_wants_a_box_and_says_so(scene, tmp_path):  # noqa: F811
    from BreastSegLib.scene import regionnodes

    exam = addExam(tmp_path, [view(spacing=None)])
    point = addPoints([rasOf(exam, 0, 50, 60)], "Point")
    with pytest.raises(BadInput, match=r"pixel size of the image is unknown.*\(Point, Left CC\)\. Draw a box instead"):
        regionnodes.regionsOf(exam, [point])
    box = addRoi(exam, 0, (30, 40), (90, 120))
    assert regionnodes.regionsOf(exam, [box]) == [{"view": "LCC", "box": [30, 40, 90, 120]}]
    region = next(region for region in regionnodes.regionsIn(exam) if region.node is box)
    assert regionnodes.sizeText(region, exam) == "60 × 80 pixels"


def test_boxes_of_the_users_own_wait_for_a_tick(scene, tmp_path):  # noqa: F811
    from BreastSegLib.scene import regionnodes

    exam = addExam(tmp_path, [view()])
    node = addRoi(exam, 0, (30, 40), (90, 120))
    assert regionnodes.regionsOf(exam) == [] and len(regionnodes.regionsIn(exam)) == 1
    regionnodes.use(node, True)
    assert len(regionnodes.regionsOf(exam)) == 1
    node.SetHideFromEditors(True)
    assert regionnodes.regionsIn(exam) == []


def test_tidying_lays_a_drawn_box_flat_and_keeps_its_name_true(scene, tmp_path, layout):  # noqa: F811
    from BreastSegLib.scene import mammogramnodes, regionnodes

    exam = addExam(tmp_path, [view(), view("R")], [0, 180])
    node = regionnodes.addBox(exam, 1)
    assert node.GetName() == "Exam 1 RCC region 1"
    one, two = rasOf(exam, 1, 29.5, 39.5), rasOf(exam, 1, 89.5, 119.5)
    node.SetCenterWorld(*((one + two) / 2 + [0, 0, 2.5]))
    node.SetSize(*np.abs(two - one)[:2], 9.0)
    regionnodes.tidy(exam)
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    depth = exam.nodes[1].GetOrigin()[2]
    assert bounds[4:] == pytest.approx([depth - 0.5, depth + 0.5])
    assert regionnodes.regionsOf(exam) == [{"view": "RCC", "box": [30, 40, 90, 120]}]
    exam = mammogramnodes.correctViews(exam, [("L", "CC"), ("R", "MLO")])
    regionnodes.tidy(exam)
    assert node.GetName() == "Exam 1 RMLO region 1"
    assert regionnodes.regionsOf(exam)[0]["view"] == "RMLO"
    assert regionnodes.addBox(exam, 1).GetName() == "Exam 1 RMLO region 2"


def test_sizes_for_people():
    from BreastSegLib.scene import pixelregions

    assert pixelregions.sizeText([30, 40, 90, 120], (SPACING, SPACING)) == "12 × 16 mm"
    assert pixelregions.sizeText([0, 0, SHAPE[1], SHAPE[0]], None) == "200 × 300 pixels"

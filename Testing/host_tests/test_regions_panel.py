"""The regions in the panel: drawn and placed with the mouse, listed, ticked, moved, removed."""

import numpy as np
import pytest
from breastseg_fixtures import breastseg, drain, scene, turnUntil  # noqa: F401
from region_fixtures import SPACING, Mouse, addExam, layout, rasOf, ui, view  # noqa: F401


class Told:
    """Counts how often the panel was told that regions changed."""

    def __init__(self):
        self.times = 0

    def __call__(self):
        self.times += 1


@pytest.fixture
def box(ui, layout):  # noqa: F811
    """The list of regions; nothing is shown yet."""
    from BreastSegLib.panel.regionbox import RegionBox

    told = Told()
    regions = RegionBox(ui, told)
    regions.told = told
    yield regions
    regions.close()


@pytest.fixture
def exam(scene, tmp_path):  # noqa: F811
    """Two views, the second one upside down; the first is shown."""
    from BreastSegLib.scene import viewlayout

    made = addExam(tmp_path, [view(), view("R", "MLO")], [0, 180])
    viewlayout.showInSingleView(made.nodes[0])
    turn()
    return made


def turn(times=8):
    import slicer

    for _ in range(times):
        slicer.app.processEvents()


def rows(ui):  # noqa: F811
    return [ui.regionList.item(row).text() for row in range(ui.regionList.count)]


def markups():
    import slicer

    return slicer.util.getNodesByClass("vtkMRMLMarkupsNode")


def draw(ui, exam, place, low, high):  # noqa: F811
    """Draw a box as the user does, between two pixels of a view; return the size of a screen pixel in image pixels."""
    ui.regionBoxButton.click()
    mouse = Mouse()
    mouse.click(rasOf(exam, place, *low))
    mouse.click(rasOf(exam, place, *high))
    turn()
    return mouse.pixel / SPACING


@pytest.mark.parametrize("place", [0, 1])
def test_a_box_is_drawn_with_the_mouse(ui, box, exam, place):  # noqa: F811
    from BreastSegLib.scene import shownviews

    box.show(exam)
    shownviews.show(exam.nodes, place)
    turn()
    assert not ui.regionFrame.isHidden() and "Draw a box around each mass first" in box.problem
    coarse = draw(ui, exam, place, (40, 60), (100, 160))
    (node,) = markups()
    name = ("LCC", "RMLO")[place]
    assert node.GetName() == f"Exam 1 {name} region 1" and box.problem == "" and box.told.times >= 1
    (told,) = box.regions(exam)
    assert told["view"] == name
    np.testing.assert_allclose(told["box"], [40, 60, 100, 160], atol=coarse + 1)
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    depth = exam.nodes[place].GetOrigin()[2]
    assert bounds[4] < depth < bounds[5] and bounds[5] - bounds[4] == pytest.approx(1.0), "flat: it cuts one slice"
    assert rows(ui)[0].startswith(f"{name} region 1 · ") and "mm" in rows(ui)[0]
    assert not ui.regionBoxButton.checked and ui.regionList.currentRow == 0


def test_a_point_is_placed_and_its_size_can_be_changed(ui, box, exam):  # noqa: F811
    box.show(exam)
    ui.regionSizeSpin.setValue(30.0)
    ui.regionPointButton.click()
    assert ui.regionPointButton.checked and "Click into the mass" in ui.regionLabel.text
    mouse = Mouse()
    mouse.click(rasOf(exam, 0, 70, 90))
    turn()
    (told,) = box.regions(exam)
    assert told["size_mm"] == 30.0 and told["view"] == "LCC"
    np.testing.assert_allclose(told["point"], [70, 90], atol=mouse.pixel / SPACING)
    assert rows(ui) == ["LCC region 1 · Left CC · point, 30 mm"]
    ui.regionSizeSpin.setValue(55.0)
    turn()
    assert box.regions(exam)[0]["size_mm"] == 55.0 and rows(ui)[0].endswith("point, 55 mm")


def test_leaving_off_leaves_nothing(ui, box, exam):  # noqa: F811
    import slicer
    from BreastSegLib.scene import regionnodes

    box.show(exam)
    ui.regionBoxButton.click()
    assert regionnodes.isPlacing() and len(markups()) == 1 and rows(ui) == []
    ui.regionBoxButton.click()
    turn()
    assert not regionnodes.isPlacing() and markups() == [] and not ui.regionBoxButton.checked
    ui.regionBoxButton.click()
    Mouse().click(rasOf(exam, 0, 40, 60))
    ui.regionPointButton.click()
    turn()
    assert [node.GetClassName() for node in markups()] == ["vtkMRMLMarkupsFiducialNode"], "the half drawn box is gone"
    # The user takes another tool of Slicer's.
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)
    turn()
    assert markups() == [] and not ui.regionPointButton.checked
    ui.regionBoxButton.click()
    box.show(None)
    turn()
    assert markups() == [] and not regionnodes.isPlacing() and ui.regionFrame.isHidden()


def test_regions_are_removed_by_button_and_by_hand(ui, box, exam):  # noqa: F811
    import slicer

    box.show(exam)
    draw(ui, exam, 0, (20, 20), (60, 60))
    draw(ui, exam, 0, (80, 100), (140, 160))
    assert [row.split(" · ")[0] for row in rows(ui)] == ["LCC region 1", "LCC region 2"]
    assert ui.regionList.currentRow == 1
    ui.regionList.setCurrentRow(0)
    ui.regionRemoveButton.click()
    turn()
    assert [row.split(" · ")[0] for row in rows(ui)] == ["LCC region 2"] and len(markups()) == 1
    displays = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsDisplayNode")
    told = box.told.times
    slicer.mrmlScene.RemoveNode(markups()[0])
    turn()
    assert rows(ui) == [] and ui.regionList.isHidden() and box.told.times > told
    assert "first" in box.problem and displays == 1


def test_a_region_that_is_dragged_is_listed_as_it_is(ui, box, exam):  # noqa: F811
    box.show(exam)
    draw(ui, exam, 0, (20, 20), (60, 60))
    (node,) = markups()
    node.SetSize(8.0, 12.0, 1.0)
    turn()
    assert rows(ui)[0].endswith("· 8 × 12 mm"), rows(ui)
    node.SetCenterWorld(900.0, 0.0, node.GetCenterWorld()[2])
    turn()
    assert "outside the image" in box.problem and rows(ui)[0].endswith("⚠")
    assert "outside the image" in ui.regionList.item(0).toolTip()


def test_a_chosen_box_is_resized_with_the_mouse(ui, box, exam):  # noqa: F811
    box.show(exam)
    draw(ui, exam, 0, (40, 60), (100, 160))
    mouse = Mouse()
    before = box.regions(exam)[0]["box"]
    mouse.drag(rasOf(exam, 0, before[2] - 0.5, before[3] - 0.5), rasOf(exam, 0, 130, 190))
    turn()
    after = box.regions(exam)[0]["box"]
    np.testing.assert_allclose(after, [*before[:2], 130, 190], atol=2 * mouse.pixel / SPACING + 1)
    depth = exam.nodes[0].GetOrigin()[2]
    assert bounds(markups()[0])[4:] == pytest.approx([depth - 0.5, depth + 0.5]), "still flat"
    assert rows(ui)[0].endswith(f"{(after[2] - after[0]) * SPACING:.0f} × {(after[3] - after[1]) * SPACING:.0f} mm")


def test_markups_of_the_users_own_are_ticked(ui, box, exam):  # noqa: F811
    import qt
    import slicer

    box.show(exam)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Marks")
    node.AddControlPointWorld(*rasOf(exam, 1, 70, 90))
    turn()
    assert rows(ui) == ["Marks · Right MLO · point, 40 mm"] and box.regions(exam) == ()
    assert ui.regionList.item(0).checkState() == qt.Qt.Unchecked
    ui.regionList.item(0).setCheckState(qt.Qt.Checked)
    turn()
    assert box.problem == "" and box.regions(exam)[0]["view"] == "RMLO"
    node.AddControlPointWorld(*rasOf(exam, 0, 10, 20))
    turn()
    assert len(rows(ui)) == 2 and {row["view"] for row in box.regions(exam)} == {"LCC", "RMLO"}
    ui.regionList.setCurrentRow(0)
    ui.regionRemoveButton.click()
    turn()
    assert node.GetNumberOfControlPoints() == 1 and len(rows(ui)) == 1


def test_choosing_a_region_shows_its_image(ui, box, exam, layout):  # noqa: F811
    from BreastSegLib.scene import shownviews

    box.show(exam)
    draw(ui, exam, 0, (20, 20), (60, 60))
    shownviews.show(exam.nodes, 1)
    ui.regionList.setCurrentRow(-1)
    assert shownviews.placeShown(exam.nodes) == 1
    ui.regionList.setCurrentRow(0)
    assert shownviews.placeShown(exam.nodes) == 0


def test_a_point_on_an_image_of_unknown_pixel_size_is_not_offered(ui, box, scene, tmp_path):  # noqa: F811
    from BreastSegLib.scene import viewlayout

    exam = addExam(tmp_path, [view(spacing=None)])
    viewlayout.showInSingleView(exam.nodes[0])
    turn()
    box.show(exam)
    assert not ui.regionPointButton.isEnabled() and "pixel size of this image is unknown" in ui.regionLabel.text
    draw(ui, exam, 0, (20, 20), (60, 80))
    assert rows(ui)[0].endswith("pixels")


def test_one_image_of_unknown_pixel_size_among_others(ui, box, scene, tmp_path):  # noqa: F811
    from BreastSegLib.scene import viewlayout

    exam = addExam(tmp_path, [view(), view("R", spacing=None)])
    viewlayout.showInSingleView(exam.nodes[1])
    turn()
    box.show(exam)
    assert ui.regionPointButton.isEnabled()
    ui.regionPointButton.click()
    assert markups() == [] and not ui.regionPointButton.checked and "Draw a box: the pixel size" in ui.regionLabel.text


def test_the_square_around_a_point_is_drawn_and_goes_with_it(ui, box, exam):  # noqa: F811
    import slicer
    from BreastSegLib.scene import regionnodes

    box.show(exam)
    ui.regionSizeSpin.setValue(12.0)
    ui.regionPointButton.click()
    Mouse().click(rasOf(exam, 0, 70, 90))
    turn()
    (point,) = slicer.util.getNodesByClass(regionnodes.POINT)
    (frame,) = slicer.util.getNodesByClass(regionnodes.BOX)
    x, y = box.regions(exam)[0]["point"]
    middle = rasOf(exam, 0, x, y)
    expected = [middle[0] - 6, middle[0] + 6, middle[1] - 6, middle[1] + 6, middle[2] - 0.5, middle[2] + 0.5]
    assert bounds(frame) == pytest.approx(expected, abs=1e-3)
    assert frame.GetHideFromEditors() and not frame.GetSaveWithScene() and frame.GetLocked() and len(rows(ui)) == 1
    ui.regionSizeSpin.setValue(20.0)
    point.SetNthControlPointPositionWorld(0, middle[0] + 3, middle[1], middle[2])
    turn()
    assert bounds(frame)[:2] == pytest.approx([middle[0] - 7, middle[0] + 13], abs=1e-3)
    ui.regionRemoveButton.click()
    turn()
    assert markups() == []


def bounds(node):
    found = [0.0] * 6
    node.GetRASBounds(found)
    return found


def test_recipes_that_look_at_whole_images_want_no_regions(ui, box, exam):  # noqa: F811
    box.show(exam)
    draw(ui, exam, 0, (20, 20), (60, 60))
    box.show(exam, needed=False)
    assert box.problem == "" and box.regions(exam) == () and ui.regionFrame.isHidden()
    box.show(exam)
    assert len(rows(ui)) == 1


def test_regions_come_back_with_the_scene(ui, box, exam, tmp_path):  # noqa: F811
    import slicer
    from BreastSegLib.scene import keeping

    box.show(exam)
    draw(ui, exam, 0, (20, 20), (60, 60))
    before = box.regions(exam)
    for node in exam.nodes:
        assert slicer.util.saveNode(node, str(tmp_path / f"{node.GetID()}.nrrd"))
    assert slicer.util.saveNode(markups()[0], str(tmp_path / "region.mrk.json"))
    slicer.mrmlScene.SetRootDirectory(str(tmp_path))
    slicer.mrmlScene.SetURL(str(tmp_path / "scene.mrml"))
    assert slicer.mrmlScene.Commit()
    box.show(None)
    slicer.mrmlScene.Clear(0)
    turn()
    slicer.util.loadScene(str(tmp_path / "scene.mrml"))
    nodes = [slicer.util.getNode(name) for name in ("Exam 1 Left CC", "Exam 1 Right MLO")]
    again, _ = keeping.keptExam(nodes, "")
    box.show(again)
    assert box.regions(again) == before and rows(ui)[0].startswith("LCC region 1")


def test_closing_the_scene_while_placing(ui, box, exam):  # noqa: F811
    import slicer

    box.show(exam)
    ui.regionBoxButton.click()
    slicer.mrmlScene.Clear(0)
    box.show(None)
    turn()
    assert markups() == [] and rows(ui) == [] and box.problem == ""

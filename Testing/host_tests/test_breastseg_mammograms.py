"""Mammograms in the scene and in the panel: true spacing, right tones, right side up, one view. Real worker."""

import numpy as np
import pytest
from breastseg_fixtures import (  # noqa: F401
    breastseg,
    drain,
    finish,
    load,
    panel,
    scene,
    status,
    tiny_in_library,
    widget,
)
from BreastSegLib.exam.mammograms.view import View
from BreastSegLib.volume import Geometry

SPACING = 0.14


@pytest.fixture(scope="module")
def mammograms(tmp_path_factory):
    """Four synthetic mammograms of one woman as DICOM files, in a folder."""
    from BreastSegLib.samples.dicom_mg import write_mammogram_dicom
    from BreastSegLib.samples.mammogram import make_mammogram

    folder = tmp_path_factory.mktemp("mammograms")
    for laterality in "LR":
        for view in ("CC", "MLO"):
            sample = make_mammogram(seed=3, laterality=laterality, view=view, size=(416, 320))
            write_mammogram_dicom(sample, folder / f"{laterality}{view}.dcm")
    return folder


@pytest.fixture
def threeViews(scene):  # noqa: F811
    """The layout with three slice views, again after the test."""
    import slicer

    manager = slicer.app.layoutManager()
    before = manager.layout
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    yield manager
    manager.setLayout(before)


def addView(tmp_path, array, view, tone, direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)):
    """Add one mammogram with the voxels `array` (y, x), and return its node."""
    from BreastSegLib.scene import mammogramnodes

    np.save(tmp_path / "view_0000.npy", array[None].astype(np.float32))
    geometry = Geometry((1, *array.shape), (SPACING, SPACING, 1.0), (0.0, 0.0, 0.0), direction)
    row = {"array": "view_0000.npy", "geometry": geometry.to_json(), "tone": tone}
    return drain(mammogramnodes.addViewNodes([view], [row], tmp_path, "Exam 1"))[0]


def picture(name="Red", size=(300, 300)):
    """Return the grey values that a slice view shows, (y, x), top row first."""
    from Host import application
    from Host.screenshots import _imageOfSize

    image = _imageOfSize(application.current().layoutManager.sliceWidget(name).sliceView(), size)
    width, height = image.width(), image.height()
    return np.array([[image.pixelColor(x, y).green() for x in range(0, width, 4)] for y in range(0, height, 4)])


def test_four_views_in_the_panel(panel, mammograms, threeViews, artefacts):  # noqa: F811
    import slicer
    from Host import screenshots

    exam = load(panel, mammograms)
    assert exam is not None and exam.kind == "mammograms", status(panel)
    assert {view.name for view in exam.views} == {"LCC", "RCC", "LMLO", "RMLO"}
    assert {node.GetName() for node in exam.nodes} == {
        f"{exam.name} {side} {view}" for side in ("Left", "Right") for view in ("CC", "MLO")
    }
    for view, node in zip(exam.views, exam.nodes):
        assert node.GetSpacing()[:2] == pytest.approx(view.spacing) and node.GetImageData().GetDimensions()[2] == 1
        assert node.GetAttribute("BreastSeg.Laterality") == view.laterality
        assert node.GetAttribute("BreastSeg.View") == view.position
        assert node.GetAttribute("BreastSeg.SpacingKnown") == "1"
        assert node.GetAttribute("BreastSeg.Intent") == "presentation"
        assert node.GetDisplayNode().GetInterpolate() and not node.GetDisplayNode().GetAutoWindowLevel()
    assert threeViews.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView
    assert panel.ui.viewTable.rowCount == 4
    panel.ui.viewTable.selectRow(2)
    composite = threeViews.sliceWidget("Red").sliceLogic().GetSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == exam.nodes[2].GetID()
    assert "mammograms are loaded. Load a DCE-MRI exam" in status(panel) and not panel.ui.segmentButton.isEnabled()
    screenshots.layoutScreenshot(artefacts / "breastseg-5-mammograms.png")


def test_windows_of_the_file_can_be_chosen(panel, mammograms, threeViews):  # noqa: F811
    exam = load(panel, mammograms)
    box = panel.ui.windowBox
    assert [box.itemText(k) for k in range(box.count)] == ["NORMAL", "HARDER", "SOFTER"] and not box.isHidden()
    display, other = exam.nodes[0].GetDisplayNode(), exam.nodes[1].GetDisplayNode()
    before, untouched = display.GetWindow(), other.GetWindow()
    box.setCurrentIndex(1)
    box.activated(1)
    assert display.GetWindow() < 0.8 * before and other.GetWindow() == untouched
    panel.ui.viewTable.selectRow(1)
    assert box.currentIndex == 0
    panel.ui.viewTable.selectRow(0)
    assert box.currentIndex == 1


def test_the_layout_comes_back_with_a_dce_exam(panel, mammograms, dicom_sample, threeViews):  # noqa: F811
    import slicer

    load(panel, mammograms)
    exam = load(panel, dicom_sample / "exam")
    assert threeViews.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
    assert threeViews.sliceWidget("Red").mrmlSliceNode().GetOrientation() == "Axial"
    assert exam.kind == "dce" and panel.ui.viewTable.rowCount == 0 and status(panel) == "Ready to segment."


def test_the_layout_comes_back_when_the_scene_is_closed(panel, mammograms, threeViews):  # noqa: F811
    import slicer

    load(panel, mammograms)
    assert threeViews.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView
    slicer.mrmlScene.Clear(0)
    assert threeViews.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView


def test_views_are_corrected_by_hand(panel, mammograms):  # noqa: F811
    import slicer

    exam = load(panel, mammograms)
    place = [view.name for view in exam.views].index("RMLO")
    box = panel.ui.viewTable.cellWidget(place, 1)
    box.activated([box.itemText(index) for index in range(box.count)].index("ML"))
    slicer.app.processEvents()
    changed = panel.examStep.exam
    assert changed.views[place].name == "RML" and changed.views[place].evidence == "set by hand"
    assert changed.nodes[place].GetName() == f"{exam.name} Right ML"
    assert changed.nodes[place].GetAttribute("BreastSeg.View") == "ML"


def test_mammograms_come_back_with_the_scene(panel, widget, mammograms):  # noqa: F811
    exam = load(panel, mammograms)
    panel.examStep.show(None)
    widget.exit()
    widget.enter()
    again = panel.examStep.exam
    assert again.name == exam.name and [view.name for view in again.views] == [view.name for view in exam.views]
    assert [view.spacing for view in again.views] == [view.spacing for view in exam.views]


def test_upright_and_not_mirrored_whatever_the_users_orientations(scene, tmp_path, threeViews):  # noqa: F811
    import slicer
    from BreastSegLib.scene import viewlayout

    array = np.zeros((100, 80))
    array[:20, :20] = 1000.0  # top left, as stored
    tone = {"window": 1000.0, "level": 500.0, "curve": None}
    node = addView(tmp_path, array, View("L", "CC", spacing=(SPACING, SPACING)), tone)
    patientRightIsScreenLeft = False
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, patientRightIsScreenLeft)
    try:
        viewlayout.showInSingleView(node)
        shown = picture()
    finally:
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
    rows, columns = np.nonzero(shown > 200)
    middle = shown.shape[0] / 2
    bright = [(y, x) for y, x in zip(rows, columns) if 6 < y < 2 * middle - 8]
    assert bright and np.mean([y for y, x in bright]) < middle and np.mean([x for y, x in bright]) < middle


def test_a_tone_curve_becomes_a_grey_scale_and_the_voxels_stay(scene, tmp_path, threeViews):  # noqa: F811
    import slicer
    from BreastSegLib.scene import viewlayout

    curve = [float(value) for value in np.linspace(0, 1, 256) ** 2]
    tone = {"window": 1000.0, "level": 500.0, "curve": curve}
    node = addView(tmp_path, np.full((60, 60), 500.0), View("R", "MLO"), tone)
    assert np.all(slicer.util.arrayFromVolume(node) == 500.0)
    assert node.GetAttribute("BreastSeg.SpacingKnown") == "0"
    greys = node.GetDisplayNode().GetColorNode()
    assert greys.GetNumberOfColors() == 256 and greys.GetHideFromEditors()
    viewlayout.showInSingleView(node)
    shown = picture()
    middle = shown[shown.shape[0] // 2, shown.shape[1] // 2]
    assert middle == pytest.approx(255 * 0.25, abs=4), "the middle of the window is a quarter grey, not half"


def test_an_unknown_pixel_size_is_said(scene):  # noqa: F811
    import qt
    from BreastSegLib.panel import viewtable

    assert viewtable.pixelText(None) == "unknown" and viewtable.pixelText((0.07, 0.07)) == "0.07 mm"
    grid = qt.QTableWidget()
    table = viewtable.ViewTable(grid, None, None)
    table.show([View("L", "", spacing=None)], ["Exam 1 Left"])
    assert grid.item(0, viewtable.PIXEL).text() == "unknown"
    assert "cannot be measured" in grid.item(0, viewtable.PIXEL).toolTip()
    assert grid.cellWidget(0, viewtable.VIEW).currentText == "?"

"""A mass in a drawn box, from the panel to the result: real worker, real nnU-Net, random weights."""

import sys

import numpy as np
import pytest
from breastseg_fixtures import breastseg, finish, load, scene, status, widget  # noqa: F401
from region_fixtures import Mouse, layout, rasOf  # noqa: F401


@pytest.fixture(scope="module")
def mammograms(tmp_path_factory):
    """Two synthetic mammograms as DICOM files, in a folder."""
    from BreastSegLib.samples.dicom_mg import write_mammogram_dicom
    from BreastSegLib.samples.mammogram import make_mammogram

    folder = tmp_path_factory.mktemp("mammograms")
    for laterality in "LR":
        sample = make_mammogram(seed=3, laterality=laterality, view="CC", size=(416, 320))
        write_mammogram_dicom(sample, folder / f"{laterality}CC.dcm")
    return folder


@pytest.fixture
def panel(widget, tmp_path_factory, monkeypatch):  # noqa: F811
    """The panel with a model that looks at regions, on the CPU."""
    from BreastSegLib.models import library
    from tiny_model import make_tiny_model

    folder = tmp_path_factory.mktemp("model") / "tiny-region"
    make_tiny_model(folder, "mass-region-224", ("0",), configuration="2d", name="tiny-region")
    found = [library.open_model(folder)], {}
    monkeypatch.setattr(sys.modules["BreastSegLib.panel.modelstep"], "survey", lambda folder=None: found)
    widget.panel.modelStep.refresh()
    widget.panel.modelStep.chooseModel("tiny-region")
    widget.panel.modelStep.chooseDevice("cpu")
    return widget.panel


def turn():
    import slicer

    for _ in range(10):
        slicer.app.processEvents()


def test_a_mass_is_segmented_inside_a_drawn_box(panel, mammograms, layout, artefacts):  # noqa: F811
    import slicer
    from BreastSegLib.scene import regionnodes, shownviews
    from Host import screenshots

    exam = load(panel, mammograms)
    assert exam is not None, status(panel)
    assert "Draw a box around each mass first" in status(panel) and not panel.ui.segmentButton.isEnabled()
    assert not panel.ui.regionFrame.isHidden()
    place = [view.name for view in exam.views].index("LCC")
    shownviews.show(exam.nodes, place)
    turn()
    panel.ui.regionBoxButton.click()
    mouse = Mouse()
    mouse.click(rasOf(exam, place, 40, 150))
    mouse.click(rasOf(exam, place, 120, 230))
    turn()
    assert status(panel) == "Ready to segment." and panel.ui.segmentButton.isEnabled()
    (told,) = regionnodes.regionsOf(exam)
    screenshots.layoutScreenshot(artefacts / "breastseg-region-drawn.png")
    panel.ui.segmentButton.click()
    finish(panel)
    assert panel.result is not None, status(panel)
    (node,) = panel.result.nodes
    image = exam.nodes[place]
    assert node.GetName() == f"{image.GetName()} segmentation 1 ({panel.result.record['model']['name']})"
    assert node.GetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole()) == image.GetID()
    x0, y0, x1, y1 = told["box"]
    count = 0
    for one in node.GetSegmentation().GetSegmentIDs():
        mask = slicer.util.arrayFromSegmentBinaryLabelmap(node, one, image)[0] > 0
        count += int(mask.sum())
        mask[y0:y1, x0:x1] = False
        assert not mask.any(), "nothing outside the box"
    assert count == sum(row["voxels"] for row in panel.result.lesions)
    assert all(row["side"] == "left" and row["area_mm2"] > 0 for row in panel.result.lesions)
    assert panel.resultsBox.ui.lesionTable.rowCount == len(panel.result.lesions)
    assert node.GetAttribute("BreastSeg.recipe.name") == "mass-region-224"
    screenshots.layoutScreenshot(artefacts / "breastseg-region-result.png")


def test_the_whole_way_again_with_a_point(panel, mammograms, layout):  # noqa: F811
    exam = load(panel, mammograms)
    panel.ui.regionSizeSpin.setValue(15.0)
    shown = exam.nodes.index(exam.reference)
    panel.ui.regionPointButton.click()
    Mouse().click(rasOf(exam, shown, 160, 200))
    turn()
    assert status(panel) == "Ready to segment."
    panel.ui.segmentButton.click()
    finish(panel)
    assert panel.result is not None, status(panel)
    assert [row["title"] for row in panel.result.lesions] == [exam.views[shown].title] * len(panel.result.lesions)
    for row in panel.result.lesions:
        away = np.abs(np.subtract(row["centroid_lps"], rasOf(exam, shown, 160, 200) * (-1, -1, 1)))
        assert away.max() <= 15.0 / 2 + 1.0

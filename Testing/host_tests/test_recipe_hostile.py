"""What a demanding radiologist does to previews, regions and results of mammograms. Real worker, random weights."""

import os
import signal
import sys

import pytest
from breastseg_fixtures import (  # noqa: F401
    breastseg,
    finish,
    load,
    one_event_a_turn,
    scene,
    status,
    turnUntil,
    widget,
)
from region_fixtures import Mouse, layout, rasOf  # noqa: F401
from test_recipe_preview import gone

WIDTH = 320


@pytest.fixture(scope="module")
def mammograms(tmp_path_factory):
    """A right and a left mammogram as DICOM files, in a folder."""
    from BreastSegLib.samples.dicom_mg import write_mammogram_dicom
    from BreastSegLib.samples.mammogram import make_mammogram

    folder = tmp_path_factory.mktemp("mammograms")
    for laterality in "LR":
        sample = make_mammogram(seed=3, laterality=laterality, view="CC", size=(416, 320))
        write_mammogram_dicom(sample, folder / f"{laterality}CC.dcm")
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Three models with random weights: for a dynamic, for whole mammograms, for regions of them."""
    from BreastSegLib.models import library
    from tiny_model import make_tiny_model

    top = tmp_path_factory.mktemp("models")
    make_tiny_model(top / "dce", name="tiny-dce")
    for name, recipe in (("whole", "ffdm-512"), ("region", "mass-region-224")):
        make_tiny_model(top / name, recipe, ("0",), configuration="2d", name=f"tiny-{name}")
    return [library.open_model(top / name) for name in ("dce", "whole", "region")]


@pytest.fixture
def panel(widget, models, monkeypatch):  # noqa: F811
    """The panel with these models, on the CPU."""
    __import__("BreastSegLib.panel.modelstep")
    monkeypatch.setattr(sys.modules["BreastSegLib.panel.modelstep"], "survey", lambda folder=None: (models, {}))
    panel = widget.panel
    panel.modelStep.refresh()
    panel.modelStep.chooseModel(models[0].name)
    panel.modelStep.chooseDevice("cpu")
    yield panel
    panel.recipeStep.chooseRecipe("")


def turn(times=10):
    import slicer

    for _ in range(times):
        slicer.app.processEvents()


def drawBox(panel, exam, place, low=(180, 150), high=(200, 170)):
    """Draw a box on a view as the user does."""
    from BreastSegLib.scene import shownviews

    shownviews.show(exam.nodes, place)
    turn()
    panel.ui.regionBoxButton.click()
    mouse = Mouse()
    mouse.click(rasOf(exam, place, *low))
    mouse.click(rasOf(exam, place, *high))
    turn()


def ready(panel, mammograms):
    """Load mammograms for a model that looks at regions, with a small one on each: random weights find few specks."""
    panel.modelStep.chooseModel("tiny-region")
    exam = load(panel, mammograms)
    drawBox(panel, exam, 0, (180, 150), (200, 170))
    drawBox(panel, exam, 1, (120, 150), (140, 170))
    assert status(panel) == "Ready to segment."
    return exam


def segment(panel):
    panel.ui.segmentButton.click()
    assert panel.working == "segmenting", status(panel)
    finish(panel)
    assert panel.result is not None, status(panel)
    return panel.result


def segmentations():
    import slicer

    return slicer.util.getNodesByClass("vtkMRMLSegmentationNode")


def visible():
    return [node.GetName() for node in segmentations() if node.GetDisplayNode().GetVisibility()]


def markups():
    import slicer

    return slicer.util.getNodesByClass("vtkMRMLMarkupsNode")


# --- whose lesion is it


def test_the_lesion_of_one_exam_is_never_drawn_on_another(panel, dicom_sample):  # noqa: F811
    panel.modelStep.chooseModel("tiny-dce")
    load(panel, dicom_sample / "exam")
    node = segment(panel).node
    assert visible() == [node.GetName()]
    load(panel, dicom_sample / "exam")
    assert visible() == [], "exams may lie in the same place of the scanner"


def test_the_lesion_of_a_former_run_is_not_drawn_on_an_exam_from_elsewhere(panel, widget, dicom_sample):  # noqa: F811
    from BreastSeg import BreastSegLogic

    panel.modelStep.chooseModel("tiny-dce")
    load(panel, dicom_sample / "exam")
    segment(panel)
    logic = BreastSegLogic()
    try:
        exam = logic.loadExam(str(dicom_sample / "exam"))
    finally:
        logic.close()
    widget.takeExam(exam)
    finish(panel)
    assert visible() == []


# --- sentences


def test_a_model_for_mammograms_speaks_of_images(panel):
    panel.modelStep.chooseModel("tiny-region")
    assert "Phases" not in panel.ui.modelCardLabel.text


def test_regions_without_a_tick_are_told_apart_from_no_regions(panel, mammograms, layout):  # noqa: F811
    import qt

    panel.modelStep.chooseModel("tiny-region")
    exam = load(panel, mammograms)
    drawBox(panel, exam, 0)
    assert status(panel) == "Ready to segment."
    panel.ui.regionList.item(0).setCheckState(qt.Qt.Unchecked)
    turn()
    assert status(panel).startswith("Tick a region"), status(panel)


def test_images_that_were_not_looked_at_are_named(panel, mammograms, layout):  # noqa: F811
    panel.modelStep.chooseModel("tiny-region")
    exam = load(panel, mammograms)
    drawBox(panel, exam, 0, (180, 150), (200, 170))
    result = segment(panel)
    other = exam.views[1].title
    assert any(other in note for note in result.notes), result.notes
    assert other in panel.resultsBox.ui.warningsLabel.text


# --- bad moments


def test_a_click_on_a_lesion_during_a_preview_leaves_no_half_of_it(panel, scene, mammograms, layout):  # noqa: F811
    ready(panel, mammograms)
    segment(panel)
    places = [row["place"] for row in panel.result.lesions]
    assert places, "random weights find something"
    panel.ui.recipeGroup.collapsed = False
    panel.ui.previewButton.click()
    finish(panel)
    preview = panel.recipeStep.preview
    assert preview is not None, status(panel)
    panel.ui.previewCaseBox.setCurrentIndex(1 - places[0])
    panel.ui.previewCaseBox.activated(1 - places[0])
    turn()
    panel.resultsBox.ui.lesionTable.clearSelection()
    panel.resultsBox.ui.lesionTable.selectRow(0)
    turn()
    from BreastSegLib.scene import previewlayout

    assert gone(panel, scene) or (previewlayout.isShown() and panel.recipeStep.preview is preview)


@pytest.mark.parametrize(
    "how, when",
    [
        ("cancel", "worker"),
        ("cancel", "Loading the model"),
        ("cancel", "Showing the result"),
        ("kill", "Segmenting"),
        ("delete", "worker"),
        ("delete", "Segmenting"),
        ("close", "Segmenting"),
        ("close", "Showing the result"),
    ],
)
def test_a_run_on_mammograms_that_is_stopped(panel, scene, mammograms, layout, request, how, when):  # noqa: F811
    if how != "kill":  # which needs a worker that is not ahead of what is heard of it
        request.getfixturevalue("one_event_a_turn")
    exam = ready(panel, mammograms)
    panel.session.endWorker()
    panel.ui.segmentButton.click()
    if when == "worker":
        turnUntil(lambda: panel.session.workerBusy or not panel.working)
    else:
        stages = ("Loading the model", when) if how == "kill" else when
        turnUntil(lambda: panel.ui.stageLabel.text.startswith(stages) or not panel.working)
    assert panel.working == "segmenting", f"ended before {when}: {status(panel)}"
    if how == "cancel":
        panel.ui.cancelButton.click()
        turnUntil(lambda: not panel.working, patience=5)
        assert status(panel) == "Cancelled."
    elif how == "kill":
        os.kill(panel.session.workerPid, signal.SIGKILL)
        finish(panel)
        assert panel.error is not None and "\n" not in status(panel) and status(panel)
    elif how == "delete":
        scene.RemoveNode(exam.nodes[1])
        finish(panel)
        assert panel.result is None and "Error" not in status(panel), status(panel)
    else:
        scene.Clear(0)
        turn()
        assert not panel.working
    assert segmentations() == []
    if how == "kill":
        segment(panel)


def test_an_image_deleted_while_a_preview_is_made(panel, scene, mammograms, layout):  # noqa: F811
    panel.modelStep.chooseModel("tiny-whole")
    exam = load(panel, mammograms)
    panel.ui.recipeGroup.collapsed = False
    panel.ui.previewButton.click()
    turnUntil(lambda: panel.session.workerBusy)
    scene.RemoveNode(exam.nodes[0])
    finish(panel)
    turn()
    assert gone(panel, scene) and "Error" not in status(panel), status(panel)


# --- regions


def test_another_markup_placed_meanwhile_ends_the_placing_of_a_region(panel, scene, mammograms, layout):  # noqa: F811
    import slicer

    panel.modelStep.chooseModel("tiny-region")
    load(panel, mammograms)
    panel.ui.regionBoxButton.click()
    assert panel.ui.regionBoxButton.checked
    other = slicer.modules.markups.logic().AddNewMarkupsNode("vtkMRMLMarkupsLineNode", "L")
    selection = slicer.app.applicationLogic().GetSelectionNode()
    selection.SetReferenceActivePlaceNodeClassName("vtkMRMLMarkupsLineNode")
    selection.SetActivePlaceNodeID(other.GetID())
    turn()
    assert not panel.ui.regionBoxButton.checked and markups() == [other]
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    assert interaction.GetCurrentInteractionMode() == interaction.Place, "the user's own tool stays"
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)


def test_leaving_the_module_ends_the_placing(panel, widget, mammograms, layout):  # noqa: F811
    from BreastSegLib.scene import regionnodes

    panel.modelStep.chooseModel("tiny-region")
    exam = load(panel, mammograms)
    panel.ui.regionPointButton.click()
    assert regionnodes.isPlacing()
    widget.exit()
    turn()
    assert not regionnodes.isPlacing() and markups() == []
    widget.enter()
    turn()
    assert not panel.ui.regionPointButton.checked
    drawBox(panel, exam, 1)
    widget.exit()
    widget.enter()
    turn()
    assert status(panel) == "Ready to segment." and panel.ui.regionList.count == 1


def test_another_model_ends_the_placing_and_keeps_the_regions(panel, mammograms, layout):  # noqa: F811
    from BreastSegLib.scene import regionnodes

    panel.modelStep.chooseModel("tiny-region")
    exam = load(panel, mammograms)
    drawBox(panel, exam, 0)
    panel.ui.regionBoxButton.click()
    panel.modelStep.chooseModel("tiny-whole")
    turn()
    assert not regionnodes.isPlacing() and len(markups()) == 1 and panel.ui.regionFrame.isHidden()
    assert status(panel) == "Ready to segment."
    panel.modelStep.chooseModel("tiny-region")
    turn()
    assert panel.ui.regionList.count == 1 and status(panel) == "Ready to segment."


def test_regions_of_one_exam_are_not_those_of_another(panel, mammograms, layout):  # noqa: F811
    panel.modelStep.chooseModel("tiny-region")
    exam = load(panel, mammograms)
    drawBox(panel, exam, 0)
    load(panel, mammograms)
    assert panel.ui.regionList.count == 0 and "Draw a box around each mass first" in status(panel)


def test_a_corrected_breast_names_its_regions_and_results_anew(panel, mammograms, layout):  # noqa: F811
    panel.modelStep.chooseModel("tiny-region")
    exam = load(panel, mammograms)
    drawBox(panel, exam, 0)
    drawBox(panel, exam, 1)
    box = panel.ui.viewTable.cellWidget(0, 0)
    wanted = "L" if exam.views[0].laterality == "R" else "R"
    place = [box.itemText(k) for k in range(box.count)].index({"L": "Left", "R": "Right"}[wanted])
    box.setCurrentIndex(place)
    box.activated(place)
    turn()
    names = [node.GetName() for node in markups()]
    assert len(set(names)) == 2, names
    result = segment(panel)
    assert {row["side"] for row in result.lesions} == {"left" if wanted == "L" else "right"}


def test_the_next_run_replaces_the_result_in_the_views(panel, mammograms, layout):  # noqa: F811
    ready(panel, mammograms)
    first = [node.GetName() for node in segment(panel).nodes]
    second = [node.GetName() for node in segment(panel).nodes]
    assert visible() == second and not set(first) & set(second) and len(second) == 2


def test_thousands_of_specks_become_few_segments_that_hold_them_all(scene):  # noqa: F811
    import numpy as np
    from BreastSegLib.scene import segmentationnode
    from BreastSegLib.volume import Geometry

    mask = np.zeros((1, 2000, 1600), np.uint8)
    mask[0, ::40, ::40] = 1
    mask[0, 1::40, ::40] = 1
    mask[0, 1000:1003, 802:804] = 1
    geometry = Geometry(mask.shape, (0.1, 0.2, 1.0), (5.0, 6.0, 7.0))
    rows, columns = np.mgrid[0:2000:40, 0:1600:40].reshape(2, -1)
    centres = np.column_stack([5.0 + 0.1 * columns, 6.0 + 0.2 * (rows + 0.5), np.full(rows.size, 7.0)])
    components = [
        {"side": "left" if place % 2 else "right", "centroid_lps": list(centre)}
        for place, centre in enumerate(centres)
    ]
    pieces = segmentationnode.piecesOf(mask, geometry, {1: "mass"}, components)
    assert len(pieces) == segmentationnode.MOST_SEGMENTS
    assert pieces[0].array.sum() == 6 and pieces[0].offset == (0, 1000, 802), "the largest stays by itself"
    sides = {piece.offset: piece.side for piece in pieces[1:-1]}
    for place, (row, column) in enumerate(zip(rows, columns)):
        assert sides.get((0, row, column), components[place]["side"]) == components[place]["side"]
    assert pieces[-1].side is None, "the rest lies on both sides"
    again = np.zeros_like(mask)
    for piece in pieces:
        again[tuple(slice(low, low + size) for low, size in zip(piece.offset, piece.array.shape))] |= piece.array
    np.testing.assert_array_equal(again, mask)


# --- a narrow panel


def test_a_narrow_panel_shows_everything(panel, mammograms, layout):  # noqa: F811
    from Host.pythonqt import unwrap

    panel.modelStep.chooseModel("tiny-region")
    exam = load(panel, mammograms)
    drawBox(panel, exam, 0)
    panel.ui.regionPointButton.click()
    turn()
    top = unwrap(panel.ui.segmentButton)
    while top.objectName() != "BreastSeg":
        top = top.parentWidget()
    assert top.minimumSizeHint().width() <= WIDTH

"""The group "Preparation" of the panel: recipes in words, a preview beside the original, and nothing left behind.

Real worker.
"""

import json

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
from BreastSegLib.panel import state
from BreastSegLib.recipe.recipe import FOLDER
from preview_fixtures import contents, fourViews, sliceState  # noqa: F401
from test_breastseg_examstep import saveAndLoad
from test_breastseg_panel import choose, role
from test_breastseg_responsive import LIMIT_S, longestBlock

RECIPE = "phase-aware-0000-0002"
OTHER = "breastdm-pre-post-sub"


@pytest.fixture(scope="module")
def mammograms(tmp_path_factory):
    """A right and a left mammogram as DICOM files, in a folder."""
    from BreastSegLib.samples.dicom_mg import write_mammogram_dicom
    from BreastSegLib.samples.mammogram import make_mammogram

    folder = tmp_path_factory.mktemp("mammograms")
    for laterality in "RL":
        made = make_mammogram(seed=3, laterality=laterality, view="CC", size=(832, 640))
        write_mammogram_dicom(made, folder / f"{laterality}CC.dcm")
    return folder


def preview(panel, name=""):  # noqa: F811
    """Preview a recipe as the user does, and return what is in the scene."""
    panel.ui.recipeGroup.collapsed = False
    assert panel.recipeStep.chooseRecipe(name), name
    panel.ui.previewButton.click()
    assert panel.working == "previewing", (status(panel), panel.ui.previewButton.toolTip, panel.error)
    finish(panel)
    assert panel.recipeStep.preview is not None, status(panel)
    return panel.recipeStep.preview


def texts(box):
    return [box.itemText(place) for place in range(box.count)]


def gone(panel, scene):  # noqa: F811
    """Return whether nothing of a preview is in the scene, in the panel, in the views or on the disk."""
    from BreastSegLib.scene import previewlayout

    names, _nodes = contents(scene)
    client = panel.session._client
    return (
        panel.recipeStep.preview is None
        and not any("preview" in name or "prepared" in name for name in names)
        and not previewlayout.isShown()
        and panel.ui.previewFrame.isHidden()
        and (client is None or client.folder is None or not list(client.folder.glob("preview-*")))
    )


@pytest.mark.parametrize(
    "now, sentence",
    [
        (state.PanelState(), "Load an exam first."),
        (state.PanelState(phases=3, volumesGone=True), "Load an exam first."),
        (state.PanelState(phases=3, working="loading"), "Wait until the present work has ended, or cancel it."),
        (state.PanelState(phases=3, phaseProblem="Two are pre."), "Two are pre."),
        (state.PanelState(views=2, recipeProblem="Draw a box."), "Draw a box."),
        (state.PanelState(phases=3), ""),
        (state.PanelState(views=2), ""),
    ],
)
def test_what_is_missing_for_a_preview_has_its_sentence(now, sentence):
    assert state.whatIsMissingToPreview(now) == sentence
    assert state.whatIsMissing(state.PanelState(phases=3, working="previewing")) == "The preview is being prepared."


def test_recipes_that_fit_are_offered_and_told_in_words(panel, dicom_sample, mammograms):  # noqa: F811
    import qt
    from BreastSegLib.recipe import list_recipes, load_recipe

    panel.examStep.show(None)
    panel.refresh()
    box = panel.ui.recipeBox
    assert box.itemText(0) == f"The model's recipe ({RECIPE})" and box.count == 1 + len(list_recipes())
    assert not panel.ui.previewButton.isEnabled() and panel.ui.previewButton.toolTip == "Load an exam first."
    for folder, kind in ((dicom_sample / "exam", "dce"), (mammograms, "mammograms")):
        load(panel, folder)
        fitting = [load_recipe(name) for name in list_recipes(kind)]
        assert texts(box)[1:] == [recipe.title for recipe in fitting]
        for place, recipe in enumerate(fitting, 1):
            tip = box.itemData(place, qt.Qt.ToolTipRole)
            assert recipe.name in tip and recipe.source in tip
    panel.recipeStep.chooseRecipe("inbreast-ffdm")
    lines = panel.ui.recipeStepsLabel.text.split("\n")
    assert lines[0] == panel.recipeStep.recipe.title + ":"
    assert len(lines) == 7 and lines[3].startswith("• Crop to the breast (margin 50)")


def test_the_chosen_recipe_stays_chosen_while_it_fits(panel, dicom_sample, mammograms):  # noqa: F811
    load(panel, dicom_sample / "exam")
    panel.recipeStep.chooseRecipe(OTHER)
    load(panel, dicom_sample / "exam")
    assert panel.recipeStep.recipe.name == OTHER
    load(panel, mammograms)
    assert panel.ui.recipeBox.currentIndex == 0
    assert "another kind of exam" in panel.ui.recipeNoteLabel.text and not panel.ui.previewButton.isEnabled()


def test_the_models_recipe_is_seen_beside_the_exam(panel, scene, dicom_sample, fourViews, artefacts):  # noqa: F811
    import slicer
    from Host import screenshots

    exam = load(panel, dicom_sample / "exam")
    before, layout = contents(scene), fourViews.layout
    views = [sliceState(name) for name in ("Red", "Yellow", "Green")]
    shown = preview(panel)
    assert shown.kind == "dce" and texts(panel.ui.previewChannelBox) == ["pre", "post1", "post2"]
    assert fourViews.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView
    assert panel.ui.previewCaseBox.isHidden() and not panel.ui.previewChannelBox.isHidden()
    assert not panel.ui.previewPlotFrame.isHidden() and panel.ui.recipeNoteLabel.isHidden()
    arrays = [slicer.util.arrayFromVolume(channel.node) for channel in shown.cases[0].channels]
    assert all(abs(array.mean()) < 1e-3 and abs(array.std() - 1) < 1e-3 for array in arrays), "z-scored"
    np.testing.assert_allclose(shown.cases[0].channels[0].node.GetSpacing(), 1.0)
    assert panel.ui.previewChannelBox.currentText == "post1", "the phase on which lesions are seen best"
    assert sliceState("Red")[1] == exam.reference.GetID()
    for place in (2, 0):
        choose(panel.ui.previewChannelBox, place)
        assert sliceState("Red")[1] == exam.nodes[place].GetID()
        assert sliceState("Yellow")[1] == shown.cases[0].channels[place].node.GetID()
    screenshots.layoutScreenshot(artefacts / "breastseg-6-preview.png", size=(1400, 1000))
    panel.ui.hidePreviewButton.click()
    assert gone(panel, scene) and contents(scene) == before and fourViews.layout == layout
    assert [sliceState(name) for name in ("Red", "Yellow", "Green")] == views
    assert panel.ui.hidePreviewButton.isHidden() and panel.ui.previewButton.isEnabled()


def test_another_recipe_is_for_looking_only(panel, scene, dicom_sample):  # noqa: F811
    load(panel, dicom_sample / "exam")
    shown = preview(panel, OTHER)
    assert [channel.name for channel in shown.cases[0].channels] == ["pre", "post1", "sub"]
    assert shown.cases[0].channels[2].original is panel.examStep.exam.nodes[1]
    note = panel.ui.recipeNoteLabel.text
    assert note == "For looking only: “Segment lesion” always prepares with the model's own recipe."
    assert not panel.ui.recipeNoteLabel.isHidden()
    panel.ui.segmentButton.click()
    finish(panel)
    assert panel.result.record["recipe"]["name"] == RECIPE
    panel.recipeStep.hide()


def test_a_recipe_file_of_the_users_own_is_previewed(panel, dicom_sample, tmp_path, monkeypatch):  # noqa: F811
    import qt
    import slicer

    load(panel, dicom_sample / "exam")
    panel.ui.recipeGroup.collapsed = False
    record = json.loads((FOLDER / "single-phase-0002.json").read_text())
    record |= {"name": "mine", "title": "Enhancement", "channels": [{"name": "pe", "source": "pe(post1)"}]}
    path = tmp_path / "mine é.json"
    monkeypatch.setattr(qt.QFileDialog, "getOpenFileName", lambda *arguments: str(path))
    said = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **more: said.append(text))
    path.write_text(json.dumps({**record, "grid": None}))
    panel.ui.recipeFileButton.click()
    assert "grid" in said[0] and "own file" not in texts(panel.ui.recipeBox)[-1], "a wrong file is not offered"
    path.write_text(json.dumps(record))
    panel.ui.recipeFileButton.click()
    assert panel.ui.recipeBox.currentText == "Enhancement (own file)"
    assert "pe = pe(post1)" in panel.ui.recipeStepsLabel.text
    panel.ui.previewButton.click()
    finish(panel)
    assert [channel.name for channel in panel.recipeStep.preview.cases[0].channels] == ["pe"]
    path.write_text((FOLDER / "ffdm-512.json").read_text())
    panel.ui.recipeFileButton.click()
    assert "another kind of exam" in said[1]
    panel.recipeStep.hide()


def test_a_new_preview_replaces_the_former(panel, scene, dicom_sample):  # noqa: F811
    load(panel, dicom_sample / "exam")
    first = preview(panel)
    once = contents(scene)
    again = preview(panel)
    assert not any(node.GetScene() for node in first.nodes) and all(node.GetScene() for node in again.nodes)
    assert contents(scene)[0] == once[0] and len(contents(scene)[1]) == len(once[1])
    panel.ui.hidePreviewButton.click()
    assert gone(panel, scene)


@pytest.mark.usefixtures("one_event_a_turn")
@pytest.mark.parametrize("text", ["Starting", "Preparing the exam", "Showing the preview"])
def test_a_cancelled_preview_leaves_nothing(panel, scene, dicom_sample, fourViews, text):  # noqa: F811
    load(panel, dicom_sample / "exam")
    before, layout = contents(scene), fourViews.layout
    panel.session.endWorker()
    panel.ui.recipeGroup.collapsed = False
    panel.ui.previewButton.click()
    turnUntil(lambda: panel.ui.stageLabel.text.startswith(text) or not panel.working)
    assert panel.working == "previewing", f"the preview ended before {text}: {status(panel)}"
    panel.ui.cancelButton.click()
    turnUntil(lambda: not panel.working, patience=3)
    assert status(panel) == "Cancelled." and contents(scene) == before
    assert gone(panel, scene) and fourViews.layout == layout


def test_a_new_exam_takes_the_preview_away(panel, scene, dicom_sample, mammograms, fourViews):  # noqa: F811
    import slicer

    load(panel, dicom_sample / "exam")
    preview(panel)
    load(panel, mammograms)
    assert gone(panel, scene)
    assert fourViews.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView
    preview(panel, "inbreast-ffdm")
    load(panel, dicom_sample / "exam")
    assert gone(panel, scene) and fourViews.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView


def test_an_exam_that_comes_from_elsewhere_takes_the_preview_away(panel, scene, dicom_sample, fourViews):  # noqa: F811
    import slicer

    from BreastSeg import BreastSegLogic

    load(panel, dicom_sample / "exam")
    preview(panel)
    logic = BreastSegLogic()
    exam = logic.loadExam(str(dicom_sample / "exam"))
    logic.close()
    panel.takeExam(exam)
    finish(panel)
    assert gone(panel, scene) and fourViews.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
    assert sliceState("Red")[1] == exam.reference.GetID()


def test_a_closed_scene_has_no_preview(panel, scene, dicom_sample, fourViews):  # noqa: F811
    layout = fourViews.layout
    load(panel, dicom_sample / "exam")
    preview(panel)
    scene.Clear(0)
    assert gone(panel, scene) and contents(scene)[0] == [] and fourViews.layout == layout


@pytest.mark.usefixtures("one_event_a_turn")
def test_a_scene_closed_while_a_preview_is_prepared_is_empty(panel, scene, dicom_sample, fourViews):  # noqa: F811
    layout = fourViews.layout
    load(panel, dicom_sample / "exam")
    panel.ui.recipeGroup.collapsed = False
    panel.ui.previewButton.click()
    turnUntil(lambda: panel.ui.stageLabel.text.startswith("Showing") or not panel.working)
    scene.Clear(0)
    assert not panel.working and gone(panel, scene) and contents(scene)[0] == [] and fourViews.layout == layout


@pytest.mark.parametrize("which", ["channel", "chart", "original", "folder"])
def test_a_preview_goes_when_a_part_of_it_is_deleted(panel, scene, dicom_sample, which):  # noqa: F811
    import slicer

    load(panel, dicom_sample / "exam")
    shown = preview(panel)
    channel = shown.cases[0].channels[1]
    if which == "folder":
        slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene).RemoveItem(shown.folder)
    else:
        scene.RemoveNode({"channel": channel.node, "chart": shown.chart, "original": channel.original}[which])
    slicer.app.processEvents()
    assert gone(panel, scene)


def test_a_corrected_phase_takes_the_preview_away(panel, scene, dicom_sample):  # noqa: F811
    load(panel, dicom_sample / "exam")
    preview(panel)
    choose(role(panel, 2), 2)
    turnUntil(lambda: gone(panel, scene), patience=3)
    assert "post2" in panel.ui.recipeNoteLabel.text and not panel.ui.previewButton.isEnabled()


def test_a_phase_that_is_clicked_is_shown_on_the_left(panel, dicom_sample):  # noqa: F811
    exam = load(panel, dicom_sample / "exam")
    shown = preview(panel)
    panel.ui.phaseTable.selectRow(2)
    assert sliceState("Red")[1] == exam.nodes[2].GetID()
    assert sliceState("Yellow")[1] == shown.cases[0].channels[1].node.GetID()
    panel.recipeStep.hide()


def test_a_saved_scene_has_no_preview(panel, scene, dicom_sample, fourViews, tmp_path):  # noqa: F811
    import slicer

    load(panel, dicom_sample / "exam")
    preview(panel)
    saveAndLoad(scene, tmp_path)
    finish(panel)
    assert gone(panel, scene) and len(panel.examStep.exam.phases) == 3
    assert fourViews.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
    assert sliceState("Yellow")[1] != "" and panel.ui.previewButton.isEnabled()
    assert fourViews.sliceWidget("Yellow").mrmlSliceNode().GetOrientation() == "Sagittal"


def test_each_mammogram_is_a_case(panel, scene, mammograms, fourViews, artefacts):  # noqa: F811
    import slicer
    from Host import screenshots

    exam = load(panel, mammograms)
    before = contents(scene)
    shown = preview(panel, "inbreast-ffdm")
    assert texts(panel.ui.previewCaseBox) == [case.title for case in shown.cases] == ["Right CC", "Left CC"]
    assert panel.ui.previewChannelBox.isHidden() and "Mirrored" in panel.ui.previewLabel.text
    assert exam.notes and not any(note in panel.ui.previewLabel.text for note in exam.notes), "told with the exam"
    assert slicer.util.arrayFromVolume(shown.cases[0].channels[0].node).shape[0] == 1
    screenshots.layoutScreenshot(artefacts / "breastseg-7-preview-mammogram.png", size=(1400, 1000))
    choose(panel.ui.previewCaseBox, 1)
    assert "Mirrored" not in panel.ui.previewLabel.text and sliceState("Red")[1] == exam.nodes[1].GetID()
    assert panel.ui.viewTable.currentRow() == 1
    panel.ui.viewTable.selectRow(0)
    assert panel.ui.previewCaseBox.currentIndex == 0 and sliceState("Red")[1] == exam.nodes[0].GetID()
    assert sliceState("Yellow")[1] == shown.cases[0].channels[0].node.GetID()
    choose(panel.ui.previewCaseBox, 1)
    panel.ui.hidePreviewButton.click()
    assert gone(panel, scene) and contents(scene) == before
    assert fourViews.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView
    assert sliceState("Red")[1] == exam.nodes[1].GetID(), "the one that was looked at"


def test_a_mammogram_of_the_right_breast_corrected_by_hand_is_not_mirrored(panel, mammograms):  # noqa: F811
    import slicer

    load(panel, mammograms)
    box = panel.ui.viewTable.cellWidget(0, 0)
    box.activated(texts(box).index("Left"))
    slicer.app.processEvents()
    assert not any(case.mirrored for case in preview(panel, "inbreast-ffdm").cases), "the user's word counts"
    panel.recipeStep.hide()


def test_a_recipe_that_looks_at_regions_asks_for_them(panel, scene, mammograms):  # noqa: F811
    from BreastSegLib.scene import regionnodes

    exam = load(panel, mammograms)
    panel.ui.recipeGroup.collapsed = True
    panel.recipeStep.chooseRecipe("mass-region-224")
    assert not panel.ui.recipeGroup.collapsed and not panel.ui.regionFrame.isHidden()
    assert not panel.ui.previewButton.isEnabled() and "box around each mass" in panel.ui.recipeNoteLabel.text
    middle = [(low + high) / 2 for low, high in zip(*[iter(boundsOf(exam.nodes[1]))] * 2)]
    for shift in (-10, 10):
        node = regionnodes.addPoint(exam, 1, 30)
        node.AddControlPointWorld(middle[0] + shift, middle[1], middle[2])
    panel.refresh()
    shown = preview(panel, "mass-region-224")
    assert [case.view for case in shown.cases] == ["LCC", "LCC"] and len(set(texts(panel.ui.previewCaseBox))) == 2
    assert shown.cases[0].channels[0].node.GetImageData().GetDimensions() == (224, 224, 1)
    panel.ui.hidePreviewButton.click()
    panel.recipeStep.chooseRecipe("ffdm-512")
    assert gone(panel, scene) and panel.ui.regionFrame.isHidden()


def boundsOf(node):
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    return bounds


def test_the_window_stays_alive_during_a_preview(panel, dicom_sample):  # noqa: F811
    load(panel, dicom_sample / "exam")

    def again():
        preview(panel)

    seconds, report = longestBlock(again)
    assert seconds < LIMIT_S, report
    panel.recipeStep.hide()

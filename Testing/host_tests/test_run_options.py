"""How a run is made, chosen in the panel: what the worker is told, what the scene keeps, and the map over the exam."""

from types import SimpleNamespace

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
    turnUntil,
    widget,
)
from run_fixtures import Client, addDceExam, dceModel, dceRows, foregrounds, maps, runOn
from test_breastseg_examstep import choose, saveAndLoad

USUAL = {
    "tta": False,
    "cleanup": True,
    "folds": None,
    "shortcuts": True,
    "probabilities": False,
    "disagreement": False,
    "entropy": False,
}


@pytest.fixture(autouse=True)
def asUsual(panel):  # noqa: F811
    """The options are as at the first start, before and after each test."""

    def reset():
        ui = panel.ui
        for check, value in ((ui.cleanupCheck, True), (ui.shortcutsCheck, True), (ui.mirroringCheck, False)):
            check.checked = value
        for check in (ui.chanceMapCheck, ui.disagreementMapCheck, ui.entropyMapCheck):
            check.checked = False
        panel.runOptions.chooseFolds("")

    panel.ui.advancedGroup.collapsed = False
    assert panel.modelStep.chooseModel("tiny")
    reset()
    yield
    reset()
    panel.ui.advancedGroup.collapsed = True


def foldChecks(panel):  # noqa: F811
    """Return the check boxes of the folds by their texts."""
    layout = panel.ui.foldsLayout
    widgets = [layout.itemAt(place).widget() for place in range(layout.count())]
    return {box.text: box for box in widgets if box is not None and box.inherits("QCheckBox")}


def test_the_options_are_those_of_the_check_boxes(panel):  # noqa: F811
    assert panel.runOptions.options == USUAL
    for check, name in (
        (panel.ui.mirroringCheck, "tta"),
        (panel.ui.chanceMapCheck, "probabilities"),
        (panel.ui.disagreementMapCheck, "disagreement"),
        (panel.ui.entropyMapCheck, "entropy"),
        (panel.ui.cleanupCheck, "cleanup"),
        (panel.ui.shortcutsCheck, "shortcuts"),
    ):
        check.click()
        assert panel.runOptions.options == {**USUAL, name: not USUAL[name]}
        check.click()


def test_some_folds_are_chosen(panel, dicom_sample):  # noqa: F811
    load(panel, dicom_sample / "exam")
    checks = foldChecks(panel)
    assert sorted(checks) == ["0", "1"] and all(check.checked for check in checks.values())
    assert not panel.ui.foldsFrame.isHidden()
    checks["0"].click()
    assert panel.runOptions.options["folds"] == ("1",) and panel._parameterNode.folds == "1"
    assert not panel.ui.disagreementMapCheck.isEnabled()
    assert panel.ui.disagreementMapCheck.text == "Disagreement of folds\n(needs two folds or more)"
    checks["1"].click()
    assert status(panel) == "Tick at least one fold of the model under “Advanced”."
    assert not panel.ui.segmentButton.isEnabled()
    checks["0"].click(), checks["1"].click()
    assert panel.runOptions.options["folds"] is None and panel._parameterNode.folds == ""
    assert panel.ui.disagreementMapCheck.isEnabled() and status(panel) == "Ready to segment."


def test_disagreement_needs_several_folds_or_models(panel):  # noqa: F811
    model = panel.modelStep.model
    panel.ui.disagreementMapCheck.click()
    assert panel.runOptions.options["disagreement"] is True

    def show(folds, members=()):
        panel.runOptions.showModel(SimpleNamespace(folds=folds, members=members))
        return panel.ui.disagreementMapCheck

    check = show(("0",))
    assert not check.isEnabled() and check.text == "Disagreement of folds\n(this model has one)"
    assert panel.runOptions.options["disagreement"] is False and panel.ui.foldsFrame.isHidden()
    check = show((), (model, model))
    assert check.isEnabled() and check.text == "Disagreement of models" and panel.ui.foldsFrame.isHidden()
    assert panel.runOptions.options["disagreement"] is True and panel.runOptions.options["folds"] is None
    panel.runOptions.showModel(model)
    assert panel.ui.disagreementMapCheck.text == "Disagreement of folds"


def test_the_options_come_back_with_a_saved_scene(panel, scene, tmp_path):  # noqa: F811
    import slicer

    for check in (panel.ui.shortcutsCheck, panel.ui.entropyMapCheck, panel.ui.mirroringCheck):
        check.click()
    panel.ui.disagreementMapCheck.click()
    panel.ui.advancedGroup.collapsed = True
    assert panel.runOptions.options["disagreement"] is True, "it counts in a closed group too"
    panel.ui.disagreementMapCheck.checked = False
    foldChecks(panel)["0"].checked = False
    chosen = panel.runOptions.options
    assert chosen == {**USUAL, "shortcuts": False, "entropy": True, "tta": True, "folds": ("1",)}
    parameters = panel._parameterNode.parameterNode
    parameters.SetSaveWithScene(True)
    saveAndLoad(scene, tmp_path)
    assert panel.runOptions.options == chosen
    scene.Clear(0)
    slicer.app.processEvents()
    assert panel.runOptions.options == USUAL, "a new scene begins as usual"


@pytest.fixture
def shown(panel, tmp_path):  # noqa: F811
    """An exam with all maps in the panel, without a worker."""
    from BreastSegLib.scene import examnodes

    exam = addDceExam(tmp_path / "store")
    panel.takeExam(exam)
    finish(panel)
    examnodes.showPhase(exam.reference)
    kinds = dict.fromkeys(("probabilities", "disagreement", "entropy"), True)
    drain(runOn(exam, Client(dceRows), tmp_path, **kinds))
    panel.refresh()
    return exam


def test_a_map_is_shown_over_the_exam_only_when_asked(panel, shown):  # noqa: F811
    import slicer

    box = panel.ui.mapBox
    assert not panel.ui.mapFrame.isHidden() and foregrounds() == {None} and box.currentText == "Nothing"
    texts = [box.itemText(place) for place in range(box.count)]
    assert texts == ["Nothing", "Chance of a lesion", "Disagreement", "Uncertainty"]
    choose(box, 1)
    assert foregrounds() == {"Exam 1 chance of a lesion (mine)"}
    assert "from 0.05 to 1" in panel.ui.mapLegendLabel.text and not panel.ui.mapLegendLabel.isHidden()
    panel.ui.phaseTable.selectRow(0)
    slicer.app.processEvents()
    assert foregrounds() == {"Exam 1 chance of a lesion (mine)"}, "it stays while the phases are looked at"
    choose(box, 0)
    assert foregrounds() == {None} and panel.ui.mapLegendLabel.isHidden()


def test_maps_of_two_models_are_told_apart(panel, shown, tmp_path):  # noqa: F811
    drain(runOn(shown, Client(dceRows), tmp_path, dceModel("other"), entropy=True))
    panel.refresh()
    box = panel.ui.mapBox
    texts = [box.itemText(place) for place in range(box.count)]
    assert "Uncertainty (mine)" in texts and "Uncertainty (other)" in texts


def test_a_map_that_the_user_removes_is_no_longer_offered(panel, shown):  # noqa: F811
    import slicer

    choose(panel.ui.mapBox, 3)
    slicer.mrmlScene.RemoveNode(slicer.util.getNode("Exam 1 uncertainty (mine)"))
    slicer.app.processEvents()
    assert panel.ui.mapBox.count == 3 and panel.ui.mapBox.currentText == "Nothing"
    assert foregrounds() == {None}


def test_maps_go_with_the_exam(panel, shown):  # noqa: F811
    import slicer

    for node in shown.nodes[:2]:
        slicer.mrmlScene.RemoveNode(node)
        slicer.app.processEvents()
    assert len(maps()) == 3, "a volume of the exam is left"
    slicer.mrmlScene.RemoveNode(shown.nodes[2])
    slicer.app.processEvents()
    assert maps() == [] and panel.ui.mapFrame.isHidden()


def test_maps_go_with_the_folder_of_the_exam(panel, shown):  # noqa: F811
    import slicer
    from BreastSegLib.scene import examnodes

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    hierarchy.RemoveItem(examnodes.folderOf(shown))
    slicer.app.processEvents()
    assert maps() == [] and panel.ui.mapFrame.isHidden()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0


def test_closing_the_scene_forgets_the_map(panel, shown, tmp_path):  # noqa: F811
    import slicer
    from BreastSegLib.scene import overlay

    choose(panel.ui.mapBox, 1)
    slicer.mrmlScene.Clear(0)
    slicer.app.processEvents()
    assert overlay.chosen() is None and panel.ui.mapFrame.isHidden() and panel.ui.mapLegendLabel.isHidden()


def test_maps_are_no_phases(panel, shown):  # noqa: F811
    panel.ui.sourceBox.setCurrentIndex(2)
    panel.refresh()
    names = [panel.ui.nodesList.item(place).text() for place in range(panel.ui.nodesList.count)]
    assert names == [*(node.GetName() for node in shown.nodes), "Exam 1 phases over time (Sequence, 3 volumes)"]
    panel.ui.sourceBox.setCurrentIndex(0)


def test_a_run_with_all_maps_and_one_without(panel, dicom_sample):  # noqa: F811
    """The real worker with real nnU-Net: what the maps say goes with the mask that was made of them."""
    import numpy as np
    import slicer

    exam = load(panel, dicom_sample / "exam")
    for check in (panel.ui.chanceMapCheck, panel.ui.disagreementMapCheck, panel.ui.entropyMapCheck):
        check.click()
    panel.ui.cleanupCheck.click()
    panel.ui.segmentButton.click()
    finish(panel)
    assert panel.result is not None, status(panel)
    chance, spread, entropy = (slicer.util.arrayFromVolume(node).astype(float) for node in panel.result.maps)
    assert chance.shape == slicer.util.arrayFromVolume(exam.reference).shape
    assert chance.min() >= 0.0 and chance.max() <= 1.0 and chance.std() > 0.0
    assert spread.min() >= 0.0 and 0.0 < spread.max() <= 0.5, "two folds with other weights disagree"
    inside = np.clip(chance, 1e-12, 1 - 1e-12)
    np.testing.assert_allclose(entropy, -(inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside)), atol=1e-4)
    mask = np.zeros(chance.shape, bool)
    for segment in panel.result.node.GetSegmentation().GetSegmentIDs():
        mask |= slicer.util.arrayFromSegmentBinaryLabelmap(panel.result.node, segment, exam.reference) > 0
    assert mask.any() and np.mean(mask == (chance > 0.5)) > 0.999, "without clean-up the mask is where it is likelier"
    assert panel.ui.mapBox.count == 4 and foregrounds() == {None}
    for check in (panel.ui.chanceMapCheck, panel.ui.disagreementMapCheck, panel.ui.entropyMapCheck):
        check.click()
    panel.ui.segmentButton.click()
    finish(panel)
    assert panel.result is not None and maps() == [] and panel.ui.mapFrame.isHidden()


def test_a_narrow_panel_shows_all_options(panel, shown):  # noqa: F811
    from Host.pythonqt import unwrap

    panel.runOptions.showModel(SimpleNamespace(folds=tuple("01234"), members=()))
    panel.runOptions.chooseFolds("4")
    panel.ui.batchGroup.collapsed = False
    assert "needs two folds" in panel.ui.disagreementMapCheck.text
    top = unwrap(panel.ui.segmentButton)
    while top.objectName() != "BreastSeg":
        top = top.parentWidget()
    width = top.minimumSizeHint().width()
    panel.ui.batchGroup.collapsed = True
    panel.runOptions.chooseFolds("")
    panel.runOptions.showModel(panel.modelStep.model)
    assert width <= 320


def test_a_single_fold_is_not_offered_for_choice(panel):  # noqa: F811
    panel.ui.advancedGroup.collapsed = True
    panel.runOptions.showModel(SimpleNamespace(folds=("all",), members=()))
    panel.ui.advancedGroup.collapsed = False
    hidden = panel.ui.foldsFrame.isHidden()
    panel.runOptions.showModel(panel.modelStep.model)
    assert hidden and not panel.ui.foldsFrame.isHidden()

"""Runs, models and maps under an impatient user: what vanished, what changed meanwhile, what an old scene names."""

# ruff: noqa: F811 - fixtures

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
from library_fixtures import (  # noqa: F401
    finishWork,
    hold,
    installFolder,
    letGo,
    library,
    libraryFolder,
    names,
    press,
    said,
    select,
)
from run_fixtures import Client, addDceExam, dceModel, dceRows, foregrounds, runOn
from test_batch_panel import begun, box, tell, told  # noqa: F401


def card(panel):
    return panel.ui.modelCardLabel.text


def test_somebody_who_opens_the_panel_first_finds_the_demo_model_chosen(widget, libraryFolder, tiny_model):
    import shutil

    import slicer
    from BreastSegLib.panel.modelstep import ModelStep

    # A model of the user's own whose name comes first in the list.
    shutil.copytree(tiny_model, libraryFolder / "a-first")
    top = slicer.util.loadUI(widget.resourcePath("UI/BreastSeg.ui"))
    step = ModelStep(slicer.util.childWidgetVariables(top), lambda: None)
    assert step.count == 3 and step.model.name == "demo-dce"
    top.deleteLater()


def test_no_other_model_takes_the_place_of_one_that_was_removed(library, widget, tiny_model, monkeypatch):
    panel = widget.panel
    installFolder(library, monkeypatch, tiny_model)
    assert panel.modelStep.model.name == "tiny"
    press(library, "removeButton")
    press(library, "askButton")
    finishWork(library)
    assert panel.modelStep.model is None and "“tiny” is not installed" in card(panel)
    panel.modelStep.refresh()
    library.showList()
    widget.initializeParameterNode()
    assert panel.modelStep.model is None, "not at the next look at the list, and not when the module is opened again"
    installFolder(library, monkeypatch, tiny_model)
    assert panel.modelStep.model.name == "tiny" and "not installed" not in card(panel)


def test_a_scene_whose_model_is_not_installed_says_so(widget, dicom_sample):
    panel = widget.panel
    assert panel.modelStep.model.name == "demo-dce"
    load(panel, dicom_sample / "exam")
    widget.logic.getParameterNode().model = "model-of-somebody"
    widget.initializeParameterNode()
    assert panel.modelStep.model is None and panel.ui.modelBox.currentText == ""
    assert "“model-of-somebody” is not installed" in card(panel) and "Models" in card(panel)
    assert status(panel) == "Choose a model first." and not panel.ui.segmentButton.isEnabled()
    assert not panel.batchBox.ui.batchStartButton.isEnabled()
    assert panel.modelStep.chooseModel("demo-dce") and status(panel) == "Ready to segment."
    assert widget.logic.getParameterNode().model == "demo-dce"


def test_models_stay_while_a_batch_uses_them(library, widget, box, told, tiny_model, monkeypatch):
    installFolder(library, monkeypatch, tiny_model)
    tell(box, told, begun("a", "b"))
    press(library, "removeButton")
    press(library, "askButton")
    assert said(library) == "A batch is running. Wait for its end or cancel it." and not library.work.running
    tell(box, told, {"event": "done", "line": "2 of 2 done", "code": 0})
    press(library, "askButton")
    finishWork(library)
    assert "tiny" not in names(library)


def test_a_model_that_is_installed_during_a_run_is_not_shown_as_the_one_at_work(
    library, widget, tiny_model, dicom_sample, monkeypatch
):
    panel = widget.panel
    panel.modelStep.chooseDevice("cpu")
    load(panel, dicom_sample / "exam")
    panel.ui.segmentButton.click()
    assert panel.working == "segmenting"
    installFolder(library, monkeypatch, tiny_model)
    atWork = panel.working
    assert panel.ui.modelBox.currentText == "demo-dce" and "tiny" in names(library)
    assert atWork, "the run was still going on"
    finish(panel)
    assert panel.result.record["model"]["name"] == panel.modelStep.model.name == "demo-dce"


@pytest.fixture
def shown(panel, tmp_path):
    """An exam with the maps of one model, its chance over it."""
    from BreastSegLib.scene import examnodes, overlay

    exam = addDceExam(tmp_path / "store")
    panel.takeExam(exam)
    finish(panel)
    examnodes.showPhase(exam.reference)
    drain(runOn(exam, Client(dceRows), tmp_path, probabilities=True, entropy=True))
    overlay.choose(("probabilities", "mine"))
    panel.refresh()
    yield exam
    overlay.choose(None)


def test_the_map_of_one_model_does_not_lie_over_the_mask_of_another(panel, shown, tmp_path):
    from BreastSegLib.scene import overlay

    assert foregrounds() == {"Exam 1 chance of a lesion (mine)"}
    drain(runOn(shown, Client(dceRows), tmp_path, dceModel("other"), probabilities=True))
    assert foregrounds() == {"Exam 1 chance of a lesion (other)"}, "the same map of the model that ran last"
    overlay.choose(("entropy", "mine"))
    drain(runOn(shown, Client(dceRows), tmp_path, dceModel("other"), probabilities=True))
    assert foregrounds() == {None}, "this model has made no such map"


def test_a_map_of_another_model_than_the_result_says_whose_it_is(panel, shown, dicom_sample, tmp_path):
    from types import SimpleNamespace

    panel.result = SimpleNamespace(record={"model": {"name": "other"}})
    panel.refresh()
    texts = [panel.ui.mapBox.itemText(place) for place in range(panel.ui.mapBox.count)]
    panel.result = None
    assert texts == ["Nothing", "Chance of a lesion (mine)", "Uncertainty (mine)"]


def test_a_folder_of_the_users_own_is_not_taken_for_the_installed_model_of_that_name(
    library, widget, tiny_model, tmp_path, monkeypatch
):
    import shutil

    step = widget.panel.modelStep
    own = shutil.copytree(tiny_model, tmp_path / "own")
    step.addFolder(own)
    installFolder(library, monkeypatch, tiny_model)
    installed = step.model.folder
    assert installed != own and step.model.name == "tiny"
    widget.panel.ui.modelBox.setCurrentIndex(step.count - 1)
    step.refresh()
    assert step.model.folder == own, "the choice stays, although the other one comes first"
    widget.panel.ui.modelBox.setCurrentIndex([model.folder for model in step._models].index(installed))
    select(library, "tiny")
    press(library, "removeButton")
    press(library, "askButton")
    finishWork(library)
    assert step.model is None and "“tiny” is not installed" in card(widget.panel)


@pytest.mark.parametrize("program", ["/bin/true", "/bin/ls"])
def test_an_interpreter_that_is_no_python_is_named(panel, dicom_sample, program):
    load(panel, dicom_sample / "exam")
    panel.ui.interpreterEdit.setCurrentPath(program)
    try:
        panel.ui.segmentButton.click()
        finish(panel)
        sentence = status(panel)
    finally:
        panel.ui.interpreterEdit.setCurrentPath("")
    assert "before it was ready" in sentence
    assert f"Check whether models can run with the interpreter {program}." in sentence


def test_the_panel_names_no_flags_where_a_graphics_card_is_missing(panel, dicom_sample, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    load(panel, dicom_sample / "exam")
    panel.session.endWorker()
    panel.modelStep.chooseDevice("cuda:1")
    panel.ui.segmentButton.click()
    finish(panel)
    sentence = status(panel)
    panel.modelStep.chooseDevice("cpu")
    assert "Choose the CPU under “Run on”" in sentence and "--" not in sentence


def test_a_batch_names_no_flags_either(box, told):
    reason = "There is no usable GPU: no driver. Use --device cpu (slower)"
    tell(box, told, begun("a"), {"event": "case", "case": "a", "state": "failed", "reason": reason, "message": reason})
    item = box.ui.batchResultTable.item(0, 2)
    assert "--device" not in item.text() + item.toolTip() and "Choose the CPU" in item.text()
    tell(box, told, {"event": "error", "message": reason, "code": "other"})
    assert "--device" not in box.ui.batchStatusLabel.text and "Choose the CPU" in box.ui.batchStatusLabel.text

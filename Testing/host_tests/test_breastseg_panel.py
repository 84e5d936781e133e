"""The panel as a user meets it: the first sight, an exam, corrections, a run, and what goes wrong.

Real worker, real nnU-Net.
"""

import os
import signal
import sys
from pathlib import Path

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
from BreastSegLib.errors import DeviceUnavailable


def cell(panel, row, column):  # noqa: F811
    return panel.ui.phaseTable.item(row, column).text()


def role(panel, row):  # noqa: F811
    return panel.ui.phaseTable.cellWidget(row, 0)


def choose(box, index):
    """Choose an entry of a combo box as a user does."""
    box.setCurrentIndex(index)
    box.activated(index)


def test_first_sight(panel, artefacts):  # noqa: F811
    from Host import screenshots

    assert status(panel) == "Choose an exam folder first."
    assert not panel.ui.segmentButton.isEnabled() and panel.ui.segmentButton.toolTip == "Choose an exam folder first."
    assert not panel.ui.loadButton.isEnabled()
    assert not panel.ui.progressFrame.isVisible() and panel.resultsBox.result is None
    assert "Research use only" in panel.ui.researchLabel.text
    assert "Licence: Apache-2.0" in panel.ui.modelCardLabel.text
    screenshots.layoutScreenshot(artefacts / "breastseg-1-first-sight.png")


def test_without_a_model_the_panel_says_so(panel, monkeypatch):  # noqa: F811
    monkeypatch.setattr("BreastSegLib.panel.modelstep.survey", lambda: ([], {}))
    panel.modelStep.refresh()
    assert panel.ui.modelCardLabel.text == "No model is installed."


def test_sample_exam_in_the_panel(panel, dicom_sample, sample, artefacts):  # noqa: F811
    import slicer
    import vtk
    from Host import screenshots

    exam = load(panel, dicom_sample / "exam")
    assert exam is not None, status(panel)
    assert [phase.name for phase in exam.phases] == ["pre", "post1", "post2"]
    assert [node.GetName().split(" ", 2)[2] for node in exam.nodes] == [phase.title for phase in sample.exam.phases]
    for node, volume in zip(exam.nodes, sample.exam.volumes):
        matrix = vtk.vtkMatrix4x4()
        node.GetIJKToRASMatrix(matrix)
        np.testing.assert_allclose(slicer.util.arrayFromVTKMatrix(matrix), volume.geometry.ijk_to_ras, atol=1e-3)
        np.testing.assert_allclose(slicer.util.arrayFromVolume(node), np.round(volume.array), atol=1)
    assert panel.ui.phaseTable.rowCount == 3
    assert [role(panel, row).currentText for row in range(3)] == ["Pre", "Post 1", "Post 2"]
    assert [float(cell(panel, row, 1)) for row in range(3)] == pytest.approx(
        [phase.time_s for phase in sample.exam.phases], abs=0.6
    )
    assert all(cell(panel, row, 3) for row in range(3)), "the evidence is shown"
    for index in range(scene_count("vtkMRMLSliceCompositeNode")):
        composite = slicer.mrmlScene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode")
        assert composite.GetBackgroundVolumeID() == exam.nodes[1].GetID()
    assert status(panel) == "Ready to segment." and panel.ui.segmentButton.isEnabled()
    screenshots.layoutScreenshot(artefacts / "breastseg-2-exam.png")


def scene_count(className):
    import slicer

    return slicer.mrmlScene.GetNumberOfNodesByClass(className)


def test_phases_are_corrected_in_the_table(panel, dicom_sample):  # noqa: F811
    import slicer

    exam = load(panel, dicom_sample / "exam")
    panel.ui.phaseTable.selectRow(2)
    panel.ui.phaseUpButton.click()
    slicer.app.processEvents()
    assert panel.examStep.exam.order == (0, 2, 1)
    assert exam.nodes[2].GetName().endswith("Post 1 (+0 s)")
    assert cell(panel, 1, 3) == "set by hand"
    panel.ui.phaseTable.item(2, 1).setText("75")
    slicer.app.processEvents()
    assert panel.examStep.exam.phases[2].time_s == 75.0
    panel.ui.phaseTable.item(2, 1).setText("soon")
    slicer.app.processEvents()
    assert cell(panel, 2, 1) == "75", "what is not a time is not taken"
    choose(role(panel, 2), 2)
    slicer.app.processEvents()
    assert [phase.name for phase in panel.examStep.exam.phases] == ["pre", "post1"]
    assert "The exam has no phase post2" in status(panel) and not panel.ui.segmentButton.isEnabled()
    choose(role(panel, 1), 2)
    choose(role(panel, 0), 2)
    slicer.app.processEvents()
    choose(role(panel, 1), 2)
    slicer.app.processEvents()
    assert status(panel).startswith("Every phase is left out")


def test_whole_run(panel, dicom_sample, artefacts, one_event_a_turn):  # noqa: F811
    from Host import screenshots

    exam = load(panel, dicom_sample / "exam")
    stages = []
    panel.ui.segmentButton.click()
    assert panel.working == "segmenting" and panel.ui.progressFrame.isVisible() and panel.ui.cancelButton.isEnabled()
    assert not panel.ui.loadButton.isEnabled() and not panel.ui.segmentButton.isEnabled()

    def note():
        if panel.ui.stageLabel.text and (not stages or stages[-1] != panel.ui.stageLabel.text.split(" – ")[0]):
            stages.append(panel.ui.stageLabel.text.split(" – ")[0])
            if stages[-1] == "Segmenting":
                screenshots.layoutScreenshot(artefacts / "breastseg-3-running.png")
        return not panel.working

    turnUntil(note)
    assert panel.result is not None, status(panel)
    assert {"Loading the model", "Segmenting"} <= set(stages)
    node = panel.result.node
    assert node.GetAttribute("BreastSeg.id") == panel.result.record["id"]
    assert node.GetAttribute("BreastSeg.model.name") == "tiny" and node.GetAttribute("BreastSeg.recipe.hash")
    assert str(dicom_sample) not in "".join(node.GetAttribute(name) for name in node.GetAttributeNames())
    assert panel.resultsBox.ui.lesionTable.rowCount == len(panel.result.lesions)
    segments = node.GetSegmentation().GetNumberOfSegments()
    assert segments == len(panel.result.lesions)
    assert node.GetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole()) == exam.reference.GetID()
    assert "(" in status(panel) and " s (" in status(panel)
    assert panel.segmentStep is not None and not panel.ui.progressFrame.isVisible()
    screenshots.layoutScreenshot(artefacts / "breastseg-4-result.png")


@pytest.mark.parametrize("text", ["Loading the model", "Segmenting", "Showing the result"])
def test_cancel_in_each_stage_of_a_run(panel, dicom_sample, text, one_event_a_turn):  # noqa: F811
    load(panel, dicom_sample / "exam")
    panel.session.endWorker()
    panel.ui.segmentButton.click()
    turnUntil(lambda: panel.ui.stageLabel.text.startswith(text) or not panel.working)
    assert panel.working, f"the run ended before the stage {text}: {status(panel)}"
    panel.ui.cancelButton.click()
    turnUntil(lambda: not panel.working, patience=3)
    assert status(panel) == "Cancelled."
    assert scene_count("vtkMRMLSegmentationNode") == 0
    panel.ui.segmentButton.click()
    finish(panel)
    assert panel.result is not None, "the panel works again after a cancel"


@pytest.mark.parametrize("text", ["Starting", "Reading the exam", "Adding the phases to the scene"])
def test_cancel_while_loading(panel, dicom_sample, text, one_event_a_turn):  # noqa: F811
    panel.examStep.setFolder(str(dicom_sample / "exam"))
    panel.ui.loadButton.click()
    turnUntil(lambda: panel.ui.stageLabel.text.startswith(text) or not panel.working)
    assert panel.working, f"loading ended before {text}: {status(panel)}"
    panel.ui.cancelButton.click()
    turnUntil(lambda: not panel.working, patience=3)
    assert status(panel) == "Cancelled." and panel.examStep.exam is None
    assert scene_count("vtkMRMLScalarVolumeNode") == 0


def test_worker_killed_in_a_run(panel, dicom_sample):  # noqa: F811
    load(panel, dicom_sample / "exam")
    panel.ui.segmentButton.click()
    turnUntil(lambda: panel.ui.stageLabel.text.startswith(("Loading", "Segmenting")))
    os.kill(panel.session.workerPid, signal.SIGKILL)
    finish(panel)
    assert "worker process was killed" in status(panel) and panel.result is None
    panel.ui.segmentButton.click()
    finish(panel)
    assert panel.result is not None, "a new worker is started"


def test_scene_closed_during_a_run(panel, dicom_sample, one_event_a_turn):  # noqa: F811
    import slicer

    load(panel, dicom_sample / "exam")
    panel.ui.segmentButton.click()
    turnUntil(lambda: panel.ui.stageLabel.text.startswith(("Loading", "Segmenting")))
    pid = panel.session.workerPid
    slicer.mrmlScene.Clear(0)
    assert panel.working == "" and panel.examStep.exam is None
    turnUntil(lambda: not Path(f"/proc/{pid}").exists(), patience=3)
    assert scene_count("vtkMRMLSegmentationNode") == 0
    assert not panel.ui.segmentButton.isEnabled()
    assert load(panel, dicom_sample / "exam") is not None, "the panel works in the new scene"


def test_volumes_removed_by_the_user(panel, dicom_sample):  # noqa: F811
    import slicer

    exam = load(panel, dicom_sample / "exam")
    slicer.mrmlScene.RemoveNode(exam.nodes[0])
    assert status(panel) == "Volumes of the exam were removed from the scene. Load the exam again."


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda folder: folder / "nowhere", "nowhere"),
        (lambda folder: folder, "DICOM"),
    ],
)
def test_bad_folders_say_why(panel, tmp_path, make, sentence):  # noqa: F811
    assert load(panel, make(tmp_path)) is None
    assert sentence in status(panel) and "\n" not in status(panel) and "Traceback" not in status(panel)
    assert not panel.ui.segmentButton.isEnabled()


def test_gpu_that_does_not_work_asks_first(panel, dicom_sample, monkeypatch):  # noqa: F811
    import slicer

    questions, answers = [], [False, True]

    def ask(text, **options):
        questions.append(text)
        return answers.pop(0)

    monkeypatch.setattr(slicer.util, "confirmYesNoDisplay", ask)
    load(panel, dicom_sample / "exam")
    panel.modelStep.chooseDevice("auto")
    real = panel.session.segmentExam

    def withoutCuda(exam, report, **options):
        if options["device"] == "cpu":
            return real(exam, report, **options)

        def refuse():
            yield
            raise DeviceUnavailable("CUDA is not available", hint="--device cpu")

        return refuse()

    monkeypatch.setattr(panel.session, "segmentExam", withoutCuda)
    panel.ui.segmentButton.click()
    finish(panel)
    assert len(questions) == 1 and "CUDA is not available" in questions[0] and panel.result is None
    panel.ui.segmentButton.click()
    finish(panel)
    assert len(questions) == 2 and panel.result is not None


def test_declined_packages_become_a_sentence(panel, dicom_sample, monkeypatch):  # noqa: F811
    import slicer.packaging
    from BreastSegLib.panel import packages

    def decline(requirements, **options):
        assert requirements == ["scikit-image>=0.25"] and options["requester"] == "BreastSeg"
        raise RuntimeError("declined")

    real = packages.importlib.util.find_spec
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None if name == "skimage" else real(name))
    monkeypatch.setattr(slicer.packaging, "pip_ensure", decline)
    assert load(panel, dicom_sample / "exam") is not None, "loading an exam needs no package"
    panel.ui.segmentButton.click()
    assert panel.working == ""
    assert status(panel).startswith("Python packages are missing and were not installed: scikit-image")


def test_phases_from_volumes_in_the_scene(panel, sample):  # noqa: F811
    import slicer

    nodes = [
        slicer.util.addVolumeFromArray(volume.array, volume.geometry.ijk_to_ras, f"series {index}")
        for index, volume in enumerate(sample.exam.volumes)
    ]
    panel.ui.sourceBox.setCurrentIndex(2)
    assert status(panel) == "Tick the volumes of the exam first."
    for place, node in enumerate(nodes):
        assert panel.ui.nodesList.item(place).text() == node.GetName()
        panel.ui.nodesList.item(place).setCheckState(2)
    panel.ui.loadButton.click()
    finish(panel)
    exam = panel.examStep.exam
    assert exam is not None, status(panel)
    made = [node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if node not in nodes]
    assert list(exam.nodes) == nodes and made == [exam.companions.overTime], "no volume is made for a phase again"
    assert [phase.name for phase in exam.phases] == ["pre", "post1", "post2"]
    assert exam.geometry.difference(sample.exam.geometry) < 1e-3
    panel.ui.sourceBox.setCurrentIndex(0)


def test_nothing_stays_behind(panel, dicom_sample):  # noqa: F811
    load(panel, dicom_sample / "exam")
    folder, pid = Path(panel.examStep.exam.store), panel.session.workerPid
    assert folder.is_dir() and pid
    panel.close()
    assert not folder.exists() and not Path(f"/proc/{pid}").exists()
    panel._ready = True


@pytest.fixture
def keptLibrary():
    """Puts the library back as it was: a reload makes new classes, which other tests' imports do not know."""
    import slicer

    def mine():
        return {name: module for name, module in sys.modules.items() if name.split(".")[0] == "BreastSegLib"}

    kept = mine()
    yield
    for name in mine():
        del sys.modules[name]
    sys.modules.update(kept)
    slicer.util.reloadScriptedModule("BreastSeg")


def test_module_is_reloaded(widget, keptLibrary, dicom_sample):  # noqa: F811
    import slicer

    load(widget.panel, dicom_sample / "exam")
    pid = widget.panel.session.workerPid
    widget.onReload()
    assert not Path(f"/proc/{pid}").exists()
    slicer.util.selectModule("BreastSeg")
    again = slicer.util.getModuleWidget("BreastSeg")
    assert again is not widget and type(again.panel) is not type(widget.panel)
    finish(again.panel)
    assert len(again.panel.examStep.exam.phases) == 3, "the exam is kept in the scene"
    assert scene_count("vtkMRMLSequenceNode") == 1 and scene_count("vtkMRMLPlotChartNode") == 1
    assert scene_count("vtkMRMLScalarVolumeNode") == 4, "three phases, and one to play them"
    again.panel.ui.modelBox.setCurrentIndex(0)
    assert status(again.panel) == "Ready to segment."
    assert load(again.panel, dicom_sample / "exam") is not None, "the reloaded module works"
    again.panel.close()


def test_a_model_folder_of_ones_own(panel, tiny_model, tmp_path, monkeypatch):  # noqa: F811
    import shutil

    import qt
    import slicer

    own = shutil.copytree(tiny_model, tmp_path / "mein Modell é")
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *arguments: str(own))
    before = panel.modelStep.count
    panel.ui.modelFolderButton.click()
    assert panel.modelStep.count == before + 1
    assert panel.modelStep.model.folder == own.resolve()
    panel.ui.modelFolderButton.click()
    assert panel.modelStep.count == before + 1, "the same folder is offered once"
    (own / "plans.json").unlink()
    said = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **options: said.append(text))
    panel.ui.modelFolderButton.click()
    assert len(said) == 1 and "plans.json is missing" in said[0] and "\n" not in said[0]

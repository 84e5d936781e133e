"""BreastSegTraining: the Slicer door. What happens behind it is in BreastSegTrainingLib."""

import os
import sys
import tempfile
import time
from typing import Annotated

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

PATIENCE_S = 180.0


class BreastSegTraining(ScriptedLoadableModule):
    """The module as Slicer lists it."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("BreastSeg Training")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []
        self.parent.contributors = ["SlicerBreastSeg contributors"]
        self.parent.helpText = _(
            "From labelled breast exams to a model that finds lesions: a table of cases, checks with fixes, image "
            "quality, selection rules, the nnU-Net dataset, trainings that are watched and resumed, and evaluation. "
            "For research only; not a medical device, not for diagnosis or treatment."
        )
        self.parent.acknowledgementText = _("Built on nnU-Net (Isensee et al., Nature Methods 2021) and 3D Slicer.")


@parameterNodeWrapper
class BreastSegTrainingParameterNode:
    """What the panel keeps in the scene.

    tablePath, columns, layout - the case table, the columns that are shown (JSON), the layout of the last dataset.
    checkRecipe - the recipe that the check looks at.
    rules - the selection rules as text.
    recipe, datasetNumber, datasetName, outputFolder - what the dataset is, and where it goes.
    testShare, folds, stratify, seed - how it is divided; stratify is a list with blanks between.
    namesPrefix, keyFile, workers, licence, reference, verify - the rest of step 3.
    loadedCase, segmentation, phases - the case in the scene, its mask and its images.
    trainDataset, workFolder, preset, trainingName, trainFolds, trainDevice - what is trained; folds between blanks.
    epochs, iterations, batchSize, checkpointEvery - 0 for what the preset says; trainSeed, trainWorkers - -1 for that.
    trainer, configuration, patchSize, fineTune, encoderWeights - the rest of step 4; '' for what the preset says.
    executor, partition, hours, gpus, whenClosing - where fold runs are computed, and what closing does to them.
    evaluateWhat, evaluateTraining, truthFolder, predictionFolder - what is evaluated: cv, test or folders.
    grid, cleanup, tolerance, groups, evaluationOutput - how; evaluation - the file that is shown.
    """

    tablePath: str = ""
    columns: str = ""
    layout: str = "folder"
    checkRecipe: str = ""
    rules: str = ""
    recipe: str = ""
    datasetNumber: Annotated[int, WithinRange(1, 999)] = 101
    datasetName: str = ""
    outputFolder: str = ""
    testShare: Annotated[float, WithinRange(0.0, 0.9)] = 0.2
    folds: Annotated[int, WithinRange(0, 20)] = 5
    stratify: str = ""
    seed: Annotated[int, WithinRange(0, 999999)] = 0
    namesPrefix: str = ""
    keyFile: str = ""
    workers: Annotated[int, WithinRange(0, 256)] = 0
    licence: str = ""
    reference: str = ""
    verify: bool = False
    loadedCase: str = ""
    segmentation: slicer.vtkMRMLSegmentationNode
    phases: list[slicer.vtkMRMLScalarVolumeNode]
    trainDataset: str = ""
    workFolder: str = ""
    preset: str = ""
    trainingName: str = ""
    trainFolds: str = "0 1 2 3 4"
    trainDevice: str = "auto"
    epochs: Annotated[int, WithinRange(0, 100000)] = 0
    trainer: str = ""
    configuration: str = ""
    iterations: Annotated[int, WithinRange(0, 100000)] = 0
    batchSize: Annotated[int, WithinRange(0, 4096)] = 0
    patchSize: str = ""
    trainSeed: Annotated[int, WithinRange(-1, 999999)] = -1
    trainWorkers: Annotated[int, WithinRange(-1, 256)] = -1
    checkpointEvery: Annotated[int, WithinRange(0, 1000)] = 0
    fineTune: str = ""
    encoderWeights: str = ""
    executor: str = "local"
    partition: str = ""
    hours: Annotated[int, WithinRange(1, 720)] = 24
    gpus: Annotated[int, WithinRange(0, 16)] = 1
    whenClosing: str = "go on"
    evaluateWhat: str = "cv"
    evaluateTraining: str = ""
    truthFolder: str = ""
    predictionFolder: str = ""
    grid: str = "prepared"
    cleanup: str = ""
    tolerance: Annotated[float, WithinRange(0.1, 20.0)] = 1.0
    groups: str = ""
    evaluationOutput: str = ""
    evaluation: str = ""


class BreastSegTrainingWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module panel's frame: loads the .ui file and follows the scene; see `BreastSegTrainingLib.panel`."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.panel = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None

    def setup(self):
        """Build the panel when the module is opened for the first time."""
        from BreastSegTrainingLib.panel.trainingpanel import TrainingPanel

        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/BreastSegTraining.ui"))
        self.layout.addWidget(uiWidget)
        pages = slicer.util.childWidgetVariables(uiWidget)
        for page, name in ((pages.trainingPage, "Training"), (pages.evaluationPage, "Evaluation")):
            page.layout().addWidget(slicer.util.loadUI(self.resourcePath(f"UI/{name}.ui")))
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = BreastSegTrainingLogic()
        self.panel = TrainingPanel(self.ui, uiWidget, self.logic.session)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeRemovedEvent, self.onNodeRemoved)
        self.initializeParameterNode()

    def cleanup(self):
        """Called when the application closes or the module is reloaded: what runs ends, nothing temporary stays."""
        self.setParameterNode(None)
        self.removeObservers()
        if self.panel is not None:
            self.panel.close()

    def enter(self):
        """Called each time the user opens this module."""
        self.initializeParameterNode()

    def exit(self):
        """Called each time the user opens another module. What is being done goes on."""
        if self.panel is not None:
            self.panel.kept.keep()
        if self.panel is None or not self.panel.working:
            self.setParameterNode(None)

    def onReload(self):
        """Reload the library too, not only this file."""
        if self.panel is not None:
            self.panel.close()
        for name in [name for name in sys.modules if name.partition(".")[0] == "BreastSegTrainingLib"]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, caller, event):
        """The scene is about to be emptied: forget the loaded case. The table stays open."""
        self.setParameterNode(None)
        self.panel.reset()

    def onSceneEndClose(self, caller, event):
        """The scene is empty: begin anew."""
        self.initializeParameterNode()

    def onSceneEndImport(self, caller, event):
        """A scene was loaded: show what it keeps."""
        if self._parameterNode is not None:
            self.initializeParameterNode()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeRemoved(self, caller, event, node):
        """The loaded case may be gone."""
        if slicer.mrmlScene.IsClosing() or slicer.mrmlScene.IsImporting():
            return
        if any(node.IsA(f"vtkMRML{kind}Node") for kind in ("Volume", "Segmentation")):
            self.panel.refresh()

    def initializeParameterNode(self):
        """Make sure that there is a parameter node, and show what it holds."""
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode):
        """Connect another parameter node to the panel, or none."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
        self._parameterNode = parameterNode
        if parameterNode is not None:
            self._parameterNodeGuiTag = parameterNode.connectGui(self.ui)
        if self.panel is not None:
            self.panel.setParameterNode(parameterNode)


class BreastSegTrainingLogic(ScriptedLoadableModuleLogic):
    """For scripts. All that the panel's buttons do, the command line does too::

    from BreastSegTraining import BreastSegTrainingLogic
    logic = BreastSegTrainingLogic()
    result = logic.run("check", "/data/cases.csv", "--recipe", "mama-mia-first-post")
    print(result["ok"], result["refused"])
    """

    def __init__(self, parent=None):
        from BreastSegLib.scene.session import Session

        ScriptedLoadableModuleLogic.__init__(self, parent)
        self.session = Session()

    def getParameterNode(self):
        """Return the module's parameter node."""
        return BreastSegTrainingParameterNode(super().getParameterNode())

    def run(self, *arguments, onProgress=None):
        """Run a verb of ``python -m BreastSegTrainingLib`` as a child process and wait for it; the window stays alive.

        Parameters
        ----------
        *arguments : str
            Verb and what stands behind it.
        onProgress : callable, optional
            ``onProgress(stage, done, total, secondsLeft)``.

        Returns
        -------
        dict
            The fields of its result, see the verb.

        Raises
        ------
        BreastSegLib.errors.BreastSegError
        """
        from BreastSegLib.errors import BreastSegError
        from BreastSegLib.inference.childcommand import answer_of
        from BreastSegLib.scene.turns import waited
        from BreastSegTrainingLib.panel.commandwork import errorLine, makeCommand

        event = waited(answer_of(makeCommand(arguments), onProgress))
        if event["event"] == "error":
            raise BreastSegError(errorLine(event))
        return event

    def close(self):
        """End the worker and delete what was temporary; nodes stay."""
        self.session.close()


class BreastSegTrainingTest(ScriptedLoadableModuleTest):
    """The way from two sample exams to an evaluation; runs in Slicer and in the host."""

    def setUp(self):
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Run every test method."""
        self.setUp()
        self.test_WholeWay()
        self.setUp()
        self.test_BadTable()

    def test_WholeWay(self):
        """A table is opened, filtered, sorted and edited; a case is loaded, its mask corrected and saved."""
        from BreastSegTrainingLib.cases import CaseTable
        from BreastSegTrainingLib.panel import selfchecks

        panel = slicer.util.getModuleWidget("BreastSegTraining").panel
        self.delayDisplay("Making two sample exams", msec=100)
        with tempfile.TemporaryDirectory() as folder:
            path = selfchecks.makeTable(folder)
            try:
                self.assertTrue(panel.open(path), panel.ui.statusLabel.text)
                selfchecks.checkTable(self, panel)
                self.delayDisplay("Loading a case, correcting its mask", msec=100)
                selfchecks.checkMask(self, panel, self.waitFor)
                table = CaseTable.read(path)
                self.assertTrue(table.mask_paths(table.cases[0])[0].is_file())
                self.delayDisplay("Selecting and exporting", msec=100)
                selfchecks.checkDataset(self, panel, os.path.join(folder, "nnUNet_raw"), self.waitFor)
                self.delayDisplay("Looking at a training and its evaluation", msec=100)
                training = selfchecks.checkTraining(self, panel, os.path.join(folder, "training"))
                selfchecks.checkEvaluation(self, panel, training, self.waitFor)
            finally:
                for edit in (panel.ui.trainDatasetEdit, panel.ui.workEdit):
                    edit.setCurrentPath("")
                panel.evaluation.result.show(None)
                panel.opened.clear()
                panel.file.new()
        self.delayDisplay("Test passed", msec=100)

    def test_BadTable(self):
        """A table without its columns is refused with a line that names the file; what was shown stays."""
        panel = slicer.util.getModuleWidget("BreastSegTraining").panel
        rows = panel.ui.caseTable.rowCount
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "bad.csv")
            with open(path, "w", encoding="utf-8") as stream:
                stream.write("name,mask\nx,y\n")
            self.assertFalse(panel.open(path))
        self.assertIn("bad.csv", panel.ui.statusLabel.text)
        self.assertEqual(panel.ui.caseTable.rowCount, rows)

    def waitFor(self, panel):
        """Let the window turn until the panel has nothing more to do."""
        end = time.monotonic() + PATIENCE_S
        while panel.working:
            self.assertLess(time.monotonic(), end, "still at work")
            slicer.app.processEvents()
            time.sleep(0.005)

"""BreastSeg: the Slicer door. What happens behind it is in BreastSegLib."""

import os
import sys
import time
from typing import Annotated

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class BreastSeg(ScriptedLoadableModule):
    """The module as Slicer lists it."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("BreastSeg")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []
        self.parent.contributors = ["SlicerBreastSeg contributors"]
        self.parent.helpText = _(
            "Segments lesions in breast DCE-MRI with nnU-Net: choose an exam, choose a model, press one button. "
            "For research only; not a medical device, not for diagnosis or treatment."
        )
        self.parent.acknowledgementText = _(
            "Built on nnU-Net (Isensee et al., Nature Methods 2021) and 3D Slicer. "
            "Each model brings its own licence and citation; both are shown with the model."
        )


@parameterNodeWrapper
class BreastSegParameterNode:
    """What the panel keeps in the scene.

    examFolder - the DICOM folder that was loaded last.
    model, device - name of the chosen model; where it runs.
    mirroring, cleanup - average over mirrored images; clean up the mask.
    folds - which folds of the model are averaged, such as "0 2"; empty for all.
    shortcuts - whether what lies outside the breast is skipped.
    chanceMap, disagreementMap, entropyMap - the maps that are made beside the segmentation.
    motion - whether the phases of the next exam are moved onto each other.
    phases - the nodes of the exam: phases as they were loaded, or mammograms.
    phaseTable - order, roles and times of the phases and which are in use, as the user corrected them (JSON).
    reference, segmentation - the node that is shown and segmented on, and the latest result.
    """

    examFolder: str = ""
    model: str = ""
    device: str = "auto"
    mirroring: bool = False
    cleanup: bool = True
    folds: str = ""
    shortcuts: bool = True
    chanceMap: bool = False
    disagreementMap: bool = False
    entropyMap: bool = False
    motion: Annotated[str, Choice(["off", "rigid", "bspline"])] = "off"
    phaseTable: str = ""
    phases: list[slicer.vtkMRMLScalarVolumeNode]
    reference: slicer.vtkMRMLScalarVolumeNode
    segmentation: slicer.vtkMRMLSegmentationNode


class BreastSegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module panel's frame: loads the .ui file and follows the scene. The panel itself is `BreastSegLib.panel`."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.panel = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None

    def setup(self):
        """Build the panel when the module is opened for the first time."""
        from BreastSegLib.panel.breastsegpanel import BreastSegPanel

        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/BreastSeg.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = BreastSegLogic()
        self.panel = BreastSegPanel(self.ui, uiWidget, self.logic.session)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeAddedEvent, self.onNodeAddedOrRemoved)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeRemovedEvent, self.onNodeAddedOrRemoved)
        self.initializeParameterNode()

    def cleanup(self):
        """Called when the application closes or the module is reloaded: the worker ends, nothing temporary stays."""
        self.setParameterNode(None)
        self.removeObservers()
        if self.panel is not None:
            self.panel.close()

    def enter(self):
        """Called each time the user opens this module."""
        self.initializeParameterNode()

    def exit(self):
        """Called each time the user opens another module. A running job goes on; the scene keeps what comes of it."""
        if self.panel is not None:
            self.panel.leave()
        if self.panel is None or not self.panel.working:
            self.setParameterNode(None)

    def onReload(self):
        """Reload the library too, not only this file."""
        if self.panel is not None:
            self.panel.close()
        for name in [name for name in sys.modules if name == "BreastSegLib" or name.startswith("BreastSegLib.")]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def loadExam(self, source):
        """Load an exam into the panel and wait for it; the window stays alive. The DICOM browser does this.

        Parameters
        ----------
        source : dict
            As `exam.source.read_exam` takes it.

        Returns
        -------
        SceneExam, SceneMammograms or None
            None when the scene was closed meanwhile.

        Raises
        ------
        BreastSegLib.errors.BreastSegError
            What went wrong, `Undecided` when the panel now shows a question, or that the panel is at work.
        """
        from BreastSegLib.errors import BreastSegError

        if self.panel.working:
            raise BreastSegError(
                _("BreastSeg is still at work"), hint=_("Wait for its end or cancel it, then try again")
            )
        self.initializeParameterNode()
        # The exam that came with the scene is completed first, if it was not yet.
        self._waitForPanel()
        self.panel.loadExam(source)
        self._waitForPanel()
        if self.panel.error is not None:
            raise self.panel.error
        return self.panel.examStep.loaded

    def _waitForPanel(self):
        while self.panel.working:
            slicer.app.processEvents()
            time.sleep(0.005)

    def onSceneStartClose(self, caller, event):
        """The scene is about to be emptied: stop what is running and forget the exam."""
        self.setParameterNode(None)
        self.panel.reset()

    def onSceneEndClose(self, caller, event):
        """The scene is empty: begin anew."""
        self.initializeParameterNode()

    def onSceneEndImport(self, caller, event):
        """A scene was loaded: show the exam that came with it, as the user had corrected it."""
        if self._parameterNode is not None:
            self.initializeParameterNode()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAddedOrRemoved(self, caller, event, node):
        """A volume, a segmentation or the plot of the exam may be gone, or another one may be there."""
        if slicer.mrmlScene.IsClosing() or slicer.mrmlScene.IsImporting():
            return
        if any(node.IsA(f"vtkMRML{kind}Node") for kind in ("Volume", "Sequence", "PlotChart", "Segmentation")):
            self.panel.refresh()

    def takeExam(self, exam):
        """Show an exam that was loaded elsewhere, such as with the DICOM browser, and keep it in the scene.

        Parameters
        ----------
        exam : BreastSegLib.scene.sceneexam.SceneExam or SceneMammograms
        """
        self.initializeParameterNode()
        self.panel.takeExam(exam)

    def initializeParameterNode(self):
        """Make sure that there is a parameter node, and show what it holds."""
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode):
        """Connect another parameter node to the panel, or none."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
        self._parameterNode = parameterNode
        if self.panel is not None:
            self.panel.setParameterNode(parameterNode)
        if parameterNode is not None:
            self._parameterNodeGuiTag = parameterNode.connectGui(self.ui)


class BreastSegLogic(ScriptedLoadableModuleLogic):
    """For scripts::

        from BreastSeg import BreastSegLogic
        logic = BreastSegLogic()
        node = logic.segment(exam="/data/exam1", model="demo-dce", device="cpu")
        print(logic.result.lesions)
        logic.close()

    Without waiting: ``logic.session.readExam(source, report)`` and
    ``logic.session.segmentExam(exam, report, model=…)`` return generators of short turns; advance them with `next`
    from a timer.
    """

    def __init__(self, parent=None):
        from BreastSegLib.scene.session import Session

        ScriptedLoadableModuleLogic.__init__(self, parent)
        self.session = Session()
        self.exam = None
        self.result = None

    def getParameterNode(self):
        """Return the module's parameter node."""
        return BreastSegParameterNode(super().getParameterNode())

    def loadExam(self, exam, onProgress=None, decisions=None, motion=None):
        """Load an exam into the scene and wait for it; the window stays alive.

        Parameters
        ----------
        exam : str, Path, dict, or sequence of str, Path or nodes
            A folder; or phase files or volume nodes in time order, pre-contrast first, or one Sequence node; or a
            source such as ``{"views": [files]}`` (mammograms) or ``{"channels": [files]}``.
        onProgress : callable, optional
            ``onProgress(stage, done, total, secondsLeft)``.
        decisions : dict of str to str, optional
            Answers to what the files leave open, such as ``{"clock": "trigger"}``; see `Undecided`.
        motion : {'rigid', 'bspline'}, optional
            Move the phases onto the first post-contrast phase.

        Returns
        -------
        BreastSegLib.scene.sceneexam.SceneExam or SceneMammograms

        Raises
        ------
        BreastSegLib.errors.Undecided
            If the files leave something open: ``error.name`` and ``error.choices`` tell what to decide.
        BreastSegLib.errors.BreastSegError
        """
        source = _sourceOf(exam)
        if decisions:
            source["decisions"] = {**source.get("decisions", {}), **decisions}
        if motion:
            source["motion"] = motion
        self.exam = self.wait(self.session.readExam(source, onProgress or _ignore))
        return self.exam

    def chooseExam(self, exam):
        """Choose a loaded exam in BreastSeg: the panel shows it when it is opened.

        Parameters
        ----------
        exam : BreastSegLib.scene.sceneexam.SceneExam or SceneMammograms
        """
        from BreastSegLib.scene import keeping

        keeping.keep(self.getParameterNode(), exam)

    def preview(self, exam, recipe, regions=(), onProgress=None):
        """Prepare a loaded exam as a recipe says, show the channels beside it, and wait for them.

        Parameters
        ----------
        exam : BreastSegLib.scene.sceneexam.SceneExam or SceneMammograms
        recipe : str or Path
            Name of a recipe, or its file.
        regions : sequence of dict
            As for `segment`.
        onProgress : callable, optional

        Returns
        -------
        BreastSegLib.scene.previewnodes.Preview
            ``BreastSegLib.scene.previewflow.hidePreview`` takes it away again.

        Raises
        ------
        BreastSegLib.errors.BreastSegError
        """
        turns = self.session.prepareExam(exam, onProgress or _ignore, recipe=str(recipe), regions=regions)
        return self.wait(turns)

    def segment(
        self,
        exam,
        model="demo-dce",
        device="auto",
        mirroring=False,
        cleanup=True,
        onProgress=None,
        regions=(),
        **options,
    ):
        """Load an exam unless it is loaded, run a model on it, and wait for the result; the window stays alive.

        Parameters
        ----------
        exam
            As `loadExam` takes it, or what it returned.
        model : str or Path
            Name of an installed model, or a model folder.
        device : str
            'auto', 'cpu', 'cuda' or 'cuda:1' … 'auto' takes CUDA when it works and raises `DeviceUnavailable`
            otherwise: nothing falls back silently.
        mirroring, cleanup : bool
        onProgress : callable, optional
            ``onProgress(stage, done, total, secondsLeft)``.
        regions : sequence of dict
            Of mammograms, for models that look at regions around lesions: ``{"view": "LCC", "box": [x0, y0, x1, y1]}``
            or ``{"view": "LCC", "point": [x, y], "size_mm": 40}``, in pixel indices.
        **options
            ``folds`` (such as ``[0, 2]``; all by default), ``shortcuts`` (look closely only where something is
            seen, on by default), and the maps to make: ``probabilities``, ``disagreement``, ``entropy``; see
            `BreastSegLib.scene.runoptions.runOptions`.

        Returns
        -------
        vtkMRMLSegmentationNode
            Of mammograms that of the first view; ``logic.result.nodes`` has all. ``logic.result`` has the maps,
            lesions, notes, run record and timings too.

        Raises
        ------
        BreastSegLib.errors.BreastSegError
        """
        from BreastSegLib.models import find_model

        found = find_model(str(model), verify=False)  # the worker compares the checksums
        loaded = exam if hasattr(exam, "store") else self.loadExam(exam, onProgress)
        options = {"device": device, "tta": mirroring, "cleanup": cleanup, "regions": regions, **options}
        turns = self.session.segmentExam(loaded, onProgress or _ignore, model=found, **options)
        self.result = self.wait(turns)
        return self.result.node

    def measure(self, exam, result, onProgress=None, **options):
        """Measure a segmentation on a loaded exam as it is now drawn, and wait for it; the window stays alive.

        Parameters
        ----------
        exam : BreastSegLib.scene.sceneexam.SceneExam or SceneMammograms
        result : BreastSegLib.scene.sceneexam.SceneResult or vtkMRMLSegmentationNode
            What a run has left, as the user has edited it; or any segmentation on the exam.
        onProgress : callable, optional
        **options
            See `BreastSegLib.scene.measureflow.measureResult`.

        Returns
        -------
        BreastSegLib.scene.sceneexam.SceneResult
            Its ``measures`` are new; ``logic.result`` has it too.

        Raises
        ------
        BreastSegLib.errors.BreastSegError
        """
        from BreastSegLib.scene.sceneexam import SceneResult

        if not isinstance(result, SceneResult):
            result = SceneResult(result, (), (), {}, {})
        self.result = self.wait(self.session.measureResult(exam, onProgress or _ignore, result=result, **options))
        return self.result

    def wait(self, turns):
        """Run a generator of short turns to its end while the window stays alive, and return what it returns."""
        from BreastSegLib.scene.turns import waited

        return waited(turns)

    def close(self):
        """End the worker and delete what was temporary; nodes stay."""
        self.session.close()


def _sourceOf(exam):
    """Return the source that `BreastSegLogic.loadExam` was given."""
    if isinstance(exam, dict):
        return dict(exam)
    if isinstance(exam, (str, os.PathLike)):
        return {"folder": os.path.abspath(exam)}
    items = [exam] if isinstance(exam, vtk.vtkObject) else list(exam)
    isFiles = all(isinstance(item, (str, os.PathLike)) for item in items)
    return {"files": [os.path.abspath(item) for item in items]} if isFiles else {"nodes": items}


def _ignore(stage, done, total, secondsLeft):
    """Progress that nobody wants to see."""


class BreastSegTest(ScriptedLoadableModuleTest):
    """The whole way on a sample exam and on a mammogram with the demo models; runs in Slicer and in the host."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_WholeWay()
        self.setUp()
        self.test_Mammogram()
        self.setUp()
        self.test_Region()

    def test_WholeWay(self):
        """A sample exam, written as DICOM, is loaded and segmented; the result lies where the lesion is."""
        self._goes("wholeWay")

    def test_Mammogram(self):
        """An inverted mammogram, written as DICOM, stands in the scene as a radiologist hangs it."""
        self._goes("mammogram")

    def test_Region(self):
        """The mass in a box on a mammogram of the right breast is previewed, and segmented in its place."""
        self._goes("region")

    def _goes(self, name):
        from BreastSegLib.scene import selftest

        logic = BreastSegLogic()
        try:
            getattr(selftest, name)(self, logic)
        finally:
            logic.close()
        self.delayDisplay("Test passed", msec=100)

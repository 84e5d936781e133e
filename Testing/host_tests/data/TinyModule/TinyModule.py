"""A small scripted module for the tests of the host: it counts voxels above a threshold into a segmentation."""

import enum
import pathlib
from typing import Annotated

import numpy
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, Decimals, Default, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class TinyModule(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Tiny Module")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.contributors = ["Host tests"]
        self.parent.helpText = _("Counts voxels.")


class Side(enum.Enum):
    LEFT = 1
    RIGHT = 2


@parameterNodeWrapper
class TinyModuleParameterNode:
    inputVolume: slicer.vtkMRMLScalarVolumeNode | None
    threshold: Annotated[float, WithinRange(0, 500), Decimals(1)] = 150.0
    repeats: Annotated[int, WithinRange(1, 9)] = 2
    title: str = "Lesion"
    folder: pathlib.Path
    smooth: bool = True
    side: Side = Side.RIGHT
    mode: Annotated[str, Choice(["fast", "careful"])] = "careful"
    names: list[str] = []
    weights: Annotated[list[float], Default([0.5])]


class TinyModuleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.entered = 0
        self.cleaned = False

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/TinyModule.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = TinyModuleLogic()
        self.parameters = self.logic.getParameterNode()
        self.guiTag = self.parameters.connectGui(self.ui)
        self.ui.applyButton.connect("clicked(bool)", self.onApply)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneClosed)

    def enter(self):
        self.entered += 1

    def cleanup(self):
        self.cleaned = True
        self.removeObservers()

    def onSceneClosed(self, caller, event):
        self.parameters.disconnectGui(self.guiTag)
        self.parameters = self.logic.getParameterNode()
        self.guiTag = self.parameters.connectGui(self.ui)

    def onApply(self):
        segmentation = self.logic.segment(
            self.parameters.inputVolume, self.parameters.threshold, self.parameters.title
        )
        slicer.util.setSliceViewerLayers(background=self.parameters.inputVolume, fit=True)
        slicer.util.resetThreeDViews()
        return segmentation


class TinyModuleLogic(ScriptedLoadableModuleLogic):
    def getParameterNode(self):
        return TinyModuleParameterNode(super().getParameterNode())

    def segment(self, volume, threshold, title):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", title)
        node.CreateDefaultDisplayNodes()
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        segmentId = node.GetSegmentation().AddEmptySegment("", title, (1.0, 0.2, 0.2))
        entry = (
            "Segmentation category and type - DICOM master list~SCT^49755003^Morphologically Altered Structure"
            "~SCT^4147007^Mass~^^~Anatomic codes - DICOM master list~SCT^76752008^Breast~SCT^24028007^Right"
        )
        node.GetSegmentation().GetSegment(segmentId).SetTag("TerminologyEntry", entry)
        mask = (slicer.util.arrayFromVolume(volume) > threshold).astype(numpy.uint8)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segmentId, volume)
        node.CreateClosedSurfaceRepresentation()
        return node


class TinyModuleTest(ScriptedLoadableModuleTest):
    def runTest(self):
        self.setUp()
        self.test_segment()

    def test_segment(self):
        array = numpy.zeros((20, 30, 40), numpy.float32)
        array[5:10, 5:10, 5:10] = 200
        volume = slicer.util.addVolumeFromArray(array, vtk.vtkMatrix4x4(), "tiny")
        node = TinyModuleLogic().segment(volume, 100, "cube")
        mask = slicer.util.arrayFromSegmentBinaryLabelmap(node, node.GetSegmentation().GetNthSegmentID(0), volume)
        self.assertEqual(int(mask.sum()), 125)
        self.delayDisplay("Test passed")

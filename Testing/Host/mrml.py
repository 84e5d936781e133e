"""The scene and the logics of the application: all real, wired as the application wires them."""

import os
import pathlib
import sys

from .subjecthierarchy import SubjectHierarchy

SHARE_DIRECTORY = pathlib.Path(__file__).parent / "share"

# Module name in the application -> class of its logic in slicer-core. Colours come first (volumes want their tables),
# then units and subject hierarchy (observed by the others).
LOGIC_CLASSES = {
    "Colors": "vtkSlicerColorLogic",
    "Units": "vtkSlicerUnitsLogic",
    "Cameras": "vtkSlicerCamerasModuleLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "Annotations": "vtkSlicerAnnotationModuleLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "CropVolume": "vtkSlicerCropVolumeLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Models": "vtkSlicerModelsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "Reformat": "vtkSlicerReformatLogic",
    "SceneViews": "vtkSlicerSceneViewsModuleLogic",
    "ViewControllers": "vtkSlicerViewControllersLogic",
    "VolumeRendering": "vtkSlicerVolumeRenderingLogic",
    "Data": "vtkSlicerDataModuleLogic",
}

SLICE_VIEW_MANAGERS = (
    "vtkMRMLVolumeGlyphSliceDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLScalarBarDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLTransformsDisplayableManager2D",
    "vtkMRMLColorLegendDisplayableManager",
)

THREED_VIEW_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLThreeDReformatDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager3D",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLTransformsDisplayableManager3D",
    "vtkMRMLVolumeRenderingDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)


def chooseOffscreenRendering() -> None:
    """Make VTK render without a display (EGL on Linux); to be called before the first render window is made."""
    if sys.platform.startswith("linux"):
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")


class Core:
    """The application logic, the scene and the module logics.

    Parameters
    ----------
    temporaryPath : str
        Folder for the files that logics write for a moment.
    """

    def __init__(self, temporaryPath: str):
        import slicer
        import vtk

        self.scene = slicer.vtkMRMLScene()
        self.applicationLogic = slicer.vtkSlicerApplicationLogic()
        self.applicationLogic.SetTemporaryPath(temporaryPath)
        self.applicationLogic.SetHomeDirectory(str(SHARE_DIRECTORY.parent))
        self.applicationLogic.SetShareDirectory(SHARE_DIRECTORY.name)
        self.applicationLogic.SetMRMLScene(self.scene)
        self.applicationLogic.SetSliceLogics(vtk.vtkCollection())
        self.applicationLogic.SetViewLogics(vtk.vtkCollection())
        self._addDefaultNodes(slicer)
        self.logics = {}
        for moduleName, className in LOGIC_CLASSES.items():
            self.logics[moduleName] = self._createLogic(moduleName, getattr(slicer, className))
        self.applicationLogic.SetColorLogic(self.logics["Colors"])
        self._registerManagers(slicer.vtkMRMLSliceViewDisplayableManagerFactory, SLICE_VIEW_MANAGERS)
        self._registerManagers(slicer.vtkMRMLThreeDViewDisplayableManagerFactory, THREED_VIEW_MANAGERS)
        patientRightIsScreenLeft = True
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene, patientRightIsScreenLeft)
        self.subjectHierarchy = SubjectHierarchy(self.scene)
        self.layoutLogic = slicer.vtkMRMLLayoutLogic()
        self.layoutLogic.SetMRMLApplicationLogic(self.applicationLogic)
        self.layoutLogic.SetMRMLScene(self.scene)

    def _addDefaultNodes(self, slicer) -> None:
        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        self.scene.AddNode(crosshair)

    def _createLogic(self, moduleName: str, logicClass):
        logic = logicClass()
        if hasattr(logic, "SetModuleShareDirectory"):
            logic.SetModuleShareDirectory(str(SHARE_DIRECTORY / moduleName.lower()))
        logic.SetMRMLApplicationLogic(self.applicationLogic)
        self.applicationLogic.SetModuleLogic(moduleName, logic)
        logic.SetMRMLScene(self.scene)
        return logic

    def _registerManagers(self, factoryClass, names) -> None:
        factory = factoryClass.GetInstance()
        factory.SetMRMLApplicationLogic(self.applicationLogic)
        for name in names:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)

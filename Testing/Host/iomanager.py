"""Reading and writing files of the scene (``slicer.app.ioManager()``) with the scene's own storage nodes."""

import pathlib

from PySide6 import QtCore

from .record import NotProvided

# File type -> node class, name endings
READERS = {
    "VolumeFile": ("vtkMRMLScalarVolumeNode", (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")),
    "SegmentationFile": ("vtkMRMLSegmentationNode", (".seg.nrrd", ".seg.nhdr", ".seg.vtm")),
    "ModelFile": ("vtkMRMLModelNode", (".vtk", ".vtp", ".stl", ".ply", ".obj")),
    "TransformFile": ("vtkMRMLLinearTransformNode", (".h5", ".tfm", ".mat", ".txt")),
    "TableFile": ("vtkMRMLTableNode", (".csv", ".tsv")),
    "TextFile": ("vtkMRMLTextNode", (".json", ".xml")),
    "MarkupsFile": ("vtkMRMLMarkupsFiducialNode", (".mrk.json", ".fcsv")),
}


class IOManager(QtCore.QObject):
    """Loads and saves nodes (qSlicerIOManager)."""

    newFileLoaded = QtCore.Signal("QVariantMap")
    fileSaved = QtCore.Signal("QVariantMap")

    def __init__(self, core):
        super().__init__()
        self._core = core

    def fileType(self, fileName):
        """Return the type by the longest fitting name ending."""
        name = pathlib.Path(fileName).name.lower()
        found = [
            (len(ending), kind)
            for kind, (_, endings) in READERS.items()
            for ending in endings
            if name.endswith(ending)
        ]
        if name.endswith((".mrml", ".mrb")):
            return "SceneFile"
        return max(found)[1] if found else "NoFile"

    def loadNodes(self, fileType, parameters, loadedNodes=None, userMessages=None):
        """Read one file into new nodes; False (with a message) when it cannot be read."""
        fileName = parameters["fileName"]
        if not pathlib.Path(fileName).exists():
            return self._failed(userMessages, f"File not found: {fileName}")
        if fileType == "SceneFile":
            self._core.scene.SetURL(fileName)
            return bool(self._core.scene.Import() if not parameters.get("clear") else self._core.scene.Connect())
        if fileType not in READERS:
            return self._failed(userMessages, f"No reader for file type {fileType}: {fileName}")
        node = self._read(fileType, fileName, parameters)
        if node is None:
            return self._failed(userMessages, f"The file cannot be read: {fileName}")
        if loadedNodes is not None:
            loadedNodes.AddItem(node)
        self.newFileLoaded.emit({"fileName": fileName, "fileType": fileType})
        return True

    def _read(self, fileType, fileName, parameters):
        import slicer

        name = parameters.get("name") or _baseName(fileName, READERS[fileType][1])
        if fileType == "VolumeFile":
            logic = self._core.logics["Volumes"]
            labelMap = 1 if parameters.get("labelmap") else 0
            node = logic.AddArchetypeVolume(fileName, name, labelMap)
            if node is not None and parameters.get("show", True):
                selection = self._core.applicationLogic.GetSelectionNode()
                setter = selection.SetActiveLabelVolumeID if labelMap else selection.SetActiveVolumeID
                setter(node.GetID())
                self._core.applicationLogic.PropagateVolumeSelection(1)
            return node
        if fileType == "SegmentationFile":
            return self._core.logics["Segmentations"].LoadSegmentationFromFile(fileName, True, name)
        if fileType == "ModelFile":
            return self._core.logics["Models"].AddModel(fileName, slicer.vtkMRMLStorageNode.CoordinateSystemLPS)
        node = self._core.scene.AddNewNodeByClass(READERS[fileType][0], name)
        node.AddDefaultStorageNode(fileName)
        if node.GetStorageNode() is None or not node.GetStorageNode().ReadData(node):
            self._core.scene.RemoveNode(node)
            return None
        return node

    def loadScene(self, fileName, clear=True, userMessages=None):
        return self.loadNodes("SceneFile", {"fileName": fileName, "clear": clear}, None, userMessages)

    def loadFile(self, fileName, userMessages=None):
        return self.loadNodes(self.fileType(fileName), {"fileName": fileName}, None, userMessages)

    def fileWriterFileType(self, node, extension=""):
        """Return the file type that holds a node."""
        for kind, (className, _) in READERS.items():
            if node.IsA(className):
                return kind
        return "NodeFile"

    def saveNodes(self, fileType, parameters, userMessages=None, scene=None):
        """Write one node to a file; False (with a message) when it cannot be written."""
        if fileType == "SceneFile":
            raise NotProvided("slicer.app.ioManager()", "saveNodes of a scene")
        node = (scene or self._core.scene).GetNodeByID(parameters["nodeID"])
        fileName = parameters["fileName"]
        node.AddDefaultStorageNode(fileName)
        storage = node.GetStorageNode()
        storage.SetFileName(fileName)
        storage.SetUseCompression(int(bool(parameters.get("useCompression", storage.GetUseCompression()))))
        if not storage.WriteData(node):
            return self._failed(userMessages, f"The file cannot be written: {fileName}")
        self.fileSaved.emit({"fileName": fileName})
        return True

    def addDefaultStorageNodes(self):
        for index in range(self._core.scene.GetNumberOfNodes()):
            node = self._core.scene.GetNthNode(index)
            if node.IsA("vtkMRMLStorableNode") and node.GetStorageNode() is None:
                node.AddDefaultStorageNode()

    def _failed(self, userMessages, text):
        import vtk

        if userMessages is not None:
            userMessages.AddMessage(vtk.vtkCommand.ErrorEvent, text)
        return False


def _baseName(fileName, endings) -> str:
    name = pathlib.Path(fileName).name
    fitting = [ending for ending in endings if name.lower().endswith(ending)]
    return name[: -len(max(fitting, key=len))] if fitting else name

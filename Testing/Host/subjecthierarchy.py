"""Keeps the subject hierarchy in step with the scene: in the application its Qt plugins do this."""

import vtk

# Node class -> name of the plugin that owns its items; the first that fits.
OWNERS = (
    ("vtkMRMLSegmentationNode", "Segmentations"),
    ("vtkMRMLLabelMapVolumeNode", "LabelMaps"),
    ("vtkMRMLVolumeNode", "Volumes"),
    ("vtkMRMLModelNode", "Models"),
    ("vtkMRMLMarkupsNode", "Markups"),
    ("vtkMRMLTransformNode", "Transforms"),
    ("vtkMRMLTableNode", "Tables"),
    ("vtkMRMLPlotSeriesNode", "Plots"),
    ("vtkMRMLPlotChartNode", "Plots"),
    ("vtkMRMLTextNode", "Texts"),
)


class SubjectHierarchy:
    """Makes an item for every data node that users see, and takes it away with the node.

    Parameters
    ----------
    scene : vtkMRMLScene
    """

    def __init__(self, scene):
        self._scene = scene
        scene.AddObserver(scene.NodeAddedEvent, self._onNodeAdded)
        scene.AddObserver(scene.NodeRemovedEvent, self._onNodeRemoved)
        for event in (scene.EndImportEvent, scene.EndRestoreEvent):
            scene.AddObserver(event, lambda *_: self._addAll())

    def _node(self):
        import slicer

        return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeAdded(self, caller, event, node):
        # While a scene is read the hierarchy that was saved with it comes first.
        if not self._scene.IsImporting() and not self._scene.IsRestoring():
            self._add(node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeRemoved(self, caller, event, node):
        # Items that somebody made for a node that no plug-in owns go with it too.
        if self._scene.IsClosing() or node is None:
            return
        hierarchy = self._node()
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.RemoveItem(item, False, False)

    def _addAll(self) -> None:
        for index in range(self._scene.GetNumberOfNodes()):
            self._add(self._scene.GetNthNode(index))

    def _add(self, node) -> None:
        owner = _owner(node) if node is not None else None
        if owner is None or node.GetHideFromEditors():
            return
        hierarchy = self._node()
        if not hierarchy.GetItemByDataNode(node):
            item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
            hierarchy.SetItemOwnerPluginName(item, owner)


def _owner(node):
    return next((owner for className, owner in OWNERS if node.IsA(className)), None)

"""The phases of an exam as volume nodes, in order."""

import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from . import overlay
from .texts import _

FOLDER = "Folder"
COMPANION = "BreastSeg.Companion"


def addPhaseNodes(phases, arrays, geometry, examName, window):
    """Add one scalar volume node for each phase, inside one subject hierarchy folder.

    A generator: each turn does one slow thing.

    Parameters
    ----------
    phases : sequence of Phase
        In time order.
    arrays : sequence of numpy.ndarray
        Voxels of each phase, shape (z, y, x); may be memory-mapped.
    geometry : Geometry
        The grid of all arrays.
    examName : str
        What the node names begin with; no patient data.
    window : (float, float)
        Window and level, the same for all phases so that enhancement can be compared by eye.

    Yields
    ------
    int
        Number of phases that are in the scene so far.

    Returns
    -------
    list of vtkMRMLScalarVolumeNode
        In the order of `phases`. If the generator is closed or fails before its end, the nodes made so far are
        removed.
    """
    nodes, folder = [], makeFolder(examName)
    try:
        for phase, array in zip(phases, arrays):
            node = _emptyNode(phase, geometry, examName, window)
            nodes.append(node)
            putIntoFolder(node, folder)
            yield len(nodes) - 1
            setVoxels(node, array)
            yield len(nodes)
    except BaseException:
        # GeneratorExit included: a cancelled load leaves nothing half done behind.
        removeNodes(nodes, folder)
        raise
    return nodes


def addSharedNodes(phases, frames, examName, window):
    """Add one volume node for each phase that shares the voxels of a Sequence's frame. A generator.

    Parameters
    ----------
    phases : sequence of Phase
    frames : sequence of vtkMRMLScalarVolumeNode
        Items of a Sequence, in the order of `phases`.
    examName, window
        As for `addPhaseNodes`.

    Yields
    ------
    int
        Number of phases that are in the scene so far.

    Returns
    -------
    list of vtkMRMLScalarVolumeNode
    """
    nodes, folder = [], makeFolder(examName)
    try:
        for phase, frame in zip(phases, frames):
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", nodeName(phase, examName))
            nodes.append(node)
            matrix = vtk.vtkMatrix4x4()
            frame.GetIJKToRASMatrix(matrix)
            node.SetIJKToRASMatrix(matrix)
            labelNode(node, phase)
            addDisplay(node, window)
            putIntoFolder(node, folder)
            node.SetAndObserveImageData(frame.GetImageData())
            yield len(nodes)
    except BaseException:
        removeNodes(nodes, folder)
        raise
    return nodes


def referenceIndex(phases):
    """Return the index of the phase that is shown and segmented on: the first post-contrast phase, else the first."""
    return next((index for index, phase in enumerate(phases) if phase.role == "post"), 0)


def nodeName(phase, examName):
    """Return the node name of a phase, such as ``Exam 1 Post 1 (+0 s)``."""
    return f"{examName} {phase.title}"


def labelNode(node, phase, examName=None):
    """Write role, number and time of `phase` into the attributes of `node`, and into its name if `examName` is set."""
    if examName is not None:
        node.SetName(nodeName(phase, examName))
    node.SetAttribute("BreastSeg.Role", phase.role)
    node.SetAttribute("BreastSeg.Phase", str(phase.number))
    node.SetAttribute("BreastSeg.TimeSeconds", "" if phase.time_s is None else f"{phase.time_s:g}")


def labelLeftOut(node, phase, examName):
    """Write into the attributes of `node` that its phase is left out; into its name too if it is called after it."""
    node.SetAttribute("BreastSeg.Role", "unused")
    node.SetAttribute("BreastSeg.Phase", None)
    if node.GetName().startswith(examName):
        node.SetName(_("{phase}, left out").format(phase=nodeName(phase, examName)))


def setVoxels(node, array):
    """Copy `array` (z, y, x) into the volume node; its geometry stays as it is."""
    image = vtk.vtkImageData()
    image.SetDimensions(array.shape[2], array.shape[1], array.shape[0])
    image.AllocateScalars(vtk.VTK_FLOAT, 1)
    vtk_to_numpy(image.GetPointData().GetScalars()).reshape(array.shape)[:] = array
    node.SetAndObserveImageData(image)


def addDisplay(node, window):
    """Give a volume node a grey display node with a window and a level, and return it."""
    # The window is set before the voxels come: otherwise the display node computes a histogram of the whole volume.
    display = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeDisplayNode")
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(*window)
    display.SetDefaultColorMap()
    node.SetAndObserveDisplayNodeID(display.GetID())
    return display


def windowOf(node):
    """Return window and level of a volume node; (1, 0.5) when it has no display node yet."""
    display = node.GetDisplayNode()
    return (display.GetWindow(), display.GetLevel()) if display is not None else (1.0, 0.5)


def makeFolder(examName):
    """Return the item ID of a new subject hierarchy folder for an exam."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    return hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), examName)


def putIntoFolder(node, folder):
    """Put `node` into a subject hierarchy folder; nodes that have no item of their own accord get one."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(node)
    if item:
        hierarchy.SetItemParent(item, folder)
    else:
        hierarchy.CreateItem(folder, node)


def addCompanion(className, name, folder):
    """Add a node that is made from an exam's phases, into a subject hierarchy folder, and return it.

    It is not saved with the scene: it is made again from the phases, which are.
    """
    node = slicer.mrmlScene.AddNewNodeByClass(className, name)
    node.SetSaveWithScene(False)
    node.SetAttribute(COMPANION, "1")
    putIntoFolder(node, folder)
    return node


def folderOf(exam):
    """Return the subject hierarchy folder of an exam, made when there is none.

    Volumes that the user had chosen stay where they are; their exam's folder holds what is made for it.
    """
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(exam.nodes[0]))
    if parent and hierarchy.GetItemName(parent) == exam.name:
        return parent
    found = hierarchy.GetItemByName(exam.name)
    return found if found and hierarchy.GetItemLevel(found) == FOLDER else makeFolder(exam.name)


def folderName(node):
    """Return the name of the subject hierarchy folder in which a node lies; '' at the top."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))
    return "" if not parent or parent == hierarchy.GetSceneItemID() else hierarchy.GetItemName(parent)


def removeLost(examName, folder=None):
    """Remove the items in an exam's subject hierarchy folder that have lost their node, and the folder if it is empty.

    The folder is found by the exam's name unless it is given.

    The Sequence and the plot are not saved with the scene, but their items are.
    """
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    folder = folder or hierarchy.GetItemByName(examName)
    if not folder or hierarchy.GetItemDataNode(folder) is not None:
        return
    children = vtk.vtkIdList()
    hierarchy.GetItemChildren(folder, children, False)
    lost = [
        item
        for item in (children.GetId(place) for place in range(children.GetNumberOfIds()))
        if hierarchy.GetItemDataNode(item) is None and hierarchy.GetItemLevel(item) != FOLDER
    ]
    for item in lost:
        hierarchy.RemoveItem(item)
    if len(lost) == children.GetNumberOfIds():
        hierarchy.RemoveItem(folder)


def putBeside(node, neighbour):
    """Put `node` into the subject hierarchy folder in which `neighbour` lies."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    putIntoFolder(node, hierarchy.GetItemParent(hierarchy.GetItemByDataNode(neighbour)))


def showPhase(node, fit=True):
    """Show the volume node in all slice views, in the standard orientations; not fitted where the view shall stay.

    A map that the user has chosen to see over the images is shown over this one too, if it has such a map.
    """
    slicer.util.setSliceViewerLayers(background=node, foreground=None, label=None, fit=fit)
    overlay.followAll()


def jumpTo(positionLps):
    """Show the slices through a position (x, y, z) in mm, LPS, in all slice views; the fields of view stay."""
    x, y, z = positionLps
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, -x, -y, z, slicer.vtkMRMLSliceNode.OffsetJumpSlice)


def uniqueExamName():
    """Return ``Exam 1``, ``Exam 2`` …: the first name that no subject hierarchy item has. Never patient data."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    number = 1
    while hierarchy.GetItemByName(_("Exam {number}").format(number=number)):
        number += 1
    return _("Exam {number}").format(number=number)


def _emptyNode(phase, geometry, examName, window):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", nodeName(phase, examName))
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(geometry.ijk_to_ras))
    labelNode(node, phase)
    addDisplay(node, window)
    return node


def removeNodes(nodes, folder):
    """Remove volume nodes with their display nodes, and their subject hierarchy folder."""
    for node in nodes:
        if slicer.mrmlScene.IsNodePresent(node):
            slicer.mrmlScene.RemoveNode(node.GetDisplayNode())
            slicer.mrmlScene.RemoveNode(node)
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene).RemoveItem(folder)

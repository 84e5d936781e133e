"""The phases of an exam as volume nodes, in order."""

import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from .texts import _


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
            _putIntoFolder(node, folder)
            yield len(nodes) - 1
            setVoxels(node, array)
            yield len(nodes)
    except BaseException:
        # GeneratorExit included: a cancelled load leaves nothing half done behind.
        _remove(nodes, folder)
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


def setVoxels(node, array):
    """Copy `array` (z, y, x) into the volume node; its geometry stays as it is."""
    image = vtk.vtkImageData()
    image.SetDimensions(array.shape[2], array.shape[1], array.shape[0])
    image.AllocateScalars(vtk.VTK_FLOAT, 1)
    vtk_to_numpy(image.GetPointData().GetScalars()).reshape(array.shape)[:] = array
    node.SetAndObserveImageData(image)


def makeFolder(examName):
    """Return the item ID of a new subject hierarchy folder for an exam."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    return hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), examName)


def putBeside(node, neighbour):
    """Put `node` into the subject hierarchy folder in which `neighbour` lies."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    _putIntoFolder(node, hierarchy.GetItemParent(hierarchy.GetItemByDataNode(neighbour)))


def showPhase(node, fit=True):
    """Show the volume node in all slice views, in the standard orientations; not fitted where the view shall stay."""
    slicer.util.setSliceViewerLayers(background=node, foreground=None, label=None, fit=fit)


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
    # The window is set before the voxels come: otherwise the display node computes a histogram of the whole volume.
    display = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeDisplayNode")
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(*window)
    display.SetDefaultColorMap()
    node.SetAndObserveDisplayNodeID(display.GetID())
    return node


def _putIntoFolder(node, folder):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), folder)


def _remove(nodes, folder):
    for node in nodes:
        if slicer.mrmlScene.IsNodePresent(node):
            slicer.mrmlScene.RemoveNode(node.GetDisplayNode())
            slicer.mrmlScene.RemoveNode(node)
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene).RemoveItem(folder)

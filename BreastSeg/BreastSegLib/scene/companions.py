"""What belongs to an exam beside its phases: the Sequence, its browser, and the enhancement plot."""

from dataclasses import dataclass, fields

import slicer
import vtk

from . import enhancementnodes, examnodes, sequencenode


@dataclass(frozen=True)
class Companions:
    """Nodes that are made for an exam and removed with it; None where there is none.

    Parameters
    ----------
    sequence : vtkMRMLSequenceNode
    browser : vtkMRMLSequenceBrowserNode
    overTime : vtkMRMLScalarVolumeNode
        What the browser plays.
    table, series, chart
        The plot's nodes.
    """

    sequence: object = None
    browser: object = None
    overTime: object = None
    table: object = None
    series: object = None
    chart: object = None


def makeCompanions(exam):
    """Make what belongs to an exam, inside its subject hierarchy folder. A generator: one thing a turn.

    Parameters
    ----------
    exam : SceneExam

    Yields
    ------
    None

    Returns
    -------
    Companions
        If the generator is closed or fails before its end, the nodes made so far are removed.
    """
    folder = examnodes.folderOf(exam)
    made = {}
    try:
        made["sequence"] = sequencenode.addSequence(exam, folder)
        yield
        made["browser"], made["overTime"] = sequencenode.addBrowser(exam, made["sequence"], folder)
        yield
        if exam.enhancement:
            made["table"], made["series"], made["chart"] = enhancementnodes.addPlot(exam, folder)
            yield
    except BaseException:
        # GeneratorExit included: a cancelled load leaves nothing half done behind.
        removeCompanions(Companions(**made))
        # A folder that was made for them goes too.
        examnodes.removeLost(exam.name)
        raise
    return Companions(**made)


def removeFound(exam):
    """Remove what was made for an exam and is still in the scene, by this session or by an earlier one."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    children = vtk.vtkIdList()
    hierarchy.GetItemChildren(examnodes.folderOf(exam), children, False)
    found = [hierarchy.GetItemDataNode(children.GetId(place)) for place in range(children.GetNumberOfIds())]
    _remove([node for node in found if node is not None and node.GetAttribute(examnodes.COMPANION)])


def updateCompanions(exam):
    """Bring the Sequence and the plot up to date after the phases were corrected; no voxel is copied."""
    found = exam.companions
    if isThere(found.sequence):
        sequencenode.fillSequence(found.sequence, exam)
    if isThere(found.browser):
        sequencenode.showSelected(found.browser, exam)
    if isThere(found.table) and isThere(found.chart):
        enhancementnodes.fillPlot(found.table, found.series, found.chart, exam)


def removeCompanions(companions):
    """Remove what belongs to an exam from the scene."""
    found = [getattr(companions, field.name) for field in fields(companions)]
    if isThere(companions.browser) and isThere(companions.sequence):
        # The browser has made another volume if the user had removed the first one.
        found.append(companions.browser.GetProxyNode(companions.sequence))
    _remove(dict.fromkeys(found))


def isThere(node):
    """Return whether there is such a node, and it is in the scene."""
    return node is not None and bool(slicer.mrmlScene.IsNodePresent(node))


def _remove(nodes):
    # The browser first: it would make a lost volume again.
    for node in sorted(filter(isThere, nodes), key=lambda node: not node.IsA("vtkMRMLSequenceBrowserNode")):
        display = node.GetDisplayNode() if node.IsA("vtkMRMLDisplayableNode") else None
        slicer.mrmlScene.RemoveNode(node)
        if isThere(display):
            slicer.mrmlScene.RemoveNode(display)

"""The phases of an exam as a Sequence with time values, which shares their voxels."""

import slicer
import vtk

from . import examnodes
from .texts import _


def addSequence(exam, folder):
    """Add a Sequence node with one item for each phase, in time order.

    Its voxels are those of the phase nodes, not copies. It is not saved with the scene, which would write every phase
    twice; the phases are saved, and the Sequence is made again from them.

    Parameters
    ----------
    exam : SceneExam
    folder : int
        Subject hierarchy item to put it in.

    Returns
    -------
    vtkMRMLSequenceNode
    """
    title = _("{exam} phases over time").format(exam=exam.name)
    node = examnodes.addCompanion("vtkMRMLSequenceNode", title, folder)
    fillSequence(node, exam)
    return node


def fillSequence(sequence, exam):
    """Give a Sequence the phases of `exam`: seconds as index when all times are known and rise, else phase numbers."""
    was = sequence.StartModify()
    sequence.RemoveAllDataNodes()
    times = timesOf(exam.phases)
    sequence.SetIndexName("time")
    sequence.SetIndexUnit("s" if times else "")
    sequence.SetIndexType(slicer.vtkMRMLSequenceNode.NumericIndex)
    for place, (phase, node) in enumerate(zip(exam.phases, exam.nodes)):
        value = f"{times[place]:.10g}" if times else str(place)
        sequence.SetDataNodeAtValue(_withoutVoxels(node, phase, exam.name), value)
        sequence.GetDataNodeAtValue(value).SetAndObserveImageData(node.GetImageData())
    sequence.EndModify(was)


def addBrowser(exam, sequence, folder):
    """Add a browser with which the user can play the phases, and the volume that it plays; no view changes.

    Returns
    -------
    (vtkMRMLSequenceBrowserNode, vtkMRMLScalarVolumeNode)
    """
    title = _("{exam} over time").format(exam=exam.name)
    played = examnodes.addCompanion("vtkMRMLScalarVolumeNode", title, folder)
    examnodes.addDisplay(played, examnodes.windowOf(exam.reference)).SetSaveWithScene(False)
    # Volumes that the user chose may lie under a transform.
    played.SetAndObserveTransformNodeID(exam.reference.GetTransformNodeID())
    title = _("{exam} browser").format(exam=exam.name)
    browser = examnodes.addCompanion("vtkMRMLSequenceBrowserNode", title, folder)
    # In one go: otherwise the logic makes a volume of its own before it hears of this one.
    was = browser.StartModify()
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    # With changes saved, the logic shares the voxels of the item; otherwise it copies them at every step.
    browser.SetSaveChanges(sequence, True)
    browser.SetOverwriteProxyName(sequence, False)
    browser.AddProxyNode(played, sequence, False)
    browser.EndModify(was)
    showSelected(browser, exam)
    return browser, browser.GetProxyNode(sequence)


def showSelected(browser, exam):
    """Let the browser's volume show the reference phase."""
    browser.SetSelectedItemNumber(examnodes.referenceIndex(exam.phases))
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)


def timesOf(phases):
    """Return the seconds of all phases when they are known and rise, else ()."""
    times = [phase.time_s for phase in phases]
    if any(time is None for time in times) or any(b <= a for a, b in zip(times, times[1:])):
        return ()
    return tuple(times)


def _withoutVoxels(node, phase, examName):
    bare = slicer.vtkMRMLScalarVolumeNode()
    bare.SetName(examnodes.nodeName(phase, examName))
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    bare.SetIJKToRASMatrix(matrix)
    examnodes.labelNode(bare, phase)
    # The volume that the browser plays takes the attributes of the item that it shows.
    bare.SetAttribute(examnodes.COMPANION, "1")
    return bare

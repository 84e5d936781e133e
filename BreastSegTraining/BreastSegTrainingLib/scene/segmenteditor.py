"""Slicer's Segment Editor, opened on a case's mask."""

import slicer
from BreastSegLib.errors import BadInput
from BreastSegLib.scene.texts import _

from .casemask import checkThere, segmentsOf

MODULE = "SegmentEditor"
# The module keeps its settings in the node with this tag.
TAG = "SegmentEditor"


def correct(segmentation, volume):
    """Open the Segment Editor with a segmentation, its first segment, and the volume that it was drawn on.

    Raises
    ------
    BadInput
        If they are gone, or the application has no window.
    """
    checkThere(segmentation, volume)
    editor = slicer.mrmlScene.GetSingletonNode(TAG, "vtkMRMLSegmentEditorNode")
    if editor is None:
        editor = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
        editor.UnRegister(None)
        editor.SetSingletonTag(TAG)
        editor = slicer.mrmlScene.AddNode(editor)
    segmentation.GetDisplayNode().SetVisibility(True)
    editor.SetAndObserveSegmentationNode(segmentation)
    editor.SetAndObserveSourceVolumeNode(volume)
    ids = [segmentId for segmentId, _name in segmentsOf(segmentation)]
    if ids and editor.GetSelectedSegmentID() not in ids:
        editor.SetSelectedSegmentID(ids[0])
    try:
        slicer.util.selectModule(MODULE)
    except RuntimeError as error:
        raise BadInput(_("The Segment Editor cannot be opened without a window")) from error

"""Slicer's Segment Editor, opened on a result."""

import slicer

from ..errors import BadInput
from .texts import _

MODULE = "SegmentEditor"
# The module keeps its settings in the node with this tag.
TAG = "SegmentEditor"


def edit(segmentation, volume, segmentId=""):
    """Open the Segment Editor with a segmentation and the volume that it was made on.

    Parameters
    ----------
    segmentation : vtkMRMLSegmentationNode
    volume : vtkMRMLScalarVolumeNode
    segmentId : str
        The segment to begin with; by default the first one, unless the user had chosen one.

    Raises
    ------
    BadInput
        If the application has no window.
    """
    editor = slicer.mrmlScene.GetSingletonNode(TAG, "vtkMRMLSegmentEditorNode")
    if editor is None:
        editor = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
        editor.UnRegister(None)
        editor.SetSingletonTag(TAG)
        editor = slicer.mrmlScene.AddNode(editor)
    segmentation.GetDisplayNode().SetVisibility(True)
    editor.SetAndObserveSegmentationNode(segmentation)
    editor.SetAndObserveSourceVolumeNode(volume)
    ids = segmentation.GetSegmentation().GetSegmentIDs()
    if segmentId in ids:
        editor.SetSelectedSegmentID(segmentId)
    elif ids and editor.GetSelectedSegmentID() not in ids:
        editor.SetSelectedSegmentID(ids[0])
    try:
        slicer.util.selectModule(MODULE)
    except RuntimeError as error:
        raise BadInput(_("The Segment Editor cannot be opened without a window")) from error

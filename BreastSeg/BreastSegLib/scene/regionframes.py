"""The square around each placed point: what the model will look at, drawn but not to be touched."""

import numpy as np
import slicer

from ..errors import BreastSegError
from . import fromnodes, regionnodes

# Node reference to the point's node, and the attribute that says which of its points.
OF, POINT = "BreastSegRegionFrameOf", "BreastSeg.RegionFramePoint"


def update(regions, exam):
    """Draw the square of each point in use, as large as it is, and remove squares that have lost theirs.

    Parameters
    ----------
    regions : sequence of regionnodes.Region
    exam : SceneMammograms or None
    """
    frames = {(node.GetNodeReferenceID(OF), node.GetAttribute(POINT)): node for node in _frames()}
    for region in regions:
        if region.point < 0 or not region.used or not _isUsable(region, exam):
            continue
        key = (region.node.GetID(), str(region.point))
        frame = frames.pop(key, None)
        _fit(frame if frame is not None else _newFrame(*key), region, exam.nodes[region.place])
    for lost in frames.values():
        regionnodes.removeNode(lost)


def _frames():
    return [node for node in slicer.util.getNodesByClass(regionnodes.BOX) if node.GetAttribute(POINT)]


def _isUsable(region, exam):
    try:
        regionnodes.regionJson(region, exam)
    except BreastSegError:
        return False
    return True


def _newFrame(nodeId, point):
    frame = slicer.mrmlScene.CreateNodeByClass(regionnodes.BOX)
    frame.UnRegister(None)
    # Before it comes into the scene: neither lists nor the subject hierarchy show it.
    frame.SetHideFromEditors(True)
    frame.SetSaveWithScene(False)
    frame.SetAttribute(POINT, point)
    slicer.mrmlScene.AddNode(frame)
    frame.SetNodeReferenceID(OF, nodeId)
    frame.SetLocked(True)
    frame.CreateDefaultDisplayNodes()
    display = frame.GetDisplayNode()
    display.SetSaveWithScene(False)
    display.SetVisibility3D(False)
    display.SetHandlesInteractive(False)
    display.SetFillVisibility(False)
    display.SetPropertiesLabelVisibility(False)
    display.SetPointLabelsVisibility(False)
    # The point itself is drawn by its own node.
    display.SetGlyphScale(0.01)
    return frame


def _fit(frame, region, image):
    geometry, size = fromnodes.geometryOf(image), regionnodes.sizeOf(region.node)
    pose = np.eye(4)
    pose[:3, :3] = np.diag([-1.0, -1.0, 1.0]) @ geometry.matrix
    pose[:3, 3] = regionnodes.worldPoints(region.node, region.point)[0]
    edges = (size, size, geometry.spacing[2])
    matrix = slicer.util.arrayFromVTKMatrix(frame.GetObjectToNodeMatrix())
    if not np.allclose(matrix, pose, atol=1e-6) or not np.allclose(frame.GetSize(), edges):
        frame.SetSize(*edges)
        frame.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(pose))
    color = region.node.GetDisplayNode().GetSelectedColor()
    if frame.GetDisplayNode().GetSelectedColor() != color:
        frame.GetDisplayNode().SetSelectedColor(*color)
        frame.GetDisplayNode().SetColor(*color)

"""Mammograms as one-slice volume nodes: true spacing, right side up, the grey values as the file wants them seen."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import slicer

from ..errors import BreastSegError
from ..exam.mammograms.view import View
from ..volume import Geometry
from . import examnodes
from .texts import _

RECORD, CURVE = "BreastSeg.ViewRecord", "BreastSeg.ToneCurve"
# The files do not tell where a mammogram lies in the patient. Each gets a plane of its own, so that a mask or a region
# on one can never be seen on another; far enough apart for the depth of any box that is drawn, and far above the
# scanner's table, so that nothing of them is seen on a DCE exam in the same scene.
FIRST_PLANE_MM, PLANE_DISTANCE_MM = 3000.0, 300.0


def addViewNodes(views, rows, store, examName):
    """Add one scalar volume node for each mammogram, in a plane of its own, inside one subject hierarchy folder.

    A generator: each turn does one slow thing.

    Parameters
    ----------
    views : sequence of View
    rows : sequence of dict
        As the worker describes them: array, geometry, tone.
    store : str or Path
        Folder of the arrays.
    examName : str
        What the node names begin with; no patient data.

    Yields
    ------
    int
        Number of mammograms that are in the scene so far.

    Returns
    -------
    list of vtkMRMLScalarVolumeNode
        In the order of `views`. If the generator is closed or fails before its end, the nodes made so far are removed.
    """
    nodes, folder, depth = [], examnodes.makeFolder(examName), _freeDepth()
    try:
        for view, row in zip(views, rows):
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", nodeName(view, examName))
            matrix = Geometry.from_json(row["geometry"]).ijk_to_ras
            matrix[2, 3] += depth + PLANE_DISTANCE_MM * len(nodes)
            nodes.append(node)
            node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
            labelNode(node, view)
            tone = row["tone"]
            display = examnodes.addDisplay(node, (tone["window"], tone["level"]))
            display.SetInterpolate(True)
            applyTone(node, tone)
            examnodes.putIntoFolder(node, folder)
            yield len(nodes) - 1
            examnodes.setVoxels(node, np.load(Path(store) / row["array"], mmap_mode="r"))
            yield len(nodes)
    except BaseException:
        # GeneratorExit included: a cancelled load leaves nothing half done behind.
        ramps = [node.GetDisplayNode().GetColorNode() for node in nodes if node.GetDisplayNode() is not None]
        examnodes.removeNodes(nodes, folder)
        for ramp in ramps:
            if ramp is not None and ramp.GetAttribute(CURVE):
                slicer.mrmlScene.RemoveNode(ramp)
        raise
    return nodes


def nodeName(view, examName):
    """Return the node name of a mammogram, such as ``Exam 1 Left CC``."""
    return f"{examName} {viewTitle(view)}"


def viewTitle(view):
    """Return what people read for a view, known or not, such as ``Left CC`` or ``View 3``."""
    return view.title if view.laterality or view.position else _("View {number}").format(number=view.number)


def labelNode(node, view, examName=None):
    """Write what is known of a view into the attributes of `node`, and into its name if `examName` is set."""
    if examName is not None:
        node.SetName(nodeName(view, examName))
    node.SetAttribute("BreastSeg.Laterality", view.laterality)
    node.SetAttribute("BreastSeg.View", view.position)
    node.SetAttribute("BreastSeg.SpacingKnown", "0" if view.spacing is None else "1")
    node.SetAttribute("BreastSeg.Intent", view.intent)
    # The windows are in the display node; a curve would be hundreds of numbers.
    node.SetAttribute(RECORD, json.dumps(replace(view, windows=()).to_json(), ensure_ascii=False))


def viewOf(node):
    """Return the view that `labelNode` wrote, or None when the node is no mammogram of an exam."""
    try:
        return View.from_json(json.loads(node.GetAttribute(RECORD) or "null"))
    except (ValueError, BreastSegError):
        return None


def correctViews(exam, choices):
    """Return `exam` with breast and view as the user set them by hand; the nodes are renamed.

    Parameters
    ----------
    exam : SceneMammograms
    choices : sequence of (str, str)
        Laterality (``L``, ``R`` or '') and position (``CC`` … or '') of each view.
    """
    views, seen = [], {}
    for view, (laterality, position) in zip(exam.views, choices):
        if (laterality, position) != (view.laterality, view.position):
            view = replace(view, laterality=laterality, position=position, evidence=_("set by hand"))
        seen[view.key] = seen.get(view.key, 0) + 1
        views.append(replace(view, repeat=seen[view.key]) if view.known else view)
    for node, view in zip(exam.nodes, views):
        labelNode(node, view, exam.name if node.GetName().startswith(exam.name) else None)
    return replace(exam, views=tuple(views))


def applyTone(node, tone):
    """Show a mammogram in one of its windows.

    Parameters
    ----------
    node : vtkMRMLScalarVolumeNode
    tone : dict
        ``window``, ``level`` and ``curve`` (None for a straight line).
    """
    display = node.GetDisplayNode()
    display.SetWindowLevel(tone["window"], tone["level"])
    if tone.get("curve"):
        display.SetAndObserveColorNodeID(_rampOf(tone["curve"], node.GetName()).GetID())
    else:
        display.SetDefaultColorMap()


def _freeDepth():
    """Return the first plane (S, mm) behind all mammograms in the scene."""
    nodes = [node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if node.GetAttribute(RECORD)]
    return max((node.GetOrigin()[2] + PLANE_DISTANCE_MM for node in nodes), default=FIRST_PLANE_MM)


def _rampOf(curve, name):
    """Return a grey scale that has the tone curve, so that the voxels stay as they are; one for all that are alike."""
    key = hashlib.sha256(json.dumps(curve).encode()).hexdigest()[:16]
    for node in slicer.util.getNodesByClass("vtkMRMLColorTableNode"):
        if node.GetAttribute(CURVE) == key:
            return node
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLColorTableNode", _("{name} greys").format(name=name))
    node.SetTypeToUser()
    node.SetHideFromEditors(True)
    node.SetAttribute(CURVE, key)
    node.SetNumberOfColors(len(curve))
    for place, grey in enumerate(curve):
        node.SetColor(place, str(place), grey, grey, grey, 1.0)
    return node

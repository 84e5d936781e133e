"""Two slice views side by side, original and prepared, and the views as they were before.

What the views showed before is kept in the layout node, so that anyone can give them back: the panel, another exam
that is shown, or a scene that was saved meanwhile.
"""

import json

import slicer

from . import sliceplanes

FORMER = "BreastSeg.ViewsBeforePreview"
LEFT, RIGHT = "Red", "Yellow"
LAYERS = ("BackgroundVolumeID", "ForegroundVolumeID", "LabelVolumeID")
LINKS = ("LinkedControl", "HotLinkedControl")


def isShown():
    """Return whether the views are side by side for a preview."""
    manager = slicer.app.layoutManager()
    return manager is not None and bool(_layoutNode(manager).GetAttribute(FORMER))


def enter():
    """Put two slice views side by side; what they showed is kept. Their new sizes come with the next turn."""
    manager = slicer.app.layoutManager()
    if manager is None or isShown():
        return
    layout = _layoutNode(manager)
    arrangement = layout.GetViewArrangement()
    # Before the layout changes: it makes views that are not there yet.
    views = {name: _stateOf(manager.sliceWidget(name)) for name in (LEFT, RIGHT) if manager.sliceWidget(name)}
    layout.SetAttribute(FORMER, json.dumps({"layout": arrangement, "views": views}))
    layout.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView)


def showPair(original, prepared, linked, fit=True):
    """Show the original on the left and what the network sees on the right.

    Parameters
    ----------
    original, prepared : vtkMRMLScalarVolumeNode
    linked : bool
        True: both views in the same plane of the patient, scrolled together. False, for mammograms: the left one
        upright as it is read, the right one along the prepared image's own axes.
    fit : bool
        Show both whole; otherwise the fields of view stay.
    """
    manager = slicer.app.layoutManager()
    if manager is None or not isShown():
        return
    left, right = manager.sliceWidget(LEFT), manager.sliceWidget(RIGHT)
    for widget, node in ((left, original), (right, prepared)):
        composite = widget.sliceLogic().GetSliceCompositeNode()
        # The link copies what one view shows to the other one: off until both are set.
        for link in LINKS:
            getattr(composite, f"Set{link}")(False)
        composite.SetBackgroundVolumeID(node.GetID())
        composite.SetForegroundVolumeID(None)
        composite.SetLabelVolumeID(None)
    if not fit:
        pass
    elif linked:
        _fitTogether(left, right)
    else:
        sliceplanes.setPlane(left.mrmlSliceNode(), original)
        sliceplanes.setOwnPlane(right.mrmlSliceNode(), prepared)
        for widget in (left, right):
            widget.sliceLogic().FitSliceToAll()
            widget.mrmlSliceNode().UpdateMatrices()
    for widget in (left, right):
        for link in LINKS:
            getattr(widget.sliceLogic().GetSliceCompositeNode(), f"Set{link}")(bool(linked))


def showOriginal(node):
    """Show another original on the left; the rest stays."""
    manager = slicer.app.layoutManager()
    if manager is not None and isShown():
        manager.sliceWidget(LEFT).sliceLogic().GetSliceCompositeNode().SetBackgroundVolumeID(node.GetID())


def leave():
    """Give the views what they showed before, and the layout, unless the user chose another since."""
    manager = slicer.app.layoutManager()
    if manager is None or not isShown():
        return
    layout = _layoutNode(manager)
    text = layout.GetAttribute(FORMER)
    layout.RemoveAttribute(FORMER)
    former = _read(text)
    if layout.GetViewArrangement() == slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView:
        layout.SetViewArrangement(former["layout"])
    for name in (LEFT, RIGHT):
        widget = manager.sliceWidget(name)
        if widget is not None:
            _restore(widget, former["views"].get(name))


def _layoutNode(manager):
    return manager.layoutLogic().GetLayoutNode()


def _fitTogether(left, right):
    """Show the same plane, in the same place and size, in both views; the slice stays."""
    node, other = left.mrmlSliceNode(), right.mrmlSliceNode()
    offset = node.GetSliceOffset()
    logic = left.sliceLogic()
    logic.FitSliceToAll()
    logic.SetSliceOffset(offset)
    node.UpdateMatrices()
    other.GetSliceToRAS().DeepCopy(node.GetSliceToRAS())
    width, _height, depth = node.GetFieldOfView()
    across, down, _one = other.GetDimensions()
    # The height follows the view's own shape, so that pixels are square.
    other.SetFieldOfView(width, width * down / max(across, 1), depth)
    other.SetXYZOrigin(*node.GetXYZOrigin())
    other.UpdateMatrices()


def _stateOf(widget):
    sliceNode, composite = widget.mrmlSliceNode(), widget.sliceLogic().GetSliceCompositeNode()
    matrix = sliceNode.GetSliceToRAS()
    return {
        "plane": [matrix.GetElement(row, column) for row in range(4) for column in range(4)],
        "size": list(sliceNode.GetDimensions()),
        "fieldOfView": list(sliceNode.GetFieldOfView()),
        "origin": list(sliceNode.GetXYZOrigin()),
        "layers": {layer: getattr(composite, f"Get{layer}")() for layer in LAYERS},
        "links": {link: bool(getattr(composite, f"Get{link}")()) for link in LINKS},
    }


def _restore(widget, state):
    sliceNode, composite = widget.mrmlSliceNode(), widget.sliceLogic().GetSliceCompositeNode()
    for link in LINKS:
        getattr(composite, f"Set{link}")(False)
    if state is None:
        # The view was made for the preview, or the scene comes from elsewhere.
        for layer in LAYERS:
            getattr(composite, f"Set{layer}")(None)
        sliceNode.SetOrientationToDefault()
        return
    for layer, nodeId in state["layers"].items():
        found = nodeId and slicer.mrmlScene.GetNodeByID(nodeId)
        getattr(composite, f"Set{layer}")(nodeId if found and found.IsA("vtkMRMLVolumeNode") else None)
    sliceNode.GetSliceToRAS().DeepCopy(state["plane"])
    # With the former size: the view gets it back in the next turn, and would change the field of view otherwise.
    sliceNode.SetDimensions(*state["size"])
    sliceNode.SetFieldOfView(*state["fieldOfView"])
    sliceNode.SetXYZOrigin(*state["origin"])
    sliceNode.UpdateMatrices()
    for link, on in state["links"].items():
        getattr(composite, f"Set{link}")(on)


def _read(text):
    """Return what `enter` kept; the usual layout where it is damaged."""
    try:
        former = json.loads(text)
        views = {name: state for name, state in former["views"].items() if _isState(state)}
        return {"layout": int(former["layout"]), "views": views}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {"layout": slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView, "views": {}}


def _isState(state):
    sizes = {"plane": 16, "size": 3, "fieldOfView": 3, "origin": 3}
    return all(len(state[name]) == size for name, size in sizes.items()) and set(state["layers"]) <= set(LAYERS)

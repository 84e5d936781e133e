"""One view for mammograms, and the former layout again for exams in three dimensions."""

import slicer

from . import overlay, previewlayout
from .sliceplanes import setPlane

FORMER_LAYOUT = "BreastSeg.FormerLayout"
VIEW, SECOND_VIEW = "Red", "Yellow"
# Attribute of the layout node: the second view was laid into a mammogram's plane too.
SECOND_LAID = "BreastSeg.SecondViewLaid"


def showInSingleView(node):
    """Show a one-slice volume alone: upright in its own plane, whole, in the red view.

    Parameters
    ----------
    node : vtkMRMLScalarVolumeNode
    """
    manager = slicer.app.layoutManager()
    if manager is None:
        return
    previewlayout.leave()
    _arrange(manager.layoutLogic().GetLayoutNode(), slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
    _fill(manager.sliceWidget(VIEW), node)


def showSideBySide(nodes):
    """Show two one-slice volumes beside each other, each upright and whole, in the red and the yellow view.

    Parameters
    ----------
    nodes : sequence of vtkMRMLScalarVolumeNode
        Two.
    """
    manager = slicer.app.layoutManager()
    if manager is None:
        return
    previewlayout.leave()
    layout = manager.layoutLogic().GetLayoutNode()
    _arrange(layout, slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView)
    layout.SetAttribute(SECOND_LAID, "1")
    for name, node in zip((VIEW, SECOND_VIEW), nodes):
        _fill(manager.sliceWidget(name), node)


def _arrange(layout, arrangement):
    """Change the layout; the one before mammograms were shown is kept."""
    if layout.GetViewArrangement() == arrangement:
        return
    if layout.GetAttribute(FORMER_LAYOUT) is None or layout.GetViewArrangement() not in _ours():
        layout.SetAttribute(FORMER_LAYOUT, str(layout.GetViewArrangement()))
    layout.SetViewArrangement(arrangement)


def _ours():
    layouts = slicer.vtkMRMLLayoutNode
    return (layouts.SlicerLayoutOneUpRedSliceView, layouts.SlicerLayoutSideBySideView)


def _fill(widget, node):
    if widget is None:
        return
    # Only this view: the others keep what they show.
    logic, sliceNode = widget.sliceLogic(), widget.mrmlSliceNode()
    composite = logic.GetSliceCompositeNode()
    composite.SetBackgroundVolumeID(node.GetID())
    composite.SetForegroundVolumeID(None)
    composite.SetLabelVolumeID(None)
    overlay.follow(composite)
    setPlane(sliceNode, node)
    logic.FitSliceToAll()
    sliceNode.UpdateMatrices()


def leaveSingleView():
    """Give the views the layout that they had before a mammogram was shown, unless the user chose another since."""
    manager = slicer.app.layoutManager()
    if manager is None:
        return
    previewlayout.leave()
    layout = manager.layoutLogic().GetLayoutNode()
    former = layout.GetAttribute(FORMER_LAYOUT)
    layout.RemoveAttribute(FORMER_LAYOUT)
    if former is None:
        return
    if layout.GetViewArrangement() in _ours():
        layout.SetViewArrangement(int(former))
    names = (VIEW, SECOND_VIEW) if layout.GetAttribute(SECOND_LAID) else (VIEW,)
    layout.RemoveAttribute(SECOND_LAID)
    for name in names:
        widget = manager.sliceWidget(name)
        if widget is not None:
            widget.mrmlSliceNode().SetOrientationToDefault()

"""One view for mammograms, and the former layout again for exams in three dimensions."""

import slicer

from . import overlay, previewlayout
from .sliceplanes import setPlane

FORMER_LAYOUT = "BreastSeg.FormerLayout"
VIEW = "Red"


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
    layouts = slicer.vtkMRMLLayoutNode
    layout = manager.layoutLogic().GetLayoutNode()
    if layout.GetViewArrangement() != layouts.SlicerLayoutOneUpRedSliceView:
        layout.SetAttribute(FORMER_LAYOUT, str(layout.GetViewArrangement()))
        layout.SetViewArrangement(layouts.SlicerLayoutOneUpRedSliceView)
    widget = manager.sliceWidget(VIEW)
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
    if layout.GetViewArrangement() == slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView:
        layout.SetViewArrangement(int(former))
    widget = manager.sliceWidget(VIEW)
    if widget is not None:
        widget.mrmlSliceNode().SetOrientationToDefault()

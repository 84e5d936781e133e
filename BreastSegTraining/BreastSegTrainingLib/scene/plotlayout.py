"""A layout with a plot view for curves, and the former layout again."""

import slicer

FORMER_LAYOUT = "BreastSegTraining.LayoutBeforePlot"


def enter():
    """See to it that the layout has a plot view; what it was before is kept."""
    manager = slicer.app.layoutManager()
    if manager is None:
        return
    layouts = slicer.vtkMRMLLayoutNode
    layout = manager.layoutLogic().GetLayoutNode()
    arrangement = layout.GetViewArrangement()
    if _shownPlots(manager):
        return
    layout.SetAttribute(FORMER_LAYOUT, str(arrangement))
    layout.SetViewArrangement(layouts.SlicerLayoutFourUpPlotView)


def leave():
    """Give the views the layout that they had before `enter`, unless the user chose another since."""
    manager = slicer.app.layoutManager()
    if manager is None:
        return
    layout = manager.layoutLogic().GetLayoutNode()
    former = layout.GetAttribute(FORMER_LAYOUT)
    layout.RemoveAttribute(FORMER_LAYOUT)
    if former is not None and layout.GetViewArrangement() == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView:
        layout.SetViewArrangement(int(former))


def _shownPlots(manager):
    """Return whether a plot view belongs to the layout: views that it leaves out are hidden."""
    widgets = [manager.plotWidget(place) for place in range(manager.plotViewCount)]
    return any(widget is not None and not widget.isHidden() for widget in widgets)

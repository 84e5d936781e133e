"""The small plot of the breast's mean enhancement under the phase table."""

import slicer

from ..scene.companions import isThere

LAYOUT_NAME = "BreastSegEnhancement"
HEIGHT = 170


class EnhancementPlot:
    """Shows the chart of an exam inside the panel, not in the views.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file, by name.
    """

    def __init__(self, ui):
        self._frame = ui.plotFrame
        self._view = slicer.qMRMLPlotView()
        self._view.setMinimumHeight(HEIGHT)
        self._view.setMaximumHeight(HEIGHT)
        ui.plotFrame.layout().addWidget(self._view)
        # The wheel scrolls the panel; it must not change the plot on the way.
        self._view.chart().SetZoomWithMouseWheel(False)
        self._chart = None
        self.show(None)

    def show(self, chart):
        """Show a chart node; None, or one that is no longer in the scene, hides the plot."""
        self._chart = chart
        if not isThere(chart):
            self._frame.setVisible(False)
            return
        self._view.setMRMLScene(slicer.mrmlScene)
        node = _viewNode(chart)
        node.SetPlotChartNodeID(chart.GetID())
        self._view.setMRMLPlotViewNode(node)
        self._frame.setVisible(True)

    def hideLost(self):
        """Hide the plot when its chart is no longer in the scene."""
        if self._chart is not None and not isThere(self._chart):
            self.show(None)


def _viewNode(chart):
    """Return the plot view node of the panel; the chart owns it, so that the layout manager makes no view for it."""
    scene = slicer.mrmlScene
    node = scene.GetSingletonNode(LAYOUT_NAME, "vtkMRMLPlotViewNode")
    if node is None:
        node = slicer.vtkMRMLPlotViewNode()
        node.SetName(LAYOUT_NAME)
        node.SetLayoutName(LAYOUT_NAME)
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        node.SetAndObserveParentLayoutNodeID(chart.GetID())
        node = scene.AddNode(node)
    node.SetAndObserveParentLayoutNodeID(chart.GetID())
    # The chart that the user chooses for the views does not concern this one. Closing the scene forgets it.
    node.SetDoPropagatePlotChartSelection(False)
    return node

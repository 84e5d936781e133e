"""A small plot in the panel."""

import slicer

from ..scene.companions import isThere

HEIGHT = 170


class ChartBox:
    """Shows a chart node inside the panel, not in the views.

    Parameters
    ----------
    frame : qt.QWidget
        Has a layout; is hidden when there is nothing to show.
    layoutName : str
        Of the plot view node; no other box may have it.
    height : int
        Of the plot, in pixels.
    legendBeside : bool
        Whether a legend lies beside the curves instead of over them.
    """

    def __init__(self, frame, layoutName, height=HEIGHT, legendBeside=False):
        self._frame, self._layoutName = frame, layoutName
        self._view = slicer.qMRMLPlotView()
        self._view.setMinimumHeight(height)
        self._view.setMaximumHeight(height)
        frame.layout().addWidget(self._view)
        # The wheel scrolls the panel; it must not change the plot on the way.
        self._view.chart().SetZoomWithMouseWheel(False)
        self._view.chart().GetLegend().SetInline(not legendBeside)
        self._chart = None
        self.show(None)

    def show(self, chart):
        """Show a chart node; None, or one that is no longer in the scene, hides the plot."""
        self._chart = chart
        if not isThere(chart):
            self._frame.setVisible(False)
            return
        self._view.setMRMLScene(slicer.mrmlScene)
        node = self._viewNode(chart)
        node.SetPlotChartNodeID(chart.GetID())
        self._view.setMRMLPlotViewNode(node)
        self._frame.setVisible(True)

    def hideLost(self):
        """Hide the plot when its chart is no longer in the scene."""
        if self._chart is not None and not isThere(self._chart):
            self.show(None)

    def _viewNode(self, chart):
        """Return the box's plot view node; the chart owns it, so that the layout manager makes no view for it."""
        scene = slicer.mrmlScene
        node = scene.GetSingletonNode(self._layoutName, "vtkMRMLPlotViewNode")
        if node is None:
            node = slicer.vtkMRMLPlotViewNode()
            node.SetName(self._layoutName)
            node.SetLayoutName(self._layoutName)
            node.SetHideFromEditors(True)
            node.SetSaveWithScene(False)
            node.SetAndObserveParentLayoutNodeID(chart.GetID())
            node = scene.AddNode(node)
        node.SetAndObserveParentLayoutNodeID(chart.GetID())
        # The chart that the user chooses for the views does not concern this one. Closing the scene forgets it.
        node.SetDoPropagatePlotChartSelection(False)
        return node

"""Plot views: a scene chart drawn with VTK's charts, off screen."""

import vtk
from PySide6 import QtCore, QtWidgets

from .vtkview import VtkView, grabImage

POINT_STYLES = {
    0: vtk.vtkPlotPoints.NONE,
    1: vtk.vtkPlotPoints.CROSS,
    2: vtk.vtkPlotPoints.PLUS,
    3: vtk.vtkPlotPoints.SQUARE,
    4: vtk.vtkPlotPoints.CIRCLE,
    5: vtk.vtkPlotPoints.DIAMOND,
}


class PlotView(VtkView):
    """Draws the chart that a plot view node shows (the application's qMRMLPlotView)."""

    dataSelected = QtCore.Signal(object, object)
    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None
        self._viewNode = None
        self._observers = []
        self._renderWindow.RemoveRenderer(self._renderer)
        self._contextView = vtk.vtkContextView()
        self._contextView.SetRenderWindow(self._renderWindow)
        self._contextView.GetRenderer().SetBackground(1, 1, 1)
        self._chart = vtk.vtkChartXY()
        self._contextView.GetScene().AddItem(self._chart)

    # What qMRMLPlotView and ctkVTKChartView offer

    def setMRMLScene(self, scene):
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)

    def setMRMLPlotViewNode(self, node):
        self._viewNode = node
        self._refresh()

    def chart(self):
        return self._chart

    def scene(self):
        return self._contextView.GetScene()

    def fitToContent(self):
        self._chart.RecalculateBounds()
        self.scheduleRender()

    def saveAsSVG(self, fileName):
        exporter = vtk.vtkSVGExporter()
        exporter.SetRenderWindow(self._renderWindow)
        exporter.SetFileName(fileName)
        exporter.Write()

    # Following the nodes

    def _observe(self, node) -> None:
        self._observers.append((node, node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._refresh())))

    def _refresh(self) -> None:
        for node, tag in self._observers:
            node.RemoveObserver(tag)
        self._observers = []
        self._chart.ClearPlots()
        if self._viewNode is None:
            return
        self._observe(self._viewNode)
        chartNode = self._viewNode.GetPlotChartNode()
        if chartNode is None:
            self.scheduleRender()
            return
        self._observe(chartNode)
        self._decorate(chartNode)
        for index in range(chartNode.GetNumberOfPlotSeriesNodes()):
            series = chartNode.GetNthPlotSeriesNode(index)
            if series and series.GetTableNode():
                self._observe(series)
                self._observe(series.GetTableNode())
                self._addSeries(series)
        self._chart.RecalculateBounds()
        self.scheduleRender()

    def _decorate(self, chartNode) -> None:
        self._chart.SetTitle(chartNode.GetTitle() or "" if chartNode.GetTitleVisibility() else "")
        self._chart.SetShowLegend(chartNode.GetLegendVisibility())
        self._chart.GetTitleProperties().SetFontSize(chartNode.GetTitleFontSize())
        axes = (
            (vtk.vtkAxis.BOTTOM, chartNode.GetXAxisTitle(), chartNode.GetXAxisTitleVisibility()),
            (vtk.vtkAxis.LEFT, chartNode.GetYAxisTitle(), chartNode.GetYAxisTitleVisibility()),
        )
        ranges = (
            None if chartNode.GetXAxisRangeAuto() else chartNode.GetXAxisRange(),
            None if chartNode.GetYAxisRangeAuto() else chartNode.GetYAxisRange(),
        )
        for (position, title, visible), limits in zip(axes, ranges):
            axis = self._chart.GetAxis(position)
            axis.GetTitleProperties().SetFontSize(chartNode.GetAxisTitleFontSize())
            axis.GetLabelProperties().SetFontSize(chartNode.GetAxisLabelFontSize())
            axis.SetTitle(title or "" if visible else "")
            axis.SetGridVisible(chartNode.GetGridVisibility())
            axis.SetBehavior(vtk.vtkAxis.AUTO if limits is None else vtk.vtkAxis.FIXED)
            if limits is not None:
                axis.SetRange(*limits)

    def _addSeries(self, series) -> None:
        kind = series.GetPlotType()
        if kind in (series.PlotTypeBar, series.PlotTypeScatterBar):
            plot = self._chart.AddPlot(vtk.vtkChart.BAR)
        else:
            plot = self._chart.AddPlot(vtk.vtkChart.LINE)
            plot.SetMarkerStyle(POINT_STYLES.get(series.GetMarkerStyle(), vtk.vtkPlotPoints.NONE))
            plot.SetMarkerSize(series.GetMarkerSize())
            plot.GetPen().SetLineType(series.GetLineStyle() if series.GetLineStyle() else vtk.vtkPen.NO_PEN)
            plot.SetWidth(series.GetLineWidth())
        plot.SetColor(*(int(255 * part) for part in series.GetColor()), 255)
        plot.SetLabel(series.GetName())
        table = series.GetTableNode().GetTable()
        scattered = series.GetXColumnName() and kind in (series.PlotTypeScatter, series.PlotTypeScatterBar)
        if scattered:
            plot.SetInputData(table, series.GetXColumnName(), series.GetYColumnName())
        else:
            plot.SetInputData(table)
            plot.SetUseIndexForXSeries(True)
            plot.SetInputArray(1, series.GetYColumnName())

    def _render(self):
        size = max(self.width(), 2), max(self.height(), 2)
        if self._renderWindow.GetSize() != size:
            self._renderWindow.SetSize(*size)
            self._chart.SetSize(vtk.vtkRectf(0, 0, *size))
        self._renderWindow.Render()
        self._image = grabImage(self._renderWindow)
        self._stale = False
        self.update()


class PlotWidget(QtWidgets.QWidget):
    """A plot view in the layout (the application's qMRMLPlotWidget)."""

    def __init__(self, viewNode, parent=None):
        super().__init__(parent)
        self._viewNode = viewNode
        self._view = PlotView(self)
        self._view.setMRMLScene(viewNode.GetScene())
        self._view.setMRMLPlotViewNode(viewNode)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._view)

    def plotView(self):
        return self._view

    def viewWidget(self):
        return self._view

    def mrmlPlotViewNode(self):
        return self._viewNode

    def mrmlAbstractViewNode(self):
        return self._viewNode

"""The cases of an evaluation as points of a plot: table, series and chart nodes, never saved with the scene."""

import math

import slicer
import vtk

COLOURS = {"raw": (0.55, 0.60, 0.66), "cleaned": (0.00, 0.32, 0.60)}
MARKER_SIZE, TITLE_SIZE, LABEL_SIZE = 7.0, 12, 11
MARGIN = 0.06


class PointPlot:
    """A chart with one point for each case, from the worst to the best.

    Parameters
    ----------
    name : str
        What the nodes are called.
    """

    def __init__(self, name):
        self._name, self._nodes, self._chart = name, [], None

    @property
    def chart(self):
        """vtkMRMLPlotChartNode or None: what a plot view shows."""
        return self._chart

    def show(self, columns, across, up, title=""):
        """Show values.

        Parameters
        ----------
        columns : sequence of (str, str, sequence of float)
            Stage, title, and its values in the order of the points.
        across, up, title : str
            Of the axes and the plot.
        """
        self.remove()
        contents, place = vtk.vtkTable(), "place"
        longest = max((len(values) for _stage, _title, values in columns), default=0)
        contents.AddColumn(_column(place, range(1, longest + 1), longest))
        for stage, _title, values in columns:
            contents.AddColumn(_column(stage, values, longest))
        table = self._add("vtkMRMLTableNode", self._name)
        table.SetAndObserveTable(contents)
        chart = self._chart = self._add("vtkMRMLPlotChartNode", self._name)
        for stage, name, _values in columns:
            series = self._add("vtkMRMLPlotSeriesNode", name)
            series.SetAndObserveTableNodeID(table.GetID())
            series.SetPlotType(series.PlotTypeScatter)
            series.SetLineStyle(series.LineStyleNone)
            series.SetMarkerStyle(series.MarkerStyleCircle)
            series.SetMarkerSize(MARKER_SIZE)
            series.SetColor(*COLOURS[stage])
            series.SetXColumnName(place)
            series.SetYColumnName(stage)
            chart.AddAndObservePlotSeriesNodeID(series.GetID())
        # A legend would hide points.
        chart.SetTitle(title)
        chart.SetTitleFontSize(LABEL_SIZE)
        chart.SetTitleVisibility(bool(title))
        chart.SetLegendVisibility(False)
        chart.SetGridVisibility(True)
        chart.SetXAxisTitle(across)
        chart.SetYAxisTitle(up)
        chart.SetAxisTitleFontSize(TITLE_SIZE)
        chart.SetAxisLabelFontSize(LABEL_SIZE)
        chart.SetXAxisRangeAuto(False)
        chart.SetYAxisRangeAuto(False)
        chart.SetXAxisRange(0.0, longest + 1.0)
        chart.SetYAxisRange(_range([value for _stage, _title, values in columns for value in values]))
        return chart

    def remove(self):
        """Take the nodes out of the scene."""
        for node in self._nodes:
            if slicer.mrmlScene.IsNodePresent(node):
                slicer.mrmlScene.RemoveNode(node)
        self._nodes, self._chart = [], None

    def _add(self, kind, name):
        node = slicer.mrmlScene.AddNewNodeByClass(kind, name)
        node.SetSaveWithScene(False)
        self._nodes.append(node)
        return node


def _column(name, values, longest):
    column = vtk.vtkDoubleArray()
    column.SetName(name)
    values = [float(value) for value in values]
    for value in (*values, *[float("nan")] * (longest - len(values))):
        column.InsertNextValue(value)
    return column


def _range(values):
    values = [value for value in values if math.isfinite(value)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    # Shares are judged on their whole scale.
    low, high = (0.0, 1.0) if low >= 0 and high <= 1 else (min(0.0, low), high)
    margin = MARGIN * ((high - low) or 1.0)
    return low - margin, high + margin

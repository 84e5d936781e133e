"""The mean enhancement of the breast over time as a plot: table, series and chart nodes."""

import vtk

from . import examnodes
from .sequencenode import timesOf
from .texts import _

COLOUR = (0.10, 0.35, 0.66)
MARKER_SIZE, LINE_WIDTH = 9.0, 2.0
TITLE_SIZE, LABEL_SIZE = 12, 11
# So that no point lies on the frame, where half of it would be cut off.
MARGIN = 0.08


def addPlot(exam, folder):
    """Add the nodes of the plot for an exam whose enhancement is known.

    Parameters
    ----------
    exam : SceneExam
    folder : int
        Subject hierarchy item to put them in.

    Returns
    -------
    (vtkMRMLTableNode, vtkMRMLPlotSeriesNode, vtkMRMLPlotChartNode)
    """
    title = _("{exam} mean enhancement").format(exam=exam.name)
    kinds = ("vtkMRMLTableNode", "vtkMRMLPlotSeriesNode", "vtkMRMLPlotChartNode")
    table, series, chart = (examnodes.addCompanion(kind, title, folder) for kind in kinds)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetPlotType(series.PlotTypeScatter)
    series.SetLineStyle(series.LineStyleSolid)
    series.SetMarkerStyle(series.MarkerStyleCircle)
    series.SetMarkerSize(MARKER_SIZE)
    series.SetLineWidth(LINE_WIDTH)
    series.SetColor(*COLOUR)
    chart.SetAndObserveNthPlotSeriesNodeID(0, series.GetID())
    chart.SetTitleVisibility(False)
    chart.SetLegendVisibility(False)
    chart.SetGridVisibility(True)
    chart.SetAxisTitleFontSize(TITLE_SIZE)
    chart.SetAxisLabelFontSize(LABEL_SIZE)
    fillPlot(table, series, chart, exam)
    return table, series, chart


def fillPlot(table, series, chart, exam):
    """Write the enhancement of the phases in use into the plot.

    The horizontal axis counts seconds; where the times are unknown, or do not rise in the order of the phases, it
    counts phases, so that the curve shows the order that the model will see.
    """
    times, percent = timesOf(exam.phases), exam.enhancement
    across = _("Time after first post-contrast phase (s)") if times else _("Phase")
    up = _("Enhancement (%)")
    places = times or [phase.number for phase in exam.phases]
    contents = vtk.vtkTable()
    for title, values in ((across, places), (up, percent)):
        column = vtk.vtkDoubleArray()
        column.SetName(title)
        for value in values:
            column.InsertNextValue(float(value))
        contents.AddColumn(column)
    names = vtk.vtkStringArray()
    names.SetName(_("Name"))
    for phase in exam.phases:
        names.InsertNextValue(phase.title)
    contents.AddColumn(names)
    table.SetAndObserveTable(contents)
    series.SetXColumnName(across)
    series.SetYColumnName(up)
    series.SetLabelColumnName(_("Name"))
    chart.SetXAxisTitle(across)
    chart.SetYAxisTitle(up)
    chart.SetXAxisRangeAuto(False)
    chart.SetYAxisRangeAuto(False)
    chart.SetXAxisRange(_range(places))
    chart.SetYAxisRange(_range(percent))
    table.Modified()


def _range(values):
    low, high = min(values), max(values)
    margin = MARGIN * ((high - low) or 1.0)
    return low - margin, high + margin

"""The grey values before and after preparation as a plot: table, series and chart nodes."""

import numpy as np
import vtk

from . import examnodes
from .texts import _

BEFORE_COLOUR, AFTER_COLOUR = (0.45, 0.45, 0.45), (0.10, 0.35, 0.66)
LINE_WIDTH = 2.0
TITLE_SIZE, LABEL_SIZE = 12, 11
# Air outnumbers everything else: the plot is this many times as high as the peak of the tissue, and air is cut off.
TISSUE = 2.0
HEADROOM = 1.1


def addHistogram(name, folder):
    """Add the nodes of a plot with two curves, still empty.

    Parameters
    ----------
    name : str
        What the nodes are called.
    folder : int
        Subject hierarchy item to put them in.

    Returns
    -------
    (vtkMRMLTableNode, vtkMRMLPlotSeriesNode, vtkMRMLPlotSeriesNode, vtkMRMLPlotChartNode)
        Table, before, after, chart.
    """
    table = examnodes.addCompanion("vtkMRMLTableNode", name, folder)
    both = []
    columns = ((_("Value before"), _("Voxels before")), (_("Value after"), _("Voxels after")))
    for colour, (across, up) in zip((BEFORE_COLOUR, AFTER_COLOUR), columns):
        series = examnodes.addCompanion("vtkMRMLPlotSeriesNode", name, folder)
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetPlotType(series.PlotTypeScatter)
        series.SetLineStyle(series.LineStyleSolid)
        series.SetMarkerStyle(series.MarkerStyleNone)
        series.SetLineWidth(LINE_WIDTH)
        series.SetColor(*colour)
        series.SetXColumnName(across)
        series.SetYColumnName(up)
        both.append(series)
    chart = examnodes.addCompanion("vtkMRMLPlotChartNode", name, folder)
    for place, series in enumerate(both):
        chart.SetAndObserveNthPlotSeriesNodeID(place, series.GetID())
    chart.SetTitleVisibility(False)
    chart.SetLegendVisibility(True)
    chart.SetGridVisibility(True)
    chart.SetAxisTitleFontSize(TITLE_SIZE)
    chart.SetAxisLabelFontSize(LABEL_SIZE)
    return table, *both, chart


def fillHistogram(nodes, before, after):
    """Write two histograms into the plot.

    Their units differ, such as signal and standard deviations: each runs over its own range, which its name tells.

    Parameters
    ----------
    nodes : tuple
        What `addHistogram` returned.
    before, after : dict
        ``low`` and ``high`` of the range, ``counts`` in bins of equal width; as many in both.
    """
    table, *both, chart = nodes
    titles = (_("Before ({low} to {high})"), _("After ({low} to {high})"))
    contents, highest = vtk.vtkTable(), 0.0
    for series, title, histogram in zip(both, titles, (before, after)):
        shares = sharesOf(histogram["counts"])
        title = title.format(low=_plain(histogram["low"]), high=_plain(histogram["high"]))
        width = 100.0 / max(len(shares), 1)
        contents.AddColumn(_column(series.GetXColumnName(), [(place + 0.5) * width for place in range(len(shares))]))
        contents.AddColumn(_column(series.GetYColumnName(), shares))
        series.SetName(title)
        highest = max(highest, heightOf(shares))
    table.SetAndObserveTable(contents)
    chart.SetXAxisTitle(_("Value (% of its range)"))
    chart.SetYAxisTitle(_("Voxels (%)"))
    chart.SetXAxisRangeAuto(False)
    chart.SetYAxisRangeAuto(False)
    chart.SetXAxisRange(0.0, 100.0)
    chart.SetYAxisRange(0.0, HEADROOM * (highest or 1.0))
    table.Modified()


def sharesOf(counts):
    """Return counts in percent of their sum; zeros where there is nothing."""
    total = float(sum(counts))
    return [100.0 * count / total if total > 0 else 0.0 for count in counts]


def heightOf(shares):
    """Return how high the plot has to be: the highest bar, less where the air would hide the tissue."""
    highest = max(shares, default=0.0)
    smooth = np.convolve(shares, np.ones(3) / 3, mode="same") if len(shares) > 3 else np.array([])
    place = int(smooth[: len(smooth) // 4].argmax()) if smooth.size else 0
    # Downhill from the air's peak to the valley behind it.
    while place + 1 < smooth.size and smooth[place + 1] <= smooth[place]:
        place += 1
    tissue = max(shares[place:], default=0.0) if place + 1 < smooth.size else 0.0
    return min(highest, TISSUE * tissue) if tissue > 0 else highest


def _column(name, values):
    column = vtk.vtkDoubleArray()
    column.SetName(name)
    for value in values:
        column.InsertNextValue(float(value))
    return column


def _plain(value):
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"

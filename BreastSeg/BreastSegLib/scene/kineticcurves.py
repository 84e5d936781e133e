"""The enhancement curves of an exam's lesions in the scene: table, series and chart nodes for plot views.

The nodes know their exam by references to its volumes, so that they are found again when a scene comes back.
"""

import math

import slicer
import vtk

from . import examnodes
from .companions import isThere
from .texts import _

# Attribute of every node here: what it is. References: the exam's volumes.
ROLE, IMAGES = "BreastSeg.Kinetics", "BreastSegKineticsImages"
# Reference of a chart: the segmentation that was measured.
RESULT = "BreastSegKineticsResult"
TABLE, MARK_TABLE, CHART, TISSUE, MARK = "table", "shown phase table", "chart", "tissue", "shown phase"
# Told apart with any colour vision, and by the marker when printed in grey.
COLOURS = ((0.75, 0.10, 0.15), (0.00, 0.25, 0.56), (0.90, 0.52, 0.03), (0.43, 0.16, 0.52), (0.00, 0.50, 0.45))
TISSUE_COLOUR, MARK_COLOUR = (0.45, 0.45, 0.45), (0.25, 0.25, 0.25)
# More curves than that hide each other: the largest lesions, and the chosen one.
MOST_CURVES = len(COLOURS)
CHOSEN_WIDTH, LINE_WIDTH, MARK_WIDTH = 3.5, 1.5, 1.5
CHOSEN_MARKER, MARKER_SIZE = 10.0, 7.0
TITLE_SIZE, LABEL_SIZE, LEGEND_SIZE = 12, 11, 11
# Beyond the outermost points, so that none lies on the frame.
MARGIN = 0.08
LEAST_SPAN = 20.0


def showCurves(exam, measures, chosen=1, result=None):
    """Write the curves of a measurement into the exam's nodes, which are made when they are missing.

    Parameters
    ----------
    exam : SceneExam
    measures : dict
        The measures of the exam as JSON.
    chosen : int
        ``label`` of the lesion whose curve is the thick one.
    result : vtkMRMLSegmentationNode, optional
        What was measured.

    Returns
    -------
    vtkMRMLPlotChartNode or None
        None, and no nodes, when nothing was measured over time.
    """
    phases, rows = measures["phases"], curvesOf(measures)
    tissue = (measures.get("tissue") or {}).get("curve_pct")
    tissue = tissue if tissue and len(tissue) == len(phases) else None
    if len(phases) < 2 or not (rows or tissue):
        remove(exam)
        return None
    across, places = axisOf(phases)
    table, chart = _node(exam, TABLE, "vtkMRMLTableNode"), _node(exam, CHART, "vtkMRMLPlotChartNode")
    columns = {columnOf(row): row["curve_pct"] for row in rows}
    if tissue:
        columns[_("Normal tissue (%)")] = tissue
    _fillTable(table, across, places, phases, columns)
    series = [
        _lesionSeries(exam, table, across, row, place, row["label"] == chosen)
        for place, row in enumerate(drawn(rows, chosen))
    ]
    if tissue:
        series.append(_tissueSeries(exam, table, across))
    _removeOthers(exam, series)
    limits = _limits(places), _limits([value for row in columns.values() for value in row], LEAST_SPAN)
    chart.SetNodeReferenceID(RESULT, result.GetID() if isThere(result) else None)
    _decorate(chart, across, *limits)
    _fillMark(exam, None, places, limits[1])
    series.append(_markSeries(exam))
    _setSeries(chart, series)
    return chart


def curvesOf(measures):
    """Return the rows of lesions that have a curve with one finite value for each phase."""
    count = len(measures["phases"])
    return [
        row
        for row in measures.get("lesions") or ()
        if len(row.get("curve_pct") or ()) == count
        and all(value is not None and math.isfinite(value) for value in row["curve_pct"])
    ]


def drawn(rows, chosen):
    """Return the rows whose curves are drawn: the first ones, and the chosen one, in their order."""
    if len(rows) <= MOST_CURVES:
        return list(rows)
    first = list(rows[:MOST_CURVES])
    if all(row["label"] != chosen for row in first):
        first[-1] = next((row for row in rows if row["label"] == chosen), first[-1])
    return first


def lesionTitle(row):
    """Return what people read for a lesion, such as ``Lesion 1``."""
    return _("Lesion {number}").format(number=row["label"])


def columnOf(row):
    """Return the column of the table that holds the curve of a lesion."""
    return _("{lesion} (%)").format(lesion=lesionTitle(row))


def axisOf(phases):
    """Return the title of the horizontal axis and where on it each phase lies.

    Seconds; the numbers of the phases where the times are unknown or do not rise.

    Parameters
    ----------
    phases : sequence of dict
        As in the measures' JSON.

    Returns
    -------
    (str, list of float)
    """
    times = [phase.get("time_s") for phase in phases]
    if any(time is None for time in times) or any(b <= a for a, b in zip(times, times[1:])):
        return _("Phase"), [float(place) for place in range(len(phases))]
    return _("Time after first post-contrast phase (s)"), [float(time) for time in times]


def markPhase(exam, place):
    """Draw a line where a phase lies.

    Parameters
    ----------
    exam : SceneExam
    place : int or None
        Which of the phases of the table; None draws none.
    """
    chart, table = nodeOf(exam, CHART), nodeOf(exam, TABLE)
    if chart is None or table is None or table.GetTable().GetNumberOfColumns() < 2:
        return
    column = table.GetTable().GetColumn(1)
    places = [float(column.GetVariantValue(row).ToString()) for row in range(column.GetNumberOfValues())]
    _fillMark(exam, place, places, chart.GetYAxisRange())


def chartOf(exam, result=None):
    """Return the chart of an exam that is in the scene, made now or before the scene was saved; None without one.

    Parameters
    ----------
    exam : SceneExam
    result : vtkMRMLSegmentationNode, optional
        Only if this one was measured.
    """
    chart = nodeOf(exam, CHART)
    return chart if chart is not None and (result is None or chart.GetNodeReference(RESULT) is result) else None


def nodeOf(exam, role):
    """Return the node of an exam with a role; None when it is not in the scene."""
    return next((node for node in nodesOf(exam) if node.GetAttribute(ROLE) == role), None)


def nodesOf(exam):
    """Return all nodes of the curves of an exam: charts first, tables last."""
    own = {image.GetID() for image in exam.nodes if isThere(image)}
    return [node for node in allNodes() if own & set(imageIds(node))]


def allNodes():
    """Return the nodes of all curves in the scene: charts first, tables last."""
    kinds = ("vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode", "vtkMRMLTableNode")
    return [node for kind in kinds for node in slicer.util.getNodesByClass(kind) if node.GetAttribute(ROLE)]


def imageIds(node):
    """Return the IDs of the exam's volumes that a node belongs to, as far as they are in the scene."""
    count = node.GetNumberOfNodeReferences(IMAGES)
    found = [node.GetNthNodeReference(IMAGES, place) for place in range(count)]
    return [image.GetID() for image in found if image is not None and image.GetScene() is not None]


def partsOf(chart):
    """Return all nodes of the curves that a chart belongs to, the chart included."""
    own = set(imageIds(chart))
    return [node for node in allNodes() if node is chart or own & set(imageIds(node))]


def remove(exam):
    """Remove the curves of an exam from the scene."""
    removeNodes(nodesOf(exam))


def removeNodes(nodes):
    """Remove nodes, as far as they are still in the scene."""
    for node in nodes:
        if isThere(node):
            slicer.mrmlScene.RemoveNode(node)


def _node(exam, role, className, name=None):
    """Return the node of an exam with a role, which is added when there is none."""
    node = nodeOf(exam, role)
    if node is None:
        title = name or _("{exam} enhancement curves").format(exam=exam.name)
        node = slicer.mrmlScene.AddNewNodeByClass(className, title)
        node.SetAttribute(ROLE, role)
        for image in exam.nodes:
            node.AddNodeReferenceID(IMAGES, image.GetID())
        examnodes.putIntoFolder(node, examnodes.folderOf(exam))
    return node


def _fillTable(node, across, places, phases, columns):
    table = vtk.vtkTable()
    names = vtk.vtkStringArray()
    names.SetName(_("Name"))
    for phase in phases:
        names.InsertNextValue(_phaseTitle(phase))
    table.AddColumn(names)
    for title, values in {across: places, **columns}.items():
        column = vtk.vtkDoubleArray()
        column.SetName(title)
        for value in values:
            column.InsertNextValue(float(value))
        table.AddColumn(column)
    node.SetAndObserveTable(table)
    node.Modified()


def _phaseTitle(phase):
    kind = {"pre": _("Pre"), "post": _("Post")}.get(phase.get("role"), str(phase.get("role") or ""))
    number, time = phase.get("number"), phase.get("time_s")
    title = f"{kind} {number}" if phase.get("role") == "post" and number is not None else kind
    return title if time is None else _("{phase} ({time} s)").format(phase=title, time=f"{time:+.0f}")


def _lesionSeries(exam, table, across, row, place, isChosen):
    series = _node(exam, f"lesion {row['label']}", "vtkMRMLPlotSeriesNode", lesionTitle(row))
    markers = (
        series.MarkerStyleCircle,
        series.MarkerStyleSquare,
        series.MarkerStyleDiamond,
        series.MarkerStylePlus,
        series.MarkerStyleCross,
    )
    series.SetName(lesionTitle(row))
    _connect(series, table, across, columnOf(row))
    series.SetColor(*COLOURS[place % len(COLOURS)])
    series.SetMarkerStyle(markers[place % len(markers)])
    series.SetMarkerSize(CHOSEN_MARKER if isChosen else MARKER_SIZE)
    series.SetLineStyle(series.LineStyleSolid)
    series.SetLineWidth(CHOSEN_WIDTH if isChosen else LINE_WIDTH)
    return series


def _tissueSeries(exam, table, across):
    series = _node(exam, TISSUE, "vtkMRMLPlotSeriesNode", _("Normal tissue"))
    _connect(series, table, across, _("Normal tissue (%)"))
    series.SetColor(*TISSUE_COLOUR)
    series.SetMarkerStyle(series.MarkerStyleNone)
    series.SetLineStyle(series.LineStyleDash)
    series.SetLineWidth(2.0)
    return series


def _markSeries(exam):
    table = nodeOf(exam, MARK_TABLE)
    series = _node(exam, MARK, "vtkMRMLPlotSeriesNode", _("Shown phase"))
    _connect(series, table, "x", "y")
    series.SetColor(*MARK_COLOUR)
    series.SetMarkerStyle(series.MarkerStyleNone)
    series.SetLineStyle(series.LineStyleDot)
    series.SetLineWidth(MARK_WIDTH)
    return series


def _fillMark(exam, place, places, limits):
    """Write the ends of the line; without a phase they lie together, where the line cannot be seen."""
    node = _node(exam, MARK_TABLE, "vtkMRMLTableNode", _("{exam} shown phase").format(exam=exam.name))
    node.SetHideFromEditors(True)
    shown = place is not None and 0 <= place < len(places)
    points = [(places[place], end) for end in limits] if shown else [(places[0], limits[0])] * 2
    table = vtk.vtkTable()
    for name, values in zip(("x", "y"), zip(*points)):
        column = vtk.vtkDoubleArray()
        column.SetName(name)
        for value in values:
            column.InsertNextValue(float(value))
        table.AddColumn(column)
    node.SetAndObserveTable(table)
    node.Modified()


def _connect(series, table, across, up):
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetPlotType(series.PlotTypeScatter)
    series.SetXColumnName(across)
    series.SetYColumnName(up)


def _removeOthers(exam, series):
    """Remove the series of an exam that are no longer drawn."""
    kept = {node.GetID() for node in series}
    roles = {TABLE, MARK_TABLE, CHART, MARK}
    others = [node for node in nodesOf(exam) if node.GetAttribute(ROLE) not in roles and node.GetID() not in kept]
    removeNodes(others)


def _setSeries(chart, series):
    wanted = [node.GetID() for node in series]
    found = [chart.GetNthPlotSeriesNodeID(place) for place in range(chart.GetNumberOfPlotSeriesNodes())]
    if found != wanted:
        chart.RemoveAllPlotSeriesNodeIDs()
        for identifier in wanted:
            chart.AddAndObservePlotSeriesNodeID(identifier)


def _decorate(chart, across, xLimits, yLimits):
    chart.SetTitleVisibility(False)
    chart.SetLegendVisibility(True)
    chart.SetGridVisibility(True)
    chart.SetAxisTitleFontSize(TITLE_SIZE)
    chart.SetAxisLabelFontSize(LABEL_SIZE)
    chart.SetLegendFontSize(LEGEND_SIZE)
    chart.SetXAxisTitle(across)
    chart.SetYAxisTitle(_("Enhancement (%)"))
    chart.SetXAxisRangeAuto(False)
    chart.SetYAxisRangeAuto(False)
    chart.SetXAxisRange(*xLimits)
    chart.SetYAxisRange(*yLimits)


def _limits(values, leastSpan=1.0):
    low, high = min(values), max(values)
    margin = MARGIN * max(high - low, leastSpan)
    return low - margin, high + margin

"""The curves of a training in plot views: table, series and chart nodes that grow while it runs."""

import numpy as np
import slicer
import vtk
from BreastSegLib.scene import examnodes
from BreastSegLib.scene.texts import _

LOSS, DICE, RATE, TIME = CHARTS = ("loss", "dice", "rate", "time")
# Dark to light, told apart with any colour vision: those of the figures.
COLOURS = (
    (0.00, 0.13, 0.31),
    (0.75, 0.33, 0.23),
    (0.21, 0.41, 0.55),
    (0.49, 0.11, 0.33),
    (0.42, 0.64, 0.52),
    (0.91, 0.64, 0.24),
    (0.62, 0.76, 0.85),
)
BEST_COLOUR = (0.1, 0.1, 0.1)
LINE_WIDTH, FAINT_WIDTH, BEST_SIZE = 2.0, 1.0, 14.0
TITLE_SIZE, LABEL_SIZE, LEGEND_SIZE = 12, 11, 10
# Shares of a plot's height: a row of the legend, and what the legend may take at most.
LEGEND_ROW, MOST_LEGEND = 0.055, 0.6
LEAST_SPAN, MARGIN = 0.05, 0.05
EPOCH = "epoch"
_VALUES = ("train_losses", "val_losses", "mean_fg_dice", "ema_fg_dice", "lrs", "epoch_times")


class CurvePlot:
    """The curves of one training in the scene: four charts, none of which is saved with the scene.

    The nodes are made once and then grow: `update` writes only the rows that are new, and starts over where a fold
    went back to an earlier checkpoint. Nodes that the user has deleted, or that went with the scene, are made again.

    Parameters
    ----------
    name : str
        Of the training; begins the names of the nodes and the titles.
    """

    def __init__(self, name):
        self._name, self._folder = name, None
        self._charts, self._tables, self._series, self._written = {}, {}, {}, {}
        self._marked = None

    @property
    def charts(self):
        """dict: vtkMRMLPlotChartNode by ``loss``, ``dice``, ``rate`` and ``time``; empty before `show`."""
        return dict(self._charts)

    def chart(self, kind=LOSS):
        """Return a chart node (for a plot view in the panel); None before `show` and after `remove`."""
        return self._charts.get(kind)

    def show(self, curves, kind=LOSS):
        """Make the charts, or bring them up to date, and show one of them in the plot views of the layout, if any.

        Parameters
        ----------
        curves : sequence of Curves
            One for each fold.
        kind : {'loss', 'dice', 'rate', 'time'}
        """
        self.update(curves)
        manager = slicer.app.layoutManager()
        for place in range(manager.plotViewCount if manager is not None else 0):
            view = manager.plotWidget(place).mrmlPlotViewNode()
            if view is not None:
                view.SetPlotChartNodeID(self._charts[kind].GetID())

    def update(self, curves):
        """Write what is new of the curves into the nodes.

        Parameters
        ----------
        curves : sequence of Curves
        """
        if not self.isThere:
            self.remove()
            self._makeCharts()
        changed = [self._write(one) for one in curves]
        for number, one in enumerate(curves):
            self._addSeries(number, one, len(curves) > 1)
        if any(changed):
            self._mark(curves)
            self._leaveRoom(curves)

    @property
    def isThere(self):
        """bool: whether all its nodes are in the scene."""
        return bool(self._charts) and all(
            slicer.mrmlScene.IsNodePresent(node)
            for node in (*self._charts.values(), *self._tables.values(), *self._series.values())
        )

    def remove(self):
        """Take all nodes out of the scene."""
        for node in (*self._charts.values(), *self._series.values(), *self._tables.values()):
            if slicer.mrmlScene.IsNodePresent(node):
                slicer.mrmlScene.RemoveNode(node)
        if self._folder is not None and self._charts:
            # Only an empty folder goes: the user may have put something into it.
            examnodes.removeLost(self._folderName)
            self._removeEmptyFolder()
        self._charts, self._tables, self._series, self._written = {}, {}, {}, {}
        self._folder = self._marked = None

    @property
    def _folderName(self):
        return _("Curves of {name}").format(name=self._name)

    def _makeCharts(self):
        # The nodes of a saved scene are not saved, but their items are.
        examnodes.removeLost(self._folderName)
        self._folder = examnodes.makeFolder(self._folderName)
        titles = {
            LOSS: (_("{name}: loss"), _("Loss")),
            DICE: (_("{name}: pseudo-Dice and its moving average"), _("Pseudo-Dice")),
            RATE: (_("{name}: learning rate"), _("Learning rate")),
            TIME: (_("{name}: time of an epoch"), _("Time of an epoch (s)")),
        }
        for kind, (title, axis) in titles.items():
            title = title.format(name=self._name)
            chart = examnodes.addCompanion("vtkMRMLPlotChartNode", title, self._folder)
            chart.SetTitle(title)
            chart.SetTitleVisibility(True)
            chart.SetTitleFontSize(TITLE_SIZE)
            chart.SetXAxisTitle(_("Epoch"))
            chart.SetYAxisTitle(axis)
            chart.SetAxisTitleFontSize(TITLE_SIZE)
            chart.SetAxisLabelFontSize(LABEL_SIZE)
            chart.SetLegendVisibility(True)
            chart.SetLegendFontSize(LEGEND_SIZE)
            chart.SetGridVisibility(True)
            self._charts[kind] = chart

    def _write(self, one):
        """Bring a fold's table up to date; return whether anything was new."""
        node = self._tables.get(one.name)
        if node is None:
            node = self._tables[one.name] = self._addTable(one.name, (EPOCH, *_VALUES))
        former = self._written.get(one.name)
        rows = np.column_stack([getattr(one, name) for name in _VALUES])
        if former is not None and np.array_equal(former, rows, equal_nan=True):
            return False
        table = node.GetTable()
        start = 0 if former is None else len(former)
        if former is not None and not (len(rows) >= start and np.array_equal(former, rows[:start], equal_nan=True)):
            for column in range(table.GetNumberOfColumns()):
                table.GetColumn(column).SetNumberOfValues(0)
            start = 0
        for epoch in range(start, len(rows)):
            table.GetColumnByName(EPOCH).InsertNextValue(float(epoch))
            for name, value in zip(_VALUES, rows[epoch]):
                table.GetColumnByName(name).InsertNextValue(float(value))
        _touch(node)
        self._written[one.name] = rows
        return True

    def _addSeries(self, number, one, several):
        """Add the series of a fold that have a value to show and are not there yet."""
        colour = COLOURS[number % len(COLOURS)]
        prefix = f"{one.name}, " if several else ""
        wanted = (
            (LOSS, "train_losses", _("training"), False, LINE_WIDTH),
            (LOSS, "val_losses", _("validation"), True, LINE_WIDTH),
            (DICE, "mean_fg_dice", _("pseudo-Dice"), True, FAINT_WIDTH),
            (DICE, "ema_fg_dice", _("moving average"), False, LINE_WIDTH),
            (RATE, "lrs", _("learning rate"), False, LINE_WIDTH),
            (TIME, "epoch_times", _("time"), False, LINE_WIDTH),
        )
        for kind, values, word, dashed, width in wanted:
            key = (kind, one.name, values)
            if key in self._series:
                self._series[key].SetName(f"{prefix}{word}")
                continue
            if not np.isfinite(getattr(one, values)).any():
                continue
            series = self._newSeries(kind, key, f"{prefix}{word}", self._tables[one.name], (EPOCH, values))
            series.SetLineStyle(series.LineStyleDash if dashed else series.LineStyleSolid)
            series.SetMarkerStyle(series.MarkerStyleNone)
            series.SetLineWidth(width)
            # Training and validation of a single fold differ in colour too.
            series.SetColor(*(COLOURS[1] if dashed and not several else colour))

    def _mark(self, curves):
        """Put a mark on the best epoch of each fold."""
        best = [
            (float(one.best_epoch), float(one.ema_fg_dice[one.best_epoch]))
            for one in curves
            if one.best_epoch is not None and np.isfinite(one.ema_fg_dice[one.best_epoch])
        ]
        if best == self._marked or not (best or self._marked):
            return
        key = (DICE, "", "best")
        columns = (EPOCH, "best")
        if key not in self._series:
            self._tables[key] = self._addTable(_("best epochs"), columns)
            series = self._newSeries(DICE, key, _("best epoch"), self._tables[key], columns)
            series.SetLineStyle(series.LineStyleNone)
            series.SetMarkerStyle(series.MarkerStyleDiamond)
            series.SetMarkerSize(BEST_SIZE)
            series.SetColor(*BEST_COLOUR)
        table = self._tables[key].GetTable()
        for place, name in enumerate(columns):
            table.GetColumnByName(name).SetNumberOfValues(0)
            for point in best:
                table.GetColumnByName(name).InsertNextValue(point[place])
        if len(curves) == 1 and best:
            text = _("best epoch {epoch} ({value})").format(epoch=int(best[0][0]), value=f"{best[0][1]:.3f}")
            self._series[key].SetName(text)
        else:
            self._series[key].SetName(_("best epoch"))
        _touch(self._tables[key])
        self._marked = best

    def _leaveRoom(self, curves):
        """Let the pseudo-Dice, which rises to the right, end below the legend, which lies there."""
        values = np.concatenate([np.concatenate([one.mean_fg_dice, one.ema_fg_dice]) for one in curves])
        values = values[np.isfinite(values)]
        chart = self._charts[DICE]
        chart.SetYAxisRangeAuto(not values.size)
        if values.size:
            low, high = float(values.min()), float(values.max())
            legend = min(MOST_LEGEND, LEGEND_ROW * chart.GetNumberOfPlotSeriesNodes())
            span = max(high - low, LEAST_SPAN)
            chart.SetYAxisRange(low - MARGIN * span, low + span / (1 - legend))

    def _newSeries(self, kind, key, name, table, columns):
        series = self._series[key] = examnodes.addCompanion("vtkMRMLPlotSeriesNode", name, self._folder)
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetPlotType(series.PlotTypeScatter)
        series.SetXColumnName(columns[0])
        series.SetYColumnName(columns[1])
        self._charts[kind].AddAndObservePlotSeriesNodeID(series.GetID())
        return series

    def _addTable(self, name, columns):
        title = f"{self._name}: {name}"
        node = examnodes.addCompanion("vtkMRMLTableNode", title, self._folder)
        table = vtk.vtkTable()
        for column in columns:
            array = vtk.vtkDoubleArray()
            array.SetName(column)
            table.AddColumn(array)
        node.SetAndObserveTable(table)
        return node

    def _removeEmptyFolder(self):
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        children = vtk.vtkIdList()
        hierarchy.GetItemChildren(self._folder, children, False)
        if hierarchy.GetItemName(self._folder) == self._folderName and children.GetNumberOfIds() == 0:
            hierarchy.RemoveItem(self._folder)


def _touch(node):
    """Tell the plots that a table has grown."""
    table = node.GetTable()
    for column in range(table.GetNumberOfColumns()):
        table.GetColumn(column).Modified()
    table.Modified()
    node.Modified()

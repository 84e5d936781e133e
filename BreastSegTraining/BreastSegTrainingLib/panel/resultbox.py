"""The lower part of step 5: what an evaluation has found, as tables and a plot."""

import math

from BreastSegLib.panel.chartbox import ChartBox
from BreastSegLib.scene.texts import _

from ..scene.pointnodes import PointPlot
from . import evaluationfile
from .choicebox import ChoiceBox
from .resulttables import CaseTable, SummaryTable

VIEW = "BreastSegTrainingCases"
FEWEST = 2  # points of a plot


class ResultBox:
    """Shows one evaluation.

    Parameters
    ----------
    ui : object
        The widgets of the .ui files, by name.
    onCase : callable
        ``onCase(row)``: the user clicked on a case.
    """

    def __init__(self, ui, onCase):
        self._ui, self.evaluation, self.measure = ui, None, ""
        self.statistic = ChoiceBox(ui.statisticBox, evaluationfile.STATISTICS, self._showSummary)
        self.summary = SummaryTable(ui.summaryTable, self._onMeasure)
        self.cases = CaseTable(ui.resultCaseTable, onCase)
        self._chartBox, self._plot = ChartBox(ui.pointsFrame, VIEW), PointPlot(_("Evaluated cases"))
        ui.resultFrame.setVisible(False)

    def show(self, evaluation):
        """Show another evaluation; None for none."""
        self.evaluation = evaluation
        self._ui.resultFrame.setVisible(evaluation is not None)
        if evaluation is None:
            self.reset()
            return
        if self.measure not in evaluation.measures:
            self.measure = evaluation.measures[0] if evaluation.measures else ""
        self._ui.resultLabel.text = evaluation.inWords()
        self._ui.resultLabel.setToolTip(str(evaluation.path))
        self._showSummary()
        self._showMeasure()

    def reset(self):
        """The scene is closing: the plot's nodes go."""
        self._chartBox.show(None)
        self._plot.remove()

    def showPlot(self):
        """Show the plot again, as after the scene was closed."""
        evaluation, measure = self.evaluation, self.measure
        if evaluation is None or not measure:
            return
        judged = evaluation.order(evaluation.stage, evaluation.isWorseHigh(measure), measure)
        columns = []
        for stage in evaluation.stages:
            known = [evaluation.value(row, stage, measure) for row in judged]
            values = [float("nan") if value is None else value for value in known]
            columns.append((stage, evaluationfile.stageTitle(stage), values))
        # One point, or none, says nothing that the table does not say.
        if any(sum(map(math.isfinite, values)) < FEWEST for _stage, _title, values in columns):
            self.reset()
            return
        self._chartBox.show(None)
        title = evaluation.record["measures"][measure]["title"]
        unit = evaluation.record["measures"][measure].get("unit")
        up = f"{title} ({unit})" if unit else title
        colours = _("Grey: as predicted; blue: cleaned up") if len(columns) > 1 else ""
        self._chartBox.show(self._plot.show(columns, _("Cases, from the worst to the best"), up, colours))

    def _showSummary(self):
        if self.evaluation is not None:
            self.summary.show(self.evaluation, self.statistic.value, self.measure)

    def _showMeasure(self):
        evaluation, measure = self.evaluation, self.measure
        if not measure:
            return
        sentences = [evaluation.sentence(stage, measure) for stage in evaluation.stages]
        self._ui.measureLabel.text = "\n".join([evaluation.title(measure), *sentences])
        self._ui.casesHeadLabel.text = _("The worst cases first; click on one to see image, reference and prediction.")
        self.cases.show(evaluation, measure)
        self.showPlot()

    def _onMeasure(self, measure):
        self.measure = measure
        self._showMeasure()

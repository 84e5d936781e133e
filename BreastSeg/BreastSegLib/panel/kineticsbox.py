"""How the lesions enhance over time: their curves, numbers and maps, and the thresholds that they depend on."""

import logging
from pathlib import Path

import slicer

from ..errors import BadInput, BreastSegError, Cancelled
from ..measures.settings import Settings
from ..scene import kineticcurves, kineticsflow, mapnodes, overlay
from ..scene.companions import isThere
from ..scene.texts import _
from . import state
from .chartbox import ChartBox
from .kineticsnumbers import KineticsNumbers
from .kineticsscene import KineticsScene
from .kineticsthresholds import KineticsThresholds
from .runner import Runner
from .segmentstep import sideTitle, stageTitle

UI = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "Kinetics.ui"
PLOT_VIEW = "BreastSegKinetics"
PLOT_HEIGHT = 240
ERROR_STYLE = "color: #c0392b; font-weight: bold;"


class KineticsBox:
    """The group "Kinetics".

    Parameters
    ----------
    group : ctk.ctkCollapsibleButton
        Is hidden for mammograms.
    layout : qt.QVBoxLayout
        Where the contents go.
    session : scene.session.Session
    log : callable
        Called with each line for the log.
    onMeasured : callable, optional
        Called with the result as it was, and with its new measures: what else shows it has to follow.
    onWork : callable, optional
        Called when a measurement begins or has ended: other work of the panel has to wait meanwhile.
    onRead : callable, optional
        Called with the result when its segments have been read: what is edited from then on is not measured.
    """

    def __init__(self, group, layout, session, log, onMeasured=None, onWork=None, onRead=None):
        self._group, self._session, self._log = group, session, log
        self._onRead = onRead or (lambda result: None)
        self._onMeasured, self._onWork = onMeasured, onWork
        top = slicer.util.loadUI(str(UI))
        layout.addWidget(top)
        self.ui = slicer.util.childWidgetVariables(top)
        self._exam = self._result = self._measures = None
        self._idle, self._wish, self._status = True, None, ("", False)
        self.numbers = KineticsNumbers(self.ui)
        self.thresholds = KineticsThresholds(self.ui, self._onThreshold)
        self.plot = ChartBox(self.ui.kineticsPlotFrame, PLOT_VIEW, PLOT_HEIGHT, legendBeside=True)
        self.runner = Runner(top, session)
        self._scene = KineticsScene(self._onViews)
        self._kinds = ()
        self._connect()
        self.show(None, None)

    @property
    def working(self):
        """bool: whether a measurement is being done."""
        return self.runner.working

    @property
    def chosen(self):
        """int: ``label`` of the chosen lesion; 0 without one."""
        row = self._row()
        return row["label"] if row else 0

    def show(self, exam, result):
        """Show the kinetics of a result; what is shown already stays as it is.

        Parameters
        ----------
        exam : SceneExam, SceneMammograms or None
        result : SceneResult or None
        """
        measures = getattr(result, "measures", None)
        exam = exam if exam is None or exam.kind == "dce" else None
        same = exam is self._exam and result is self._result and measures is self._measures
        if self.working and (exam is not self._exam or result is not self._result):
            self._abandon()
        if not same:
            self._status = ("", False)
            self._exam, self._result, self._measures = exam, result, measures
            if measures and measures.get("settings"):
                self._showSettings(measures["settings"])
            self._offerLesions()
            self._draw()
        self.refresh(self._idle)

    def showGroup(self, exam):
        """Show or hide the group: mammograms have no kinetics."""
        self._group.setVisible(exam is None or exam.kind == "dce")

    def choose(self, label):
        """Choose a lesion by its ``label``, as the user does in the table of lesions."""
        labels = [row["label"] for row in self._rows()]
        if label in labels and labels.index(label) != self.ui.kineticsLesionBox.currentIndex:
            self.ui.kineticsLesionBox.setCurrentIndex(labels.index(label))

    def refresh(self, idle):
        """Bring the group up to date.

        Parameters
        ----------
        idle : bool
            Whether nothing else is being done in the panel.
        """
        self._idle = idle
        self._scene.dropLost()
        self.plot.hideLost()
        ui, note = self.ui, self._note()
        can = self._exam is not None and kineticsflow.canMeasure(self._exam, Settings())
        hasResult = self._result is not None and isThere(self._result.node)
        ui.kineticsNoteLabel.text = note
        ui.kineticsNoteLabel.setVisible(bool(note))
        ui.kineticsFrame.setVisible(can and (hasResult or self._chart() is not None))
        ui.kineticsLesionFrame.setVisible(bool(self._rows()))
        free = idle and not self.working and hasResult
        problem = self.thresholds.problem
        ui.kineticsMapBox.setEnabled(free and not problem)
        ui.kineticsThresholdsGroup.setEnabled(free)
        ui.kineticsMeasureButton.setEnabled(free and not problem)
        ui.kineticsMeasureButton.text = _("Measure again") if self._rows() else _("Measure")
        ui.kineticsProgressFrame.setVisible(self.working)
        ui.kineticsPlotButton.setEnabled(self._chart() is not None)
        self._offerMaps()
        text, isError = (problem, True) if problem else self._status
        ui.kineticsStatusLabel.text = text
        ui.kineticsStatusLabel.setStyleSheet(ERROR_STYLE if isError else "")
        ui.kineticsStatusLabel.setVisible(bool(text))

    def measure(self, maps=(), shown=None):
        """Begin to measure with the chosen thresholds; the window stays alive.

        Parameters
        ----------
        maps : sequence of str
            Maps to make, besides those that are there.
        shown : str, optional
            Map to show over the exam in the end.
        """
        if self.working or self._exam is None or self._result is None or not self._idle:
            return
        exam, result, self._wish = self._exam, self._result, shown
        try:
            settings = self.thresholds.settings
            made = [kind for kind in mapnodes.KINETIC_KINDS if kineticsflow.mapOf(exam, kind) is not None]
            kinds = [kind for kind in kineticsflow.mapKinds(exam, settings) if kind in made or kind in maps]
            turns = self._session.measureKinetics(
                exam,
                self._onProgress,
                result=result,
                settings=settings,
                maps=kinds,
                onRead=lambda: self._onRead(result),
            )
        except BreastSegError as error:
            self._onError(error)
            return
        self._status = ("", False)
        self._log(_("Measuring the kinetics"))
        self.runner.start(turns, self._onAnswer, self._onError)
        self._onProgress(_("Starting"), 0, 0, None)
        self._tellWork()

    def cancel(self):
        """Stop what is being done, within about a second."""
        if self.working:
            self.ui.kineticsStageLabel.text = _("Cancelling …")
            self.ui.kineticsCancelButton.setEnabled(False)
            self.runner.cancel()

    def close(self):
        """Stop what is being done and listen to nothing any more: the panel goes away."""
        self.runner.abandon()
        self._scene.close()

    # Contents

    def _connect(self):
        ui = self.ui
        ui.kineticsLesionBox.connect("currentIndexChanged(int)", self._onLesion)
        ui.kineticsPlotButton.connect("clicked(bool)", self._onPlot)
        ui.kineticsMapBox.connect("activated(int)", self._onMap)
        ui.kineticsMeasureButton.connect("clicked()", self._onMeasure)
        ui.kineticsCancelButton.connect("clicked()", self.cancel)

    def _rows(self):
        return list((self._measures or {}).get("lesions") or ()) if self._exam is not None else []

    def _row(self):
        rows, place = self._rows(), self.ui.kineticsLesionBox.currentIndex
        return rows[place] if 0 <= place < len(rows) else None

    def _chart(self):
        """Return the curves in the scene that are those of the result; of the exam where no result is chosen."""
        if self._exam is None:
            return None
        return kineticcurves.chartOf(self._exam, self._result.node if self._result is not None else None)

    def _note(self):
        """Return the sentence that says why there are no kinetics, or what they lack; '' when all is there."""
        if self._exam is None:
            return _("Load a DCE-MRI exam and segment it: its kinetics are shown here.")
        why = kineticsflow.whyNone(self._exam, Settings())
        if not why and kineticsflow.isOutdated(self._exam, self._measures):
            return _("The phases have been changed since this was measured. Press “Measure again”.")
        if why or self._chart() is not None:
            return why
        if self._result is None or not isThere(self._result.node):
            return _("Segment the exam: the kinetics of its lesions are shown here.")
        if not self._measures or not self._measures.get("phases"):
            return _("The kinetics have not been measured yet.")
        return "" if self._rows() else _("There is no lesion to measure.")

    def _showSettings(self, record):
        try:
            self.thresholds.show(Settings.from_json(record))
        except BadInput as error:
            # Measures of another version: their numbers hold, and the thresholds are the usual ones.
            logging.warning(f"BreastSeg: {error.line}")

    def _offerLesions(self):
        box, former = self.ui.kineticsLesionBox, self.ui.kineticsLesionBox.currentIndex
        wasBlocked = box.blockSignals(True)
        box.clear()
        for row in self._rows():
            box.addItem(lesionText(row))
        box.setCurrentIndex(former if 0 < former < box.count else 0)
        box.blockSignals(wasBlocked)

    def _draw(self):
        """Bring curves and numbers up to date."""
        chart = None
        if self._exam is not None:
            if self._measures and self._measures.get("phases"):
                node = self._result.node if self._result is not None else None
                chart = kineticcurves.showCurves(self._exam, self._measures, self.chosen, node)
            else:
                # A scene that was saved brings its curves along.
                chart = self._chart()
            self._scene.mark(self._exam)
        self.plot.show(chart)
        row = self._row()
        if row is not None:
            self.numbers.show(row)
            self.ui.kineticsPhasesLabel.text = kineticsflow.phasesText(self._exam, self.thresholds.measured)

    def _offerMaps(self):
        """Offer the maps that the exam allows, and say which one is shown."""
        box, exam = self.ui.kineticsMapBox, self._exam
        settings = Settings() if self.thresholds.problem else self.thresholds.settings
        kinds = kineticsflow.mapKinds(exam, settings) if exam is not None else ()
        if kinds != self._kinds or box.count == 0:
            self._kinds = kinds
            wasBlocked = box.blockSignals(True)
            box.clear()
            box.addItem(_("Nothing"))
            for kind in kinds:
                box.addItem(mapnodes.titleOf(kind))
            box.blockSignals(wasBlocked)
        shown = self._shownMap()
        box.setCurrentIndex(1 + kinds.index(shown) if shown in kinds else 0)
        self.ui.kineticsLegendLabel.text = mapnodes.legendOf(shown) if shown in kinds else ""
        self.ui.kineticsLegendLabel.setVisible(shown in kinds)

    def _shownMap(self):
        chosen = overlay.chosen()
        if self._exam is None or chosen is None or chosen[1] != mapnodes.NO_MODEL:
            return None
        return chosen[0] if kineticsflow.mapOf(self._exam, chosen[0]) is not None else None

    # What the user and the worker do

    def _onLesion(self, place):
        self._draw()

    def _onViews(self):
        if self._exam is not None:
            self._scene.mark(self._exam)

    def _onThreshold(self):
        self._status = (_("Press “{button}” to apply.").format(button=self.ui.kineticsMeasureButton.text), False)
        self.refresh(self._idle)

    def _onMeasure(self):
        self.measure()

    def _onPlot(self, isDown):
        chart = self._chart()
        if isDown and chart is not None:
            self._scene.showLarge(chart)
        else:
            self._scene.leaveLarge()
            self.ui.kineticsPlotButton.setChecked(False)

    def _onMap(self, place):
        kind = self._kinds[place - 1] if 0 < place <= len(self._kinds) else None
        if kind is None:
            overlay.choose(None)
            self._tellChange()
            return
        node = kineticsflow.mapOf(self._exam, kind)
        if kineticsflow.isFresh(node, self._exam, self.thresholds.settings):
            overlay.choose((kind, mapnodes.NO_MODEL))
            self._tellChange()
            return
        self.measure([kind], kind)

    def _onProgress(self, stage, done, total, secondsLeft):
        if self.runner.cancelling:
            return
        ui, text, left = self.ui, stageTitle(stage), state.timeLeft(secondsLeft, _)
        ui.kineticsStageLabel.text = f"{text} – {left}" if left else text
        ui.kineticsProgressBar.setRange(0, max(0, int(total)))
        ui.kineticsProgressBar.setValue(min(int(done), int(total)))
        ui.kineticsCancelButton.setEnabled(True)

    def _onAnswer(self, answer):
        wish, self._wish, former, label = self._wish, None, self._result, self.chosen
        self._result, self._measures = answer.result, answer.result.measures
        self._showSettings(self._measures.get("settings") or {})
        self._offerLesions()
        self._draw()
        if wish and any(overlay.keyOf(node)[0] == wish for node in answer.maps):
            overlay.choose((wish, mapnodes.NO_MODEL))
        else:
            overlay.followAll()
        self._log(_("Kinetics measured"))
        if self._onMeasured is not None:
            self._onMeasured(former, self._result)
            # What follows the new measures may have chosen another lesion here.
            self.choose(label)
        self._tellWork()

    def _onError(self, error):
        self._wish = None
        if isinstance(error, Cancelled):
            self._status = (_("Cancelled."), False)
            self._log(_("Cancelled"))
        else:
            logging.error(f"BreastSeg: {error.line}")
            self._status = (state.inThePanel(error.line, _), True)
            self._log(error.line)
        self._tellWork()

    def _tellWork(self):
        self.refresh(self._idle)
        if self._onWork is not None:
            self._onWork()

    def _tellChange(self):
        self._tellWork()

    def _abandon(self):
        """Stop at once. A worker at work is ended: nobody would hear its answer."""
        busy = self._session.workerBusy
        self.runner.abandon()
        if busy:
            self._session.close()


def lesionText(row):
    """Return what people read for a lesion in the choose box, such as ``1: Mass, right breast, 2.44 cm³``."""
    parts = [row.get("name") or (sideTitle(row["side"]) if row.get("side") else "")]
    if row.get("volume_mm3") is not None:
        parts.append(_("{volume} cm³").format(volume=f"{row['volume_mm3'] / 1000:.2f}"))
    told = ", ".join(part for part in parts if part)
    return f"{row['label']}: {told}" if told else str(row["label"])

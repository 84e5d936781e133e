"""Step 4: the segmentations on the exam, the lesions of the chosen one, warnings, and what can be done about them."""

from pathlib import Path

import slicer

from ..errors import BreastSegError
from ..scene import diameternodes, lesiontable, lesionviews, removedregions, results, segmenteditor
from ..scene.companions import isThere
from ..scene.texts import _
from . import lesiontexts, state
from .comparerow import CompareRow
from .lesiontable import LesionTable
from .numberswindow import NumbersWindow
from .resultlist import ResultList

UI = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "Results.ui"
BOLD = "font-weight: bold;"


class ResultsBox:
    """The group "4. Results".

    Parameters
    ----------
    group : ctk.ctkCollapsibleButton
        Opened when a run has ended.
    layout : qt.QVBoxLayout
        Where the contents go.
    session : scene.session.Session
    log : callable
        Called with each line for the log.
    start : callable
        ``start(makeTurns, onDone)`` begins to measure: ``makeTurns(report)`` returns a generator, ``onDone`` is called
        with what it returns. Errors come back through `showError`.
    onCancel : callable
        Called when the user presses "Cancel".
    onChosen : callable
        ``onChosen(result, row)``: another result, new numbers or another lesion (a row of the measures, or None).
    showImage : callable
        ``showImage(place)`` shows a mammogram of the exam.
    """

    def __init__(self, group, layout, session, log, start, onCancel, onChosen, showImage):
        self._group, self._session, self._log = group, session, log
        self._start, self._onChosen, self._showImage = start, onChosen, showImage
        top = slicer.util.loadUI(str(UI))
        layout.addWidget(top)
        self.ui = slicer.util.childWidgetVariables(top)
        self._exam, self._idle, self._known = None, True, ()
        self._result, self._exams = None, ()
        # By the ID of a result's first node: what was brought back, and measured before the phases were corrected.
        self._broughtBack, self._outdated = {}, set()
        self._wasEdited = None
        self.list = ResultList(self.ui.resultList, self._onListChosen, self._onEdited)
        self.table = LesionTable(self.ui.lesionTable, self._onLesion)
        self.numbers = NumbersWindow(top)
        self.comparison = CompareRow(self.ui, self.compare)
        self._connect(onCancel)
        self.hideProgress()
        self.showStatus("")
        self.refresh()

    @property
    def result(self):
        """SceneResult or None: the one whose lesions are listed."""
        return self._result

    @property
    def row(self):
        """dict or None: the lesion that is chosen, a row of the measures."""
        return self.table.row

    @property
    def edited(self):
        """bool: whether the segments of the chosen result have changed since they were measured."""
        return self._result is not None and self.list.isEdited(self._result)

    def show(self, exam, result=None):
        """Follow an exam, as the user has corrected it; `result` is what a run has just left on it.

        Parameters
        ----------
        exam : SceneExam, SceneMammograms or None
        result : SceneResult, optional
        """
        nodes = tuple(exam.nodes) if exam is not None else ()
        # Phases may be left out and come back: it is the same exam as long as one is in both.
        if nodes != self._exams and not set(nodes) & set(self._exams):
            self._known, self._result = (), None
            self._broughtBack.clear()
            self._outdated.clear()
            self.comparison.forget()
            diameternodes.clear()
        elif exam is not None and self._exam is not None and exam.phases != self._exam.phases:
            self._outdated |= {self._key(each) for each in self._known if each.measures}
        self._exam, self._exams = exam, nodes
        if result is not None:
            # Its nodes may have been listed already, when they came into the scene.
            others = [each for each in self._known if not set(each.nodes) & set(result.nodes)]
            self._known = (*others, result)
            self._result = result
            results.emphasise(self._known, result)
            self.list.setEdited(result, False)
            self._group.collapsed = False
        self.refresh(self._idle)
        if result is not None:
            self._fill()
            self._showFirst()

    def refresh(self, idle=True):
        """Bring the group up to date with the scene.

        Parameters
        ----------
        idle : bool
            Whether nothing else is being done in the panel.
        """
        self._idle = idle
        found = results.resultsOf(self._exam, self._known)
        former, self._known = self._result, tuple(found)
        if not any(each is self._result for each in found):
            kept = [each for each in found if former is not None and set(each.nodes) & set(former.nodes)]
            self._result = (kept or found or [None])[-1]
        self.list.show(self._exam, found, self._result)
        if former is not self._result:
            if former is not None:
                self._forget(former)
            self._fill()
        self.numbers.hideLost()
        self._showState()

    def takeMeasured(self, former, measured):
        """Take new numbers of a result that something else has measured as it is drawn.

        Parameters
        ----------
        former, measured : SceneResult
        """
        if any(each is former for each in self._known):
            lesiontable.write(measured)
            self.list.setEdited(measured, False)
            self._onMeasured(measured)

    def showProgress(self, stage, done=0, total=0, secondsLeft=None):
        """Show the stage, how far it is, and the time left; a total of 0 means unknown."""
        left, ui = state.timeLeft(secondsLeft, _), self.ui
        ui.measureStageLabel.text = f"{stage} – {left}" if left else stage
        ui.measureProgressBar.setRange(0, max(0, int(total)))
        ui.measureProgressBar.setValue(min(int(done), int(total)))
        ui.measureProgressFrame.setVisible(True)

    def showCancelling(self):
        """Say that the user's wish to cancel was heard."""
        self.ui.measureStageLabel.text = _("Cancelling …")

    def hideProgress(self):
        """Nothing is being measured."""
        self.ui.measureProgressFrame.setVisible(False)

    def showStatus(self, sentence, isError=False):
        """Show one sentence above the table; '' hides it."""
        self.ui.resultsStatusLabel.text = sentence
        self.ui.resultsStatusLabel.setStyleSheet("color: #c0392b; font-weight: bold;" if isError else "")
        self.ui.resultsStatusLabel.setVisible(bool(sentence))

    def fail(self, sentence, isError=True):
        """Say that measuring has ended without numbers; the former ones stay.

        Parameters
        ----------
        sentence : str
        isError : bool
            False when the user has cancelled it.
        """
        result, self._wasEdited = self._wasEdited, None
        if result is not None:
            self.list.setEdited(result, True)
        self.showStatus(sentence, isError)

    def measure(self, settings=None):
        """Measure the chosen result as it is now drawn; the window stays alive.

        Parameters
        ----------
        settings : dict, optional
            Of the kinetics; by default as they were.
        """
        if self._result is None or not self._idle:
            return
        exam, result, onRead = self._exam, self._result, self._onReadOf(self._result)
        self._begin(
            lambda report: self._session.measureResult(exam, report, result=result, settings=settings, onRead=onRead),
            self._onMeasured,
        )

    def bringBack(self):
        """Bring the regions back that the clean-up removed, or take them out again, and measure."""
        if self._result is None or not self._idle:
            return
        exam, result, onRead = self._exam, self._result, self._onReadOf(self._result)
        held = self._broughtBack.get(self._key(result))
        if held is None:
            regions = lesiontexts.removedRegions(result.measures)
            self._begin(
                lambda report: self._session.bringBack(exam, report, result=result, regions=regions, onRead=onRead),
                lambda found: self._onBroughtBack(*found, regions, result.measures.get("removed", ())),
            )
            return
        removedregions.takeOut(result, held["segments"])
        how = {"result": result, "removed": held["removed"], "onRead": onRead}
        self._begin(lambda report: self._session.measureResult(exam, report, **how), self._onTakenOut)

    def compare(self):
        """Measure how well the chosen result and the other one agree."""
        other = self.comparison.other
        if self._result is None or other is None or not self._idle:
            return
        exam, result, onRead = self._exam, self._result, self._onReadOf(self._result)
        how = {"result": result, "other": other, "onRead": onRead}
        self._begin(
            lambda report: self._session.measureResult(exam, report, **how),
            lambda measured: self._onCompared(measured, other),
        )

    def edit(self):
        """Open the chosen result in the Segment Editor, with the segment of the chosen lesion."""
        if self._result is None:
            return
        row = self.row
        node, segmentId = (None, "") if row is None else lesionviews.segmentOf(self._exam, self._result, row)
        node = node or next(filter(isThere, self._result.nodes), None)
        image = results.imageOf(node) if node is not None else None
        lesionviews.highlight(self._exam, self._result)
        try:
            if node is not None:
                segmenteditor.edit(node, image or self._exam.reference, segmentId)
        except BreastSegError as error:
            self.showStatus(error.line, True)

    def showNumbers(self):
        """Open the window with all numbers."""
        if self._result is not None and self._result.measures:
            self.numbers.show(lesiontable.tableOf(self._result) or lesiontable.write(self._result))

    def close(self):
        """Let go of the scene: the panel goes away."""
        self.list.forget()
        self.numbers.close()
        diameternodes.clear()

    def _connect(self, onCancel):
        ui = self.ui
        for button, slot in (
            (ui.measureButton, self.measure),
            (ui.measureCancelButton, onCancel),
            (ui.numbersButton, self.showNumbers),
            (ui.editButton, self.edit),
            (ui.restoreButton, self.bringBack),
        ):
            button.connect("clicked()", slot)
        ui.lesionDetailsLabel.setOpenExternalLinks(False)
        ui.lesionDetailsLabel.connect("linkActivated(QString)", self._onLink)

    # What is shown

    def _fill(self):
        """Show the numbers of the chosen result."""
        measures = self._result.measures if self._result is not None else None
        self.table.show(measures, self._colors(measures))
        notes = [note for note in self._result.notes if note not in self._exam.notes] if self._result else []
        text = lesiontexts.warningsOf(measures, notes, restored=self._key(self._result) in self._broughtBack)
        self.ui.warningsLabel.text = text
        self.ui.warningsLabel.setVisible(bool(text))
        self.ui.lesionDetailsLabel.setVisible(False)
        self._onChosen(self._result, None)

    def _showFirst(self):
        """Show the largest lesion of a new result; the others stay as clear as it."""
        measures = self._result.measures
        if not measures or not measures["lesions"]:
            return
        self.table.choosePlace(0)
        row = measures["lesions"][0]
        self._showDetails(row)
        lesionviews.showLesion(self._exam, self._result, row, self._showImage, alone=False)
        self._onChosen(self._result, row)

    def _showDetails(self, row):
        self.ui.lesionDetailsLabel.text = lesiontexts.detailsOf(self._result.measures, row)
        self.ui.lesionDetailsLabel.setVisible(True)

    def _showState(self):
        """Say what is missing, and enable what can be done."""
        ui, result = self.ui, self._result
        ui.resultsEmptyLabel.text = self._emptySentence()
        ui.resultsEmptyLabel.setVisible(result is None)
        ui.resultsFrame.setVisible(result is not None)
        if result is None:
            return
        measured = bool(result.measures)
        sentence = "" if measured else _("The lesions of this segmentation have not been measured yet.")
        if measured and self.edited:
            sentence = _("Edited: the numbers are of the former outline.")
        elif measured and self._key(result) in self._outdated:
            sentence = _("The phases were corrected: the numbers are of the former ones.")
        ui.editedLabel.text = sentence
        ui.editedLabel.setStyleSheet(f"color: {lesiontexts.WARNING_COLOUR}; {BOLD}" if measured else "")
        ui.editedLabel.setVisible(bool(sentence))
        ui.measureButton.text = _("Measure again") if measured else _("Measure")
        ui.measureButton.setToolTip(_("Measure the segments that are shown, as they are now drawn"))
        ui.measureButton.setStyleSheet(BOLD if sentence else "")
        ui.measureButton.setEnabled(self._idle)
        ui.numbersButton.setEnabled(measured)
        ui.editButton.setEnabled(self._idle)
        self._showRestore()
        others = [each for each in self._known if each is not result]
        self.comparison.show(self._exam, result, others, self.list.isEdited, self._idle)

    def _showRestore(self):
        ui, held = self.ui, self._broughtBack.get(self._key(self._result))
        regions = held["regions"] if held else lesiontexts.removedRegions(self._result.measures)
        there = held is not None or any(results.beforeOf(node) for node in self._result.nodes if isThere(node))
        ui.restoreButton.setVisible(bool(regions) and there)
        ui.restoreButton.setEnabled(self._idle)
        if held:
            ui.restoreButton.text = _("Take the regions out again (undo)")
            ui.restoreButton.setToolTip(_("Undo: the segmentation is as it was after the clean-up"))
        elif regions:
            ui.restoreButton.text = lesiontexts.bringBackText(regions)
            ui.restoreButton.setToolTip(_("Add them to the segmentation and measure all lesions again"))

    def _emptySentence(self):
        if self._exam is None:
            return _("Load an exam first.")
        return _(
            "Nothing is segmented on this exam yet. Segment it in step 3, draw a segmentation with the "
            "Segment Editor, or load one: it is listed here then."
        )

    def _colors(self, measures):
        """Return the colour of the segment of each lesion; none when they are alike or one is in no segment."""
        found = []
        for row in measures["lesions"] if measures else ():
            node, segmentId = lesionviews.segmentOf(self._exam, self._result, row)
            if node is None:
                return ()
            found.append(node.GetSegmentation().GetSegment(segmentId).GetColor())
        # Where all are alike, a colour tells nothing.
        return found if len(set(found)) > 1 else ()

    # What the user does

    def _onListChosen(self, result):
        former, self._result = self._result, result
        if former is not result:
            self._forget(former)
            results.show(result, True)
            results.emphasise(self._known, result)
            self.list.show(self._exam, self._known, result)
            self.showStatus("")
            self._fill()
        self._showState()

    def _onEdited(self):
        self._showState()

    def _onLesion(self, row):
        self._showDetails(row)
        lesionviews.showLesion(self._exam, self._result, row, self._showImage)
        self._onChosen(self._result, row)

    def _onLink(self, target):
        places = [int(part) for part in target.split(",")]
        if self._exam is not None and all(0 <= place < len(self._exam.nodes) for place in places):
            lesionviews.showTogether(self._exam, places)

    # Work

    def _begin(self, makeTurns, onDone):
        self.showStatus("")
        self._start(makeTurns, onDone)

    def _onReadOf(self, result):
        """Return what notes that the segments are being measured as they are now; `fail` takes it back."""
        self._wasEdited = None

        def onRead():
            self._wasEdited = result if self.list.isEdited(result) else None
            self.list.setEdited(result, False)

        return onRead

    def _onMeasured(self, measured):
        """Show new numbers of a result; the views stay where they are."""
        former, place = self._result, self.ui.lesionTable.currentRow()
        self._known = tuple(measured if each.node is measured.node else each for each in self._known)
        count = len(measured.measures["lesions"])
        texts = {0: _("No lesion is left"), 1: _("1 lesion measured")}
        self._log(texts.get(count, _("{count} lesions measured").format(count=count)))
        if former is None or former.node is not measured.node:
            # The user has chosen another one meanwhile.
            self.refresh(self._idle)
            return
        self._result = measured
        self._outdated.discard(self._key(measured))
        self.refresh(self._idle)
        self._fill()
        diameternodes.clear()
        lesionviews.highlight(self._exam, measured)
        if count:
            place = min(max(place, 0), count - 1)
            self.table.choosePlace(place)
            row = measured.measures["lesions"][place]
            self._showDetails(row)
            diameternodes.show(measured, row, self._exam)
            self._onChosen(measured, row)

    def _onBroughtBack(self, measured, segments, regions, removed):
        self._broughtBack[self._key(measured)] = {
            "segments": segments,
            "regions": list(regions),
            "removed": list(removed),
        }
        self._onMeasured(measured)

    def _onTakenOut(self, measured):
        self._broughtBack.pop(self._key(measured), None)
        self._onMeasured(measured)

    def _onCompared(self, measured, other):
        self.comparison.take(self._exam, measured, other, measured.measures.get("agreement", ()))
        self._onMeasured(measured)

    def _forget(self, result):
        """A result is no longer the chosen one: its lines go, and all its segments are drawn in full."""
        diameternodes.clear()
        if self._exam is not None:
            lesionviews.highlight(self._exam, result)
        lesiontable.removeLost()

    def _key(self, result):
        return result.node.GetID() if result is not None and isThere(result.node) else ""

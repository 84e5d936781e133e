"""Step 2: the quality of the images as distributions, limits set on the plot, and the rules that select cases."""

from collections import Counter
from pathlib import Path

import qt
from BreastSegLib.errors import BreastSegError
from BreastSegLib.scene.texts import _

from ..cases import columns_of
from . import ask, counted, distribution, ruletexts
from .smalltable import fitHeight

REASON, COUNT = range(2)
REASONS_SHOWN = 30
# Measures of the case that are no quality but can be limited in the same way.
OTHERS = ("volume_mm3", "area_mm2", "age", "field_strength")
DELAY_MS = 150
LARGEST = 1e12  # what is larger is no measure, and cannot be drawn
HIGHEST = 180


class ResizeWatch(qt.QObject):
    """Tells when a widget gets another size: a label does not draw its picture anew by itself."""

    onResize = None

    def eventFilter(self, watched, event):
        """Called by Qt with every event of the watched widget; none is kept from it."""
        if event.type() == qt.QEvent.Resize:
            self.onResize()
        return False


class QualityStep:
    """The tab "Selection".

    Parameters
    ----------
    ui : object
        The widgets of the .ui file, by name.
    opened : OpenTable
    file : TableFile
    run : callable
        ``run(arguments, onResult)`` starts a verb.
    onChanged : callable
    say : callable
    """

    def __init__(self, ui, opened, file, run, onChanged, say):
        self._ui, self._opened, self._file, self._run, self._say = ui, opened, file, run, say
        self._onChanged, self._idle, self._measures, self._filling = onChanged, True, (), False
        self._histogram, self._values, self._rulesFile = None, (), ""
        ui.rulesEdit.setPlaceholderText(_("One rule a line, such as\ncentre in DUKE, NACT\nmotion < 1.5 mm\nCNR > 3"))
        ui.rulesEdit.setLineWrapMode(qt.QPlainTextEdit.WidgetWidth)
        self._makeReasons()
        self._timer = qt.QTimer(ui.plotLabel)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.connect("timeout()", self._showRules)
        self._watch = ResizeWatch()
        self._watch.onResize = self.drawPlot
        ui.plotLabel.installEventFilter(self._watch)
        ui.measureButton.connect("clicked()", self.measure)
        ui.measureBox.connect("activated(int)", lambda index: self._showMeasure())
        ui.rangeSlider.connect("valuesChanged(double,double)", self._onSlider)
        ui.lowBox.connect("valueChanged(double)", self._onBoxes)
        ui.highBox.connect("valueChanged(double)", self._onBoxes)
        ui.addRuleButton.connect("clicked()", self.addRule)
        ui.rulesEdit.connect("textChanged()", self._onRules)
        ui.loadRulesButton.connect("clicked()", self.loadRules)
        ui.saveRulesButton.connect("clicked()", self.saveRules)
        ui.applyButton.connect("clicked()", self.apply)

    @property
    def measure_(self):
        """str: the column that the plot shows; '' when none has values."""
        index = self._ui.measureBox.currentIndex
        return self._measures[index] if 0 <= index < len(self._measures) else ""

    @property
    def rulesText(self):
        """str: the rules as the user wrote them."""
        return self._ui.rulesEdit.plainText

    @property
    def limits(self):
        """tuple of float: what the plot keeps, from and to."""
        return self._ui.rangeSlider.minimumValue, self._ui.rangeSlider.maximumValue

    @property
    def whatIsMissing(self):
        """str: what the user has to do before the selection can be applied; '' when nothing."""
        if not self._opened.cases:
            return _("Add cases in step 1 first.")
        if not self.rulesText.strip():
            if any(ruletexts.leftOutByRules(case) for case in self._opened.cases):
                return ""
            return _("Write a rule first, or set limits on the plot and press “Add as rule”.")
        return ruletexts.problemOf(self.rulesText, self._opened.table.columns)

    def showTable(self):
        """The table was opened or read again."""
        filled = {name for case in self._opened.cases for name in case.values}
        before = self.measure_
        possible = [name for name in (*columns_of("quality"), *OTHERS) if name in filled]
        self._measures = tuple(name for name in possible if self._numbers(name))
        self._filling = True
        self._ui.measureBox.clear()
        for name in self._measures:
            self._ui.measureBox.addItem(ruletexts.measureTitle(name))
        if before in self._measures:
            self._ui.measureBox.setCurrentIndex(self._measures.index(before))
        self._filling = False
        self._showMeasure(keep=before == self.measure_)
        self._showReasons()
        self._showRules()

    def chooseRules(self, text):
        """Show rules."""
        if text != self.rulesText:
            self._ui.rulesEdit.plainText = text

    def measure(self):
        """Begin to measure the quality of the cases."""
        if self._file.saved():
            self._run(["quality", str(self._opened.path)], self._onMeasured)

    def addRule(self):
        """Write the limits of the plot as rules; those that limited this measure before are replaced."""
        whole = self._histogram.low, self._histogram.high
        rule = ruletexts.ruleOf(self.measure_, self.limits, whole, self._decimals)
        text = ruletexts.withRule(self.rulesText, self.measure_, rule)
        if not rule and text == ruletexts.withRule(self.rulesText, "", ""):
            self._say(_("The limits take in every value: move them first."), True)
            return
        self._ui.rulesEdit.plainText = text

    def loadRules(self):
        """Ask for a file with rules and show them."""
        path = ask.fileToOpen(_("Load rules"), self._opened.table.folder, "JSON (*.json)")
        if path:
            try:
                self.chooseRules(ruletexts.read(path))
            except BreastSegError as error:
                self._say(error.line, True)

    def saveRules(self):
        """Ask for a file name and save the rules."""
        path = ask.fileToSave(_("Save rules"), self._opened.table.folder / "rules.json", "JSON (*.json)")
        if path:
            path = ask.withEnding(path, ".json")
        if path:
            try:
                ruletexts.write(self.rulesText, path, self._opened.table.columns)
            except BreastSegError as error:
                self._say(error.line, True)
            else:
                self._say(_("Saved {name}.").format(name=Path(path).name), False)

    def apply(self):
        """Begin to apply the rules: every case that is left out gets its reason."""
        if self._file.saved():
            self._run(["select", str(self._opened.path), *ruletexts.argumentsOf(self.rulesText)], self._onSelected)

    def refresh(self):
        """Bring sentences and buttons up to date."""
        ui, cases, missing = self._ui, self._opened.cases, self.whatIsMissing
        ui.measureButton.setEnabled(self._idle and bool(cases))
        ui.measureButton.setToolTip(
            _("Measure the images; what was measured already is kept") if cases else _("Add cases in step 1 first.")
        )
        measured = sum(any(case.get(name) for name in columns_of("quality")) for case in cases)
        ui.measuredLabel.text = _("{count} of {all} measured").format(count=measured, all=len(cases)) if cases else ""
        ui.applyButton.setEnabled(self._idle and not missing)
        ui.applyButton.setToolTip(
            missing or _("Mark the cases that stay and those that are left out, with the reason")
        )
        shown = bool(self.measure_)
        for widget in (
            ui.measureBoxLabel,
            ui.measureBox,
            ui.plotLabel,
            ui.rangeSlider,
            ui.fromLabel,
            ui.lowBox,
            ui.toLabel,
            ui.highBox,
            ui.stayLabel,
            ui.addRuleButton,
        ):
            widget.setVisible(shown)

    def setIdle(self, idle):
        """Let the user choose, or not: a command is at work."""
        self._idle = idle
        self.refresh()

    def drawPlot(self):
        """Draw the distribution with its limits."""
        if self._histogram is None:
            return
        label = self._ui.plotLabel
        title = ruletexts.measureTitle(self.measure_)
        # The slider below has its handles' half width as margin on both sides, as the plot has.
        label.setToolTip(ruletexts.meaningOf(self.measure_))
        label.setPixmap(distribution.draw(self._histogram, self.limits, label.width, title, label.palette))

    def _numbers(self, name):
        """Return centre and value of each case that has a number in a column."""
        return tuple(
            (case.get("centre") or _("no centre"), value)
            for case in self._opened.cases
            if (value := case.number(name)) is not None and abs(value) < LARGEST
        )

    @property
    def _decimals(self):
        return distribution.decimalsOf(distribution.stepOf(self._histogram.high - self._histogram.low)) + 1

    def _showMeasure(self, keep=False):
        if self._filling:
            return
        name, before = self.measure_, self.limits
        self._values = self._numbers(name) if name else ()
        self._histogram = distribution.Histogram(self._values) if self._values else None
        if self._histogram is None:
            self.refresh()
            return
        low, high = self._histogram.low, self._histogram.high
        self._filling = True
        ui, step = self._ui, distribution.stepOf(high - low)
        # Twice: a step that does not fit the former range is not taken.
        ui.rangeSlider.singleStep = step / 10
        ui.rangeSlider.setRange(low, high)
        ui.rangeSlider.singleStep = step / 10
        for box in (ui.lowBox, ui.highBox):
            box.setDecimals(self._decimals)
            box.setSingleStep(step)
            box.setRange(low, high)
            unit = ruletexts.unitOf(name)
            box.setSuffix(f" {unit}" if unit else "")
        self._filling = False
        self._setLimits(*(before if keep else ruletexts.limitsOf(self.rulesText, name, (low, high))))
        self.refresh()

    def _setLimits(self, low, high):
        self._filling = True
        ui = self._ui
        ui.rangeSlider.setValues(low, high)
        ui.lowBox.setValue(low)
        ui.highBox.setValue(high)
        self._filling = False
        self._showStaying()
        self.drawPlot()

    def _showStaying(self):
        low, high = self.limits
        # The ends of the range take everything in.
        inside = [row for row in self._values if low - 1e-9 <= row[1] <= high + 1e-9]
        without = len(self._opened.cases) - len(self._values)
        text = _("{count} of {all} cases lie within.").format(count=len(inside), all=len(self._values))
        centres = Counter(centre for centre, _value in self._values)
        if len(centres) > 1:
            kept = Counter(centre for centre, _value in inside)
            rows = [f"{name} {kept[name]}/{count}" for name, count in centres.most_common(6)]
            text += " " + ", ".join(rows) + "."
        if without:
            text += " " + _("{count} have no value and would be left out.").format(count=without)
        self._ui.stayLabel.text = text

    def _onSlider(self, low, high):
        if not self._filling:
            self._setLimits(low, high)

    def _onBoxes(self, _value):
        if not self._filling:
            low, high = self._ui.lowBox.value, self._ui.highBox.value
            self._setLimits(min(low, high), max(low, high))

    def _onRules(self):
        self._timer.start()

    def _showRules(self):
        """Say in plain words what the rules are, and how many cases stay."""
        text, label = self.rulesText, self._ui.rulesLabel
        problem = ruletexts.problemOf(text, self._opened.table.columns) if text.strip() else ""
        label.setStyleSheet("color: #c0392b;" if problem else "")
        if problem:
            label.text = problem
        elif not text.strip():
            label.text = _("Without rules all cases stay.")
        else:
            label.text = ruletexts.inWords(text, self._opened.table)
        self._onChanged()

    def _onMeasured(self, event):
        self._file.reread()
        failed = event.get("failed") or ()
        text = _("Measured: {measured}; measured before: {skipped}.").format(
            measured=counted.cases(event.get("measured", 0)), skipped=event.get("skipped", 0)
        )
        if failed:
            text += " " + _("{count} could not be measured, such as {case}: {why}").format(
                count=len(failed), case=failed[0].get("case"), why=failed[0].get("why")
            )
        self._say(text, bool(failed))

    def _onSelected(self, event):
        self._file.reread()
        self._say(
            _("Selected: {selected}; left out: {excluded}.").format(
                selected=counted.cases(event.get("selected", 0)), excluded=event.get("excluded", 0)
            ),
            False,
        )

    def _makeReasons(self):
        table = self._ui.reasonsTable
        table.setColumnCount(2)
        table.setHorizontalHeaderLabels([_("Left out because"), _("Cases")])
        table.verticalHeader().setVisible(False)
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.setSelectionMode(qt.QAbstractItemView.NoSelection)
        table.setWordWrap(False)
        table.horizontalHeader().setSectionResizeMode(REASON, qt.QHeaderView.Stretch)
        table.horizontalHeader().setSectionResizeMode(COUNT, qt.QHeaderView.ResizeToContents)

    def _showReasons(self):
        """Show why cases are left out, as the table has it."""
        table = self._ui.reasonsTable
        reasons = Counter(
            reason for case in self._opened.cases if not case.selected for reason in ruletexts.reasonsOf(case)
        )
        rows = reasons.most_common(REASONS_SHOWN)
        table.setRowCount(len(rows))
        for place, (text, count) in enumerate(rows):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(text)
            table.setItem(place, REASON, item)
            table.setItem(place, COUNT, qt.QTableWidgetItem(str(count)))
        stay = sum(case.selected for case in self._opened.cases)
        table.setVisible(bool(rows))
        fitHeight(table, HIGHEST)
        self._ui.reasonsLabel.setVisible(bool(self._opened.cases))
        self._ui.reasonsLabel.text = _("Selected: {count} of {all} cases.").format(
            count=stay, all=len(self._opened.cases)
        )

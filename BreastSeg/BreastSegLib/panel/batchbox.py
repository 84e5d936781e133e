"""Several exams: which ones, how they go, and what came of each. A child process does the work."""

import csv
import logging
from pathlib import Path

import qt
import slicer

from ..errors import BreastSegError, DeviceUnavailable
from ..pipeline.batch_process import BatchProcess
from ..pipeline.batch_summary import NAME as SUMMARY
from ..scene.session import childEnvironment, ownInterpreter
from ..scene.texts import _
from . import batchcommand, packages
from .batchrows import BatchRows
from .segmentstep import stageTitle
from .state import inThePanel, timeLeft

UI = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "Batch.ui"
INTERVAL_MS = 100
SOURCES = ("folder", "table")


class BatchBox:
    """The group "Several exams".

    Parameters
    ----------
    group : ctk.ctkCollapsibleButton
        Its title tells how far the batch is.
    layout : qt.QVBoxLayout
        Where the contents go.
    session : scene.session.Session
        Its idle worker is ended before a batch begins.
    interpreter : callable
        Returns the interpreter that the user named; '' for Slicer's own.
    settings : callable
        Returns the chosen model, device and options of a run as a dict: ``model`` (None when none is chosen),
        ``device`` and what `RunOptions.options` tells.
    onMessage : callable
        Called with each line for the log.
    """

    def __init__(self, group, layout, session, interpreter, settings, onMessage):
        self._group, self._session, self._onMessage = group, session, onMessage
        self._interpreter, self._settings = interpreter, settings
        self._title = group.text
        top = slicer.util.loadUI(str(UI))
        layout.addWidget(top)
        self.ui = slicer.util.childWidgetVariables(top)
        self.rows = BatchRows(self.ui.batchResultTable, self.openFolder)
        self._process = self._output = None
        self._problem, self._message, self._share = "", ("", False), 0.0
        self._cancelling = False
        self._timer = qt.QTimer(top)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.connect("timeout()", self.turn)
        self._connect()
        self.refresh("")

    @property
    def running(self):
        """bool: whether a batch is being done."""
        return self._process is not None

    def refresh(self, problem):
        """Bring the group up to date.

        Parameters
        ----------
        problem : str
            Why no batch can be started with what is chosen elsewhere in the panel; '' when one can.
        """
        self._problem = problem
        ui, missing = self.ui, self._missing()
        table = SOURCES[max(0, ui.batchSourceBox.currentIndex)] == "table"
        for widget, shown in (
            (ui.batchExamsLabel, not table),
            (ui.batchExamsEdit, not table),
            (ui.batchTableLabel, table),
            (ui.batchTableEdit, table),
            (ui.batchProgressFrame, self.running),
            (ui.batchResultTable, self.rows.count > 0),
            (ui.batchSummaryButton, self._output is not None),
            (ui.batchFolderButton, self._output is not None),
        ):
            widget.setVisible(shown)
        ui.batchSettingsFrame.setEnabled(not self.running)
        ui.batchStartButton.setEnabled(not self.running and not missing)
        ui.batchStartButton.setToolTip(missing or _("Segment all exams, one after the other"))
        ui.batchCancelButton.setEnabled(self.running and not self._cancelling)
        self.showSettings()
        text, isError = self._message
        if not text and not self.running:
            text = missing
        ui.batchStatusLabel.text = text
        ui.batchStatusLabel.setStyleSheet("color: #c0392b; font-weight: bold;" if isError else "")
        ui.batchStatusLabel.setVisible(bool(text))

    def showSettings(self):
        """Say with what the exams will be segmented; while they are, what was said at the start stays."""
        if not self.running:
            self.ui.batchNoteLabel.text = self._note()
        self.ui.batchNoteLabel.setVisible(bool(self.ui.batchNoteLabel.text))

    def start(self, device=None):
        """Begin the batch, or go on with it where it ended. The window stays alive."""
        if self.running or self._missing():
            return
        ui, settings = self.ui, self._settings()
        settings["device"] = device or settings["device"]
        table = SOURCES[ui.batchSourceBox.currentIndex] == "table"
        edit = ui.batchTableEdit if table else ui.batchExamsEdit
        self._output = Path(ui.batchOutputEdit.currentPath.strip())
        arguments = batchcommand.argumentsOf(
            settings,
            source=edit.currentPath.strip(),
            isTable=table,
            output=self._output,
            format=batchcommand.FORMATS[ui.batchFormatBox.currentIndex],
        )
        edit.addCurrentPathToHistory()
        ui.batchOutputEdit.addCurrentPathToHistory()
        self._message, self._share, self._cancelling = ("", False), 0.0, False
        self.rows.clear()
        try:
            self._session.interpreter = self._interpreter()
            packages.ensurePackages(packages.TO_RUN, self._session)
            # An idle worker would hold another model in the same memory.
            self._session.endWorker()
            process = BatchProcess(arguments, self._session.interpreter or ownInterpreter(), childEnvironment())
            process.start()
        except BreastSegError as error:
            self._end(error.line, True)
            return
        self._process = process
        self._say(_("Batch started: {output}").format(output=self._output))
        self._showProgress(_("Starting"))
        self._timer.start()
        self.refresh(self._problem)

    def cancel(self):
        """End the batch soon; what is finished is kept."""
        if self.running:
            self._cancelling = True
            self._process.stop()
            self.ui.batchStageLabel.text = _("Cancelling …")
            self.refresh(self._problem)

    def close(self):
        """End the batch with its processes: the panel goes away."""
        self._timer.stop()
        process, self._process = self._process, None
        if process is not None:
            process.close()

    def turn(self):
        """Look what the batch tells. The timer calls this."""
        if not self.running:
            self._timer.stop()
            return
        for event in self._process.poll():
            self._take(event)

    def openSummary(self):
        """Open the table of all exams with the program that the user has for it."""
        self._open(self._output / SUMMARY)

    def openFolder(self):
        """Open the folder with the results."""
        self._open(self._output)

    def _connect(self):
        ui = self.ui
        for text in (_("Folder of exams"), _("Table of cases (CSV)")):
            ui.batchSourceBox.addItem(text)
        for text in (_("NIfTI (.nii.gz)"), _("NRRD (.nrrd)"), _("Slicer segmentation (.seg.nrrd)")):
            ui.batchFormatBox.addItem(text)
        ui.batchSourceBox.connect("currentIndexChanged(int)", self._onChoice)
        for edit in (ui.batchExamsEdit, ui.batchTableEdit, ui.batchOutputEdit):
            edit.connect("currentPathChanged(QString)", self._onChoice)
        ui.batchStartButton.connect("clicked()", self.start)
        ui.batchCancelButton.connect("clicked()", self.cancel)
        ui.batchSummaryButton.connect("clicked()", self.openSummary)
        ui.batchFolderButton.connect("clicked()", self.openFolder)

    def _onChoice(self, *values):
        self._message = ("", False)
        self.refresh(self._problem)

    def _missing(self):
        """Return the sentence that says what the user has to do before a batch can start, or ''."""
        ui = self.ui
        if SOURCES[max(0, ui.batchSourceBox.currentIndex)] == "table":
            if not ui.batchTableEdit.currentPath.strip():
                return _("Choose the table of cases first.")
        elif not ui.batchExamsEdit.currentPath.strip():
            return _("Choose the folder that holds the exams first.")
        if not ui.batchOutputEdit.currentPath.strip():
            return _("Choose the folder for the results first.")
        return self._problem

    def _note(self):
        """Say with what the exams are segmented: it was chosen further up, and may be hidden there."""
        settings = self._settings()
        if settings["model"] is None:
            return ""
        words = [_("Model: {name}.").format(name=settings["model"].name), *batchcommand.inWords(settings)]
        return " ".join(words)

    def _take(self, event):
        kind = event["event"]
        if kind == "start":
            self.rows.show(event["cases"])
            if event.get("finished"):
                self._showFinished()
            for note in event.get("notes", ()):
                self._say(note)
        elif kind == "note":
            self._say(event["message"])
        elif kind == "running":
            self.rows.showRunning(event["case"])
            self._share = 0.0
        elif kind == "case":
            self.rows.showRow(event)
            self._share = 0.0
        elif kind in ("done", "error"):
            self._finish(event)
            return
        if kind in ("running", "progress", "case"):
            self._onProgress(event)
        self.refresh(self._problem)

    def _onProgress(self, event):
        stage, total = event.get("stage"), event.get("total") or 0
        if stage == "Segmenting" and total:
            self._share = max(self._share, min(1.0, event["done"] / total))
        words = []
        if event.get("number"):
            words.append(_("Exam {number} of {count}").format(number=event["number"], count=event["of"]))
        if stage:
            words.append(stageTitle(stage))
        self._showProgress(": ".join(words), event.get("left_s"))

    def _showProgress(self, text, secondsLeft=None):
        ui, left = self.ui, timeLeft(secondsLeft, _)
        if not self._cancelling and text:
            ui.batchStageLabel.text = f"{text} – {left}" if left else text
        count = self.rows.count
        ui.batchProgressBar.setRange(0, 100 * count)
        ui.batchProgressBar.setValue(int(100 * (self.rows.ended + self._share)))
        if count:
            how = _("{title}: {done} of {count}")
            self._group.text = how.format(title=self._title, done=self.rows.ended, count=count)

    def _finish(self, event):
        self._process = None
        if event["event"] == "done":
            line = event["line"]
            if event.get("stopped"):
                line = _("{line}. Press “{button}” again to go on.")
                line = line.format(line=event["line"], button=self.ui.batchStartButton.text)
            self._end(line, False)
            return
        if event.get("log"):
            self._onMessage(event["log"])
        message = inThePanel(event["message"], _)
        self._end(message, True)
        if event.get("code") == DeviceUnavailable.code and self._settings()["device"] == "auto":
            self._askForCpu(message)

    def _askForCpu(self, reason):
        question = _("The graphics card cannot be used: {reason}").format(reason=reason)
        question += "\n\n" + _("Run the batch on the CPU instead? This can take many minutes for each exam.")
        if slicer.util.confirmYesNoDisplay(question, windowTitle=_("BreastSeg")):
            self.start("cpu")

    def _end(self, line, isError):
        self._timer.stop()
        self._group.text = self._title
        self.rows.end()
        self._message = (line, isError)
        if isError:
            logging.error(f"BreastSeg: batch: {line}")
        self._onMessage(line)
        self.refresh(self._problem)

    def _showFinished(self):
        """Show what the summary tells of the cases that an earlier start has finished."""
        try:
            with open(self._output / SUMMARY, encoding="utf-8-sig", newline="") as stream:
                for row in csv.DictReader(stream):
                    if row.get("state") == "done":
                        self.rows.showRow(row)
        except (OSError, ValueError, csv.Error) as error:
            self._say(_("The summary could not be read: {error}").format(error=type(error).__name__))

    def _say(self, line):
        self._onMessage(_("Batch: {line}").format(line=line))

    def _open(self, path):
        if not qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path))):
            self._message = (_("Nothing could open {path}").format(path=path), True)
            self.refresh(self._problem)

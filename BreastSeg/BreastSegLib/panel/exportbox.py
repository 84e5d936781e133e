"""What leaves the application about a result: report, tables and DICOM files, and from there an archive."""

import logging
import os
import re
from pathlib import Path

import qt
import slicer

from ..errors import BreastSegError, Cancelled
from ..pipeline.exporting import ENDINGS
from ..pipeline.exporting import STAGE as WRITING
from ..scene.companions import isThere
from ..scene.dicomsource import dicomSourceOf
from ..scene.texts import _
from . import packages, state
from .runner import Runner
from .segmentstep import stageTitle

UI = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "Export.ui"
ERROR_STYLE = "color: #c0392b; font-weight: bold;"
# kind of output -> check box, and what stands behind the name of the file
KINDS = {
    "html": ("htmlCheck", "report"),
    "pdf": ("pdfCheck", "report"),
    "csv": ("csvCheck", "measures"),
    "json": ("jsonCheck", "measures"),
    "seg": ("segCheck", "seg"),
    "sr": ("srCheck", "sr"),
    "pdf_dicom": ("pdfDicomCheck", "report"),
}
DICOM = ("seg", "sr", "pdf_dicom")
OF_LESIONS = ("seg", "sr")
TO_SHOW = ("html", "pdf")
NAME = re.compile(r"[\w .()-]{1,80}")
USUAL_NAME = "breast"


class ExportBox:
    """The group "Report and export".

    Parameters
    ----------
    group : ctk.ctkCollapsibleButton
    layout : qt.QVBoxLayout
        Where the contents go.
    session : scene.session.Session
    log : callable
        Called with each line for the log.
    sourceOf : callable, optional
        Returns the source of the files that the exam that is shown was loaded from; None where there are none.
    onMeasured : callable, optional
        Called with the result as it was, and with the measures of what was written.
    onWork : callable, optional
        Called when the work begins or has ended: other work of the panel has to wait meanwhile.
    sendFiles : callable, optional
        ``sendFiles(paths)`` asks which archive they go to, and sends them.
    onRead : callable, optional
        Called with the result when its segments have been read: later changes of them are not in the files.
    """

    def __init__(
        self, group, layout, session, log, sourceOf=None, onMeasured=None, onWork=None, sendFiles=None, onRead=None
    ):
        self._group, self._session, self._log = group, session, log
        self._sourceOf, self._onMeasured = sourceOf or (lambda: None), onMeasured
        self._onWork, self._sendFiles, self._onRead = onWork, sendFiles, onRead or (lambda result: None)
        top = slicer.util.loadUI(str(UI))
        layout.addWidget(top)
        self.ui = slicer.util.childWidgetVariables(top)
        self._exam = self._result = None
        self._idle, self._status, self._written = True, ("", False), ()
        # What was looked at last, and what of it is DICOM; the kinds of output that can be written.
        self._looked, self._dicom, self._possible = None, None, frozenset(KINDS)
        self.runner = Runner(top, session)
        self._connect()
        self.refresh(True)

    @property
    def working(self):
        """bool: whether something is being written."""
        return self.runner.working

    @property
    def kinds(self):
        """tuple of str: what is ticked and can be written."""
        return tuple(
            kind for kind, (check, _end) in KINDS.items() if kind in self._possible and getattr(self.ui, check).checked
        )

    @property
    def outputs(self):
        """dict of str to str: the file of each kind."""
        # The worker has another working folder than the application.
        folder = Path(os.path.abspath(os.path.expanduser(self.ui.exportFolderEdit.currentPath.strip())))
        name = self.ui.exportNameEdit.text.strip()
        return {kind: str(folder / f"{name}-{KINDS[kind][1]}{ENDINGS[kind][0]}") for kind in self.kinds}

    @property
    def written(self):
        """tuple of str: the files that were written last."""
        return self._written

    def show(self, exam, result):
        """Offer what can be written of a result.

        Parameters
        ----------
        exam : SceneExam, SceneMammograms or None
        result : SceneResult or None
        """
        if exam is not self._exam or getattr(result, "node", None) is not getattr(self._result, "node", None):
            if self.working:
                self._abandon()
            self._status, self._written = ("", False), ()
        if exam is not self._exam:
            # Who is named is decided anew for each exam.
            self.ui.identifyCheck.setChecked(False)
        self._exam, self._result = exam, result
        self.refresh(self._idle)

    def refresh(self, idle):
        """Bring the group up to date.

        Parameters
        ----------
        idle : bool
            Whether nothing else is being done in the panel.
        """
        self._idle = idle
        ui, there = self.ui, self._result is not None and isThere(self._result.node)
        ui.exportEmptyLabel.text = _("Segment an exam first: its report, numbers and outlines are written here.")
        ui.exportEmptyLabel.setVisible(not there)
        ui.exportFrame.setVisible(there)
        self._look()
        self._offerDicom()
        missing = self._missing()
        free = idle and there and not self.working
        ui.exportButton.setEnabled(free and not missing)
        wait = "" if idle or self.working else _("Wait until the present work has ended, or cancel it.")
        tip = _("Measure the segments that are shown, as they are now drawn, and write the files")
        ui.exportButton.setToolTip(missing or wait or tip)
        ui.exportNoteLabel.text = missing
        ui.exportNoteLabel.setVisible(bool(missing) and there)
        ui.exportFormFrame.setEnabled(not self.working)
        ui.exportProgressFrame.setVisible(self.working)
        text, isError = self._status
        ui.exportStatusLabel.text = text
        ui.exportStatusLabel.setStyleSheet(ERROR_STYLE if isError else "")
        ui.exportStatusLabel.setVisible(bool(text))
        written = bool(self._written) and not self.working
        ui.exportRowFrame.setVisible(written)
        ui.openReportButton.setVisible(self._report() is not None)
        ui.sendButton.setVisible(self._sendFiles is not None and bool(self._dicomFiles()))
        ui.sendButton.setEnabled(free)

    def write(self):
        """Begin to write what is ticked; the window stays alive."""
        if self.working or not self._idle or self._missing() or self._result is None:
            return
        outputs, overwrite = self.outputs, False
        existing = self._existing(outputs)
        if existing:
            if not slicer.util.confirmYesNoDisplay(self._question(existing), windowTitle=_("BreastSeg")):
                return
            overwrite = True
        former = self._result
        try:
            packages.ensurePackages(packages.TO_MEASURE, self._session)
            packages.ensurePackages(packages.toWrite(outputs), self._session, packages.TO_WRITE, packages.OF_REPORTS)
            turns = self._session.exportResult(
                self._exam,
                self._onProgress,
                result=former,
                outputs=outputs,
                dicom=self._dicom,
                identify=self._dicom is not None and bool(self.ui.identifyCheck.checked),
                overwrite=overwrite,
                onRead=lambda: self._onRead(former),
            )
        except BreastSegError as error:
            self._onError(error)
            return
        self._status, self._written = ("", False), ()
        self.ui.exportFolderEdit.addCurrentPathToHistory()
        self.runner.start(turns, lambda answer: self._onDone(former, *answer), self._onError)
        self._onProgress(_("Starting"), 0, 0, None)
        self._tellWork()

    def cancel(self):
        """Stop what is being done, within about a second; nothing is written then."""
        if self.working:
            self.ui.exportStageLabel.text = _("Cancelling …")
            self.ui.exportCancelButton.setEnabled(False)
            self.runner.cancel()

    def openReport(self):
        """Open the report that was written with the program that the user has for it."""
        report = self._report()
        if report is not None:
            self._open(report)

    def openFolder(self):
        """Open the folder with the files."""
        if self._written:
            self._open(Path(self._written[0]).parent)

    def send(self):
        """Send the DICOM files that were written to an archive."""
        if self._sendFiles is not None:
            self._sendFiles(self._dicomFiles())

    def close(self):
        """Stop what is being done: the panel goes away."""
        self.runner.abandon()

    def _connect(self):
        ui = self.ui
        ui.exportButton.setStyleSheet("font-weight: bold;")
        ui.exportNameEdit.text = USUAL_NAME
        for check, _end in KINDS.values():
            getattr(ui, check).connect("toggled(bool)", self._onChoice)
        ui.exportFolderEdit.connect("currentPathChanged(QString)", self._onChoice)
        ui.exportNameEdit.connect("textChanged(QString)", self._onChoice)
        for button, slot in (
            (ui.exportButton, self.write),
            (ui.exportCancelButton, self.cancel),
            (ui.openReportButton, self.openReport),
            (ui.openFolderButton, self.openFolder),
            (ui.sendButton, self.send),
        ):
            button.connect("clicked()", slot)

    def _look(self):
        """Find out what of the exam is DICOM, once for each exam, and which kinds of output that allows."""
        source = self._sourceOf()
        if source is not self._looked:
            self._looked, self._dicom = source, dicomSourceOf(source)
        measures = getattr(self._result, "measures", None)
        empty = bool(measures) and not measures.get("lesions")
        barred = set(DICOM) if self._dicom is None else set(OF_LESIONS) if empty else set()
        self._possible = frozenset(KINDS) - barred

    def _offerDicom(self):
        """Offer what refers to DICOM files only where there are some."""
        ui, there = self.ui, self._dicom is not None
        for kind in DICOM:
            check, possible = getattr(ui, KINDS[kind][0]), kind in self._possible
            check.setEnabled(possible)
            check.setToolTip(self._tips[kind] if possible or not there else _("There is no lesion to write"))
        ui.identifyCheck.setEnabled(there)
        note = _("DICOM files carry the patient's data, as the images do.")
        ui.exportDicomNoteLabel.text = note if there else _("Only for exams that were loaded here from DICOM files.")
        ui.exportDicomNoteLabel.setVisible(not there or bool(set(DICOM) & set(self.kinds)))

    @property
    def _tips(self):
        return {
            "seg": _("The outlines, referring to the images that they were drawn on"),
            "sr": _("The numbers as a structured report after TID 1500, referring to the segmentation"),
            "pdf_dicom": _("The PDF wrapped in a DICOM file, so that an archive takes it"),
        }

    def _missing(self):
        """Return the sentence that says what is missing before the files can be written; ''."""
        ui = self.ui
        if not self.kinds:
            return _("Tick what shall be written.")
        if not ui.exportFolderEdit.currentPath.strip():
            return _("Choose a folder for the files.")
        if not NAME.fullmatch(ui.exportNameEdit.text.strip()):
            return _("Give the files a name of letters, digits, spaces, dots, hyphens and underscores.")
        return ""

    def _existing(self, outputs):
        """Return the files that are there already, also those of single mammograms."""
        paths = [Path(path) for path in outputs.values()]
        if "seg" in outputs and self._exam.kind == "mammograms":
            one = Path(outputs["seg"])
            paths += sorted(one.parent.glob(f"{one.stem}-*{one.suffix}"))
        return [path for path in paths if path.exists()]

    def _question(self, existing):
        names = ", ".join(Path(path).name for path in existing)
        return _("These files exist already: {names}. Replace them?").format(names=names)

    def _report(self):
        paths = [path for path in self._written if Path(path).suffix in (ENDINGS[kind][0] for kind in TO_SHOW)]
        return Path(paths[0]) if paths else None

    def _dicomFiles(self):
        return tuple(path for path in self._written if Path(path).suffix == ".dcm")

    def _onChoice(self, *values):
        if not self.working:
            self._status = ("", False)
            self.refresh(self._idle)

    def _onProgress(self, stage, done, total, secondsLeft):
        if self.runner.cancelling:
            return
        text = _("Writing the files") if stage == WRITING else stageTitle(stage)
        ui, left = self.ui, state.timeLeft(secondsLeft, _)
        ui.exportStageLabel.text = f"{text} – {left}" if left else text
        ui.exportProgressBar.setRange(0, max(0, int(total)))
        ui.exportProgressBar.setValue(min(int(done), int(total)))
        ui.exportCancelButton.setEnabled(True)

    def _onDone(self, former, measured, written):
        self._written = tuple(written)
        names = ", ".join(Path(path).name for path in written)
        self._status = (_("Written: {names}").format(names=names), False)
        self._log(_("{count} files written").format(count=len(written)))
        logging.info(f"BreastSeg: {len(written)} files of a result written")
        self._result = measured
        if self._onMeasured is not None:
            self._onMeasured(former, measured)
        self._tellWork()

    def _onError(self, error):
        if isinstance(error, Cancelled):
            self._status = (_("Cancelled; nothing was written."), False)
            self._log(_("Cancelled"))
        else:
            logging.error(f"BreastSeg: {error.what}")  # the place may name somebody
            self._status = (state.inThePanel(error.line, _), True)
            self._log(error.line)
        self._tellWork()

    def _open(self, path):
        if not qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path))):
            self._status = (_("Nothing could open {path}").format(path=path), True)
            self.refresh(self._idle)

    def _tellWork(self):
        self.refresh(self._idle)
        if self._onWork is not None:
            self._onWork()

    def _abandon(self):
        """Stop at once. A worker at work is ended: nobody would hear its answer."""
        busy = self._session.workerBusy
        self.runner.abandon()
        if busy:
            self._session.close()

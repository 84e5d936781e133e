"""The window "Archive (PACS)": find a study, get and load it; or send files. The command ``pacs`` does the work."""

import hashlib
import logging
import os
import re
from pathlib import Path

import qt
import slicer

from ..errors import BreastSegError
from ..inference.childcommand import ChildCommand
from ..scene.session import childEnvironment, ownInterpreter
from ..scene.texts import _
from . import packages, state
from .commandwork import CommandWork

UI = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "Archive.ui"
ARCHIVES, TITLE, ENCRYPT = "BreastSeg/Archives", "BreastSeg/ArchiveTitle", "BreastSeg/ArchiveTls"
USER, PASSWORD = "BREASTSEG_PACS_USER", "BREASTSEG_PACS_PASSWORD"
PATIENT_ID, PATIENT_NAME = "BREASTSEG_PACS_PATIENT_ID", "BREASTSEG_PACS_PATIENT_NAME"
ACCESSION = "BREASTSEG_PACS_ACCESSION"
OWN_TITLE = "BREASTSEG"
MOST_KEPT = 10  # addresses
MOST_NAMED = 6  # files
MODALITIES = ("MR", "MG", "")
NUMBERS = ("series", "instances")
COLUMNS = ("date", "modalities", "description", "patient_id", "patient_name", "series", "instances")
STRETCHED = COLUMNS.index("description")
ERROR_STYLE = "color: #c0392b; font-weight: bold;"
GREEN_STYLE = "color: #1e8449;"


class ArchiveWindow:
    """Asks an archive, shows its studies, gets one of them, and sends files.

    Parameters
    ----------
    parent : qt.QWidget or None
    session : scene.session.Session
        Tells which interpreter the user named.
    onGot : callable
        Called with the folder of a study that was got: it is loaded.
    whyNot : callable
        Returns why no study can be loaded now; '' when nothing is against it.
    log : callable
        Called with each line for the log; no line names a patient.
    """

    def __init__(self, parent, session, onGot, whyNot, log):
        self._session, self._onGot, self._whyNot, self._log = session, onGot, whyNot, log
        self._studies, self._files, self._sent, self._status = (), (), False, ("", "")
        self.dialog = qt.QDialog(parent)
        top = slicer.util.loadUI(str(UI))
        qt.QVBoxLayout(self.dialog).addWidget(top)
        self.ui = slicer.util.childWidgetVariables(top)
        self.work = CommandWork(self.dialog, self._makeCommand, self._onProgress, self.refresh)
        self._fill()
        self._connect()
        self.refresh()

    @property
    def study(self):
        """dict or None: the chosen study."""
        # Not the current row: the keyboard makes one current that nobody has chosen.
        chosen = self.ui.studyTable.selectedItems()
        return self._studies[chosen[0].row()] if chosen else None

    def open(self):
        """Show the window to find and get studies."""
        if not self.work.running:
            self._files = ()
            self._say("")
            self.dialog.setWindowTitle(_("Archive (PACS)"))
            self.dialog.resize(720, 560)
        self._show()

    def send(self, files):
        """Show the window to send files.

        Parameters
        ----------
        files : sequence of str
            DICOM files.
        """
        if not self.work.running:
            self._files, self._sent = tuple(files), False
            self._say("")
            self.dialog.setWindowTitle(_("Send to archive (PACS)"))
            self.dialog.resize(720, 200)
        self._show()

    def close(self):
        """End what is being done; the password is forgotten."""
        self.work.close()
        self.ui.passwordEdit.text = ""
        self.dialog.close()

    def refresh(self):
        """Bring the window up to date."""
        ui, busy, sending = self.ui, self.work.running, bool(self._files)
        missing = self._missing()
        for widget, shown in (
            (ui.sendFrame, sending),
            (ui.findFrame, not sending),
            (ui.studyTable, not sending),
            (ui.getFrame, not sending),
            (ui.archiveProgressFrame, busy),
        ):
            widget.setVisible(shown)
        ui.sendLabel.text = self._filesText()
        for frame in (ui.archiveFrame, ui.connectionGroup, ui.findFrame, ui.studyTable, ui.getFolderEdit):
            frame.setEnabled(not busy)
        ui.echoButton.setEnabled(not busy and not missing)
        for button, tip in (
            (ui.findButton, _("Ask the archive; what is left empty is not asked")),
            (ui.sendNowButton, _("Send the files and wait until the archive has acknowledged each")),
        ):
            button.setEnabled(not busy and not missing)
            button.setToolTip(missing or tip)
        if self._sent:
            ui.sendNowButton.setEnabled(False)
            ui.sendNowButton.setToolTip(_("They have been sent."))
        why = missing or self._whyNotGet()
        ui.getButton.setEnabled(not busy and not why)
        ui.getButton.setToolTip(why or _("Copy the chosen study into the folder and load it"))
        text, style = self._status
        text = text or ("" if busy else missing)
        ui.archiveStatusLabel.text = text
        ui.archiveStatusLabel.setStyleSheet(style)
        ui.archiveStatusLabel.setVisible(bool(text))

    def echo(self):
        """Ask the archive whether it answers."""
        self._begin(["echo"], lambda event: self._say(_("The archive answers."), GREEN_STYLE))

    def find(self):
        """Ask for studies."""
        arguments = ["find", "--patient-from-environment"] if any(self._patient().values()) else ["find"]
        for name, text in (
            ("--date-from", self.ui.dateFromEdit.text),
            ("--date-to", self.ui.dateToEdit.text),
            ("--modality", MODALITIES[max(0, self.ui.modalityBox.currentIndex)]),
        ):
            # One word: a value that begins with a hyphen is no option.
            arguments += [f"{name}={text.strip()}"] if text.strip() else []
        self._begin(arguments, self._onFound)

    def get(self):
        """Get the chosen study and load it."""
        study = self.study
        if study is None or self._whyNotGet():
            return
        folder = Path(absolute(self.ui.getFolderEdit.currentPath)) / folderName(study)
        self.ui.getFolderEdit.addCurrentPathToHistory()
        arguments = ["get", "--study", study["study_uid"], "--output", str(folder)]
        self._begin(arguments, lambda event: self._onReceived(event, folder))

    def sendNow(self):
        """Send the files."""
        if self._files and not self._sent:
            self._begin(["send", *self._files], self._onSent)

    def _show(self):
        self.refresh()
        self.dialog.show()
        self.dialog.raise_()

    def _fill(self):
        """Fill in what was used last; of patients and passwords nothing is kept."""
        ui = self.ui
        for address in kept():
            ui.archiveBox.addItem(address)
        ui.ownTitleEdit.text = slicer.util.settingsValue(TITLE, OWN_TITLE)
        ui.tlsCheck.setChecked(slicer.util.settingsValue(ENCRYPT, False, converter=slicer.util.toBool))
        ui.connectionGroup.collapsed = bool(kept())
        for text in (_("Breast MRI and other MR"), _("Mammograms"), _("Any")):
            ui.modalityBox.addItem(text)
        table = ui.studyTable
        table.setColumnCount(len(COLUMNS))
        titles = (_("Date"), _("Kind"), _("Description"), _("Patient ID"), _("Name"), _("Series"), _("Images"))
        table.setHorizontalHeaderLabels(list(titles))
        table.verticalHeader().setVisible(False)
        table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        table.setSelectionMode(qt.QAbstractItemView.SingleSelection)
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        table.horizontalHeader().setSectionResizeMode(STRETCHED, qt.QHeaderView.Stretch)

    def _connect(self):
        ui = self.ui
        ui.archiveBox.connect("currentTextChanged(QString)", self._onChoice)
        ui.getFolderEdit.connect("currentPathChanged(QString)", self._onChoice)
        ui.studyTable.connect("itemSelectionChanged()", self._onSelection)
        for edit in (ui.patientIdEdit, ui.patientNameEdit, ui.accessionEdit, ui.dateFromEdit, ui.dateToEdit):
            edit.connect("returnPressed()", self.find)
        self.dialog.connect("rejected()", self._onClosed)
        for button in (ui.findButton, ui.sendNowButton):
            button.setStyleSheet("font-weight: bold;")
        for button, slot in (
            (ui.echoButton, self.echo),
            (ui.findButton, self.find),
            (ui.getButton, self.get),
            (ui.sendNowButton, self.sendNow),
            (ui.archiveCancelButton, self.work.cancel),
        ):
            button.connect("clicked()", slot)

    def _begin(self, arguments, onResult):
        """Start an action of the command ``pacs`` with the archive that is named."""
        if self.work.running or self._missing():
            return
        address = self.ui.archiveBox.currentText.strip()
        if re.match(r"\w+://[^/]*@", address):
            # It would be seen in the list of processes.
            self._say(_("Write user and password into their fields, not into the address."), ERROR_STYLE)
            return
        try:
            packages.ensurePackages(tuple(packages.TO_TALK), self._session, packages.TO_TALK, packages.OF_ARCHIVES)
        except BreastSegError as error:
            self._say(inTheWindow(error.line), ERROR_STYLE)
            return

        def done(event):
            # Only what was understood: a password may stand in the wrong place.
            self._keep(address)
            onResult(event)

        self._say("")
        self._onProgress(_("Asking the archive"), 0, 0, None)
        self.work.start([arguments[0], *self._connection(address), *arguments[1:]], done, self._onError)

    def _connection(self, address):
        """Return the arguments that say how the archive is talked to."""
        ui = self.ui
        words = [f"--peer={address}", f"--ae={ui.ownTitleEdit.text.strip() or OWN_TITLE}"]
        if ui.tlsCheck.checked:
            words.append("--tls")
        if ui.caEdit.currentPath.strip():
            words.append(f"--tls-ca={absolute(ui.caEdit.currentPath)}")
        return words

    def _patient(self):
        """Return what names the patient that is looked for, by name of variable."""
        edits = {
            PATIENT_ID: self.ui.patientIdEdit,
            PATIENT_NAME: self.ui.patientNameEdit,
            ACCESSION: self.ui.accessionEdit,
        }
        return {name: edit.text.strip() for name, edit in edits.items()}

    def _filesText(self):
        """Return which files are sent."""
        names = [Path(path).name for path in self._files]
        told = ", ".join(names[:MOST_NAMED])
        if len(names) > MOST_NAMED:
            told = _("{names} and {count} more").format(names=told, count=len(names) - MOST_NAMED)
        return _("Files: {names}").format(names=told)

    def _makeCommand(self, arguments):
        """Return the child process; who is meant travels in its environment, as all users see arguments."""
        environment = childEnvironment()
        told = {USER: self.ui.userEdit.text, PASSWORD: self.ui.passwordEdit.text}
        if arguments[0] == "find":
            told |= self._patient()
        environment.update({name: text for name, text in told.items() if text})
        python = self._session.interpreter or ownInterpreter()
        return ChildCommand(["pacs", *arguments, "--events"], python, environment)

    def _missing(self):
        return "" if self.ui.archiveBox.currentText.strip() else _("Name the archive: AE@HOST:PORT or https://…")

    def _whyNotGet(self):
        if self.study is None:
            return _("Choose a study in the table first.")
        if not self.ui.getFolderEdit.currentPath.strip():
            return _("Choose the folder that the images are saved to first.")
        return self._whyNot()

    def _keep(self, address):
        """Keep address, title and encryption for the next time."""
        box = self.ui.archiveBox
        addresses = [address, *(each for each in kept() if each != address)][:MOST_KEPT]
        settings = qt.QSettings()
        settings.setValue(ARCHIVES, "\n".join(addresses))
        settings.setValue(TITLE, self.ui.ownTitleEdit.text.strip())
        settings.setValue(ENCRYPT, bool(self.ui.tlsCheck.checked))
        if box.findText(address) < 0:
            box.addItem(address)

    def _onChoice(self, *values):
        if not self.work.running:
            self._status = ("", "")
        self.refresh()

    def _onSelection(self):
        self.refresh()

    def _onProgress(self, stage, done, total, secondsLeft):
        ui, left = self.ui, state.timeLeft(secondsLeft, _)
        ui.archiveStageLabel.text = f"{stage} – {left}" if left else stage
        ui.archiveProgressBar.setRange(0, max(0, int(total)))
        ui.archiveProgressBar.setValue(min(int(done), int(total)))

    def _onFound(self, event):
        table, self._studies = self.ui.studyTable, tuple(event["studies"])
        table.setRowCount(0)
        table.setRowCount(len(self._studies))
        for place, row in enumerate(self._studies):
            for column, name in enumerate(COLUMNS):
                text = cellText(name, row.get(name))
                item = qt.QTableWidgetItem(text)
                item.setToolTip(text)
                side = qt.Qt.AlignRight if name in NUMBERS else qt.Qt.AlignLeft
                item.setTextAlignment(side | qt.Qt.AlignVCenter)
                table.setItem(place, column, item)
        if len(self._studies) == 1:
            table.selectRow(0)
        count = len(self._studies)
        words = {0: _("No study was found."), 1: _("1 study.")}.get(count, _("{count} studies.").format(count=count))
        if event.get("more"):
            words += " " + _("There are more: ask more narrowly.")
        self._say(words)

    def _onReceived(self, event, folder):
        received = _("{count} images received.").format(count=event["images"])
        why = self._whyNot()
        self._say(f"{received} {_notLoaded(folder)}" if why else received, GREEN_STYLE)
        self._log(_("A study with {count} images came from the archive").format(count=event["images"]))
        logging.info(f"BreastSeg: {event['images']} images came from an archive")
        if not why:
            self.dialog.hide()
            self._onGot(str(folder))

    def _onSent(self, event):
        refused = event.get("refused") or ()
        if refused:
            lines = [f"{Path(row['file']).name}: {row['reason']}" for row in refused]
            self._say("\n".join([_("The archive refused files:"), *lines]), ERROR_STYLE)
            return
        self._sent, count = True, event["sent"]
        one, several = _("1 file sent and acknowledged."), _("{count} files sent and acknowledged.")
        self._say(one if count == 1 else several.format(count=count), GREEN_STYLE)
        self._log(_("{count} files sent to the archive").format(count=count))
        logging.info(f"BreastSeg: {count} files sent to an archive")

    def _onError(self, event):
        if event.get("code") == "cancelled":
            self._say(_("Cancelled."))
            return
        hint = event.get("hint") or ""
        message = str(event["message"])
        self._say(inTheWindow(f"{message} {hint}".strip() if hint not in message else message), ERROR_STYLE)

    def _onClosed(self):
        """The user has closed the window: what was being done ends, and the password is forgotten."""
        self.work.cancel()
        self.ui.passwordEdit.text = ""

    def _say(self, text, style=""):
        self._status = (text, style)
        self.refresh()


def absolute(text):
    """Return a path that the user wrote; the command runs in another folder than the application."""
    return os.path.abspath(os.path.expanduser(text.strip()))


def inTheWindow(sentence):
    """Return a sentence of the command as it reads in the window, which has no flags."""
    certificates = _("“Certificates”")
    for flag, shown in (
        (r", or allow it with --plain-credentials", ""),
        (r"--tls-certificate and --tls-key", certificates),
        (r"--tls-ca", certificates),
        (r"--ae\b", _("“Our title”")),
        (r"Ask whether C-MOVE works, and give --move-port", _("Use the command line, which also knows C-MOVE")),
    ):
        sentence = re.sub(flag, shown, sentence)
    return state.inThePanel(sentence, _)


def cellText(name, value):
    """Return what people read in a cell of the table of studies."""
    if value is None:
        return ""
    return str(value).replace("^", ", ", 1).replace("^", " ").strip() if name == "patient_name" else str(value)


def kept():
    """Return the addresses that were used before, the latest first."""
    return [line for line in slicer.util.settingsValue(ARCHIVES, "").split("\n") if line.strip()]


def _notLoaded(folder):
    """Return the sentence that says where images lie that cannot be loaded now."""
    return _("The panel is at work: load the folder {folder} in step 1 afterwards.").format(folder=folder.name)


def folderName(study):
    """Return the name of a study's folder: its day and a short code, nothing that tells who it is."""
    day = "".join(letter for letter in str(study.get("date") or "") if letter.isdigit())
    code = hashlib.sha256(study["study_uid"].encode()).hexdigest()[:8]
    return f"study-{day}-{code}" if day else f"study-{code}"

"""The model library: what is installed, and everything that can be done with it, in one window."""

import logging
import os
import re
from pathlib import Path

import qt
import slicer

from ..errors import BreastSegError
from ..models import place, survey
from ..scene.texts import _
from . import state
from .modelcard import ModelCardScreen
from .modellibraryask import AskScreen
from .modellibrarycatalogue import CatalogueScreen
from .modellibrarycombine import CombineScreen
from .modellibrarytable import LIBRARY_ITSELF, ModelTable, details, rowsOf, sizeText
from .modellibrarywork import LibraryWork

RESOURCES = Path(__file__).resolve().parents[2] / "Resources" / "UI"


class ModelLibrary:
    """The window "Models". It never blocks; closing it leaves running work alone.

    Parameters
    ----------
    parent : qt.QWidget or None
        The window that it belongs to.
    onChanged : callable
        ``onChanged(installed)``: the list of models is another one; names of the models that were just installed.
    onSaid : callable
        ``onSaid(sentence, isError)``: how something has ended.
    whyNot : callable
        Returns why models must stay as they are just now, such as a run that uses them; '' when nothing is against it.
    release : callable
        Called before a model is renamed, replaced or removed, so that nothing holds its files.
    """

    def __init__(self, parent, onChanged, onSaid, whyNot, release):
        self._onChanged, self._onSaid, self._whyNot, self._release = onChanged, onSaid, whyNot, release
        self._stage = ""
        self._build(parent)
        ui = self.ui
        self.work = LibraryWork(self.dialog, self._onProgress, self._refreshWork)
        self.table = ModelTable(ui.modelTable, self._onSelected)
        self.ask = AskScreen(ui, self._show, self.showList)
        self.catalogue = CatalogueScreen(ui, self._show, self.showList, self._installEntry)
        self.combine = CombineScreen(ui, self._show, self.showList, self._combine)
        self.card = ModelCardScreen(ui, self.showList, self._installWithCard)
        self._source, self._arguments = "", []
        self._connect()
        self.say("")
        self._refreshWork()

    @property
    def shown(self):
        """bool: whether the window is open."""
        return self.dialog.isVisible()

    def open(self):
        """Show the window with the models as they are now."""
        if not self.work.running:
            self.say("")
            self.showList()
        self.dialog.show()
        self.dialog.activateWindow()

    def close(self):
        """Close the window for good and end what it is doing."""
        self.work.close()
        self.dialog.hide()
        self.dialog.deleteLater()

    def showList(self):
        """Show the table of models, read again."""
        self.refresh()
        self._show(self.ui.listScreen, self.ui.installButton)

    def refresh(self, selected=""):
        """Read the list of models again; a library folder that vanished is said, not raised."""
        models, problems = survey()
        own = problems.pop(LIBRARY_ITSELF, None)
        rows = rowsOf(models, problems)
        self.table.show(rows, selected)
        self._models = tuple(models)
        size = sum(row.size for row in rows if row.own)
        count = sum(1 for row in rows if row.own)
        self.ui.libraryFolderLabel.text = plainProblem(own) if own is not None else self._folderText(count, size)
        fixed = os.environ.get(place.ENVIRONMENT, "").strip()
        tip = _("Set by the environment variable {name}").format(name=place.ENVIRONMENT)
        self.ui.libraryFolderButton.setEnabled(not fixed)
        self.ui.libraryFolderButton.setToolTip(tip if fixed else _("Keep models in another folder"))
        self._onSelected()

    def say(self, sentence, isError=False):
        """Show one line at the bottom of the window."""
        label = self.ui.libraryStatusLabel
        label.text = sentence
        label.setStyleSheet("color: #c0392b; font-weight: bold;" if isError else "")
        label.setVisible(bool(sentence))

    def install(self, source, arguments=()):
        """Begin to install a model from a zip or folder.

        Parameters
        ----------
        source : str
        arguments : sequence of str
            More of what ``models install`` takes.
        """
        self._source, self._arguments = str(source), list(arguments)
        self._begin(["install", self._source, *self._arguments], self._onInstalled, self._onRefused)

    def _build(self, parent):
        self.dialog = qt.QDialog(parent)
        self.dialog.setWindowTitle(_("Models"))
        self.dialog.setModal(False)
        top = slicer.util.loadUI(str(RESOURCES / "ModelLibrary.ui"))
        card = slicer.util.loadUI(str(RESOURCES / "ModelCard.ui"))
        layout = qt.QVBoxLayout(self.dialog)
        layout.addWidget(top)
        self.dialog.resize(top.width, top.height)
        self.ui = slicer.util.childWidgetVariables(top)
        self.ui.__dict__.update(slicer.util.childWidgetVariables(card).__dict__)
        self.ui.libraryScreens.addWidget(card)
        self._cardScreen = card

    def _connect(self):
        ui = self.ui
        menu = qt.QMenu(ui.installButton)
        self.zipAction = qt.QAction(_("From a zip file…"), menu)
        self.folderAction = qt.QAction(_("From a folder…"), menu)
        for action, choose in ((self.zipAction, self._chooseZip), (self.folderAction, self._chooseFolder)):
            menu.addAction(action)
            action.connect("triggered()", choose)
        ui.installButton.setMenu(menu)
        for button, listener in (
            (ui.libraryFolderButton, self._chooseLibrary),
            (ui.catalogueButton, self._openCatalogue),
            (ui.combineButton, lambda: self.combine.open(self._models)),
            (ui.verifyButton, self._verify),
            (ui.renameButton, self._askName),
            (ui.exportButton, self._export),
            (ui.removeButton, self._askRemove),
            (ui.libraryCancelButton, self._cancel),
            (ui.libraryCloseButton, self.dialog.hide),
        ):
            button.connect("clicked()", listener)

    # What is shown

    def _show(self, screen, primaryButton):
        self.ui.libraryScreens.setCurrentWidget(screen)
        primaryButton.setDefault(True)

    def _folderText(self, count, size):
        what = _("{count} models of your own, {size}") if count != 1 else _("1 model of your own, {size}")
        folder = _("Kept in {folder}").format(folder=place.library_folder())
        return f"{folder}\n{what.format(count=count, size=sizeText(size))}"

    def _onSelected(self):
        row, ui = self.table.row, self.ui
        ui.modelDetailsLabel.text = details(row) if row is not None else _("No model is installed.")
        usable = row is not None and row.model is not None
        ui.verifyButton.setEnabled(usable)
        ui.exportButton.setEnabled(usable)
        shipped = _("It comes with BreastSeg and stays.")
        for button, tip, may in (
            (ui.renameButton, _("Give the selected model another name"), usable and row.own),
            (ui.removeButton, _("Delete the selected model from this computer"), row is not None and row.own),
        ):
            button.setEnabled(may)
            button.setToolTip(tip if may or row is None else shipped)

    def _refreshWork(self):
        running = self.work.running
        self.ui.libraryScreens.setEnabled(not running)
        self.ui.libraryProgressFrame.setVisible(running)
        self.ui.libraryCancelButton.setEnabled(True)
        if running:
            self._onProgress(_("Starting"), 0, 0, None)

    def _onProgress(self, stage, done, total, secondsLeft):
        left = state.timeLeft(secondsLeft, _)
        self.say(f"{stage} – {left}" if left else stage)
        # In thousandths: a progress bar counts with 32 bits, and files have more bytes than that.
        self.ui.libraryProgressBar.setRange(0, 1000 if total else 0)
        self.ui.libraryProgressBar.setValue(int(1000 * min(1, done / total)) if total else 0)

    def _cancel(self):
        self.work.cancel()
        self.ui.libraryCancelButton.setEnabled(False)
        self.say(_("Cancelling …"))

    # What is done

    def _begin(self, arguments, onResult, onError=None):
        if arguments[0] in ("rename", "remove"):
            why = self._whyNot()
            if why:
                self.say(why, True)
                return
            self._release()
        self.work.start(arguments, onResult, onError or self._onError)

    def _done(self, sentence, installed=()):
        self._onChanged(tuple(installed))
        self.showList()
        if installed:
            self.refresh(installed[-1])
        self.say(sentence)
        self._onSaid(sentence, False)

    def _onError(self, event):
        cancelled = event.get("code") == "cancelled"
        sentence = _("Cancelled; nothing was changed.") if cancelled else plainLine(event)
        self.refresh()
        self._onChanged(())
        self.say(sentence, not cancelled)
        if not cancelled:
            logging.error(f"BreastSeg: {sentence}")
        self._onSaid(sentence, not cancelled)

    def _chooseZip(self):
        choices = _("Zip files (*.zip);;All files (*)")
        path = qt.QFileDialog.getOpenFileName(self.dialog, _("The zip of a model"), "", choices)
        if path:
            self.install(path)

    def _chooseFolder(self):
        what = _("The folder of a model, or nnU-Net's folder of results")
        folder = qt.QFileDialog.getExistingDirectory(self.dialog, what, "")
        if folder:
            self.install(folder)

    def _installEntry(self, entry, file):
        arguments = ["--file", file] if file else []
        self.install(entry.name, [*arguments, *(["--accept-licence"] if entry.licence.must_accept else [])])

    def _installWithCard(self, arguments):
        self.install(self._source, [*self._arguments, *arguments])

    def _onInstalled(self, event):
        names = [model["name"] if isinstance(model, dict) else str(model) for model in event.get("models", ())]
        what = _("{names} is installed.") if len(names) == 1 else _("{names} are installed.")
        self._done(" ".join([what.format(names=", ".join(names)), *event.get("notes", ())]), names)

    def _onRefused(self, event):
        """The installation needs something of the user, or it failed."""
        code = event.get("code")
        if code == "needs-card":
            self.card.open(self._source, event["proposal"], [row.name for row in self.table.rows])
            self._show(self._cardScreen, self.ui.cardInstallButton)
            self.say("")
        elif code == "needs-licence":
            self._askLicence(event)
        elif code == "untrusted":
            self._askTrust(event)
        elif code == "name-taken":
            self._askOtherName(event["name"])
        else:
            self._onError(event)

    def _askLicence(self, event):
        self.ask.ask(
            _("This model has terms"),
            plainLine(event),
            _("Install"),
            lambda answer: self.install(self._source, [*self._arguments, "--accept-licence"]),
            check=_("I accept the licence {name}").format(name=event["licence"]),
        )
        self.say("")

    def _askOtherName(self, name):
        arguments = [argument for argument in self._arguments if not argument.startswith("--name=")]
        self.ask.ask(
            _("A model named {name} is there already").format(name=name),
            _("Install the new one under another name, or go back and remove the old one first."),
            _("Install"),
            lambda new: self.install(self._source, [*arguments, f"--name={new}"]),
            edit=name,
        )
        self.say("")

    def _askTrust(self, event):
        text = _(
            "Beside its weights the file asks for program parts that models do not need: {names}. Opened, they act "
            "with your rights: they could read, change or send away what you can open. Trust the file only if you "
            "made it yourself, or know its maker and had it from there. Only this very file is trusted, no other."
        )
        self.ask.ask(
            _("This model is not safe to open"),
            text.format(names=", ".join(event["globals"])),
            _("Trust this file and install"),
            lambda answer: self._trust(event["files"]),
            check=_("I know where this file comes from, and I trust it"),
        )
        self.say("")

    def _trust(self, files):
        self._begin(["trust", *files, "--yes"], lambda event: self.install(self._source, self._arguments))

    def _openCatalogue(self):
        problems = self.catalogue.open([model.name for model in self._models])
        self.say(" ".join(error.line for error in problems), bool(problems))

    def _combine(self, name, members):
        self._begin(["combine", name, *members], self._onInstalled)

    def _verify(self):
        name = self.table.row.name
        self._begin(["verify", name], lambda event: self._onVerified(name, event))

    def _onVerified(self, name, event):
        problems = event.get("problems") or []
        self.table.states[name] = _("Damaged") if problems else _("Verified")
        self.refresh(name)
        whole = _("Every file of {name} is as it was when it was installed.").format(name=name)
        self.say(" ".join(map(str, problems)) if problems else whole, bool(problems))

    def _askName(self):
        name = self.table.row.name
        self.ask.ask(
            _("Rename {name}").format(name=name),
            _("Ensembles that use the model follow; scenes that name it look for its old name."),
            _("Rename"),
            lambda new: self._begin(
                ["rename", name, new, "--with-ensembles"],
                lambda event: self._done(_("Renamed to {name}.").format(name=new), (new,)),
            ),
            edit=name,
        )

    def _askRemove(self):
        row = self.table.row
        size = sizeText(row.size)
        self.ask.ask(
            _("Remove {name}?").format(name=row.name),
            _("Its files ({size}) are deleted from this computer. Results made with it stay.").format(size=size),
            _("Remove"),
            lambda answer: self._begin(
                ["remove", row.name, "--yes"],
                lambda event: self._done(_("{name} was removed.").format(name=row.name)),
            ),
        )

    def _export(self):
        name = self.table.row.name
        start = os.path.join(os.path.expanduser("~"), f"{name}.zip")
        path = qt.QFileDialog.getSaveFileName(self.dialog, _("Export the model"), start, _("Zip files (*.zip)"))
        if path:
            path = path if path.lower().endswith(".zip") else f"{path}.zip"
            done = _("{name} was written to {path}.").format(name=name, path=path)
            self._begin(["export", name, path, "--overwrite"], lambda event: self._done(done))

    def _chooseLibrary(self):
        folder = qt.QFileDialog.getExistingDirectory(self.dialog, _("Where models are kept"), "")
        if not folder:
            return
        former = place.library_folder()
        try:
            now = place.set_library_folder(folder)
        except BreastSegError as error:
            self.say(error.line, True)
            return
        what = _("Models are kept in {now} from now on; those in {former} stay there.")
        self._done(what.format(now=now, former=former))


def plainLine(event):
    """Return the sentence of an error event for a window: what is only for the command line is left out."""
    return _sentence(*(str(event.get(key) or "").strip() for key in ("message", "hint")))


def plainProblem(error):
    """Return the line of a `BreastSegError` for a window, as `plainLine` does."""
    return _sentence(f"{error.what.rstrip('. ')} ({error.where})" if error.where else error.what, error.hint)


def _sentence(message, hint):
    if re.search(r"(^|\s)--\w|\bmodels [a-z]+ ", hint):
        hint = ""
    return " ".join(part if part.endswith((".", "?", "…")) else f"{part}." for part in (message, hint) if part)

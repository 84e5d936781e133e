"""The screen of the model library with models that can be had: their terms, and where their file comes from."""

import logging
import os

import qt

from ..models import catalogue
from ..scene.texts import _
from .modellibrarytable import sizeText


class CatalogueScreen:
    """Entries of the catalogue, their licence to accept, and the file that users bring themselves.

    Parameters
    ----------
    ui : object
        The widgets of ModelLibrary.ui, by name.
    show : callable
        ``show(screen, primaryButton)``: brings a screen to the front.
    onBack : callable
        Called when the user does not want any.
    onInstall : callable
        ``onInstall(entry, file)``: `file` is '' where it is downloaded.
    """

    def __init__(self, ui, show, onBack, onInstall):
        self._ui, self._show, self._onInstall = ui, show, onInstall
        self._entries, self._file = (), ""
        ui.catalogueBackButton.connect("clicked()", onBack)
        ui.catalogueInstallButton.connect("clicked()", self._install)
        ui.catalogueFileButton.connect("clicked()", self._chooseFile)
        ui.catalogueList.connect("currentRowChanged(int)", self._onEntry)
        ui.catalogueLicenceCheck.connect("toggled(bool)", lambda checked: self._refresh())

    @property
    def entry(self):
        """Entry or None: the chosen entry."""
        row = self._ui.catalogueList.currentRow
        return self._entries[row] if 0 <= row < len(self._entries) else None

    def open(self, installed):
        """Show the catalogue.

        Parameters
        ----------
        installed : sequence of str
            Names of the models that are there already.
        """
        ui = self._ui
        entries, problems = catalogue.survey()
        for error in problems:
            logging.warning(f"BreastSeg: {error.line}")
        self._entries, self._installed = (), tuple(installed)
        ui.catalogueList.clear()
        for entry in entries:
            there = entry.name in self._installed
            ui.catalogueList.addItem(_("{title} (installed)").format(title=entry.title) if there else entry.title)
        self._entries = tuple(entries)
        ui.catalogueList.setCurrentRow(0 if entries else -1)
        self._onEntry(0)
        self._show(ui.catalogueScreen, ui.catalogueInstallButton)
        return problems

    def _onEntry(self, row):
        ui, entry = self._ui, self.entry
        self._file = ""
        ui.catalogueLicenceCheck.setChecked(False)
        ui.catalogueDetailsLabel.text = _details(entry) if entry is not None else _("The catalogue is empty.")
        ui.catalogueLicenceCheck.setVisible(entry is not None and entry.licence.must_accept)
        if entry is not None:
            ui.catalogueLicenceCheck.text = _("I accept the licence {name}").format(name=entry.licence.name)
        ui.catalogueFileFrame.setVisible(entry is not None)
        self._refresh()

    def _chooseFile(self):
        title = _("The zip of {title}").format(title=self.entry.title)
        choices = _("Zip files (*.zip);;All files (*)")
        path = qt.QFileDialog.getOpenFileName(self._ui.catalogueFileButton, title, "", choices)
        if path:
            self._file = path
            self._refresh()

    def _missing(self):
        entry = self.entry
        if entry is None:
            return _("Choose a model first.")
        if entry.name in self._installed:
            return _("This model is installed already.")
        if not entry.url and not self._file:
            return _("Choose the file first.")
        if entry.licence.must_accept and not self._ui.catalogueLicenceCheck.checked:
            return _("Accept the licence first.")
        return ""

    def _refresh(self):
        ui, missing, entry = self._ui, self._missing(), self.entry
        ui.catalogueFileLabel.text = os.path.basename(self._file) or (
            _("Only needed without an internet connection") if entry is not None and entry.url else _("No file chosen")
        )
        ui.catalogueFileLabel.setToolTip(self._file)
        ui.catalogueInstallButton.setEnabled(not missing)
        downloads = entry is not None and entry.url and not self._file
        ui.catalogueInstallButton.text = _("Download and install") if downloads else _("Install")
        ui.catalogueInstallButton.setToolTip(missing)

    def _install(self):
        self._onInstall(self.entry, self._file)


def _details(entry):
    lines = [entry.description]
    if entry.url:
        size = sizeText(entry.size) if entry.size else _("size unknown")
        lines.append(_("Download: {size}").format(size=size))
    if entry.instructions:
        lines.append(_("Where to get it: {text}").format(text=entry.instructions))
    lines.append(_("Licence: {text}").format(text=entry.licence.text))
    if entry.citation:
        lines.append(_("Cite: {text}").format(text=entry.citation))
    return "\n".join(lines)

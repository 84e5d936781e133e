"""The screen of the model library with one question: rename, remove, trust."""

from ..errors import BreastSegError
from ..models.card import check_name
from ..scene.texts import _


class AskScreen:
    """One question, one primary button.

    Parameters
    ----------
    ui : object
        The widgets of ModelLibrary.ui, by name.
    show : callable
        ``show(screen, primaryButton)``: brings a screen to the front.
    onBack : callable
        Called when the user does not want it.
    """

    def __init__(self, ui, show, onBack):
        self._ui, self._show = ui, show
        self._onYes = self._former = None
        ui.askBackButton.connect("clicked()", onBack)
        ui.askButton.connect("clicked()", self._yes)
        ui.askEdit.connect("textChanged(QString)", lambda text: self._refresh())
        ui.askCheck.connect("toggled(bool)", lambda checked: self._refresh())

    def ask(self, title, text, button, onYes, edit=None, check=""):
        """Show the question.

        Parameters
        ----------
        title, text, button : str
            What it is about, what it means, and what the primary button says.
        onYes : callable
            Called with what the user wrote ('' where nothing can be written) when the button is pressed.
        edit : str, optional
            The name to be changed into another; no line when not given.
        check : str, optional
            What the user has to tick first; nothing when not given.
        """
        ui, self._onYes = self._ui, onYes
        ui.askTitleLabel.text = title
        ui.askLabel.text = text
        ui.askButton.text = button
        ui.askEdit.setVisible(edit is not None)
        ui.askEdit.text = edit or ""
        ui.askCheck.setVisible(bool(check))
        ui.askCheck.text = check
        ui.askCheck.setChecked(False)
        self._former = edit
        self._refresh()
        # The return key must not remove anything.
        self._show(ui.askScreen, ui.askButton if edit is not None else ui.askBackButton)
        if edit is not None:
            ui.askEdit.setFocus()
            ui.askEdit.selectAll()

    def _missing(self):
        ui = self._ui
        if self._former is not None:
            name = ui.askEdit.text.strip()
            if name in ("", self._former):
                return _("Write another name first.")
            try:
                check_name(name)
            except BreastSegError as error:
                return error.line
        return _("Tick the box first.") if ui.askCheck.text and not ui.askCheck.checked else ""

    def _refresh(self):
        missing = self._missing()
        self._ui.askProblemLabel.text = missing if self._ui.askEdit.text not in ("", self._former) else ""
        self._ui.askButton.setEnabled(not missing)
        self._ui.askButton.setToolTip(missing)

    def _yes(self):
        self._onYes(self._ui.askEdit.text.strip())

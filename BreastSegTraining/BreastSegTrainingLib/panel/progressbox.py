"""Stage, bar, time left and Cancel, at the foot of the panel, whatever is at work."""

from BreastSegLib.panel.state import timeLeft
from BreastSegLib.scene.texts import _


class ProgressBox:
    """The area with the bar; hidden while nothing is done.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file, by name.
    onCancel : callable
    """

    def __init__(self, ui, onCancel):
        self._ui = ui
        self._cancelling = False
        ui.cancelButton.connect("clicked()", onCancel)
        self.hide()

    def show(self, text, done=0, total=0, secondsLeft=None):
        """Show how far the work is; a `total` of 0 means that nobody knows it."""
        if self._cancelling:
            return
        ui, left = self._ui, timeLeft(secondsLeft, _)
        words = _("{stage}: {done} of {total}").format(stage=_(text), done=done, total=total) if total else _(text)
        ui.stageLabel.text = f"{words} – {left}" if left else words
        ui.progressBar.setRange(0, int(total))
        ui.progressBar.setValue(int(done))
        ui.progressFrame.setVisible(True)
        ui.cancelButton.setEnabled(True)

    def showCancelling(self):
        """The user has pressed Cancel."""
        self._cancelling = True
        self._ui.stageLabel.text = _("Cancelling …")
        self._ui.cancelButton.setEnabled(False)

    def hide(self):
        """Nothing is at work."""
        self._cancelling = False
        self._ui.progressFrame.setVisible(False)

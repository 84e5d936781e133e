"""Step 3: the primary button and how the work goes. What came out stands in step 4."""

from ..scene.texts import _
from . import state


class SegmentStep:
    """The widgets of step 3 and the progress below it.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file, by name.
    onSegment, onCancel : callable
        Called when the user presses the buttons.
    """

    def __init__(self, ui, onSegment, onCancel):
        self._ui = ui
        ui.segmentButton.connect("clicked()", onSegment)
        ui.cancelButton.connect("clicked()", onCancel)
        self.hideProgress()

    def showMissing(self, sentence):
        """Enable the primary button when nothing is missing, and say what is."""
        self._ui.segmentButton.setEnabled(not sentence)
        self._ui.segmentButton.setToolTip(sentence or _("Segment the lesion with the chosen model"))

    def showStatus(self, sentence, isError=False):
        """Show one line above the progress."""
        self._ui.statusLabel.text = sentence
        self._ui.statusLabel.setStyleSheet("color: #c0392b; font-weight: bold;" if isError else "")
        self._ui.statusLabel.setVisible(bool(sentence))

    def showProgress(self, stage, done=0, total=0, secondsLeft=None):
        """Show the stage, how far it is, and the time left; a total of 0 means unknown."""
        text, left = stageTitle(stage), state.timeLeft(secondsLeft, _)
        self._ui.stageLabel.text = f"{text} – {left}" if left else text
        self._ui.progressBar.setRange(0, max(0, int(total)))
        self._ui.progressBar.setValue(min(int(done), int(total)))
        self._ui.progressFrame.setVisible(True)
        self._ui.cancelButton.setEnabled(True)

    def showCancelling(self):
        """Say that the user's wish to cancel was heard."""
        self._ui.stageLabel.text = _("Cancelling …")
        self._ui.cancelButton.setEnabled(False)

    def hideProgress(self):
        """Nothing is being done."""
        self._ui.progressFrame.setVisible(False)


def stageTitle(stage):
    """Return what people read for a stage of the worker; other texts come back as they are."""
    titles = {
        "Reading": _("Reading the exam"),
        "Preparing": _("Preparing the exam"),
        "Loading model": _("Loading the model"),
        "Segmenting": _("Segmenting"),
        "Restoring": _("Bringing the result onto the exam"),
        "Cleaning up": _("Cleaning up"),
        "Measuring": _("Measuring the lesions"),
        "Writing": _("Handing over"),
    }
    return titles.get(stage, stage)


def sideTitle(side):
    """Return what people read for a side of the patient."""
    return {"right": _("Right"), "left": _("Left")}.get(side, "–")

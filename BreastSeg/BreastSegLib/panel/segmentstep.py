"""Step 3: the primary button, how the work goes, and what came out."""

import qt

from ..scene import examnodes, shownviews
from ..scene.companions import isThere
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
    showElsewhere : callable, optional
        Called with a mammogram that shall be shown; returns whether it is shown beside a preview.
    """

    def __init__(self, ui, onSegment, onCancel, showElsewhere=None):
        self._ui, self._showElsewhere = ui, showElsewhere
        self._lesions = ()
        ui.segmentButton.connect("clicked()", onSegment)
        ui.cancelButton.connect("clicked()", onCancel)
        table = ui.lesionTable
        table.setColumnCount(3)
        table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        table.setSelectionMode(qt.QAbstractItemView.SingleSelection)
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.verticalHeader().setVisible(False)
        for column in range(3):
            table.horizontalHeader().setSectionResizeMode(column, qt.QHeaderView.Stretch)
        table.connect("itemSelectionChanged()", self._onSelected)
        self.showResult(None)
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

    def showResult(self, result, known=()):
        """Show lesions and notes of a `scene.sceneexam.SceneResult`, except for `known` notes; None shows nothing."""
        lesions = result.lesions if result else ()
        table = self._ui.lesionTable
        table.setRowCount(len(lesions))
        self._lesions = tuple(lesions)
        ofViews = any("place" in row for row in lesions)
        second, third = (_("Image"), _("Area")) if ofViews else (_("Breast"), _("Volume (cm³)"))
        table.setHorizontalHeaderLabels([_("Lesion"), second, third])
        tip = _("Click to show the image with the lesion") if ofViews else _("Click to show the lesion in all views")
        for place, row in enumerate(lesions):
            where = row["title"] if ofViews else sideTitle(row.get("side"))
            for column, text in enumerate((str(place + 1), where, sizeText(row))):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(tip)
                item.setTextAlignment(qt.Qt.AlignCenter)
                table.setItem(place, column, item)
        rows = sum(table.rowHeight(place) for place in range(min(len(lesions), 6)))
        height = table.horizontalHeader().sizeHint.height() + rows + 4
        table.setMinimumHeight(height)
        table.setMaximumHeight(height)
        table.setVisible(bool(lesions))
        notes = [note for note in result.notes if note not in known] if result else []
        self._ui.resultNotesLabel.text = "\n".join(f"• {note}" for note in notes)
        self._ui.resultNotesLabel.setVisible(bool(notes))

    def _onSelected(self):
        place = self._ui.lesionTable.currentRow()
        if not 0 <= place < len(self._lesions):
            return
        row = self._lesions[place]
        if "place" not in row:
            examnodes.jumpTo(row["centroid_lps"])
        elif isThere(row["image"]):
            if self._showElsewhere is None or not self._showElsewhere(row["image"]):
                shownviews.show([row["image"]], 0)
            self._ui.viewTable.selectRow(row["place"])


def stageTitle(stage):
    """Return what people read for a stage of the worker; other texts come back as they are."""
    titles = {
        "Reading": _("Reading the exam"),
        "Preparing": _("Preparing the exam"),
        "Loading model": _("Loading the model"),
        "Segmenting": _("Segmenting"),
        "Restoring": _("Bringing the result onto the exam"),
        "Cleaning up": _("Cleaning up"),
        "Writing": _("Handing over"),
    }
    return titles.get(stage, stage)


def sideTitle(side):
    """Return what people read for a side of the patient."""
    return {"right": _("Right"), "left": _("Left")}.get(side, "–")


def sizeText(row):
    """Return the size of a lesion for people: cm³, for mammograms mm², or pixels where no pixel size is known."""
    if row.get("area_mm2") is not None:
        return _("{area} mm²").format(area=f"{row['area_mm2']:.0f}")
    if row.get("volume_mm3") is not None:
        return f"{row['volume_mm3'] / 1000:.2f}"
    count = _("{count} pixels") if "place" in row else _("{count} voxels")
    return count.format(count=row["voxels"])

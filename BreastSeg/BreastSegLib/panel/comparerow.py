"""The row "Compare with": another segmentation on the exam, and how far both agree."""

from ..scene import results
from . import lesiontexts


class CompareRow:
    """Keeps the choose box and the agreement below it in step with what is in the scene.

    Parameters
    ----------
    ui : object
        The widgets of Results.ui, by name.
    onCompare : callable
        Called when the user presses the button.
    """

    def __init__(self, ui, onCompare):
        self._ui, self._others, self._state, self._told = ui, (), None, None
        ui.compareButton.connect("clicked()", onCompare)
        ui.compareBox.connect("currentIndexChanged(int)", self._onOther)

    @property
    def other(self):
        """SceneResult or None: the one to compare with."""
        place = self._ui.compareBox.currentIndex
        return self._others[place] if 0 <= place < len(self._others) else None

    def show(self, exam, result, others, isEdited, idle):
        """Offer the other segmentations.

        Parameters
        ----------
        exam : SceneExam or SceneMammograms
        result : SceneResult
            The chosen one.
        others : sequence of SceneResult
        isEdited : callable
            ``isEdited(result)``: what was told of it holds no more.
        idle : bool
        """
        ui, self._others, self._state = self._ui, tuple(others), (result, isEdited)
        titles, box = [results.titleOf(each, exam) for each in others], self._ui.compareBox
        if titles != [box.itemText(place) for place in range(box.count)]:
            wasBlocked = box.blockSignals(True)
            box.clear()
            for title in titles:
                box.addItem(title)
            box.blockSignals(wasBlocked)
        ui.compareFrame.setVisible(bool(others))
        ui.compareButton.setEnabled(idle and bool(others))
        self._tell()

    def take(self, exam, result, other, found):
        """Keep what two segmentations agree in.

        Parameters
        ----------
        exam : SceneExam or SceneMammograms
        result, other : SceneResult
        found : sequence of dict
            See `lesiontexts.agreementOf`.
        """
        self._told = (result.node, other.node, lesiontexts.agreementOf(found, results.titleOf(other, exam)))

    def forget(self):
        """Forget what was told: another exam is shown."""
        self._told = None

    def _tell(self):
        (result, isEdited), other, label = self._state, self.other, self._ui.agreementLabel
        holds = (
            self._told is not None
            and other is not None
            and self._told[:2] == (result.node, other.node)
            and not isEdited(result)
            and not isEdited(other)
        )
        label.text = self._told[2] if holds else ""
        label.setVisible(holds)

    def _onOther(self, _place):
        if self._state is not None:
            self._tell()

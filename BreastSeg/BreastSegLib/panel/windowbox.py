"""The windows that a mammogram's file offers, to choose from."""

from ..scene import mammogramnodes
from ..scene.texts import _


class WindowBox:
    """A combo box with the windows of the mammogram that is shown; hidden where there is one only.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file, by name.
    """

    def __init__(self, ui):
        self._label, self._box = ui.windowLabel, ui.windowBox
        self._node, self._tones, self._chosen = None, (), {}
        self._box.connect("activated(int)", self._onChosen)
        self.show(None, ())

    def show(self, node, tones):
        """Offer the windows of a mammogram.

        Parameters
        ----------
        node : vtkMRMLScalarVolumeNode or None
        tones : sequence of dict
            ``name``, ``window``, ``level``, ``curve`` of each window.
        """
        self._node, self._tones = node, tuple(tones)
        self._box.clear()
        for number, tone in enumerate(self._tones, 1):
            self._box.addItem(tone.get("name") or _("Window {number}").format(number=number))
        several = len(self._tones) > 1
        if several:
            self._box.setCurrentIndex(self._chosen.get(node.GetID(), 0))
        self._label.setVisible(several)
        self._box.setVisible(several)

    def forget(self):
        """Forget what was chosen for other mammograms: a new scene gives the IDs of its nodes again."""
        self._chosen.clear()

    def _onChosen(self, index):
        if self._node is None or self._node.GetScene() is None:
            return
        self._chosen[self._node.GetID()] = index
        mammogramnodes.applyTone(self._node, self._tones[index])

"""Which map of a run is shown over the exam."""

import qt
import slicer

from ..scene import mapnodes, overlay
from ..scene.texts import _


class MapBox:
    """The choose box "Show over the exam": it offers the maps that are in the scene, and is hidden without any.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file, by name.
    """

    def __init__(self, ui):
        self._ui, self._keys, self._latest = ui, (), ""
        self._withImages = set()
        ui.mapBox.connect("activated(int)", self._onChosen)
        self.show(None)

    def show(self, exam, latest=""):
        """Offer the maps of an exam; what the user has chosen stays.

        Parameters
        ----------
        exam : SceneExam, SceneMammograms or None
        latest : str
            Name of the model whose result is shown; maps of others are told apart from it.
        """
        self._dropLost()
        found = overlay.mapsOf(exam.nodes) if exam is not None else []
        keys = tuple(dict.fromkeys(overlay.keyOf(node) for node in found))
        box = self._ui.mapBox
        if (keys, latest) != (self._keys, self._latest) or box.count == 0:
            self._keys, self._latest = keys, latest
            wasBlocked = box.blockSignals(True)
            box.clear()
            box.addItem(_("Nothing"))
            for key in keys:
                box.addItem(self._title(key))
            box.blockSignals(wasBlocked)
        chosen = overlay.chosen()
        box.setCurrentIndex(1 + keys.index(chosen) if chosen in keys else 0)
        self._ui.mapFrame.setVisible(bool(keys))
        self._showLegend()

    def _dropLost(self):
        """Remove the maps whose images the user has just removed; those of a scene without its images stay."""
        for node in overlay.allMaps():
            if overlay.imageIds(node):
                self._withImages.add(node.GetID())
            elif node.GetID() in self._withImages and not slicer.mrmlScene.IsImporting():
                self._withImages.discard(node.GetID())
                # Later: the subject hierarchy may be removing their very folder.
                qt.QTimer.singleShot(0, lambda node=node: mapnodes.remove([node]))

    def _title(self, key):
        kind, model = key
        title = mapnodes.titleOf(kind)
        models = {other for _kind, other in (*self._keys, ("", self._latest)) if other}
        # Maps of kinetics have no model.
        return f"{title} ({model})" if model and len(models) > 1 else title

    def _showLegend(self):
        """Say what the colours of the shown map mean."""
        place, label = self._ui.mapBox.currentIndex, self._ui.mapLegendLabel
        kind = self._keys[place - 1][0] if 0 < place <= len(self._keys) else ""
        label.text = mapnodes.legendOf(kind) if kind in mapnodes.KINDS else ""
        label.setVisible(bool(label.text))

    def _onChosen(self, place):
        overlay.choose(self._keys[place - 1] if 0 < place <= len(self._keys) else None)
        self._showLegend()

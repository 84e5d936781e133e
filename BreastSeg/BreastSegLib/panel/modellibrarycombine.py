"""The screen of the model library that makes an ensemble."""

import qt

from ..errors import BreastSegError
from ..models.card import check_name
from ..scene.texts import _


class CombineScreen:
    """Models to tick, and a name.

    Parameters
    ----------
    ui : object
        The widgets of ModelLibrary.ui, by name.
    show : callable
        ``show(screen, primaryButton)``: brings a screen to the front.
    onBack : callable
        Called when the user does not want it.
    onCombine : callable
        ``onCombine(name, modelNames)``.
    """

    def __init__(self, ui, show, onBack, onCombine):
        self._ui, self._show, self._onCombine = ui, show, onCombine
        self._models, self._taken = (), ()
        ui.combineBackButton.connect("clicked()", onBack)
        ui.combineMakeButton.connect("clicked()", self._combine)
        ui.combineNameEdit.connect("textChanged(QString)", lambda text: self._refresh())
        ui.combineList.connect("itemChanged(QListWidgetItem*)", lambda item: self._refresh())

    @property
    def ticked(self):
        """list of Model: the chosen members."""
        items = [self._ui.combineList.item(row) for row in range(len(self._models))]
        return [model for model, item in zip(self._models, items) if item.checkState() == qt.Qt.Checked]

    def open(self, models):
        """Show the models that can be members; ensembles cannot."""
        ui = self._ui
        self._taken = tuple(model.name for model in models)
        self._models = ()
        ui.combineList.clear()
        members = tuple(model for model in models if not model.members)
        for model in members:
            item = qt.QListWidgetItem(model.name)
            item.setToolTip(model.card["title"])
            item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsUserCheckable)
            item.setCheckState(qt.Qt.Unchecked)
            ui.combineList.addItem(item)
        self._models = members
        ui.combineNameEdit.text = ""
        self._refresh()
        self._show(ui.combineScreen, ui.combineMakeButton)

    def _problem(self):
        ticked = self.ticked
        if len(ticked) < 2:
            return _("Tick at least two models.")
        first, others = ticked[0], ticked[1:]
        other = next((model for model in others if marks(model) != marks(first)), None)
        if other is not None:
            what = _("“{first}” and “{other}” do not mark the same things, so they cannot be averaged.")
            return what.format(first=first.name, other=other.name)
        name = self._ui.combineNameEdit.text.strip()
        if not name:
            return _("Give the new model a name.")
        try:
            check_name(name)
        except BreastSegError as error:
            return error.line
        return _("A model of that name is there already.") if name in self._taken else ""

    def _refresh(self):
        problem = self._problem()
        note = ""
        if not problem:
            count = len(self.ticked)
            note = _("A run takes as long as the {count} members together.").format(count=count)
        self._ui.combineNoteLabel.text = problem or note
        self._ui.combineMakeButton.setEnabled(not problem)
        self._ui.combineMakeButton.setToolTip(problem)

    def _combine(self):
        self._onCombine(self._ui.combineNameEdit.text.strip(), [model.name for model in self.ticked])


def marks(model):
    """Return what a model marks: pairs of label value and terminology."""
    return sorted((label["value"], label["terminology"]) for label in model.card["labels"].values())

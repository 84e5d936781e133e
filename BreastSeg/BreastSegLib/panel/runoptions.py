"""How a run is made: folds, mirroring, shortcuts, clean-up, and the maps that are made beside the segmentation."""

import qt

from ..scene.texts import _


class RunOptions:
    """The widgets of the group "Advanced" that decide how a run is made.

    The parameter node keeps the check boxes of the .ui file by itself; the folds go through `keptFolds`.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file, by name.
    onFolds : callable
        Called when the user chooses other folds.
    onChecked : callable
        Called when a check box changes, which may be because a scene is being loaded.
    """

    def __init__(self, ui, onFolds, onChecked):
        self._ui, self._onFolds = ui, onFolds
        self._checks, self._model, self._kept = {}, None, ""
        self._filling, self._canDisagree = False, False
        for check in (
            ui.cleanupCheck,
            ui.mirroringCheck,
            ui.shortcutsCheck,
            ui.chanceMapCheck,
            ui.disagreementMapCheck,
            ui.entropyMapCheck,
        ):
            check.connect("toggled(bool)", lambda checked: onChecked())
        # A group that is opened shows everything in it.
        ui.advancedGroup.connect("toggled(bool)", lambda opened: self._showFrame())
        self.showModel(None)

    @property
    def options(self):
        """dict: what the user has chosen, as `scene.runoptions.runOptions` takes it, without the device."""
        ui = self._ui
        return {
            "tta": ui.mirroringCheck.checked,
            "cleanup": ui.cleanupCheck.checked,
            "folds": self.folds,
            "shortcuts": ui.shortcutsCheck.checked,
            "probabilities": ui.chanceMapCheck.checked,
            "disagreement": ui.disagreementMapCheck.checked and self._canDisagree,
            "entropy": ui.entropyMapCheck.checked,
        }

    @property
    def folds(self):
        """tuple of str or None: the chosen folds; None for all of them."""
        chosen = tuple(fold for fold, check in self._checks.items() if check.checked)
        return None if len(chosen) == len(self._checks) else chosen

    @property
    def keptFolds(self):
        """str: the chosen folds for the parameter node, such as ``0 2``; '' for all."""
        return self._kept

    @property
    def problem(self):
        """str: why no run can be made with these options; '' when one can."""
        return _("Tick at least one fold of the model under “Advanced”.") if self.folds == () else ""

    def chooseFolds(self, text):
        """Choose the folds that `keptFolds` named; folds that the model lacks are left out."""
        self._kept = text
        wanted = text.split()
        known = [fold for fold in wanted if fold in self._checks]
        self._filling = True
        for fold, check in self._checks.items():
            check.checked = fold in known or not known
        self._filling = False
        self._showDisagreement()

    def showModel(self, model):
        """Offer the folds of a model; the choice stays where the model has these folds."""
        if model is self._model and model is not None:
            return
        folds = model.folds if model is not None and not getattr(model, "members", ()) else ()
        self._model = model
        if tuple(self._checks) != tuple(folds):
            self._offer(folds)
        self.chooseFolds(self._kept)
        self._showFrame()

    def _showFrame(self):
        # One fold leaves nothing to choose.
        self._ui.foldsFrame.setVisible(len(self._checks) > 1)

    def _offer(self, folds):
        ui = self._ui
        for check in self._checks.values():
            ui.foldsLayout.removeWidget(check)
            check.deleteLater()
        self._checks = {}
        for fold in folds:
            check = qt.QCheckBox(fold if fold != "all" else _("all"))
            check.setToolTip(_("Average over this fold of the model"))
            check.connect("toggled(bool)", self._onFold)
            # Before the spacer that keeps them to the left.
            ui.foldsLayout.insertWidget(ui.foldsLayout.count() - 1, check)
            self._checks[fold] = check

    def _showDisagreement(self):
        check, model = self._ui.disagreementMapCheck, self._model
        members = getattr(model, "members", ()) if model is not None else ()
        chosen = len(self._checks) if self.folds is None else len(self.folds)
        possible = len(members) > 1 or sum(len(member.folds) for member in members) > 1 or chosen > 1
        # Not asked of the check box: in a collapsed group it is disabled anyway.
        self._canDisagree = possible
        text = _("Disagreement of models") if members else _("Disagreement of folds")
        if not possible:
            one = (
                _("{text}\n(needs two folds or more)") if len(self._checks) > 1 else _("{text}\n(this model has one)")
            )
            text = one.format(text=text)
        check.text = text
        check.setEnabled(possible)
        tip = _("Standard deviation of the chance of a lesion over folds or models")
        check.setToolTip(tip if possible else _("Choose two folds or more, or an ensemble of models"))

    def _onFold(self, checked):
        if self._filling:
            return
        folds = self.folds
        if folds != ():
            self._kept = " ".join(folds or ())
        self._showDisagreement()
        self._onFolds()

"""Which training, or pair of trainings, is best on the cross-validation, as the command ``best`` chooses it."""

from BreastSegLib.scene.texts import _

from ..launch.training import ALL
from .evaluatecommand import doneFolds


class BestBox:
    """The button "Find the best model" and what comes of it.

    Parameters
    ----------
    ui : object
        The widgets of the .ui files, by name.
    runs : RunTable
        Knows the trainings of the work folder and their fold runs.
    run : callable
        ``run(arguments, onResult)`` starts a verb.
    say : callable
    """

    def __init__(self, ui, runs, run, say):
        self._ui, self._runs, self._run, self._say = ui, runs, run, say
        self._training, self._of = None, ""
        ui.bestButton.connect("clicked()", self.find)
        ui.bestLabel.setVisible(False)

    def refresh(self, training, idle):
        """Bring the button up to date for the chosen training (None: there is none)."""
        self._training = training
        folds = self._folds(training) if training is not None else ()
        others = [each.name for each in self._rivals(folds)] if folds else []
        tip = _("Choose a training of which a fold is done")
        if others:
            tip = _(
                "Compare {names} on the folds {folds}: each alone and averaged, with and without a clean-up"
            ).format(names=", ".join(others), folds=", ".join(folds))
        self._ui.bestButton.setEnabled(bool(idle and folds))
        self._ui.bestButton.setToolTip(tip)
        if self._of and (training is None or training.name != self._of):
            self._of = ""
            self._ui.bestLabel.setVisible(False)

    def find(self):
        """Begin to compare all trainings of the dataset that have validated the chosen one's folds."""
        if self._training is None:
            return
        folds = self._folds(self._training)
        rivals, name = self._rivals(folds), self._training.name
        arguments = ["best", "--training", *(str(each.folder) for each in rivals), "--folds", *folds]
        if len(rivals) > 1 and not all(_keptChances(each, folds) for each in rivals):
            arguments.append("--no-pairs")
        self._run(arguments, lambda event: self._onResult(event, name))

    def _onResult(self, event, name):
        self._of = name
        self._ui.bestLabel.text = "\n".join(linesOf(event))
        self._ui.bestLabel.setVisible(True)
        self._say(
            _("Best on the cross-validation: {names}").format(names=" + ".join(event["best"]["trainings"])), False
        )

    def _folds(self, training):
        return tuple(fold for fold in doneFolds(self._runs.of(training.name)) if fold != ALL)

    def _rivals(self, folds):
        """Return the chosen training and others of its dataset that have the same folds done."""
        mine = self._training
        return [mine] + [
            each
            for each in self._runs.trainings
            if each.name != mine.name and str(each.raw) == str(mine.raw) and set(folds) <= set(self._folds(each))
        ]


def linesOf(found):
    """Return what ``best`` found, for people: the candidates, the best first, and what a clean-up does to it."""
    best = found["best"]
    rows = sorted(found["candidates"], key=lambda row: -row["dice"])
    lines = [
        _("Dice {dice}: {names}").format(dice=f"{row['dice']:.3f}", names=" + ".join(row["trainings"])) for row in rows
    ]
    words = (
        _("Keeping only the largest component helps: Dice {before} becomes {after}.")
        if best["largest_component"]
        else _("Keeping only the largest component does not help: Dice {before} becomes {after}.")
    )
    return [*lines, words.format(before=f"{best['dice']:.3f}", after=f"{best['dice_cleaned']:.3f}")]


def _keptChances(training, folds):
    """Return whether the chances of the validation cases were kept, which averaging a pair needs."""
    for fold in folds:
        folder = training.output(fold) / "validation"
        cases = {path.name.split(".")[0] for path in folder.glob("*.nii.gz")}
        if cases - {path.name.removesuffix(".npz") for path in folder.glob("*.npz")}:
            return False
    return True

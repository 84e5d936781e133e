"""The window "Publish model": name, licence and where to; BreastSeg can use the model afterwards."""

import re
from pathlib import Path

import qt
import slicer
from BreastSegLib.scene.texts import _

from ..launch import FoldState
from ..launch.foldstate import DONE
from .choicebox import ChoiceBox
from .tickboxes import TickBoxes

UI = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "Publish.ui"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
FINAL, BEST = CHECKPOINTS = ("final", "best")
PER_ROW = 6


class PublishBox:
    """Asks how a trained model is published.

    Parameters
    ----------
    ui : object
        The widgets of the .ui files, by name.
    parent : qt.QWidget
    run : callable
        ``run(arguments, onResult)`` starts a verb.
    say : callable
    """

    def __init__(self, ui, parent, run, say):
        self._panel, self._run, self._say, self._training = ui, run, say, None
        self._evaluation, self._proposed = "", ""
        self.onPublished = lambda: None  # what has to know that there is another model
        self.dialog = qt.QDialog(parent)
        self.dialog.setWindowTitle(_("Publish model"))
        top = slicer.util.loadUI(str(UI))
        qt.QVBoxLayout(self.dialog).addWidget(top)
        self.dialog.resize(460, 430)
        self.ui = ui = slicer.util.childWidgetVariables(top)
        self.folds = TickBoxes(ui.publishFoldsLayout, PER_ROW, self._refresh)
        self.checkpoint = ChoiceBox(ui.publishCheckpointBox, CHECKPOINTS, self._refresh)
        for edit in (ui.publishNameEdit, ui.publishTitleEdit, ui.publishCitationEdit):
            edit.connect("textChanged(QString)", lambda text: self._refresh())
        ui.publishLicenceBox.connect("currentTextChanged(QString)", lambda text: self._refresh())
        ui.publishLicenceBox.lineEdit().setPlaceholderText(_("Choose or type one"))
        ui.publishZipEdit.connect("currentPathChanged(QString)", lambda path: self._refresh())
        for check in (ui.publishLibraryCheck, ui.publishZipCheck):
            check.connect("toggled(bool)", lambda on: self._refresh())
        ui.publishStartButton.connect("clicked()", self.start)
        ui.publishCancelButton.connect("clicked()", self.dialog.reject)
        ui.publishStartButton.setStyleSheet("font-weight: bold;")
        self._panel.publishedLabel.setVisible(False)

    def show(self, training, evaluation=""):
        """Show the window for a training.

        Parameters
        ----------
        training : Training
        evaluation : str
            File of its evaluation, whose figures go into the model's card; '' for none.
        """
        self._training, self._evaluation = training, evaluation
        ui, done = self.ui, doneFolds(training)
        if ui.publishNameEdit.text.strip() in ("", self._proposed):
            ui.publishNameEdit.text = training.name
        self._proposed = training.name
        self.folds.fill({fold: fold for fold in done}, done)
        ui.publishHelpLabel.text = _(
            "{training}, trained on {dataset}. The model's card tells the recipe, numbers of cases without anything "
            "that identifies a patient, and the cross-validation."
        ).format(training=training.name, dataset=training.dataset)
        self._refresh()
        self.dialog.show()
        self.dialog.activateWindow()

    @property
    def whatIsMissing(self):
        """str: what the user has to do before the model can be published; '' when nothing."""
        ui = self.ui
        if not self.folds.names:
            return _("No fold of this training is done yet.")
        if not self.folds.ticked:
            return _("Tick at least one fold.")
        if not NAME.fullmatch(ui.publishNameEdit.text.strip()):
            return _("The name has letters, digits, dot, _ and - only.")
        if not ui.publishLicenceBox.currentText.strip():
            return _("Choose a licence: nobody may use a model without one.")
        if not (ui.publishLibraryCheck.checked or ui.publishZipCheck.checked):
            return _("Tick where the model goes.")
        if ui.publishZipCheck.checked and not ui.publishZipEdit.currentPath.strip():
            return _("Choose the zip file.")
        return ""

    @property
    def arguments(self):
        """list of str: what stands behind ``python -m BreastSegTrainingLib``."""
        ui = self.ui
        arguments = ["publish", "--training", str(self._training.folder), "--name", ui.publishNameEdit.text.strip()]
        arguments += ["--licence", ui.publishLicenceBox.currentText.strip()]
        for option, text in (("--title", ui.publishTitleEdit.text), ("--citation", ui.publishCitationEdit.text)):
            arguments += [option, text.strip()] if text.strip() else []
        arguments += ["--folds", *self.folds.ticked, "--checkpoint", self.checkpoint.value]
        arguments += ["--evaluation", self._evaluation] if self._evaluation else []
        if ui.publishZipCheck.checked:
            path = str(Path(ui.publishZipEdit.currentPath.strip()).expanduser().absolute())
            arguments += ["--zip", path if path.lower().endswith(".zip") else f"{path}.zip"]
        return arguments if ui.publishLibraryCheck.checked else [*arguments, "--no-library"]

    def start(self):
        """Publish; what came of it is told in the panel."""
        if self.whatIsMissing:
            return
        self.dialog.hide()
        self._run(self.arguments, self._onPublished)

    def close(self):
        """Close the window for good."""
        self.dialog.hide()
        self.dialog.deleteLater()

    def _refresh(self):
        ui, missing = self.ui, self.whatIsMissing if self._training is not None else ""
        ui.publishStartButton.setEnabled(not missing)
        ui.publishMissingLabel.text = missing
        ui.publishMissingLabel.setVisible(bool(missing))
        for widget in (ui.publishZipLabel, ui.publishZipEdit):
            widget.setVisible(ui.publishZipCheck.checked)

    def _onPublished(self, event):
        words, name = [], str((event.get("model") or {}).get("name") or self.ui.publishNameEdit.text.strip())
        if event.get("folder"):
            words.append(_("{name} is in the model library: BreastSeg offers it under Model.").format(name=name))
        if event.get("zip"):
            words.append(_("Zip file: {path}.").format(path=event["zip"]))
        words += [str(note) for note in event.get("notes") or ()]
        self._panel.publishedLabel.text = " ".join(words)
        self._panel.publishedLabel.setToolTip(str(event.get("folder") or event.get("zip") or ""))
        self._panel.publishedLabel.setVisible(True)
        self.onPublished()
        self._say(_("Published {name}.").format(name=name), False)


def doneFolds(training):
    """Return the folds of a training that are done."""
    states = {fold: FoldState.read(training.fold_folder(fold)) for fold in training.folds}
    return tuple(fold for fold, state in states.items() if state is not None and state.state == DONE)

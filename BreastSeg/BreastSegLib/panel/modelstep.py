"""Step 2: which model, on which device."""

import logging

import qt
import slicer

from ..errors import BreastSegError
from ..models import open_model, survey
from ..recipe import load_recipe
from ..recipe.channels import problem_with
from ..scene.texts import _

DEVICES = ("auto", "cuda", "cpu")
INTERPRETER_SETTING = "BreastSeg/Interpreter"


class ModelStep:
    """The widgets of step 2.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file, by name.
    onChanged : callable
        Called when anything changes that decides what is missing.
    """

    def __init__(self, ui, onChanged):
        self._ui, self._onChanged = ui, onChanged
        self._models, self._own, self.problem = (), [], ""
        for text in (_("Automatic (GPU; asks before the CPU)"), _("GPU (CUDA)"), _("CPU (slow)")):
            ui.deviceBox.addItem(text)
        ui.interpreterEdit.setCurrentPath(slicer.util.settingsValue(INTERPRETER_SETTING, ""))
        ui.modelBox.connect("currentIndexChanged(int)", self._onModel)
        ui.modelFolderButton.connect("clicked()", self._chooseFolder)
        ui.deviceBox.connect("currentIndexChanged(int)", self._onDevice)
        ui.interpreterEdit.connect("currentPathChanged(QString)", self._onInterpreter)
        self.refresh()

    @property
    def count(self):
        """int: number of installed models."""
        return len(self._models)

    @property
    def model(self):
        """Model or None: the chosen model."""
        index = self._ui.modelBox.currentIndex
        return self._models[index] if 0 <= index < len(self._models) else None

    @property
    def title(self):
        """str: title of the chosen model; '' when none is chosen."""
        return self.model.card["title"] if self.model else ""

    @property
    def device(self):
        """str: 'auto', 'cuda' or 'cpu'."""
        return DEVICES[max(0, self._ui.deviceBox.currentIndex)]

    @property
    def interpreter(self):
        """str: the interpreter that the user named; '' for Slicer's own."""
        return self._ui.interpreterEdit.currentPath.strip()

    def chooseDevice(self, device):
        """Choose 'auto', 'cuda' or 'cpu'."""
        self._ui.deviceBox.setCurrentIndex(DEVICES.index(device))

    def chooseModel(self, name):
        """Choose an installed model by its name; return whether there is one."""
        names = [model.name for model in self._models]
        if name in names:
            self._ui.modelBox.setCurrentIndex(names.index(name))
        return name in names

    def refresh(self):
        """Read the list of installed models again, keeping the choice."""
        chosen = self.model.name if self.model else None
        installed, problems = survey()
        self.problem = "" if installed else " ".join(error.line for error in problems.values())
        for error in problems.values():
            logging.warning(f"BreastSeg: {error.line}")
        box = self._ui.modelBox
        wasBlocked = box.blockSignals(True)
        self._models = (*installed, *self._own)
        box.clear()
        for model in self._models:
            box.addItem(model.name)
        box.blockSignals(wasBlocked)
        if chosen is not None:
            self.chooseModel(chosen)
        self._onModel(box.currentIndex)

    def addFolder(self, folder):
        """Offer a model folder of the user's own beside the installed models, and choose it.

        Raises
        ------
        BreastSegError
            If the folder is not a complete model.
        """
        model = open_model(folder, verify=False)  # the worker compares the checksums before it loads the model
        self._own = [own for own in self._own if own.folder != model.folder] + [model]
        self.refresh()
        self._ui.modelBox.setCurrentIndex(len(self._models) - 1)

    def _chooseFolder(self):
        folder = qt.QFileDialog.getExistingDirectory(self._ui.modelFolderButton, _("Choose a model folder"), "")
        if not folder:
            return
        try:
            self.addFolder(folder)
        except BreastSegError as error:
            slicer.util.errorDisplay(error.line, windowTitle=_("BreastSeg"))

    def problemWith(self, exam):
        """Return why the chosen model cannot be used with a loaded exam; '' when it can, or none is loaded."""
        if self.problem or self.model is None or exam is None:
            return self.problem
        try:
            recipe = load_recipe(self.model.card["recipe"])
        except BreastSegError as error:
            return error.line
        if not recipe.fits(exam.kind):
            return self._kindProblem(exam.kind)
        if exam.kind == "mammograms":
            return ""
        given, wanted = len(exam.phases), len(self.model.channel_names)
        if exam.phases[0].role == "channel" or recipe.channel_names is None:
            return self._channelProblem(given, wanted)
        return problem_with([source for _name, source in recipe.channels], exam.phases, recipe.time_tolerance_s)

    def _kindProblem(self, kind):
        what = _("The model “{model}” is for mammograms, and a DCE-MRI exam is loaded. Load mammograms to segment.")
        if kind == "mammograms":
            what = _("The model “{model}” is for DCE-MRI, and mammograms are loaded. Load a DCE-MRI exam to segment.")
        return what.format(model=self.model.name)

    def _channelProblem(self, given, wanted):
        if given == wanted:
            return ""
        what = _("{given} images are loaded, but the model “{model}” takes {wanted} channels. Load one for each.")
        return what.format(given=given, wanted=wanted, model=self.model.name)

    def setEnabled(self, enabled):
        """Let the user change the step, or not."""
        self._ui.modelContents.setEnabled(enabled)

    def _onModel(self, index):
        self._ui.modelCardLabel.text = self._cardText()
        self._ui.modelBox.setToolTip(self.title or _("Installed models"))
        self._onChanged()

    def _cardText(self):
        model = self.model
        if model is None:
            return self.problem or _("No model is installed.")
        phases = ", ".join(model.channel_names)
        facts = _("Phases used: {phases}. Licence: {licence}")
        try:
            if not load_recipe(model.card["recipe"]).fits("dce"):
                facts = _("For mammograms. Licence: {licence}")
        except BreastSegError as error:
            logging.warning(f"BreastSeg: {error.line}")
        facts = facts.format(phases=phases, licence=model.card["licence"])
        return model.card["description"] + "\n" + facts

    def _onDevice(self, index):
        self._onChanged()

    def _onInterpreter(self, path):
        slicer.app.settings().setValue(INTERPRETER_SETTING, path.strip())
        self._onChanged()

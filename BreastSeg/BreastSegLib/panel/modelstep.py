"""Step 2: which model, on which device."""

import logging
import re

import qt
import slicer

from ..errors import BreastSegError
from ..models import open_model, survey
from ..recipe import load_recipe
from ..recipe.channels import problem_with
from ..scene.texts import _
from .environmentbox import deviceTitle
from .modellibrarytable import LIBRARY_ITSELF

INTERPRETER_SETTING = "BreastSeg/Interpreter"
# What somebody who opens the panel for the first time begins with.
FIRST_MODEL = "demo-dce"


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
        self._models, self._own, self._devices = (), [], []
        self.problem = self._libraryProblem = self._lost = ""
        self.showDevices(())
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
        """str: 'auto', 'cuda', 'cuda:0' … or 'cpu'."""
        return self._devices[max(0, self._ui.deviceBox.currentIndex)]

    @property
    def interpreter(self):
        """str: the interpreter that the user named; '' for Slicer's own."""
        return self._ui.interpreterEdit.currentPath.strip()

    def chooseDevice(self, device):
        """Choose 'auto', 'cuda', 'cuda:0' … or 'cpu'. A GPU that is not known here is offered all the same: a run says
        whether it is there. What is no device at all becomes 'auto'.
        """
        if device == "cuda" and device not in self._devices:
            device = self._devices[1]
        if device not in self._devices and re.fullmatch(r"cuda:[0-9]{1,2}", device):
            self._devices.insert(-1, device)
            self._ui.deviceBox.insertItem(len(self._devices) - 2, deviceTitle({"device": device, "name": ""}))
        self._ui.deviceBox.setCurrentIndex(self._devices.index(device) if device in self._devices else 0)

    def showDevices(self, rows):
        """Offer the devices of the computer, keeping the choice.

        Parameters
        ----------
        rows : sequence of dict
            As `inference.networks.devices.list_devices` gives them; empty when nobody has looked yet.
        """
        box, former = (
            self._ui.deviceBox,
            self._devices[max(0, self._ui.deviceBox.currentIndex)] if self._devices else "",
        )
        gpus = [row for row in rows if row["device"] != "cpu" and not row.get("problem")]
        wasBlocked = box.blockSignals(True)
        box.clear()
        self._devices = ["auto", *(row["device"] for row in gpus or ({"device": "cuda"},)), "cpu"]
        titles = [deviceTitle(row) for row in gpus] or [_("GPU (CUDA)")]
        for text in (_("Automatic (GPU; asks before the CPU)"), *titles, _("CPU (slow)")):
            box.addItem(text)
        if former:
            self.chooseDevice(former)
        box.blockSignals(wasBlocked)

    def chooseModel(self, name):
        """Choose an installed model by its name; return whether there is one."""
        names = [model.name for model in self._models]
        if name in names:
            self._ui.modelBox.setCurrentIndex(names.index(name))
        return name in names

    def keepModel(self, name):
        """Choose the model that a scene names; none, and say so, when it is not installed here: another one must not
        take its place unnoticed.
        """
        if not self.chooseModel(name):
            self._loseModel(name)
            self._onModel(-1)

    def refresh(self):
        """Read the list of installed models again, keeping the choice; none is chosen when that model is gone."""
        chosen = self.model
        installed, problems = survey()
        self.problem = "" if installed else " ".join(error.line for error in problems.values())
        self._libraryProblem = problems[LIBRARY_ITSELF].line if LIBRARY_ITSELF in problems else ""
        for error in problems.values():
            logging.warning(f"BreastSeg: {error.line}")
        box = self._ui.modelBox
        wasBlocked = box.blockSignals(True)
        self._models = (*installed, *self._own)
        box.clear()
        for place, model in enumerate(self._models):
            box.addItem(model.name)
            box.setItemData(place, model.card["title"], qt.Qt.ToolTipRole)
        self._choose(chosen)
        box.blockSignals(wasBlocked)
        self._onModel(box.currentIndex)

    def _choose(self, former):
        """Choose the model that was chosen before, in the new list: a folder of the user's own only as itself."""
        folders = [model.folder for model in self._models]
        names = [model.name for model in self._models if model not in self._own]
        name = former.name if former else self._lost or FIRST_MODEL
        if former and former.folder in folders:
            self._ui.modelBox.setCurrentIndex(folders.index(former.folder))
        elif name in names:
            self._ui.modelBox.setCurrentIndex([model.name for model in self._models].index(name))
        elif former or self._lost:
            self._loseModel(name)

    def _loseModel(self, name):
        """Choose no model, because one that was chosen is not there."""
        self._lost = name
        wasBlocked = self._ui.modelBox.blockSignals(True)
        self._ui.modelBox.setCurrentIndex(-1)
        self._ui.modelBox.blockSignals(wasBlocked)

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
        return next(filter(None, (self._partProblem(part, exam) for part in self.model.parts)), "")

    def _partProblem(self, part, exam):
        """Return why one network, the model itself or a member of the ensemble, cannot be used with an exam."""
        try:
            recipe = load_recipe(part.recipe_source)
        except BreastSegError as error:
            return error.line
        if not recipe.fits(exam.kind):
            return self._kindProblem(exam.kind)
        if exam.kind == "mammograms":
            return ""
        given, wanted = len(exam.phases), len(part.channel_names)
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

    @property
    def enabled(self):
        """bool: whether the user may change the step."""
        return self._ui.modelContents.enabled

    def setEnabled(self, enabled):
        """Let the user change the step, or not."""
        self._ui.modelContents.setEnabled(enabled)

    def _onModel(self, index):
        self._lost = "" if index >= 0 else self._lost
        self._ui.modelCardLabel.text = self._cardText()
        self._ui.modelBox.setToolTip(self.title or _("Installed models"))
        self._onChanged()

    def _cardText(self):
        model = self.model
        if model is None:
            none = _("Choose a model.") if self._models else _("No model is installed.")
            if self._lost and self._models:
                none = _("The model “{model}” is not installed. Choose another one, or install it with “{button}”.")
                none = none.format(model=self._lost, button=self._ui.modelsButton.text)
            return self.problem or "\n".join(line for line in (none, self._libraryProblem) if line)
        phases = ", ".join(dict.fromkeys(name for part in model.parts for name in part.channel_names))
        facts = _("Phases used: {phases}. Licence: {licence}")
        try:
            if not load_recipe(model.recipe_source).fits("dce"):
                facts = _("For mammograms. Licence: {licence}")
        except BreastSegError as error:
            logging.warning(f"BreastSeg: {error.line}")
        facts = facts.format(phases=phases, licence=model.card["licence"])
        return "\n".join(line for line in (model.card["description"] or model.card["title"], facts) if line)

    def _onDevice(self, index):
        self._onChanged()

    def _onInterpreter(self, path):
        qt.QSettings().setValue(INTERPRETER_SETTING, path.strip())
        self._onChanged()

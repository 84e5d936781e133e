"""Step 4: what is trained and how, and the trainings of the work folder."""

from pathlib import Path

from BreastSegLib.errors import BreastSegError
from BreastSegLib.models.library import list_models
from BreastSegLib.scene.texts import _

from .. import presets, trainers
from . import needs, traincommand
from .choicebox import ChoiceBox
from .datasetfacts import DatasetReader
from .queuebox import QueueBox
from .tickboxes import TickBoxes

USUAL_FOLDS = 5
PER_ROW = 6


class TrainingStep:
    """The tab "Training".

    Parameters
    ----------
    ui : object
        The widgets of the .ui files, by name.
    parent : qt.QWidget
        Owner of the timers.
    session : BreastSegLib.scene.session.Session
    run : callable
        ``run(arguments, onResult)`` starts a verb.
    onChanged : callable
    say : callable
    """

    def __init__(self, ui, parent, session, run, onChanged, say):
        self._ui, self._session, self._run, self._onChanged, self._say = ui, session, run, onChanged, say
        self._idle, self._ready, self._dataset, self._estimate = True, False, DatasetReader(), ""
        self._settingFolds, self._wantedFolds = False, ()
        changed = self._onChoice
        self.preset = ChoiceBox(ui.presetBox, (), changed, ())
        self.trainer = ChoiceBox(ui.trainerBox, (), changed, ())
        self.fineTune = ChoiceBox(ui.fineTuneBox, (), changed, ())
        self.device = ChoiceBox(ui.trainDeviceBox, traincommand.DEVICES, changed)
        self.configuration = ChoiceBox(ui.configurationBox, traincommand.CONFIGURATIONS, changed)
        self.executor = ChoiceBox(ui.executorBox, traincommand.EXECUTORS, changed)
        self.closing = ChoiceBox(ui.closingBox, traincommand.CLOSINGS, changed)
        self.folds = TickBoxes(ui.foldChecksLayout, PER_ROW, self._onFolds)
        self._fillChoices()
        self.queue = QueueBox(ui, parent, say, onChanged, self._ensure)
        for edit in (ui.trainNameEdit, ui.patchEdit, ui.partitionEdit):
            edit.connect("textChanged(QString)", lambda text: changed())
        for edit in (ui.trainDatasetEdit, ui.workEdit, ui.encoderEdit):
            edit.connect("currentPathChanged(QString)", lambda path: changed())
        for box in (
            *(ui.epochsBox, ui.iterationsBox, ui.batchBox, ui.trainSeedBox, ui.trainWorkersBox),
            *(ui.checkpointBox, ui.hoursBox, ui.gpusBox),
        ):
            box.connect("valueChanged(int)", lambda value: changed())
        ui.startTrainingButton.connect("clicked()", self.start)
        ui.estimateButton.connect("clicked()", self.estimate)
        self._ready = True
        self._showFolds()
        self.refresh()

    @property
    def settings(self):
        """traincommand.TrainSettings: what is chosen."""
        ui = self._ui
        return traincommand.TrainSettings(
            dataset=_absolute(ui.trainDatasetEdit.currentPath),
            work=self.work,
            preset=self.preset.value or "",
            name=ui.trainNameEdit.text.strip() or ui.trainNameEdit.placeholderText,
            folds=self.folds.ticked,
            device=self.device.value,
            epochs=ui.epochsBox.value,
            trainer=self.trainer.value or "",
            configuration=self.configuration.value,
            iterations=ui.iterationsBox.value,
            batch=ui.batchBox.value,
            patch=ui.patchEdit.text.strip(),
            seed=ui.trainSeedBox.value,
            workers=ui.trainWorkersBox.value,
            checkpoint_every=ui.checkpointBox.value,
            fine_tune=self.fineTune.value or "",
            encoder=_absolute(ui.encoderEdit.currentPath),
            executor=self.executor.value,
            partition=ui.partitionEdit.text.strip(),
            hours=ui.hoursBox.value,
            gpus=ui.gpusBox.value,
        )

    @property
    def work(self):
        """str: the work folder; '' for none."""
        return _absolute(self._ui.workEdit.currentPath)

    @property
    def facts(self):
        """datasetfacts.DatasetFacts: of the chosen dataset."""
        return self._dataset.read(_absolute(self._ui.trainDatasetEdit.currentPath))

    def chooseDataset(self, folder):
        """Choose the dataset that step 3 has just exported; the work folder is proposed beside it."""
        self._ui.trainDatasetEdit.setCurrentPath(str(folder))
        if not self.work:
            self._ui.workEdit.setCurrentPath(str(Path(folder).parent.parent / "training"))

    def chooseFolds(self, names):
        """Tick folds; those that the dataset does not have are kept in mind until another one is chosen."""
        self._wantedFolds = tuple(names)
        self._settingFolds = True
        self.folds.tick(names)
        self._settingFolds = False

    @property
    def wantedFolds(self):
        """tuple of str: the folds to keep in mind."""
        return self._wantedFolds

    def refresh(self):
        """Bring sentences and buttons up to date."""
        if not self._ready:
            return
        ui = self._ui
        self._showFolds()
        self._showName()
        self.queue.follow(self.work)
        settings, facts = self.settings, self.facts
        missing = traincommand.whatIsMissing(settings, facts)
        ui.startTrainingButton.setEnabled(self._idle and not missing)
        ui.startTrainingButton.setToolTip(missing or _("Plan, prepare the data, and train the ticked folds"))
        _tell(ui.trainMissingLabel, missing)
        ui.estimateButton.setEnabled(self._idle and not missing)
        words = [traincommand.inWords(facts, settings), self._recipeWords(facts), self._estimate]
        _tell(ui.estimateLabel, " ".join(filter(None, words)))
        _tell(ui.presetHelpLabel, self._presetWords())
        for widget in (ui.partitionLabel, ui.partitionEdit, ui.hoursLabel, ui.hoursBox, ui.gpusLabel, ui.gpusBox):
            widget.setVisible(settings.executor == "slurm")
        self.queue.offer(settings.dataset, settings.folds)
        self.queue.refresh()

    def setIdle(self, idle):
        """Let the user start, or not: a command is at work."""
        self._idle = idle
        self.refresh()

    def start(self):
        """Begin the training; it runs without this window."""
        settings = self.settings
        if traincommand.whatIsMissing(settings, self.facts):
            return
        self._ui.trainDatasetEdit.addCurrentPathToHistory()
        self._ui.workEdit.addCurrentPathToHistory()
        self._run(traincommand.argumentsOf(settings), lambda event: self._onStarted(settings.name, event))

    def estimate(self):
        """Ask how much disk and time the training will take."""
        self._run(traincommand.estimateArguments(self.settings), self._onEstimate)

    def close(self):
        """Slicer closes: fold runs that were started here go on, or end with their epoch, as chosen."""
        if self.closing.value == traincommand.STOP:
            self.queue.stopOwn()
        self.queue.close()

    def _fillChoices(self):
        records = [presets.load_preset(name) for name in presets.names()]
        self.preset.fill(
            ["", *(one.name for one in records)],
            [_("Choose a preset"), *(one.title for one in records)],
            ["", *(f"{one.source}\n{one.name}" for one in records)],
        )
        rows = [trainers.describe(name) for name in trainers.names()]
        as_preset = _("As the preset says")
        self.trainer.fill(
            ["", *(row["name"] for row in rows)],
            [as_preset, *(row["title"] for row in rows)],
            ["", *(f"{row['name']} ({row['source']})" for row in rows)],
        )
        self.fillModels()

    def fillModels(self):
        """Offer the models of the library to begin from."""
        models = list_models()
        self.fineTune.fill(
            ["", *(model.name for model in models)],
            [_("Random weights"), *(model.card.get("title") or model.name for model in models)],
        )

    def _ensure(self, arguments):
        try:
            needs.ensure(needs.neededFor(arguments), self._session)
        except BreastSegError as error:
            self._say(error.line, True)
            return False
        return True

    def _presetWords(self):
        if not self.preset.value:
            return ""
        preset = presets.load_preset(self.preset.value)
        trainer = trainers.describe(preset.trainer)
        epochs = preset.settings.get("epochs") or trainer["settings"].get("epochs")
        return _("{source}. {trainer}; {configuration}, {epochs} epochs.").format(
            source=preset.source, trainer=trainer["title"], configuration=preset.configuration, epochs=epochs
        )

    def _recipeWords(self, facts):
        if not self.preset.value or not facts.recipe:
            return ""
        wanted = presets.load_preset(self.preset.value).recipe
        if Path(wanted).name == facts.recipe:
            return ""
        return _("The preset is meant for the recipe {wanted}, and this dataset was made with {given}.").format(
            wanted=wanted, given=facts.recipe
        )

    def _showFolds(self):
        """Offer the folds that the dataset has."""
        facts = self.facts
        count = facts.folds if facts.cases else USUAL_FOLDS
        names = (*map(str, range(count)), traincommand.ALL)
        if names == self.folds.names:
            return
        titles = {name: name for name in names[:-1]} | {traincommand.ALL: _("all")}
        tips = {traincommand.ALL: _("One network trained on all cases; nothing is held back to test it on")}
        wanted = [name for name in self._wantedFolds if name in names] or list(names[:-1])
        self.folds.fill(titles, wanted, tips)

    def _showName(self):
        facts, preset = self.facts, self.preset.value or ""
        name = traincommand.defaultName(preset, facts.name, self.work) if preset else ""
        if name != self._ui.trainNameEdit.placeholderText:
            self._ui.trainNameEdit.setPlaceholderText(name)

    def _onChoice(self):
        if self._ready:
            self._estimate = ""
            self._onChanged()

    def _onFolds(self):
        if not self._settingFolds:
            self._wantedFolds = self.folds.ticked
        self._onChoice()

    def _onStarted(self, name, event):
        name = str(event.get("training") or name)
        name = Path(name).name
        self.queue.started(name)
        self._ui.trainNameEdit.text = ""
        words = [_("{name} was started.").format(name=name), *map(str, event.get("notes") or ())]
        self._say(" ".join(words), False)

    def _onEstimate(self, event):
        self._estimate = traincommand.estimateWords(event)
        self._say("", False)


def _absolute(path):
    path = path.strip()
    return str(Path(path).expanduser().absolute()) if path else ""


def _tell(label, text):
    """Show a sentence, or nothing at all where there is none."""
    label.text = text
    label.setVisible(bool(text))

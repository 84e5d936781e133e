"""The trainings of a work folder: watched by their files, stopped and resumed by commands. They need no window."""

import logging

import qt
from BreastSegLib.errors import BreastSegError
from BreastSegLib.scene.texts import _

from .. import launch
from ..launch.foldstate import FAILED, STOP, STOPPED
from . import runrows
from .commandwork import CommandWork, errorLine
from .curvesbox import CurvesBox
from .runtable import RunTable

LOOK_MS = 1000
CHECK_EVERY = 60  # looks: a process that was killed cannot tell, so that its executor is asked now and then
EPOCH, NOW = "epoch", "now"
LOCAL = "local"


class QueueBox:
    """The lower part of the tab "Training".

    Parameters
    ----------
    ui : object
        The widgets of the .ui files, by name.
    parent : qt.QWidget
        Owner of the timers.
    say : callable
        ``say(text, isError)``.
    onChanged : callable
        Called when the trainings have changed.
    ensure : callable
        ``ensure(arguments)`` asks for missing packages; returns whether the command may start.
    """

    def __init__(self, ui, parent, say, onChanged, ensure):
        self._ui, self._say, self._onChanged, self._ensure = ui, say, onChanged, ensure
        self._work, self._own, self._looks, self._waiting = "", set(), 0, []
        self._dataset, self._ticked = "", ()
        self.runs = runrows.Runs()
        self.table = RunTable(ui.queueTable, self._onSelection)
        self.curves = CurvesBox(ui)
        self.commands = CommandWork(parent, lambda *progress: None)
        self._timer = qt.QTimer(parent)
        self._timer.setInterval(LOOK_MS)
        self._timer.connect("timeout()", self.look)
        self._makeStopMenu(parent)
        ui.resumeButton.connect("clicked()", self.resume)
        ui.addFoldsButton.connect("clicked()", self.addFolds)
        ui.logButton.connect("clicked()", self.showLog)
        ui.runFolderButton.connect("clicked()", self.openFolder)
        self.refresh()

    @property
    def busy(self):
        """bool: whether a stop, a resume or a check has not been answered yet."""
        return self.commands.running or bool(self._waiting)

    def follow(self, work):
        """Watch another work folder; '' for none."""
        if work == self._work:
            return
        self._work, self._looks = work, 0
        self._timer.stop()
        self.look(always=True)
        if work:
            self._timer.start()

    def look(self, always=False):
        """Look at the files; the timer calls this. Only what has changed is read."""
        self.curves.turn()
        changed = self.runs.look(self._work)
        if self._looks % CHECK_EVERY == 0 and any(run.active for run in self.runs.rows):
            self._check()
        self._looks += 1
        if changed or always:
            self.table.show(self.runs.rows)
            self._onChanged()

    def started(self, name):
        """A training was started here: show it, and let it follow the setting when Slicer closes."""
        self._own.add(name)
        self.look(always=True)
        self.table.choose(name)

    def stop(self, how=EPOCH):
        """Ask the chosen fold runs to stop."""
        self._each("stop", [run for run in self.table.chosen if run.active], ["--now"] if how == NOW else [])

    def resume(self):
        """Let the chosen fold runs go on from their last checkpoints."""
        runs = [run for run in self.table.chosen if self._resumable(run)]
        if runs and self._ensure(["resume", *[str(run.training.trainer) for run in runs]]):
            self._own |= {run.training.name for run in runs}
            self._each("resume", runs, [])

    def offer(self, dataset, folds):
        """Tell which folds of which dataset are ticked above: a training may get those that it has not.

        Parameters
        ----------
        dataset : str
            Folder of the raw dataset.
        folds : sequence of str
        """
        self._dataset, self._ticked = dataset, tuple(folds)

    def addFolds(self):
        """Let the chosen training train the ticked folds that it has not."""
        training, new = self._training(), self._newFolds()
        if new and self._ensure(["resume", str(training.trainer)]):
            self._own.add(training.name)
            self._waiting.append(["resume", self._work, training.name, "--add-folds", *new])
            self._next()

    def showLog(self):
        """Open the log of the chosen fold run."""
        run = self._one()
        if run is not None:
            self._open(runrows.logOf(run), _("There is no log yet."))

    def openFolder(self):
        """Open the folder of the chosen fold run's checkpoints, or that of its state while there are none."""
        run, training = self._one(), self._training()
        if training is not None:
            found = (training.output(run.fold), run.folder) if run is not None else (training.model, training.folder)
            self._open(found[0] if found[0].is_dir() else found[1], _("The folder is not there yet."))

    def stopOwn(self):
        """Slicer closes: let the fold runs that were started here end with their epoch. Works on files only."""
        self.runs.look(self._work)
        names = {run.training.name for run in self.runs.rows if run.active and run.training.executor == LOCAL}
        try:
            for name in sorted(names & self._own):
                launch.stop(self._work, [name])
            for run in self.runs.rows:
                # A cluster may take long to answer: its runs see the request by themselves.
                if run.active and run.training.name in self._own - names:
                    (run.folder / STOP).write_text(EPOCH, encoding="ascii")
        except (OSError, BreastSegError) as error:
            logging.info(f"BreastSegTraining: a training could not be stopped: {type(error).__name__}")

    def close(self):
        """Stop watching; trainings go on."""
        self._timer.stop()
        self._waiting = []
        self.commands.close()
        self.curves.close()

    def refresh(self):
        """Bring sentences and buttons up to date."""
        ui, chosen = self._ui, self.table.chosen
        ui.queueLabel.setVisible(bool(self._work))
        words = [runrows.inSummary(self.runs.rows) if self._work else "", *self.runs.problems]
        ui.queueLabel.text = " ".join(words)
        active = [run for run in chosen if run.active and not run.stopping]
        resumable = [run for run in chosen if self._resumable(run)]
        for button, runs, does, isNot in (
            (
                ui.stopButton,
                [run for run in chosen if run.active],
                _("Stop {runs} after the present epoch; the arrow: at once"),
                _("None of the chosen fold runs is running"),
            ),
            (
                ui.resumeButton,
                resumable,
                _("Let {runs} go on from the last checkpoint"),
                _("None of the chosen fold runs was stopped or has failed"),
            ),
        ):
            button.setEnabled(bool(runs))
            names = runs[0].name if len(runs) == 1 else _("{count} fold runs").format(count=len(runs))
            button.setToolTip(does.format(runs=names) if runs else isNot if chosen else _("Choose a row first"))
        self._stopActions[0].setEnabled(bool(active))
        self._showAddFolds()
        ui.logButton.setEnabled(self._one() is not None)
        tip = _("Open what the fold run has written")
        ui.logButton.setToolTip(tip if self._one() is not None else _("Choose one fold first"))
        ui.runFolderButton.setEnabled(self._training() is not None)
        tip = _("Open the folder with checkpoints and validation")
        ui.runFolderButton.setToolTip(tip if self._training() is not None else _("Choose rows of one training first"))
        for button in (ui.stopButton, ui.resumeButton, ui.addFoldsButton, ui.logButton, ui.runFolderButton):
            button.setVisible(bool(self.runs.rows))
        ui.curvesFrame.setVisible(bool(self.runs.rows))
        one = self._one()
        words = [one.details] if one is not None else [run.trouble for run in chosen]
        ui.runLabel.text = "\n".join(filter(None, words))
        ui.runLabel.setVisible(any(words))

    def _showAddFolds(self):
        button, training, new = self._ui.addFoldsButton, self._training(), self._newFolds()
        button.setEnabled(bool(new))
        if new:
            tip = _("Train the ticked folds with {name} too: {folds}").format(name=training.name, folds=" ".join(new))
        elif training is None:
            tip = _("Choose rows of one training first")
        elif training.raw != self._dataset:
            tip = _("Choose the dataset of {name} above first").format(name=training.name)
        else:
            tip = _("Tick folds above that {name} does not have yet").format(name=training.name)
        button.setToolTip(tip)

    def _newFolds(self):
        training = self._training()
        if training is None or training.raw != self._dataset:
            return []
        return [fold for fold in self._ticked if fold not in training.folds]

    def _makeStopMenu(self, parent):
        menu = qt.QMenu(parent)
        self._stopActions = []
        for text, how in ((_("After the epoch"), EPOCH), (_("Now (back to the last checkpoint)"), NOW)):
            action = menu.addAction(text)
            action.connect("triggered()", lambda how=how: self.stop(how))
            self._stopActions.append(action)
        self._ui.stopButton.setMenu(menu)
        self._ui.stopButton.connect("clicked()", self.stop)

    def _each(self, verb, runs, options):
        """Queue a command for each training that is chosen as a whole, else for each fold run."""
        whole, named = self.table.wholeTrainings, []
        for run in runs:
            named.append(run.training.name if run.training.name in whole else run.key)
        for name in dict.fromkeys(named):
            self._waiting.append([verb, self._work, name, *options])
        self._next()

    def _check(self):
        if not self.busy:
            self._waiting.append(["status", self._work])
            self._next()

    def _next(self):
        if self.commands.running or not self._waiting:
            return
        arguments = self._waiting.pop(0)
        self.commands.start(
            arguments, lambda event: self._onEnd(arguments, None), lambda event: self._onEnd(arguments, event)
        )

    def _onEnd(self, arguments, error):
        verb, name = arguments[0], arguments[2] if len(arguments) > 2 else ""
        if error is not None and verb != "status":
            self._say(errorLine(error), True)
        elif verb == "stop":
            self._say(_("{name} was asked to stop.").format(name=name), False)
        elif verb == "resume" and "--add-folds" in arguments:
            folds = " ".join(arguments[arguments.index("--add-folds") + 1 :])
            self._say(_("{name} trains further folds: {folds}.").format(name=name, folds=folds), False)
        elif verb == "resume":
            self._say(_("{name} goes on.").format(name=name), False)
        self.look(always=verb != "status")
        self._next()

    def _resumable(self, run):
        return run.state.state in (STOPPED, FAILED, runrows.NONE)

    def _one(self):
        chosen = self.table.chosen
        return chosen[0] if len(chosen) == 1 else None

    def _training(self):
        """Return the training of the chosen fold runs; None when there are several, or none."""
        trainings = {run.training.name: run.training for run in self.table.chosen}
        return next(iter(trainings.values())) if len(trainings) == 1 else None

    def _open(self, path, missing):
        if not path.exists():
            self._say(missing, True)
        elif not qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path))):
            self._say(_("Nothing could open {path}").format(path=path), True)

    def _onSelection(self):
        self.curves.choose(list(self.table.chosen))
        self.refresh()

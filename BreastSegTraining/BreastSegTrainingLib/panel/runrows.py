"""The fold runs of a work folder: read again only where their files have changed, and told in words. No Qt."""

import os
from dataclasses import dataclass
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.scene.texts import _

from ..launch import FoldState, Training
from ..launch.foldstate import DONE, FAILED, FILE, LOG, QUEUED, RUNNING, STOP, STOPPED
from ..launch.training import FILE as TRAINING_FILE
from ..launch.training import TRAININGS

NONE = ""  # never queued
COLOURS = {
    QUEUED: "#6b7280",
    RUNNING: "#1f618d",
    STOPPED: "#b9770e",
    FAILED: "#c0392b",
    DONE: "#1e8449",
    NONE: "#6b7280",
}
MINUTE, HOUR, DAY = 60, 3600, 86400


@dataclass(frozen=True)
class Run:
    """A fold run in the table.

    Parameters
    ----------
    training : Training
    fold : str
    state : FoldState
    stopping : bool
        Whether it was asked to stop and has not done so yet.
    """

    training: Training
    fold: str
    state: FoldState
    stopping: bool = False

    @property
    def key(self):
        """str: what the commands call it, ``NAME:FOLD``."""
        return f"{self.training.name}:{self.fold}"

    @property
    def folder(self):
        """Path: of its state and log."""
        return self.training.fold_folder(self.fold)

    @property
    def active(self):
        """bool: whether it is queued or running."""
        return self.state.state in (QUEUED, RUNNING)

    @property
    def stateWords(self):
        """str: for people."""
        state = self.state
        if state.state == QUEUED:
            return _("Queued")
        if state.state == RUNNING:
            return _("Stopping …") if self.stopping else _stageWords(state.stage)
        return {STOPPED: _("Stopped"), FAILED: _("Failed"), DONE: _("Done")}.get(state.state, _("Not started"))

    @property
    def colour(self):
        """str: of the state."""
        return COLOURS[STOPPED] if self.stopping and self.active else COLOURS[self.state.state]

    @property
    def epochWords(self):
        """str: finished and to do, such as ``12/1000``."""
        state = self.state
        return f"{state.epoch}/{state.epochs}" if state.epochs else ""

    @property
    def bestWords(self):
        """str: the best pseudo-Dice and its epoch, counted from 0 as in the curves."""
        state = self.state
        if state.best is None:
            return ""
        if state.best_epoch is None:
            return f"{state.best:.3f}"
        return f"{state.best:.3f} ({state.best_epoch})"

    @property
    def leftWords(self):
        """str: time left."""
        return duration(self.state.eta_s) if self.active else ""

    @property
    def details(self):
        """str: what its row has no room for: a sentence each."""
        state, words = self.state, [self.name + "."]
        if state.device:
            words.append(_("Device: {device}.").format(device=state.device))
        if state.batch_size:
            words.append(_("Batch size {count}.").format(count=state.batch_size))
        if state.dice is not None:
            words.append(_("Dice of its validation: {value}.").format(value=f"{state.dice:.3f}"))
        words += [sentence(text) for text in (state.message, state.hint, *state.notes) if text]
        return " ".join(words)

    @property
    def trouble(self):
        """str: why it failed and what to do; '' when it did not."""
        state = self.state
        if state.state != FAILED:
            return ""
        said = " ".join(sentence(text) for text in (state.message, state.hint) if text)
        return _("Fold {fold}: {said}").format(fold=self.fold, said=said)

    @property
    def name(self):
        """str: for people."""
        return _("{training}, fold {fold}").format(training=self.training.name, fold=self.fold)


class Runs:
    """The trainings of one work folder, as their files tell."""

    def __init__(self):
        self._work, self._seen = None, {}
        self.rows, self.problems = (), ()

    def look(self, work):
        """Look at a work folder again; returns whether anything has changed."""
        work = Path(work) if work else None
        if work != self._work:
            self._work, self._seen = work, {}
        rows, problems, seen = [], [], {}
        for path in sorted((work / TRAININGS).glob(f"*/{TRAINING_FILE}")) if work is not None else ():
            training = self._read(seen, path, lambda path=path: Training.read(path.parent))
            if isinstance(training, BadInput):
                problems.append(training.line)
                continue
            for fold in training.folds:
                rows.append(self._run(seen, training, fold))
        # The newest first: that is what the user has just started.
        age = {run.training.name: (run.training.created, run.training.name) for run in rows}
        rows.sort(key=lambda run: age[run.training.name], reverse=True)
        rows, problems = tuple(rows), tuple(problems)
        changed = rows != self.rows or problems != self.problems
        self._seen, self.rows, self.problems = seen, rows, problems
        return changed

    def of(self, name):
        """Return the fold runs of a training."""
        return [run for run in self.rows if run.training.name == name]

    @property
    def trainings(self):
        """list of Training: those that were found, the newest first."""
        return list({run.training.name: run.training for run in self.rows}.values())

    def _run(self, seen, training, fold):
        folder = training.fold_folder(fold)
        state = self._read(seen, folder / FILE, lambda: FoldState.read(folder))
        if isinstance(state, BadInput):
            state = FoldState(state=FAILED, stage="", message=state.what, hint=state.hint)
        if state is None:
            return Run(training, fold, _NotQueued())
        return Run(training, fold, state, state.state in (QUEUED, RUNNING) and (folder / STOP).exists())

    def _read(self, seen, path, read):
        """Return what a file holds, or the error; read again only when it has changed."""
        try:
            status = os.stat(path)
            mark = status.st_mtime_ns, status.st_size, status.st_ino
        except OSError:
            mark = None
        known = self._seen.get(path)
        if known is None or known[0] != mark:
            try:
                known = mark, read()
            except BadInput as error:
                known = mark, error
        seen[path] = known
        return known[1]


def duration(seconds):
    """Return a time for people, such as ``3 h 20 min``; '' when it is unknown."""
    if seconds is None or not 0 <= seconds < 1e9:
        return ""
    if seconds < 90:
        return _("{seconds} s").format(seconds=max(1, round(seconds)))
    if seconds < 90 * MINUTE:
        return _("{minutes} min").format(minutes=round(seconds / MINUTE))
    if seconds < 2 * DAY:
        minutes = round(seconds / MINUTE)
        return _("{hours} h {minutes} min").format(hours=minutes // 60, minutes=minutes % 60)
    hours = round(seconds / HOUR)
    return _("{days} d {hours} h").format(days=hours // 24, hours=hours % 24)


def inSummary(rows):
    """Return a sentence about the fold runs of a work folder."""
    if not rows:
        return _("No training in this work folder yet.")
    counts = {
        state: sum(run.state.state == state for run in rows) for state in (RUNNING, QUEUED, DONE, STOPPED, FAILED)
    }
    words = {
        RUNNING: _("{count} running"),
        QUEUED: _("{count} queued"),
        DONE: _("{count} done"),
        STOPPED: _("{count} stopped"),
        FAILED: _("{count} failed"),
    }
    told = [words[state].format(count=count) for state, count in counts.items() if count]
    return _("Fold runs: {told}.").format(told=", ".join(told) or _("none started"))


def logOf(run):
    """Return the path of a fold run's log."""
    return run.folder / LOG


def sentence(text):
    """Return a text as a sentence."""
    text = " ".join(str(text).split()).rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


def _stageWords(stage):
    words = {
        "waiting": _("Starting"),
        "planning": _("Planning"),
        "preprocessing": _("Preparing data"),
        "training": _("Training"),
        "validating": _("Validating"),
    }
    return words.get(stage) or _("Running")


@dataclass(frozen=True)
class _NotQueued(FoldState):
    """Stands for a fold run that has no state yet."""

    state: str = NONE
    stage: str = ""

"""The queue of fold runs in a work folder. It is made of files alone: whoever opens the folder finds and steers it."""

import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.executors import Job, make, resources_of
from BreastSegLib.files import write_json
from BreastSegLib.pipeline.batch_lock import BatchLock

from . import interpreter
from .foldstate import DONE, EPOCH, NOW, QUEUED, RUNNING, STOP, STOPPED, FoldState, now
from .rawdata import check_unchanged, read_raw
from .training import ALL, LOCAL, TRAININGS, Training, trainings_in
from .truth import HANDLE, Place, as_written, is_busy, state_of

QUEUE = ".queue"  # in the folder of the trainings: the runner's jobs
NOW_S, LOOK_S = 15.0, 0.1
LOCKED_AS = "queue of trainings"


def find(work, name):
    """Return the `Training` of a name in a work folder.

    Raises
    ------
    BadInput
        If there is none.
    """
    folder = Path(work) / TRAININGS / name
    if not (folder / "training.json").is_file():
        known = ", ".join(training.name for training in trainings_in(work)) or "none"
        raise BadInput(f"There is no training {name!r}", work, f"Trainings there: {known}")
    return Training.read(folder)


def chosen(work, names=()):
    """Return the (training, fold) pairs that a user names: ``NAME``, ``NAME:FOLD``; all when none is named.

    Raises
    ------
    BadInput
        If there is no such training or fold run.
    """
    if not names:
        return [(training, fold) for training in trainings_in(work) for fold in training.folds]
    pairs = []
    for text in names:
        name, _, fold = text.partition(":")
        training = find(work, name)
        if fold and fold not in training.folds:
            raise BadInput(f"The training {name} has no fold {fold}", work, f"Its folds: {', '.join(training.folds)}")
        pairs += [(training, one) for one in ([fold] if fold else training.folds)]
    return list({(training.name, fold): (training, fold) for training, fold in pairs}.values())


def enqueue(training, folds=None, **values):
    """Put fold runs into the queue, keeping what is known of earlier attempts; `start` gets them going.

    Parameters
    ----------
    training : Training
        Written already.
    folds : sequence of str, optional
        All of the training when not given.
    **values
        Other fields of the `FoldState`.
    """
    for fold in training.folds if folds is None else folds:
        folder = training.fold_folder(fold)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / STOP).unlink(missing_ok=True)
        (folder / HANDLE).unlink(missing_ok=True)
        state = as_written(folder) or FoldState()
        fresh = {"message": "", "hint": "", "eta_s": None, "ended": "", "stage": "waiting", "job": {}}
        state.changed(state=QUEUED, **{**fresh, **values}).write(folder)


def start(work):
    """Get what is queued going: the runner of this computer, and one job for each fold on a cluster."""
    waiting = [
        (training, fold)
        for training, fold in chosen(work)
        if (state := as_written(training.fold_folder(fold))) is not None and state.state == QUEUED
    ]
    for training, fold in waiting:
        if training.executor != LOCAL and Place.read(training.fold_folder(fold)) is None:
            submit(training, fold)
    if any(training.executor == LOCAL for training, _fold in waiting):
        _start_runner(Path(work))


def submit(training, fold, slot=""):
    """Give a fold run to its executor.

    Raises
    ------
    BadInput
        If the executor cannot take it, such as a cluster that does not answer.
    """
    folder = training.fold_folder(fold)
    table = dict(training.resources)
    table.setdefault("gpus", 0 if training.device == "cpu" else 1)
    table.setdefault("cpus", max(1, training.workers + 1))
    job = Job(
        name=f"{training.name} fold {fold}",
        command=interpreter.command("launch.foldrun", training.folder, fold, *(["--slot", slot] if slot else [])),
        folder=folder,
        environment=interpreter.environment(),
        resources=resources_of(table),
        restart=True,
    )
    Place(make(training.executor).submit(job), slot).write(folder)


def rows(work):
    """Return one dict for each fold run of a work folder, as it really stands: the oldest training first.

    Returns
    -------
    list of dict
        ``training``, ``fold``, ``dataset``, ``trainer``, ``configuration``, ``preset``, ``executor``, ``folder``,
        ``output`` and the fields of `FoldState`. A run that was killed is ``failed``.
    """
    found = []
    for training, fold in chosen(work):
        state = state_of(training, fold)
        if state is None:
            continue
        row = {"training": training.name, "fold": fold, "dataset": training.dataset, "trainer": training.trainer}
        row |= {"configuration": training.configuration, "preset": training.preset, "executor": training.executor}
        row |= {"folder": str(training.fold_folder(fold)), "output": str(training.output(fold))}
        found.append({**row, **asdict(state), "notes": list(state.notes)})
    return found


def stop(work, names=(), immediately=False):
    """Ask fold runs to stop: after the epoch, with a checkpoint, or at once.

    Returns
    -------
    list of (str, str)
        (training, fold) of those that were asked.
    """
    asked = []
    for training, fold in chosen(work, names):
        state = state_of(training, fold)
        if state is None or state.state not in (QUEUED, RUNNING):
            continue
        folder = training.fold_folder(fold)
        (folder / STOP).write_text(NOW if immediately else EPOCH, encoding="ascii")
        asked.append((training, fold))
        if state.state == QUEUED:
            _take_out(training, fold)
    if immediately:
        _await_end(asked)
    return [(training.name, fold) for training, fold in asked]


def resume(work, names=(), batch=None, **changes):
    """Queue fold runs that were stopped, have failed or were killed; they go on from their last checkpoint.

    Parameters
    ----------
    work : str or Path
    names : sequence of str
        See `chosen`.
    batch : int, optional
        Samples in each step, at most as many as planned.
    **changes
        Of the `Training`, such as ``device``.

    Returns
    -------
    list of (str, str)
        (training, fold) of those that were queued.
    """
    queued, changed = [], {}
    for training, fold in chosen(work, names):
        state = state_of(training, fold)
        if state is None or state.state in (QUEUED, RUNNING, DONE):
            continue
        _await_place(training.fold_folder(fold))
        if changes and training.name not in changed:
            changed[training.name] = training.changed(**changes)
            changed[training.name].write(overwrite=True)
        enqueue(changed.get(training.name, training), [fold], **({"batch_size": batch} if batch else {}))
        queued.append((training.name, fold))
    start(work)
    return queued


def add_folds(work, name, folds):
    """Let a training train further folds: it becomes one of these too, and they are queued.

    Parameters
    ----------
    work : str or Path
    name : str
        Of the training.
    folds : sequence of str
        Those that it has already stay as they are.

    Returns
    -------
    list of (str, str)
        (training, fold) of those that were queued.

    Raises
    ------
    BadInput
        If there is no such training or fold, or the dataset has changed since: folds of two states do not compare.
    """
    training = find(work, name)
    new = [fold for fold in dict.fromkeys(map(str, folds)) if fold not in training.folds]
    grown = training.changed(folds=(*training.folds, *new))
    check_unchanged(training)
    raw = read_raw(training.raw)
    for fold in new:
        raw.cases_of(fold)
    if new:
        grown.changed(folds=sorted(grown.folds, key=lambda fold: (fold == ALL, fold.zfill(9)))).write(overwrite=True)
        enqueue(training, new)
        start(work)
    return [(training.name, fold) for fold in new]


def _await_place(folder):
    """Wait for the end of a job whose fold run has just written its last word."""
    place, until = Place.read(folder), time.monotonic() + NOW_S
    while place is not None and not place.over()[0] and time.monotonic() < until:
        time.sleep(LOOK_S)


def _take_out(training, fold):
    """Stop a fold run that waits; one that is just being started sees the request by itself."""
    folder = training.fold_folder(fold)
    place = Place.read(folder)
    if place is not None and training.executor != LOCAL:
        with suppress(BadInput):
            make(training.executor).cancel(place.handle, 0.0)
    if place is None or training.executor != LOCAL:
        state = as_written(folder)
        state.changed(state=STOPPED, message="Taken out of the queue", ended=now()).write(folder)


def _await_end(pairs):
    """Wait for runs that were told to stop at once, and end what does not hear."""
    until = time.monotonic() + NOW_S
    while any(is_busy(*pair) for pair in pairs) and time.monotonic() < until:
        time.sleep(LOOK_S)
    for training, fold in pairs:
        place = Place.read(training.fold_folder(fold))
        if place is not None and is_busy(training, fold):
            make(training.executor).cancel(place.handle, 0.0)
        state_of(training, fold)


def _start_runner(work):
    """Start the process that works at the queue of this computer, unless one does.

    It asks for the lock, not for the process: a runner that is about to end has let go of the lock, and looks once
    more afterwards (see `runner.main`), so that no fold run is left behind by both.
    """
    trainings = work / TRAININGS
    try:
        BatchLock(trainings, LOCKED_AS).release()
    except BadInput:
        return
    folder = trainings / QUEUE / f"{time.time_ns()}"
    handle = make(LOCAL).submit(
        Job(
            name="queue of trainings",
            command=interpreter.command("launch.runner", work),
            folder=folder,
            environment=interpreter.environment(),
        )
    )
    write_json(trainings / QUEUE / "runner.json", handle, overwrite=True)

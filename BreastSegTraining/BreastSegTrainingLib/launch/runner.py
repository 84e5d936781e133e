"""Works at the queue of a work folder on this computer: one fold run for each device, in order, until nothing waits.

``python -m BreastSegTrainingLib.launch.runner WORK``. It may be killed: the fold runs go on by themselves, and the
next command that looks after the queue starts another runner, which finds them.
"""

import shutil
import sys
import time
from pathlib import Path

from BreastSegLib.errors import BadInput, BreastSegError
from BreastSegLib.pipeline.batch_lock import BatchLock

from .foldstate import FAILED, QUEUED, FoldState, now
from .queue import LOCKED_AS, QUEUE, chosen, submit
from .training import LOCAL, TRAININGS
from .truth import Place, as_written, is_busy, state_of

LOOK_S = 0.5
KEPT = 3  # folders of earlier runners: their logs tell what went wrong
CPU = "cpu"


def main(arguments):
    """Work at the queue until it is empty."""
    work = Path(arguments[0])
    while True:
        try:
            lock = BatchLock(work / TRAININGS, LOCKED_AS)
        except BadInput:  # another one works at it
            return
        try:
            _tidy(work)
            while _turn(work):
                time.sleep(LOOK_S)
        finally:
            lock.release()
        # Whoever queued a run while the lock was held relies on this look.
        if not _waiting(work):
            return


def slots_of(training):
    """Return the devices that a training may take, such as ``("cuda:0", "cuda:1")``."""
    if training.device == CPU:
        return (CPU,)
    return tuple(f"cuda:{number}" for number in training.devices or (0,))


def _turn(work):
    """Start what has a free device; return whether there is anything to wait for."""
    taken, busy = set(), False
    for training, fold in _local(work):
        if is_busy(training, fold):
            busy = True
            place = Place.read(training.fold_folder(fold))
            taken.add(place.slot if place else "")
        else:
            state_of(training, fold)  # what was killed is written down
    waiting = _waiting(work)
    for training, fold in waiting:
        free = next((slot for slot in slots_of(training) if slot not in taken), None)
        if free is not None:
            taken.add(free)
            _start(training, fold, free)
    return busy or bool(waiting)


def _start(training, fold, slot):
    try:
        submit(training, fold, slot)
    except BreastSegError as error:
        folder = training.fold_folder(fold)
        state = as_written(folder) or FoldState()
        state.changed(state=FAILED, message=error.what, hint=error.hint, ended=now()).write(folder)


def _local(work):
    return [(training, fold) for training, fold in chosen(work) if training.executor == LOCAL]


def _waiting(work):
    """Return the runs of this computer that wait and were given to nobody."""
    found = []
    for training, fold in _local(work):
        folder = training.fold_folder(fold)
        state = as_written(folder)
        if state is not None and state.state == QUEUED and Place.read(folder) is None:
            found.append((training, fold))
    return found


def _tidy(work):
    """Remove the records of earlier runners but the last ones."""
    folders = sorted(path for path in (work / TRAININGS / QUEUE).glob("*") if path.name.isdigit())
    for folder in folders[:-KEPT]:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Whether what the files say of a fold run is still true: a process that was killed cannot say so itself."""

from contextlib import suppress
from dataclasses import dataclass

from BreastSegLib.errors import BadInput
from BreastSegLib.executors import make
from BreastSegLib.executors.identity import is_here, is_identity, runs
from BreastSegLib.files import read_json, write_json

from .foldstate import FAILED, LOG, QUEUED, RUNNING, FoldState, now

HANDLE = "queue.json"
FORMAT = "breastseg-queued-1"
LINES, LINE = 3, 160
RESUME = "The command resume goes on from the last checkpoint"


@dataclass(frozen=True)
class Place:
    """Where a fold run was given to: what the queue remembers of it.

    Parameters
    ----------
    handle : dict
        Of the executor.
    slot : str
        The device it takes, such as ``cuda:0``; '' on a cluster.
    """

    handle: dict
    slot: str = ""

    def write(self, folder):
        """Write it into the folder of a fold run."""
        write_json(folder / HANDLE, {"format": FORMAT, "handle": self.handle, "slot": self.slot}, overwrite=True)

    @classmethod
    def read(cls, folder):
        """Return the place of a fold run; None when it was given to nobody, or the file is damaged."""
        try:
            record = read_json(folder / HANDLE)
            return cls(dict(record["handle"]), str(record["slot"])) if record["format"] == FORMAT else None
        except (BadInput, KeyError, TypeError, ValueError):
            return None

    def over(self):
        """Return (whether the job has ended, why, as far as the executor knows)."""
        try:
            state = make(self.handle.get("executor", "local")).state(self.handle)
        except BadInput as error:  # such as a cluster that does not answer: nothing is known, nothing is claimed
            return False, error.line
        return state.over, state.reason


def as_written(folder):
    """Return the `FoldState` in a folder, None where there is none; a damaged file is a failed run."""
    try:
        return FoldState.read(folder)
    except BadInput as error:
        return FoldState(state=FAILED, stage="", message=error.what, hint=RESUME)


def state_of(training, fold):
    """Return the `FoldState` of a fold run as it really is; None when it was never queued.

    A run that says that it is running and has no process any more has failed; that is written down.
    """
    folder = training.fold_folder(fold)
    state = as_written(folder)
    if state is None or state.state not in (QUEUED, RUNNING):
        return state
    gone, reason = _is_gone(folder, state)
    if not gone:
        return state
    again = as_written(folder)  # it may have ended well between the two looks
    if again is None or again.state not in (QUEUED, RUNNING) or again.attempts != state.attempts:
        return again
    why = "The fold run ended without a word" if state.state == RUNNING else "The fold run could not be started"
    said = last_lines(folder)
    message = f"{why}{f' ({reason})' if reason else ''}{f': {said}' if said else ''}"
    failed = again.changed(state=FAILED, message=message, hint=RESUME, eta_s=None, ended=now())
    with suppress(BadInput):  # a full disk: then whoever looks next finds out again
        failed.write(folder)
    return failed


def is_busy(training, fold):
    """Return whether a process works at a fold run, or the executor will start one."""
    folder = training.fold_folder(fold)
    state = as_written(folder)
    if state is not None and state.state == RUNNING:
        return not _is_gone(folder, state)[0]
    place = Place.read(folder)
    return place is not None and not place.over()[0]


def last_lines(folder):
    """Return the last words of a fold run's log, in one line."""
    try:
        with open(folder / LOG, "rb") as stream:
            stream.seek(max(0, stream.seek(0, 2) - 4096))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    lines = [line.strip()[:LINE] for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-LINES:])


def _is_gone(folder, state):
    """Return (whether nobody works at the run or will, why)."""
    process = state.job.get("process")
    if state.state == RUNNING and is_identity(process) and is_here(process) and runs(process):
        return False, ""
    place = Place.read(folder)
    if place is not None:
        return place.over()
    if state.state == QUEUED or (is_identity(process) and not is_here(process)):
        return False, ""  # waits for the queue, or runs on another computer
    return True, ""

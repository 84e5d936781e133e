"""Jobs on this computer: each has a keeper, a small process of its own that outlives the program that submitted it."""

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

from ..errors import BadInput
from ..files import write_error
from ..inference.child import PACKAGE_FOLDER, child_environment
from ..inference.processtree import start_options
from .endings import ask_to_end, end_of, patience_of
from .identity import identity_of, is_here, is_identity, runs
from .job import LOG, LOG_LINES, LOST, RUNNING, WAITING, JobState, log_tail
from .leftovers import VARIABLE, end_keeper, end_leftovers
from .records import CANCEL, EXIT, JOB, START, is_token, read_record, write_record

NAME = "local"
LOOK_S = 0.05
KEEPER_S = 10.0  # the keeper's own time when it ends a job
# Keepers that this process started: asked now and then, so that the system forgets those that have ended.
_started = []


class Local:
    """Runs jobs on this computer, at once; whoever wants them one after the other submits them so.

    Parameters
    ----------
    python : str, optional
        Interpreter of the keepers; the running one when not given.
    environment : dict, optional
        Environment of keepers and commands; the running one when not given. Slicer gives its start-up environment.
    """

    name = NAME

    def __init__(self, python=None, environment=None):
        self._python = str(python or sys.executable)
        self._environment = environment

    def submit(self, job):
        """Start a job and return its handle, a dict for JSON files.

        Raises
        ------
        BadInput
            If its folder cannot be used, or a job runs there, or Python cannot be started.
        """
        folder, token = job.folder, uuid.uuid4().hex
        _refuse_second(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in (START, CANCEL, EXIT):
                (folder / name).unlink(missing_ok=True)
            log = open(folder / LOG, "ab")  # noqa: SIM115 - closed below, the keeper has its own
        except OSError as error:
            raise write_error(error, folder) from error
        with log:
            write_record(folder, JOB, token, name=job.name, command=list(job.command))
            keeper = self._start_keeper(folder, token, job.environment, log)
        _started.append(keeper)
        identity = identity_of(keeper.pid)
        return {"executor": NAME, "folder": str(folder), "token": token, "keeper": identity}

    def _start_keeper(self, folder, token, variables, log):
        environment = child_environment(dict(os.environ if self._environment is None else self._environment))
        environment.pop(VARIABLE, None)
        try:
            return subprocess.Popen(
                [self._python, "-m", "BreastSegLib.executors.keeper", str(folder), token],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Python imports from the folder it is started in first: not from that of the job.
                cwd=PACKAGE_FOLDER,
                env={**environment, **variables},
                **start_options(),
            )
        except OSError as error:
            raise BadInput(f"Python could not be started: {error.strerror}", self._python) from error

    def state(self, handle):
        """Return the `JobState` of a job, whoever submitted it. What a killed keeper left running is ended.

        Raises
        ------
        BadInput
            If the handle is none.
        """
        folder, token, keeper = _parts(handle)
        _reap()
        ended = end_of(folder, token)
        if ended:
            return ended
        start = read_record(folder, START, token) or {}
        if keeper is not None and not is_here(keeper):
            return JobState(RUNNING, None, f"started on the computer {keeper['host']}; how it stands is told there")
        if _any_runs(keeper, start.get("keeper")):
            return JobState(RUNNING if start else WAITING)
        ended = end_of(folder, token)  # between the two looks
        if ended:
            return ended
        end_leftovers(token, start.get("command"))
        return JobState(LOST, None, _why_lost(folder, token, start))

    def cancel(self, handle, patience_s=30.0, wait=True):
        """Ask a job to stop by itself; what has not done so in time is ended with all that it started.

        Parameters
        ----------
        handle : dict
        patience_s : float
            0 ends it at once.
        wait : bool
            False returns at once; the keeper sees to the rest.

        Returns
        -------
        JobState
        """
        folder, token, keeper = _parts(handle)
        state = self.state(handle)
        if state.over or (keeper is not None and not is_here(keeper)):
            return state
        if ask_to_end(folder, token, patience_s):
            until = time.monotonic() + (patience_of(folder, token) or 0.0) + KEEPER_S
            while wait and time.monotonic() < until:
                state = self.state(handle)
                if state.over:
                    return state
                time.sleep(LOOK_S)
            if not wait:
                return state
        start = read_record(folder, START, token) or {}
        for identity in (keeper, start.get("keeper")):
            if is_identity(identity):
                end_keeper(identity, token)
        return self._until_lost(handle)

    def _until_lost(self, handle):
        until = time.monotonic() + KEEPER_S
        while not (state := self.state(handle)).over and time.monotonic() < until:
            time.sleep(LOOK_S)
        return state

    def log(self, handle, lines=LOG_LINES):
        """Return the last lines of a job's log."""
        return log_tail(_parts(handle)[0], lines)


def _parts(handle):
    """Return folder, token and keeper of a handle."""
    record = handle if isinstance(handle, dict) else {}
    folder, token, keeper = record.get("folder"), record.get("token"), record.get("keeper")
    good = record.get("executor") == NAME and isinstance(folder, str) and "\0" not in folder and is_token(token)
    if not good or not Path(folder).is_absolute() or not (keeper is None or is_identity(keeper)):
        raise BadInput("The record of the job is damaged", repr(handle)[:200], "Start it again")
    return Path(folder), token, keeper


def _any_runs(*identities):
    return any(is_identity(identity) and runs(identity) for identity in identities)


def _why_lost(folder, token, start):
    if not folder.is_dir():
        return "its folder is gone"
    current = read_record(folder, JOB)
    if current is not None and current["token"] != token:
        return "another job was started in its folder"
    if (folder / EXIT).exists():
        return "the record of its end is damaged"
    if not start:
        return "it ended before the command was started; the log may tell why"
    return "it was killed from outside, or the computer was switched off"


def _refuse_second(folder):
    start = read_record(folder, START)
    if start and end_of(folder, start["token"]) is None and _any_runs(start.get("keeper")):
        raise BadInput("A job is running in this folder", folder, "Wait for its end, or cancel it")


def _reap():
    _started[:] = [keeper for keeper in _started if keeper.poll() is None]

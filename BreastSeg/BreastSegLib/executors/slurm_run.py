"""What runs on the cluster's node: the command of a job, its restarts, and the record of its end.

The object is unpickled there by submitit, whose handlers call `checkpoint` when the time is nearly up or another job
takes the node.
"""

import math
import os
import signal
import subprocess
import time
from pathlib import Path

from ..inference.processtree import end_tree, start_options
from .binding import bound_options
from .endings import CANCELLED, NOT_STARTED, interrupt, not_started, patience_of, reason_of, write_end
from .identity import identity_of
from .job import LOG
from .leftovers import VARIABLE, end_leftovers
from .records import START, write_record

LOOK_S = 0.1
AGAIN_S = 10.0
# The cluster sends these to every process of the job, but they are meant for submitit: the command would die of them.
BOOKED = (*(getattr(signal, name) for name in ("SIGUSR1", "SIGUSR2") if hasattr(signal, name)),)
PREEMPTED, TIME_LIMIT = "preempted by a job of higher priority", "time limit"


class ClusterRun:
    """One job on a cluster; called on the node.

    Parameters
    ----------
    folder : str
        The job's.
    token : str
    command : tuple of str
    environment : dict
    restarts : int
        How often it may be started once more.
    stop_s : float
        The command's time to write what it needs before that.
    """

    def __init__(self, folder, token, command, environment, restarts, stop_s):
        self.folder, self.token, self.command = folder, token, tuple(command)
        self.environment, self.restarts, self.stop_s = dict(environment), restarts, stop_s
        self._process = self._told_at = self._kill_at = None

    def __getstate__(self):
        return {**self.__dict__, "_process": None, "_told_at": None, "_kill_at": None}

    def __call__(self):
        """Run the command to its end and return its exit code."""
        folder = Path(self.folder)
        if patience_of(folder, self.token) is not None:  # cancelled between two starts
            self._write_end(None, CANCELLED)
            return None
        signal.signal(signal.SIGTERM, self._on_term)
        with open(folder / LOG, "ab", buffering=0) as log:
            try:
                self._process = self._start(folder, log)
            except (OSError, ValueError) as error:
                self._write_end(NOT_STARTED, not_started(error, self.command, log))
                return NOT_STARTED
            self._wait()
        self._end_rest()
        code = self._process.returncode
        cancelled = patience_of(folder, self.token) is not None
        if self._told and not cancelled:
            self._wait_for_the_cluster()
        self._write_end(code, CANCELLED if cancelled else reason_of(code))
        return code

    def checkpoint(self):
        """Stop the command; return what submitit shall run when the job starts once more, or None for the end."""
        from submitit.helpers import DelayedSubmission

        process, folder = self._process, Path(self.folder)
        if process is not None and process.poll() is not None and not self._told:
            self._write_end(process.returncode, reason_of(process.returncode))
            return None
        self._stop()
        if patience_of(folder, self.token) is not None:
            self._write_end(process and process.returncode, CANCELLED)
            return None
        reason = PREEMPTED if self._told else TIME_LIMIT
        if self.restarts <= 0:
            self._write_end(None, reason)
            return None
        with open(folder / LOG, "ab") as log:
            log.write(f"-- Stopped: {reason}. The job is started once more. --\n".encode())
        again = (self.folder, self.token, self.command, self.environment, self.restarts - 1, self.stop_s)
        return DelayedSubmission(ClusterRun(*again))

    def _start(self, folder, log):
        bound = bound_options()

        def prepare():
            for number in BOOKED:
                signal.signal(number, signal.SIG_IGN)
            bound["preexec_fn"]()

        process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, **self.environment, VARIABLE: self.token},
            preexec_fn=prepare,
            **start_options(),
        )
        write_record(
            folder,
            START,
            self.token,
            keeper=identity_of(os.getpid()),
            command=identity_of(process.pid),
            job=os.environ.get("SLURM_JOB_ID", ""),
        )
        return process

    def _wait(self):
        folder = Path(self.folder)
        while self._process.poll() is None:
            self._tell_again()
            if self._told and self._kill_at is None:
                patience = patience_of(folder, self.token)
                self._kill_at = None if patience is None else time.monotonic() + patience
            if self._kill_at is not None and time.monotonic() > self._kill_at:
                end_tree(self._process)
            time.sleep(LOOK_S)

    def _on_term(self, _number, _frame):
        """Told to end: by whoever cancels the job, or by the cluster, which wants the node for another one.

        SLURM tells all processes of the job, the command too.
        """
        self._told_at = self._told_at or time.monotonic()

    @property
    def _told(self):
        return self._told_at is not None

    def _tell_again(self):
        """Pass the word on where SLURM follows processes by their group only, so that the command has not heard it."""
        if self._told and AGAIN_S < time.monotonic() - self._told_at < math.inf:
            self._told_at = -math.inf
            interrupt(self._process)

    def _wait_for_the_cluster(self):
        """Wait to be ended: a job that ends by itself now would not be started once more by the cluster.

        Where nothing is to be started again, there is nothing to wait for.
        """
        while self.restarts > 0:
            time.sleep(LOOK_S)

    def _stop(self):
        if self._process is None:
            return
        if self._process.poll() is None:
            if not self._told:
                interrupt(self._process)
            until = time.monotonic() + self.stop_s
            while self._process.poll() is None and time.monotonic() < until:
                self._tell_again()
                time.sleep(LOOK_S)
        self._end_rest()

    def _end_rest(self):
        end_tree(self._process)
        end_leftovers(self.token)

    def _write_end(self, code, reason):
        write_end(Path(self.folder), self.token, code, reason)

"""Jobs on a SLURM cluster, through submitit: queued, reserved for, started once more when their time is up."""

import contextlib
import io
import math
import os
import re
import shlex
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path

from ..errors import BadInput
from ..files import write_error
from ..inference.child import PACKAGE_FOLDER, UNWANTED_VARIABLES
from .endings import ask_to_end, end_of
from .job import ENDED, LOG_LINES, LOST, RUNNING, WAITING, JobState, log_tail
from .records import CANCEL, EXIT, JOB, START, is_token, read_record, write_record
from .slurm_query import check_reachable, end_job, signal_job, state_of
from .slurm_run import ClusterRun

NAME = "slurm"
OWN = "cluster"  # folder in that of the job: submitit's files
LOOK_S, NODE_S = 0.5, 60.0  # the cluster's own time to end a job
HOURS, RESTARTS = 24.0, 30
LASTING = ("cancelled", "time limit", "out of memory")  # a job that failed otherwise may be queued again
WARNING_S = 180  # before the time limit, SLURM says so; two thirds are for the command
# Of the caller's variables the job gets these: others may be secret, or right on this computer only.
KEPT = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "USER")
_NUMBER = re.compile(r"\d{1,10}")


class Slurm:
    """Runs jobs on a SLURM cluster. Job folders lie where the nodes see them under the same path.

    Parameters
    ----------
    python : str, optional
        Interpreter on the nodes, with submitit; the running one when not given.
    environment : dict, optional
        With which SLURM's commands are run; the running one when not given. The job gets `KEPT` of it.
    setup : sequence of str
        Lines of shell that prepare the node, such as ``module load cuda``.
    restarts : int
        How often a job that may be is started once more.
    """

    name = NAME

    def __init__(self, python=None, environment=None, setup=(), restarts=RESTARTS):
        self._python, self._environment = str(python or sys.executable), environment
        self._setup, self._restarts = tuple(setup), restarts

    def submit(self, job):
        """Queue a job and return its handle, a dict for JSON files.

        Raises
        ------
        BadInput
            If submitit is missing, the cluster does not answer or refuses the job, or the folder cannot be used.
        """
        submitit = _submitit()
        check_reachable(self._environment)
        folder, token = job.folder, uuid.uuid4().hex
        if "%" in str(folder):
            raise BadInput("SLURM takes no folder with % in its name", folder, "Choose another one")
        self._refuse_second(folder)
        own = folder / OWN
        try:
            own.mkdir(parents=True, exist_ok=True)
            os.chmod(own, 0o700)  # the job's environment lies in it
            for name in (START, CANCEL, EXIT):
                (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise write_error(error, folder) from error
        restarts = self._restarts if job.restart else 0
        run = ClusterRun(str(folder), token, job.command, job.environment, restarts, _warning_s(job) * 2 / 3)
        job_id = self._queue(submitit, own, run, job)
        handle = {"executor": NAME, "folder": str(folder), "token": token, "job": job_id}
        write_record(folder, JOB, token, name=job.name, command=list(job.command), job=job_id)
        return handle

    def _queue(self, submitit, own, run, job):
        told = io.StringIO()
        try:
            # Where SLURM refuses, submitit prints what it said: that goes into the error instead.
            with _variables(self._environment), contextlib.redirect_stderr(told):
                executor = submitit.SlurmExecutor(
                    own, max_num_timeout=max(run.restarts, 1), python=shlex.quote(self._python)
                )
                executor.update_parameters(**self._parameters(job))
                return executor.submit(run).job_id
        except (RuntimeError, OSError, ValueError) as error:
            said = [line.strip() for line in f"{told.getvalue()}\n{error}".splitlines() if line.strip()]
            raise BadInput(
                f"SLURM refused the job: {said[0] if said else type(error).__name__}",
                job.name,
                "Look at partition, hours, memory, GPUs and options",
            ) from error

    def _parameters(self, job):
        wanted = job.resources
        more = {"export": ",".join(KEPT), "requeue" if job.restart else "no-requeue": True}
        parameters = {
            "job_name": job.name,
            "time": _minutes(job),
            "nodes": 1,
            "ntasks_per_node": 1,
            "cpus_per_task": wanted.cpus,
            "signal_delay_s": _warning_s(job),
            "wckey": None,
            "stderr_to_stdout": True,
            "setup": self._lines(wanted.cpus),
            "additional_parameters": {**more, **{key: _option(value) for key, value in wanted.options.items()}},
        }
        if wanted.gpus:
            parameters["gpus_per_node"] = wanted.gpus
        if wanted.memory_gb is not None:
            parameters["mem"] = f"{math.ceil(wanted.memory_gb * 1024)}MB"
        if wanted.partition:
            parameters["partition"] = wanted.partition
        return parameters

    def _lines(self, cpus):
        """Return the lines of shell before the job's own."""
        # srun would hand on only what sbatch was told to, which lacks submitit's own variables, and one processor.
        lines = ["export SLURM_EXPORT_ENV=ALL", f"export SRUN_CPUS_PER_TASK={cpus}", "export PYTHONUTF8=1"]
        lines += [f"unset {' '.join(UNWANTED_VARIABLES)}", *self._setup]
        return [*lines, f"export PYTHONPATH={shlex.quote(str(PACKAGE_FOLDER))}${{PYTHONPATH:+:$PYTHONPATH}}"]

    def state(self, handle):
        """Return the `JobState` of a job, whoever submitted it.

        Raises
        ------
        BadInput
            If the handle is none, or the cluster does not answer.
        """
        folder, token, job_id = _parts(handle)
        ended = end_of(folder, token)
        if ended:
            return ended
        state = state_of(job_id, self._environment)
        if not state.over:
            return state
        ended = end_of(folder, token)  # between the two looks
        if ended:
            return ended
        if state.state == ENDED and not state.reason:
            return JobState(LOST, None, "it ended without a record; can the node write to the job's folder?")
        if state.reason.startswith(LASTING) and folder.is_dir():
            # The cluster forgets its jobs after some minutes, unless it keeps accounts.
            with suppress(BadInput):
                write_record(folder, EXIT, token, exit_code=None, reason=state.reason)
        return state

    def cancel(self, handle, patience_s=30.0, wait=True):
        """Ask a job to stop by itself; what has not done so in time is ended with all that it started.

        Parameters
        ----------
        handle : dict
        patience_s : float
            0 ends it at once.
        wait : bool
            False returns at once; the cluster sees to the rest.

        Returns
        -------
        JobState
        """
        folder, token, job_id = _parts(handle)
        state = self.state(handle)
        if state.over:
            return state
        ask_to_end(folder, token, patience_s)
        if state.state == RUNNING and patience_s > 0:
            signal_job(job_id, "TERM", self._environment)
            if not wait or self._until_over(handle, patience_s + LOOK_S).over:
                return self.state(handle)
        end_job(job_id, self._environment)
        return self._until_over(handle, NODE_S) if wait else self.state(handle)

    def _until_over(self, handle, seconds):
        until = time.monotonic() + seconds
        while not (state := self.state(handle)).over and time.monotonic() < until:
            time.sleep(LOOK_S)
        return state

    def log(self, handle, lines=LOG_LINES):
        """Return the last lines of a job's log; before there is any, what the node said."""
        folder, _, job_id = _parts(handle)
        text = log_tail(folder, lines)
        return text or log_tail(folder / OWN, lines, f"{job_id}_0_log.out")

    def _refuse_second(self, folder):
        record = read_record(folder, JOB)
        if record is None or not _is_number(record.get("job")) or end_of(folder, record["token"]):
            return
        if state_of(record["job"], self._environment).state in (WAITING, RUNNING):
            raise BadInput("A job of this folder is queued or runs", folder, "Wait for its end, or cancel it")


def _submitit():
    try:
        import submitit
    except ImportError as error:
        raise BadInput(
            "Jobs on a SLURM cluster need the Python package submitit",
            sys.executable,
            "Install it: pip install submitit",
        ) from error
    return submitit


@contextlib.contextmanager
def _variables(environment):
    """Give submitit's own calls of sbatch another environment."""
    if environment is None:
        yield
        return
    former = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(environment)
        yield
    finally:
        os.environ.clear()
        os.environ.update(former)


def _minutes(job):
    return max(1, math.ceil((job.resources.hours or HOURS) * 60))


def _warning_s(job):
    return min(WARNING_S, 15 * _minutes(job))


def _option(value):
    return True if value is True or value == "" else str(value)


def _parts(handle):
    """Return folder, token and number of a handle."""
    record = handle if isinstance(handle, dict) else {}
    folder, token, job_id = record.get("folder"), record.get("token"), record.get("job")
    good = record.get("executor") == NAME and isinstance(folder, str) and "\0" not in folder and is_token(token)
    if not good or not Path(folder).is_absolute() or not _is_number(job_id):
        raise BadInput("The record of the job is damaged", repr(handle)[:200], "Start it again")
    return Path(folder), token, job_id


def _is_number(text):
    return isinstance(text, str) and _NUMBER.fullmatch(text) is not None

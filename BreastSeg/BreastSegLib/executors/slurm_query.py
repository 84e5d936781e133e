"""What SLURM says of jobs, through its own commands, in the words of `JobState`."""

import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

from ..errors import BadInput
from ..files import read_json
from .job import ENDED, LOST, RUNNING, WAITING, JobState

PATIENCE_S = 60.0
_UNKNOWN_JOB = re.compile(r"Invalid job id", re.IGNORECASE)


def check_reachable(environment=None):
    """Ask the cluster whether it is there.

    Raises
    ------
    BadInput
        If SLURM's commands are missing or its controller does not answer.
    """
    if shutil.which("sbatch", path=None if environment is None else environment.get("PATH")) is None:
        raise BadInput(
            "SLURM is not installed on this computer",
            "sbatch",
            "Run this on a computer of the cluster, or run it here",
        )
    answer = _ask(["sinfo", "-h", "-o", "%P"], environment)
    if answer.returncode:
        raise unreachable(answer.stderr)


def state_of(job_id, environment=None):
    """Return the `JobState` of a job as SLURM sees it; lost, when it knows it no more."""
    answer = _ask(["squeue", "-h", "-t", "all", "-o", "%i|%T|%r", "-j", job_id], environment)
    rows = [line.split("|") for line in answer.stdout.splitlines()]
    found = next((row for row in rows if len(row) == 3 and row[0] == job_id), None)
    if found:
        return in_words(found[1], found[2])
    if answer.returncode and not _UNKNOWN_JOB.search(answer.stderr):
        raise unreachable(answer.stderr)
    return _of_accounts(job_id, environment)


def in_words(state, reason=""):
    """Return the `JobState` for SLURM's words, such as ``PENDING`` and ``Resources``."""
    words = _words()
    name = state.split()[0].rstrip("+").upper() if state.split() else ""
    # Some reasons are followed by details: (ReqNodeNotAvail, UnavailableNodes:…)
    known = words["reasons"].get(reason, words["reasons"].get(reason.split(",")[0], reason))
    if name in words["waiting"]:
        return JobState(WAITING, None, known)
    if name in words["running"]:
        return JobState(RUNNING, None, "" if name in ("RUNNING", "COMPLETING") else name.lower())
    if name in words["ended"]:
        return JobState(ENDED, None, words["ended"][name])
    return JobState(RUNNING, None, f"the cluster calls its state {name}")


def signal_job(job_id, name, environment=None):
    """Send a signal to a running job's command; whether it came there does not matter."""
    _ask(["scancel", f"--signal={name}", job_id], environment)


def end_job(job_id, environment=None):
    """Take a job out of the queue, or end it.

    Raises
    ------
    BadInput
        If the cluster refuses, or does not answer.
    """
    answer = _ask(["scancel", job_id], environment)
    if answer.returncode and not _UNKNOWN_JOB.search(answer.stderr):
        raise unreachable(answer.stderr)


def unreachable(said):
    """Return the error that tells what SLURM's commands said."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return BadInput(
        f"The SLURM cluster does not answer: {lines[-1] if lines else 'no reason given'}",
        "",
        "Try again later; jobs that run go on meanwhile",
    )


def _of_accounts(job_id, environment):
    """Return how a job ended that the queue has forgotten, from the accounts where the cluster keeps them."""
    lost = JobState(LOST, None, "the cluster no longer knows the job, and it left no record of its end")
    try:
        answer = _ask(["sacct", "-n", "-P", "-X", "-o", "State", "-j", job_id], environment)
    except BadInput:
        return lost
    state = answer.stdout.strip().splitlines()
    return in_words(state[-1]) if answer.returncode == 0 and state and state[-1].strip() else lost


def _ask(command, environment):
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            timeout=PATIENCE_S,
        )
    except subprocess.TimeoutExpired as error:
        raise unreachable(f"{command[0]} did not end within {PATIENCE_S:.0f} s") from error
    except OSError as error:
        raise unreachable(f"{command[0]}: {error.strerror}") from error


@lru_cache(maxsize=1)
def _words():
    return read_json(Path(__file__).with_name("slurm_words.json"))

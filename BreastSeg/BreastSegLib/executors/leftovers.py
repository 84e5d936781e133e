"""What a job leaves running when its keeper is killed: found by a mark in its environment, and ended.

The system ends a command together with its keeper (Linux: the parent-death signal; Windows: the job object), but
what the command had started lives on, such as processes that load data. On Linux all of them have the job's token
among their environment variables. On macOS they are the command's group.
"""

import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from ..inference.processtree import SIGKILL
from .identity import is_identity, runs

VARIABLE = "BREASTSEG_JOB"

logger = logging.getLogger(__name__)


def end_leftovers(token, command=None):
    """End what is left of a job.

    Parameters
    ----------
    token : str
    command : dict, optional
        Identity of the job's command, as far as it is known.
    """
    if sys.platform.startswith("linux"):
        for pid in _marked(token):
            logger.warning("Ending process %d, which a killed job left behind", pid)
            _end_marked(pid, token)
    elif sys.platform != "win32" and is_identity(command) and runs(command):
        with suppress(OSError):
            os.killpg(command["pid"], SIGKILL)


def end_keeper(identity, token):
    """End a job's keeper at once, if it still is that process."""
    if runs(identity) and _keeps(identity["pid"], token):
        with suppress(OSError):
            os.kill(identity["pid"], SIGKILL)


def _keeps(pid, token):
    """Return whether a process was started to keep this job, as far as the system tells (Linux)."""
    if not sys.platform.startswith("linux"):
        return True
    try:
        return token.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def _marked(token):
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and _has(path.name, token)]


def _has(pid, token):
    try:
        return f"{VARIABLE}={token}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # gone, or somebody else's
        return False


def _end_marked(pid, token):
    """End a process; held by a descriptor meanwhile, so that its number cannot come to mean another one."""
    with suppress(OSError):
        if not hasattr(os, "pidfd_open"):
            os.kill(pid, SIGKILL)
            return
        try:
            held = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        except OSError:  # an old kernel
            os.kill(pid, SIGKILL)
            return
        try:
            if _has(pid, token):
                signal.pidfd_send_signal(held, SIGKILL)
        finally:
            os.close(held)

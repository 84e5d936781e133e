"""The process that starts a local job's command, waits for its end and writes down how it ended.

``python -m BreastSegLib.executors.keeper FOLDER TOKEN``: started by `local.Local`, outlives whoever started it.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ..inference.processtree import CREATE_NEW_PROCESS_GROUP, end_tree, start_options
from .binding import bind_children, bound_options
from .endings import CANCELLED, NOT_STARTED, interrupt, not_started, patience_of, reason_of, write_end
from .identity import identity_of
from .job import LOG
from .leftovers import VARIABLE, end_leftovers
from .records import JOB, START, read_record, write_record

LOOK_S = 0.1
PATIENCE_S = 30.0  # when the system tells the keeper to end
INTERRUPTED = "interrupted: the system or the user ended the job"


def main(arguments):
    """Keep the job of a folder until its command has ended."""
    folder, token = Path(arguments[0]), arguments[1]
    record = read_record(folder, JOB, token)
    if record is None:  # started once more meanwhile
        return
    asked = []
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, _frame: asked.append(number))
    bind_children()
    with open(folder / LOG, "ab", buffering=0) as log:
        try:
            process = _start(record["command"], folder, token, log)
        except (OSError, ValueError) as error:
            write_end(folder, token, NOT_STARTED, not_started(error, record["command"], log))
            return
    reason = _keep(process, folder, token, asked)
    end_tree(process)  # what it left running
    end_leftovers(token)
    write_end(folder, token, process.returncode, reason)


def _start(command, folder, token, log):
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env={**os.environ, VARIABLE: token},
        **_options(),
        **bound_options(),
    )
    write_record(folder, START, token, keeper=identity_of(os.getpid()), command=identity_of(process.pid))
    return process


def _options():
    """Return how the command is started: a tree of its own that can be interrupted by itself."""
    if sys.platform == "win32":
        # In the keeper's invisible console: an interruption reaches processes of the same console only.
        return {"creationflags": CREATE_NEW_PROCESS_GROUP}
    return start_options()


def _keep(process, folder, token, asked):
    """Wait for the end of the command, which may be asked for; return why it ended, where that is not plain."""
    kill_at, reason = None, ""
    while process.poll() is None:
        if kill_at is None:
            patience = patience_of(folder, token)
            if patience is not None or asked:
                reason = INTERRUPTED if patience is None else CANCELLED
                kill_at = time.monotonic() + (PATIENCE_S if patience is None else patience)
                if patience != 0:
                    interrupt(process)
        elif time.monotonic() > kill_at:
            end_tree(process)
        time.sleep(LOOK_S)
    return reason or reason_of(process.returncode)


if __name__ == "__main__":
    main(sys.argv[1:])

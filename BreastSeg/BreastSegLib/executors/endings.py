"""How a job's command is told to end, and how its end is written down and read, here as on a cluster's node."""

import os
import signal
import sys
import time
from contextlib import suppress

from ..errors import BadInput, BreastSegError
from .job import ENDED, JobState
from .records import CANCEL, EXIT, read_record, write_record

AGAIN_S, TRIES = 5.0, 60  # a full disk may get free again
NOT_STARTED = 127  # as shells say it
MOST_PATIENCE_S = 86400.0
CANCELLED = "cancelled"


def interrupt(process):
    """Ask a process to stop by itself."""
    with suppress(OSError):
        process.send_signal(signal.CTRL_BREAK_EVENT if sys.platform == "win32" else signal.SIGTERM)


def ask_to_end(folder, token, patience_s):
    """Leave the request to end a job; return whether it could be written."""
    patience = float(patience_s)
    patience = min(max(patience, 0.0), MOST_PATIENCE_S) if patience == patience else 0.0
    try:
        write_record(folder, CANCEL, token, patience_s=patience)
    except BadInput:  # a full disk
        return False
    return True


def patience_of(folder, token):
    """Return the seconds that the command has to stop by itself; None when nobody has asked it to."""
    if not (folder / CANCEL).exists():
        return None
    record = read_record(folder, CANCEL, token) or {}
    patience = record.get("patience_s")
    return max(0.0, patience) if isinstance(patience, (int, float)) else None


def reason_of(code):
    """Return why a command ended, as far as its exit code tells."""
    if code >= 0:
        return ""
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"ended by {name}" + ("; perhaps the memory ran out" if name == "SIGKILL" else "")


def not_started(error, command, log):
    """Write into the log that a command could not be started, and return the reason."""
    reason = f"the command could not be started: {getattr(error, 'strerror', None) or error}"
    log.write(f"{command[0]}: {reason}\n".encode(errors="replace"))
    return reason


def write_end(folder, token, code, reason):
    """Write how the job ended; where that cannot be written, wait a while for the place.

    Raises
    ------
    BadInput
        If it stays impossible.
    """
    for attempt in range(TRIES):
        try:
            write_record(folder, EXIT, token, exit_code=code, reason=reason, ended=time.time())
            return
        except BreastSegError:
            if attempt + 1 == TRIES or not folder.is_dir():
                raise
            time.sleep(AGAIN_S)


def end_of(folder, token):
    """Return the `JobState` that the record of a job's end tells; None when there is none, or it is damaged."""
    with suppress(OSError):
        os.listdir(folder)  # a network drive looks for new files then
    record = read_record(folder, EXIT, token)
    if record is None or not {"exit_code", "reason"} <= set(record):
        return None
    code, reason = record["exit_code"], record["reason"]
    whole = code is None or isinstance(code, int) and not isinstance(code, bool)
    return JobState(ENDED, code, reason) if whole and isinstance(reason, str) else None

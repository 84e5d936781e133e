"""How a command tells of its progress and end: to people, or as JSON lines to a window that runs it as its child.

With ``--events`` the standard output holds one JSON object in each line:

``{"event": "progress", "stage": str, "done": int, "total": int, "eta_s": float or null}``
    `total` is 0 where nobody knows it.
``{"event": "result", …}``
    What the command made, such as ``"models": [{"name": …}, …]``; the last line of a command that has done its work.
``{"event": "error", "code": str, "message": str, "hint": str, …}``
    The last line of one that has not; `message` says what and where. The exit code stays the same, and the
    one-line error goes to standard error as ever.

A window cancels by interrupting the process (as Ctrl+C does) or ending it.
"""

import json
import signal
import sys
import time

from ..errors import BreastSegError, Cancelled
from ..inference.timeleft import TimeLeft
from .progress import ProgressLine


def add_events(parser):
    """Add ``--events`` to a verb."""
    parser.add_argument(
        "--events", action="store_true", help="tell of progress, result and errors as JSON lines (for programs)"
    )


def carry_out(options, work, show):
    """Do the work of a command and tell of it as the user asked.

    Parameters
    ----------
    options : argparse.Namespace
        With ``events``.
    work : callable
        ``work(report)`` does it; ``report(stage, done, total)``. Returns the fields of the result event.
    show : callable
        ``show(fields)`` tells people the result.
    """
    if not options.events:
        line = ProgressLine()
        try:
            result = work(Progress(line))
        finally:
            line.close()
        show(result)
        return
    # A window interrupts its child even if the window itself was started deaf to interrupts (in the background).
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        result = work(Progress(write_event))
    except (BreastSegError, KeyboardInterrupt) as error:
        write_event(error_event(Cancelled() if isinstance(error, KeyboardInterrupt) else error))
        raise
    write_event({"event": "result", **result})


class Progress:
    """A ``report(stage, done, total)`` that makes events with the time left.

    Parameters
    ----------
    write : callable
        ``write(event)``.
    """

    def __init__(self, write):
        self._write, self._stage, self._left = write, None, TimeLeft()

    def __call__(self, stage, done, total):
        if stage != self._stage:
            self._stage, self._left = stage, TimeLeft()
        eta = self._left.update(time.monotonic(), done, total) if total else None
        eta = None if eta is None else round(eta, 1)
        self._write({"event": "progress", "stage": stage, "done": done, "total": total, "eta_s": eta})


def error_event(error):
    """Return the event of a `BreastSegError`; what it has in ``details`` (a dict) goes along."""
    where = f" ({error.where})" if error.where else ""
    message = " ".join(f"{error.what.rstrip('. ')}{where}.".split())
    event = {"event": "error", "code": error.code, "message": message, "hint": error.hint}
    return {**getattr(error, "details", {}), **event}


def write_event(event):
    """Write one line to standard output at once."""
    sys.stdout.write(json.dumps(event, ensure_ascii=True) + "\n")
    sys.stdout.flush()

"""The parent side of the worker: free of Qt, of threads and of torch.

A window polls it with a timer (`WorkerClient.poll` never blocks); the command line waits (`WorkerClient.wait`).
"""

import logging
import os
import sys
import time

from ..errors import BreastSegError, Cancelled, WorkerDied
from . import logfile
from .child import PACKAGE_FOLDER, Child, child_environment
from .messages import EVENTS, encode, error_event, to_exception
from .privatefolder import PrivateFolder

CANCEL_PATIENCE_S = 0.8  # so that all is over within a second
CLOSE_PATIENCE_S = 1.0
IDLE_S = 15 * 60.0
LOG_NAME = logfile.NAME
LOG_LINES = logfile.LINES

logger = logging.getLogger(__name__)


class WorkerClient:
    """One worker process and the conversation with it.

    Parameters
    ----------
    python : str, optional
        Interpreter of the worker; the running one when not given.
    environment : dict, optional
        Environment of the worker; the running one when not given. Slicer gives its start-up environment.
    idle_s : float
        Seconds without a request after which the worker ends itself and gives its memory back; the next request
        starts another one.

    Attributes
    ----------
    folder : Path or None
        Private temporary folder of this client, for arrays; removed by `close`, and by the worker if this process
        dies.
    last_end : str
        Why the last worker ended, as a sentence; ``""`` before the first end.

    Notes
    -----
    One request runs at a time; `send` refuses a second. Every request ends with exactly one ``result`` or ``error``
    event, also when the worker dies or is killed.
    """

    def __init__(self, python=None, environment=None, idle_s=IDLE_S):
        self.python = str(python or sys.executable)
        self.environment = dict(os.environ if environment is None else environment)
        self.idle_s = float(idle_s)
        self.last_end = self._hint = ""
        self._private = None
        self._child = None
        self._lease = None
        self._starts = 0
        self._went_idle = self._ready = False
        self._pending = None
        self._request = b""  # as it was sent
        self._cancel_deadline = None
        self._next_id = 1

    @property
    def folder(self):
        """Path or None: the private folder, once there is one."""
        return self._private.path if self._private is not None else None

    @property
    def alive(self):
        """bool: whether the worker process is running."""
        return self._child is not None and self._child.alive

    @property
    def busy(self):
        """bool: whether a request is waiting for its answer."""
        return self._pending is not None

    @property
    def pid(self):
        """int or None: process id of the running worker."""
        return self._child.pid if self.alive else None

    def start(self):
        """Start the worker if it is not running.

        Raises
        ------
        BreastSegError
            If the interpreter cannot be started.
        """
        if self.alive or self.busy:  # a request whose worker died is answered by `poll` first
            return
        if self._child is not None:
            self._read_events()
            self._note_end()
        self._launch()

    def send(self, request, **fields):
        """Send a request, starting the worker if needed, and return its id.

        Raises
        ------
        BreastSegError
            If another request is still running.
        """
        if self.busy:
            raise BreastSegError("The worker is busy", hint="Wait for the run to end or cancel it")
        number = self._next_id
        message = encode({"id": number, "request": request, **fields})
        self.start()
        self._pending, self._request, self._next_id = number, message, number + 1
        self._cancel_deadline = None
        self._child.sink.write(message)
        return number

    def ahead(self, **fields):
        """Let the worker prepare the exam of the next ``predict`` while it is busy with the current one.

        Parameters
        ----------
        **fields
            Those that ``predict`` will have.

        Notes
        -----
        There is no answer: errors come out at ``predict``. Nothing happens when the worker does not run.
        """
        number, self._next_id = self._next_id, self._next_id + 1
        if self.alive:
            self._child.sink.write(encode({"id": number, "request": "ahead", **fields}))

    def cancel(self):
        """Ask the worker to stop what it is doing.

        `poll` reports the end; a worker that does not obey within a second is killed.
        """
        if self.busy and self._cancel_deadline is None:
            self._cancel_deadline = time.monotonic() + CANCEL_PATIENCE_S
            if self._child is not None:
                self._child.sink.write(encode({"id": self._pending, "request": "cancel"}))

    def poll(self):
        """Return the events that arrived since the last call; never blocks."""
        if self._child is None:
            return [self._end(self._death_event(self.last_end))] if self.busy else []  # `kill` while a request ran
        ended = not self._child.alive  # asked before reading, so that nothing it wrote is missed
        self._child.sink.flush()
        events, wrong = self._read_events(), self._child.lines.broken
        if self.busy and self._cancel_deadline is not None and time.monotonic() > self._cancel_deadline:
            self._stop("The worker did not stop within a second after a cancel and was ended")
            events.append(self._end(error_event(self._pending, Cancelled())))
        elif wrong:
            self._stop("The worker was ended", f"what it sent is wrong, {wrong}")
        elif self._child.unreachable:
            self._stop("The worker closed its output and was ended")
        elif ended and (self._child.lines.drained or self._child.lines.ended):
            again = self._went_idle and self.busy and self._cancel_deadline is None
            self._note_end()
            if again:  # the request and the end of an idle worker crossed on their way
                self._launch_again()
        if self.busy and self._child is None:
            events.append(self._end(self._death_event(self.last_end)))
        return events

    def wait(self, request_id, on_event=None, timeout=None):
        """Wait for the answer to a request and return its result event.

        Parameters
        ----------
        request_id : int
        on_event : callable, optional
            Called with every other event.
        timeout : float, optional
            Seconds.

        Raises
        ------
        BreastSegError
            What the error event says; `WorkerDied` if the process ended; TimeoutError after `timeout`.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            for event in self.poll():
                if event.get("id") == request_id and event["event"] == "result":
                    return event
                if event.get("id") == request_id and event["event"] == "error":
                    raise to_exception(event)
                if on_event:
                    on_event(event)
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"no answer within {timeout} s")
            time.sleep(0.01)

    def kill(self):
        """End the worker process at once; `poll` then answers a request that was running."""
        if self._child is not None:
            self._stop("The worker was ended")

    def close(self):
        """Ask the worker to end, end it if it does not (at once when it is busy), and remove the private folder."""
        if self.alive and self._ready and not self.busy:
            self._child.sink.write(encode({"id": 0, "request": "shutdown"}))
            if self._child.wait(CLOSE_PATIENCE_S):
                self._let_go()
                self.last_end = "The worker was ended"
        if self._child is not None:
            self._stop("The worker was ended")  # also one that is busy or starting: it would not listen yet
        self._pending = self._cancel_deadline = None
        if self._private is not None:
            self._private.remove()
            self._private = None

    def log_tail(self, lines=LOG_LINES):
        """Return the last lines of the worker's log (what libraries printed, tracebacks)."""
        return "" if self.folder is None else logfile.tail(self.folder / LOG_NAME, lines)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _launch(self):
        try:
            if self._private is not None and not self._private.there:
                self._private.remove()
                self._private = None
            self._private = self._private or PrivateFolder()
            self._starts += 1
            self._lease = self.folder / f"lease-{self._starts}"
            self._lease.touch()
            with open(self.folder / LOG_NAME, "ab") as log:
                log.write(f"--- worker {self._starts}, {time.strftime('%Y-%m-%d %H:%M:%S')}\n".encode())
                log.flush()
                environment = {**child_environment(self.environment, PACKAGE_FOLDER), "nnUNet_compile": "f"}
                self._child = Child(self._command(), log, self.folder, environment)
        except OSError as error:
            own = error.filename in (None, self.python)
            raise BreastSegError(
                f"The worker could not be started: {error.strerror or error}",
                self.python if own else error.filename,
                "Choose a Python interpreter that exists" if own else "Check the folder for temporary files",
            ) from error
        self._went_idle = self._ready = False
        logger.info("Worker %d started", self._child.pid)

    def _launch_again(self):
        """Start another worker for the request that still waits; when that fails, it is the request's answer."""
        try:
            self._launch()
        except BreastSegError as error:
            self.last_end, self._hint = f"{error.what} ({error.where})", error.hint
        else:
            self._child.sink.write(self._request)

    def _command(self):
        command = [self.python, "-u", "-m", "BreastSegLib.inference.worker", "--folder", str(self.folder)]
        return [*command, "--lease", str(self._lease), "--idle", str(self.idle_s), "--own-tree"]

    def _read_events(self):
        events = []
        for event in self._child.lines.read():
            if event.get("event") not in EVENTS:
                self._child.lines.broken = "a line that is not a message: it says no event"
                break
            if self._is_of_interest(event):
                events.append(event)
        return events

    def _is_of_interest(self, event):
        """Note what an event changes and return whether the owner of this client should see it."""
        kind = event["event"]
        if kind == "ready":
            self._ready, self._child.real_pid = True, _process_id(event.get("pid"))
            return True
        if kind == "ended":
            self._went_idle = True
            return False
        if not self.busy or event.get("id") != self._pending:
            return False
        if kind in ("result", "error"):
            self._end(event)
        return True

    def _end(self, event):
        """Note that the running request has its answer."""
        event["id"], self._pending, self._cancel_deadline, self._request = self._pending, None, None, b""
        return event

    def _death_event(self, why):
        if self._cancel_deadline is not None:
            return error_event(self._pending, Cancelled())
        return {"event": "error", "code": WorkerDied.code, "message": why, "hint": self._hint, "log": self.log_tail()}

    def _stop(self, why, detail=""):
        """End the worker because of `why`; when it has ended by itself meanwhile, that is the reason."""
        if not self._child.alive:
            self._note_end()
            return
        self._let_go()
        self.last_end = f"{why}{': ' if detail else ''}{detail}"
        self._hint = "Run again; the log says more" if self._ready else self._unready_hint
        logger.info("%s", self.last_end)

    def _note_end(self):
        """Note why the worker has ended by itself, and let go of it."""
        child = self._child
        self._let_go()
        if self._went_idle:
            self.last_end, self._hint = "The worker had nothing to do for a while and ended itself", ""
            logger.info("%s", self.last_end)
            return
        before = "it had finished" if self._ready else "it was ready"
        self.last_end = f"The worker process {child.how_it_ended}{f' before {before}' if self.busy else ''}"
        why = "The computer may have run out of memory" if child.killed else "The log says why"
        self._hint = f"{why}; run again to start a new one" if self._ready or child.killed else self._unready_hint
        logger.warning("%s", self.last_end)

    @property
    def _unready_hint(self):
        """str: what to do about a worker that ended before it said a word."""
        return f"Check whether models can run with the interpreter {self.python}"

    def _let_go(self):
        # Before the pipes are closed: a worker that is still there must not take that for the death of its parent.
        self._lease.unlink(missing_ok=True)
        self._child.end()
        self._child = None


def _process_id(value):
    """Return a process id that a worker told, or None: it may be ended by this number."""
    return value if isinstance(value, int) and value > 1 and value != os.getpid() else None

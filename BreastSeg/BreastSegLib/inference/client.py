"""The parent side of the worker: free of Qt, of threads and of torch.

A window polls it with a timer (`WorkerClient.poll` never blocks); the command line waits (`WorkerClient.wait`).
"""

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ..errors import BreastSegError, WorkerDied
from .messages import decode, encode, to_exception

CANCEL_PATIENCE_S = 1.0
CLOSE_PATIENCE_S = 2.0
LOG_NAME = "worker.log"
LOG_LINES = 25
PACKAGE_FOLDER = Path(__file__).resolve().parents[2]
# Set by the application for itself; in the child they would load the wrong libraries.
UNWANTED_VARIABLES = ("ITK_AUTOLOAD_PATH", "PYTHONSTARTUP", "PYTHONINSPECT")

logger = logging.getLogger(__name__)


class WorkerClient:
    """One worker process and the conversation with it.

    Parameters
    ----------
    python : str, optional
        Interpreter of the worker; the running one when not given.
    environment : dict, optional
        Environment of the worker; the running one when not given. Slicer gives its start-up environment.

    Attributes
    ----------
    folder : Path or None
        Private temporary folder of this client, for arrays; removed by `close`, and by the worker if this process
        dies.

    Notes
    -----
    One request runs at a time; `send` refuses a second. Every request ends with exactly one ``result`` or ``error``
    event, also when the worker dies or is killed.
    """

    def __init__(self, python=None, environment=None):
        self.python = str(python or sys.executable)
        self.environment = dict(os.environ if environment is None else environment)
        self.folder = None
        self._process = None
        self._worker_pid = None  # Slicer's Python starts through a launcher, so this can be another process than ours
        self._lease = None
        self._starts = 0
        self._buffer = b""
        self._pending = None
        self._cancel_deadline = None
        self._next_id = 1

    @property
    def alive(self):
        """bool: whether the worker process is running."""
        return self._process is not None and self._process.poll() is None

    @property
    def busy(self):
        """bool: whether a request is waiting for its answer."""
        return self._pending is not None

    @property
    def pid(self):
        """int or None: process id of the running worker."""
        return self._process.pid if self.alive else None

    def start(self):
        """Start the worker if it is not running.

        Raises
        ------
        BreastSegError
            If the interpreter cannot be started.
        """
        if self.alive:
            return
        self._reap()
        if self.folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix="breastseg-"))
        self._starts += 1
        self._lease = self.folder / f"lease-{self._starts}"
        command = [self.python, "-u", "-m", "BreastSegLib.inference.worker"]
        command += ["--folder", str(self.folder), "--lease", str(self._lease)]
        try:
            self._lease.touch()
            with open(self.folder / LOG_NAME, "ab") as log:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    cwd=self.folder,
                    env=self._child_environment(),
                    **_no_window(),
                )
        except OSError as error:
            raise BreastSegError(
                f"The worker could not be started: {error.strerror}",
                self.python,
                "Choose a Python interpreter that exists",
            ) from error
        self._buffer = b""
        os.set_blocking(self._process.stdout.fileno(), False)
        logger.info("Worker %d started", self._process.pid)

    def send(self, request, **fields):
        """Send a request, starting the worker if needed, and return its id.

        Raises
        ------
        BreastSegError
            If another request is still running.
        """
        if self.busy:
            raise BreastSegError("The worker is busy", hint="Wait for the run to end or cancel it")
        self.start()
        self._pending, self._next_id = self._next_id, self._next_id + 1
        self._cancel_deadline = None
        self._write({"id": self._pending, "request": request, **fields})
        return self._pending

    def cancel(self):
        """Ask the worker to stop what it is doing.

        `poll` reports the end; a worker that does not obey within a second is killed.
        """
        if self.busy and self._cancel_deadline is None:
            self._cancel_deadline = time.monotonic() + CANCEL_PATIENCE_S
            self._write({"id": self._pending, "request": "cancel"})

    def poll(self):
        """Return the events that arrived since the last call; never blocks."""
        if self._process is None:
            return [self._end(self._death_event())] if self.busy else []  # `kill` while a request ran
        ended = self._process.poll() is not None  # asked before reading, so that nothing it wrote is missed
        events = self._read_events()
        if self.busy and self._cancel_deadline is not None and time.monotonic() > self._cancel_deadline:
            self.kill()
            events.append(
                self._end({"event": "error", "code": "cancelled", "message": "Cancelled", "hint": "", "log": ""})
            )
        elif ended:
            if self.busy:
                events.append(self._end(self._death_event()))
            self._reap()
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
        if self.alive:
            if self._worker_pid not in (None, self._process.pid):
                _end_process(self._worker_pid)
            self._process.kill()
            self._process.wait()
        self._reap()

    def close(self):
        """Ask the worker to end, end it if it does not (at once when it is busy), and remove the private folder."""
        if self.busy:
            self.kill()  # it would not listen before the run has finished
        if self.alive:
            self._write({"id": 0, "request": "shutdown"})
            try:
                self._process.wait(CLOSE_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.kill()
        self._reap()
        self._pending = None
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None

    def log_tail(self, lines=LOG_LINES):
        """Return the last lines of the worker's log (what libraries printed, tracebacks)."""
        if self.folder is None or not (self.folder / LOG_NAME).is_file():
            return ""
        with open(self.folder / LOG_NAME, "rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - 65536))
            return "\n".join(stream.read().decode("utf-8", "replace").splitlines()[-lines:])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _child_environment(self):
        environment = {key: value for key, value in self.environment.items() if key not in UNWANTED_VARIABLES}
        paths = [str(PACKAGE_FOLDER), *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
        environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
        environment.update({"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", "nnUNet_compile": "f"})
        return environment

    def _write(self, message):
        try:
            self._process.stdin.write(encode(message))
            self._process.stdin.flush()
        except (BrokenPipeError, OSError, ValueError):
            logger.debug("The worker no longer reads; its end is reported by poll()")

    def _read_events(self):
        try:
            while chunk := os.read(self._process.stdout.fileno(), 1 << 16):
                self._buffer += chunk
        except OSError:  # nothing more for now: BlockingIOError, on Windows also other kinds
            pass
        *lines, self._buffer = self._buffer.split(b"\n")
        events = []
        for line in lines:
            event = self._event(line)
            if event is not None:
                events.append(event)
        return events

    def _event(self, line):
        """Return the event of one line, or None for a line that is no longer of interest."""
        try:
            event = decode(line)
            kind = event["event"]
        except (ValueError, KeyError):
            self.kill()
            if not self.busy:
                return None
            return self._end(
                {
                    "event": "error",
                    "code": WorkerDied.code,
                    "message": "The worker sent a line that is not a message and was ended",
                    "hint": "Run again; the log says more",
                    "log": self.log_tail(),
                }
            )
        if kind in ("result", "error"):
            return self._end(event) if event.get("id") == self._pending and self.busy else None
        if kind == "ready":
            self._worker_pid = event.get("pid")
            return event
        return event if event.get("id") == self._pending else None

    def _end(self, event):
        """Note that the running request has its answer."""
        event["id"], self._pending, self._cancel_deadline = self._pending, None, None
        return event

    def _death_event(self):
        code = None if self._process is None else self._process.returncode
        how = (
            "was ended"
            if code is None
            else f"was killed by signal {-code}"
            if code < 0
            else f"ended with exit code {code}"
        )
        hint = "The computer may have run out of memory" if code == -9 else "The log says why"
        if self._cancel_deadline is not None:
            return {"event": "error", "code": "cancelled", "message": "Cancelled", "hint": "", "log": ""}
        return {
            "event": "error",
            "code": WorkerDied.code,
            "message": f"The worker process {how} before it had finished",
            "hint": f"{hint}; run again to start a new one",
            "log": self.log_tail(),
        }

    def _reap(self):
        if self._lease is not None:
            # Before the pipes are closed: a worker that is still there must not take that for the death of its parent.
            self._lease.unlink(missing_ok=True)
            self._lease = self._worker_pid = None
        if self._process is not None:
            for stream in (self._process.stdin, self._process.stdout):
                try:
                    stream.close()
                except OSError:  # unsent bytes for a process that is gone
                    pass
            self._process = None


def _end_process(pid):
    """End the process behind a launcher; it may be gone already."""
    try:
        os.kill(pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
    except OSError:
        logger.debug("The worker behind the launcher has ended already")


def _no_window():
    """Keep Windows from opening a console for the child."""
    return {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {}

"""A batch as a child process of a window: started, asked for news by a timer, stopped, never waited for."""

import logging
import os
import subprocess
import sys
import tempfile
import time

from ..errors import BreastSegError
from ..inference.child import PACKAGE_FOLDER, child_environment
from ..inference.linepipe import LinePipe, LineSink
from ..inference.processtree import end_tree, start_options

STOP_PATIENCE_S = 60.0  # a case whose network has finished is still written, which takes a while for a large one
CLOSE_PATIENCE_S = 2.0
WORDS = 4000  # bytes of the child's last words that are looked at

logger = logging.getLogger(__name__)


class BatchProcess:
    """One ``python -m BreastSegLib batch … --events``.

    Parameters
    ----------
    arguments : sequence of str
        What stands behind ``batch``, without ``--events``.
    python : str, optional
        Interpreter of the batch and of its worker; the running one when not given.
    environment : dict, optional
        Environment of the child; the running one when not given. Slicer gives its start-up environment.

    Attributes
    ----------
    ended : bool
        The last event was told and the process is gone.

    Notes
    -----
    Every batch ends with exactly one ``done`` or ``error`` event (see `batch.Batch.poll`), also when the process is
    killed. A batch whose window is gone ends at the next event that it writes, and its worker with it; the same
    command goes on where it ended.
    """

    def __init__(self, arguments, python=None, environment=None):
        self._arguments = [str(argument) for argument in arguments]
        self._python = str(python or sys.executable)
        self._environment = dict(os.environ if environment is None else environment)
        self._process = self._lines = self._sink = self._words = self._last = self._kill_at = None
        self.ended = False

    @property
    def running(self):
        """bool: whether the process was started and its last event was not told yet."""
        return self._process is not None and not self.ended

    @property
    def pid(self):
        """int or None: process id."""
        return None if self._process is None else self._process.pid

    def start(self):
        """Start the process.

        Raises
        ------
        BreastSegError
            If the interpreter cannot be started.
        """
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process has ended
        command = [self._python, "-u", "-m", "BreastSegLib", "batch", *self._arguments, "--events"]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._words,
                bufsize=0,
                env=child_environment(self._environment, PACKAGE_FOLDER),
                **start_options(),
            )
        except OSError as error:
            self._words.close()
            raise BreastSegError(
                f"The batch could not be started: {error.strerror}",
                self._python,
                "Choose a Python interpreter that exists",
            ) from error
        self._lines, self._sink = LinePipe(self._process.stdout), LineSink(self._process.stdin)

    def poll(self):
        """Return the events that arrived since the last call; never blocks."""
        if not self.running:
            return []
        gone = self._process.poll() is not None  # asked before reading, so that nothing it wrote is missed
        events = []
        self._sink.flush()
        for event in self._lines.read():
            if event.get("event") in ("done", "error"):
                self._last = event  # told when the process is gone and has let go of its files
            elif self._last is None:
                events.append(event)
        if gone and (self._lines.drained or self._lines.ended or self._lines.broken):
            events.append(self._last or self._death_event())
            self._let_go()
        elif self._lines.broken or (self._kill_at is not None and time.monotonic() > self._kill_at):
            self.kill()
        return events

    def stop(self):
        """Ask the batch to end: the running case is given up within a second, the finished ones are written."""
        if self.running and self._kill_at is None:
            self._kill_at = time.monotonic() + STOP_PATIENCE_S
            self._sink.write(b"stop\n")

    def kill(self):
        """End the process and everything below it at once; `poll` tells. The same command goes on later."""
        if self.running:
            end_tree(self._process)

    def close(self):
        """End the batch if it still runs, waiting a moment for it to let go of its folder; nobody hears of it."""
        if not self.running:
            return
        self.stop()
        try:
            self._process.wait(CLOSE_PATIENCE_S)
        except subprocess.TimeoutExpired:
            logger.debug("The batch did not end by itself in time")
        end_tree(self._process)
        self._let_go()

    def _death_event(self):
        """Return the event for a process that ended without its last one."""
        code = self._process.returncode
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        size = self._words.seek(0, os.SEEK_END)
        self._words.seek(max(0, size - WORDS))
        said = [line for line in self._words.read().decode("utf-8", "replace").splitlines() if line.strip()]
        message = f"The batch {how} before its end. Run it again: it goes on where it ended."
        if self._lines.broken:
            message = f"The batch was ended: {self._lines.broken}"
        elif code > 0 and said:
            message = said[-1].removeprefix("Error: ")
        return {"event": "error", "code": "batch-died", "message": message, "log": "\n".join(said[-25:])}

    def _let_go(self):
        self._sink.close()
        self._lines.close()
        self._words.close()
        self.ended = True

"""The command line as a child process of a window: started, asked for news by a timer, cancelled, never waited for."""

import logging
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from ..errors import BreastSegError
from .child import PACKAGE_FOLDER, Child, child_environment

CANCEL_PATIENCE_S = 2.0
AGAIN_S = 0.1
ERROR_LINES = 25
LOG_BYTES = 65536

logger = logging.getLogger(__name__)


class ChildCommand:
    """One run of ``python -m PACKAGE VERB … --events``, whose standard output is JSON lines.

    Parameters
    ----------
    arguments : sequence of str
        What stands behind ``python -m PACKAGE``, with absolute paths.
    python : str, optional
        Interpreter; the running one when not given.
    environment : dict, optional
        Environment of the child; the running one when not given. Slicer gives its start-up environment.
    package : str
        The package whose command line is run.
    folder : str or Path, optional
        Where that package lies; beside this one when not given. This package is found by the child as well.

    Notes
    -----
    It ends with exactly one ``result`` or ``error`` event, also when the child says nothing, crashes or is cancelled
    (an error with the code ``cancelled``); the process has ended then. A child whose parent is gone ends at the next
    line that it writes.
    """

    def __init__(self, arguments, python=None, environment=None, package="BreastSegLib", folder=None):
        self._package, self._folder = package, Path(folder or PACKAGE_FOLDER)
        self._arguments = [str(argument) for argument in arguments]
        self._python = str(python or sys.executable)
        self._environment = dict(os.environ if environment is None else environment)
        self._child = self._errors = self._kill_at = self._answer = None
        self._heard, self._again_at = False, None  # whether it has said anything; when to interrupt it once more

    @property
    def running(self):
        """bool: whether the final event is still to come."""
        return self._child is not None

    @property
    def pid(self):
        """int or None: process id of the child."""
        return self._child.pid if self.running else None

    def start(self):
        """Start the child.

        Raises
        ------
        BreastSegError
            If the interpreter cannot be started.
        """
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it stays open as long as the child runs
        command = [self._python, "-u", "-m", self._package, *self._arguments]
        variables = child_environment(self._environment)
        if self._folder != PACKAGE_FOLDER:
            variables = child_environment(variables, self._folder)
        try:
            # Python imports from the folder it is started in first: not from where the user happens to be.
            self._child = Child(command, self._errors, self._folder, variables)
        except OSError as error:
            self._errors.close()
            raise BreastSegError(
                f"Python could not be started: {error.strerror}", self._python, "Start the application again"
            ) from error

    def poll(self):
        """Return the events that arrived since the last call; never blocks."""
        if not self.running:
            return []
        child, events = self._child, []
        ended = not child.alive  # asked before reading, so that nothing it wrote is missed
        for message in child.lines.read():
            self._heard = True
            if message.get("event") in ("result", "error"):
                self._answer = message  # told when the process has ended and let go of its files
            elif self._answer is None and "event" in message:
                events.append(message)
        if ended and (child.lines.drained or child.lines.broken):
            events.append(self._answer or self._end_event())
            self._let_go()
        elif child.lines.broken or child.unreachable or (self._kill_at and time.monotonic() > self._kill_at):
            child.end()
        elif self._again_at is not None and time.monotonic() > self._again_at:
            _interrupt(child.pid)
            self._again_at = None if self._heard else time.monotonic() + AGAIN_S
        return events

    def cancel(self):
        """Ask the child to stop and to clean up after itself; it is killed when it has not done so soon."""
        if self.running and self._kill_at is None:
            interrupted = _interrupt(self._child.pid)
            self._kill_at = time.monotonic() + (CANCEL_PATIENCE_S if interrupted else 0)
            if not self._heard:
                # Python may not listen yet: started in the background, it ignores interrupts until it says otherwise.
                self._again_at = time.monotonic() + AGAIN_S

    def close(self):
        """End the child if it still runs, waiting a moment for its cleaning up; nobody hears of it."""
        if not self.running:
            return
        self.cancel()
        self._child.wait(max(0.0, self._kill_at - time.monotonic()))
        self._let_go()

    def _end_event(self):
        said = self._said()
        if self._kill_at is not None:
            return {"event": "error", "code": "cancelled", "message": "Cancelled", "hint": "", "log": ""}
        message = f"The command {self._child.how_it_ended} before it had finished"
        if self._child.lines.broken:
            message = f"The command was ended: {self._child.lines.broken}"
        elif said and said[-1].startswith("Error: "):
            message = said[-1].removeprefix("Error: ")
        return {"event": "error", "code": "error", "message": message, "hint": "", "log": "\n".join(said)}

    def _said(self):
        """Return the last lines that the child wrote to its standard error."""
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - LOG_BYTES))
        lines = self._errors.read().decode("utf-8", "replace").splitlines()
        return [line for line in lines if line.strip()][-ERROR_LINES:]

    def _let_go(self):
        self._child.end()
        self._errors.close()
        self._child = None


def answer_of(command, on_progress=None):
    """Start a command and return its last event, ``result`` or ``error``. A generator: it yields while it waits.

    Parameters
    ----------
    command : ChildCommand
        Not started yet. It is closed in any case.
    on_progress : callable, optional
        ``on_progress(stage, done, total, seconds_left)``.
    """
    command.start()
    try:
        while True:
            for event in command.poll():
                if event["event"] in ("result", "error"):
                    return event
                if on_progress is not None and event["event"] == "progress":
                    on_progress(event.get("stage"), event.get("done"), event.get("total"), event.get("eta_s"))
            yield
    finally:
        command.close()


def _interrupt(pid, platform=sys.platform):
    """Interrupt a child and what it started as Ctrl+C does, so that what it was writing is removed again.

    Returns
    -------
    bool
        False where that is not possible: Windows interrupts only what shares a console. The next command that changes
        the library clears up then.
    """
    if platform == "win32":
        return False
    try:
        os.killpg(pid, signal.SIGINT)
    except OSError:
        logger.debug("The child has ended already")
    return True

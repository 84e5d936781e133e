"""One model command at a time, as a child process: unzipping, copying and checksums never keep the window waiting."""

import logging
import traceback

import qt

from ..errors import BreastSegError
from ..inference.childcommand import ChildCommand
from ..models import place
from ..scene.session import childEnvironment, ownInterpreter

INTERVAL_MS = 60


class LibraryWork:
    """Runs ``models …`` commands for the model library.

    Parameters
    ----------
    parent : qt.QWidget
        Owner of the timer.
    onProgress : callable
        ``onProgress(stage, done, total, secondsLeft)``.
    onChanged : callable
        Called when a command begins or has ended.
    """

    def __init__(self, parent, onProgress, onChanged):
        self._onProgress, self._onChanged = onProgress, onChanged
        self._command = self._onResult = self._onError = None
        self.cancelling = False
        self._timer = qt.QTimer(parent)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.connect("timeout()", self._turn)

    @property
    def running(self):
        """bool: whether a command is at work."""
        return self._command is not None

    @property
    def pid(self):
        """int or None: process id of the running command."""
        return self._command.pid if self._command is not None else None

    def start(self, arguments, onResult, onError):
        """Begin a command.

        Parameters
        ----------
        arguments : sequence of str
            What stands behind ``models``; ``--events`` is added.
        onResult : callable
            Called with the result event.
        onError : callable
            Called with the error event: ``code``, ``message`` and ``hint``; ``cancelled`` when the user did.
        """
        if self.running:
            raise RuntimeError("Another model command is at work")
        try:
            # Both sides mean the same folder, whatever the environment was when the application started.
            environment = childEnvironment() | {place.ENVIRONMENT: str(place.library_folder())}
            command = ChildCommand(["models", *arguments, "--events"], ownInterpreter(), environment)
            command.start()
        except BreastSegError as error:
            onError({"event": "error", "code": error.code, "message": error.line, "hint": ""})
            return
        self._command, self._onResult, self._onError, self.cancelling = command, onResult, onError, False
        self._timer.start()
        self._onChanged()

    def cancel(self):
        """Ask the command to stop; `onError` hears of it as ``cancelled``, within about two seconds."""
        if self.running:
            self.cancelling = True
            self._command.cancel()

    def close(self):
        """End what is running; nobody hears of it."""
        self._timer.stop()
        command, self._command = self._command, None
        if command is not None:
            command.close()

    def _turn(self):
        if not self.running:
            self._timer.stop()
            return
        for event in self._news():
            if event["event"] in ("result", "error"):
                self._end(event)
            elif event["event"] == "progress" and not self.cancelling:
                done, total = event.get("done") or 0, event.get("total") or 0
                self._onProgress(str(event.get("stage", "")), done, total, event.get("eta_s"))

    def _news(self):
        try:
            return self._command.poll()
        except Exception as error:
            # A fault of ours must not leave the window waiting for ever.
            logging.error(traceback.format_exc())
            return [{"event": "error", "code": "error", "message": f"{type(error).__name__}: {error}", "hint": ""}]

    def _end(self, event):
        self._timer.stop()
        self._command = None
        self._onChanged()
        if event["event"] == "result":
            self._onResult(event)
            return
        logging.info(f"BreastSeg: {event.get('message', '')}\n{event.get('log', '')}".rstrip())
        self._onError(event)

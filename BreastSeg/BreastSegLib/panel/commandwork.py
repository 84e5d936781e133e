"""One command of the command line at a time, as a child process: the window never waits for it."""

import logging
import re
import traceback

import qt

from ..errors import BreastSegError

INTERVAL_MS = 60
# What of standard error tells where a command broke: code and kinds of errors, without the values that they name.
CODE = re.compile(r'Traceback.*|Fatal .*|  File ".*|[A-Za-z_.]+(Error|Exception|Interrupt)(?=:|$)')


class CommandWork:
    """Starts commands, hears of them by a timer, and cancels them.

    Parameters
    ----------
    parent : qt.QWidget
        Owner of the timer.
    makeCommand : callable
        ``makeCommand(arguments)`` returns the `ChildCommand`, not started yet; it may raise `BreastSegError`.
    onProgress : callable
        ``onProgress(stage, done, total, secondsLeft)``.
    onChanged : callable, optional
        Called when a command begins or has ended.
    """

    def __init__(self, parent, makeCommand, onProgress, onChanged=None):
        self._makeCommand, self._onProgress = makeCommand, onProgress
        self._onChanged = onChanged or (lambda: None)
        self._command = self._onResult = self._onError = None
        self.cancelling = False
        self._timer = qt.QTimer(parent)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.connect("timeout()", self.turn)

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
            For `makeCommand`.
        onResult : callable
            Called with the result event.
        onError : callable
            Called with the error event: ``code``, ``message`` and ``hint``; ``cancelled`` when the user did.
        """
        if self.running:
            raise RuntimeError("Another command is at work")
        try:
            command = self._makeCommand(arguments)
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

    def turn(self):
        """Look what the command tells. The timer calls this."""
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
        # Names and paths of patients are in the message, which is shown; the log has only where a command broke.
        log = [match[0] for line in str(event.get("log") or "").splitlines() if (match := CODE.match(line))]
        if log:
            logging.info("\n".join(["BreastSeg: a command broke", *log]))
        self._onError(event)

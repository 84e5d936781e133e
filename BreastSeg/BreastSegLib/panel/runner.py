"""Work in short turns of the event loop: no threads, no waiting."""

import logging
import traceback

import qt

from ..errors import BreastSegError, Cancelled

INTERVAL_MS = 30


class Runner:
    """Runs one generator at a time, one turn for each tick of a timer.

    Parameters
    ----------
    parent : qt.QWidget
        Owner of the timer.
    session : scene.session.Session
        Whose worker is asked when the user cancels.
    """

    def __init__(self, parent, session):
        self._session = session
        self._turns = self._onDone = self._onError = None
        self._cancelled = False
        self._timer = qt.QTimer(parent)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.connect("timeout()", self.turn)

    @property
    def working(self):
        """bool: whether something is being done."""
        return self._turns is not None

    @property
    def cancelling(self):
        """bool: whether the user's wish to cancel has not taken effect yet."""
        return self.working and self._cancelled

    def start(self, turns, onDone, onError):
        """Begin to run the generator `turns`.

        Parameters
        ----------
        turns : generator
        onDone : callable
            Called with what the generator returned.
        onError : callable
            Called with the `BreastSegError` that ended it; `Cancelled` when the user did.
        """
        if self.working:
            raise RuntimeError("Something else is still being done")
        self._turns, self._onDone, self._onError, self._cancelled = turns, onDone, onError, False
        self._timer.start()

    def cancel(self):
        """Stop what is being done; `onError` hears of it as `Cancelled`, within about a second."""
        if self.working and not self._cancelled:
            self._cancelled = True
            self._session.cancelWorker()

    def abandon(self):
        """Stop at once and tell nobody: the scene or the panel goes away."""
        turns, self._turns = self._turns, None
        self._timer.stop()
        if turns is not None:
            self._session.cancelWorker()
            turns.close()

    def turn(self):
        """Do one turn. The timer calls this."""
        if not self.working:
            self._timer.stop()
            return
        turns = self._turns
        try:
            if self._cancelled and not self._session.workerBusy:
                turns.throw(Cancelled())
            else:
                next(turns)
        except StopIteration as end:
            self._end(self._onDone, end.value)
        except BreastSegError as error:
            self._end(self._onError, error)
        except Exception as error:
            # A fault of ours or of a broken file must not leave the panel waiting for ever.
            logging.error(traceback.format_exc())
            self._end(
                self._onError, BreastSegError(f"{type(error).__name__}: {error}", hint="The log has the details")
            )

    def _end(self, listener, value):
        self._turns = None
        self._timer.stop()
        listener(value)

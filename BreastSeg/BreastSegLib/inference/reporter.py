"""Progress of a request: events to the parent, and the place where a cancel takes effect."""

import time

from ..errors import Cancelled
from .timeleft import TimeLeft

INTERVAL_S = 0.05


class Reporter:
    """Sends progress with the time left in the stage; raises `Cancelled` when the user asked for it.

    Parameters
    ----------
    send : callable
        ``send(**event)``.
    request_id : int
    is_cancelled : callable
        ``is_cancelled(request_id)``.
    clock : callable
        Seconds; never goes back.
    """

    def __init__(self, send, request_id, is_cancelled, clock=time.monotonic):
        self._send, self._id, self._is_cancelled, self._clock = send, request_id, is_cancelled, clock
        self._stage, self._sent, self._last = None, 0.0, None
        self._left = TimeLeft()

    def __call__(self, stage, done, total):
        """Note that `done` of `total` steps of a stage are done; cheap enough for every step and in between."""
        if self._is_cancelled(self._id):
            raise Cancelled()
        now, new = self._clock(), stage != self._stage
        if new:
            self._stage, self._left, self._last = stage, TimeLeft(), None
        left = self._left.update(now, done, total)
        state = (done, total)
        wanted = new or now - self._sent >= INTERVAL_S or (done >= total and state != self._last)
        if not wanted:
            return
        self._sent, self._last = now, state
        eta_s = None if left is None else round(left, 1)
        self._send(event="progress", id=self._id, stage=stage, done=done, total=total, eta_s=eta_s)

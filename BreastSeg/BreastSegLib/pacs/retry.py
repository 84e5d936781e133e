"""Trying again: how often, after which pauses, and for as long as it gets further."""

import time
from dataclasses import dataclass
from typing import Any

from .problems import Interrupted, Unreachable


@dataclass(frozen=True)
class Retry:
    """How an interrupted transfer is tried again.

    Parameters
    ----------
    attempts : int
        Attempts in a row that get no further before it is given up.
    first_s, longest_s : float
        The pause after the first of them, doubled after each other one, and the longest pause.
    sleep : callable
        For tests.
    """

    attempts: int = 5
    first_s: float = 1.0
    longest_s: float = 60.0
    sleep: Any = time.sleep

    def pause_s(self, failures):
        """Return the pause after so many failures in a row (1 …)."""
        return min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 30))

    def until_done(self, attempt, left, report):
        """Call ``attempt()`` until ``left()`` is 0.

        Parameters
        ----------
        attempt : callable
            Does what is left; may raise `Interrupted`.
        left : callable
            Returns how much is left.
        report : callable
            ``report(stage, done, total)``, called while it waits; may raise `Cancelled`.

        Returns
        -------
        int
            How much is left after an attempt without error that got no further: what the archive does not give.

        Raises
        ------
        Interrupted
            The last one, when it is given up; `Unreachable` at once where there was no connection yet.
        """
        failures, before, connected = 0, left(), False
        while before:
            error = None
            try:
                attempt()
            except Interrupted as interrupted:
                if isinstance(interrupted, Unreachable) and not connected:
                    raise
                error = interrupted
            connected = True
            now = left()
            failures = 1 if now < before else failures + 1
            before = now
            if not now:
                break
            if failures >= self.attempts or (error is None and failures > 1):
                if error is None:
                    return now
                raise error
            self._wait(self.pause_s(failures), report)
        return 0

    def _wait(self, seconds, report):
        report("Waiting to try again", 0, 0)
        while seconds > 0:
            step = min(0.5, seconds)
            self.sleep(step)
            seconds -= step
            report("Waiting to try again", 0, 0)

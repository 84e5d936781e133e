"""How much longer a stage takes, judged by its last steps."""

from collections import deque

SPAN_S = 10.0  # the rate is that of at least so many seconds …
STEPS = 8  # … and at least so many steps, where there were as many


class TimeLeft:
    """An estimate of the time left in a stage.

    The first step is not counted: it pays for loading, for memory and for the choice of algorithms, and may take many
    times as long as the others. Until a second one is done nothing is said.
    """

    def __init__(self):
        self._steps = deque()  # (seconds, done) after each finished step, the warm-up being the first
        self._done = None

    def update(self, now, done, total):
        """Note how far the stage is and return the seconds left, or None while nothing is known.

        Parameters
        ----------
        now : float
            Seconds of a clock that never goes back.
        done, total : int
            May be the same as before, and may go back when something has to be done again.
        """
        if self._done is None or done < self._done:
            self._steps.clear()
        elif done > self._done:
            self._steps.append((now, done))
        self._done = done
        self._forget(now)
        if done >= total:
            return 0.0
        if len(self._steps) < 2:
            return None
        (began, first), (last, latest) = self._steps[0], self._steps[-1]
        step = (last - began) / (latest - first)
        left = total - done
        # Time passes within a step, but what comes after the step takes its time in any case.
        return max(left * step - (now - last), (left - 1) * step, 0.0)

    def _forget(self, now):
        while len(self._steps) > STEPS and now - self._steps[1][0] > SPAN_S:
            self._steps.popleft()

"""How long the cases of a batch take, and the time left."""


class Pace:
    """The time left: the mean of the finished cases counts.

    Parameters
    ----------
    count : int
        Cases that are to be run.
    clock : callable
        Seconds that only rise.
    """

    def __init__(self, count, clock):
        self._left, self._clock = count, clock
        self._spent, self._measured, self._began = 0.0, 0, None

    def begin(self):
        """A case begins; one that is tried again goes on."""
        if self._began is None:
            self._began = self._clock()

    def end(self, counts=True):
        """The case that began has ended."""
        self._left -= 1
        if counts:
            self._spent += self._clock() - self._began
            self._measured += 1
        self._began = None

    @property
    def left_s(self):
        """float or None: seconds until the last case is done; None before the first has ended."""
        if not self._measured:
            return None
        running = 0.0 if self._began is None else self._clock() - self._began
        mean = self._spent / self._measured
        rest = self._left if self._began is None else self._left - 1 + max(0.0, 1 - running / mean)
        return round(mean * rest, 1)

"""Measuring how long the event loop stands still."""

import dataclasses
import sys
import threading
import time
import traceback

from PySide6 import QtCore

from .views.vtkview import renderClock


@dataclasses.dataclass
class Block:
    """One stretch in which the event loop did not turn.

    Attributes
    ----------
    seconds : float
    drawing : float
        Seconds of it that the host drew views in software (a graphics card's work in the application).
    where : str
        The main thread's stack in the middle of it, innermost call last; empty for short ones.
    """

    seconds: float
    drawing: float
    where: str


class BlockMeter:
    """Heartbeat in the event loop, and a watcher that notes where the main thread is when the heart stops.

    Use as a context manager around code that lets the event loop turn::

        with BlockMeter() as meter:
            ...
        assert meter.longest(drawing=False) < 0.2, meter.report()

    Parameters
    ----------
    beat : float
        Seconds between heartbeats.
    noteAfter : float
        Stretches longer than this get a stack.
    """

    def __init__(self, beat=0.005, noteAfter=0.05):
        self._beat, self._noteAfter = beat, noteAfter
        self.blocks = []
        self._last = self._drawn = 0.0
        self._where = ""
        self._ended = threading.Event()
        self._main = threading.get_ident()

    def __enter__(self):
        self._last, self._drawn = time.perf_counter(), renderClock.seconds
        self._timer = QtCore.QTimer()
        self._timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)
        self._timer.setInterval(max(1, round(1000 * self._beat)))
        self._timer.timeout.connect(self._heartbeat)
        self._timer.start()
        self._watcher = threading.Thread(target=self._watch, name="event loop watcher", daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *_):
        # What runs until here without the loop turning counts too.
        self._heartbeat()
        self._timer.stop()
        self._ended.set()
        self._watcher.join()

    def _heartbeat(self) -> None:
        now = time.perf_counter()
        passed = now - self._last
        if passed > 2 * self._beat:
            self.blocks.append(Block(passed, renderClock.seconds - self._drawn, self._where))
        self._last, self._drawn, self._where = now, renderClock.seconds, ""

    def _watch(self) -> None:
        while not self._ended.wait(self._noteAfter / 4):
            if time.perf_counter() - self._last > self._noteAfter:
                frame = sys._current_frames().get(self._main)
                if frame is not None:
                    self._where = "".join(traceback.format_stack(frame)[-8:])

    def longest(self, drawing=True) -> float:
        """Return the longest stretch in seconds, with or without the time spent drawing."""
        return max((block.seconds - (0 if drawing else block.drawing) for block in self.blocks), default=0.0)

    def over(self, limit, drawing=True) -> list:
        """Return the stretches longer than a limit in seconds, longest first."""

        def length(block):
            return block.seconds - (0 if drawing else block.drawing)

        return sorted((block for block in self.blocks if length(block) > limit), key=length, reverse=True)

    def report(self, count=3) -> str:
        """Return the longest stretches as text, with where they were."""
        longest = sorted(self.blocks, key=lambda block: block.seconds, reverse=True)[:count]
        return "\n".join(
            f"{1000 * block.seconds:.0f} ms ({1000 * block.drawing:.0f} ms drawing)\n{block.where}"
            for block in longest
        )

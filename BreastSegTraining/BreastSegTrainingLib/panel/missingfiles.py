"""Which files of the table are not there: looked for in short turns, as a table may name files on a slow drive."""

import time

import qt
from BreastSegLib.exam.cells import SOURCES, paths_in
from BreastSegLib.scene.texts import _

COLUMNS = (*SOURCES, "mask")
INTERVAL_MS, TURN_S = 20, 0.02


class MissingFiles:
    """Looks for the files of all cases.

    Parameters
    ----------
    parent : qt.QWidget
        Owner of the timer.
    onDone : callable
        ``onDone(missing, paths)``: what is missing by case name (parts of sentences), and those paths as the table
        writes them.
    """

    def __init__(self, parent, onDone):
        self._onDone, self._cases, self._folder = onDone, [], None
        self._missing, self._paths, self._there = {}, [], {}
        self._timer = qt.QTimer(parent)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.connect("timeout()", self.turn)

    @property
    def looking(self):
        """bool: whether the answer is still to come."""
        return bool(self._cases)

    def start(self, table):
        """Begin to look; what was begun before is dropped."""
        self._cases, self._folder = list(reversed(table.cases)), table.folder
        self._missing, self._paths, self._there = {}, [], {}
        self._timer.start()

    def stop(self):
        """Stop looking; nobody hears of it."""
        self._cases = []
        self._timer.stop()

    def turn(self):
        """Look at some more. The timer calls this."""
        end = time.monotonic() + TURN_S
        while self._cases and time.monotonic() < end:
            self._look(self._cases.pop())
        if not self._cases:
            self._timer.stop()
            self._onDone(self._missing, self._paths)

    def _look(self, case):
        for column in COLUMNS:
            text = case.get(column)
            if not text:
                continue
            for part, path in zip(case.parts(column), paths_in(text, self._folder)):
                if path not in self._there:
                    self._there[path] = path.exists()
                if not self._there[path]:
                    self._paths.append(part)
                    sentence = _("the {column} is missing: {path}").format(column=column, path=path)
                    self._missing.setdefault(case.name, []).append(sentence)

"""Tells how a fold run stands, and hears when it shall stop."""

import logging
import os
import signal
import threading
import time
from pathlib import Path

from BreastSegLib.errors import BreastSegError
from BreastSegLib.inference.processtree import end_own_tree

from ..launch.foldstate import RUNNING, STOP, FoldState

PARENT_S = 2.0
EPOCHS = 10  # so many last epochs tell how long the next ones take

logger = logging.getLogger(__name__)


class Teller:
    """Writes the state of a fold run, which is this process's own while it lives.

    Parameters
    ----------
    folder : Path
        ``trainings/NAME/fold_K``.
    """

    def __init__(self, folder):
        self._folder, self._terminated = Path(folder), False

    def __call__(self, stage, **values):
        """Write the next moment. A full disk does not end a training: only its checkpoints may."""
        try:
            state = FoldState.read(self._folder) or FoldState()
            state.changed(state=RUNNING, stage=stage, **values).write(self._folder)
        except BreastSegError as error:
            logger.warning("The state could not be written: %s", error.line)

    def note(self, text):
        """Keep a sentence about what happened on the way."""
        logger.info(text)
        state = FoldState.read(self._folder) or FoldState()
        if text and text not in state.notes:
            state.changed(notes=(*state.notes, text)).write(self._folder)

    @property
    def state(self):
        """FoldState: as it stands."""
        return FoldState.read(self._folder) or FoldState()

    def close(self, state, **values):
        """Write the last moment of this process."""
        self.state.changed(state=state, eta_s=None, **values).write(self._folder)

    def heed_signals(self):
        """Let SIGTERM stop the training after its epoch.

        What nnU-Net forks must not inherit that: its pools end their workers by SIGTERM, and wait for their ends.
        """
        signal.signal(signal.SIGTERM, self._terminate)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_end_at_sigterm)

    def _terminate(self, *_):
        self._terminated = True

    @property
    def shall_stop(self):
        """bool: whether somebody wants it to stop after this epoch."""
        return self._terminated or (self._folder / STOP).exists()

    def epoch(self, log, epochs):
        """Tell that an epoch is finished.

        Parameters
        ----------
        log : MetaLogger
            Of nnU-Net.
        epochs : int
            To do.
        """
        value = log.get_value
        averages = [float(number) for number in value("ema_fg_dice", None)]
        done = len(averages)
        best = max(range(done), key=lambda epoch: averages[epoch] if averages[epoch] == averages[epoch] else -1.0)
        starts, ends = value("epoch_start_timestamps", None), value("epoch_end_timestamps", None)
        lasting = [end - start for start, end in zip(starts, ends)][-EPOCHS:]
        left = (epochs - done) * sum(lasting) / len(lasting)
        figure = averages[best] if averages[best] == averages[best] else None
        values = {"best_epoch": best, "best": figure} if figure is not None else {}
        self("training", epoch=done, epochs=epochs, eta_s=round(left, 1), message="", **values)


def _end_at_sigterm():
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def end_with(parent):
    """End this process and all below it when the one that started it is gone; it led a tree of its own."""

    def watch():
        while os.getppid() == parent:
            time.sleep(PARENT_S)
        end_own_tree(1)

    threading.Thread(target=watch, daemon=True).start()

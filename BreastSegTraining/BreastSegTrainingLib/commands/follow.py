"""Follows trainings until their end."""

import signal
import time

from BreastSegLib.errors import Cancelled

from .. import launch

INTERRUPTS = ("epoch", "now", "leave")
LOOK_S = 0.5
OPEN = ("queued", "running")


def follow(work, names, report, on_interrupt="epoch"):
    """Report how fold runs stand until none is queued or running; return their rows.

    Parameters
    ----------
    work : Path
    names : sequence of str
        Trainings, or ``NAME:FOLD``.
    report : callable
        ``report(stage, done, total)``.
    on_interrupt : {'epoch', 'now', 'leave'}
        What an interruption (Ctrl+C, or of a window) does with them.

    Raises
    ------
    Cancelled
        If it was interrupted.
    """
    wanted = {(training.name, fold) for training, fold in launch.chosen(work, names)}
    try:
        while True:
            rows = [row for row in launch.rows(work) if (row["training"], row["fold"]) in wanted]
            if not any(row["state"] in OPEN for row in rows):
                return rows
            _tell(rows, report)
            time.sleep(LOOK_S)
    except KeyboardInterrupt as error:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would leave the first half done
        if on_interrupt == "leave":
            raise Cancelled("The trainings go on without this window") from error
        launch.stop(work, names, immediately=on_interrupt == "now")
        raise Cancelled from error


def _tell(rows, report):
    """Report the fold that is running; where several run, all of them together."""
    running = [row for row in rows if row["state"] == "running"]
    if not running:
        report("Waiting for the queue", 0, 0)
    elif len(running) == 1 and running[0]["stage"] != "training":
        row = running[0]
        report(f"Fold {row['fold']}: {row['stage']} {row['message']}".rstrip(), 0, 0)
    else:
        folds = " ".join(row["fold"] for row in running)
        done, total = sum(row["epoch"] for row in running), sum(row["epochs"] for row in running)
        report(f"Training fold {folds}" if len(running) == 1 else f"Training folds {folds}", done, total)

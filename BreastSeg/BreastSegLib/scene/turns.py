"""Long work in short turns of the event loop."""

import time

import slicer

PAUSE_S = 0.005


def waited(turns):
    """Run a generator of short turns to its end while the window stays alive, and return what it returns."""
    try:
        while True:
            try:
                next(turns)
            except StopIteration as end:
                return end.value
            slicer.app.processEvents()
            time.sleep(PAUSE_S)
    finally:
        turns.close()  # interrupted, it lets go of what it holds


def reported(turns, total, report, stage):
    """Run a generator that counts what it has done, and report each turn. A generator.

    Parameters
    ----------
    turns : generator of int
    total : int
        How far it will count.
    report : callable
        ``report(stage, done, total, eta_s)``.
    stage : str
        What people read.

    Yields
    ------
    None

    Returns
    -------
    object
        What `turns` returns.
    """
    while True:
        try:
            done = next(turns)
        except StopIteration as end:
            return end.value
        report(stage, done, total, None)
        try:
            yield
        except BaseException:
            # A cancelled load: the inner generator removes what it has made.
            turns.close()
            raise

"""Preprocessed data are shared by the trainings of a dataset: one process at a time makes them, others wait."""

import time
from contextlib import contextmanager

from BreastSegLib.errors import BadInput
from BreastSegLib.pipeline.batch_lock import BatchLock

LOOK_S = 0.5


@contextmanager
def locked(folder, waiting):
    """Hold the lock of a folder, waiting for it as long as it takes.

    Parameters
    ----------
    folder : Path
        Made if missing.
    waiting : callable
        ``waiting(why)`` is called once when somebody else holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    told = False
    while True:
        try:
            lock = BatchLock(folder, "preparation of the data")
            break
        except BadInput as error:
            if not told:
                waiting(error.line)
                told = True
            time.sleep(LOOK_S)
    try:
        yield
    finally:
        lock.release()

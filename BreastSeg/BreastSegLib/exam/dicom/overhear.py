"""What C libraries write to the process's standard error: kept from the user's console, and looked at."""

import os
import sys
import tempfile
import threading
from contextlib import contextmanager

_LOCK = threading.Lock()  # there is one standard error in a process


@contextmanager
def overheard(said):
    """Collect what is written to file descriptor 2 while the block runs.

    Where the process has no standard error (an application without console), nothing is collected.

    Parameters
    ----------
    said : list of str
        Gets the lines, when the block ends.
    """
    with _LOCK, tempfile.TemporaryFile() as store:
        try:
            if sys.stderr is not None:
                sys.stderr.flush()
            kept = os.dup(2)
            os.dup2(store.fileno(), 2)
        except (OSError, ValueError):
            yield
            return
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            store.seek(0)
            said += store.read(100_000).decode("utf-8", "replace").splitlines()

"""No threads for extension code: in the real application Python threads starve while it idles, here they would not.

``refuseExtensionThreads(roots)`` patches the ways to start one; code of other packages keeps its threads.
"""

import _thread
import functools
import sys
import threading
from pathlib import Path

MESSAGE = (
    "Python threads do not run while the application idles in its event loop, so extension code must not start "
    "one: use QProcess, or a QTimer that polls without blocking"
)

_HOST_FOLDER = str(Path(__file__).resolve().parent)
_roots = []


def refuse(native=None, *args):
    """Stand-in for whatever starts a Qt thread."""
    raise RuntimeError(MESSAGE)


def refuseExtensionThreads(roots):
    """Refuse, from now on, threads that are started by code below one of the folders ``roots``.

    The innermost frames decide: a thread that the host itself starts on behalf of a call from the extension is
    allowed.

    Parameters
    ----------
    roots : iterable of path
    """
    for root in roots:
        text = str(Path(root).resolve())
        if text not in _roots:
            _roots.append(text)
    _patch()


def startedByExtension():
    """File of the extension whose code is starting a thread now, or None."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if _below(file, (_HOST_FOLDER,)) and not file.endswith("threads.py"):
            return None
        if _below(file, _roots):
            return file
        frame = frame.f_back
    return None


def _below(file, roots):
    return any(file.startswith((root + "/", root + "\\")) for root in roots)


@functools.cache
def _patch():
    def guard(original):
        @functools.wraps(original)
        def start(*args, **kwargs):
            file = startedByExtension()
            if file is not None:
                raise RuntimeError(f"{MESSAGE} (started in {file})")
            return original(*args, **kwargs)

        return start

    threading.Thread.start = guard(threading.Thread.start)
    _thread.start_new_thread = guard(_thread.start_new_thread)
    _thread.start_new = _thread.start_new_thread

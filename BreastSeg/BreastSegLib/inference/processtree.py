"""How a child process is started so that it can be ended with everything it started itself.

POSIX (Linux, macOS): the child leads a session of its own, and the whole group gets the signal. Windows: ``taskkill``
ends the tree below the child. Each function takes the platform, so that every branch can be tested anywhere.
"""

import logging
import os
import signal
import subprocess
import sys

TASKKILL_PATIENCE_S = 5.0
WAIT_PATIENCE_S = 2.0
# Of the Windows API; `subprocess` has them on Windows only.
CREATE_NEW_PROCESS_GROUP = 0x00000200
CREATE_NO_WINDOW = 0x08000000
SIGKILL = getattr(signal, "SIGKILL", signal.SIGTERM)

logger = logging.getLogger(__name__)


def start_options(platform=sys.platform):
    """Return the arguments of `subprocess.Popen` with which a child is the root of its own tree.

    Ctrl-C in a terminal does not reach it, and Windows opens no console for it.
    """
    if platform == "win32":
        return {"creationflags": CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW}
    return {"start_new_session": True}


def end_tree(process, others=(), platform=sys.platform):
    """End a child that was started with `start_options`, at once, with everything below it.

    Parameters
    ----------
    process : subprocess.Popen
        May have ended already; what it left running is ended all the same where the platform allows (POSIX).
    others : iterable of int
        Process ids known to belong to it, such as the worker's behind a launcher.
    platform : str

    Returns
    -------
    bool
        Whether the child is gone; False when the system does not end it (it hangs in a driver).
    """
    if platform == "win32":
        _end_windows(process, others)
    else:
        _end_posix(process, others)
    try:
        process.wait(WAIT_PATIENCE_S)
    except subprocess.TimeoutExpired:
        logger.warning("Process %d does not end although it was told to", process.pid)
        return False
    return True


def end_own_tree(code, platform=sys.platform):
    """End this process, which was started with `start_options`, and everything below it; does not return."""
    try:
        if platform == "win32":
            _taskkill(os.getpid())
        else:
            os.killpg(os.getpgrp(), SIGKILL)
    finally:
        os._exit(code)


def _end_posix(process, others):
    if process.poll() is None:  # the numbers of what has ended may belong to other processes by now
        for pid in others:
            _signal(os.kill, pid)
    # The group outlives its leader, and its number is not given to another process meanwhile.
    _signal(os.killpg, process.pid)
    if process.poll() is None:
        process.kill()


def _end_windows(process, others):
    for pid in (*others, process.pid):
        if process.poll() is None:
            _taskkill(pid)
    if process.poll() is None:
        process.kill()  # taskkill is missing or was refused: at least the child itself


def _taskkill(pid):
    try:
        subprocess.run(
            ["taskkill", "/PID", str(pid), "/T", "/F"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TASKKILL_PATIENCE_S,
            check=False,
            creationflags=CREATE_NO_WINDOW,
        )
    except (OSError, subprocess.TimeoutExpired):
        logger.warning("taskkill did not end process %d", pid)


def _signal(send, number):
    try:
        send(number, SIGKILL)
    except OSError:  # gone already; macOS says "not permitted" for a group whose leader has not been waited for
        logger.debug("Nothing is left of process %d", number)

"""How somebody asks a command to end: signals, and for programs the line ``stop`` on its input."""

import os
import signal
import sys
import threading
from contextlib import contextmanager

SIGNALS = ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP")


@contextmanager
def stopped_by_signals(on_stop):
    """Call ``on_stop()`` at the first signal that asks for the end; the second ends the process as ever.

    Parameters
    ----------
    on_stop : callable
        Called in the main thread, between any two steps of the program. It may raise.
    """
    before = {}

    def heard(number, _frame):
        restore()
        on_stop()

    def restore():
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    if threading.current_thread() is threading.main_thread():
        for name in SIGNALS:
            if hasattr(signal, name):
                number = getattr(signal, name)
                before[number] = signal.signal(number, heard)
    try:
        yield
    finally:
        restore()


def interrupted():
    """End what runs as Ctrl+C does. For `stopped_by_signals`."""
    raise KeyboardInterrupt


def hear_stop_line():
    """Take the line ``stop`` on the standard input for an interruption; it is waited for in a thread."""
    threading.Thread(target=_hear, daemon=True).start()


def _hear():
    """Wait for the line. Not through `sys.stdin`, whose lock would be held when Python ends."""
    heard = b""
    try:
        while data := os.read(0, 4096):
            heard = (heard + data)[-4096:]
            if b"stop" in (line.strip() for line in heard.split(b"\n")[:-1]):
                _interrupt()
                return
    except OSError:  # no input at all
        return


def _interrupt():
    if sys.platform == "win32":
        import _thread

        _thread.interrupt_main()
    else:
        os.kill(os.getpid(), signal.SIGINT)  # a real signal, which also ends what waits for the network

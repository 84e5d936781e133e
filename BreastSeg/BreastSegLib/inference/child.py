"""A child process with a pipe each way, started and ended as the root of its own tree."""

import os
import subprocess
import time
from pathlib import Path

from .linepipe import LinePipe, LineSink
from .processtree import end_tree, start_options

PACKAGE_FOLDER = Path(__file__).resolve().parents[2]
# Set by the application for itself; in the child they would load the wrong libraries.
UNWANTED_VARIABLES = ("ITK_AUTOLOAD_PATH", "PYTHONSTARTUP", "PYTHONINSPECT")
CLOSED_PATIENCE_S = 1.0  # between the end of a child's output and its own end


class Child:
    """A running child process that is talked to in lines.

    Parameters
    ----------
    command : sequence of str
    log : binary file
        Where its standard error goes.
    cwd, environment
        As for `subprocess.Popen`.

    Attributes
    ----------
    lines : LinePipe
        What it says.
    sink : LineSink
        What it is told.
    real_pid : int or None
        Process id that it gave itself: Slicer's Python starts through a launcher, so it can be another than `pid`.

    Raises
    ------
    OSError
        If it cannot be started.
    """

    def __init__(self, command, log, cwd, environment):
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=cwd,
            env=environment,
            bufsize=0,
            **start_options(),
        )
        self.lines, self.sink = LinePipe(self._process.stdout), LineSink(self._process.stdin)
        self.real_pid = None
        self._silent_since = None
        self._tree_ended = False

    @property
    def pid(self):
        """int: id of the process that was started."""
        return self._process.pid

    @property
    def alive(self):
        """bool: whether the process is running. What it left running is ended when its end is first seen."""
        if self._process.poll() is None:
            return True
        self._end_rest()
        return False

    @property
    def unreachable(self):
        """bool: it lives, but closed its output a while ago, so that nothing will come from it any more."""
        if not self.lines.ended:
            return False
        self._silent_since = self._silent_since or time.monotonic()
        return self.alive and time.monotonic() - self._silent_since > CLOSED_PATIENCE_S

    @property
    def how_it_ended(self):
        """str: the end of the sentence "The process …"."""
        code = self._process.returncode
        if code is None:
            return "was ended"
        if code < 0 or self._behind_launcher and 128 < code < 160:  # launchers say it as shells do
            return f"was killed by signal {-code if code < 0 else code - 128}"
        return f"ended with exit code {code if code < 0x80000000 else hex(code)}"

    @property
    def killed(self):
        """bool: whether it got the signal that cannot be caught, as the system sends when memory runs out."""
        return self._process.returncode == -9 or (self._behind_launcher and self._process.returncode == 137)

    def wait(self, seconds):
        """Wait for its end; return whether it came."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return not self.alive

    def end(self):
        """End it at once, with everything below it, and close the pipes."""
        if self.alive:
            self._end_rest()
        self.sink.close()
        self.lines.close()

    def _end_rest(self):
        # Once: later the number of the process, which is that of its group, may belong to another one.
        if not self._tree_ended:
            self._tree_ended = True
            end_tree(self._process, (self.real_pid,) if self._behind_launcher else ())

    @property
    def _behind_launcher(self):
        return self.real_pid not in (None, self.pid)


def child_environment(environment, folder=PACKAGE_FOLDER):
    """Return the environment of a Python child that finds this package in `folder` and speaks UTF-8 at once.

    Parameters
    ----------
    environment : dict
        Of the application.
    folder : Path
        Comes first in PYTHONPATH.
    """
    result = {key: value for key, value in environment.items() if key not in UNWANTED_VARIABLES}
    paths = [str(folder), *filter(None, result.get("PYTHONPATH", "").split(os.pathsep))]
    return result | {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",
    }

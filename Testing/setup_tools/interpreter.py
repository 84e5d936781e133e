"""Which Python the environment is built with."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from . import SetupError

SUPPORTED = ((3, 12), (3, 11))
_PROBE = (
    "import sys, importlib.util as u; print(*sys.version_info[:3], sys.executable, "
    "int(bool(u.find_spec('venv') and u.find_spec('ensurepip'))), sep='\\t')"
)


class Interpreter:
    """A Python found on this machine.

    Parameters
    ----------
    path : str
        The program.
    version : tuple of int
        (major, minor, micro).
    can_make_environments : bool
        False when Debian's split-off venv package is missing.
    """

    def __init__(self, path, version, can_make_environments=True):
        self.path, self.version, self.can_make_environments = str(path), tuple(version), can_make_environments

    @property
    def supported(self):
        """bool: whether the pinned packages exist for this version."""
        return self.version[:2] in SUPPORTED

    @property
    def text(self):
        """str: the version as people write it."""
        return ".".join(map(str, self.version))


def probe(command):
    """Return the `Interpreter` that `command` (list of str) starts, or None when it does not start."""
    try:
        answer = subprocess.run([*command, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=30)
        major, minor, micro, path, venv = answer.stdout.strip().split("\t")
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return Interpreter(path, (int(major), int(minor), int(micro)), venv == "1")


def candidates(which=shutil.which, home=None):
    """Yield commands (lists of str) that may start a supported Python, best first."""
    for major, minor in SUPPORTED:
        found = which(f"python{major}.{minor}")
        if found:
            yield [found]
        if os.name == "nt" and which("py"):
            yield ["py", f"-{major}.{minor}"]
        versions = Path(os.environ.get("PYENV_ROOT") or Path(home or Path.home()) / ".pyenv") / "versions"
        for folder in sorted(versions.glob(f"{major}.{minor}*"), reverse=True):
            yield [str(folder / "bin" / "python")]
    for name in ("python3", "python"):
        if which(name):
            yield [which(name)]


def choose(wanted=None, running=None, commands=None, probe=probe):
    """Return the `Interpreter` to build the environment with.

    Parameters
    ----------
    wanted : str, optional
        The program named with ``--python``.
    running : list of str, optional
        The command of the Python that runs run.py; taken when it is supported.
    commands : iterable of list of str, optional
        Where to look otherwise.
    probe : callable
        Command → Interpreter or None.

    Raises
    ------
    SetupError
        If there is none.
    """
    versions = " or ".join(f"{major}.{minor}" for major, minor in sorted(SUPPORTED))
    if wanted:
        found = probe([wanted])
        if found is None:
            raise SetupError(
                f"--python {wanted} does not start a Python. Give the path of a Python {versions} program."
            )
        if not found.supported:
            raise SetupError(f"--python {wanted} is Python {found.text}, but the packages need Python {versions}.")
        return found
    seen = []
    for command in [running or [sys.executable], *(candidates() if commands is None else commands)]:
        found = probe(command)
        if found is not None and found.supported:
            return found
        if found is not None:
            seen.append(found.text)
    raise SetupError(
        f"No Python {versions} was found on this machine (found: {', '.join(dict.fromkeys(seen)) or 'none'}). "
        "Install Python 3.12 from https://www.python.org/downloads or with your package manager, "
        "or name one: python3 Testing/run.py --python /path/to/python3.12 setup"
    )

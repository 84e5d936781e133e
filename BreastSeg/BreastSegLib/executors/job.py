"""A job: what is run, with what, where it keeps its log; and how it stands."""

import math
import os
import re
from dataclasses import dataclass, field, fields
from pathlib import Path

from ..errors import BadInput

WAITING, RUNNING, ENDED, LOST = STATES = ("waiting", "running", "ended", "lost")
LOG = "log.txt"
LOG_BYTES = 1 << 18  # of the end of a log that are looked at
LOG_LINES = 200
_OPTION = re.compile(r"[a-z][a-z0-9_-]*")


@dataclass(frozen=True)
class Resources:
    """What a job needs. This computer takes it as it is; a cluster reserves it.

    Parameters
    ----------
    gpus, cpus : int
    memory_gb : float or None
        None: what the cluster gives by itself.
    hours : float or None
        Time after which the cluster ends the job; None: 24 hours.
    partition : str
        '' for the cluster's own choice.
    options : dict
        More options of ``sbatch`` by their long names, such as ``{"account": "radiology"}``.
    """

    gpus: int = 0
    cpus: int = 1
    memory_gb: float | None = None
    hours: float | None = None
    partition: str = ""
    options: dict = field(default_factory=dict)

    def __post_init__(self):
        for name, least in (("gpus", 0), ("cpus", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise BadInput(f"{name} must be a whole number of at least {least}, not {value!r}")
        for name in ("memory_gb", "hours"):
            value = getattr(self, name)
            if value is not None and not _positive(value):
                raise BadInput(f"{name} must be a number above 0, not {value!r}")
        if not isinstance(self.partition, str) or not isinstance(self.options, dict):
            raise BadInput("partition must be a text and options a table")
        for text in (self.partition, *map(str, self.options.values())):
            _check_line(text, "An option of the job")
        wrong = [name for name in self.options if not isinstance(name, str) or not _OPTION.fullmatch(name)]
        if wrong:
            raise BadInput(f"{wrong[0]!r} cannot be an option of sbatch", "", "Give its long name without --")


def resources_of(table):
    """Return the `Resources` that a table of a JSON file describes.

    Raises
    ------
    BadInput
        If it has other entries, or values that cannot be.
    """
    known = [item.name for item in fields(Resources)]
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise BadInput(f"Resources have no {', '.join(unknown)}", "", f"There are {', '.join(known)}")
    return Resources(**table)


@dataclass(frozen=True)
class Job:
    """A command that is run by itself.

    Parameters
    ----------
    name : str
        One line, for people and lists of jobs; nobody's name.
    command : tuple of str
        Program and arguments, run without a shell in `folder`; so give absolute paths.
    folder : Path
        Private to this job; made if missing. Holds its log ``log.txt`` and the executor's records. A job that is
        started again writes on in the same log.
    environment : dict of str to str
        Variables besides those that the executor gives.
    resources : Resources
    restart : bool
        The command goes on where it was when it is started once more: a cluster that ends it too early may do so.
    """

    name: str
    command: tuple
    folder: Path
    environment: dict = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    restart: bool = False

    def __post_init__(self):
        object.__setattr__(self, "command", tuple(map(str, self.command)))
        object.__setattr__(self, "folder", Path(os.path.abspath(self.folder)))
        object.__setattr__(self, "environment", {str(key): str(text) for key, text in self.environment.items()})
        if not self.command or not self.command[0]:
            raise BadInput("The job has no command", self.name)
        _check_line(self.name, "The name of a job")
        texts = (*self.command, *self.environment.values())
        wrong = any("\0" in text for text in texts) or any(
            not key or "=" in key or "\0" in key for key in self.environment
        )
        if wrong:
            raise BadInput("The command or environment of the job cannot be given to a program", self.name)


@dataclass(frozen=True)
class JobState:
    """How a job stands.

    Parameters
    ----------
    state : {'waiting', 'running', 'ended', 'lost'}
        Lost: it does not run, and nobody knows how it ended.
    exit_code : int or None
        Of an ended one: that of the command, minus the signal's number when a signal ended it; None when the job ended
        without the command's end.
    reason : str
        Why it waits, ended or was lost, as far as it is known and not plain.
    """

    state: str
    exit_code: int | None = None
    reason: str = ""

    @property
    def over(self):
        """bool: whether nothing more will come of it."""
        return self.state in (ENDED, LOST)


def log_tail(folder, lines=LOG_LINES, name=LOG):
    """Return the last lines of a job's log; '' when there is none yet. What is no UTF-8 is shown as ``�``."""
    try:
        with open(Path(folder) / name, "rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - LOG_BYTES))
            data = stream.read(LOG_BYTES)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise BadInput(f"The log cannot be read: {error.strerror}", Path(folder) / name) from error
    text = data.decode("utf-8", errors="replace").replace("\r\n", "\n")
    # A progress bar overwrites its line: of each line only what stood there last.
    shown = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    if size > LOG_BYTES:
        shown = shown[1:]  # it begins in the middle
    if shown and not shown[-1]:
        shown = shown[:-1]
    return "\n".join(shown[-lines:])


def _positive(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def _check_line(text, what):
    if not isinstance(text, str) or any(ord(letter) < 32 for letter in text):
        raise BadInput(f"{what} must be one line of text", repr(text))

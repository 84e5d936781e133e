"""Runs pip and shows how far it is, in a few lines."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

COLLECTING = re.compile(r"^Collecting (\S+)")
FETCHING = re.compile(
    r"^\s*(?:Downloading|Using cached|Processing) (\S+?\.(?:whl|tar\.gz|zip))(?:\.metadata)?(?: \(([\d.]+) (\w+)\))?"
)
INSTALLING = re.compile(r"^Installing collected packages: (.*)")
MEGABYTES = {"bytes": 1e-6, "kB": 1e-3, "MB": 1.0, "GB": 1e3}


class Progress:
    """Turns pip's output into one line: what is done, how much, for how long.

    Parameters
    ----------
    expected : int
        How many packages the finished environment has, about; 0 when unknown.
    """

    def __init__(self, expected=0):
        self.expected, self.start = expected, time.monotonic()
        self.found, self.current, self.megabytes, self.to_install, self.installed = set(), "", 0.0, 0, 0

    def read(self, line):
        """Take one line of pip's output."""
        if match := COLLECTING.match(line):
            self.found.add(re.split(r"[<>=!~;\[(]", match[1])[0].lower())
            self.current = match[1]
        elif ".metadata" not in line and (match := FETCHING.match(line)):
            size = float(match[2]) * MEGABYTES.get(match[3], 1.0) if match[2] else 0.0
            self.megabytes += size
            self.current = match[1].rsplit("/", 1)[-1] + (f" ({size:.0f} MB)" if size >= 1 else "")
        elif match := INSTALLING.match(line):
            self.to_install = len(match[1].split(","))

    @property
    def stage(self):
        """str: what pip does now; a change is worth a line of its own."""
        if self.to_install:
            return "Installing"
        return "Downloading" if self.megabytes else "Finding"

    @property
    def line(self):
        """str: the line for the user."""
        seconds = int(time.monotonic() - self.start)
        clock = f"{seconds // 60}:{seconds % 60:02d}"
        if self.to_install:
            return (
                f"[{clock}] Installing: {min(self.installed, self.to_install)} of {self.to_install} packages written"
            )
        of = f" of about {self.expected}" if self.expected >= len(self.found) and self.expected else ""
        size = f", {self.megabytes:.0f} MB" if self.megabytes else ""
        return f"[{clock}] Packages: {len(self.found)}{of}{size}; now {self.current or 'starting'}"


def run_pip(
    command,
    log,
    environment,
    *,
    packages=None,
    expected=0,
    held=None,
    stream=None,
    interval=15.0,
    popen=subprocess.Popen,
):
    """Run a pip command, everything it writes kept in `log`.

    Parameters
    ----------
    command : list of str
        The whole command.
    log : Path
        File that the output is appended to.
    environment : dict
        Of the child.
    packages : Path, optional
        The environment's site-packages folder; finished packages are counted in it.
    expected : int
        Packages of the finished environment, about.
    held : int, optional
        Descriptor of the lock, which pip keeps: when run.py is killed, the next one waits until pip has ended.
    stream : file, optional
        Where progress goes (standard output). On a terminal one line is rewritten; elsewhere there is a
        line every `interval` seconds.
    interval : float
        Seconds between lines when `stream` is no terminal.
    popen : callable
        Stands for `subprocess.Popen`.

    Returns
    -------
    tuple of (int, str)
        Exit status and what pip wrote.
    """
    stream = stream or sys.stdout
    progress = Progress(expected)
    begin = log.stat().st_size if log.exists() else 0
    with open(log, "ab") as out:
        out.write(f"$ {' '.join(command)}\n".encode())
        out.flush()
        keep = {"pass_fds": (held,)} if held is not None and os.name != "nt" else {}
        process = popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=environment, **keep
        )
    try:
        code = _watch(process, log, begin, packages, progress, stream, interval)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    with open(log, "rb") as text:
        text.seek(begin)
        return code, text.read().decode("utf-8", "replace")


def _watch(process, log, begin, packages, progress, stream, interval):
    terminal = hasattr(stream, "isatty") and stream.isatty()
    before = _count(packages)
    shown, stage, rest = 0.0, "", b""
    with open(log, "rb") as text:
        text.seek(begin)
        while True:
            code = process.poll()
            *lines, rest = (rest + text.read()).split(b"\n")
            for line in lines:
                progress.read(line.decode("utf-8", "replace").rstrip())
            if progress.to_install:
                progress.installed = _count(packages) - before
            due = terminal or progress.stage != stage or time.monotonic() - shown >= interval
            if due:
                width = os.get_terminal_size(stream.fileno()).columns if terminal else 119
                line = progress.line[: max(width - 1, 20)]
                stream.write(f"\r{line:<{max(width - 1, 20)}}" if terminal else line + "\n")
                stream.flush()
                shown, stage = time.monotonic(), progress.stage
            if code is not None:
                if terminal:
                    stream.write("\n")
                return code
            time.sleep(0.2)


def _count(packages):
    """Packages finished in a site-packages folder: pip writes INSTALLER when a package's files are all there."""
    return sum(1 for _ in Path(packages).glob("*.dist-info/INSTALLER")) if packages else 0

"""Packages of the operating system that Qt and VTK need: named when missing, installed under root on Debian."""

import ctypes
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from . import ROOT, SetupError

TESTS_LIST = ROOT / "Testing" / "endtoend" / "debian-packages.txt"
POLICY = Path("/usr/sbin/policy-rc.d")
DEBIAN_LIST = ROOT / "Testing" / "Host" / "debian-packages.txt"
# What the Debian packages stand for, on other Linux systems, with the name of the package in Fedora and its relatives.
LIBRARIES = {
    "libEGL.so.1": "mesa-libEGL",
    "libGL.so.1": "mesa-libGL",
    "libxkbcommon.so.0": "libxkbcommon",
    "libdbus-1.so.3": "dbus-libs",
    "libfontconfig.so.1": "fontconfig",
    "libglib-2.0.so.0": "glib2",
}


def read_list(path=DEBIAN_LIST):
    """Return the package names in a list file: one a line, '#' starts a comment."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [name for name in (line.partition("#")[0].strip() for line in lines) if name]


def missing_debian(wanted, run=subprocess.run):
    """Return those of the package names `wanted` that dpkg does not have, under that name or provided by another."""
    answer = run(
        ["dpkg-query", "-W", "-f=${Package}\t${db:Status-Status}\t${Provides}\n"], capture_output=True, text=True
    )
    there = set()
    for line in answer.stdout.splitlines():
        name, status, provides = (line.split("\t") + ["", ""])[:3]
        if status == "installed":
            # Newer releases renamed packages (libglib2.0-0t64); they still provide the old name.
            there |= {name} | {part.split("(")[0].strip().split(":")[0] for part in provides.split(",")}
    return [name for name in wanted if name not in there]


def missing_libraries(load=ctypes.CDLL):
    """Return those of `LIBRARIES` that this system's loader does not find."""
    missing = []
    for name in LIBRARIES:
        try:
            load(name)
        except OSError:
            missing.append(name)
    return missing


def check(interpreter=None, say=lambda line: None, run=subprocess.run, log=None, *, which=shutil.which, root=None):
    """Make sure that the system packages are there.

    Parameters
    ----------
    interpreter : Interpreter, optional
        The Python that will build the environment; its own venv package is asked for when it lacks one.
    say : callable
        Takes a line for the user.
    run : callable
        Stands for `subprocess.run`.
    log : path, optional
        File that takes what apt-get writes.
    which : callable
        Stands for `shutil.which`.
    root : bool, optional
        Whether packages may be installed; by default whether run.py runs as root.

    Raises
    ------
    SetupError
        Names what is missing and the command that installs it.
    """
    no_venv = interpreter is not None and not interpreter.can_make_environments
    if which("dpkg-query") and which("apt-get"):
        wanted = read_list()
        if no_venv:
            wanted.append("python{}.{}-venv".format(*interpreter.version))
        missing = missing_debian(wanted, run)
        if missing:
            _install_debian(missing, say, run, log, os_root() if root is None else root)
        return
    if no_venv:
        raise SetupError(f"{interpreter.path} has no venv module. Install it, or name another Python with --python.")
    missing = missing_libraries() if sys.platform.startswith("linux") else []
    if missing:
        packages = " ".join(LIBRARIES[name] for name in missing)
        raise SetupError(
            f"These system libraries are missing: {', '.join(missing)}. Install them with your package manager, "
            f"for example: sudo dnf install {packages}"
        )


def check_tests(say=lambda line: None, run=subprocess.run, log=None, *, which=shutil.which, root=None, policy=POLICY):
    """Install what only the end-to-end tests use, under root on Debian; elsewhere or when it fails they are skipped.

    Parameters
    ----------
    say, run, log, which, root
        As for `check`.
    policy : Path
        The file by which Debian asks whether an installed service may start: these are for the tests only.
    """
    if not (which("dpkg-query") and which("apt-get")) or not (os_root() if root is None else root):
        return
    missing = missing_debian(read_list(TESTS_LIST), run)
    if not missing:
        return
    try:
        with _no_services(policy):
            _install_debian(missing, say, run, log, True)
    except (SetupError, OSError) as error:
        say(f"The tests that need {', '.join(missing)} are skipped: {error}")


@contextmanager
def _no_services(policy):
    """Keep packages from starting their services; what the system's administrator has decided stays."""
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    try:
        policy.chmod(0o755)
        yield
    finally:
        policy.unlink()


def os_root():
    """bool: whether this process may install system packages."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _install_debian(missing, say, run, log, root):
    command = "apt-get install -y --no-install-recommends " + " ".join(missing)
    if not root:
        raise SetupError(f"These system packages are missing: {', '.join(missing)}. Install them with: sudo {command}")
    say(f"Installing {len(missing)} system packages: {', '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    text = ""
    for step in (["apt-get", "update"], command.split()):
        answer = run(step, capture_output=True, text=True, errors="replace", env=environment)
        text += f"$ {' '.join(step)}\n{answer.stdout}{answer.stderr}"
        if log is not None:
            log.write_text(text, encoding="utf-8")
        # A failed update (one source down) still lets the packages be installed from what is known.
        if answer.returncode and step[1] == "install":
            last = [line.strip() for line in text.splitlines() if line.strip()][-1]
            raise SetupError(
                f"The system packages could not be installed ({last}). Try it by hand: {command}"
                + (f"\nThe full log: {log}" if log is not None else "")
            )

"""How a child process of this library is started: with the same Python, and with the libraries in its path."""

import os
import sys
from pathlib import Path

import BreastSegLib

import BreastSegTrainingLib


def command(module, *arguments):
    """Return the command that runs a module of ours, such as ``process``."""
    return (sys.executable, "-m", f"BreastSegTrainingLib.{module}", *map(str, arguments))


def environment():
    """Return the variables that a child needs to find the libraries."""
    folders = [str(Path(package.__file__).resolve().parents[1]) for package in (BreastSegLib, BreastSegTrainingLib)]
    known = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    return {"PYTHONPATH": os.pathsep.join(dict.fromkeys([*folders, *known]))}

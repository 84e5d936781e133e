"""The verbs of the command line, one file each."""

from .parser import run

__all__ = ["run"]

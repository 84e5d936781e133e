"""The verbs of the command line, one file each. Exit code 0: done; 2: bad input, said in one line."""

from .parser import run

__all__ = ["run"]

"""The command line: ``python -m BreastSegTrainingLib VERB …``."""

import sys

from .commands import run


def main(argv=None):
    """Run one command and return its exit code (the arguments of the process when none are given)."""
    return run(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())

"""The command line: ``python -m BreastSegLib VERB …``."""

import sys

from .commands import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))

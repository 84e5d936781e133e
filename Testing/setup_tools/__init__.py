"""What run.py is made of: interpreter, system packages, environment, test groups. Standard library only."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class SetupError(Exception):
    """Set-up cannot go on; the text tells the user why, and what to do, in plain sentences."""

"""What ``Resources/layouts.json`` says about the layouts."""

import json
from functools import cache
from pathlib import Path

FILE = Path(__file__).resolve().parents[3] / "Resources" / "layouts.json"


@cache
def description():
    """Return the content of the file."""
    return json.loads(FILE.read_text(encoding="utf-8"))

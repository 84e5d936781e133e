"""What the real application was seen to expose: the extract of its recorded Python interface."""

import functools
import json
import pathlib

from .pythonqt import errors

PATH = pathlib.Path(__file__).parent / "data" / "slicer-record.json"


@functools.cache
def load() -> dict:
    """Return the extract (see ``makerecord.py``)."""
    return json.loads(PATH.read_text(encoding="utf-8"))


class NotProvided(errors.NotProvided):
    """The real application has this name, but the host has not built it."""

    def __init__(self, owner: str, name: str):
        super().__init__(f"{owner}.{name}")

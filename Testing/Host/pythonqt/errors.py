"""What the host raises and what it logs: names that are recorded but not built, and exceptions in slots."""

import sys
import traceback

slotErrors = []
"""Tracebacks (text) of exceptions that slots, timers and virtual functions raised, newest last; tests look here."""


class NotProvided(AttributeError):
    """The real application has this name, the host has not built it."""

    def __init__(self, name):
        super().__init__(f"recorded in Slicer but not provided by the host: {name}")


def reportSlotError():
    """Log the current exception as PythonQt does: to stderr, never to the caller of the signal."""
    text = traceback.format_exc()
    slotErrors.append(text)
    sys.stderr.write(text)

"""How a batch goes: for a person on a terminal, or as JSON lines for a program."""

import json
import sys

from .progress import ProgressLine


class Words:
    """Tells a person on a terminal how the batch goes."""

    ended = False

    def __init__(self):
        self._line = ProgressLine()

    def __call__(self, event):
        kind = event["event"]
        if kind == "progress":
            if sys.stderr.isatty():  # a log gets one line for each case
                self._line(_for_line(event))
            return
        if kind in ("running", "error"):
            return
        self._line.close()
        if kind == "start":
            for note in event["notes"]:
                sys.stderr.write(f"Note: {note}\n")
            finished = f", {event['finished']} of them finished already" if event["finished"] else ""
            sys.stdout.write(f"{len(event['cases'])} cases{finished}\n")
        elif kind == "note":
            sys.stderr.write(f"Note: {event['message']}\n")
        elif kind == "case":
            sys.stdout.write(_case_line(event) + "\n")
        elif kind == "done":
            sys.stdout.write(event["line"] + "\n")
        sys.stdout.flush()

    def close(self):
        """End the line of the progress."""
        self._line.close()


class Events:
    """Writes the events as JSON lines."""

    ended = False

    def __call__(self, event):
        self.ended = event["event"] in ("done", "error")
        sys.stdout.write(json.dumps(event, ensure_ascii=True) + "\n")
        sys.stdout.flush()

    def close(self):
        """Nothing is left to write."""


def _for_line(event):
    """Return a progress event whose stage says which case it is of."""
    if not event["case"]:
        return event
    left = f", batch about {_duration(event['left_s'])} left" if event["left_s"] is not None else ""
    return {**event, "stage": f"{event['case']} ({event['number']} of {event['of']}{left}): {event['stage']}"}


def _case_line(event):
    if event["state"] != "done":
        return f"{event['case']}: {event['state']}: {event.get('message') or event['reason']}"
    size = f", largest {event['largest_cm3']} cm³" if event["largest_cm3"] else ""
    size = f", largest {event['largest_mm2']} mm²" if event["largest_mm2"] else size
    count = event["lesions"]
    return f"{event['case']}: {count or 'no'} lesion{'s' if count != 1 else ''}{size}, {event['seconds']} s"


def _duration(seconds):
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"

"""Progress on a terminal: one line that is rewritten, or one line a stage when the output is not a terminal."""

import sys


class ProgressLine:
    """Shows progress events on standard error."""

    def __init__(self, stream=None):
        self._stream = stream or sys.stderr
        self._stage = None
        self._terminal = self._stream.isatty()

    def __call__(self, event):
        if event["event"] != "progress":
            return
        stage, done, total, eta = event["stage"], event["done"], event["total"], event["eta_s"]
        if self._terminal:
            left = f", about {eta:.0f} s left" if eta else ""
            share = f": {100 * done / total:3.0f} %" if total else " …"
            self._stream.write(f"\r\033[K{stage}{share}{left}")
        elif stage != self._stage:
            self._stream.write(f"{stage} …\n")
        self._stage = stage
        self._stream.flush()

    def close(self):
        """End the line."""
        if self._terminal and self._stage:
            self._stream.write("\r\033[K")
            self._stream.flush()

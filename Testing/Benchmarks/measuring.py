"""Honest timings: whole processes with everything they start, in turn, and ratios of the same round."""

import statistics
import subprocess
import threading
import time

import psutil


class PeakMemory(threading.Thread):
    """Samples the memory of a process and all its children every 50 ms.

    On Linux the proportional set size, so that pages that several processes share count once; elsewhere what is
    resident, summed.
    """

    def __init__(self, pid):
        super().__init__(daemon=True)
        self._process, self._ended = psutil.Process(pid), threading.Event()
        self.bytes = 0

    def run(self):
        while not self._ended.wait(0.05):
            try:
                family = [self._process, *self._process.children(recursive=True)]
                self.bytes = max(self.bytes, sum(_memory(process) for process in family))
            except psutil.NoSuchProcess:
                return

    def finish(self):
        """Stop sampling and return the peak in bytes."""
        self._ended.set()
        self.join()
        return self.bytes


def _memory(process):
    try:
        return getattr(process.memory_full_info(), "pss", None) or process.memory_info().rss
    except psutil.Error:
        return 0


def time_command(command, environment=None, memory=True):
    """Run a command to its end; return seconds and peak memory in bytes (see `PeakMemory`).

    Without `memory` it is not sampled, which takes some time of one processor, and 0.

    Raises
    ------
    RuntimeError
        If it fails; the message holds the end of its output.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, text=True, errors="replace"
    )
    peak = PeakMemory(process.pid)
    if memory:
        peak.start()
    output, _ = process.communicate()
    seconds = time.perf_counter() - start
    if memory:
        peak.finish()
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}: {output[-1500:]}")
    return seconds, peak.bytes


def summary(values, digits=2):
    """Return ``median (lowest-highest)`` of a list of numbers."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def dice(a, b):
    """Return the Dice of two masks; 1 where both are empty."""
    a, b = a > 0, b > 0
    both = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / both if both else 1.0


def row(label, values, unit="", expected="", digits=2):
    """Print one line of a report."""
    print(
        f"{label:62s} {summary(values, digits)}{unit and ' ' + unit}{expected and '  expected: ' + expected}",
        flush=True,
    )

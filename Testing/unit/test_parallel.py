"""Work in several processes: every item has an outcome, whatever happens to its process."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import psutil
import pytest
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegTrainingLib import parallel
from BreastSegTrainingLib.parallel import each


def square(number):
    if number == 3:
        raise BadInput("Three is not squared", "here", "Take another")
    if number == 4:
        raise ZeroDivisionError("/secret/path")
    return number * number


def kills_itself(item):
    number, marks = item
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 5 and not (Path(marks) / "once").exists():  # dies once, as when memory was short for a moment
        (Path(marks) / "once").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def waits(seconds):
    time.sleep(seconds)
    return os.getpid()


@pytest.mark.parametrize("workers", [1, 2])
def test_every_item_has_an_outcome_and_errors_are_its_own(workers):
    reports = []
    outcomes = {one.index: one for one in each(square, range(7), workers, lambda *given: reports.append(given))}
    assert sorted(outcomes) == list(range(7))
    assert [outcomes[k].result for k in (0, 1, 2, 5, 6)] == [0, 1, 4, 25, 36]
    assert outcomes[3].error.line == "Three is not squared (here). Take another."
    assert "ZeroDivisionError" in outcomes[4].error.line and "secret" not in outcomes[4].error.line
    assert reports[0] == ("Working", 0, 7) and reports[-1] == ("Working", 7, 7)
    assert [done for _, done, _ in reports] == sorted(done for _, done, _ in reports)


def test_a_process_that_dies_takes_only_its_own_item_along(tmp_path):
    outcomes = {one.index: one for one in each(kills_itself, [(k, str(tmp_path)) for k in range(8)], 2)}
    assert sorted(outcomes) == list(range(8))
    assert "ended before it had finished" in outcomes[2].error.line
    assert [outcomes[k].result for k in range(8) if k != 2] == [k for k in range(8) if k != 2]


def test_an_item_is_not_lost_when_its_pool_breaks_as_it_is_handed_over(monkeypatch):
    """The pool can break between two submits, before `wait` has told of it."""

    class Breaking(ThreadPoolExecutor):
        broken = [2]  # pools that break at their third item

        def submit(self, *given):
            self.count = getattr(self, "count", 0) + 1
            if self.count == 3 and self.broken[0]:
                self.broken[0] -= 1
                raise BrokenProcessPool()
            return super().submit(*given)

    monkeypatch.setattr(parallel, "_executor", lambda workers: Breaking(workers))
    outcomes = [one.index for one in each(square, range(7), 2)]
    assert sorted(outcomes) == list(range(7))


def test_windows_can_wait_for_61_processes(monkeypatch):
    asked = []
    monkeypatch.setattr(parallel.sys, "platform", "win32")
    monkeypatch.setattr(parallel, "_executor", lambda workers: asked.append(workers) or ThreadPoolExecutor(2))
    assert len(list(each(square, range(100), 96))) == 100 and asked == [61]


def test_a_cancel_ends_the_processes_soon():
    def report(_stage, done, _total):
        if time.monotonic() - start > 1.5:
            raise Cancelled()

    before, start = set(psutil.Process().children(recursive=True)), time.monotonic()
    with pytest.raises(Cancelled):
        list(each(waits, [60.0] * 4, 2, report))
    started = set(psutil.Process().children(recursive=True)) - before
    # What keeps the list of shared things belongs to Python, and stays.
    working = [process for process in started if "spawn_main" in _command(process)]
    assert psutil.wait_procs(working, timeout=10)[1] == []


def _command(process):
    """Return the command line of a process; '' when it has ended."""
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


SCRIPT = """
import sys
from test_parallel import waits
from BreastSegTrainingLib.parallel import each
if __name__ == "__main__":
    for one in each(waits, [0.0, 0.0, 300.0, 300.0], 2):
        print(one.result, flush=True)
"""


def test_no_process_outlives_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(SCRIPT)
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    process = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}
    )
    workers = {int(process.stdout.readline()) for _ in range(2)}
    family = psutil.Process(process.pid).children(recursive=True)
    assert workers and family
    process.kill()
    process.wait()
    gone, alive = psutil.wait_procs(family, timeout=20)
    assert alive == [] and process.stdout.close() is None

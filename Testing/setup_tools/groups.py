"""The test groups: each one pytest process, in order, stopping at the first that fails."""

import subprocess
import time
import xml.etree.ElementTree as xml
from pathlib import Path

from . import SetupError

GROUPS = (
    ("unit", "structure and unit tests", "Testing/unit"),
    ("host", "host tests", "Testing/host_tests"),
    ("endtoend", "end-to-end tests", "Testing/endtoend"),
)
# Whole groups that run in two processes; a file's tests stay in one of them, as they share what is slow to make.
PARALLEL = {"unit": ("-n", "2", "--dist", "loadfile")}
NOTHING_COLLECTED = 5


class Counts:
    """Passed, failed (errors included) and skipped tests."""

    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def __add__(self, other):
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    @property
    def line(self):
        """str: the last line of a test run."""
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def read_junit(path):
    """Return the `Counts` of a JUnit XML file; a missing or cut-off file counts as one failure."""
    try:
        suites = list(xml.parse(path).getroot().iter("testsuite"))
        number = {
            name: sum(int(s.get(name, 0)) for s in suites) for name in ("tests", "failures", "errors", "skipped")
        }
    except (OSError, xml.ParseError, ValueError):
        return Counts(failed=1)
    failed = number["failures"] + number["errors"]
    return Counts(max(number["tests"] - failed - number["skipped"], 0), failed, number["skipped"])


def plan(arguments, root):
    """Split the user's arguments: which groups run, with which paths, and what goes to pytest.

    Parameters
    ----------
    arguments : list of str
        What followed ``run.py test``.
    root : Path
        The project folder.

    Returns
    -------
    tuple of (list, list)
        Rows (group, paths) and the remaining arguments.

    Raises
    ------
    SetupError
        If a path lies in no group.
    """
    paths = [a for a in arguments if not a.startswith("-") and (root / a.split("::")[0]).exists()]
    rest = [a for a in arguments if a not in paths]
    if not paths:
        return [(group, [group[2]]) for group in GROUPS], rest
    rows, placed = [], set()
    for group in GROUPS:
        folder = (root / group[2]).resolve()
        mine = [p for p in paths if (root / p.split("::")[0]).resolve().is_relative_to(folder)]
        placed.update(mine)
        if mine:
            rows.append((group, mine))
    for path in paths:
        if path not in placed:
            raise SetupError(f"{path} is in none of the test folders: {', '.join(group[2] for group in GROUPS)}.")
    return rows, rest


def run_tests(python, arguments, root, environment, *, say=print, run=subprocess.run):
    """Run the test groups and return the exit status.

    Parameters
    ----------
    python : Path
        The environment's Python.
    arguments : list of str
        For pytest.
    root : Path
        The project folder; results go to ``test-artefacts`` in it.
    environment : dict
        Of the children.
    say : callable
        Takes a line for the user.
    run : callable
        Stands for `subprocess.run`.
    """
    rows, rest = plan(arguments, root)
    artefacts = root / "test-artefacts"
    artefacts.mkdir(exist_ok=True)
    total, status, collected = Counts(), 0, False
    for (name, title, folder), paths in rows:
        say(f"\n== {title} ==")
        report = artefacts / f"junit-{name}.xml"
        report.unlink(missing_ok=True)
        shared = PARALLEL.get(name, ()) if paths == [folder] and not rest else ()
        command = [str(python), "-m", "pytest", *paths, *shared, "-x", "-q", "--durations=15"]
        command += [f"--junitxml={report}", *rest]
        start = time.monotonic()
        code = run(command, cwd=root, env=environment).returncode
        empty = code == NOTHING_COLLECTED
        counts = Counts() if empty else read_junit(report)
        # Tests chosen by name need not exist in every group; a whole group without tests is a fault.
        ok = code == 0 or (empty and bool(rest))
        if not ok and not counts.failed:
            counts += Counts(failed=1)
        collected = collected or not empty
        total += counts
        say(f"{title}: {_outcome(code, empty, ok)} in {time.monotonic() - start:.0f} s")
        if not ok:
            status = 1
            break
    if status == 0 and not collected:
        say("No test matched.")
        total, status = total + Counts(failed=1), 1
    say("")
    say(total.line)
    return status


def _outcome(code, empty, ok):
    if empty:
        return "no test matched" if ok else "FAILED, no tests were found"
    if ok:
        return "passed"
    return "FAILED" if code == 1 else f"FAILED, pytest ended with status {code}"


def benchmarks(root):
    """Return {name: file} of the benchmarks."""
    return {p.stem[len("bench_") :]: p for p in sorted(Path(root, "Testing", "Benchmarks").glob("bench_*.py"))}

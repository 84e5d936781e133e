"""Whether an interpreter can run models: the parent's side of `environment`, for windows and the command line."""

import json
import os
import subprocess
import sys
import tempfile
import time

from .child import PACKAGE_FOLDER, child_environment
from .processtree import end_tree, start_options
from .requirements import IMPORT_LIMIT_S, REPORT_FORMAT

LIMIT_S = 600.0  # all imports together; one that hangs is noticed much earlier by the child itself
OUTPUT_LIMIT = 4 * 2**20
LITTLE_MEMORY, LITTLE_DISK = 4 * 2**30, 2 * 2**30
RUN = "Run: "
CHOOSE = "Choose another Python interpreter, 3.11 or newer"


class Checkup:
    """One look at an interpreter, which goes on in a child process while the caller does other things.

    Parameters
    ----------
    python : str, optional
        The interpreter; the running one when not given.
    environment : dict, optional
        Environment of the child; the running one when not given. Slicer gives its start-up environment.
    limit_s : float
        The child is ended when it has not answered by then.
    import_limit_s : float
        The longest that one package may take to import.

    Notes
    -----
    `poll` never raises and never blocks: an interpreter that does not exist gives a report as well.
    """

    def __init__(self, python=None, environment=None, limit_s=LIMIT_S, import_limit_s=IMPORT_LIMIT_S):
        self.python = _absolute(str(python or sys.executable))
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        self._process = self._report = None
        self._deadline, self._limit_s = time.monotonic() + limit_s, limit_s
        command = [self.python, "-m", "BreastSegLib.inference.environment", "--watched"]
        try:
            self._process = subprocess.Popen(
                [*command, "--limit", str(import_limit_s)],
                stdin=subprocess.PIPE,  # closed when this process is gone: the child then ends itself
                stdout=self._output,  # files and no pipes: nobody has to read while it runs
                stderr=self._errors,
                cwd=PACKAGE_FOLDER,  # Python imports from here first: not from where the user happens to be
                env=child_environment(os.environ if environment is None else environment),
                **start_options(),
            )
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
            self._finish(_failure(self.python, _why_not_started(error), CHOOSE))

    def poll(self):
        """Return the report once it is there, else None; never blocks.

        Returns
        -------
        dict or None
            See `environment.survey`. Of an interpreter that gave no answer: ``failed`` {why, mend} and ``python``.
        """
        if self._report is not None:
            return self._report
        code = self._process.poll()
        if code is not None:
            self._finish(self._answer(code))
        elif time.monotonic() > self._deadline:
            self._finish(_failure(self.python, f"It did not answer within {self._limit_s:.0f} s", CHOOSE))
        elif os.fstat(self._output.fileno()).st_size > OUTPUT_LIMIT:
            self._finish(_failure(self.python, "It writes without end and is no Python", CHOOSE))
        return self._report

    def wait(self):
        """Wait for the report and return it."""
        while self.poll() is None:
            time.sleep(0.02)
        return self._report

    def close(self):
        """End the child if it still runs; the report stays if there is one."""
        if self._process is not None:
            end_tree(self._process)
            self._process.stdin.close()
            self._process = None
            if self._report is None:
                self._report = _failure(self.python, "The check was stopped", "Check again")
        self._output.close()
        self._errors.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _finish(self, report):
        self._report = report
        self.close()

    def _answer(self, code):
        self._output.seek(0)
        for line in reversed(self._output.read(OUTPUT_LIMIT).splitlines()):
            try:
                report = json.loads(line)
            except ValueError:
                continue
            if isinstance(report, dict) and report.get("format") == REPORT_FORMAT:
                return report
        return _failure(self.python, _why_no_answer(code, self._last_error()), CHOOSE)

    def _last_error(self):
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - 8192))
        lines = self._errors.read().decode("utf-8", "replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")[:200]


def works(report):
    """Return whether a model can be run, be it only on the CPU."""
    return all(row["state"] != "missing" for row in rows(report))


def rows(report):
    """Return what to show of a report, in the order of the checks.

    Returns
    -------
    list of dict
        ``what`` (Python, a package, a device …), ``found``, ``state`` (``ok``, ``warning``, or ``missing``: no run
        can work) and ``mend``: what to do about it, '' where nothing is to be done.
    """
    if "failed" in report:
        failed = report["failed"]
        return [_row("Python", f"{report['python']['path']}: {failed['why']}", "missing", failed["mend"])]
    python = report["python"]
    found = f"{python['version']} ({python['path']})"
    if not python["ok"]:
        return [_row("Python", f"{found}: {python['why']}", "missing", CHOOSE)]
    result = [_row("Python", found)]
    result += [_package_row(name, row, report) for name, row in report["packages"].items()]
    result += _device_rows(report)
    result += [_memory_row(report["memory"]), _temporary_row(report["temp"])]
    return result


def _row(what, found, state="ok", mend=""):
    return {"what": what, "found": found, "state": state, "mend": mend}


def _package_row(name, row, report):
    version = row["version"] or "there"
    if row["ok"]:
        mend = _mend(name, report) if row["note"] else ""
        return _row(name, version + (f" ({row['note']})" if row["note"] else ""), "warning" if mend else "ok", mend)
    if row["why"].startswith("was not tried"):
        return _row(name, f"{version}, {row['why']}", "missing", "See the packages that do not work")
    found = row["why"] if row["version"] is None or row["version"] in row["why"] else f"{version}, {row['why']}"
    return _row(name, found, "missing", _mend(name, report))


def _mend(name, report):
    """Return how a package is brought in order, in the way that suits the interpreter."""
    needed = report["packages"][name]["needed"]
    pair = name in ("torch", "torchvision", "timm")
    broken = report["packages"][name]["why"] and report["packages"][name]["why"] != "is not installed"
    if report["slicer"]:
        if pair:
            text = "Install the extension PyTorch with the Extensions Manager and restart Slicer"
            return text + ("; then reinstall PyTorch in the module that it adds" if broken else "")
        return "Press Segment in the module and agree to the installation"
    names = ["torch" + report["packages"].get("torch", _nothing())["needed"], "torchvision"] if pair else []
    names += [] if name in ("torch", "torchvision") else [name + needed]
    return RUN + _pip(report, names, again=broken and pair)


def install_all(report):
    """Return the one command that installs every package that is missing or does not work; '' where there is none."""
    bad = [name for name, row in report.get("packages", {}).items() if not row["ok"]]
    if report.get("slicer") or not bad:
        return ""
    if {"torch", "torchvision"} & set(bad):  # only together do they become a pair
        bad = ["torch", "torchvision", *(name for name in bad if name not in ("torch", "torchvision"))]
    return _pip(report, [name + report["packages"].get(name, _nothing())["needed"] for name in bad])


def _pip(report, names, again=False):
    words = " ".join(f'"{word}"' if set(word) & set("<>!*=") else word for word in names)
    return f'"{report["python"]["path"]}" -m pip install --upgrade {"--force-reinstall " if again else ""}{words}'


def _nothing():
    """Return the row of a package that the requirements do not name."""
    return {"version": None, "needed": "", "ok": False, "why": "", "note": ""}


def _device_rows(report):
    if not report["packages"].get("torch", _nothing())["ok"]:
        return []
    result = []
    for device in report["devices"]:
        if device["device"] == "cpu":
            continue
        found = f"{device['name']}, {_size(device['memory_free'])} of {_size(device['memory_total'])} free"
        if device["problem"]:
            mend = "Install a PyTorch build that supports this GPU, or run on the CPU (slower)"
            result.append(_row(device["device"], device["problem"], "warning", mend))
        else:
            result.append(_row(device["device"], found))
    if report["gpu"] is not None:
        driver = f" (driver {report['driver']})" if report["driver"] else ""
        result.append(_row("GPU", report["gpu"]["why"] + driver, "warning", report["gpu"]["mend"]))
    return result


def _memory_row(memory):
    if memory["free"] is None:
        return _row("Memory", "unknown")
    found = f"{_size(memory['free'])} of {_size(memory['total'])} free"
    if memory["free"] < LITTLE_MEMORY:
        return _row("Memory", found, "warning", "Close other programs: a large exam can take 4 GB and more")
    return _row("Memory", found)


def _temporary_row(temp):
    if not temp["writable"]:
        found = f"{temp['path'] or 'none'}: cannot be written" + (f" ({temp['why']})" if temp.get("why") else "")
        return _row(
            "Temporary folder", found, "missing", "Set the variable TMPDIR (Windows: TEMP) to a folder of yours"
        )
    found = f"{temp['path']}, {_size(temp['free'])} free"
    if temp["free"] < LITTLE_DISK:
        return _row("Temporary folder", found, "warning", "Free some space: the images of a large exam can take 2 GB")
    if not temp["ascii"]:
        mend = "Set the variable TMPDIR (Windows: TEMP) to a folder whose path has plain letters only"
        return _row(
            "Temporary folder", f"{found}; its path has letters that image readers may not know", "warning", mend
        )
    return _row("Temporary folder", found)


def _size(count):
    return "unknown" if count is None else f"{count / 2**30:.1f} GB"


def _failure(python, why, mend):
    return {
        "format": REPORT_FORMAT,
        "python": {"path": python, "version": None, "ok": False, "why": why},
        "failed": {"why": why, "mend": mend},
    }


def _absolute(python):
    """Return a path that holds in the child's folder; a bare name is looked for as the system does."""
    bare = os.path.basename(python) == python
    return python if bare else os.path.abspath(python)  # links stay: an environment's Python is one


def _why_not_started(error):
    if isinstance(error, FileNotFoundError):
        return "There is no such program"
    if isinstance(error, PermissionError):
        return "It cannot be started: no permission, or it is a folder"
    return f"It cannot be started: {getattr(error, 'strerror', None) or error}"


def _why_no_answer(code, said):
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    if "SyntaxError" in said or said.startswith("ImportError: No module named"):
        return "It is a Python that is too old"
    return f"It is no working Python: it {how}" + (f" and said: {said}" if said else "")

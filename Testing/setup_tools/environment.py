"""The project's own Python environment: built once, completed when half-built, renewed when requirements change."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from . import ROOT, SetupError
from .explain import explain
from .install import run_pip

# Imported once after an installation, so that a package that does not load is found here, not in the middle of a run.
IMPORTS = "numpy", "scipy", "SimpleITK", "pydicom", "skimage", "torch", "torchvision", "PySide6", "pytest"


class Environment:
    """The environment in `folder`.

    Parameters
    ----------
    root : Path
        The project folder.
    requirements, constraints : Path
        The pinned lists.
    say : callable
        Takes a line for the user.
    run : callable
        Stands for `subprocess.run`.
    run_pip : callable
        Stands for `install.run_pip`.
    imports : tuple of str
        Packages that must import afterwards.
    """

    def __init__(
        self,
        root=ROOT,
        requirements=None,
        constraints=None,
        *,
        say=print,
        run=subprocess.run,
        run_pip=run_pip,
        imports=IMPORTS,
    ):
        self.root = Path(root)
        self.folder = self.root / ".venv"
        self.log = self.root / ".venv-setup.log"
        self.stamp_file = self.folder / "setup-stamp.json"
        self.requirements = Path(requirements or self.root / "Testing" / "requirements.txt")
        self.constraints = Path(constraints or self.root / "Testing" / "constraints.txt")
        self.say, self.run, self.run_pip, self.imports = say, run, run_pip, imports

    @property
    def python(self):
        """Path: the environment's Python."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def space(self):
        """int: GB that an installation takes, about (on Linux, torch brings the CUDA libraries)."""
        return 9 if sys.platform.startswith("linux") else 4

    def requirements_hash(self):
        """Return the hash of what is to be installed (both lists)."""
        digest = hashlib.sha256()
        for path in (self.requirements, self.constraints):
            digest.update(path.read_text(encoding="utf-8").encode() + b"\0")
        return digest.hexdigest()

    def stamp(self):
        """Return the record of the last finished installation, or {} when there is none."""
        try:
            record = json.loads(self.stamp_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def python_version(self):
        """Return the version text of the environment's Python, or '' when it does not start."""
        try:
            answer = self.run(
                [str(self.python), "-I", "-c", "import platform; print(platform.python_version())"],
                capture_output=True,
                text=True,
                timeout=60,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return answer.stdout.strip() if answer.returncode == 0 else ""

    def state(self, wanted=None):
        """Return what the environment is.

        'ready', 'absent', 'unfinished' (interrupted), 'outdated' (other requirements) or 'foreign' (other Python).

        Parameters
        ----------
        wanted : Interpreter, optional
            The Python that the environment must have; None takes the one it has.
        """
        if not self.folder.exists():
            return "absent"
        version = self.python_version()
        if not version or (wanted is not None and _minor(version) != _minor(wanted.text)):
            return "foreign"
        stamp = self.stamp()
        if not stamp:
            return "unfinished"
        if _minor(stamp.get("python", "")) != _minor(version):
            return "foreign"
        return "ready" if stamp.get("requirements") == self.requirements_hash() else "outdated"

    def ensure(self, choose_interpreter, wanted=False):
        """Make the environment ready; does nothing when it is.

        Parameters
        ----------
        choose_interpreter : callable
            Gives the Interpreter; called only when something is to be built, or when `wanted`.
        wanted : bool
            The user named the interpreter, so the environment must have it.

        Raises
        ------
        SetupError
            If it cannot be built.
        """
        if self.state(choose_interpreter() if wanted else None) == "ready":
            return
        with lock(self.root / ".venv.lock", self.say) as held:
            self._build(choose_interpreter, wanted, held)

    def forget(self):
        """Remove the environment, so that `ensure` builds it from nothing."""
        with lock(self.root / ".venv.lock", self.say):
            if self.folder.exists():
                self.say("Removing the environment …")
                # The stamp goes first: an interrupted removal must not look like a finished environment.
                self.stamp_file.unlink(missing_ok=True)
                shutil.rmtree(self.folder)

    def _build(self, choose_interpreter, wanted, held):
        interpreter = choose_interpreter()
        state = self.state(interpreter if wanted else None)
        if state == "ready":  # another run.py built it while this one waited
            return
        self.log.write_text("", encoding="utf-8")
        start = time.monotonic()
        self._announce(state, interpreter)
        if state in ("absent", "foreign") or not self._has_pip():
            self._create(interpreter)
        self.stamp_file.unlink(missing_ok=True)
        removed = remove_half_installed(self.packages_folder())
        if removed:
            self.say(f"Removed {removed} half-installed package(s).")
        self._install(held)
        problem = self._problem()
        if problem and state in ("unfinished", "outdated"):
            self.say("The environment cannot be mended; it is built anew.")
            self._create(interpreter)
            self._install(held)
            problem = self._problem()
        if problem:
            raise SetupError(f"The packages were installed, but do not load: {problem}\nThe full log: {self.log}")
        self._write_stamp()
        minutes, seconds = divmod(int(time.monotonic() - start), 60)
        self.say(f"The environment is ready ({self._packages()} packages, {minutes}:{seconds:02d} min).")

    def _announce(self, state, interpreter):
        what = {
            "absent": f"Making the project's own environment (.venv, Python {interpreter.text}); this happens once.",
            "unfinished": "An earlier set-up was interrupted; it is completed now.",
            "outdated": "The requirements have changed; the environment is brought up to date.",
            "foreign": "The environment has another Python or a broken one; "
            f"it is built anew with {interpreter.text}.",
        }[state]
        self.say(what)
        self.say(f"Full log: {self.log}")
        free = shutil.disk_usage(self.root).free / 1e9
        if state == "absent" and free < self.space:
            raise SetupError(
                f"The disk has {free:.1f} GB free, but the packages take about {self.space} GB. "
                "Free some space and try again."
            )

    def _has_pip(self):
        answer = self.run(
            [str(self.python), "-I", "-m", "pip", "--version"], capture_output=True, text=True, errors="replace"
        )
        return answer.returncode == 0

    def _create(self, interpreter):
        if self.folder.exists():
            self.stamp_file.unlink(missing_ok=True)
            shutil.rmtree(self.folder)
        answer = self.run(
            [interpreter.path, "-m", "venv", str(self.folder)],
            capture_output=True,
            text=True,
            errors="replace",
            env=_clean_environment(),
        )
        if answer.returncode:
            with open(self.log, "a", encoding="utf-8") as log:
                log.write(answer.stdout + answer.stderr)
            raise SetupError(
                "The empty environment could not be made. "
                + explain(answer.stdout + answer.stderr, answer.returncode, interpreter.text, self.space)
                + f"\nThe full log: {self.log}"
            )

    def _install(self, held):
        environment = _clean_environment()
        temporary = self.folder / "tmp"
        if os.name != "nt":
            # /tmp is often small; downloads of several GB go where the environment itself goes.
            temporary.mkdir(parents=True, exist_ok=True)
            environment["TMPDIR"] = str(temporary)
        command = [
            str(self.python),
            "-m",
            "pip",
            "install",
            "--no-input",
            "--progress-bar",
            "off",
            "--disable-pip-version-check",
            "-r",
            str(self.requirements),
            "-c",
            str(self.constraints),
        ]
        expected = sum(1 for line in self.constraints.read_text(encoding="utf-8").splitlines() if "==" in line)
        code, text = self.run_pip(
            command, self.log, environment, packages=self.packages_folder(), expected=expected, held=held
        )
        shutil.rmtree(temporary, ignore_errors=True)
        if code:
            raise SetupError(explain(text, code, self.python_version(), self.space) + f"\nThe full log: {self.log}")

    def _problem(self):
        """Return why the packages do not load, or ''."""
        self.say("Checking that the packages load …")
        code = f"import importlib\nfor name in {list(self.imports)!r}: importlib.import_module(name)"
        answer = self.run(
            [str(self.python), "-I", "-c", code],
            capture_output=True,
            text=True,
            errors="replace",
            env=_clean_environment(),
        )
        if answer.returncode == 0:
            return ""
        with open(self.log, "a", encoding="utf-8") as log:
            log.write(answer.stdout + answer.stderr)
        lines = [line.strip() for line in answer.stderr.splitlines() if line.strip()]
        return (lines or [f"the check ended with status {answer.returncode}"])[-1]

    def packages_folder(self):
        """Return the environment's site-packages folder."""
        if os.name == "nt":
            return self.folder / "Lib" / "site-packages"
        return next(iter(sorted(self.folder.glob("lib/python3*/site-packages"))), self.folder / "lib")

    def _packages(self):
        return sum(1 for _ in self.packages_folder().glob("*.dist-info"))

    def _write_stamp(self):
        record = {"requirements": self.requirements_hash(), "python": self.python_version()}
        temporary = self.stamp_file.with_suffix(".part")
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        os.replace(temporary, self.stamp_file)

    def child_environment(self, base=None):
        """Return the environment variables for programs that run in the environment."""
        variables = dict(os.environ if base is None else base)
        for name in ("PYTHONHOME", "__PYVENV_LAUNCHER__"):
            variables.pop(name, None)
        rooms = [self.root / name for name in ("BreastSeg", "BreastSegTraining", "Testing")]
        variables["PYTHONPATH"] = os.pathsep.join(map(str, rooms))
        variables["PATH"] = os.pathsep.join([str(self.python.parent), variables.get("PATH", "")])
        variables.update(VIRTUAL_ENV=str(self.folder), PYTHONNOUSERSITE="1", PYTHONUTF8="1")
        if sys.platform.startswith("linux") and not (variables.get("DISPLAY") or variables.get("WAYLAND_DISPLAY")):
            variables.setdefault("QT_QPA_PLATFORM", "offscreen")
        return variables


def remove_half_installed(packages):
    """Remove what an interrupted pip left in a site-packages folder, so that pip installs those packages again.

    pip writes a package's INSTALLER file after all its other files: without it the package may be cut off, and pip
    would still believe the record. Returns how many were removed.
    """
    count = 0
    for info in Path(packages).glob("*.dist-info"):
        if not (info / "INSTALLER").is_file():
            shutil.rmtree(info)
            count += 1
    for rest in Path(packages).glob("~*"):
        shutil.rmtree(rest, ignore_errors=True)
    return count


@contextmanager
def lock(path, say=print, poll=0.5):
    """Hold a file lock; waits while another run.py has it. The system frees it when the process ends, however it ends.

    Gives the file's descriptor: a child that inherits it keeps the lock, should run.py itself be killed.
    """
    with open(path, "a+b") as stream:
        said = False
        while not _try_lock(stream):
            if not said:
                say("Another run.py is building the environment; waiting for it.")
                said = True
            time.sleep(poll)
        yield stream.fileno()


def _try_lock(stream):
    try:
        if os.name == "nt":
            import msvcrt

            stream.seek(0)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _clean_environment():
    variables = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")
    }
    return {**variables, "PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1"}


def _minor(version):
    return version.split(".")[:2]

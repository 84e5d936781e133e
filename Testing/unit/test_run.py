"""run.py: interpreter, system packages, environment, interrupted and failed installations, test groups. No network."""

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from setup_tools import SetupError, system
from setup_tools.environment import Environment, lock, remove_half_installed
from setup_tools.explain import explain
from setup_tools.groups import Counts, plan, read_junit, run_tests
from setup_tools.install import Progress, run_pip
from setup_tools.interpreter import Interpreter, choose, probe

RUN = Path(__file__).resolve().parents[1] / "run.py"
HERE = Interpreter(sys.executable, sys.version_info[:3])


class Machine:
    """Stands for the programs that the set-up starts: venv makes a folder, pip 'installs', both can fail on demand."""

    def __init__(self, root, pip_status=0, pip_text="", venv_status=0, broken_imports=0):
        self.root, self.pip_status, self.pip_text = root, pip_status, pip_text
        self.venv_status, self.broken_imports = venv_status, broken_imports
        self.calls, self.lines = [], []
        (root / "requirements.txt").write_text("one==1.0\n")
        (root / "constraints.txt").write_text("one==1.0\ntwo==2.0\n")

    def environment(self):
        return Environment(
            self.root,
            self.root / "requirements.txt",
            self.root / "constraints.txt",
            say=self.lines.append,
            run=self.run,
            run_pip=self.pip,
            imports=("json",),
        )

    def run(self, command, **_options):
        if "venv" in command:
            self.calls.append("venv")
            if self.venv_status:
                return SimpleNamespace(returncode=1, stdout="", stderr="Error: No space left on device\n")
            (Path(command[-1]) / "bin").mkdir(parents=True)
            (Path(command[-1]) / "bin" / "python").write_text("")
            (Path(command[-1]) / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
        elif "pip" in command:
            return SimpleNamespace(returncode=0, stdout="", stderr="")
        elif "platform" in command[-1]:
            there = Path(command[0]).exists()
            return SimpleNamespace(returncode=0 if there else 1, stdout=HERE.text + "\n", stderr="")
        elif "importlib" in command[-1]:
            self.calls.append("check")
            self.broken_imports -= 1
            broken = self.broken_imports >= 0
            return SimpleNamespace(
                returncode=int(broken), stdout="", stderr="ImportError: no torch\n" if broken else ""
            )
        return SimpleNamespace(returncode=0, stdout="", stderr="")

    def pip(self, command, log, environment, *, packages, expected, held):
        self.calls.append("pip")
        assert expected == 2 and "PYTHONPATH" not in environment
        if self.pip_status == "killed":
            info = packages / "half-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text("Name: half\n")
            raise KeyboardInterrupt
        return self.pip_status, self.pip_text


@pytest.fixture
def machine(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=50e9))
    return Machine(tmp_path)


posix = pytest.mark.skipif(os.name == "nt", reason="the stand-in for venv lays its folders out as on Linux")


@posix
def test_built_once_and_recognised(machine):
    machine.environment().ensure(lambda: HERE)
    assert machine.calls == ["venv", "pip", "check"]
    stamp = json.loads((machine.root / ".venv" / "setup-stamp.json").read_text())
    assert stamp == {"requirements": machine.environment().requirements_hash(), "python": HERE.text}
    machine.environment().ensure(lambda: pytest.fail("no interpreter is needed"))
    assert machine.calls == ["venv", "pip", "check"]


@posix
@pytest.mark.parametrize("name", ["requirements.txt", "constraints.txt"])
def test_changed_requirements_are_installed_into_the_same_environment(machine, name):
    machine.environment().ensure(lambda: HERE)
    with open(machine.root / name, "a") as stream:
        stream.write("three==3.0\n")
    machine.environment = lambda: Environment(
        machine.root,
        machine.root / "requirements.txt",
        machine.root / "constraints.txt",
        say=machine.lines.append,
        run=machine.run,
        imports=("json",),
        run_pip=lambda *a, **k: (machine.calls.append("pip again"), (0, ""))[1],
    )
    assert machine.environment().state() == "outdated"
    machine.environment().ensure(lambda: HERE)
    assert machine.calls == ["venv", "pip", "check", "pip again", "check"]
    assert machine.environment().state() == "ready"


@posix
def test_interrupted_installation_is_completed(machine):
    machine.pip_status = "killed"
    with pytest.raises(KeyboardInterrupt):
        machine.environment().ensure(lambda: HERE)
    assert machine.environment().state() == "unfinished"
    half = machine.environment().packages_folder() / "half-1.0.dist-info"
    assert half.exists()
    machine.pip_status = 0
    machine.environment().ensure(lambda: HERE)
    assert machine.calls == ["venv", "pip", "pip", "check"]
    assert not half.exists()
    assert "An earlier set-up was interrupted; it is completed now." in machine.lines
    assert machine.environment().state() == "ready"


@posix
def test_an_interrupted_environment_that_cannot_be_mended_is_built_anew(machine):
    machine.environment().ensure(lambda: HERE)
    (machine.root / ".venv" / "setup-stamp.json").unlink()
    machine.calls.clear()
    machine.broken_imports = 1
    machine.environment().ensure(lambda: HERE)
    assert machine.calls == ["pip", "check", "venv", "pip", "check"]
    assert machine.environment().state() == "ready"


@posix
def test_packages_that_never_load_are_a_failure_without_a_stamp(machine):
    machine.broken_imports = 9
    with pytest.raises(SetupError, match="do not load: ImportError: no torch"):
        machine.environment().ensure(lambda: HERE)
    assert machine.environment().state() == "unfinished"


@posix
def test_broken_python_and_other_python_are_built_anew(machine):
    machine.environment().ensure(lambda: HERE)
    other = Interpreter("python", (3, 12 if HERE.version[1] != 12 else 11, 0))
    assert machine.environment().state(other) == "foreign"
    machine.environment().python.unlink()
    assert machine.environment().state() == "foreign"
    machine.environment().ensure(lambda: HERE)
    assert machine.calls == ["venv", "pip", "check"] * 2


@posix
def test_failed_installation_says_why_and_where_the_log_is(machine):
    machine.pip_status, machine.pip_text = 1, "ERROR: Could not install packages: [Errno 28] No space left on device\n"
    with pytest.raises(SetupError) as error:
        machine.environment().ensure(lambda: HERE)
    assert "The disk is full" in str(error.value)
    assert str(machine.root / ".venv-setup.log") in str(error.value)
    assert machine.environment().state() == "unfinished"


def test_failed_venv_says_why(machine):
    machine.venv_status = 1
    with pytest.raises(SetupError, match=r"could not be made\. The disk is full"):
        machine.environment().ensure(lambda: HERE)


def test_too_little_space_is_said_before_anything_is_downloaded(machine, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=1e9))
    with pytest.raises(SetupError, match="1.0 GB free"):
        machine.environment().ensure(lambda: HERE)
    assert machine.calls == []


@pytest.mark.parametrize(
    "text, expected",
    [
        (
            "Failed to establish a new connection: [Errno -3] Temporary failure in name resolution\n"
            "ERROR: No matching distribution found for torch==2.12.1",
            "could not be reached",
        ),
        (
            "ERROR: No matching distribution found for slicer-core==5.12.4.0",
            "no package slicer-core==5.12.4.0 for Python 3.11.7",
        ),
        ("OSError: [Errno 28] No space left on device", "about 9 GB"),
        (
            "    The user requested torch==2.12.1\n    The user requested (constraint) torch==2.12.1\n"
            "ERROR: ResolutionImpossible: for help visit x",
            "offers no torch==2.12.1 for Python 3.11.7",
        ),
        ("ssl.SSLCertVerificationError: CERTIFICATE_VERIFY_FAILED", "certificate was not accepted"),
        ("error: command 'gcc' failed: No such file", "built from source"),
        ("ERROR: something new", "could not be installed"),
    ],
)
def test_reasons(text, expected):
    sentence = explain(text, 1, "3.11.7", 9)
    assert expected in sentence
    assert sentence.endswith(text.splitlines()[-1])


def test_a_killed_pip_is_named():
    assert "memory ran out" in explain("Collecting torch\n", -9, "3.11.7", 9)


def test_half_installed_packages_are_removed(tmp_path):
    for name, files in (
        ("good-1.dist-info", ("METADATA", "INSTALLER")),
        ("half-1.dist-info", ("METADATA",)),
        ("~alf", ("x",)),
    ):
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).write_text("")
    assert remove_half_installed(tmp_path) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["good-1.dist-info"]


def test_a_second_run_waits_for_the_lock(tmp_path):
    """Another process holds the lock; it is killed without cleaning up, and the lock is free again."""
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); from setup_tools.environment import lock\n"
        "with lock(sys.argv[2]): print('held', flush=True); time.sleep(60)"
    )
    path = tmp_path / ".venv.lock"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(RUN.parent), str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline().strip() == "held"
        said = []

        def hear(line):
            said.append(line)
            other.kill()

        with lock(path, hear, poll=0.05):
            assert said == ["Another run.py is building the environment; waiting for it."]
    finally:
        other.kill()
        other.wait()
        other.stdout.close()


PIP = """import sys, time
print("Collecting torch==2.12.1"); print("  Downloading torch-2.12.1-cp311-x.whl.metadata (29 kB)")
print("Downloading torch-2.12.1-cp311-x.whl (532.5 MB)"); print("Installing collected packages: torch, numpy")
sys.exit(int(sys.argv[1]))"""


@pytest.mark.parametrize("status", [0, 1])
def test_pip_is_shown_in_few_lines_and_logged_in_full(tmp_path, status):
    stream, log = io.StringIO(), tmp_path / "log.txt"
    code, text = run_pip([sys.executable, "-c", PIP, str(status)], log, dict(os.environ), expected=120, stream=stream)
    assert code == status
    assert "Installing collected packages: torch, numpy" in text and text in log.read_text()
    assert 1 <= len(stream.getvalue().splitlines()) <= 4


def test_progress_counts_packages_and_megabytes():
    progress = Progress(expected=120)
    assert progress.stage == "Finding"
    for line in (
        "Collecting torch==2.12.1 (from -r x)",
        "  Downloading torch-2.12.1.whl.metadata (29 kB)",
        "Downloading torch-2.12.1.whl (532.5 MB)",
        "Collecting numpy",
        "  Using cached numpy-2.4.6.whl (16.0 MB)",
    ):
        progress.read(line)
    assert progress.stage == "Downloading"
    assert "Packages: 2 of about 120, 548 MB; now numpy-2.4.6.whl (16 MB)" in progress.line
    progress.read("Installing collected packages: torch, numpy")
    progress.installed = 1
    assert progress.stage == "Installing" and "1 of 2 packages" in progress.line


def dpkg(*lines, install=0):
    """Return a stand-in for subprocess.run that knows dpkg-query and apt-get, and the commands that it was given."""
    commands = []

    def run(command, **options):
        commands.append(command)
        if command[0] == "dpkg-query":
            return SimpleNamespace(returncode=0, stdout="\n".join(lines), stderr="")
        assert options["env"]["DEBIAN_FRONTEND"] == "noninteractive"
        return SimpleNamespace(
            returncode=install if command[1] == "install" else 0, stdout="", stderr="E: no such package\n"
        )

    return run, commands


INSTALLED = (
    "libegl1\tinstalled\t",
    "libgl1\tconfig-files\t",
    "libglib2.0-0t64\tinstalled\tlibglib2.0-0 (= 2.84.0-1), x",
)


def test_missing_debian_packages():
    run, _ = dpkg(*INSTALLED)
    assert system.missing_debian(["libegl1", "libgl1", "libglib2.0-0", "libdbus-1-3"], run) == [
        "libgl1",
        "libdbus-1-3",
    ]


def test_without_root_the_install_command_is_named():
    run, commands = dpkg(*INSTALLED)
    with pytest.raises(SetupError, match=r"sudo apt-get install -y --no-install-recommends .*libgl1"):
        system.check(HERE, run=run, which=lambda name: name, root=False)
    assert [c[0] for c in commands] == ["dpkg-query"]


def test_root_installs_them(tmp_path):
    run, commands = dpkg(*INSTALLED)
    said = []
    system.check(HERE, said.append, run, tmp_path / "log", which=lambda name: name, root=True)
    assert [c[:2] for c in commands[1:]] == [["apt-get", "update"], ["apt-get", "install"]]
    assert "libgl1" in commands[2] and "libegl1" not in commands[2] and "libgl1" in said[0]


def test_a_failed_apt_get_is_explained(tmp_path):
    run, _ = dpkg(*INSTALLED, install=100)
    with pytest.raises(SetupError, match="E: no such package"):
        system.check(HERE, run=run, log=tmp_path / "log", which=lambda name: name, root=True)


def test_the_missing_venv_package_is_asked_for():
    run, _ = dpkg(*(f"{name}\tinstalled\t" for name in system.read_list()))
    bare = Interpreter("/usr/bin/python3.11", (3, 11, 2), can_make_environments=False)
    with pytest.raises(SetupError, match="missing: python3.11-venv"):
        system.check(bare, run=run, which=lambda name: name, root=False)
    system.check(HERE, run=run, which=lambda name: name, root=False)


def test_what_only_tests_use_is_installed_for_them_without_starting_services(tmp_path):
    run, commands = dpkg("munge\tinstalled\t")
    policy, seen = tmp_path / "policy-rc.d", []

    def watching(command, **options):
        seen.append(policy.exists() and bool(policy.stat().st_mode & 0o100))
        return run(command, **options)

    system.check_tests(run=watching, log=tmp_path / "log", which=lambda name: name, root=True, policy=policy)
    wanted = [name for name in system.read_list(system.TESTS_LIST) if name != "munge"]
    assert {"slurm-wlm", "orthanc"} <= set(wanted)
    assert commands[-1][:2] == ["apt-get", "install"] and commands[-1][-len(wanted) :] == wanted
    assert "munge" not in commands[-1]
    assert seen == [False, True, True] and not policy.exists()
    policy.write_text("own")
    system.check_tests(run=watching, log=tmp_path / "log", which=lambda name: name, root=True, policy=policy)
    assert policy.read_text() == "own"


def test_without_root_or_packages_the_tests_run_all_the_same(tmp_path):
    run, commands = dpkg("", install=100)
    said, policy = [], tmp_path / "policy-rc.d"
    system.check_tests(said.append, run, which=lambda name: name, root=False, policy=policy)
    system.check_tests(said.append, run, which=lambda name: None, root=True, policy=policy)
    assert not commands and not said
    system.check_tests(said.append, run, tmp_path / "log", which=lambda name: name, root=True, policy=policy)
    assert "skipped" in said[-1] and "E: no such package" in said[-1] and not policy.exists()


def test_libraries_are_tried_on_other_systems():
    def load(name):
        if "EGL" in name:
            raise OSError(name)

    assert system.missing_libraries(load) == ["libEGL.so.1"]


def fake_probe(table):
    return lambda command: Interpreter(command[0], table[command[0]]) if command[0] in table else None


@pytest.mark.parametrize(
    "table, wanted, expected",
    [
        ({"me": (3, 11, 7), "b": (3, 12, 1)}, None, "me"),
        ({"me": (3, 13, 0), "b": (3, 12, 1)}, None, "b"),
        ({"me": (3, 10, 0), "a": (3, 9, 0), "b": (3, 11, 2)}, None, "b"),
        ({"me": (3, 11, 7), "mine": (3, 12, 1)}, "mine", "mine"),
    ],
)
def test_the_interpreter_is_chosen(table, wanted, expected):
    assert choose(wanted, ["me"], [["a"], ["b"]], fake_probe(table)).path == expected


@pytest.mark.parametrize(
    "table, wanted, expected",
    [
        ({"me": (3, 13, 0)}, None, r"No Python 3.11 or 3.12 .*\(found: 3.13.0\)"),
        ({"me": (3, 11, 7)}, "gone", "--python gone does not start"),
        ({"me": (3, 11, 7), "old": (3, 9, 1)}, "old", "is Python 3.9.1, but"),
    ],
)
def test_no_interpreter_is_explained(table, wanted, expected):
    with pytest.raises(SetupError, match=expected):
        choose(wanted, ["me"], [["a"]], fake_probe(table))


def test_probe_reads_a_real_interpreter():
    found = probe([sys.executable])
    assert found.version == sys.version_info[:3] and found.supported and found.can_make_environments
    assert probe(["no-such-python-anywhere"]) is None


def test_children_see_the_project_and_nothing_else(tmp_path):
    base = {"PATH": "/bin", "PYTHONPATH": "/elsewhere", "PYTHONHOME": "/x", "https_proxy": "http://proxy:1"}
    variables = Environment(tmp_path).child_environment(base)
    rooms = [str(tmp_path / name) for name in ("BreastSeg", "BreastSegTraining", "Testing")]
    assert variables["PYTHONPATH"].split(os.pathsep) == rooms
    assert "PYTHONHOME" not in variables and variables["https_proxy"] == "http://proxy:1"
    assert variables["PYTHONNOUSERSITE"] == variables["PYTHONUTF8"] == "1"
    if sys.platform.startswith("linux"):
        assert variables["QT_QPA_PLATFORM"] == "offscreen"
        assert "QT_QPA_PLATFORM" not in Environment(tmp_path).child_environment({"DISPLAY": ":0"})


JUNIT = '<testsuites><testsuite tests="5" failures="{f}" errors="0" skipped="1"/></testsuites>'


def pytest_stub(root, outcomes):
    """Return a stand-in for subprocess.run that 'runs' pytest (an exit status per group), and the groups that ran."""
    ran = []

    def run(command, **_options):
        report = Path(next(a for a in command if a.startswith("--junitxml=")).split("=", 1)[1])
        name = report.stem.removeprefix("junit-")
        ran.append((name, command))
        if outcomes[name] in (0, 1):
            report.write_text(JUNIT.format(f=outcomes[name]))
        return SimpleNamespace(returncode=outcomes[name])

    return run, ran


@pytest.mark.parametrize(
    "outcomes, arguments, status, last, groups",
    [
        ({"unit": 0, "host": 0, "endtoend": 0}, [], 0, "12 passed, 0 failed, 3 skipped", 3),
        ({"unit": 0, "host": 1, "endtoend": 0}, [], 1, "7 passed, 1 failed, 2 skipped", 2),
        ({"unit": 0, "host": -11, "endtoend": 0}, [], 1, "4 passed, 1 failed, 1 skipped", 2),
        ({"unit": 5, "host": 0, "endtoend": 0}, [], 1, "0 passed, 1 failed, 0 skipped", 1),
        ({"unit": 0, "host": 5, "endtoend": 5}, ["-k", "name"], 0, "4 passed, 0 failed, 1 skipped", 3),
        ({"unit": 5, "host": 5, "endtoend": 5}, ["-k", "nothing"], 1, "0 passed, 1 failed, 0 skipped", 3),
    ],
)
def test_groups_run_in_order_and_are_counted(tmp_path, outcomes, arguments, status, last, groups):
    run, ran = pytest_stub(tmp_path, outcomes)
    said = []
    assert run_tests("python", arguments, tmp_path, {}, say=said.append, run=run) == status
    assert said[-1] == last
    assert [name for name, _ in ran] == ["unit", "host", "endtoend"][:groups]
    assert all(command[-len(arguments) :] == arguments for _, command in ran if arguments)
    # Only whole groups run in several processes: who asks for single tests wants to see them one after the other.
    assert [name for name, command in ran if "-n" in command] == ([] if arguments else ["unit"])


def test_a_named_file_runs_only_its_group(tmp_path):
    (tmp_path / "Testing" / "host_tests").mkdir(parents=True)
    (tmp_path / "Testing" / "host_tests" / "test_x.py").write_text("")
    rows, rest = plan(["Testing/host_tests/test_x.py::test_a", "-v"], tmp_path)
    assert [(group[0], paths) for group, paths in rows] == [
        ("host", ["Testing/host_tests/test_x.py::test_a"])
    ] and rest == ["-v"]
    (tmp_path / "other.py").write_text("")
    with pytest.raises(SetupError, match=r"other.py is in none"):
        plan(["other.py"], tmp_path)


def test_a_cut_off_report_is_a_failure(tmp_path):
    (tmp_path / "junit.xml").write_text("<testsuites><tests")
    assert read_junit(tmp_path / "junit.xml").line == read_junit(tmp_path / "absent.xml").line == Counts(failed=1).line


@pytest.mark.parametrize(
    "arguments, status, expected",
    [
        (["--help"], 0, "Try it out"),
        (["test", "--help"], 0, "ARGS go to pytest"),
        (["fly"], 2, "invalid choice"),
        (["bench", "no-such"], 1, "There is no benchmark no-such"),
        (["setup", "--rebuilt"], 2, "setup takes only --rebuild"),
        (["--no-system-check", "--python", "no-such-python", "setup"], 1, "does not start a Python"),
    ],
)
def test_the_command_itself(arguments, status, expected):
    start = time.monotonic()
    answer = subprocess.run([sys.executable, str(RUN), *arguments], capture_output=True, text=True)
    assert answer.returncode == status and expected in answer.stdout + answer.stderr
    assert "Traceback" not in answer.stderr and time.monotonic() - start < 10

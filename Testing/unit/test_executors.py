"""Jobs on this computer: what outlives whom, how ends are told, and records that lie."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.executors import ENDED, LOST, RUNNING, WAITING, Job, JobState, Resources, make, resources_of
from BreastSegLib.executors import local as local_module
from BreastSegLib.executors.binding import bound_options
from BreastSegLib.executors.endings import ask_to_end, end_of, patience_of, reason_of
from BreastSegLib.executors.identity import identity_of, is_here, is_identity, runs
from BreastSegLib.executors.job import LOG_BYTES, log_tail
from BreastSegLib.executors.records import CANCEL, EXIT, JOB, START, write_record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PATIENCE_S = 30.0
TOKEN = "0123456789abcdef" * 2
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
posix = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")


def python(code, *arguments):
    """Return the command that runs a piece of Python."""
    return (sys.executable, "-u", "-c", code, *map(str, arguments))


def until(condition):
    """Wait for something that must come."""
    end = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
    return value


def over(executor, handle):
    """Wait for the end of a job."""
    return until(lambda: state if (state := executor.state(handle)).over else None)


def alive(pid):
    """Return whether a process runs."""
    return identity_of(pid) is not None


@pytest.fixture
def local():
    """The executor of this computer; what a failed test left running is ended."""
    executor, handles = make("local"), []
    submit = executor.submit

    def remembered(job):
        handles.append(submit(job))
        return handles[-1]

    executor.submit = remembered
    yield executor
    for handle in handles:
        executor.cancel(handle, 0)


def test_a_job_runs_ends_and_tells_its_exit_code(local, tmp_path):
    folder = tmp_path / "Fälle 1 ü"
    code = "import os, sys; print('größe', os.environ['WANTED'], sys.argv[1], os.getcwd()); sys.exit(7)"
    handle = local.submit(Job("Lauf ü", python(code, "a b;$c'"), folder, {"WANTED": "ja „so“"}))
    assert json.loads(json.dumps(handle)) == handle
    assert over(local, handle) == JobState(ENDED, 7)
    assert local.log(handle) == f"größe ja „so“ a b;$c' {folder}"
    assert "ja „so“" not in "".join(path.read_text("utf-8") for path in folder.glob("*.json"))


def test_a_job_that_ends_well(local, tmp_path):
    handle = local.submit(Job("ok", python("pass"), tmp_path))
    assert over(local, handle) == JobState(ENDED, 0)
    assert local.log(handle) == ""
    assert local.cancel(handle) == JobState(ENDED, 0)  # too late: nothing changes


@posix
def test_a_job_that_a_signal_ended(local, tmp_path):
    handle = local.submit(Job("x", python("import os; os.kill(os.getpid(), 9)"), tmp_path))
    state = over(local, handle)
    assert (state.state, state.exit_code) == (ENDED, -9)
    assert "SIGKILL" in state.reason and "memory" in state.reason


def test_a_command_that_does_not_exist(local, tmp_path):
    handle = local.submit(Job("x", ("no-such-program-ü", "a"), tmp_path))
    state = over(local, handle)
    assert (state.state, state.exit_code) == (ENDED, 127)
    assert "could not be started" in state.reason
    assert "no-such-program-ü" in local.log(handle)


def test_another_process_reads_state_and_log_from_the_handle_alone(local, tmp_path):
    handle = local.submit(Job("x", python("print('here'); raise SystemExit(5)"), tmp_path))
    over(local, handle)
    code = (
        "import json, sys; from BreastSegLib.executors import make\nhandle = json.loads(sys.argv[1])\n"
        "state = make(handle['executor']).state(handle)\n"
        "print(state.state, state.exit_code, make('local').log(handle))"
    )
    answer = subprocess.run(python(code, json.dumps(handle)), capture_output=True, text=True, env=with_paths())
    assert answer.stdout.split() == ["ended", "5", "here"], answer.stderr


def with_paths():
    """Return the environment of a Python child that finds the library."""
    import BreastSegLib

    return {**os.environ, "PYTHONPATH": str(Path(BreastSegLib.__file__).parents[1])}


SUBMIT = """
import json, sys, time
from BreastSegLib.executors import Job, make
job = Job("x", (sys.executable, "-u", "-c", sys.argv[2]), sys.argv[1])
print(json.dumps(make("local").submit(job)), flush=True)
time.sleep(100)
"""


@posix
def test_a_job_outlives_its_submitter_that_is_killed(local, tmp_path):
    work = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.02)\nprint('on')\nraise SystemExit(4)"
    submitter = subprocess.Popen(
        python(SUBMIT, tmp_path, work), stdout=subprocess.PIPE, text=True, env=with_paths(), start_new_session=True
    )
    handle = json.loads(submitter.stdout.readline())
    until(lambda: local.state(handle).state == RUNNING)
    os.killpg(submitter.pid, signal.SIGKILL)  # as a closed terminal ends its whole group
    submitter.wait()
    submitter.stdout.close()
    assert local.state(handle).state == RUNNING
    (tmp_path / "go").touch()
    assert over(local, handle) == JobState(ENDED, 4)
    assert local.log(handle) == "on"


TREE = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"], start_new_session=True)
open("pids.part", "w").write(f"{os.getpid()} {child.pid}")
os.rename("pids.part", "pids")
time.sleep(100)
"""


def pids_of(folder):
    """Return the numbers of the command and of its child once both run."""
    until(lambda: (folder / "pids").exists())
    return [int(number) for number in (folder / "pids").read_text().split()]


@linux
def test_a_killed_keeper_means_lost_and_nothing_lives_on(local, tmp_path):
    handle = local.submit(Job("x", python(TREE), tmp_path))
    pids = pids_of(tmp_path)
    until(lambda: local.state(handle).state == RUNNING)
    os.kill(handle["keeper"]["pid"], signal.SIGKILL)
    until(lambda: not alive(pids[0]))  # without anybody looking
    state = over(local, handle)
    assert state.state == LOST and "killed" in state.reason
    until(lambda: not alive(pids[1]))  # in a session of its own: found by its mark
    assert local.state(handle) == state


@posix
def test_a_cancelled_job_may_stop_by_itself(local, tmp_path):
    code = (
        "import signal, sys, time\n"
        "def stop(*_):\n    print('written')\n    sys.exit(9)\n"
        "signal.signal(signal.SIGTERM, stop)\nprint('ready')\ntime.sleep(100)"
    )
    handle = local.submit(Job("x", python(code), tmp_path))
    until(lambda: local.log(handle) == "ready")
    assert local.cancel(handle, 20) == JobState(ENDED, 9, "cancelled")
    assert local.log(handle) == "ready\nwritten"


@linux
def test_a_deaf_job_is_ended_with_its_tree(local, tmp_path):
    code = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)" + TREE
    handle = local.submit(Job("x", python(code), tmp_path))
    pids = pids_of(tmp_path)
    assert local.cancel(handle, 0.3) == JobState(ENDED, -9, "cancelled")
    assert not any(map(alive, pids))


def test_cancel_without_waiting_is_seen_to_by_the_keeper(local, tmp_path):
    handle = local.submit(Job("x", python("import time; time.sleep(100)"), tmp_path))
    until(lambda: local.state(handle).state == RUNNING)
    assert local.cancel(handle, 0, wait=False).state == RUNNING
    assert over(local, handle).reason == "cancelled"


@posix
def test_a_job_whose_keeper_hangs_can_be_cancelled(local, tmp_path, monkeypatch):
    monkeypatch.setattr(local_module, "KEEPER_S", 0.5)
    handle = local.submit(Job("x", python("import time; time.sleep(100)"), tmp_path))
    until(lambda: local.state(handle).state == RUNNING)
    command = json.loads((tmp_path / START).read_text())["command"]
    os.kill(handle["keeper"]["pid"], signal.SIGSTOP)
    assert local.cancel(handle, 0).state == LOST
    until(lambda: not runs(command))


@posix
def test_the_system_may_end_the_keeper(local, tmp_path):
    handle = local.submit(Job("x", python("import time; time.sleep(100)"), tmp_path))
    until(lambda: local.state(handle).state == RUNNING)
    os.kill(handle["keeper"]["pid"], signal.SIGTERM)
    state = over(local, handle)
    assert (state.state, state.exit_code) == (ENDED, -15) and "interrupted" in state.reason


def test_a_number_that_was_given_to_another_process_fools_nobody(local, tmp_path, monkeypatch):
    handle = local.submit(Job("x", python("pass"), tmp_path))
    over(local, handle)
    (tmp_path / EXIT).unlink()
    me = identity_of(os.getpid())
    handle["keeper"] = {**me, "created": "1"}
    start = {"keeper": {**me, "created": "2"}, "command": {**me, "created": "3"}}
    write_record(tmp_path, START, handle["token"], **start)
    assert local.state(handle).state == LOST
    assert local.cancel(handle, 0).state == LOST  # and this process still runs
    handle["keeper"] = me
    assert local.state(handle).state == RUNNING
    if sys.platform.startswith("linux"):
        monkeypatch.setattr(local_module, "KEEPER_S", 0.1)
        local.cancel(handle, 0)  # and still: it keeps no job
    handle["keeper"] = None


def test_identities(tmp_path):
    me = identity_of(os.getpid())
    assert is_identity(me) and runs(me) and is_here(me)
    assert json.loads(json.dumps(me)) == me
    child = subprocess.Popen(python("import time; time.sleep(100)"))
    other = identity_of(child.pid)
    child.kill()
    until(lambda: not runs(other))  # not waited for yet: a zombie
    child.wait()
    assert identity_of(child.pid) is None
    assert not is_here({**me, "host": "elsewhere", "boot": "another"})


@linux
def test_a_job_of_another_computer_is_never_thought_lost(local, tmp_path):
    handle = local.submit(Job("x", python("pass"), tmp_path))
    over(local, handle)
    (tmp_path / EXIT).unlink()
    handle["keeper"] |= {"host": "workstation7", "boot": "its own"}
    state = local.state(handle)
    assert state.state == RUNNING and "workstation7" in state.reason
    assert local.cancel(handle, 0) == state


def test_two_jobs_in_one_folder(local, tmp_path):
    first = local.submit(Job("x", python("import time; print('first'); time.sleep(100)"), tmp_path))
    until(lambda: local.state(first).state == RUNNING and local.log(first))
    with pytest.raises(BadInput, match="running in this folder"):
        local.submit(Job("x", python("pass"), tmp_path))
    local.cancel(first, 0)
    second = local.submit(Job("x", python("print('second')"), tmp_path))
    assert over(local, second) == JobState(ENDED, 0)
    assert local.log(second) == "first\nsecond"  # the log is written on
    assert local.state(first) == JobState(LOST, None, "another job was started in its folder")


def test_a_folder_that_is_gone(local, tmp_path):
    import shutil

    handle = local.submit(Job("x", python("pass"), tmp_path / "job"))
    over(local, handle)
    shutil.rmtree(tmp_path / "job")
    # The keeper writes how the job ended just before it ends itself: until then the job counts as alive.
    assert over(local, handle) == JobState(LOST, None, "its folder is gone")
    assert local.log(handle) == ""


def test_python_that_does_not_start(tmp_path):
    with pytest.raises(BadInput, match="could not be started"):
        make("local", python=tmp_path / "no-python").submit(Job("x", ("a",), tmp_path / "job"))


def test_a_keeper_that_fails_before_the_start(tmp_path):
    executor = make("local", environment={**os.environ, "PYTHONHOME": str(tmp_path)})
    handle = executor.submit(Job("x", python("pass"), tmp_path / "job"))
    state = over(executor, handle)
    assert state.state == LOST and "log" in state.reason
    assert executor.log(handle)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput):
        make("local").submit(Job("x", ("a",), tmp_path / "file" / "job"))


HOSTILE = [
    None,
    [],
    "local",
    {},
    {"executor": "local"},
    {"executor": "slurm", "folder": "/tmp", "token": TOKEN, "keeper": None},
    {"executor": "local", "folder": "relative", "token": TOKEN, "keeper": None},
    {"executor": "local", "folder": "/a\0b", "token": TOKEN, "keeper": None},
    {"executor": "local", "folder": 3, "token": TOKEN, "keeper": None},
    {"executor": "local", "folder": "/tmp", "token": "../x", "keeper": None},
    {"executor": "local", "folder": "/tmp", "token": TOKEN, "keeper": {"pid": 1}},
    {
        "executor": "local",
        "folder": "/tmp",
        "token": TOKEN,
        "keeper": dict.fromkeys(("pid", "created", "boot", "host"), "1"),
    },
    {
        "executor": "local",
        "folder": "/tmp",
        "token": TOKEN,
        "keeper": {"pid": -1, "created": "", "boot": "", "host": ""},
    },
]


@pytest.mark.parametrize("name", ["local", "slurm"])
@pytest.mark.parametrize("handle", HOSTILE, ids=range(len(HOSTILE)))
def test_handles_that_are_none(name, handle):
    executor = make(name)
    if isinstance(handle, dict) and handle.get("executor") == name == "slurm":
        handle = {**handle, "job": "1; rm -rf /"}
    for ask in (executor.state, executor.cancel, executor.log):
        with pytest.raises(BadInput, match="damaged"):
            ask(handle)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
identities = st.fixed_dictionaries({"pid": values, "created": values, "boot": values, "host": values})
records = st.fixed_dictionaries(
    {"format": st.just("breastseg-job-1") | values, "token": st.just(TOKEN) | values},
    optional={
        "exit_code": values,
        "reason": values,
        "keeper": identities | values,
        "command": identities | values,
        "patience_s": values,
    },
)


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A folder for records."""
    return tmp_path_factory.mktemp("records")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.none() | records.map(lambda r: json.dumps(r).encode()) | st.binary(max_size=30), min_size=4, max_size=4
    )
)
def test_records_that_lie_never_break_a_look(room, contents):
    for name, content in zip((JOB, START, CANCEL, EXIT), contents, strict=True):
        (room / name).unlink(missing_ok=True)
        if content is not None:
            (room / name).write_bytes(content)
    handle = {"executor": "local", "folder": str(room), "token": TOKEN, "keeper": None}
    state = make("local").state(handle)
    assert state.state in (ENDED, LOST)
    assert state.exit_code is None or type(state.exit_code) is int
    assert isinstance(state.reason, str)
    patience = patience_of(room, TOKEN)
    assert patience is None or patience >= 0


@settings(max_examples=60, deadline=None)
@given(st.none() | st.integers(-64, 255), st.text(max_size=30))
def test_an_end_is_read_as_it_was_written(room, code, reason):
    write_record(room, EXIT, TOKEN, exit_code=code, reason=reason)
    assert end_of(room, TOKEN) == JobState(ENDED, code, reason)
    assert end_of(room, "f" * 32) is None


@pytest.mark.parametrize(
    ("given_s", "taken_s"), [(5, 5), (-1, 0), (float("nan"), 0), (float("inf"), 86400), (1e9, 86400), (0, 0)]
)
def test_patience(tmp_path, given_s, taken_s):
    assert patience_of(tmp_path, TOKEN) is None
    assert ask_to_end(tmp_path, TOKEN, given_s)
    assert patience_of(tmp_path, TOKEN) == taken_s
    assert patience_of(tmp_path, "f" * 32) is None


def test_reasons():
    assert reason_of(0) == reason_of(3) == ""
    assert reason_of(-15) == "ended by SIGTERM"
    assert reason_of(-120) == "ended by signal 120"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ""),
        (b"a\nb\n", "a\nb"),
        (b"a\r\nb\r\n", "a\nb"),
        (b"  10 %\r  20 %\r  30 %\nend\n", "  30 %\nend"),
        (b"\xff\xfeh\xc3\xa9\n", "\ufffd\ufffdhé"),
        (b"\n\nx", "\n\nx"),
        (b"half a li", "half a li"),
    ],
)
def test_the_tail_of_a_log(tmp_path, data, expected):
    assert log_tail(tmp_path) == ""
    (tmp_path / "log.txt").write_bytes(data)
    assert log_tail(tmp_path) == expected


def test_the_tail_of_a_long_log(tmp_path):
    lines = [f"line {number} ü" for number in range(LOG_BYTES // 8)]
    (tmp_path / "log.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert log_tail(tmp_path, 3).split("\n") == lines[-3:]
    assert log_tail(tmp_path, 10**9).split("\n") == lines[-log_tail(tmp_path, 10**9).count("\n") - 1 :]


@pytest.mark.parametrize(
    "wrong",
    [
        {"gpus": -1},
        {"gpus": True},
        {"cpus": 0},
        {"cpus": 1.5},
        {"memory_gb": 0},
        {"hours": float("nan")},
        {"hours": "3"},
        {"partition": "a\nb"},
        {"options": {"--account": "x"}},
        {"options": {"comment": "a\n#SBATCH --uid=0"}},
        {"options": []},
        {"nodes": 2},
    ],
)
def test_resources_that_cannot_be(wrong):
    with pytest.raises(BadInput):
        resources_of(wrong)


def test_resources_of_a_table():
    assert resources_of({}) == Resources()
    assert resources_of({"gpus": 1, "hours": 2.5, "options": {"qos": "long"}}) == Resources(
        1, hours=2.5, options={"qos": "long"}
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"command": ()},
        {"command": ("",)},
        {"command": ("a\0b",)},
        {"name": "two\nlines"},
        {"environment": {"A=B": "x"}},
        {"environment": {"": "x"}},
        {"environment": {"A": "x\0"}},
    ],
)
def test_jobs_that_cannot_be(tmp_path, wrong):
    with pytest.raises(BadInput):
        Job(**{"name": "x", "command": ("a",), "folder": tmp_path, **wrong})


def test_other_executors():
    with pytest.raises(BadInput, match="no executor 'cloud'"):
        make("cloud")


def test_a_computer_without_slurm(tmp_path):
    executor = make("slurm", environment={"PATH": str(tmp_path)})
    with pytest.raises(BadInput, match="SLURM is not installed") as caught:
        executor.submit(Job("x", ("a",), tmp_path / "job"))
    assert "\n" not in caught.value.line
    assert not (tmp_path / "job").exists()


def test_a_python_without_submitit(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(BadInput, match="pip install submitit"):
        make("slurm").submit(Job("x", ("a",), tmp_path / "job"))


@pytest.mark.parametrize(
    ("said", "reason", "expected"),
    [
        ("PENDING", "Resources", JobState(WAITING, None, "waits for free resources")),
        ("PENDING", "None", JobState(WAITING)),
        (
            "PENDING",
            "ReqNodeNotAvail, UnavailableNodes:n1",
            JobState(WAITING, None, "waits for a node that is not available"),
        ),
        ("PENDING", "SomethingNew", JobState(WAITING, None, "SomethingNew")),
        ("REQUEUED", "", JobState(WAITING)),
        ("RUNNING", "None", JobState(RUNNING)),
        ("COMPLETING", "None", JobState(RUNNING)),
        ("SUSPENDED", "None", JobState(RUNNING, None, "suspended")),
        ("TIMEOUT", "TimeLimit", JobState(ENDED, None, "time limit")),
        (
            "OUT_OF_MEMORY",
            "OutOfMemory",
            JobState(ENDED, None, "out of memory: more was used than the job had asked for"),
        ),
        ("CANCELLED by 1000", "", JobState(ENDED, None, "cancelled")),
        ("CANCELLED+", "", JobState(ENDED, None, "cancelled")),
        ("NODE_FAIL", "None", JobState(ENDED, None, "node failed")),
        ("COMPLETED", "None", JobState(ENDED)),
    ],
)
def test_the_words_of_slurm(said, reason, expected):
    from BreastSegLib.executors.slurm_query import in_words

    assert in_words(said, reason) == expected


def test_states_of_slurm_that_are_new_end_nothing():
    from BreastSegLib.executors.slurm_query import in_words

    assert not in_words("DREAMING").over
    assert not in_words("").over


def test_elsewhere_the_system_binds_nothing():
    assert bound_options("darwin") == bound_options("win32") == {}

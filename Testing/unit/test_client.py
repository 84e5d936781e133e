"""The parent side of the worker, against workers that misbehave."""

import gc
import os
import sys
import time
import warnings

import client_cases
import psutil
import pytest
from BreastSegLib.errors import BreastSegError, Cancelled, WorkerDied
from BreastSegLib.inference import client as client_module
from BreastSegLib.inference.client import WorkerClient
from client_cases import collect, ended, failure, ready, works

fake, client = client_cases.fake, client_cases.client
POSIX = os.name == "posix"
FAST_S = 0.05


# --- a conversation --------------------------------------------------------------------------------------------------


def test_request_and_answer(client):
    ready(client)
    result = client.wait(client.send("predict", value={"path": "/a é 乳"}), timeout=10)
    assert result["echo"] == {"path": "/a é 乳"}
    assert result["folder"] == str(client.folder)
    assert client.alive
    assert not client.busy


def test_ids_differ_and_answers_to_others_are_dropped(client):
    first = client.send("read")
    client.wait(first, timeout=10)
    second = client.send("read", mode="stale")
    assert second != first
    seen = []
    assert client.wait(second, seen.append, timeout=10)["right"] is True
    assert all(event.get("id") in (None, second) for event in seen)


def test_progress_in_order_and_nothing_lost(client):
    seen = []
    client.wait(client.send("predict", mode="progress", total=2000), seen.append, timeout=20)
    assert [event["done"] for event in seen if event["event"] == "progress"] == list(range(2000))


def test_lines_that_arrive_byte_by_byte(client):
    assert client.wait(client.send("predict", mode="pieces"), timeout=10)["text"] == "é乳"


def test_one_request_at_a_time(client):
    number = client.send("predict", mode="silent", seconds=0.3)
    assert client.busy
    with pytest.raises(BreastSegError, match="busy"):
        client.send("read")
    client.wait(number, timeout=10)
    assert works(client)


def test_poll_never_blocks_on_a_silent_worker(client):
    ready(client)
    client.send("predict", mode="silent", seconds=0.6)
    events, slowest = collect(client, ended)
    assert events[-1]["event"] == "result"
    assert slowest < FAST_S


def test_poll_before_start():
    client = WorkerClient()
    assert client.poll() == []
    assert not client.alive
    assert client.pid is None
    assert client.log_tail() == ""
    client.cancel()
    client.close()


def test_wait_has_a_limit(client):
    number = client.send("predict", mode="silent")
    with pytest.raises(TimeoutError):
        client.wait(number, timeout=0.3)


# --- a worker that fails ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", ["Loading weights 50%", "[1, 2]", '{"id": 1}', "\xff\xfe\x00", '{"event": "result", ']
)
def test_garbage_ends_the_worker(client, line):
    event = failure(client, mode="garbage", line=line)
    assert event["code"] == "worker-died"
    assert "not a message" in event["message"]
    assert "what the library said" in event["log"]
    assert not client.alive
    assert works(client)


def test_half_a_line_and_death(client):
    event = failure(client, mode="truncated")
    assert event["code"] == "worker-died"
    assert "exit code 0" in event["message"]
    assert works(client)


def test_exit_code_and_last_words(client):
    event = failure(client, mode="exit", code=7)
    assert "exit code 7" in event["message"]
    assert "last words" in event["log"]
    assert works(client)


def test_an_answer_just_before_death_counts(client):
    number = client.send("predict", mode="answer and exit")
    time.sleep(0.3)  # answer and end arrive together
    assert client.wait(number, timeout=10)["last"] is True
    assert client.poll() == []
    assert not client.alive


@pytest.mark.skipif(not POSIX, reason="signals")
@pytest.mark.parametrize(("name", "words"), [("SIGKILL", ["signal 9", "memory"]), ("SIGSEGV", ["signal 11", "log"])])
def test_killed(client, name, words):
    event = failure(client, mode="signal", name=name)
    assert event["code"] == "worker-died"
    assert all(word in event["message"] + event["hint"] for word in words)
    assert works(client)


def test_killed_from_outside_while_idle(client):
    ready(client)
    psutil.Process(client.pid).kill()
    collect(client, lambda _: not client.alive)
    assert client.poll() == []
    assert works(client)


@pytest.mark.parametrize("polled", [True, False])
def test_kill_while_a_request_runs(client, polled):
    """Every request ends with exactly one answer, also when the owner of the client ends the worker."""
    number = client.send("predict", mode="silent")
    if polled:
        collect(client)
    client.kill()
    with pytest.raises(WorkerDied):
        client.wait(number, timeout=5)
    assert not client.busy
    assert works(client)


@pytest.mark.skipif(not POSIX, reason="a process cannot close its pipes like this on Windows")
def test_closed_pipes(client):
    number = client.send("predict", mode="close pipes")
    collect(client)
    time.sleep(0.2)
    _, slowest = collect(client, lambda events: True)
    assert slowest < FAST_S
    client.cancel()
    with pytest.raises(Cancelled):
        client.wait(number, timeout=5)
    assert works(client)


def test_wait_raises_what_happened(client):
    with pytest.raises(WorkerDied, match="exit code 3") as caught:
        client.wait(client.send("predict", mode="exit", code=3), timeout=10)
    assert "last words" in caught.value.log


def test_interpreter_that_does_not_exist(fake):
    with WorkerClient(python="/no/such/python") as client:
        with pytest.raises(BreastSegError, match="could not be started.*/no/such/python"):
            client.send("read")
        assert not client.busy
        assert client.poll() == []
    assert client.folder is None


def test_interpreter_without_the_library(tmp_path, monkeypatch):
    monkeypatch.setattr(client_module, "PACKAGE_FOLDER", tmp_path)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    with WorkerClient(environment=environment) as client:
        event = failure(client)
        assert "exit code 1" in event["message"]
        assert "BreastSegLib" in event["log"]


# --- cancelling ------------------------------------------------------------------------------------------------------


def test_cancel_obeyed(client):
    number = client.send("predict", mode="obey")
    collect(client)
    client.cancel()
    with pytest.raises(Cancelled):
        client.wait(number, timeout=5)
    assert client.alive
    assert works(client)


def test_cancel_not_obeyed_within_a_second(client):
    ready(client)
    number = client.send("predict", mode="silent")
    process = psutil.Process(client.pid)
    began = time.monotonic()
    client.cancel()
    client.cancel()
    events, slowest = collect(client, ended)
    assert 0.8 < time.monotonic() - began < 1.6
    assert slowest < 0.3
    assert [(event["event"], event["code"], event["id"]) for event in events] == [("error", "cancelled", number)]
    assert not process.is_running()
    assert not client.alive
    assert works(client)


def test_death_while_cancelling_is_a_cancel(client):
    ready(client)
    number = client.send("predict", mode="silent")
    client.cancel()
    psutil.Process(client.pid).kill()
    with pytest.raises(Cancelled):
        client.wait(number, timeout=5)


def test_a_result_that_comes_after_the_cancel_counts(client):
    """It was finished already; the request has one answer and the next request is not cancelled."""
    number = client.send("predict", mode="late")
    collect(client)
    client.cancel()
    events, _ = collect(client, ended)
    assert [(event["event"], event["id"]) for event in events if event["event"] != "ready"] == [("result", number)]
    number = client.send("predict", mode="silent", seconds=1.3)
    assert client.wait(number, timeout=10)["event"] == "result"


def test_cancel_when_idle_does_nothing(client):
    ready(client)
    client.cancel()
    time.sleep(1.1)
    assert client.poll() == []
    assert works(client)


# --- start and end ---------------------------------------------------------------------------------------------------


def test_two_clients_at_once(fake):
    with WorkerClient() as one, WorkerClient() as two:
        first, second = one.send("read", mode="silent", seconds=0.4), two.send("read", value=2)
        assert one.folder != two.folder
        assert one.pid != two.pid
        assert two.wait(second, timeout=10)["echo"] == 2
        two.kill()
        assert one.wait(first, timeout=10)["event"] == "result"


def test_close_leaves_nothing(fake):
    client = WorkerClient()
    ready(client)
    folder, process = client.folder, psutil.Process(client.pid)
    (folder / "exam").mkdir()
    (folder / "exam" / "phase.npy").write_bytes(b"x")
    if POSIX:
        assert folder.stat().st_mode & 0o077 == 0  # others on the machine must not read the exam
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began < 1.0
    assert not folder.exists()
    assert not process.is_running()
    client.close()
    assert client.poll() == []


def test_close_while_busy_does_not_wait(fake):
    """The window closes with a run under way: nobody waits for the result."""
    client = WorkerClient()
    ready(client)
    client.send("predict", mode="silent")
    process, began = psutil.Process(client.pid), time.monotonic()
    client.close()
    assert time.monotonic() - began < 0.5
    assert not process.is_running()
    assert not client.busy
    assert client.folder is None


def test_a_closed_client_can_be_used_again(client):
    assert works(client)
    client.close()
    assert works(client)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_twenty_starts_leak_nothing(fake):
    def handles():
        return len(os.listdir("/proc/self/fd"))

    def run(mode, **fields):
        client = WorkerClient()
        number = client.send("predict", mode=mode, **fields)
        if mode == "echo":
            client.wait(number, timeout=10)
        elif mode == "exit":
            collect(client, ended)
        client.close()

    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        run("echo")
        gc.collect()
        before = handles()
        for turn in range(20):
            run(("echo", "exit", "silent")[turn % 3], code=1)
        gc.collect()
        assert handles() == before
    assert [child for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE] == []
    assert not any("inference.worker" in " ".join(child.cmdline()) for child in psutil.Process().children())


def test_environment_of_the_worker(fake, tmp_path):
    environment = {
        **os.environ,
        "ITK_AUTOLOAD_PATH": "/x",
        "PYTHONSTARTUP": "/x.py",
        "PYTHONINSPECT": "1",
        "MINE": "é",
        "PYTHONPATH": str(tmp_path),
    }
    with WorkerClient(environment=environment) as client:
        seen = client.wait(client.send("read"), timeout=10)["environment"]
    assert not {"ITK_AUTOLOAD_PATH", "PYTHONSTARTUP", "PYTHONINSPECT"} & set(seen)
    assert seen["MINE"] == "é"
    assert seen["PYTHONPATH"].split(os.pathsep) == [str(client_module.PACKAGE_FOLDER), str(tmp_path)]
    assert seen["nnUNet_compile"] == "f"
    assert environment["PYTHONINSPECT"] == "1"


def test_log_tail(client):
    failure(client, mode="exit", code=1)
    with open(client.folder / client_module.LOG_NAME, "ab") as log:
        log.write(b"\xff broken bytes\n" + b"".join(b"line %d\n" % n for n in range(20000)))
    assert client.log_tail(3) == "line 19997\nline 19998\nline 19999"
    assert len(client.log_tail().splitlines()) == client_module.LOG_LINES

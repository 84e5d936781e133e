"""A fault at every message between client and worker; each request has exactly one answer and the next one works."""

import os
import random
import signal
import time

import client_cases
import psutil
import pytest
from BreastSegLib.errors import Cancelled, WorkerDied
from BreastSegLib.inference import linepipe
from BreastSegLib.inference.client import WorkerClient
from client_cases import collect, ended, failure, ready, works

fake, client = client_cases.fake, client_cases.client
POSIX = os.name == "posix"
PROGRESS = {"event": "progress", "stage": "Reading", "done": 0, "total": 2, "eta_s": None}
RESULT = {"event": "result", "mask": "/private/mask.npy"}
ERROR = {"event": "error", "code": "bad-input", "message": "No", "hint": "", "log": ""}


def answers(events):
    return [event for event in events if event["event"] in ("result", "error")]


# --- death at every message ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_death_around_the_greeting(fake, tmp_path, share):
    once = tmp_path / "once"
    once.write_text(str(share))
    with WorkerClient(environment={**os.environ, "FAKE_DIES_ONCE": str(once)}) as client:
        event = failure(client)
        assert event["code"] == "worker-died" and "exit code 9" in event["message"]
        assert works(client)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("kind", ["progress", "result", "error"])
def test_death_before_within_and_after_every_event(client, kind, share):
    events = [PROGRESS, RESULT if kind == "result" else ERROR]
    number = client.send("predict", mode="die at", events=events, kind=kind, share=share)
    seen, slowest = collect(client, ended)
    (answer,) = answers(seen)
    assert answer["id"] == number and slowest < 0.5
    if share == 1.0 and kind == "result":
        assert answer["event"] == "result"
    elif share == 1.0 and kind == "error":
        assert answer["code"] == "bad-input"
    else:
        assert answer["code"] == "worker-died"
    assert works(client)
    assert "signal" in client.last_end or not POSIX


@pytest.mark.skipif(not POSIX, reason="signals")
def test_death_before_the_request_arrives(client):
    """The worker dies between the last look at it and the next request."""
    ready(client)
    os.kill(client.pid, signal.SIGSTOP)
    number = client.send("predict")
    os.kill(client.pid, signal.SIGKILL)
    events, _ = collect(client, ended)
    assert [(event["id"], event["code"]) for event in answers(events)] == [(number, "worker-died")]
    assert works(client)


def test_death_at_random_moments(client):
    chance = random.Random(5)
    for _ in range(8):
        number = client.send("predict", mode="progress", total=3000)
        time.sleep(chance.uniform(0, 0.15))
        if client.alive:
            psutil.Process(client.pid).kill()
        events, slowest = collect(client, ended)
        assert len(answers(events)) == 1 and answers(events)[0]["id"] == number and slowest < 0.5
    assert works(client)


def test_a_start_while_a_dead_request_waits_for_its_answer_loses_nothing(client):
    number = client.send("predict", mode="exit", code=3)
    while client.alive:
        time.sleep(0.01)
    client.start()
    with pytest.raises(WorkerDied, match="exit code 3"):
        client.wait(number, timeout=5)
    assert works(client)


def test_the_reason_of_the_last_end_is_kept(client):
    assert client.last_end == ""
    failure(client, mode="exit", code=7)
    assert client.last_end == "The worker process ended with exit code 7 before it had finished"
    assert works(client)
    client.kill()
    assert client.last_end == "The worker was ended"
    assert works(client)
    psutil.Process(client.pid).kill()
    while client.alive:
        time.sleep(0.01)
    assert works(client), "the next request starts another one without a word"
    assert "before it had finished" not in client.last_end


# --- what comes through the pipe -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"\r\n",
        b"null\n",
        b"[" * 100_000 + b"\n",
        b"\x00\x00\x00\n",
        b"\xff\xfe{\x00}\x00\n",
        b'{"event": "result", "id": 1, "text": "\xe9"}\n',
        b'{"event": ["result"], "id": 1}\n',
        b'{"event": "resul", "id": 1}\n',
        b'{"event": null}\n',
        b'{"event": "ready"}{"event": "ready"}\n',
        b'{"event": "progress", "id": 1' + b"1" * 10_000 + b"}\n",
    ],
)
def test_lines_that_are_no_event(client, line):
    event = failure(client, mode="bytes", hex=line.hex())
    assert event["code"] == "worker-died" and "not a message" in event["message"]
    assert "\n" not in event["message"] and len(event["message"]) < 300
    assert not client.alive
    assert works(client)


def test_messages_before_a_bad_line_count(client):
    client.start()
    number = client._next_id
    line = b'{"event": "progress", "id": %d, "stage": "x", "done": 0, "total": 1}\n' % number
    assert client.send("predict", mode="bytes", hex=(line + b"rubbish\n").hex()) == number
    events, _ = collect(client, ended)
    assert [event["event"] for event in events if event["event"] != "ready"] == ["progress", "error"]


def test_a_line_without_an_end(client, monkeypatch):
    """Memory stays bounded, and the window is not held up."""
    monkeypatch.setattr(linepipe, "LINE_LIMIT", 1)  # the default was bound before
    number = client.send("predict", mode="long line", size=1 << 20, count=80)
    client._child.lines._limit = 8 << 20
    events, slowest = collect(client, ended, timeout=20)
    (answer,) = answers(events)
    assert answer["id"] == number and "longer than 8,388,608 bytes" in answer["message"]
    assert slowest < 0.5
    assert works(client)


def test_a_long_answer_arrives_whole(client):
    answer = client.wait(client.send("predict", mode="long answer", size=20 << 20), timeout=20)
    assert len(answer["text"]) == 20 << 20


def test_a_worker_that_never_stops_talking_does_not_hold_up_the_window(client):
    client.send("predict", mode="flood")
    events, slowest = collect(client, lambda events: len(events) > 20_000)
    assert slowest < 0.5
    client.cancel()
    began = time.monotonic()
    events, slowest = collect(client, ended)
    assert answers(events)[0]["code"] == "cancelled" and slowest < 0.7
    assert time.monotonic() - began < 1.5
    assert works(client)


def test_events_after_the_result_are_dropped(client):
    number = client.send("predict", mode="chatter after")
    assert client.wait(number, timeout=10)["right"] is True
    time.sleep(0.1)
    assert answers(client.poll()) == []
    number = client.send("read", value="next")
    events, _ = collect(client, ended)
    assert [(event["event"], event.get("echo")) for event in answers(events)] == [("result", "next")]


@pytest.mark.skipif(not POSIX, reason="a process cannot close its pipes like this on Windows")
def test_a_worker_that_closes_its_output_is_ended(client):
    event = failure(client, mode="close output")
    assert event["code"] == "worker-died" and "closed its output" in event["message"]
    assert not client.alive
    assert works(client)


@pytest.mark.parametrize("pid", [1, 0, -1, os.getpid()], ids=["first", "0", "-1", "own"])
def test_a_process_id_that_cannot_be_right_is_never_ended(fake, pid):
    with WorkerClient(environment={**os.environ, "FAKE_PID": str(pid)}) as client:
        ready(client)
        client.kill()
    assert client.folder is None


def test_a_request_that_json_cannot_say_is_refused_and_nothing_waits(client):
    with pytest.raises(ValueError, match="JSON"):
        client.send("predict", value=float("nan"))
    assert not client.busy
    assert works(client)


def test_a_large_request_does_not_wait_for_the_worker_to_read(client):
    """Thousands of file names are more than a pipe takes at once."""
    ready(client)
    text = "x" * 5_000_000
    first = client.send("read", mode="silent", seconds=0.5)
    began = time.perf_counter()
    client.ahead(text=text)
    assert time.perf_counter() - began < 0.2
    client.wait(first, timeout=10)
    assert client.wait(client.send("read", mode="size", text=text), timeout=20)["size"] == len(text)


def test_what_is_sent_while_the_worker_starts_arrives(fake):
    with WorkerClient(environment={**os.environ, "FAKE_STARTS_SLOWLY": "0.5"}) as client:
        began = time.perf_counter()
        number = client.send("read", mode="size", text="x" * 1_000_000)
        assert time.perf_counter() - began < 0.4
        assert client.wait(number, timeout=10)["size"] == 1_000_000


# --- cancelling a worker that does not listen ------------------------------------------------------------------------


@pytest.mark.skipif(not POSIX, reason="signals")
def test_a_stopped_worker_is_cancelled_all_the_same(client):
    number = client.send("predict", mode="stopped")
    collect(client, lambda events: any(event["event"] == "progress" for event in events))
    process, began = psutil.Process(client.pid), time.monotonic()
    client.cancel()
    with pytest.raises(Cancelled):
        client.wait(number, timeout=5)
    assert time.monotonic() - began < 1.5
    assert not process.is_running()
    assert works(client)


def test_cancel_while_the_worker_starts(fake):
    with WorkerClient(environment={**os.environ, "FAKE_STARTS_SLOWLY": "30"}) as client:
        number, began = client.send("predict"), time.monotonic()
        client.cancel()
        with pytest.raises(Cancelled):
            client.wait(number, timeout=5)
        assert time.monotonic() - began < 1.5 and not client.alive


@pytest.mark.skipif(not POSIX, reason="signals")
def test_cancel_with_more_to_send_than_the_pipe_takes(client):
    ready(client)
    os.kill(client.pid, signal.SIGSTOP)
    number, began = client.send("predict", text="x" * 3_000_000), time.monotonic()
    client.cancel()
    with pytest.raises(Cancelled):
        client.wait(number, timeout=5)
    assert time.monotonic() - began < 1.5
    assert works(client)


def test_closing_a_window_while_the_worker_starts_does_not_wait(fake):
    client = WorkerClient(environment={**os.environ, "FAKE_STARTS_SLOWLY": "30"})
    client.start()
    process, began = psutil.Process(client.pid), time.monotonic()
    client.close()
    assert time.monotonic() - began < 0.5 and not process.is_running()


# --- the whole tree --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["cancel", "kill", "close", "death"])
def test_no_grandchild_stays(fake, way):
    if way == "death" and not POSIX:
        pytest.skip("Windows knows no group of a process that has ended")
    client = WorkerClient()
    client.send("predict", mode="grandchild", end=way == "death")
    events, _ = collect(client, lambda events: any("child" in event for event in events))
    grandchild = psutil.Process(next(event["child"] for event in events if "child" in event))
    if way in ("cancel", "kill"):
        getattr(client, way)()
    if way == "close":
        client.close()
    else:
        collect(client, lambda more: ended([*events, *more]))
    _, alive = psutil.wait_procs([grandchild], timeout=3)
    assert not alive
    client.close()


# --- an idle worker --------------------------------------------------------------------------------------------------


def test_the_next_request_starts_another_worker_after_an_idle_end(client, caplog):
    caplog.set_level("INFO")
    ready(client)
    first = client.pid
    client.wait(client.send("predict", mode="idle", seconds=0.0), timeout=10)
    collect(client, lambda _: not client.alive)
    assert client.poll() == [] and client.pid is None
    assert "nothing to do" in client.last_end
    assert works(client) and client.pid != first
    assert any("nothing to do" in record.message for record in caplog.records)


def test_a_request_that_crosses_the_idle_end_is_not_lost(client):
    """It was written to a worker that had already decided to end."""
    client.wait(client.send("predict", mode="idle", seconds=0.2, linger=0.5), timeout=10)
    time.sleep(0.4)
    first, number = client.pid, client.send("read", value="crossed")
    seen = []
    assert client.wait(number, seen.append, timeout=10)["echo"] == "crossed"
    assert client.pid != first
    assert "nothing to do" in client.last_end


def test_a_request_that_crosses_the_idle_end_when_no_other_worker_can_start(client):
    client.wait(client.send("predict", mode="idle", seconds=0.2, linger=0.5), timeout=10)
    time.sleep(0.4)
    number = client.send("read")
    client.python = "/no/such/python"
    with pytest.raises(WorkerDied, match="could not be started.*/no/such/python"):
        client.wait(number, timeout=5)
    assert not client.busy


def test_cancel_of_a_request_that_crosses_the_idle_end(client):
    client.wait(client.send("predict", mode="idle", seconds=0.2, linger=0.5), timeout=10)
    time.sleep(0.4)
    number = client.send("read")
    client.cancel()
    with pytest.raises(Cancelled):
        client.wait(number, timeout=5)
    assert works(client)


def test_death_of_a_request_after_an_idle_end_is_still_a_death(client):
    client.wait(client.send("predict", mode="idle", seconds=0.0), timeout=10)
    collect(client, lambda _: not client.alive)
    assert failure(client, mode="exit", code=3)["code"] == "worker-died"
    assert "exit code 3" in client.last_end


# --- what lies on the disk -------------------------------------------------------------------------------------------


def test_a_private_folder_that_was_cleaned_away_is_made_anew(client):
    import shutil

    assert works(client)
    client.kill()
    client.poll()
    former = client.folder
    shutil.rmtree(former)
    assert works(client)
    assert client.folder.is_dir() and client.folder != former


def test_a_full_disk_at_the_start_is_said_in_one_line(client, monkeypatch):
    import errno
    from pathlib import Path

    from BreastSegLib.errors import BreastSegError

    def full(path, *_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "touch", full)
        with pytest.raises(BreastSegError, match="could not be started: No space left.*temporary files") as caught:
            client.send("read")
        assert "\n" not in caught.value.line
        assert not client.busy
    assert works(client)

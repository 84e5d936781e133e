"""The batch as a child of a window: its events arrive without waiting, and no process outlives it."""

import os
import signal
import sys
import time

import pytest
from BreastSegLib.errors import BreastSegError
from BreastSegLib.pipeline.batch_process import BatchProcess

# Stands for the package in the child: says what a batch would say.
CHILD = """
import json, os, subprocess, sys, time
def say(**event):
    print(json.dumps(event), flush=True)
mode, arguments = sys.argv[2], sys.argv
assert arguments[1] == "batch" and arguments[-1] == "--events"
say(event="start", cases=["a"], finished=0, notes=[])
if mode == "whole":
    say(event="done", done=1, line="1 done")
elif mode == "stops":
    assert sys.stdin.readline() == "stop\\n"
    say(event="done", done=0, stopped="stopped by the user")
elif mode == "hangs":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    say(event="case", case=str(child.pid))
    time.sleep(60)
elif mode == "crashes":
    sys.stderr.write("Error: something is wrong\\n")
    sys.exit(3)
elif mode == "garbage":
    print("what a library printed", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start a batch that behaves as told."""
    from BreastSegLib.pipeline import batch_process as module

    package = tmp_path / "package" / "BreastSegLib"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "__main__.py").write_text(CHILD, encoding="utf-8")
    monkeypatch.setattr(module, "PACKAGE_FOLDER", package.parent)
    made = []

    def begin(mode):
        made.append(BatchProcess([mode]))
        made[-1].start()
        return made[-1]

    yield begin
    for process in made:
        process.close()


def events_of(process, until=None, seconds=30):
    """Poll until the end, or until an event of a kind; no poll may take long."""
    events, deadline = [], time.monotonic() + seconds
    while process.running and time.monotonic() < deadline:
        began = time.monotonic()
        events += process.poll()
        assert time.monotonic() - began < 5
        if until and any(event["event"] == until for event in events):
            return events
        time.sleep(0.01)
    return events


def gone(pid):
    for _ in range(300):
        try:
            os.kill(pid, 0)
            with open(f"/proc/{pid}/stat", encoding="ascii") as stream:
                if stream.read().rpartition(")")[2].split()[0] == "Z":  # nobody waits for orphans in a container
                    return True
        except (OSError, ValueError):
            return True
        time.sleep(0.01)
    return False


def test_the_events_arrive_and_the_last_one_comes_when_the_process_is_gone(start):
    process = start("whole")
    pid = process.pid
    events = events_of(process)
    assert [event["event"] for event in events] == ["start", "done"] and process.ended and not process.running
    assert gone(pid) and process.poll() == []


def test_it_stops_when_asked(start):
    process = start("stops")
    events_of(process, "start")
    process.stop()
    process.stop()
    events = events_of(process)
    assert [event["event"] for event in events] == ["done"] and events[0]["stopped"] == "stopped by the user"


@pytest.mark.skipif(os.name == "nt", reason="looks at processes as POSIX does")
@pytest.mark.parametrize("how", ["kill", "close", "killed from outside"])
def test_nothing_outlives_it(start, monkeypatch, how):
    from BreastSegLib.pipeline import batch_process as module

    monkeypatch.setattr(module, "CLOSE_PATIENCE_S", 0.2)
    process = start("hangs")
    pid = process.pid
    child = int(events_of(process, "case")[-1]["case"])
    if how == "killed from outside":
        os.killpg(pid, signal.SIGKILL)
    else:
        getattr(process, how)()
    events = events_of(process)
    assert gone(pid) and gone(child) and process.ended
    if how != "close":
        assert [event["event"] for event in events] == ["error"] and "goes on where it ended" in events[0]["message"]


@pytest.mark.skipif(os.name == "nt", reason="looks at processes as POSIX does")
def test_one_that_does_not_stop_is_killed(start, monkeypatch):
    from BreastSegLib.pipeline import batch_process as module

    monkeypatch.setattr(module, "STOP_PATIENCE_S", 0.2)
    process = start("hangs")
    events_of(process, "case")
    process.stop()
    assert [event["event"] for event in events_of(process)] == ["error"] and gone(process.pid)


@pytest.mark.parametrize("mode, said", [("crashes", "something is wrong"), ("garbage", "not a message")])
def test_a_child_that_goes_wrong_is_an_error_event(start, mode, said):
    events = events_of(start(mode))
    assert [event["event"] for event in events] == ["start", "error"] and said in events[-1]["message"]


def test_an_interpreter_that_is_not_there_is_said():
    process = BatchProcess([], python=os.path.join(os.path.dirname(sys.executable), "no-python"))
    with pytest.raises(BreastSegError, match="could not be started"):
        process.start()
    assert not process.running and process.poll() == []
    process.close()


def test_bad_input_of_the_real_command_is_one_event(tmp_path):
    process = BatchProcess(["--model", "demo-dce", "--cases", tmp_path / "none.csv", "--output", tmp_path / "out"])
    process.start()
    events = events_of(process, seconds=60)
    assert [event["event"] for event in events] == ["error"] and "table cannot be read" in events[0]["message"]
    assert not (tmp_path / "out").exists()

"""A client whose worker misbehaves on request, and what the tests of the client ask of it."""

import shutil
import time
from pathlib import Path

import pytest
from BreastSegLib.inference import client as client_module
from BreastSegLib.inference.client import WorkerClient


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Put the misbehaving worker in the place of the real one."""
    package = tmp_path / "library" / "BreastSegLib" / "inference"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").touch()
    shutil.copy(Path(__file__).with_name("fake_worker.py"), package / "worker.py")
    monkeypatch.setattr(client_module, "PACKAGE_FOLDER", tmp_path / "library")


@pytest.fixture
def client(fake):
    with WorkerClient() as made:
        yield made


def collect(client, until=lambda events: bool(events), timeout=10.0):
    """Poll until the events satisfy `until`; return them and the longest time that one poll took."""
    events, slowest, end = [], 0.0, time.monotonic() + timeout
    while not until(events):
        assert time.monotonic() < end, f"no end within {timeout} s: {events[-5:]}"
        began = time.perf_counter()
        events += client.poll()
        slowest = max(slowest, time.perf_counter() - began)
        time.sleep(0.005)
    return events, slowest


def ended(events):
    return any(event["event"] in ("result", "error") for event in events)


def ready(client):
    client.start()
    collect(client, lambda events: any(event["event"] == "ready" for event in events))


def failure(client, **fields):
    """Send a request that must fail; return the one error event."""
    number = client.send("predict", **fields)
    events, slowest = collect(client, ended)
    answers = [event for event in events if event["event"] in ("result", "error")]
    assert len(answers) == 1
    assert answers[0]["event"] == "error"
    assert answers[0]["id"] == number
    assert slowest < 0.5
    assert not client.busy
    return answers[0]


def works(client):
    return client.wait(client.send("read", value="still here"), timeout=10)["echo"] == "still here"

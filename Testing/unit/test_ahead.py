"""The next exam is made ready in a thread: one job, taken once, dropped when nobody wants it."""

import threading
import time

import pytest
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.inference.ahead import Ahead

LONG_S = 10


class Preparing:
    """A stand-in for the preparation, which waits until it is told to go on."""

    def __init__(self):
        self.begun, self.ended, self.most_at_once = [], [], 0
        self.gates, self.errors = {}, {}
        self._now = 0

    def __call__(self, request, report):
        name = request["source"]["folder"]
        self.begun.append(name)
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            gate, end = self.gates.get(name), time.monotonic() + LONG_S
            while gate is not None and not gate.wait(0.005):
                report("Preparing", 1, 4)
                assert time.monotonic() < end
            if name in self.errors:
                raise self.errors[name]
            return f"{name} is ready"
        finally:
            self._now -= 1
            self.ended.append(name)

    def hold(self, name):
        self.gates[name] = threading.Event()
        return self.gates[name]


@pytest.fixture
def preparing():
    return Preparing()


@pytest.fixture
def ahead(preparing):
    made = Ahead(preparing)
    yield made
    made.drop()
    for gate in preparing.gates.values():
        gate.set()


def ask(name, number=1, **fields):
    return {"id": number, "request": "ahead", "source": {"folder": name}, "model": "/m", "folds": None, **fields}


def want(name, number=9, **fields):
    return {**ask(name, number, **fields), "request": "predict", "output": "/private/out"}


def until(condition):
    end = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def no_report(*_):
    raise AssertionError("nothing to wait for")


def test_what_was_made_ready_is_taken_once(ahead, preparing):
    ahead.begin(ask("A"))
    until(lambda: not ahead.working)
    assert ahead.take(want("A"), no_report) == "A is ready"
    assert ahead.take(want("A"), no_report) is None
    assert preparing.begun == ["A"]


def test_nothing_was_made_ready(ahead):
    assert ahead.take(want("A"), no_report) is None
    assert not ahead.working
    ahead.drop()


def test_id_and_output_do_not_matter_but_everything_else_does(ahead):
    for change in ({"model": "/other"}, {"folds": [0]}, {"regions": [{"box": [0, 0, 1, 1]}]}, {"shortcuts": False}):
        ahead.begin(ask("A"))
        assert ahead.take(want("A", **change), lambda *_: None) is None
    ahead.begin(ask("A", regions=None))
    assert ahead.take(want("A", number=40), lambda *_: None) == "A is ready"


def test_waiting_shows_the_progress_of_the_thread(ahead, preparing):
    gate, seen = preparing.hold("A"), []
    ahead.begin(ask("A"))
    assert ahead.working

    def report(*progress):
        seen.append(progress)
        if ("Preparing", 1, 4) in seen:
            gate.set()

    assert ahead.take(want("A"), report) == "A is ready"
    assert seen[-1] == ("Preparing", 1, 4)


def test_a_cancel_while_waiting_ends_the_thread(ahead, preparing):
    preparing.hold("A")
    ahead.begin(ask("A"))

    def report(*_):
        raise Cancelled()

    began = time.monotonic()
    with pytest.raises(Cancelled):
        ahead.take(want("A"), report)
    assert time.monotonic() - began < 1
    until(lambda: preparing.ended == ["A"])
    assert ahead.take(want("A"), no_report) is None


@pytest.mark.parametrize("error", [BadInput("The folder is empty", "/a"), MemoryError(), ZeroDivisionError("x")])
def test_errors_come_out_where_the_exam_is_wanted(ahead, preparing, error):
    preparing.errors["A"] = error
    ahead.begin(ask("A"))
    with pytest.raises(type(error)) as caught:
        ahead.take(want("A"), lambda *_: None)
    assert caught.value is error
    assert ahead.take(want("A"), no_report) is None
    ahead.begin(ask("B"))
    assert ahead.take(want("B"), lambda *_: None) == "B is ready"


def test_another_predict_drops_the_exam(ahead, preparing):
    preparing.hold("A")
    ahead.begin(ask("A"))
    until(lambda: preparing.begun)
    assert ahead.take(want("B"), no_report) is None
    until(lambda: preparing.ended == ["A"])
    assert ahead.take(want("A"), no_report) is None


def test_a_predict_that_was_sent_before_leaves_it_alone(ahead):
    """The worker reads ahead of what it does: the request for the next exam may be seen first."""
    ahead.begin(ask("B", number=6))
    assert ahead.take(want("A", number=5), no_report) is None
    assert ahead.take(want("B", number=7), lambda *_: None) == "B is ready"


def test_another_ahead_takes_its_place_and_never_two_run_at_once(ahead, preparing):
    preparing.hold("A")
    ahead.begin(ask("A", number=1))
    until(lambda: preparing.begun)
    for number, name in enumerate("BCDE", 2):
        ahead.begin(ask(name, number=number))
    assert ahead.take(want("E"), lambda *_: None) == "E is ready"
    assert preparing.most_at_once == 1
    assert preparing.begun[-1] == "E"


def test_dropped_work_is_not_kept(ahead, preparing):
    gate = preparing.hold("A")
    ahead.begin(ask("A"))
    until(lambda: preparing.begun)
    job = ahead._job
    ahead.drop()
    gate.set()
    until(lambda: job.finished.is_set())
    assert job.ready is None
    assert ahead.take(want("A"), no_report) is None
    until(lambda: not any(thread.name == "ahead" for thread in threading.enumerate()))

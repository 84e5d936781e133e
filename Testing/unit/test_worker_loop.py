"""The worker's loop, with stand-ins for what it does: every request is answered, and it knows when to end."""

import queue

import pytest
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.inference import inbox as inbox_module
from BreastSegLib.inference import worker
from BreastSegLib.inference.ahead import Ahead
from BreastSegLib.inference.inbox import Inbox
from BreastSegLib.inference.messages import encode


class Listener:
    """Takes the place of the channel and of the inbox."""

    def __init__(self, *requests):
        self.events, self.requests = [], queue.Queue()
        for request in requests:
            self.requests.put(request)

    def send(self, **event):
        self.events.append(event)

    def is_cancelled(self, request_id):
        return False


class Held:
    """An exam that is made ready meanwhile."""

    def __init__(self, rounds=0):
        self.rounds, self.dropped = rounds, 0

    @property
    def working(self):
        self.rounds -= 1
        return self.rounds >= 0

    def drop(self):
        self.dropped += 1


def answer(result=None, error=None, request=None, ahead=None):
    def handler(request, report):
        if error is not None:
            raise error
        return result

    request = request or {"id": 4, "request": "devices"}
    return worker.answer(request, {"devices": handler}, None, ahead or Held())


def test_a_result():
    assert answer({"devices": []}) == {"event": "result", "id": 4, "devices": []}


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (BadInput("No such file", "/a", "Look again"), "bad-input", r"No such file \(/a\)"),
        (Cancelled(), "cancelled", "Cancelled"),
        (MemoryError(), "out-of-memory", "too little memory"),
        (ZeroDivisionError("by zero\nmore"), "internal", "ZeroDivisionError: by zero"),
        (RecursionError("too deep"), "internal", "too deep"),
    ],
)
def test_every_error_is_an_answer(error, code, words):
    event = answer(error=error)
    assert (event["event"], event["id"], event["code"]) == ("error", 4, code)
    assert words.replace("\\", "") in event["message"] and "\n" not in event["message"]


def test_the_traceback_of_an_unforeseen_error_is_in_the_log(capsys):
    event = answer(error=ZeroDivisionError("by zero"))
    assert "Traceback" in event["log"] and "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("result", [{"volume": float("nan")}, {"volume": float("inf")}, {"array": object()}])
def test_a_result_that_json_cannot_say_is_an_error(result):
    event = answer(result)
    assert event["event"] == "error" and event["code"] == "internal"


@pytest.mark.parametrize("request_", [{}, {"id": None, "request": "unreadable"}, {"id": {}, "request": []}])
def test_what_is_no_request_is_answered(request_):
    event = answer(request={"id": None, **request_})
    assert event["event"] == "error" and event["code"] == "bad-input"


def test_only_a_cancel_drops_what_was_made_ready():
    ahead = Held()
    answer(error=BadInput("x"), ahead=ahead)
    answer({}, ahead=ahead)
    assert ahead.dropped == 0
    answer(error=Cancelled(), ahead=ahead)
    assert ahead.dropped == 1


def test_a_parent_that_no_longer_listens_is_not_answered():
    with pytest.raises(BrokenPipeError):
        answer(error=BrokenPipeError())


def test_the_worker_ends_when_nothing_came_for_a_while():
    one = Listener()
    worker.serve(one, one, Held(), 0.01)
    assert [event["event"] for event in one.events] == ["ready", "ended"]
    assert one.events[-1]["reason"] == "idle"


def test_it_is_not_idle_while_it_makes_an_exam_ready():
    one, ahead = Listener(), Held(rounds=3)
    worker.serve(one, one, ahead, 0.01)
    assert ahead.rounds < 0 and one.events[-1]["event"] == "ended"


def test_shutdown_ends_it_after_what_was_asked_before():
    one = Listener(
        {"id": 1, "request": "unheard of"}, {"id": 0, "request": "shutdown"}, {"id": 2, "request": "devices"}
    )
    worker.serve(one, one, Held(), 5)
    assert [(event["event"], event.get("id")) for event in one.events] == [("ready", None), ("error", 1)]


# --- the end of the input --------------------------------------------------------------------------------------------


class Left(Exception):
    """The process would have ended here."""


@pytest.fixture
def left(monkeypatch):
    ends = []

    def leave(code):
        ends.append(code)
        raise Left

    monkeypatch.setattr(inbox_module, "end_own_tree", leave)
    monkeypatch.setattr(inbox_module.os, "_exit", leave)
    monkeypatch.setattr(inbox_module.os, "chdir", lambda path: None)
    return ends


def read(monkeypatch, lines, tmp_path, ahead=None):
    monkeypatch.setattr(inbox_module.sys, "stdin", type("Input", (), {"buffer": iter(lines)}))
    private = tmp_path / "private"
    private.mkdir()
    (private / "lease").touch()
    made = Inbox(str(private), str(private / "lease"), ahead or Ahead(None), own_tree=True)
    return made, private


def test_requests_are_sorted(monkeypatch, tmp_path, left):
    ahead = Ahead(lambda request, report: request["id"])
    fields = {"source": {}, "model": "m", "device": "cpu", "folds": None, "tta": True, "cleanup": True}
    ask = encode({"id": 5, "request": "ahead", **fields})
    lines = [b'{"id": 1, "request": "devices"}\n', b'{"id": 1, "request": "cancel"}\n', b"rubbish\n", ask]
    lines += [
        b'{"id": 6, "request": "ahead"}\n',
        b'{"id": 0, "request": "shutdown"}\n',
        b'{"id": 9, "request": "devices"}\n',
    ]
    made, private = read(monkeypatch, lines, tmp_path, ahead)
    made.run()
    assert [made.requests.get()["id"] for _ in range(made.requests.qsize())] == [1, None, 0]
    assert made.is_cancelled(1) and not made.is_cancelled(2) and not made.is_cancelled(None)
    assert ahead.take({"id": 7, "request": "predict", "output": "o", **fields}, lambda *_: None) == 5
    assert left == [] and private.exists()


def test_the_end_of_the_input_removes_the_folder(monkeypatch, tmp_path, left):
    made, private = read(monkeypatch, [], tmp_path)
    (private / "deep").mkdir()
    with pytest.raises(Left):
        made.run()
    assert left == [3] and not private.exists()


def test_without_the_lease_the_folder_stays(monkeypatch, tmp_path, left):
    made, private = read(monkeypatch, [], tmp_path)
    (private / "lease").unlink()
    with pytest.raises(Left):
        made.run()
    assert left == [3] and private.exists()


def test_a_folder_that_is_written_to_meanwhile_goes_all_the_same(monkeypatch, tmp_path, left):
    made, private = read(monkeypatch, [], tmp_path)
    remove, turns = inbox_module.shutil.rmtree, []

    def busy(folder, ignore_errors):
        turns.append(folder)
        if len(turns) > 2:
            remove(folder, ignore_errors=ignore_errors)

    monkeypatch.setattr(inbox_module.shutil, "rmtree", busy)
    with pytest.raises(Left):
        made.run()
    assert not private.exists()

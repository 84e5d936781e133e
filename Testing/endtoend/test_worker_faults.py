"""The real worker when something goes wrong, at any moment, and when it is used for a long time."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from BreastSegLib.errors import BadInput, BreastSegError, Cancelled, WorkerDied
from BreastSegLib.inference.client import WorkerClient
from BreastSegLib.pipeline.call import loaded
from worker_cases import QUIET, fields, small_exam, small_model, until_stage, worker_of, wrapped_worker

PACKAGE = Path(__file__).resolve().parents[2] / "BreastSeg"
LONG_S = 120
# A cancel takes a second; what a busy test machine adds must not fail the test.
CANCEL_LIMIT_S = 4.0
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads what only Linux tells of processes")
posix = pytest.mark.skipif(os.name != "posix", reason="signals")


@pytest.fixture(scope="module")
def exam(sample, tmp_path_factory):
    return small_exam(sample, tmp_path_factory.mktemp("small-exam"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return small_model(tmp_path_factory.mktemp("small-model") / "small")


@pytest.fixture(scope="module")
def client():
    """A worker that stays warm for this file's tests."""
    with WorkerClient(environment=QUIET) as one:
        yield one


def run(client, exam, model, **changes):
    client.start()
    return client.wait(client.send("predict", **fields(client, exam, model, **changes)), timeout=LONG_S)


@pytest.fixture(scope="module")
def expected(client, exam, model):
    return np.load(run(client, exam, model)["raw"])


def works(client, exam, model, expected):
    return np.array_equal(np.load(run(client, exam, model)["raw"]), expected)


# --- cancelling ------------------------------------------------------------------------------------------------------


def cancelled_after(client, seconds, request):
    """Send a request, cancel it after so many seconds; return the answer's kind and how long it took."""
    number, began = client.send("predict", **request), time.monotonic()
    asked, answer = None, None
    while answer is None:
        if asked is None and time.monotonic() - began >= seconds:
            client.cancel()
            asked = time.monotonic()
        answers = [event for event in client.poll() if event.get("id") == number and event["event"] != "progress"]
        answer = answers[0] if answers else None
        time.sleep(0.002)
    assert len(answers) == 1
    return answer.get("code", "result"), time.monotonic() - (asked or time.monotonic())


def test_cancel_at_twenty_random_moments(client, exam, model, expected):
    """Seventeen moments of a warm run and three of one that begins with the start of the worker."""
    chance, kinds, slowest = random.Random(20), [], 0.0
    request = fields(client, exam, model, tta=True, shortcuts=False)
    began = time.monotonic()
    run(client, exam, model, tta=True, shortcuts=False)
    whole = time.monotonic() - began
    for turn in range(20):
        client.start()
        moment = chance.uniform(0, whole)
        if turn % 7 == 5:
            client.kill()
            client.start()
            moment = chance.uniform(0, 3.0)
        kind, took = cancelled_after(client, moment, request)
        kinds.append(kind)
        slowest = max(slowest, took)
        assert not client.busy
        if turn % 7 == 6:
            assert works(client, exam, model, expected)
    assert set(kinds) <= {"cancelled", "result"} and kinds.count("cancelled") >= 10, kinds
    assert slowest < CANCEL_LIMIT_S
    assert works(client, exam, model, expected)


@posix
def test_a_stopped_worker_is_cancelled_and_replaced(client, exam, model, expected):
    number = client.send("predict", **fields(client, exam, model, tta=True))
    until_stage(client, "Segmenting")
    process = worker_of(client)
    process.suspend()
    began = time.monotonic()
    client.cancel()
    with pytest.raises(Cancelled):
        client.wait(number, timeout=LONG_S)
    assert time.monotonic() - began < CANCEL_LIMIT_S
    assert not process.is_running()
    assert works(client, exam, model, expected)


# --- death and rubbish -----------------------------------------------------------------------------------------------


@posix
def test_killed_in_a_stage(client, exam, model, expected):
    """Each death is said, and the next request finds a new worker; the second one dies while torch is loaded."""
    for stage in ("Reading", "Loading model", "Writing"):
        number = client.send("predict", **fields(client, exam, model))
        until_stage(client, stage)
        os.kill(client.pid, signal.SIGKILL)
        try:
            client.wait(number, timeout=LONG_S)
            assert stage == "Writing"  # the answer came just before
        except WorkerDied as error:
            assert "signal 9" in error.line
        end = time.monotonic() + LONG_S
        while client.alive and time.monotonic() < end:  # where the answer came first, it may be dying still
            time.sleep(0.01)
    assert works(client, exam, model, expected)


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"rubbish\n",
        b"[1]\n",
        b'{"request": "predict"}\n',
        b'{"id": [1], "request": "predict", "source": 5}\n',
        b'{"id": {}, "request": {}}\n',
        b"\xff\xfe\xfd\n",
        b"[" * 100_000 + b"\n",
        b"x" * 3_000_000 + b"\n",
        b'{"id": 5, "request": "ahead", "source": "no object"}\n',
        b'{"id": "5", "request": "cancel"}\n',
    ],
)
def test_rubbish_among_the_requests_is_answered_and_survived(client, exam, model, expected, line):
    """The answer to what nobody asked goes to nobody; the next request works."""
    client.start()
    process = client.pid
    client._child.sink.write(line)
    assert works(client, exam, model, expected)
    assert client.pid == process


@pytest.mark.parametrize("name", ["mask", "raw"])
@pytest.mark.parametrize("fault", ["cut off", "missing", "another shape"])
def test_a_result_whose_array_is_damaged_is_said_in_one_line(client, exam, model, name, fault):
    answer = run(client, exam, model)
    assert loaded(answer)[name].array.shape == (24, 48, 48)
    path = Path(answer[name])
    if fault == "cut off":
        path.write_bytes(path.read_bytes()[:-100])
    elif fault == "missing":
        path.unlink()
    else:
        np.save(path, np.zeros((2, 3, 4), np.uint8))
    with pytest.raises(BreastSegError, match="The worker's result") as caught:
        loaded(answer)
    assert "\n" not in caught.value.line and str(path) in caught.value.line


def test_devices(client):
    client.start()
    rows = client.wait(client.send("devices"), timeout=LONG_S)["devices"]
    assert rows[-1]["device"] == "cpu"


# --- the end of the parent -------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("moment", ["start", "Loading model", "Segmenting", "idle"])
def test_nothing_is_left_of_a_killed_parent(exam, model, tmp_path, moment):
    """Whatever the worker does when its parent gets SIGKILL, neither process nor folder stays."""
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys, time
        sys.path.insert(0, {str(PACKAGE)!r})
        from BreastSegLib.inference.client import WorkerClient
        client = WorkerClient()
        client.start()
        moment, seen = {moment!r}, False
        (client.folder / "exam").mkdir()
        common = dict(source={{"store": {exam!r}}}, model={model!r}, device="cpu", folds=None, tta=True, cleanup=True)
        if moment != "idle":
            client.send("predict", output=str(client.folder / "out"), shortcuts=False, **common)
            client.ahead(**common)
        while True:
            for event in client.poll():
                seen = seen or event.get("stage") == moment or (moment == "idle" and event["event"] == "ready")
            if (seen or moment == "start") and client.pid:
                print(client.pid, client.folder, flush=True)
            time.sleep(0.005)
    """)
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=QUIET)
    pid, folder = parent.stdout.readline().split(maxsplit=1)
    worker = psutil.Process(int(pid))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    _, alive = psutil.wait_procs([worker], timeout=20)
    assert not alive
    assert not Path(folder.strip()).exists()


def test_an_idle_worker_ends_itself_and_the_next_request_starts_another(exam):
    with WorkerClient(environment=QUIET, idle_s=0.5) as client:

        def prepared():
            request = {
                "source": {"store": exam},
                "recipe": "phase-aware-0000-0002",
                "output": str(client.folder / "p"),
            }
            return client.wait(client.send("prepare", **request), timeout=LONG_S)["cases"]

        client.start()
        assert len(prepared()) == 1
        process, end = worker_of(client), time.monotonic() + LONG_S
        while client.alive:
            client.poll()
            assert time.monotonic() < end
            time.sleep(0.01)
        assert not process.is_running() and (client.folder / "p").exists(), "what was loaded stays"
        client.poll()
        assert "nothing to do" in client.last_end
        assert len(prepared()) == 1


# --- the next exam, made ready ahead ---------------------------------------------------------------------------------


def test_an_exam_made_ready_ahead_gives_the_same(client, exam, model, expected):
    request = fields(client, exam, model)
    first = client.send("predict", **request)
    client.ahead(**{name: value for name, value in request.items() if name != "output"})
    client.wait(first, timeout=LONG_S)
    answer = client.wait(client.send("predict", **request), timeout=LONG_S)
    assert np.array_equal(np.load(answer["raw"]), expected)
    assert answer["timings"]["Preparing"] > 0, "the time it took ahead is told"


def test_what_goes_wrong_ahead_is_said_by_the_request_that_wants_it(client, exam, model, expected, tmp_path):
    first = client.send("predict", **fields(client, exam, model))
    wrong = fields(client, str(tmp_path / "nothing here"), model)
    client.ahead(**wrong)
    client.wait(first, timeout=LONG_S)
    with pytest.raises(BadInput, match="nothing here"):
        client.wait(client.send("predict", **wrong), timeout=LONG_S)
    assert works(client, exam, model, expected)


def test_cancel_drops_what_was_made_ready(client, exam, model, expected):
    number = client.send("predict", **fields(client, exam, model, tta=True, shortcuts=False))
    client.ahead(**fields(client, exam, model))
    until_stage(client, "Segmenting")
    client.cancel()
    with pytest.raises(Cancelled):
        client.wait(number, timeout=LONG_S)
    assert works(client, exam, model, expected)


# --- a long session --------------------------------------------------------------------------------------------------


WARM_UP = 14
GROWTH_MB = 6.0
# The C library gives large blocks back at once, so that what is measured is what is held.
EXACT_MEMORY = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def growth(figures):
    """Return by how much the floor rose: memory comes and goes, and a leak lifts the floor."""
    middle = len(figures) // 2
    return min(figures[middle:]) - min(figures[:middle])


@pytest.mark.parametrize("leak", [0.0, 0.5])
def test_a_leak_of_half_a_megabyte_a_run_would_be_seen(leak):
    chance = random.Random(1)
    figures = [700 + leak * turn + chance.choice([0.0, 0.0, 8.0, 18.0]) for turn in range(50 - WARM_UP)]
    assert (growth(figures) > GROWTH_MB) is (leak > 0)


@linux
def test_fifty_runs_in_a_row_leave_nothing(exam, model, expected, tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {**QUIET, **EXACT_MEMORY, "TMPDIR": str(temporary)}
    memory, counts, answered = [], [], None
    with WorkerClient(environment=environment) as client:
        client.start()
        process, request = worker_of(client), fields(client, exam, model)
        for turn in range(50):
            number = client.send("predict", **request)
            if turn % 2:
                client.ahead(**request)
            answered = client.wait(number, timeout=LONG_S)
            memory.append(process.memory_info().rss / 2**20)
            if turn % 2:
                continue  # the exam that was made ready ahead is held, with its files
            here = (
                process.num_fds(),
                len(os.listdir("/proc/self/fd")),
                len(process.children()),
                len(list(temporary.iterdir())),
            )
            counts.append((*here, len(list(client.folder.rglob("*"))), process.num_threads()))
        assert np.array_equal(np.load(answered["raw"]), expected)
        assert client.pid == process.pid
    *fixed, threads = zip(*counts[WARM_UP // 2 :])
    assert [set(column) for column in fixed] == [{column[0]} for column in fixed], counts[WARM_UP // 2 :]
    assert max(threads) <= threads[0]
    assert growth(memory[WARM_UP:]) < GROWTH_MB, [round(figure, 1) for figure in memory]


@linux
def test_two_windows_at_once_share_no_files(client, exam, model, expected):
    def files(process):
        return {row.path for row in process.open_files() if "/breastseg-" in row.path}

    with WorkerClient(environment=QUIET) as other:
        other.start()
        ours = client.send("predict", **fields(client, exam, model))
        theirs = other.send("predict", **fields(other, exam, model))
        answers = client.wait(ours, timeout=LONG_S), other.wait(theirs, timeout=LONG_S)
        assert not files(worker_of(client)) & files(worker_of(other))
        assert all(np.array_equal(np.load(answer["raw"]), expected) for answer in answers)
        assert Path(answers[0]["raw"]).parents[1] == client.folder and other.folder in Path(answers[1]["raw"]).parents
        other.kill()
        assert works(client, exam, model, expected)


# --- memory ----------------------------------------------------------------------------------------------------------


@posix
def test_out_of_memory_is_a_sentence_and_the_worker_stays(exam, model, tmp_path):
    """A stub of torch's allocator refuses every sum of tiles until it is told to stop."""
    flag = tmp_path / "memory is short"
    prelude = f"""
import os, torch
whole = torch.zeros
def zeros(*sizes, **options):
    if os.path.exists({str(flag)!r}):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 4.00 GiB.")
    return whole(*sizes, **options)
torch.zeros = zeros
"""
    with WorkerClient(python=wrapped_worker(tmp_path, prelude), environment=QUIET) as client:
        client.start()
        flag.touch()
        with pytest.raises(BreastSegError, match="too little memory.*--device cpu") as caught:
            run(client, exam, model)
        assert caught.value.code == "out-of-memory" and "\n" not in caught.value.line
        process = client.pid
        flag.unlink()
        assert run(client, exam, model)["components"] is not None
        assert client.pid == process


@posix
def test_main_memory_that_is_short_is_a_sentence_too(exam, model, tmp_path):
    prelude = """
import numpy
def full(*_, **__):
    raise numpy._core._exceptions._ArrayMemoryError((99999, 99999), numpy.dtype("float64"))
import BreastSegLib.pipeline as pipeline
pipeline.segment_exam = full
"""
    with WorkerClient(python=wrapped_worker(tmp_path, prelude), environment=QUIET) as client:
        with pytest.raises(BreastSegError, match="too little memory") as caught:
            run(client, exam, model)
        assert caught.value.code == "out-of-memory" and client.alive

"""The queue of fold runs: order, devices, stopping, resuming, and what is left when processes are killed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.executors.identity import identity_of
from BreastSegLib.pipeline.batch_lock import BatchLock
from BreastSegTrainingLib import launch
from BreastSegTrainingLib.launch import FoldState, interpreter, queue, runner
from BreastSegTrainingLib.launch.queue import LOCKED_AS
from BreastSegTrainingLib.launch.truth import Place, is_busy
from launch_cases import make_raw, make_training, states, wait_for

FAKE = Path(__file__).with_name("fake_fold")


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A work folder whose fold runs are fakes; nothing of them is left running."""
    monkeypatch.setenv("PYTHONPATH", str(FAKE))
    monkeypatch.setenv("BREASTSEG_FAKE_FOLD", "1")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    yield tmp_path / "work"
    if (tmp_path / "work").exists():
        launch.stop(tmp_path / "work", immediately=True)
        wait_for(lambda: _runner_is_gone(tmp_path / "work"))


def _runner_is_gone(work):
    try:
        BatchLock(work / "trainings", LOCKED_AS).release()
    except BadInput:
        return False
    return True


def _ended(work):
    return all(state not in ("queued", "running") for state in states(work).values())


def _row(work, fold="0", training="one"):
    return next(row for row in launch.rows(work) if (row["training"], row["fold"]) == (training, fold))


def _order(training):
    return [line.split() for line in (training.folder / "order.txt").read_text().splitlines()]


def test_folds_and_trainings_run_in_order_one_at_a_time_on_the_cpu(work):
    first = make_training(work, "one", acts={"epoch_s": 0.05})
    second = make_training(work, "two", folds=("1",))
    launch.enqueue(first)
    launch.enqueue(second)
    assert set(states(work).values()) == {"queued"}
    launch.start(work)
    most = 0
    while not _ended(work):
        most = max(most, list(states(work).values()).count("running"))
    assert most == 1
    assert set(states(work).values()) == {"done"}
    assert [fold for fold, *_ in _order(first)] == ["0", "1"]
    ends = [FoldState.read(first.fold_folder("1")).updated, FoldState.read(second.fold_folder("1")).started]
    assert ends == sorted(ends)
    row = _row(work)
    assert (row["epoch"], row["epochs"], row["attempts"], row["dice"]) == (3, 3, 1, 0.5)


def test_each_gpu_has_one_fold_and_the_variables_are_the_childs_own(work):
    training = make_training(work, folds=("0", "1", "2"), device="cuda", devices=(1, 3), acts={"epoch_s": 0.3})
    launch.enqueue(training)
    launch.start(work)
    wait_for(lambda: list(states(work).values()).count("running") == 2)
    wait_for(lambda: _ended(work))
    given = [(fold, gpu) for fold, gpu, _ in _order(training)]
    assert sorted(given[:2]) == [("0", "1"), ("1", "3")]
    assert given[2][0] == "2"
    assert all(results == str(work / "nnUNet_results") for *_, results in _order(training))
    assert "nnUNet_results" not in os.environ and "CUDA_VISIBLE_DEVICES" not in os.environ


def test_stop_after_the_epoch_and_resume_from_there(work):
    training = make_training(work, acts={"epochs": 40, "epoch_s": 0.1, "every": 100})
    launch.enqueue(training)
    launch.start(work)
    wait_for(lambda: _row(work)["epoch"] >= 2)
    assert launch.stop(work, ["one:1"]) == [("one", "1")]
    assert states(work)["one", "1"] == "stopped"
    assert launch.stop(work) == [("one", "0")]
    wait_for(lambda: _row(work)["state"] == "stopped")
    reached = _row(work)["epoch"]
    assert 2 <= reached < 40
    (training.folder / "fake.json").write_text(json.dumps({"epochs": reached + 1}))
    assert launch.resume(work, ["one:0"]) == [("one", "0")]
    wait_for(lambda: _row(work)["state"] == "done")
    assert _row(work)["attempts"] == 2  # one epoch was left to do
    assert states(work)["one", "1"] == "stopped"


def test_stop_now_does_not_wait_for_the_epoch(work):
    training = make_training(work, folds=("0",), acts={"epochs": 2, "epoch_s": 60})
    launch.enqueue(training)
    launch.start(work)
    wait_for(lambda: _row(work)["stage"] == "training")
    process = _row(work)["job"]["process"]["pid"]
    launch.stop(work, immediately=True)
    assert states(work)["one", "0"] == "stopped"
    wait_for(lambda: not Path(f"/proc/{process}").exists() if sys.platform == "linux" else True)


def test_while_it_plans_a_stop_is_at_once(work):
    training = make_training(work, folds=("0",), acts={"planning_s": 60})
    launch.enqueue(training)
    launch.start(work)
    wait_for(lambda: _row(work)["state"] == "running")
    launch.stop(work)
    wait_for(lambda: states(work)["one", "0"] == "stopped")


def test_short_memory_halves_the_batch_in_a_fresh_process(work):
    training = make_training(work, folds=("0",), acts={"batch": 9, "fits": 3})
    launch.enqueue(training)
    launch.start(work)
    wait_for(lambda: _ended(work))
    row = _row(work)
    assert (row["state"], row["batch_size"], row["attempts"], len(_order(training))) == ("done", 2, 1, 3)
    assert [note.split(" with a ")[1] for note in row["notes"]] == [
        "batch of 9; started again with 4",
        "batch of 4; started again with 2",
    ]


@pytest.mark.parametrize(("acts", "values", "words"), [
    ({"batch": 2, "fits": 0}, {}, "even for a batch of 1"),
    ({"batch": 2, "fits": 1}, {"retry_memory": False}, "a batch of 2"),
])  # fmt: skip
def test_memory_that_never_suffices_is_told(work, acts, values, words):
    launch.enqueue(make_training(work, folds=("0",), acts=acts, **values))
    launch.start(work)
    wait_for(lambda: _ended(work))
    row = _row(work)
    assert row["state"] == "failed" and words in row["message"] and row["hint"]


def test_a_network_that_cannot_be_compiled_is_trained_as_it_is(work):
    launch.enqueue(make_training(work, folds=("0",), acts={"compiler": True}))
    launch.start(work)
    wait_for(lambda: _ended(work))
    assert _row(work)["state"] == "done" and "compiled" in _row(work)["notes"][0]


def test_a_killed_process_is_told_and_resumed_and_the_next_fold_goes_on(work):
    training = make_training(work, acts={"epochs": 4, "die_at": 3})
    launch.enqueue(training)
    launch.start(work)
    wait_for(lambda: _ended(work))
    row = _row(work)
    assert row["state"] == "failed" and "signal 9" in row["message"] and row["epoch"] == 2
    launch.resume(work)
    wait_for(lambda: _ended(work))
    assert set(states(work).values()) == {"done"}


def test_a_fault_that_the_process_told_of_stays_and_is_retried(work):
    launch.enqueue(make_training(work, folds=("0",), acts={"fail": "The disk is full"}))
    launch.start(work)
    wait_for(lambda: _ended(work))
    row = _row(work)
    assert (row["state"], row["message"], row["hint"]) == ("failed", "The disk is full", "mend it")
    launch.resume(work)
    wait_for(lambda: _ended(work))
    assert (_row(work)["state"], _row(work)["message"]) == ("done", "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_everything_killed_at_once_is_found_as_failed_by_whoever_looks(work):
    training = make_training(work, acts={"epochs": 500, "epoch_s": 0.1})
    launch.enqueue(training)
    launch.start(work)
    row = wait_for(lambda: (found := _row(work))["epoch"] >= 1 and found)
    record = json.loads((work / "trainings" / ".queue" / "runner.json").read_text())
    for pid in (record["keeper"]["pid"], _runner_pid(record), row["job"]["handle"]["keeper"]["pid"]):
        os.kill(pid, signal.SIGKILL)
    found = wait_for(lambda: (one := _row(work))["state"] == "failed" and one)
    assert "without a word" in found["message"] and "resume" in found["hint"]
    assert states(work)["one", "1"] == "queued"
    (training.folder / "fake.json").write_text(json.dumps({"epochs": 2}))
    launch.start(work)  # as the command status does: the queue goes on
    wait_for(lambda: states(work)["one", "1"] == "done")
    assert states(work)["one", "0"] == "failed"  # until somebody resumes it


def _runner_pid(record):
    return json.loads((Path(record["folder"]) / "start.json").read_text())["command"]["pid"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_killed_runner_leaves_fold_runs_alone_and_the_next_one_finds_them(work):
    training = make_training(work, acts={"epochs": 20, "epoch_s": 0.1})
    launch.enqueue(training)
    launch.start(work)
    wait_for(lambda: _row(work)["epoch"] >= 1)
    record = json.loads((work / "trainings" / ".queue" / "runner.json").read_text())
    os.kill(_runner_pid(record), signal.SIGKILL)
    wait_for(lambda: _runner_is_gone(work))
    assert is_busy(training, "0")
    launch.start(work)
    wait_for(lambda: _ended(work))
    assert set(states(work).values()) == {"done"}
    assert {row["attempts"] for row in launch.rows(work)} == {1}
    assert [fold for fold, *_ in _order(training)] == ["0", "1"]


def test_a_run_queued_while_the_runner_lets_go_is_not_left_behind(work, monkeypatch):
    training = make_training(work, folds=("0",))
    released = BatchLock.release

    def release_late(lock):
        released(lock)
        launch.enqueue(training)  # somebody queues it just now, having seen the lock held
        monkeypatch.setattr(BatchLock, "release", released)

    monkeypatch.setattr(BatchLock, "release", release_late)
    runner.main([str(work)])
    assert _row(work)["state"] == "done"


def test_resume_leaves_alone_what_runs_waits_or_is_done(work, monkeypatch):
    training = make_training(work, folds=("0", "1", "2", "3"))
    job = {"process": identity_of(os.getpid())}
    for fold, state in zip(training.folds, ("queued", "running", "done", "stopped")):
        FoldState(state=state, job=job).write(training.fold_folder(fold))
    monkeypatch.setattr(queue, "start", lambda work: None)
    assert launch.resume(work, batch=1, device="cuda") == [("one", "3")]
    assert launch.find(work, "one").device == "cuda"
    assert (_row(work, "3")["state"], _row(work, "3")["batch_size"]) == ("queued", 1)
    FoldState(state="running", job={"process": {**job["process"], "created": "0"}}).write(training.fold_folder("1"))
    assert states(work)["one", "1"] == "failed"  # the number belongs to another process by now
    FoldState(state="running", job={"process": {**job["process"], "host": "other"}}).write(training.fold_folder("1"))
    assert states(work)["one", "1"] == "running"  # nothing is known of it here
    for fold in training.folds:
        FoldState(state="done").write(training.fold_folder(fold))


def test_a_training_gets_further_folds(work, tmp_path):
    raw = make_raw(tmp_path, shape=(4, 8, 8))
    training = make_training(work, folds=("1",), raw=str(raw), digest=launch.digest_of(raw))
    assert launch.add_folds(work, "one", ["2", "0", "2", "1"]) == [("one", "2"), ("one", "0")]
    wait_for(lambda: list(states(work).values()).count("done") == 2)
    assert launch.find(work, "one").folds == ("0", "1", "2")
    assert FoldState.read(training.fold_folder("1")) is None, "what it had stays as it was"
    for folds, words in ((["7"], "no fold 7"), (["x"], "folds are"), (["1"], None)):
        if words is None:
            assert launch.add_folds(work, "one", folds) == []
            continue
        with pytest.raises(BadInput, match=words):
            launch.add_folds(work, "one", folds)
    (raw / "labelsTr" / "P000_1.nii.gz").write_bytes(b"another")
    with pytest.raises(BadInput, match="has changed"):
        launch.add_folds(work, "one", ["all"])
    assert launch.find(work, "one").folds == ("0", "1", "2")


def test_names_that_are_not_there_are_told(work):
    make_training(work)
    with pytest.raises(BadInput, match="no training 'two'.*one"):
        launch.stop(work, ["two"])
    with pytest.raises(BadInput, match="no fold 7"):
        launch.resume(work, ["one:7"])


def test_a_damaged_state_or_place_is_no_end_of_the_list(work):
    training = make_training(work)
    launch.enqueue(training)
    (training.fold_folder("0") / "state.json").write_text("{")
    (training.fold_folder("1") / "queue.json").write_text('{"format": "other"}')
    assert states(work) == {("one", "0"): "failed", ("one", "1"): "queued"}
    assert Place.read(training.fold_folder("1")) is None


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_cluster_that_interrupts_a_run_finds_it_queued_and_goes_on(work):
    training = make_training(work, folds=("0",), executor="slurm", acts={"epochs": 60, "epoch_s": 0.05, "every": 100})
    launch.enqueue(training)
    line = interpreter.command("launch.foldrun", training.folder, "0")
    environment = {**os.environ, **interpreter.environment()}
    job = subprocess.Popen(line, env=environment)
    folder = training.fold_folder("0")
    wait_for(lambda: FoldState.read(folder).epoch >= 2)
    job.send_signal(signal.SIGTERM)
    assert job.wait(30) != 0
    state = FoldState.read(folder)
    assert (state.state, state.message) == ("queued", "Interrupted by the cluster") and 2 <= state.epoch < 60
    (training.folder / "fake.json").write_text(json.dumps({"epochs": state.epoch + 1}))
    assert subprocess.run(line, env=environment, check=False).returncode == 0  # the cluster starts it once more
    assert (FoldState.read(folder).state, FoldState.read(folder).attempts) == ("done", 2)

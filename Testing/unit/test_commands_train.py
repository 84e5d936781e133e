"""The verbs train, status, stop, resume and predict as a user types them; nothing is really trained."""

import json

import pytest
from BreastSegTrainingLib import launch
from BreastSegTrainingLib.commands import run
from BreastSegTrainingLib.commands import training_arguments as arguments
from BreastSegTrainingLib.launch import FoldState, queue
from launch_cases import make_raw, make_training


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return make_raw(tmp_path_factory.mktemp("raw"), shape=(4, 8, 8))


@pytest.fixture
def started(monkeypatch):
    """The work folders whose queue was started: nothing runs."""
    found = []
    monkeypatch.setattr(queue, "start", found.append)
    return found


def _train(raw, work, *more):
    return run(["train", str(raw), "--work", str(work), "--configuration", "3d_fullres", "--device", "cpu", *more])


def test_train_says_what_will_happen_and_queues_the_folds(raw, tmp_path, started, capsys):
    numbers = "--folds 0 2 --epochs 7 --iterations 3 --batch 4 --patch 4 8 8 --seed 5 --workers 0 --checkpoint-every 2"
    more = "--no-retry-memory --probabilities --name mine"
    code = _train(raw, tmp_path, *numbers.split(), *more.split())
    said = capsys.readouterr().out
    assert code == 0 and started == [tmp_path]
    assert "folds 0 2" in said and "Disk: " in said and "Time: unknown" in said and "status" in said
    training = launch.find(tmp_path, "mine")
    assert training.settings == {"epochs": 7, "iterations": 3, "checkpoint_every": 2, "seed": 5}
    assert training.plan == {"batch_size": 4, "patch_size": [4, 8, 8]}
    assert (training.retry_memory, training.probabilities, training.workers) == (False, True, 0)
    assert [(row["fold"], row["state"]) for row in launch.rows(tmp_path)] == [("0", "queued"), ("2", "queued")]


def test_a_dry_run_tells_the_same_and_writes_nothing(raw, tmp_path, started, capsys):
    assert _train(raw, tmp_path / "w", "--dry-run") == 0
    assert "Disk: " in capsys.readouterr().out and not (tmp_path / "w").exists() and not started
    assert _train(raw, tmp_path / "w", "--dry-run", "--events") == 0
    event = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert event["event"] == "result" and event["folds"] == ["0", "1", "2"] and event["disk"]["free"] > 0


@pytest.mark.parametrize(("more", "words"), [
    (["--epochs", "0"], "not 1 or more (--epochs 0)"),
    (["--patch", "8"], "two or three sides"),
    (["--folds", "9"], "There is no fold 9"),
    (["--hours", "3"], "Add --executor slurm"),
    (["--encoder-weights", "/nowhere"], "There is no such file"),
    (["--pretrained", "nobody"], "There is no such model"),
    (["--executor", "slurm", "--estimate", "--dry-run"], "Only this computer can be measured"),
])  # fmt: skip
def test_bad_input_is_one_line_and_status_2(raw, tmp_path, started, capsys, more, words):
    assert _train(raw, tmp_path / "w", *more) == 2
    said = capsys.readouterr().err.splitlines()
    assert words in said[-1] and not (tmp_path / "w").exists()


def test_encoder_weights_are_a_file_imagenet_or_none(raw, tmp_path, started):
    (tmp_path / "weights.pth").write_bytes(b"")
    for name, word, setting in (
        ("a", "imagenet", "imagenet"),
        ("b", "none", None),
        ("c", str(tmp_path / "weights.pth"), str(tmp_path / "weights.pth")),
    ):
        assert _train(raw, tmp_path, "--name", name, "--encoder-weights", word) == 0
        settings = launch.find(tmp_path, name).settings
        assert settings["encoder_weights"] == setting


def test_a_cluster_gets_what_was_asked_for(raw, tmp_path, started):
    more = "--executor slurm --partition gpu --hours 2.5 --memory 16 --cpus 4 --cluster-option account=lab --name far"
    assert _train(raw, tmp_path, *more.split()) == 0
    training = launch.find(tmp_path, "far")
    assert training.executor == "slurm"
    assert training.resources == {
        "partition": "gpu",
        "hours": 2.5,
        "memory_gb": 16.0,
        "cpus": 4,
        "options": {"account": "lab"},
    }


def test_status_is_a_table_or_json_and_shows_a_log(tmp_path, started, capsys):
    training = make_training(tmp_path)
    state = FoldState(
        state="failed", message="The disk is full", hint="Free some space", notes=("a note",), epoch=3, epochs=9
    )
    state.write(training.fold_folder("0"))
    FoldState(state="done", epoch=9, epochs=9, best=0.7, best_epoch=4, dice=0.68).write(training.fold_folder("1"))
    (training.fold_folder("0") / "log.txt").write_text("\n".join(map(str, range(300))))
    assert run(["status", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "3/9" in said and "0.700 (4)" in said and "0.680" in said
    assert "one fold 0: The disk is full. Free some space." in said and "note: a note" in said
    assert run(["status", str(tmp_path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["fold"], row["state"]) for row in rows] == [("0", "failed"), ("1", "done")]
    assert run(["status", str(tmp_path), "--log", "one", "0"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "299"
    assert run(["status", str(tmp_path), "--log", "one", "1"]) == 2
    assert run(["status", str(tmp_path / "nowhere")]) == 2
    assert started


def test_stop_and_resume_tell_which(tmp_path, started, capsys):
    training = make_training(tmp_path)
    launch.enqueue(training)
    assert run(["stop", str(tmp_path), "one:1", "--events"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["asked"] == [{"training": "one", "fold": "1"}]
    assert run(["resume", str(tmp_path), "--batch", "1", "--workers", "3"]) == 0
    assert "one fold 1 is queued" in capsys.readouterr().out
    assert FoldState.read(training.fold_folder("1")).batch_size == 1 and launch.find(tmp_path, "one").workers == 3
    assert run(["stop", str(tmp_path), "two"]) == 2


def test_predict_without_a_finished_fold(tmp_path, capsys):
    training = make_training(tmp_path)
    assert run(["predict", "--training", str(training.folder), "--output", str(tmp_path / "out")]) == 2
    assert "No fold is trained to its end" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_workers_by_default_leave_a_processor_free(monkeypatch):
    for count, workers in ((1, 0), (2, 1), (8, 7), (64, 12)):
        monkeypatch.setattr(arguments.os, "cpu_count", lambda count=count: count)
        assert arguments.default_workers() == workers

"""Trainings with real nnU-Net on the CPU: by the command line, stopped, killed, damaged, resumed, fine-tuned."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput
from BreastSegLib.models.card import write_card
from BreastSegTrainingLib import launch
from BreastSegTrainingLib.launch import FoldState
from BreastSegTrainingLib.launch.interpreter import command, environment
from launch_cases import make_raw, wait_for
from tiny_model import make_tiny_model

TINY = {"patch_size": [8, 16, 16], "batch_size": 2, "architecture": {"arch_kwargs": {"features_per_stage": [4, 8, 8]}}}
SHORT = {"epochs": 3, "iterations": 2, "validation_iterations": 1, "checkpoint_every": 1, "seed": 3}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small networks are slower with several threads, and repeatable with one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return make_raw(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """One work folder: its trainings share the preprocessed data."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def trained(raw, work):
    """A training of one fold that was run by the command line, and the events of that."""
    path = ("train", raw, "--work", work, "--name", "first", "--configuration", "3d_fullres", "--folds", "0")
    path += ("--device", "cpu", "--workers", "0", "--patch", "8", "16", "16", "--batch", "2", "--epochs", "3")
    events = call(*path, "--iterations", "2", "--checkpoint-every", "1", "--seed", "3", "--wait")
    return launch.find(work, "first"), events


def call(*arguments, expected=0):
    """Run one verb as a process of its own; return its events."""
    line = [sys.executable, "-m", "BreastSegTrainingLib", *map(str, arguments), "--events"]
    done = subprocess.run(line, capture_output=True, text=True, env={**os.environ, **environment()}, check=False)
    assert done.returncode == expected, done.stderr + done.stdout[-800:]
    return [json.loads(row) for row in done.stdout.splitlines()]


def make_tiny(raw, work, name, settings=None, **wish):
    """Write a training with a tiny network and return it."""
    values = {"device": "cpu", **wish.pop("values", {})}
    plan = wish.pop("plan", TINY)
    fields = {"configuration": "3d_fullres", "folds": ("0",), **wish}
    made = launch.Wish(
        str(raw), str(work), name=name, plan=plan, settings={**SHORT, **(settings or {})}, values=values, **fields
    )
    training, *_ = launch.make(made)
    training.write()
    return training


def run_fold(training, fold="0", limit=None):
    """Run the process of a fold run here, without queue; return its exit code."""
    training.fold_folder(fold).mkdir(parents=True, exist_ok=True)
    with open(training.fold_folder(fold) / "log.txt", "ab") as log:
        return subprocess.run(
            command("process", "fold", training.folder, fold),
            stdout=log if limit is None else subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment()},
            preexec_fn=None if limit is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
            start_new_session=True,
            check=False,
        ).returncode


def curves(training, fold="0"):
    return json.loads((training.output(fold) / "curves.json").read_text())


def state(training, fold="0"):
    return launch.state_of(training, fold)


def test_the_command_line_trains_validates_and_tells(trained, work, raw):
    training, events = trained
    result = events[-1]
    assert result["event"] == "result" and result["folds_ended"][0]["state"] == "done"
    assert result["disk"]["least"] <= result["disk"]["most"] and result["time"]["basis"]
    assert any(event.get("stage") == "Training fold 0" and event["total"] == 3 for event in events)
    now = state(training)
    assert (now.state, now.epoch, now.epochs, now.device, now.batch_size) == ("done", 3, 3, "cpu", 2)
    summary = json.loads((training.output("0") / "validation" / "summary.json").read_text())
    assert now.dice == pytest.approx(summary["foreground_mean"]["Dice"])
    assert len(summary["metric_per_case"]) == 2 and len(curves(training)["train_losses"]) == 3
    plans = json.loads((training.model / "plans.json").read_text())
    assert plans["breastseg"] == {"epochs": 3, "iterations": 2, "checkpoint_every": 1, "seed": 3}
    assert plans["configurations"]["3d_fullres"]["patch_size"] == [8, 16, 16]
    assert json.loads((training.preprocessed / "splits_final.json").read_text()) == json.loads(
        (raw / "splits_final.json").read_text()
    )
    said = subprocess.run(
        [sys.executable, "-m", "BreastSegTrainingLib", "status", str(work), "--json"],
        capture_output=True,
        env={**os.environ, **environment()},
        check=True,
    )
    assert [row["state"] for row in json.loads(said.stdout)["rows"] if row["training"] == "first"] == ["done"]
    assert not any(name in os.environ for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"))


def test_predictions_equal_those_of_plain_nnunet_with_the_trainers_beside_the_model(trained, tmp_path):
    training, _ = trained
    own, plain = tmp_path / "own", tmp_path / "plain"
    call("predict", "--training", training.folder, "--output", own, "--device", "cpu")
    written = (own / "P006_1.nii.gz").stat().st_mtime_ns
    call("predict", "--training", training.folder, "--output", own, "--device", "cpu")
    assert (own / "P006_1.nii.gz").stat().st_mtime_ns == written
    plain.mkdir()
    script = """
import sys, torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
if __name__ == "__main__":
    predictor = nnUNetPredictor(device=torch.device("cpu"), perform_everything_on_device=False)
    predictor.initialize_from_trained_model_folder(sys.argv[1], (0,))
    predictor.predict_from_files_sequential(sys.argv[2], sys.argv[3])
"""
    variables = {key: text for key, text in os.environ.items() if key != "PYTHONPATH"}
    variables |= {"nnUNet_extTrainer": str(training.model / "trainers"), "nnUNet_def_n_proc": "1"}
    images = Path(training.raw) / "imagesTs"
    subprocess.run(
        [sys.executable, "-c", script, str(training.model), str(images), str(plain)],
        check=True,
        capture_output=True,
        env=variables,
        cwd=tmp_path,
    )
    one, other = (sitk.GetArrayFromImage(sitk.ReadImage(str(place / "P006_1.nii.gz"))) for place in (own, plain))
    assert np.array_equal(one, other) and one.shape == (12, 24, 24)
    with pytest.raises(BadInput, match="other weights or images"):
        launch.predict(training, own, part="train", device="cpu")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_killed_at_random_moments_and_resumed_it_learns_the_same(trained, raw, work):
    whole = make_tiny(raw, work, "whole", {"epochs": 12, "iterations": 4, "checkpoint_every": 2})
    assert run_fold(whole) == 0
    killed = make_tiny(raw, work, "killed", {"epochs": 12, "iterations": 4, "checkpoint_every": 2})
    moments = random.Random(5)
    for _ in range(2):
        child = subprocess.Popen(
            command("process", "fold", killed.folder, "0"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **environment()},
            start_new_session=True,
        )
        before = _epochs_logged(killed)
        wait_for(lambda before=before, child=child: _epochs_logged(killed) > before or child.poll() is not None, 60)
        time.sleep(moments.uniform(0.0, 0.6))
        reached = _epochs_logged(killed)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        kept = _epochs_kept(killed)
        assert kept is None or reached - kept <= 2, "more than the interval of checkpoints was lost"
    assert run_fold(killed) == 0
    assert curves(killed)["train_losses"] == curves(whole)["train_losses"]
    assert state(killed).dice == pytest.approx(state(whole).dice)


def _epochs_logged(training):
    path = training.output("0") / "curves.json"
    return len(curves(training)["train_losses"]) if path.is_file() else 0


def _epochs_kept(training):
    import torch

    found = []
    for name in ("latest", "previous", "best", "final"):
        path = training.output("0") / f"checkpoint_{name}.pth"
        if path.is_file():
            found.append(torch.load(path, map_location="cpu", weights_only=False)["current_epoch"])
    return max(found, default=0)


def test_stopped_with_a_damaged_checkpoint_it_goes_on_from_the_one_before_and_says_so(trained, raw, work):
    training = make_tiny(raw, work, "stopped", {"epochs": 60, "iterations": 3})
    launch.enqueue(training)
    launch.start(work)
    wait_for(lambda: (state(training) or FoldState()).epoch >= 2, 90)
    call("stop", work, "stopped")
    wait_for(lambda: state(training).state == "stopped", 60)
    reached = state(training).epoch
    latest = training.output("0") / "checkpoint_latest.pth"
    data = bytearray(latest.read_bytes())
    data[len(data) // 2] ^= 0xFF
    latest.write_bytes(data)
    plans = training.preprocessed / f"{training.plans}.json"
    table = json.loads(plans.read_text())
    table["breastseg"]["epochs"] = reached + 1
    plans.write_text(json.dumps(table))
    call("resume", work, "stopped", "--wait")
    now = state(training)
    assert now.state == "done" and now.epoch == reached + 1 and now.attempts == 2
    assert len(now.notes) == 1 and "damaged" in now.notes[0] and "checkpoint_latest" in now.notes[0]


def test_a_disk_that_is_full_at_checkpoint_time_is_one_sentence(trained, raw, work):
    training = make_tiny(raw, work, "full")
    assert run_fold(training, limit=20_000) == 2
    now = state(training)
    assert now.state == "failed" and "could not be written" in now.message and "resume" in now.hint
    assert not list(training.output("0").glob("checkpoint_*.pth"))
    assert run_fold(training) == 0 and state(training).state == "done"


def test_trainings_share_the_data_only_when_they_are_the_same(trained, raw, work):
    first, _ = trained
    folder = _data(first)
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    same = make_tiny(raw, work, "same")
    other = make_tiny(raw, work, "other", plan={**TINY, "normalization": "NoNormalization", "spacing": [2, 1, 2]})
    half = other.preprocessed / ".part-left"  # of a process that was killed
    half.mkdir()
    for training in (same, other):
        assert (
            subprocess.run(
                command("process", "plan", training.folder), env={**os.environ, **environment()}, check=False
            ).returncode
            == 0
        )
    assert _data(same) == folder
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == times
    assert _data(other) != folder and len(list(_data(other).glob("*.pkl"))) == 6
    table = json.loads((other.preprocessed / f"{other.plans}.json").read_text())["configurations"]["3d_fullres"]
    assert table["spacing"] == [2.0, 1.0, 2.0] and table["normalization_schemes"] == ["NoNormalization"]
    strides = np.prod(table["architecture"]["arch_kwargs"]["strides"], axis=0)
    assert table["architecture"]["arch_kwargs"]["features_per_stage"] == [4, 8, 8]
    assert all(length % step == 0 for length, step in zip(table["patch_size"], strides))


def _data(training):
    table = json.loads((training.preprocessed / f"{training.plans}.json").read_text())["configurations"]
    return training.preprocessed / table[training.configuration]["data_identifier"]


def test_a_patch_that_the_network_cannot_halve_is_refused_with_one_that_fits(trained, raw, work):
    strides = [[1, 1, 1], [2, 2, 2], [2, 2, 2]]
    network = {"features_per_stage": [4, 8, 8], "strides": strides, "n_stages": 3, "kernel_sizes": [[3, 3, 3]] * 3}
    network |= {"n_conv_per_stage": [2] * 3, "n_conv_per_stage_decoder": [2] * 2}
    plan = {"patch_size": [8, 18, 16], "architecture": {"arch_kwargs": network}}
    training = make_tiny(raw, work, "odd", plan=plan)
    assert run_fold(training) == 2
    assert "8 × 18 × 16" in state(training).message and "8 × 16 × 16" in state(training).hint


def test_without_a_gpu_nothing_falls_back_silently(trained, raw, work):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this computer has a GPU")
    training = make_tiny(raw, work, "gpu", values={"device": "auto"})
    assert run_fold(training) == 2
    now = state(training)
    assert now.state == "failed" and "GPU" in now.message and "--device cpu" in now.hint


def test_a_dataset_that_changes_under_a_plan_is_refused(trained, raw, tmp_path):
    own = tmp_path / raw.name
    shutil.copytree(raw, own)
    training = make_tiny(own, tmp_path / "work", "changed")
    path = own / "labelsTr" / "P000_1.nii.gz"
    os.utime(path, ns=(1, 1))
    assert run_fold(training) == 2
    assert "has changed" in state(training).message and "--work" in state(training).hint


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An installed model with random weights, whose channels are those of the dataset."""
    folder = make_tiny_model(
        tmp_path_factory.mktemp("models") / "tiny", "single-phase-0002", patch=(8, 16, 16), features=(4, 8, 8)
    )
    description = json.loads((folder / "dataset.json").read_text())
    description["channel_names"] = {"0": "post1"}
    (folder / "dataset.json").write_text(json.dumps(description))
    write_card(folder, json.loads((folder / "breastseg.json").read_text()))
    return folder


def test_fine_tuning_begins_with_the_weights_of_a_model(trained, raw, work, model):
    import torch

    settings = {"optimizer": {"kind": "sgd", "lr": 1e-12}, "epochs": 1}
    training = make_tiny(raw, work, "tuned", settings, plan={}, pretrained=str(model))
    assert run_fold(training) == 0
    assert state(training).notes == (f"Began with the weights of {model.name}, fold 0",)
    old, new = (
        torch.load(folder / "checkpoint_final.pth", map_location="cpu", weights_only=False)["network_weights"]
        for folder in (model / "fold_0", training.output("0"))
    )
    assert all(loss is not None for loss in curves(training)["train_losses"])
    moved = [
        name for name in old if ".seg_layers." not in name and not torch.allclose(old[name], new[name], atol=1e-6)
    ]
    assert not moved and any(".seg_layers." in name for name in old)
    table = json.loads((training.model / "plans.json").read_text())["configurations"]["3d_fullres"]
    theirs = json.loads((model / "plans.json").read_text())["configurations"]["3d_fullres"]
    assert [table[key] for key in ("patch_size", "spacing", "architecture")] == [
        theirs[key] for key in ("patch_size", "spacing", "architecture")
    ]


def test_a_model_that_does_not_fit_is_refused_at_once(raw, work, model, tmp_path):
    with pytest.raises(BadInput, match="patch size.*those of the model"):
        make_tiny(raw, work, "tuned2", pretrained=str(model))
    two = make_raw(tmp_path, channels=2)
    with pytest.raises(BadInput, match="sees 1 channels.*has 2"):
        make_tiny(two, tmp_path / "work", "tuned3", plan={}, pretrained=str(model))
    with pytest.raises(BadInput, match="configuration 3d_fullres"):
        make_tiny(raw, work, "tuned4", plan={}, configuration="2d", pretrained=str(model))


def test_estimate_measures_and_leaves_only_the_data(trained, raw, work):
    path = ("train", raw, "--work", work, "--name", "later", "--configuration", "3d_fullres", "--folds", "0", "1")
    path += ("--device", "cpu", "--workers", "0", "--patch", "8", "16", "16", "--epochs", "4", "--iterations", "3")
    told = call(*path, "--dry-run", "--estimate")[-1]
    assert told["time"]["seconds"] == pytest.approx(2 * 4 * told["time"]["epoch_s"])
    assert "measured on cpu" in told["time"]["basis"]
    assert not (work / "trainings" / "later").exists() and not list((work / "trainings").glob("later*"))


def test_2d_whole_images_and_a_trainer_of_nnunet_itself(tmp_path):
    raw = make_raw(tmp_path, shape=(1, 24, 32), spacing=(1.0, 1.5, 1.5), cases=4, folds=2)
    plan = {"patch_size": [32, 32], "batch_size": 2, "resampling": "none", "normalization": "RescaleTo01Normalization"}
    plan["architecture"] = {"arch_kwargs": {"features_per_stage": [4, 8, 8]}}
    few = {key: value for key, value in SHORT.items() if key != "seed"} | {"epochs": 1}
    made = launch.Wish(str(raw), str(tmp_path / "work"), trainer="nnUNetTrainer", configuration="2d", name="plain")
    training, *_ = launch.make(launch.Wish(**{**made.__dict__, "plan": plan, "settings": few, "folds": ("1",)}))
    training = training.changed(device="cpu")
    training.write()
    assert run_fold(training, "1") == 0
    assert (state(training, "1").state, state(training, "1").epoch) == ("done", 1)
    plans = json.loads((training.model / "plans.json").read_text())
    assert plans["transpose_forward"] == [0, 1, 2]
    assert plans["configurations"]["2d"]["resampling_fn_data"] == "no_resampling_hack"

"""Trainers with their networks: each learns; plain nnU-Net finds a copy of them; a killed training loses nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from BreastSegTrainingLib import trainers

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "Testing" / "unit"))
from trainer_cases import (  # noqa: E402
    DATASET,
    make_preprocessed,
    make_trainer,
    ours,
    train,
    weights_of,
)

M4, M5 = "nnUNetTrainerBreastSegM4", "nnUNetTrainerBreastSegM5"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# Deep encoders make batch norm noisy where the last level has a handful of pixels, hence the larger learning rates.
LEARNERS = [
    (M4, ours("UNetPlusPlus", encoder="resnet18"), 32, {}),
    (M4, ours("UNet", encoder="resnet18"), 32, {}),
    (M4, ours("PSPNet", encoder="resnet18"), 48, {}),
    (M4, ours("LinkNet", encoder="resnet18"), 32, {"optimizer": {"lr": 3e-3}}),
    (f"{M5}Jaccard", ours("UNet", encoder="resnet22", dropout=0.2), 64, {"optimizer": {"lr": 2e-3}}),
    (f"{M5}Jaccard", ours("FPN", encoder="resnet34", dropout=0.2), 64, {"optimizer": {"lr": 3e-4}}),
    (f"{M5}Tversky", ours("FPN", encoder="resnet22", dropout=0.2), 64, {"optimizer": {"lr": 1e-3}}),
    (f"{M5}Tversky", ours("UNet", encoder="resnet34", dropout=0.2), 64, {"optimizer": {"lr": 1e-3}}),
    (f"{M5}Tversky07", ours("UNet", encoder="resnet22", dropout=0.2), 64, {"optimizer": {"lr": 2e-3}}),
]


def name_of(row):
    return row[0].removeprefix("nnUNetTrainerBreastSeg") + "-" + row[1]["network_class_name"].partition(".")[2]


@pytest.mark.parametrize("name, architecture, side, settings", LEARNERS, ids=map(name_of, LEARNERS))
def test_every_network_learns_with_its_trainer(tmp_path, monkeypatch, name, architecture, side, settings):
    make_preprocessed(tmp_path, (1, side, side), count=8, architecture=architecture, batch_size=4)
    settings = {"epochs": 5, "iterations": 5, "checkpoint_every": 99, "seed": 2, **settings}
    trainer = train(make_trainer(tmp_path, name, settings=settings, monkeypatch=monkeypatch))
    curves = json.loads(Path(trainer.output_folder, "curves.json").read_text(encoding="utf-8"))
    assert curves["train_losses"][-1] < 0.9 * curves["train_losses"][0]
    assert min(curves["val_losses"][1:]) < curves["val_losses"][0]
    assert max(curves["mean_fg_dice"]) > 0.6


# --- plain nnU-Net with a copy of the trainers

PLAIN = """
import sys
import numpy as np, torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.run.run_training import get_trainer_from_args, maybe_load_checkpoint

torch.set_num_threads(1)
name, model, image, result = sys.argv[1:]
trainer = get_trainer_from_args("{dataset}", "2d", 0, name, "nnUNetPlans", False, torch.device("cpu"))
trainer.run_training()
again = get_trainer_from_args("{dataset}", "2d", 0, name, "nnUNetPlans", True, torch.device("cpu"))
maybe_load_checkpoint(again, True, False)
assert again.current_epoch == 2
predictor = nnUNetPredictor(use_gaussian=False, use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
predictor.initialize_from_trained_model_folder(model, (0,), "checkpoint_final.pth")
np.save(result, predictor.predict_sliding_window_return_logits(torch.from_numpy(np.load(image))).numpy())
assert not [name for name in sys.modules if name.startswith("BreastSeg")]
"""


def child_environment(root, **more):
    """Return an environment without this project on the path."""
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "SYSTEMROOT", "TEMP", "TMPDIR")}
    folders = {f"nnUNet_{name}": str(Path(root, f"nnUNet_{name}")) for name in ("raw", "preprocessed", "results")}
    return {**kept, **folders, "nnUNet_n_proc_DA": "0", "OMP_NUM_THREADS": "1", **more}


class Model:
    """What of a model the worker reads to build its networks."""

    def __init__(self, folder):
        self.folder, self.checkpoint, self.name, self.channel_names = folder, "checkpoint_final.pth", "copy", ("one",)


def test_plain_nnunet_trains_and_predicts_with_the_copy_beside_a_model(tmp_path):
    from BreastSegLib.inference.networks.network import load_networks

    architecture = ours("UNetPlusPlus", encoder="resnet18")
    make_preprocessed(
        tmp_path,
        (1, 32, 32),
        architecture=architecture,
        breastseg={"epochs": 2, "iterations": 2, "checkpoint_every": 9},
    )
    model = tmp_path / "nnUNet_results" / DATASET / f"{M4}__nnUNetPlans__2d"
    trainers.copy_to(model / "trainers")
    generator = np.random.default_rng(1)
    image = generator.normal(size=(1, 1, 32, 32)).astype(np.float32)
    np.save(tmp_path / "image.npy", image)
    (tmp_path / "elsewhere").mkdir()
    environment = child_environment(tmp_path, nnUNet_extTrainer=str(model / "trainers"))
    command = [sys.executable, "-c", PLAIN.format(dataset=DATASET), M4, str(model)]
    command += [str(tmp_path / "image.npy"), str(tmp_path / "logits.npy")]
    done = subprocess.run(
        command,
        env=environment,
        cwd=tmp_path / "elsewhere",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    networks = load_networks(Model(model), ["0"], torch.device("cpu"), lambda done, total: None)
    with torch.no_grad():
        ours_ = networks.folds[0](torch.from_numpy(image[:, 0])[None])[0].numpy()
    theirs = np.load(tmp_path / "logits.npy").astype(np.float32)[:, 0]
    assert networks.mirror_axes == (0, 1) and ours_.shape == theirs.shape == (2, 32, 32)
    assert np.abs(ours_ - theirs).max() < 2e-3 * np.abs(theirs).max()  # nnU-Net keeps 16 bits


# --- killed, and with processes that augment

RUN = """
import json, sys
import torch
sys.path[:0] = [{root!r} + "/" + name for name in ("BreastSeg", "BreastSegTraining", "Testing", "Testing/unit")]
import pytest
from pathlib import Path
from trainer_cases import make_trainer
from BreastSegTrainingLib.trainers import checkpoints

if __name__ == "__main__":
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        trainer = make_trainer(Path(sys.argv[1]), sys.argv[2], settings=json.loads(sys.argv[3]), monkeypatch=patch)
        patch.setenv("nnUNet_n_proc_DA", sys.argv[4])
        print(checkpoints.resume(trainer))
        trainer.run_training()
"""


def started(folder, name, settings, processes="0"):
    program = folder / "run.py"
    program.write_text(RUN.format(root=str(ROOT)), encoding="utf-8")
    command = [sys.executable, str(program), str(folder), name, json.dumps(settings), processes]
    with open(folder / "log.txt", "ab") as log:
        return subprocess.Popen(command, env=child_environment(folder), stdout=log, stderr=log, start_new_session=True)


def test_a_training_killed_at_any_moment_goes_on_and_ends_as_if_nothing_had_been(tmp_path, monkeypatch):
    name, settings = "nnUNetTrainerBreastSeg", {"epochs": 12, "iterations": 2, "checkpoint_every": 2, "seed": 3}
    settings["validation_iterations"] = 1
    for folder in ("killed", "whole"):
        make_preprocessed(tmp_path / folder)
    expected = weights_of(train(make_trainer(tmp_path / "whole", name, settings=settings, monkeypatch=monkeypatch)))
    output = tmp_path / "killed" / "nnUNet_results" / DATASET / f"{name}__nnUNetPlans__2d" / "fold_0"
    generator = np.random.default_rng()
    for after in (3, 7):
        child = started(tmp_path / "killed", name, settings)
        limit = time.monotonic() + 60
        while child.poll() is None and time.monotonic() < limit and epochs_in(output) < after:
            time.sleep(0.01)
        time.sleep(generator.uniform(0, 0.1))
        os.killpg(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL, (tmp_path / "killed" / "log.txt").read_text()[-2000:]
        reached = epochs_in(output)
        trainer = make_trainer(tmp_path / "killed", name, settings=settings, monkeypatch=monkeypatch)
        epoch, note = trainers_resume(trainer)
        assert note == "" and epoch >= reached - settings["checkpoint_every"]
    trainer = make_trainer(tmp_path / "killed", name, settings=settings, monkeypatch=monkeypatch)
    trainers_resume(trainer)
    result = weights_of(train(trainer))
    assert all(torch.equal(result[key], expected[key]) for key in expected)


def trainers_resume(trainer):
    from BreastSegTrainingLib.trainers import checkpoints

    return checkpoints.resume(trainer)


def epochs_in(output):
    try:
        return len(json.loads((output / "curves.json").read_text(encoding="utf-8"))["lrs"])
    except FileNotFoundError:
        return 0


def test_processes_that_augment_are_there_and_gone(tmp_path):
    make_preprocessed(tmp_path, (1, 64, 64), architecture=ours("BaselineUNet", features=[4, 8]))
    child = started(tmp_path, f"{M5}Jaccard", {"epochs": 2, "iterations": 3, "validation_iterations": 1}, "2")
    assert child.wait(90) == 0, (tmp_path / "log.txt").read_text()[-3000:]
    output = tmp_path / "nnUNet_results" / DATASET / f"{M5}Jaccard__nnUNetPlans__2d" / "fold_0"
    assert epochs_in(output) == 2 and (output / "checkpoint_final.pth").is_file()
    with pytest.raises(ProcessLookupError):
        os.killpg(child.pid, 0)

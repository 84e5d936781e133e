"""Trainings on tiny data: they learn, go on after a stop as if there had been none, and survive what goes wrong."""

import errno
import json
import math
import os
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from BreastSegTrainingLib.trainers import CheckpointNotWritten, SettingsWrong, StopTraining, checkpoints
from BreastSegTrainingLib.trainers.seeding import seed_all
from trainer_cases import (
    DATASET,
    environment,
    make_preprocessed,
    make_trainer,
    ours,
    plain_unet,
    quiet,
    train,
    weights_of,
)

SHORT = {"epochs": 4, "iterations": 4, "validation_iterations": 2, "checkpoint_every": 1, "seed": 1}
FAST = {"optimizer": {"lr": 1e-2, "momentum": 0.9}}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def blobs(tmp_path_factory):
    """A preprocessed dataset in two dimensions; tests train in copies of its folder."""
    root = tmp_path_factory.mktemp("blobs")
    make_preprocessed(root)
    return root


@pytest.fixture
def trainer_of(blobs, tmp_path, monkeypatch):
    """Return a function that makes trainers whose results lie in this test's folder, all in the same place."""
    shutil.copytree(blobs, tmp_path, dirs_exist_ok=True)

    def make(name="nnUNetTrainerBreastSeg", **settings):
        return make_trainer(tmp_path, name, settings={**SHORT, **settings}, monkeypatch=monkeypatch)

    return make


def curves_of(trainer):
    return json.loads(Path(trainer.output_folder, "curves.json").read_text(encoding="utf-8"))


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# --- nnU-Net's own mathematics


def test_the_default_equals_nnunets_trainer_bit_by_bit(trainer_of, tmp_path, monkeypatch):
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    ours_trained = train(trainer_of(epochs=2))

    class Bare(nnUNetTrainer):
        def on_epoch_start(self):
            seed_all(1 + self.current_epoch)
            super().on_epoch_start()

        @staticmethod
        def get_training_transforms(*arguments, **named):
            transforms = nnUNetTrainer.get_training_transforms(*arguments, **named)
            for one in transforms.transforms:
                if hasattr(getattr(one, "transform", None), "benchmark"):
                    one.transform.benchmark = False  # else the faster way is taken, by a stopwatch
            return transforms

    environment(tmp_path, monkeypatch)
    folder = tmp_path / "nnUNet_preprocessed" / DATASET
    plans, dataset = (json.loads((folder / name).read_text()) for name in ("nnUNetPlans.json", "dataset.json"))
    with quiet():
        bare = Bare({**plans, "continue_training": False}, "2d", 0, dataset, torch.device("cpu"))
        bare.num_epochs, bare.num_iterations_per_epoch, bare.num_val_iterations_per_epoch = 2, 4, 2
        bare.logger.plot_progress_png = lambda folder: None
        seed_all(1)
        bare.run_training()
    assert equal(weights_of(ours_trained), weights_of(bare))
    for key in ("train_losses", "val_losses", "ema_fg_dice", "lrs"):
        assert ours_trained.logger.get_value(key, None) == bare.logger.get_value(key, None)
    assert ours_trained._best_ema == bare._best_ema


# --- trainings learn


LEARNERS = [
    ("nnUNetTrainerBreastSeg", FAST, (1, 32, 32), None),
    ("nnUNetTrainerBreastSeg", FAST, (8, 16, 16), None),
    ("nnUNetTrainerBreastSegM1", {"optimizer": {"lr": 3e-3}}, (1, 32, 32), None),
    ("nnUNetTrainerBreastSegM3", {"optimizer": {"lr": 5e-3}}, (1, 32, 32), ours("BaselineUNet", features=[4, 8, 16])),
    ("nnUNetTrainerBreastSegM4", {}, (1, 48, 48), ours("PSPNet", encoder="resnet18")),
    (
        "nnUNetTrainerBreastSegM5Tversky07",
        {"optimizer": {"lr": 2e-3}},
        (1, 64, 64),
        ours("UNet", encoder="resnet22", dropout=0.2),
    ),
]


@pytest.mark.parametrize("name, settings, size, architecture", LEARNERS)
def test_trainers_learn(tmp_path, monkeypatch, name, settings, size, architecture):
    architecture = architecture or plain_unet(2 if size[0] == 1 else 3)
    make_preprocessed(tmp_path, size, architecture=architecture)
    settings = {**SHORT, "epochs": 6, "iterations": 8, **settings, "early_stopping": None, "checkpoint_every": 99}
    trainer = train(make_trainer(tmp_path, name, settings=settings, monkeypatch=monkeypatch))
    curves = curves_of(trainer)
    assert curves["train_losses"][-1] < curves["train_losses"][0]
    assert min(curves["val_losses"][1:]) < curves["val_losses"][0]
    assert max(curves["mean_fg_dice"]) > 0.8 and curves["epochs_planned"] == 6


# --- what a training leaves behind


def test_curves_and_checkpoints_of_a_training(trainer_of):
    trainer = trainer_of(checkpoint_every=2)
    seen = []

    def look(one):
        folder = Path(one.output_folder)
        there = sorted(path.name for path in folder.glob("*.pth"))
        seen.append((one.current_epoch, there, len(curves_of(one)["lrs"])))

    trainer.after_epoch = look
    train(trainer)
    best, latest = "checkpoint_best.pth", "checkpoint_latest.pth"
    assert [row[0] for row in seen] == [1, 2, 3, 4] == [row[2] for row in seen]
    assert [row[1] for row in seen[:3]] == [[best], [best, latest], [best, latest]]
    assert sorted(path.name for path in Path(trainer.output_folder).glob("*.pth")) == [best, "checkpoint_final.pth"]
    curves, log = curves_of(trainer), trainer.logger.local_logger.my_fantastic_logging
    assert curves["format"] == "breastseg-curves-1" and curves["best_by"] == "ema_fg_dice"
    for ours_, theirs in {"train_losses": None, "ema_fg_dice": None, "epoch_end": "epoch_end_timestamps"}.items():
        assert curves[ours_] == pytest.approx([float(value) for value in log[theirs or ours_]])
    assert curves["best"] == max(curves["ema_fg_dice"]) == curves["ema_fg_dice"][curves["best_epoch"]]


def test_numbers_that_are_none_become_null(trainer_of):
    trainer = trainer_of(epochs=1)
    original = trainer.on_validation_epoch_end
    trainer.on_validation_epoch_end = lambda rows: original(
        [{**row, **dict.fromkeys(("tp_hard", "fp_hard", "fn_hard"), row["tp_hard"] * 0)} for row in rows]
    )
    curves = curves_of(train(trainer))
    assert curves["mean_fg_dice"] == [None] == curves["ema_fg_dice"] and curves["best_epoch"] is None


def test_breastseg_opens_the_checkpoints_and_builds_the_network(trainer_of):
    from BreastSegLib.inference.networks.checkpoints import read_checkpoint

    trainer = train(trainer_of(epochs=1))
    content = read_checkpoint(Path(trainer.output_folder, "checkpoint_final.pth"))
    assert equal(content["network_weights"], weights_of(trainer)) and content["current_epoch"] == 1
    assert content["trainer_name"] == "nnUNetTrainerBreastSeg"


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_final_checkpoint_is_of_the_epoch_that_is_kept(trainer_of, keep):
    trainer, weights = trainer_of(keep=keep, best_by="val_loss"), []
    losses = iter([3.0, 1.0, 2.0, 2.5])
    original = trainer.on_validation_epoch_end
    trainer.on_validation_epoch_end = lambda rows: original(
        [{**row, "loss": loss} for loss in [next(losses)] for row in rows]
    )
    trainer.after_epoch = lambda one: weights.append(weights_of(one))
    train(trainer)
    content = torch.load(Path(trainer.output_folder, "checkpoint_final.pth"), weights_only=False)
    assert equal(content["network_weights"], weights[1 if keep == "best" else 3])
    assert curves_of(trainer)["best_epoch"] == 1


def test_early_stopping_survives_a_resumed_training(trainer_of):
    rule = {"patience": 2, "min_epochs": 0, "on": "val_loss"}
    losses = [3.0, 1.0, 2.0, 2.0, 0.5]

    def prepared():
        trainer = trainer_of(epochs=5, early_stopping=rule)
        original = trainer.on_validation_epoch_end
        trainer.on_validation_epoch_end = lambda rows: original(
            [{**row, "loss": losses[trainer.current_epoch]} for row in rows]
        )
        return trainer

    trainer = prepared()
    trainer.after_epoch = stop_after(3)
    with pytest.raises(StopTraining):
        train(trainer)
    trainer = prepared()
    with quiet():
        assert checkpoints.resume(trainer) == (3, "")
    assert train(trainer).current_epoch == 4  # one more without anything better, not two
    assert Path(trainer.output_folder, "checkpoint_final.pth").is_file()


# --- stopped and resumed


def stop_after(epochs):
    def after_epoch(trainer):
        if trainer.current_epoch == epochs:
            raise StopTraining()

    return after_epoch


@pytest.mark.parametrize("name", ["nnUNetTrainerBreastSeg", "nnUNetTrainerBreastSegM5Jaccard"])
def test_a_resumed_training_equals_an_uninterrupted_one(trainer_of, name):
    settings = {"checkpoint_every": 99}
    if name.endswith("Jaccard"):  # whole images, with an order of cases
        settings |= {"iterations": "dataset", "validation_iterations": "dataset", "epochs": 6}
    whole = train(trainer_of(name, **settings))
    expected, log = weights_of(whole), curves_of(whole)
    shutil.rmtree(whole.output_folder)
    stopped = trainer_of(name, **settings)
    stopped.after_epoch = stop_after(2)
    with pytest.raises(StopTraining):
        train(stopped)
    torch.manual_seed(12345)  # what comes between has no influence
    resumed = trainer_of(name, **settings)
    with quiet():
        assert checkpoints.resume(resumed) == (2, "")
    train(resumed)
    assert equal(weights_of(resumed), expected)
    assert curves_of(resumed)["train_losses"] == log["train_losses"] and curves_of(resumed)["lrs"] == log["lrs"]


def after_three_epochs(trainer_of):
    """Return the folder of a fold run that ended after three epochs: latest after 3, previous after 2."""
    trainer = trainer_of()
    trainer.after_epoch = stop_after(3)
    with pytest.raises(StopTraining):
        train(trainer)
    folder = Path(trainer.output_folder)
    assert checkpoints.finished_epochs(folder / checkpoints.LATEST) == 3
    assert checkpoints.finished_epochs(folder / checkpoints.PREVIOUS) == 2
    return folder


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip, empty], ids=lambda function: function.__name__)
def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_says_so(trainer_of, damage):
    folder = after_three_epochs(trainer_of)
    (folder / checkpoints.BEST).unlink()
    damage(folder / checkpoints.LATEST)
    trainer = trainer_of()
    with quiet():
        epoch, note = checkpoints.resume(trainer)
    assert epoch == 2 == trainer.current_epoch and "checkpoint_latest.pth damaged" in note
    assert "goes on from checkpoint_previous.pth after epoch 2" in note
    # The damaged file is set aside: the next checkpoint does not make it the one before.
    assert (folder / "checkpoint_latest.pth.damaged").is_file() and not (folder / checkpoints.LATEST).exists()
    train(trainer)
    assert trainer.current_epoch == 4


def test_the_best_checkpoint_is_taken_when_it_is_the_newest(trainer_of):
    folder = after_three_epochs(trainer_of)
    shutil.copy(folder / checkpoints.LATEST, folder / checkpoints.BEST)
    cut(folder / checkpoints.LATEST)
    with quiet():
        epoch, note = checkpoints.resume(trainer_of())
    assert epoch == 3 and "checkpoint_best.pth after epoch 3" in note


def test_no_whole_checkpoint_begins_again_and_says_so(trainer_of):
    trainer = trainer_of()
    with quiet():
        assert checkpoints.resume(trainer) == (0, "")
        for name in checkpoints.NAMES:
            Path(trainer.output_folder, name).write_bytes(b"PK\x03\x04 no checkpoint")
        epoch, note = checkpoints.resume(trainer)
    assert epoch == 0 and "begins again" in note and "\n" not in note


# --- a disk that is full


def test_a_full_disk_leaves_the_old_checkpoint_and_is_told_in_one_line(trainer_of, monkeypatch):
    trainer = trainer_of()
    folder = Path(trainer.output_folder)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    trainer.after_epoch = lambda one: monkeypatch.setattr(os, "fsync", full) if one.current_epoch == 2 else None
    with pytest.raises(CheckpointNotWritten) as caught:
        train(trainer)
    assert str(caught.value).endswith("could not be written: the disk is full") and "\n" not in str(caught.value)
    assert caught.value.path.startswith(str(folder))
    assert checkpoints.finished_epochs(folder / checkpoints.LATEST) == 2
    assert not list(folder.glob("*.part")) + list(folder.glob(".*.part"))


def test_torch_itself_runs_out_of_room(tmp_path):
    path = tmp_path / checkpoints.LATEST
    checkpoints.write({"current_epoch": 1}, path)
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(CheckpointNotWritten, match="too large"):
            checkpoints.write({"network_weights": torch.zeros(1 << 20)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == [path.name]


# --- settings reach the training


def test_the_plans_table_overrides_the_trainers_settings(tmp_path, monkeypatch):
    make_preprocessed(tmp_path, breastseg={"epochs": 2, "optimizer": {"lr": 0.5}, "loss": {"batch_dice": False}})
    trainer = make_trainer(tmp_path, "nnUNetTrainerBreastSegM1", monkeypatch=monkeypatch)
    assert (trainer.num_epochs, trainer.initial_lr, trainer.save_every) == (2, 0.5, 5)
    assert trainer.configuration_manager.batch_dice is False
    assert make_trainer(
        tmp_path, settings={"loss": {"batch_dice": True}}, monkeypatch=monkeypatch
    ).configuration_manager.batch_dice
    with pytest.raises(SettingsWrong, match="epochs"):
        make_trainer(tmp_path, settings={"epochs": 0}, monkeypatch=monkeypatch)


def test_iterations_of_the_dataset_show_each_image_once(trainer_of):
    trainer = trainer_of("nnUNetTrainerBreastSegM3", iterations="dataset", validation_iterations="dataset")
    with quiet():
        trainer.initialize()
        trainer.on_train_start()
        trainer.on_epoch_start()
        shown = [name for _ in range(2) for name in next(trainer.dataloader_train)["keys"]]
    assert trainer.num_iterations_per_epoch == 2 == math.ceil(3 / trainer.batch_size)
    assert sorted(shown[:3]) == ["case_0", "case_1", "case_2"]


def test_whole_images_are_in_the_middle_of_the_patch_and_too_large_ones_refused(tmp_path, monkeypatch):
    make_preprocessed(tmp_path, (1, 24, 20), patch_size=[32, 32])
    trainer = make_trainer(tmp_path, "nnUNetTrainerBreastSegM3", settings={"iterations": 1}, monkeypatch=monkeypatch)
    with quiet():
        trainer.initialize()
        batch = next(trainer.get_dataloaders()[0])
        image = trainer.dataset_class(trainer.preprocessed_dataset_folder, None).load_case(batch["keys"][0])[0][:]
    expected = torch.zeros((1, 32, 32))
    expected[:, 4:28, 6:26] = torch.from_numpy(image[:, 0])
    assert torch.equal(batch["data"][0], expected) and batch["target"][0].sum() > 0
    make_preprocessed(tmp_path / "large", (1, 40, 20), patch_size=[32, 32])
    trainer = make_trainer(
        tmp_path / "large", "nnUNetTrainerBreastSegM3", settings={"iterations": 1}, monkeypatch=monkeypatch
    )
    with quiet():
        trainer.initialize()
        with pytest.raises(SettingsWrong, match="case_0 has 40×20 pixels.* patch of 32×32"):
            trainer.get_dataloaders()


def test_gradients_are_clipped_at_the_settings_norm(trainer_of):
    trainer = trainer_of(clip=0.01, optimizer={"kind": "sgd", "lr": 1.0, "weight_decay": 0.0, "momentum": 0.0})
    with quiet():
        trainer.initialize()
        trainer.on_train_start()
        before = [weight.detach().clone() for weight in trainer.network.parameters()]
        trainer.train_step(next(trainer.dataloader_train))
    pairs = zip(before, trainer.network.parameters())
    step = math.sqrt(sum(((old - new) ** 2).sum().item() for old, new in pairs))
    assert step == pytest.approx(0.01, rel=1e-3)


def test_losses_for_one_label_refuse_what_they_cannot_train(trainer_of, monkeypatch):
    trainer = trainer_of("nnUNetTrainerBreastSegM4", deep_supervision=True)
    with quiet(), pytest.raises(SettingsWrong, match="deep_supervision"):
        trainer.initialize()
    trainer = trainer_of("nnUNetTrainerBreastSegM4")
    monkeypatch.setattr(type(trainer.label_manager), "foreground_labels", property(lambda self: [1, 2]))
    with quiet(), pytest.raises(SettingsWrong, match="one label"):
        trainer.initialize()


def test_a_network_of_two_stages_has_losses_that_are_numbers(tmp_path, monkeypatch):
    make_preprocessed(tmp_path, architecture=plain_unet(2, features=(8, 16)))
    trainer = make_trainer(tmp_path, settings={**SHORT, **FAST, "epochs": 1}, monkeypatch=monkeypatch)
    train(trainer)
    assert np.isfinite(curves_of(trainer)["train_losses"]).all()


def test_without_mirroring_nnunets_predictor_is_told_none(tmp_path, monkeypatch):
    make_preprocessed(tmp_path)
    settings = {**SHORT, "augmentation": "none", "deep_supervision": False, "epochs": 1}
    trainer = make_trainer(tmp_path, settings=settings, monkeypatch=monkeypatch)
    train(trainer)
    assert trainer.inference_allowed_mirroring_axes is None

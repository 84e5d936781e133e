"""Settings of the trainers: what the table says, what overrides it, what is refused; learning rates; the copy."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from BreastSegTrainingLib import trainers
from BreastSegTrainingLib.trainers import curves, schedules
from BreastSegTrainingLib.trainers.settings import merged

M1, M3, M4 = (f"nnUNetTrainerBreastSeg{name}" for name in ("M1", "M3", "M4"))
M5 = [f"nnUNetTrainerBreastSegM5{name}" for name in ("Jaccard", "Tversky", "Tversky07")]


def test_the_trainers_have_the_numbers_of_their_methods():
    default = trainers.resolve("nnUNetTrainerBreastSeg")
    optimizer = {"kind": "sgd", "lr": 1e-2, "weight_decay": 3e-5, "momentum": 0.99, "nesterov": True}
    assert default["optimizer"] == optimizer and default["schedule"] == {"kind": "poly", "exponent": 0.9}
    assert (default["epochs"], default["iterations"], default["oversample"], default["clip"]) == (1000, 250, 0.33, 12)
    m1 = trainers.resolve(M1)
    assert m1["optimizer"] == {"kind": "adam", "lr": 1e-4, "weight_decay": 3e-5}
    assert m1["loss"] == {"kind": "nnunet", "batch_dice": True} and m1["early_stopping"]["patience"] > 0
    m3 = trainers.resolve(M3)
    assert m3["loss"] == {"kind": "bce_weighted_dice", "bce": 0.3, "dice": 0.7, "lesion": 2.0}
    assert m3["optimizer"] == {"kind": "adamw", "lr": 1e-4, "weight_decay": 1e-4}
    assert m3["schedule"] == {"kind": "cosine_restarts", "first": 20, "factor": 2, "least": 1e-6}
    assert (m3["clip"], m3["epochs"], m3["best_by"], m3["keep"]) == (1.0, 100, "val_jaccard", "best")
    m4 = trainers.resolve(M4)
    assert (m4["loss"], m4["optimizer"]["lr"], m4["epochs"]) == ({"kind": "dice"}, 1e-3, 100)
    for name, loss in zip(M5, [None, (0.5, 0.5, 1.0), (0.7, 0.3, 1.4)]):
        m5 = trainers.resolve(name)
        assert m5["optimizer"] == {"kind": "adam", "lr": 1e-4, "weight_decay": 1e-4} and m5["epochs"] == 50
        assert m5["schedule"] == {"kind": "steps", "at": [20, 30, 40], "factor": 0.1}
        assert m5["best_by"] == "val_loss" and m5["augmentation"] == "m5" and m5["whole_image"]
        if loss:
            assert tuple(m5["loss"][key] for key in ("alpha", "beta", "gamma")) == loss


def test_every_trainer_can_be_described_without_torch():
    code = (
        "import sys\nfrom BreastSegTrainingLib import trainers\n"
        "rows = [trainers.describe(name) for name in trainers.names()]\n"
        "assert all(row['title'] and row['source'] and row['settings']['epochs'] for row in rows)\n"
        "assert not {'torch', 'nnunetv2', 'numpy'} & set(sys.modules)\n"
    )
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_overrides_are_laid_over_the_trainers_own():
    settings = trainers.resolve(M3, {"optimizer": {"lr": 0.5}, "schedule": {"kind": "constant"}, "epochs": 3})
    assert settings["optimizer"] == {"kind": "adamw", "lr": 0.5, "weight_decay": 1e-4}
    assert settings["schedule"] == {"kind": "constant"} and settings["epochs"] == 3
    assert trainers.resolve(M3)["optimizer"]["lr"] == 1e-4  # the table itself is as it was
    assert merged({"a": None}, {"a": {"x": 1}}) == {"a": {"x": 1}}


@pytest.mark.parametrize(
    "overrides, word",
    [
        ({"epoch": 5}, "epoch"),
        ({"epochs": 0}, "epochs"),
        ({"epochs": True}, "epochs"),
        ({"epochs": 2.5}, "epochs"),
        ({"iterations": "all"}, "iterations"),
        ({"checkpoint_every": None}, "checkpoint_every"),
        ({"seed": -1}, "seed"),
        ({"optimizer": {"lr": float("nan")}}, "lr"),
        ({"optimizer": {"lr": 0}}, "learning rate"),
        ({"optimizer": {"kind": "lion", "lr": 1}}, "optimizer"),
        ({"optimizer": "adam"}, "optimizer"),
        ({"schedule": {"kind": "steps", "at": [1, "x"], "factor": 0.1}}, "at"),
        ({"schedule": {"kind": "steps", "factor": 0.1}}, "at"),
        ({"schedule": {"kind": "cosine_restarts", "first": 2, "factor": 1.5, "least": 0}}, "factor"),
        ({"loss": {"kind": "dice", "gamma": 2}}, "gamma"),
        ({"loss": {"kind": "nnunet", "batch_dice": 1}}, "batch_dice"),
        ({"clip": 0}, "clip"),
        ({"oversample": 1.5}, "oversample"),
        ({"augmentation": "m9"}, "augmentation"),
        ({"best_by": "dice"}, "best_by"),
        ({"early_stopping": {"patience": 3}}, "early_stopping"),
        ({"early_stopping": {"patience": 0, "min_epochs": 0, "on": "val_loss"}}, "patience"),
        ({"whole_image": "yes"}, "whole_image"),
        ({"encoder_weights": 3}, "encoder_weights"),
        ([], "table"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_in_one_line(overrides, word):
    with pytest.raises(trainers.SettingsWrong) as caught:
        trainers.resolve("nnUNetTrainerBreastSeg", overrides)
    assert word in str(caught.value) and "\n" not in str(caught.value)


def test_an_unknown_trainer_is_named():
    with pytest.raises(trainers.SettingsWrong, match="no trainer Nobody; there are: nnUNetTrainerBreastSeg,"):
        trainers.describe("Nobody")


# --- learning rates, against torch and nnU-Net


def rates(name, epochs, lr):
    """Return what our schedule sets on an optimizer, epoch by epoch."""
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    settings = trainers.resolve(name)["schedule"]
    schedule = schedules.Schedule(optimizer, schedules.rate_of(settings, lr, epochs))
    result = []
    for epoch in range(epochs):
        schedule.step(epoch)
        result.append(optimizer.param_groups[0]["lr"])
    return result


def theirs(make, epochs, lr):
    """Return what torch's own scheduler sets, stepped once after each epoch."""
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    schedule, result = make(optimizer), []
    for _ in range(epochs):
        result.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return result


def test_cosine_warm_restarts_are_those_of_torch():
    from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

    other = theirs(lambda opt: CosineAnnealingWarmRestarts(opt, 20, 2, eta_min=1e-6), 150, 1e-4)
    assert rates(M3, 150, 1e-4) == pytest.approx(other, rel=1e-9)


def test_steps_are_those_of_torch():
    from torch.optim.lr_scheduler import MultiStepLR

    other = theirs(lambda opt: MultiStepLR(opt, [20, 30, 40], 0.1), 50, 1e-4)
    assert rates(M5[0], 50, 1e-4) == pytest.approx(other, rel=1e-9)


def test_the_default_is_nnunets_poly():
    import torch
    from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.01)
    schedule, other = PolyLRScheduler(optimizer, 0.01, 1000), []
    for epoch in range(1000):
        schedule.step(epoch)
        other.append(optimizer.param_groups[0]["lr"])
    assert rates("nnUNetTrainerBreastSeg", 1000, 0.01) == other
    assert rates(M1, 30, 1e-4) == [1e-4] * 30


# --- the best epoch, and when to stop


class Log:
    """What of nnU-Net's logger is read."""

    def __init__(self, **lists):
        self.lists = lists

    def get_value(self, key, step):
        assert step is None
        return self.lists[key]


def test_the_best_epoch_is_the_first_of_the_best():
    nan = math.nan
    assert curves.best_of([nan, 0.5, 0.7, 0.7, nan], "ema_fg_dice") == (2, 0.7)
    assert curves.best_of([nan, 0.5, -0.7, 0.7], "val_loss") == (2, -0.7)
    assert curves.best_of([nan, math.inf], "val_loss") == (None, None) == curves.best_of([], "val_loss")


def test_the_jaccard_index_follows_from_the_dice():
    log = Log(dice_per_class_or_region=[[0.5, 1.0], [math.nan, 0.0], [math.nan]])
    values = curves.watched(log, "val_jaccard")
    assert values[:2] == pytest.approx([(0.5 / 1.5 + 1) / 2, 0]) and math.isnan(values[2])


@pytest.mark.parametrize(
    "losses, stops",
    [
        ([3, 2, 1], False),
        ([3, 1, 2, 2], False),
        ([3, 1, 2, 2, 2], True),
        ([1, 2, 2, 2], False),  # fewer than min_epochs
        ([3, 1, 2, 2, 0.5], False),
        ([math.nan] * 6, True),
        ([], False),
    ],
)
def test_early_stopping_counts_epochs_without_anything_better(losses, stops):
    rule = {"patience": 3, "min_epochs": 5, "on": "val_loss"}
    assert curves.stops_early(Log(val_losses=losses), rule) is stops
    assert not curves.stops_early(Log(val_losses=losses), None)


# --- the copy beside a model


def test_a_copy_is_complete_and_replaced_only_when_it_differs(tmp_path):
    copy = trainers.copy_to(tmp_path / "trainers")
    names = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
    assert {"__init__.py", "trainer.py", "named.py", "trainers.json", "architectures/build.py"} <= names
    assert json.loads((copy / "trainers.json").read_text(encoding="utf-8"))["trainers"]
    before = (copy / "named.py").stat().st_mtime_ns
    assert trainers.copy_to(tmp_path / "trainers") == copy and (copy / "named.py").stat().st_mtime_ns == before
    (copy / "named.py").write_text("old", encoding="utf-8")
    (copy / "gone.py").write_text("", encoding="utf-8")
    trainers.copy_to(tmp_path / "trainers")
    assert "nnUNetTrainerBreastSegM5Tversky07" in (copy / "named.py").read_text(encoding="utf-8")
    assert not (copy / "gone.py").exists()
    assert [path.name for path in (tmp_path / "trainers").iterdir()] == ["breastseg_trainers"]


def test_the_copy_names_no_module_outside_itself():
    from BreastSegTrainingLib.trainers import _files

    for name, path in _files().items():
        text = Path(path).read_text(encoding="utf-8")
        if path.suffix == ".py" and name not in ("networks.py", "__init__.py"):
            assert "BreastSegLib" not in text and "BreastSegTrainingLib" not in text, name

"""The three records of a real training agree: the trainer's, the checkpoint's own log and nnU-Net's text log."""

import shutil

import numpy as np
from BreastSegTrainingLib.curves import read_curves
from BreastSegTrainingLib.curves.curves import SERIES
from trained import shared_training


def test_the_records_of_a_training_tell_the_same(tmp_path_factory, tmp_path):
    training = shared_training(tmp_path_factory)
    folder = tmp_path / "fold_0"
    shutil.copytree(training.output("0"), folder)
    trainers = read_curves(folder)
    (folder / "curves.json").unlink()
    checkpoints = read_curves(folder)
    for path in folder.glob("*.pth"):
        path.unlink()
    text = read_curves(folder)
    sources = [one.source for one in (trainers, checkpoints, text)]
    assert sources == ["curves.json", "checkpoint_final.pth", "text log"]
    for one in (trainers, checkpoints, text):
        assert one.epochs == one.epochs_planned == 2 and one.time_left == 0.0
        assert one.best_epoch == trainers.best_epoch
    for name in SERIES:
        exact, read, told = (getattr(one, name) for one in (trainers, checkpoints, text))
        assert np.array_equal(exact, read), name
        assert np.allclose(exact, told, atol=0.02 if name.startswith("epoch") else 1e-4), name

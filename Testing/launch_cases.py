"""Small raw datasets and trainings for the tests of the launch."""

import json
import time

import numpy as np
import SimpleITK as sitk
from BreastSegTrainingLib import launch
from BreastSegTrainingLib.launch import Training


def make_raw(folder, cases=6, shape=(12, 24, 24), folds=3, spacing=(2.0, 1.0, 1.0), channels=1, test=1):
    """Write a raw dataset of blobs in noise, and return its folder; `spacing` is (z, y, x)."""
    root, random, names = folder / "Dataset101_Tiny", np.random.default_rng(0), []
    for part in ("imagesTr", "labelsTr", "imagesTs", "labelsTs"):
        (root / part).mkdir(parents=True, exist_ok=True)
    for number in range(cases + test):
        part, name = ("Tr" if number < cases else "Ts"), f"P{number:03d}_1"
        mask = np.zeros(shape, np.uint8)
        half = [max(0, min(3, length // 2 - 1)) for length in shape]
        centre = [int(random.integers(h, length - h)) for h, length in zip(half, shape)]
        mask[tuple(slice(c - h, c + h + 1) for c, h in zip(centre, half))] = 1
        names += [name] if part == "Tr" else []
        for channel in range(channels):
            image = random.normal(0, 1, shape).astype(np.float32) + 3 * mask
            _write(image, spacing, root / f"images{part}" / f"{name}_{channel:04d}.nii.gz")
        _write(mask, spacing, root / f"labels{part}" / f"{name}.nii.gz")
    description = {
        "channel_names": {str(channel): f"post{channel + 1}" for channel in range(channels)},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": cases,
        "file_ending": ".nii.gz",
        "overwrite_image_reader_writer": "SimpleITKIO",
        "name": root.name,
        "recipe": "first-post",
        "recipe_hash": "0" * 64,
    }
    (root / "dataset.json").write_text(json.dumps(description))
    if folds:
        splits = [
            {"train": [n for k, n in enumerate(names) if k % folds != fold], "val": names[fold::folds]}
            for fold in range(folds)
        ]
        (root / "splits_final.json").write_text(json.dumps(splits))
    return root


def make_training(folder, name="one", folds=("0", "1"), acts=None, **values):
    """Write a training for the fake process of `fake_fold` and return it."""
    values = {"device": "cpu", "created": f"2026-01-01T00:00:0{len(launch.trainings_in(folder))}", **values}
    raw = values.pop("raw", "/raw/Dataset101_Tiny")
    training = Training(folder, name, raw, "3d_fullres", "nnUNetTrainerBreastSeg", folds, **values)
    training.write()
    (training.folder / "fake.json").write_text(json.dumps({"epochs": 3, **(acts or {})}))
    return training


def wait_for(check, seconds=30.0):
    """Wait until ``check()`` is true and return what it gave."""
    until = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < until, "it did not come to that in time"
        time.sleep(0.05)
    return found


def states(work):
    """Return {(training, fold): state} of a work folder."""
    return {(row["training"], row["fold"]): row["state"] for row in launch.rows(work)}


def _write(array, spacing, path):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing[::-1])
    sitk.WriteImage(image, str(path))

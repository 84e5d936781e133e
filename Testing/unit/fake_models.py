"""Model folders as nnU-Net writes them, with checkpoints of a few bytes: readable pickles without a network."""

import io
import json
import pickle
import zipfile
from pathlib import Path

from tiny_model import _plans, architecture_of

TRAINER = "nnUNetTrainer__nnUNetPlans__"
PATCHES = {"2d": (64, 64), "3d_fullres": (16, 32, 32), "3d_lowres": (16, 32, 32), "3d_cascade_fullres": (16, 32, 32)}


def make_folder(
    folder,
    configuration="3d_fullres",
    channels=("pre", "post1", "post2"),
    labels=("lesion",),
    folds=("0",),
    checkpoint="checkpoint_final.pth",
    dataset="Dataset901_Tiny",
    previous=None,
    extra=None,
):
    """Write a model folder without a card and return its path; `extra` goes into every checkpoint's pickle."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    patch = PATCHES[configuration]
    plans = _plans(channels, patch, architecture_of((4, 8), len(patch)), configuration, 1.0)
    plans["dataset_name"] = dataset
    if previous:
        plans["configurations"][configuration]["previous_stage"] = previous
    write(folder / "plans.json", plans)
    table = {"background": 0, **{name: value for value, name in enumerate(labels, 1)}}
    names = {str(index): name for index, name in enumerate(channels)}
    write(folder / "dataset.json", {"channel_names": names, "labels": table, "numTraining": 1, "file_ending": ".mha"})
    for fold in folds:
        write_checkpoint(folder / f"fold_{fold}" / checkpoint, configuration, fold, extra)
        (folder / f"fold_{fold}" / "progress.png").write_bytes(b"a picture that no model needs")
    return folder


def write_checkpoint(path, configuration="3d_fullres", fold="0", extra=None):
    """Write a checkpoint in torch's zip format whose pickle holds plain values, and `extra`."""
    content = {
        "network_weights": {},
        "trainer_name": "nnUNetTrainer",
        "init_args": {"configuration": configuration, "fold": fold},
        "extra": extra,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(content, protocol=2))
        archive.writestr("archive/version", "3\n")
    return path


def make_results(folder, configurations=("2d", "3d_fullres"), dataset="Dataset901_Tiny", **options):
    """Write a folder of results with one model for each configuration and return its path."""
    for name in configurations:
        make_folder(Path(folder) / dataset / f"{TRAINER}{name}", name, dataset=dataset, **options)
    return Path(folder) / dataset


def pack(folder, path, top=""):
    """Write a zip of a folder and return its path; the names in it begin with `top`."""
    folder = Path(folder)
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{top}{file.relative_to(folder).as_posix()}")
    return Path(path)


def write(path, record):
    """Write a JSON file."""
    path.write_text(json.dumps(record, indent=2), encoding="utf-8")


def files_of(folder):
    """Return the content of every file under a folder, by relative name."""
    folder = Path(folder)
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def made_of(path):
    """Return the names in a zip."""
    with zipfile.ZipFile(io.BytesIO(Path(path).read_bytes())) as archive:
        return sorted(archive.namelist())

"""A tiny dataset of bright blobs and a training on it with real nnU-Net, for tests of what comes after."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from BreastSegTrainingLib.launch import Training

RECIPE = "single-phase-0002"
ROOT = Path(__file__).resolve().parents[2]
SHAPE, SPACING = (16, 24, 24), (1.5, 1.0, 1.0)
PATIENCE_S = 300
CASES = ("P001_1", "P001_2", "P002_1", "P003_1", "P004_1", "P005_1")
SECRET = "secret-place"
FEATURES = (4, 8, 8)  # with two stages nnU-Net has no output that deep supervision weighs


def make_raw(folder, recipe=RECIPE, cases=CASES, number=101, shape=SHAPE, own_recipe=None):
    """Write a raw dataset with two folds as `export` leaves it, and return its folder.

    Parameters
    ----------
    folder : Path
    recipe : str
    cases : sequence of str
        Pseudonyms; those of one patient stay in one fold.
    own_recipe : dict, optional
        A recipe of the user's own, which then lies in the dataset.
    """
    from BreastSegLib.files import write_image, write_json
    from BreastSegLib.recipe import load_recipe
    from BreastSegTrainingLib.dataset.layout import FORMAT, Layout

    raw = Path(folder) / f"Dataset{number}_Blobs"
    layout, generator = Layout(raw), np.random.default_rng(number)
    if own_recipe is not None:
        write_json(raw / "recipe.json", own_recipe)
    loaded = load_recipe(raw / "recipe.json" if own_recipe is not None else recipe)
    channels = loaded.channel_names or ("mammogram",)
    for case in cases:
        volumes, label = blob(generator, len(channels), shape)
        files = {layout.image("train", case, k): volume for k, volume in enumerate(volumes)}
        files[layout.label("train", case)] = label
        for path, volume in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(volume.to_sitk(), path)
        sizes = {path.relative_to(raw).as_posix(): path.stat().st_size for path in files}
        sample = {"name": case, "lesion_voxels": int(np.count_nonzero(label.array)), "channels": list(channels)}
        record = {"format": FORMAT, "name": case, "part": "train", "samples": [sample], "files": sizes}
        write_json(layout.record(case), record)
    half = len(cases) // 2
    parts = (list(cases[:half]), list(cases[half:]))
    write_json(raw / "splits_final.json", [{"train": parts[1 - k], "val": parts[k]} for k in (0, 1)])
    split = {"format": "breastseg-split-1", "stratify": ["centre"], "test_samples": [], "cases": {}}
    write_json(raw / "split.json", split)
    description = {
        "channel_names": {str(k): name for k, name in enumerate(channels)},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": len(cases),
        "file_ending": ".nii.gz",
        "overwrite_image_reader_writer": "SimpleITKIO",
        "name": raw.name,
        "description": "Blobs",
        "recipe": loaded.name,
        "recipe_hash": loaded.hash,
        "recipe_source": str(raw / "recipe.json") if own_recipe is not None else recipe,
    }
    write_json(raw / "dataset.json", description)
    return raw


def blob(generator, channels, shape=SHAPE):
    """Return the channels and the mask of a case: a bright ball in noise."""
    from BreastSegLib.volume import Geometry, Volume

    grid = np.indices(shape).astype(float)
    centre = [generator.uniform(0.4, 0.6) * length for length in shape]
    ball = sum(((axis - middle) / max(2.0, 0.22 * length)) ** 2 for axis, middle, length in zip(grid, centre, shape))
    mask = (ball <= 1).astype(np.uint8)
    geometry = Geometry(shape, SPACING[::-1] if shape[0] > 1 else (1.0, 1.0, 1.0))
    images = [(100 + 20 * generator.normal(size=shape) + 150 * mask).astype(np.float32) for _ in range(channels)]
    return [Volume(image, geometry) for image in images], Volume(mask, geometry)


def make_training(work, raw, name="tiny", **changes):
    """Write a training of two folds, two epochs each, on the CPU, and return it; `changes` replace fields."""
    from BreastSegLib.files import read_json
    from BreastSegTrainingLib.launch.rawdata import digest_of

    description = read_json(raw / "dataset.json")
    values = {
        "configuration": "3d_fullres",
        "trainer": "nnUNetTrainerBreastSeg",
        "folds": ("0", "1"),
        "recipe": description["recipe"],
        "recipe_hash": description["recipe_hash"],
        "plan": {
            "patch_size": [16, 16, 16],
            "batch_size": 2,
            "architecture": {"arch_kwargs": {"features_per_stage": list(FEATURES)}},
        },
        "settings": {"epochs": 2, "iterations": 4, "validation_iterations": 2, "seed": 7},
        "device": "cpu",
        "digest": digest_of(raw),
        "probabilities": True,
        **changes,
    }
    training = Training(work, name, str(raw), **values)
    training.write()
    return training


def shared_training(tmp_path_factory):
    """Return a training of two folds that is done, made once in a test run; tests change copies of it only.

    The folder that it lies in has a name (`SECRET`) that must not be found again in what is published.
    """
    place = tmp_path_factory.getbasetemp() / SECRET
    folder = place / "work" / "trainings" / "tiny"
    if not place.exists():
        run_folds(make_training(place / "work", make_raw(place / "raw")))
    return Training.read(folder)


def run_folds(training, folds=None):
    """Plan, then train folds with the process that the launcher starts; what it says is in the error when it fails."""
    _run("plan", training)
    for fold in folds or training.folds:
        training.fold_folder(fold).mkdir(parents=True, exist_ok=True)
        _run("fold", training, fold)


def _run(verb, training, *more):
    command = [sys.executable, "-m", "BreastSegTrainingLib.process", verb, str(training.folder), *more]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    if done.returncode:
        raise RuntimeError(f"{verb} {more}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")


def environment(**more):
    """Return the variables of a child process that finds both libraries and takes one processor."""
    paths = os.pathsep.join(str(ROOT / name) for name in ("BreastSeg", "BreastSegTraining"))
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "nnUNet_compile": "f", **more}

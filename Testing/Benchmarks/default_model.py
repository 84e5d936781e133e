"""A model as nnU-Net plans it by itself for a large exam, with weights that were never trained.

The plans are nnU-Net's own: its planner gets the size and spacing of the exam and chooses tile, stages and features.
The weights are random, the same for the same seed, but for the last layer: that is fitted to a synthetic lesion, so
that a benchmark compares masks that are not empty.
"""

import contextlib
import json
import os
from pathlib import Path

import numpy as np

DATASET, TRAINER, CONFIGURATION = "Dataset902_Benchmark", "nnUNetTrainer", "3d_fullres"
RECIPE = "phase-aware-0000-0002"
LABELS = {"background": 0, "lesion": 1}
CASES = 100  # of the data set that the planner is told about; decides only the batch size of training
LARGEST_LOGIT = 50.0
SAMPLES = 20_000  # voxels without a lesion that the last layer is fitted to, in each tile


def make(work, sample, features=1.0, folds=1, device="cpu"):
    """Write a model planned for an exam on the recipe's own grid; return (folder, patch, features of the stages).

    Parameters
    ----------
    work : Path
    sample : samples.dce.SampleExam
        With a grid of 1 mm, so that it needs no resampling.
    features : float
        Share of nnU-Net's default number of features; 1 is the default itself.
    folds : int
        Networks, each with random weights of its own.
    device : str
        Where the last layer is fitted.
    """
    import torch
    from BreastSegLib.recipe import load_recipe, prepare

    prepared = prepare(load_recipe(RECIPE), sample.exam)
    image, truth = prepared.channels, sample.truth.array > 0
    if image.shape[1:] != truth.shape:
        raise ValueError("the exam does not lie on the recipe's grid")
    plans, dataset = plan_defaults(work / "planning", truth.shape, (1.0, 1.0, 1.0), prepared.channel_names)
    plans = reduced(plans, features)
    configuration = plans["configurations"][CONFIGURATION]
    patch, networks = tuple(configuration["patch_size"]), []
    for fold in range(folds):
        torch.manual_seed(fold)
        networks.append(build(plans, len(image)))
        fit_last_layer(networks[-1], image, truth, patch, np.random.default_rng(fold), device)
    folder = write_model(work / "model", plans, dataset, networks, "benchmark-default")
    return folder, patch, configuration["architecture"]["arch_kwargs"]["features_per_stage"]


def plan_defaults(work, shape, spacing, channels):
    """Return nnU-Net's default plans (dict) and dataset.json (dict) for exams of one size.

    Parameters
    ----------
    work : Path
        Folder for what the planner reads and writes.
    shape : tuple of int
        (z, y, x).
    spacing : tuple of float
        (z, y, x), mm.
    channels : sequence of str
    """
    folders = {name: Path(work) / name for name in ("raw", "preprocessed", "results")}
    os.environ.update({f"nnUNet_{name}": str(folder) for name, folder in folders.items()})
    raw, preprocessed = folders["raw"] / DATASET, folders["preprocessed"] / DATASET
    for folder in (raw / "imagesTr", raw / "labelsTr", preprocessed, folders["results"]):
        folder.mkdir(parents=True, exist_ok=True)
    for name in ["labelsTr/case.mha", *(f"imagesTr/case_{index:04d}.mha" for index in range(len(channels)))]:
        (raw / name).touch()  # only their names are looked at
    dataset = {"channel_names": {str(i): name for i, name in enumerate(channels)}, "labels": LABELS}
    dataset |= {"numTraining": CASES, "file_ending": ".mha", "overwrite_image_reader_writer": "SimpleITKIO"}
    (raw / "dataset.json").write_text(json.dumps(dataset, indent=2))
    numbers = ("max", "mean", "median", "min", "percentile_00_5", "percentile_99_5", "std")
    fingerprint = {
        "spacings": [list(spacing)] * CASES,
        "shapes_after_crop": [list(shape)] * CASES,
        "median_relative_size_after_cropping": 1.0,
        "foreground_intensity_properties_per_channel": {
            str(index): dict.fromkeys(numbers, 1.0) for index in range(len(channels))
        },
    }
    (preprocessed / "dataset_fingerprint.json").write_text(json.dumps(fingerprint))
    from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner

    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        ExperimentPlanner(DATASET).plan_experiment()
    return json.loads((preprocessed / "nnUNetPlans.json").read_text()), dataset


def reduced(plans, features):
    """Return the 3d_fullres plans alone, the features of every stage multiplied by `features`."""
    configuration = plans["configurations"][CONFIGURATION]
    arguments = configuration["architecture"]["arch_kwargs"]
    arguments["features_per_stage"] = [max(4, round(n * features)) for n in arguments["features_per_stage"]]
    return {**plans, "configurations": {CONFIGURATION: configuration}}


def build(plans, channels):
    """Return the network of plans (torch.nn.Module), its weights as torch makes them."""
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    architecture = plans["configurations"][CONFIGURATION]["architecture"]
    names = ("network_class_name", "arch_kwargs", "_kw_requires_import")
    network = get_network_from_plans(
        *(architecture[name] for name in names), channels, len(LABELS), deep_supervision=False
    )
    return network.eval()


def fit_last_layer(network, image, truth, patch, rng, device="cpu"):
    """Fit the network's last layer to a lesion, in place: a linear discriminant of the features it gets.

    Parameters
    ----------
    network : torch.nn.Module
        Of 3d_fullres plans.
    image : numpy.ndarray
        (c, z, y, x), float32, as the network sees it.
    truth : numpy.ndarray
        (z, y, x), bool.
    patch : tuple of int
    rng : numpy.random.Generator
    device : str
        Where the features are computed.
    """
    import torch

    last, kept = network.decoder.seg_layers[-1], []
    hook = last.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
    inside, outside = [], []
    for centre in ([float(index.mean()) for index in np.nonzero(truth)], [n / 2 for n in truth.shape]):
        tile = _tile_around(centre, patch, truth.shape)
        with torch.inference_mode():
            network.to(device)(torch.from_numpy(np.ascontiguousarray(image[(slice(None), *tile)]))[None].to(device))
        features, lesion = kept.pop()[0].flatten(1).cpu().numpy().astype(np.float64), truth[tile].ravel()
        inside.append(features[:, lesion])
        outside.append(features[:, rng.choice(np.flatnonzero(~lesion), SAMPLES)])
    hook.remove()
    network.to("cpu")
    torch.cuda.empty_cache()  # does nothing without a GPU
    weights, threshold, scale = _discriminant(np.concatenate(inside, axis=1), np.concatenate(outside, axis=1))
    with torch.no_grad():
        last.weight.zero_()
        last.weight[1, :, 0, 0, 0] = torch.from_numpy(scale * weights)
        last.bias[0], last.bias[1] = 0.0, -scale * threshold


def _tile_around(centre, patch, shape):
    """Return the slices of the tile whose middle is next to `centre` and that lies inside the image."""
    starts = [min(max(0, round(c) - p // 2), n - p) for c, p, n in zip(centre, patch, shape)]
    return tuple(slice(start, start + size) for start, size in zip(starts, patch))


def _discriminant(inside, outside):
    """Return weights, threshold and steepness that part the columns `inside` from nearly all `outside`."""
    spread = np.cov(inside) + np.cov(outside)
    spread += 1e-3 * np.trace(spread) / len(spread) * np.eye(len(spread))
    weights = np.linalg.solve(spread, inside.mean(axis=1) - outside.mean(axis=1))
    healthy, lesion = weights @ outside, weights @ inside
    # Nearly no healthy voxel reaches it, but part of the lesion always does.
    threshold = min(max(np.quantile(healthy, 0.999), np.quantile(lesion, 0.2)), np.quantile(lesion, 0.8))
    # nnU-Net sums in half precision, which ends at 65504.
    largest = max(np.abs(values - threshold).max() for values in (healthy, lesion))
    return weights, float(threshold), float(LARGEST_LOGIT / largest)


def write_model(folder, plans, dataset, networks, name):
    """Write a model folder with one fold for each network, and its card; return the folder."""
    import torch
    from BreastSegLib.models.card import write_card
    from BreastSegLib.recipe import load_recipe

    folder = Path(folder)
    folder.mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(plans, indent=2))
    (folder / "dataset.json").write_text(json.dumps(dataset, indent=2))
    for fold, network in enumerate(networks):
        (folder / f"fold_{fold}").mkdir()
        checkpoint = {
            "network_weights": network.state_dict(),
            "trainer_name": TRAINER,
            "current_epoch": 1,
            "init_args": {"configuration": CONFIGURATION, "fold": fold},
            "inference_allowed_mirroring_axes": (0, 1, 2),
        }
        torch.save(checkpoint, folder / f"fold_{fold}" / "checkpoint_final.pth")
    card = {"name": name, "title": "Default network without training", "description": "For benchmarks only."}
    card |= {"recipe": RECIPE, "recipe_hash": load_recipe(RECIPE).hash}
    card |= {"labels": {"lesion": {"value": 1, "terminology": "mass"}}, "licence": "Apache-2.0", "citation": "none"}
    write_card(folder, {**card, "training": {"data": "none"}})
    return folder

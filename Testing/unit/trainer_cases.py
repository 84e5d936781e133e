"""A tiny preprocessed dataset of bright blobs, as nnU-Net leaves it, and trainers on it."""

import contextlib
import io
import json
import os
from pathlib import Path

import numpy as np
from tiny_model import architecture_of

DATASET = "Dataset901_Blobs"
STATISTICS = ("max", "mean", "median", "min", "percentile_00_5", "percentile_99_5", "std")


def make_preprocessed(root, size=(1, 32, 32), count=6, channels=1, plans="nnUNetPlans", **changes):
    """Write ``root/nnUNet_preprocessed/Dataset901_Blobs`` with plans, split and cases; return its folder.

    Parameters
    ----------
    root : Path
    size : tuple of int
        z, y, x of each case; with z = 1 the configuration is ``2d``, else ``3d_fullres``.
    changes
        What is changed in the configuration (``batch_size``, ``architecture`` …) and, as ``breastseg``, in the plans.
    """
    from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2

    folder = Path(root, "nnUNet_preprocessed", DATASET)
    settings = changes.pop("breastseg", {})
    configuration = configuration_of(size)
    plan = plans_of(size, channels, plans, changes)
    data = folder / plan["configurations"][configuration]["data_identifier"]
    data.mkdir(parents=True, exist_ok=True)
    names = [f"case_{index}" for index in range(count)]
    generator = np.random.default_rng(5)
    for name in names:
        image, mask = blob(generator, size, channels)
        places = np.argwhere(mask == 1)
        properties = {"class_locations": {1: places}}
        nnUNetDatasetBlosc2.save_case(
            image, mask, properties, str(data / name), chunks=image.shape, blocks=image.shape,
            chunks_seg=mask.shape, blocks_seg=mask.shape,
        )  # fmt: skip
    half = count // 2
    write(folder / "splits_final.json", [{"train": names[:half], "val": names[half:]}])
    write(folder / "dataset.json", dataset_of(channels, count))
    write(folder / "dataset_fingerprint.json", {})
    write(folder / f"{plans}.json", {**plan, **({"breastseg": settings} if settings else {})})
    return folder


def configuration_of(size):
    return "2d" if size[0] == 1 else "3d_fullres"


def blob(generator, size, channels):
    """Return noise with a bright ellipsoid, (channels, z, y, x) float32, and its mask (1, z, y, x) int16."""
    grid = np.indices(size).astype(float)
    centre = [generator.uniform(0.35, 0.65) * length for length in size]
    radius = [max(1.0, generator.uniform(0.18, 0.28) * length) for length in size]
    distance = sum(((axis - middle) / reach) ** 2 for axis, middle, reach in zip(grid, centre, radius))
    mask = (distance <= 1).astype(np.int16)[None]
    image = generator.normal(0, 0.4, (channels, *size)) + 2.0 * mask
    return image.astype(np.float32), mask


def dataset_of(channels, count):
    names = {str(index): f"channel_{index}" for index in range(channels)}
    labels = {"background": 0, "lesion": 1}
    return {"channel_names": names, "labels": labels, "numTraining": count, "file_ending": ".nii.gz"}


def plain_unet(dimension, features=(8, 16, 16)):
    """Return nnU-Net's own network, small, as plans name it."""
    return architecture_of(features, dimension)


def ours(name, **arguments):
    """Return one of our networks as plans name it."""
    return {"network_class_name": f"breastseg_networks.{name}", "arch_kwargs": arguments, "_kw_requires_import": []}


def plans_of(size, channels, name, changes):
    patch = list(size[1:]) if size[0] == 1 else list(size)
    resampling = {"order_z": 0, "force_separate_z": None}
    configuration = {
        "data_identifier": f"{name}_{configuration_of(size)}",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": patch,
        "median_image_size_in_voxels": patch,
        "spacing": [1.0] * len(patch),
        "normalization_schemes": ["NoNormalization"] * channels,
        "use_mask_for_norm": [False] * channels,
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, **resampling},
        "resampling_fn_seg_kwargs": {"is_seg": True, "order": 1, **resampling},
        "resampling_fn_probabilities_kwargs": {"is_seg": False, "order": 1, **resampling},
        "architecture": plain_unet(len(patch)),
        "batch_dice": False,
    }
    return {
        "dataset_name": DATASET,
        "plans_name": name,
        "original_median_spacing_after_transp": [1.0] * 3,
        "original_median_shape_after_transp": list(size),
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            str(index): dict.fromkeys(STATISTICS, 1.0) for index in range(channels)
        },
        "configurations": {configuration_of(size): {**configuration, **changes}},
    }


def write(path, content):
    path.write_text(json.dumps(content), encoding="utf-8")


def make_trainer(root, name="nnUNetTrainerBreastSeg", plans="nnUNetPlans", settings=None, monkeypatch=None):
    """Return a trainer of fold 0 on the CPU, quiet; its results go to ``root/nnUNet_results``."""
    import torch
    from BreastSegTrainingLib.trainers.named import trainer_class

    environment(root, monkeypatch)
    folder = Path(root, "nnUNet_preprocessed", DATASET)
    content = json.loads((folder / f"{plans}.json").read_text(encoding="utf-8"))
    content["breastseg"] = {**content.get("breastseg", {}), **(settings or {})}
    dataset = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    with quiet():
        trainer = trainer_class(name)(content, next(iter(content["configurations"])), 0, dataset, torch.device("cpu"))
    trainer._plot_from = 10**9  # drawing takes longer than all the rest of a tiny training
    trainer.logger.plot_progress_png = lambda folder: None
    return trainer


def environment(root, monkeypatch):
    """Set nnU-Net's variables for this test, with no processes for augmentation."""
    values = {
        "nnUNet_preprocessed": str(Path(root, "nnUNet_preprocessed")),
        "nnUNet_results": str(Path(root, "nnUNet_results")),
        "nnUNet_raw": str(Path(root, "nnUNet_raw")),
        "nnUNet_n_proc_DA": "0",
    }
    for key, value in values.items():
        monkeypatch.setenv(key, value)


@contextlib.contextmanager
def quiet():
    """Keep nnU-Net's lines from the console."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stderr(nowhere),
    ):
        yield


def train(trainer):
    """Run a training quietly and return its trainer."""
    with quiet():
        trainer.run_training()
    return trainer


def weights_of(trainer):
    return {name: value.detach().clone() for name, value in trainer.network.state_dict().items()}

"""A valid nnU-Net model folder with random weights, made in a second: for tests of all but the quality of results."""

import json
from pathlib import Path


def make_tiny_model(
    folder,
    recipe="phase-aware-0000-0002",
    folds=("0",),
    patch=None,
    features=(4, 8),
    seed=0,
    name="tiny",
    configuration="3d_fullres",
    spacing=1.0,
):
    """Write a model folder (dataset.json, plans.json, checkpoints, card) for `recipe` and return its path.

    The network is nnU-Net's PlainConvUNet with random weights, so results are arbitrary but the same for the same
    seed. `configuration` is ``3d_fullres`` or ``2d``; `spacing` is that of the plans, in mm, along every axis.
    """
    from BreastSegLib.models.card import write_card
    from BreastSegLib.recipe import load_recipe

    folder, channels = Path(folder), list(load_recipe(recipe).channel_names)
    patch = patch or ((64, 64) if configuration == "2d" else (16, 32, 32))
    architecture = architecture_of(features, len(patch))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plans.json").write_text(
        json.dumps(_plans(channels, patch, architecture, configuration, spacing), indent=2)
    )
    (folder / "dataset.json").write_text(json.dumps(_dataset(channels), indent=2))
    for index, fold in enumerate(folds):
        _write_checkpoint(folder / f"fold_{fold}", fold, architecture, len(channels), seed + index, configuration)
    card = {
        "name": name,
        "title": "Tiny model with random weights",
        "description": "For tests only.",
        "recipe": recipe,
    }
    card |= {"recipe_hash": load_recipe(recipe).hash, "labels": {"lesion": {"value": 1, "terminology": "mass"}}}
    write_card(folder, {**card, "licence": "Apache-2.0", "citation": "none", "training": {"data": "none"}})
    return folder


def _write_checkpoint(folder, fold, architecture, channels, seed, configuration):
    import torch
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    torch.manual_seed(seed)
    names = ("network_class_name", "arch_kwargs", "_kw_requires_import")
    network = get_network_from_plans(*(architecture[key] for key in names), channels, 2, deep_supervision=False)
    checkpoint = {
        "network_weights": network.state_dict(),
        "trainer_name": "nnUNetTrainer",
        "current_epoch": 1,
        "init_args": {"configuration": configuration, "fold": fold},
        "inference_allowed_mirroring_axes": (0, 1) if configuration == "2d" else (0, 1, 2),
    }
    folder.mkdir(exist_ok=True)
    torch.save(checkpoint, folder / "checkpoint_final.pth")


def _dataset(channels):
    return {
        "channel_names": {str(index): channel for index, channel in enumerate(channels)},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": 1,
        "file_ending": ".mha",
        "overwrite_image_reader_writer": "SimpleITKIO",
    }


def _plans(channels, patch, architecture, configuration, spacing):
    statistics = ("max", "mean", "median", "min", "percentile_00_5", "percentile_99_5", "std")
    intensities = {str(index): dict.fromkeys(statistics, 1.0) for index in range(len(channels))}
    return {
        "dataset_name": "Dataset901_Tiny",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [spacing] * 3,
        "original_median_shape_after_transp": [1] * (3 - len(patch)) + list(patch),
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": intensities,
        "configurations": {configuration: _configuration(len(channels), patch, architecture, configuration, spacing)},
    }


def _configuration(channels, patch, architecture, configuration, spacing):
    separate = {"order_z": 0, "force_separate_z": None}
    return {
        "data_identifier": f"nnUNetPlans_{configuration}",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(patch),
        "median_image_size_in_voxels": list(patch),
        "spacing": [spacing] * len(patch),
        "normalization_schemes": ["ZScoreNormalization"] * channels,
        "use_mask_for_norm": [False] * channels,
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, **separate},
        "resampling_fn_seg_kwargs": {"is_seg": True, "order": 1, **separate},
        "resampling_fn_probabilities_kwargs": {"is_seg": False, "order": 1, **separate},
        "architecture": architecture,
        "batch_dice": True,
    }


def architecture_of(features, axes):
    """Return nnU-Net's own network, small, as plans name it."""
    stages = len(features)
    return {
        "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        "arch_kwargs": {
            "n_stages": stages,
            "features_per_stage": list(features),
            "conv_op": f"torch.nn.modules.conv.Conv{axes}d",
            "kernel_sizes": [[3] * axes] * stages,
            "strides": [[1] * axes] + [[2] * axes] * (stages - 1),
            "n_conv_per_stage": [1] * stages,
            "n_conv_per_stage_decoder": [1] * (stages - 1),
            "conv_bias": True,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{axes}d",
            "norm_op_kwargs": {"eps": 1e-5, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
    }

"""What a training changes in nnU-Net's plans, so that network, patch and data still fit each other."""

import hashlib
import json
import math

from BreastSegLib.errors import BadInput
from BreastSegLib.models.architecture import Unfit, check_architecture

NO_RESAMPLING = "no_resampling_hack"
EDGE = 4  # nnU-Net's shortest edge at the bottom of a network
# What decides what the preprocessed data look like.
OF_DATA = (
    *("preprocessor_name", "spacing", "normalization_schemes", "use_mask_for_norm"),
    *("resampling_fn_data", "resampling_fn_seg", "resampling_fn_data_kwargs", "resampling_fn_seg_kwargs"),
)
OF_MODEL = (
    *("patch_size", "spacing", "normalization_schemes", "use_mask_for_norm", "architecture", "batch_dice"),
    *("resampling_fn_data", "resampling_fn_data_kwargs", "resampling_fn_seg", "resampling_fn_seg_kwargs"),
    *("resampling_fn_probabilities", "resampling_fn_probabilities_kwargs"),
)


def adapted(plans, training, raw):
    """Return plans with one configuration, changed as a training wants it.

    Parameters
    ----------
    plans : dict
        nnU-Net's own.
    training : Training
    raw : RawDataset

    Raises
    ------
    BadInput
        If the configuration is not there, or the patch does not fit the network.
    """
    name, changes = training.configuration, training.plan
    if name not in plans["configurations"]:
        known = ", ".join(one for one in plans["configurations"] if "cascade" not in one)
        raise BadInput(
            f"nnU-Net plans no {name} for this dataset", training.dataset, f"Choose the configuration {known}"
        )
    table = {**plans["configurations"][name]}
    table.pop("next_stage", None)  # no cascade is trained
    if training.pretrained:
        from .pretrained import model_plan

        model, plans_of_model = model_plan(training)
        table.update({key: model[key] for key in OF_MODEL if key in model})
        plans = {**plans, **{key: plans_of_model[key] for key in ("transpose_forward", "transpose_backward")}}
        key = "foreground_intensity_properties_per_channel"
        plans = {**plans, key: plans_of_model.get(key, plans[key])}
    if changes.get("spacing"):
        table["spacing"] = _in_network_order(changes["spacing"], plans["transpose_forward"])
    _set_steps(table, changes, len(raw.channels))
    _set_network(table, changes, pretrained=bool(training.pretrained))
    for key in ("batch_size", "batch_dice"):
        if key in changes:
            table[key] = changes[key]
    _check_fit(table, training)
    return {**plans, "plans_name": training.plans, "configurations": {name: table}}


def data_identifier(plans, configuration):
    """Return the name of the folder with the preprocessed data: the same for all plans that give the same data."""
    table = plans["configurations"][configuration]
    meaning = {key: table.get(key) for key in OF_DATA} | {"transpose": plans["transpose_forward"]}
    if "CTNormalization" in table["normalization_schemes"]:
        meaning["intensities"] = plans["foreground_intensity_properties_per_channel"]
    digest = hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()
    return f"breastseg_{configuration}_{digest[:12]}"


def _set_steps(table, changes, channels):
    """Set normalisation and resampling."""
    schemes = changes.get("normalization")
    if schemes:
        table["normalization_schemes"] = [schemes] * channels if isinstance(schemes, str) else list(schemes)
        table["use_mask_for_norm"] = [False] * channels
    if changes.get("resampling") == "none":
        for kind in ("data", "seg", "probabilities"):
            table[f"resampling_fn_{kind}"], table[f"resampling_fn_{kind}_kwargs"] = NO_RESAMPLING, {}


def _in_network_order(spacing, transpose):
    """Return a spacing, (z, y, x) or (y, x), in the order of axes that the network sees."""
    values = [float(value) for value in spacing]
    return values if len(values) == 2 else [values[axis] for axis in transpose]


def _set_network(table, changes, pretrained=False):
    """Set patch and network: strides follow the patch as nnU-Net plans them, unless they are given."""
    given = changes.get("architecture") or {}
    patch = [int(length) for length in changes.get("patch_size") or ()]
    planned = table["architecture"]
    kind = given.get("network_class_name", planned["network_class_name"])
    if patch:
        table["patch_size"] = patch
    if kind != planned["network_class_name"]:
        table["architecture"] = {"_kw_requires_import": [], "arch_kwargs": {}, **given}
        return
    own = given.get("arch_kwargs", {})
    arguments = {**planned["arch_kwargs"], **own}
    if (patch or "features_per_stage" in own) and "strides" not in own and not pretrained:
        arguments = _with_strides(arguments, table["spacing"], table["patch_size"], own)
    table["architecture"] = {**planned, "arch_kwargs": arguments}


def _with_strides(arguments, spacing, patch, own):
    """Return the arguments of a U-Net for another patch or other features."""
    from nnunetv2.experiment_planning.experiment_planners.network_topology import get_pool_and_conv_props

    most = len(own["features_per_stage"]) if "features_per_stage" in own else 99
    _, strides, kernels, _, _ = get_pool_and_conv_props(spacing, patch, EDGE, most - 1)
    stages = min(len(strides), most)
    features = list(arguments["features_per_stage"])
    features = features[:stages] + [features[-1]] * (stages - len(features))
    result = {**arguments, "n_stages": stages, "features_per_stage": features}
    result["strides"] = [list(row) for row in strides[:stages]]
    result["kernel_sizes"] = [list(row) for row in kernels[:stages]]
    for key, count in (
        ("n_conv_per_stage", stages),
        ("n_blocks_per_stage", stages),
        ("n_conv_per_stage_decoder", stages - 1),
    ):
        if key in result:
            rows = result[key] if isinstance(result[key], list | tuple) else [result[key]] * count
            result[key] = (list(rows) + [rows[-1] if rows else 1] * count)[:count]
    return result


def _check_fit(table, training):
    """Refuse a patch that the network cannot halve as often as it does."""
    patch, dimension = table["patch_size"], 2 if training.configuration == "2d" else 3
    if len(patch) != dimension:
        raise BadInput(
            f"The patch has {len(patch)} sides, but {training.configuration} needs {dimension}", f"--patch {patch}"
        )
    steps = _steps(table["architecture"]["arch_kwargs"].get("strides"), dimension)
    wrong = [axis for axis in range(dimension) if patch[axis] % steps[axis]]
    if wrong:
        fitting = [max(step, round(length / step) * step) for length, step in zip(patch, steps)]
        raise BadInput(
            f"The network halves a patch of {' × '.join(map(str, patch))} more often than it can be divided",
            training.name,
            f"Take {' × '.join(map(str, fitting))}",
        )
    try:
        check_architecture(table, dimension, tuple(patch))
    except Unfit as error:
        raise BadInput(f"The network of the training cannot be used: {error}", training.name) from error


def _steps(strides, dimension):
    if not strides:
        return [1] * dimension
    rows = [[row] * dimension if isinstance(row, int) else row for row in strides]
    return [math.prod(row[axis] for row in rows) for axis in range(dimension)]

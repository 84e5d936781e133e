"""Checkpoints as they are published: the weights and what inference asks for, nothing of the training computer.

A training's checkpoint also holds the optimizer, the log and all arguments, with the folders and the names of cases.
"""

import platform
import re
import sys
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json, write_error

from .answering import answer

PLAIN = "nnUNetTrainer"
_WRAPPED = re.compile(r"^(?:module\.|_orig_mod\.)+")


def slim(request, report):
    """Write the slim checkpoints of some folds.

    Parameters
    ----------
    request : dict
        ``model``: the training's model folder; ``output``: the new model folder, with its plans.json and dataset.json;
        ``configuration``, ``folds``, ``checkpoint``.
    report : callable

    Returns
    -------
    dict
        ``trainer`` that the checkpoints name, ``trained_with``, ``own_network`` (whether inference elsewhere needs
        the trainers that come with the model), ``epochs`` by fold, ``parameters``, ``versions``.

    Raises
    ------
    BadInput
        If a checkpoint is damaged, or the published plans do not build the network that was trained.
    """
    model, output = Path(request["model"]), Path(request["output"])
    plans, description = read_json(output / "plans.json"), read_json(output / "dataset.json")
    configuration, folds, name = request["configuration"], request["folds"], request["checkpoint"]
    told, network = {"epochs": {}}, None
    for done, fold in enumerate(folds):
        report("Taking the weights", done, len(folds))
        path = model / f"fold_{fold}" / name
        content = _content_of(path, configuration)
        trainer, own = _trainer_of(content["trainer_name"], plans, configuration)
        if done and trainer != told["trainer"]:
            raise BadInput("The folds were trained with different trainers", path, "Publish them one by one")
        told |= {"trainer": trainer, "trained_with": str(content["trainer_name"]), "own_network": own}
        weights = _weights_of(content)
        if network is None and (trainer == PLAIN or own):
            network = _network(plans, description, configuration)
        _check_fit(network, weights, path)
        told["parameters"] = sum(value.numel() for value in {id(value): value for value in weights.values()}.values())
        told["epochs"][fold] = int(content.get("current_epoch", 0))
        _save(_slim_content(content, weights, trainer, configuration, fold), output / f"fold_{fold}" / name)
    report("Taking the weights", len(folds), len(folds))
    return {**told, "versions": versions()}


def versions():
    """Return the versions that the published checkpoints were written with."""
    from importlib.metadata import version

    import torch

    return {"nnunetv2": version("nnunetv2"), "torch": torch.__version__, "python": platform.python_version()}


def _content_of(path, configuration):
    """Return a training's own checkpoint; opened without running anything, though nobody doubts it."""
    from BreastSegLib.inference.networks.checkpoints import read_checkpoint

    content = read_checkpoint(path)
    told = content["init_args"].get("configuration") if isinstance(content["init_args"], dict) else None
    if told != configuration:
        raise BadInput(f"The checkpoint is of the configuration {told}, not {configuration}", path)
    return content


def _trainer_of(name, plans, configuration):
    """Return the trainer that the published checkpoint names, and whether its network is one of ours.

    Where nnU-Net builds the network from the plans, its own trainer can: the model then runs in any nnU-Net.
    """
    from BreastSegLib.inference.networks import architectures
    from BreastSegLib.inference.networks.network import builds_from_plans

    from ..trainers import names

    network = plans["configurations"][configuration].get("architecture", {}).get("network_class_name", "")
    if architectures.is_ours(network):
        return str(name), True
    if name in names() or builds_from_plans(name):
        return PLAIN, False
    return str(name), False


def _network(plans, description, configuration):
    """Build the network as it is built elsewhere: from the published plans alone."""
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    from ..trainers import networks

    manager = PlansManager(plans)
    heads = manager.get_label_manager(description).num_segmentation_heads
    return networks.build(manager.get_configuration(configuration), len(description["channel_names"]), heads, False)


def _weights_of(content):
    """Return the weights on the CPU under the network's own names; one that has several names is kept once."""
    kept, weights = {}, {}
    for key, value in content["network_weights"].items():
        same = (value.data_ptr() or key, tuple(value.shape), value.stride(), value.dtype)
        if same not in kept:
            kept[same] = value.detach().cpu().clone().contiguous()
        weights[_WRAPPED.sub("", key)] = kept[same]
    return weights


def _check_fit(network, weights, path):
    import torch

    if network is not None:
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise BadInput(f"The weights do not fit the network of the plans: {lines[-1][:200]}", path) from error
    broken = [key for key, value in weights.items() if not torch.isfinite(value).all()]
    if broken:
        raise BadInput("The weights hold values that are no numbers", path, "Publish the best checkpoint, or another")


def _slim_content(content, weights, trainer, configuration, fold):
    # None where there are none: nnU-Net's predictor fails on an empty list.
    axes = content.get("inference_allowed_mirroring_axes") or None
    return {
        "network_weights": weights,
        "trainer_name": trainer,
        "current_epoch": int(content.get("current_epoch", 0)),
        "init_args": {"configuration": configuration, "fold": fold if fold == "all" else int(fold)},
        "inference_allowed_mirroring_axes": None if axes is None else tuple(int(axis) for axis in axes),
    }


def _save(content, path):
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.save(content, path)
    except OSError as error:
        raise write_error(error, path) from error
    except RuntimeError as error:  # torch's writer wraps a full disk
        if not isinstance(error.__context__, OSError):
            raise
        raise write_error(error.__context__, path) from error


if __name__ == "__main__":
    sys.exit(answer(slim))

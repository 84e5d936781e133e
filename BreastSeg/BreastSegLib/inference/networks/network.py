"""A model's networks, one for each fold, built from its plans and filled with its weights (worker side)."""

import ast
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral
from pathlib import Path

from ...errors import BadInput
from ...files import read_json
from ...models.plans import check_network
from ...models.zipped import readable
from .checkpoints import read_checkpoint
from .processor import use_onednn

PLAIN_TRAINER = "nnUNetTrainer"
OUR_TRAINERS = "nnUNetTrainerBreastSeg"  # the names of all our trainers begin so; they build what the plans name
NEEDED = {"segmentation_models_pytorch": "segmentation-models-pytorch"}  # what some networks need: module and name
LONGEST = 120  # characters of a trainer's name


@dataclass
class Networks:
    """The folds of one model on one device.

    Parameters
    ----------
    folds : list of torch.nn.Module
        In evaluation mode, without deep supervision.
    plans, configuration
        nnU-Net's managers of the plans and of the configuration.
    heads : int
        Outputs of the network: background and each label.
    channels : int
        Inputs of the network.
    mirror_axes : tuple of int
        Spatial axes of a tile that the network was trained to be mirrored along.
    device : torch.device
    pulse : callable, optional
        Called before every layer: what it raises ends a prediction in the middle of a tile.
    """

    folds: list
    plans: object
    configuration: object
    heads: int
    channels: int
    mirror_axes: tuple
    device: object
    pulse: object = None

    def __post_init__(self):
        for network in self.folds:
            for layer in network.modules():
                if not any(layer.children()):
                    layer.register_forward_pre_hook(self._beat)

    def _beat(self, *_):
        if self.pulse is not None:
            self.pulse()

    @property
    def tile(self):
        """tuple of int: size of a tile; two numbers for a 2D network."""
        return tuple(int(n) for n in self.configuration.patch_size)

    @property
    def bytes(self):
        """int: memory of the weights."""
        return sum(p.numel() * p.element_size() for network in self.folds for p in network.state_dict().values())


def load_networks(model, folds, device, report):
    """Return the `Networks` of a model.

    Parameters
    ----------
    model : models.Model
        Not an ensemble; its plans were checked.
    folds : sequence of str
    device : torch.device
    report : callable
        ``report(done, total)`` after each fold; may raise `Cancelled`.

    Raises
    ------
    BadInput
        If a checkpoint is damaged or would run code, the trainer is unknown, or weights and plans do not fit.
    """
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    plans = configuration = None
    networks, heads, axes = [], 0, ()
    for index, fold in enumerate(folds):
        report(index, len(folds))
        content = read_checkpoint(model.folder / f"fold_{fold}" / model.checkpoint)
        if plans is None:
            # The network is built by what the plans name: they are checked for this very configuration.
            name = _configuration_name(content, model)
            check_network(model.folder, name)
            plans = PlansManager(read_json(model.folder / "plans.json"))
            configuration = plans.get_configuration(name)
            heads = plans.get_label_manager(read_json(model.folder / "dataset.json")).num_segmentation_heads
            axes = _mirror_axes(content, len(configuration.patch_size), model)
        elif _configuration_name(content, model) != name:
            raise BadInput(
                f"The folds are of different configurations: {name} and {_configuration_name(content, model)}",
                f"{model.name}, fold {fold}",
                "Install each configuration as a model of its own",
            )
        network = _build(model, content["trainer_name"], plans, configuration, len(model.channel_names), heads)
        _fill(network, content["network_weights"], f"{model.name}, fold {fold}")
        networks.append(network.to(device).eval())
        if device.type == "cpu":
            use_onednn(networks[-1])
        report(index + 1, len(folds))
    return Networks(networks, plans, configuration, heads, len(model.channel_names), axes, device)


def _configuration_name(content, model):
    """Return the configuration that the checkpoint was trained with."""
    name = content["init_args"].get("configuration") if isinstance(content["init_args"], dict) else None
    if not isinstance(name, str):
        raise BadInput("The checkpoint does not say its configuration", model.name, "Install the model again")
    return name


def _mirror_axes(content, dimension, model):
    """Return the axes that a network may be mirrored along, which the checkpoint tells."""
    axes = content.get("inference_allowed_mirroring_axes")
    axes = () if axes is None else axes
    if (
        not isinstance(axes, (tuple, list))
        or not all(isinstance(axis, Integral) and 0 <= axis < dimension for axis in axes)
        or len(set(axes)) < len(axes)
    ):
        raise BadInput(
            f"The checkpoint names mirror axes that an image of {dimension} axes has not: {readable(repr(axes), 60)}",
            model.name,
            "Install the model again",
        )
    return tuple(int(axis) for axis in axes)


def _build(model, trainer, plans, configuration, channels, heads):
    """Return an empty network, built as the trainer builds it."""
    if not isinstance(trainer, str) or not trainer.isidentifier() or not trainer.isascii() or len(trainer) > LONGEST:
        raise BadInput("The checkpoint names no trainer", model.name, "Install the model again")
    from . import architectures

    try:
        if architectures.is_ours(configuration.network_arch_class_name):
            name, arguments = configuration.network_arch_class_name, configuration.network_arch_init_kwargs
            return architectures.build(name, arguments, channels, heads)
        if builds_from_plans(trainer):
            # The same call as nnU-Net's trainer makes; its module takes seconds to import.
            from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

            return get_network_from_plans(
                configuration.network_arch_class_name,
                configuration.network_arch_init_kwargs,
                configuration.network_arch_init_kwargs_req_import,
                channels,
                heads,
                allow_init=False,
                deep_supervision=False,
            )
        from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

        kind = recursive_find_trainer_class_by_name(trainer)
        return kind.build_network_architecture(plans, configuration, channels, heads, enable_deep_supervision=False)
    except (RuntimeError, ImportError, KeyError, TypeError, ValueError, AttributeError, AssertionError) as error:
        package = NEEDED.get(getattr(error, "name", None) or "")
        if package:
            raise BadInput(
                f"The model's network needs the package {package}, which is not installed",
                model.name,
                f"Install it into the Python that runs models: pip install {package}",
            ) from error
        raise BadInput(
            f"The network of the trainer {trainer} cannot be built: {type(error).__name__}: {_first_line(error)}",
            model.name,
            "Set nnUNet_extTrainer to the folder of the trainer if it is not one of nnU-Net's own",
        ) from error


def _fill(network, weights, name):
    import torch

    try:
        network.load_state_dict(weights)
    except (RuntimeError, KeyError) as error:
        # Torch's first line names the class only.
        raise BadInput(
            f"The weights do not fit the network of the plans: {_first_line(error, skip='Error(s) in loading')}",
            name,
            "Install the model again, with the plans.json that belongs to it",
        ) from error
    if not all(torch.isfinite(part).all() for part in network.state_dict().values()):
        # Its chances would be no numbers, and the result an empty mask that looks like a healthy breast.
        raise BadInput("The weights hold values that are no numbers", name, "Choose a model whose training went well")


@lru_cache(maxsize=32)
def builds_from_plans(trainer):
    """Return whether one of nnU-Net's own trainers, or one of ours, builds its network as the plans say.

    Told from the source of nnU-Net's trainers, because importing them takes seconds.
    """
    if trainer.startswith(OUR_TRAINERS):
        return True
    import nnunetv2

    classes = {}
    for path in Path(nnunetv2.__path__[0], "training", "nnUNetTrainer").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                classes[node.name] = node
    while trainer != PLAIN_TRAINER:
        node = classes.get(trainer)
        if node is None or len(node.bases) != 1 or not isinstance(node.bases[0], ast.Name):
            return False
        if any(getattr(part, "name", "") == "build_network_architecture" for part in node.body):
            return False
        trainer = node.bases[0].id
    return True


def _first_line(error, skip=None):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if skip and len(lines) > 1 and lines[0].startswith(skip):
        lines = lines[1:]
    return readable(lines[0], 200).rstrip(".") if lines else "no message"

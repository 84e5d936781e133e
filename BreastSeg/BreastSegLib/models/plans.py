"""Reads what network a model folder holds from plans.json and dataset.json, and refuses what cannot be run."""

import math
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInput, Undecided
from ..files import read_json
from .architecture import Unfit, check_architecture, check_values, limits, number, shown, whole
from .pickles import hints_of
from .zipped import readable

MOST_BYTES = 64 << 20
# The second is what nnU-Net 2.0 called it.
INTENSITIES = ("foreground_intensity_properties_per_channel", "foreground_intensity_properties_by_modality")
_OF_CT = ("mean", "std", "percentile_00_5", "percentile_99_5")
_RESAMPLING = "resample_data_or_seg_to_shape"
_LONGEST_NAME = 200
_RETRAIN = "Choose a model that nnU-Net v2 has trained"


@dataclass(frozen=True)
class Network:
    """What plans.json and dataset.json say of one configuration.

    Parameters
    ----------
    configuration : str
        Such as ``2d`` or ``3d_fullres``.
    dimension : int
        2 or 3.
    patch_size : tuple of int
        In the network's own order of axes (after nnU-Net's transpose).
    spacing : tuple of float
        mm, in the same order; two values for 2d.
    channel_names : tuple of str
        In network order.
    labels : dict
        ``{name: value}``, background included, without nnU-Net's ignore label.
    network_class : str
        With its module.
    trainer : str
        Name of the trainer class; '' when neither the folder nor a checkpoint tells.
    plans_name, dataset_name : str
    previous_stage : str
        Configuration whose result this one needs (a cascade); '' for none.
    """

    configuration: str
    dimension: int
    patch_size: tuple
    spacing: tuple
    channel_names: tuple
    labels: dict
    network_class: str
    trainer: str
    plans_name: str
    dataset_name: str
    previous_stage: str


def check_network(folder, configuration=None):
    """Return the `Network` of a model folder that can be run.

    Raises
    ------
    BadInput
        As `read_network`, and for a cascade.
    """
    network = read_network(folder, configuration)
    if network.previous_stage:
        others = [name for name in configurations(folder) if not _previous_stage(_plan_of(Path(folder), name))]
        raise BadInput(
            f"The model {network.configuration} is the second stage of a cascade: it needs the result of "
            f"{network.previous_stage} as input, which is not supported",
            folder,
            f"Install the configuration {' or '.join(others)} instead" if others else _RETRAIN,
        )
    return network


def configurations(folder):
    """Return the names of the configurations in a model folder's plans.json."""
    return tuple(_read_plans(Path(folder))["configurations"])


def read_network(folder, configuration=None):
    """Return the `Network` of a model folder, with every value checked; nothing is imported.

    Parameters
    ----------
    folder : str or Path
        Holds plans.json and dataset.json.
    configuration : str, optional
        When not given, the folder's name (``Trainer__Plans__configuration``), the only configuration of the plans, or
        what a checkpoint in the folder says.

    Raises
    ------
    BadInput
        If it is no model of nnU-Net v2, the network class is not from a known package, or a value is wrong.
    Undecided
        If the configuration cannot be told; its choices are the names.
    """
    folder = Path(folder)
    plans = _read_plans(folder)
    names = folder.resolve().name.split("__")
    trainer, named = (names[0], names[2]) if len(names) == 3 else ("", "")
    hints = {}
    if not configuration:
        configuration = named if named in plans["configurations"] else ""
        configuration = configuration or _only(plans["configurations"])
        if not (configuration and trainer):
            hints = _hints(folder)
            told = hints.get("configuration")
            configuration = configuration or (told if told in plans["configurations"] else "")
    if not configuration:
        raise Undecided(
            "The folder does not tell which configuration of its plans.json the model is",
            folder,
            "Choose one: " + ", ".join(plans["configurations"]),
            "configuration",
            [(name, name) for name in plans["configurations"]],
        )
    plan = _plan_of(folder, configuration)
    channels, labels = _read_dataset(folder)
    try:
        _check_transpose(plans)
        _check_steps(plans, plan, len(channels))
        patch, spacing = _sizes(plan)
        network_class = check_architecture(plan, len(patch), patch)
        previous = _previous_stage(plan)
    except Unfit as error:
        raise _unfit(folder / "plans.json", error) from error
    return Network(
        configuration,
        len(patch),
        patch,
        spacing,
        channels,
        labels,
        network_class,
        trainer or hints.get("trainer_name", ""),
        plans["plans_name"],
        plans["dataset_name"],
        previous,
    )


def _unfit(path, what):
    return BadInput(f"The model's {path.name} cannot be used: {what}", path, _RETRAIN)


def _read(path):
    try:
        size = path.stat().st_size
    except OSError as error:
        raise BadInput(
            f"The folder is not an nnU-Net model: {path.name} is missing",
            path.parent,
            "Choose the folder that holds plans.json and fold_0",
        ) from error
    if size > MOST_BYTES:
        raise _unfit(path, f"it takes {size >> 20} MiB")
    content = read_json(path)
    if not isinstance(content, dict):
        raise _unfit(path, "it is not a table")
    return content


def _read_plans(folder):
    """Return plans.json after checking its frame: names and a table of configurations."""
    path = folder / "plans.json"
    old = any(folder.glob("fold_*/*.model")) or (folder / "plans.pkl").is_file()
    if old and not path.is_file():
        raise BadInput("The model is from nnU-Net v1, which is another format", folder, _RETRAIN)
    plans = _read(path)
    if "plans_per_stage" in plans:
        raise BadInput("The model is from nnU-Net v1, which is another format", folder, _RETRAIN)
    table = plans.get("configurations")
    if not isinstance(table, dict) or not table or not all(isinstance(plan, dict) for plan in table.values()):
        raise _unfit(path, "it has no table of configurations")
    for field in ("plans_name", "dataset_name"):
        if not isinstance(plans.get(field), str):
            raise _unfit(path, f"it has no {field}")
        if not plans[field].isprintable() or len(plans[field]) > _LONGEST_NAME:
            raise _unfit(path, f"{field} is {shown(plans[field])}")
    for name in table:
        if not name or not name.isprintable() or len(name) > _LONGEST_NAME:
            raise _unfit(path, f"it has a configuration named {shown(name)}")
    return plans


def _plan_of(folder, configuration):
    """Return one configuration with what it inherits from others."""
    path, table = folder / "plans.json", _read_plans(folder)["configurations"]
    if configuration not in table:
        raise BadInput(
            f"The model has no configuration {readable(configuration)}", path, f"It has: {', '.join(table)}"
        )
    chain, name = [], configuration
    while name is not None:
        if not isinstance(name, str) or name not in table:
            raise _unfit(path, f"{chain[-1]} inherits from {shown(name)}, which is not there")
        if name in chain:
            raise _unfit(path, f"{name} inherits from itself")
        chain.append(name)
        name = table[name].get("inherits_from")
    plan = {}
    for name in reversed(chain):
        plan.update(table[name])
    return plan


def _sizes(plan):
    patch, spacing = plan.get("patch_size"), plan.get("spacing")
    if not isinstance(patch, list) or len(patch) not in (2, 3):
        raise Unfit(f"patch_size is {shown(patch)}, not two or three whole numbers")
    patch = tuple(whole(value, "patch_size", "patch") for value in patch)
    whole(math.prod(patch), "the number of voxels of a patch", "patch_voxels")
    if not isinstance(spacing, list) or len(spacing) != len(patch):
        raise Unfit(f"spacing is {shown(spacing)}, not {len(patch)} numbers")
    return patch, tuple(number(value, "spacing", "spacing") for value in spacing)


def _check_transpose(plans):
    """Check that the two orders of axes are permutations and undo each other."""
    ways = [plans.get("transpose_forward"), plans.get("transpose_backward")]
    for field, way in zip(("transpose_forward", "transpose_backward"), ways):
        if not isinstance(way, list) or not all(type(axis) is int for axis in way) or sorted(way) != [0, 1, 2]:
            raise Unfit(f"{field} is {shown(way)}, not an order of three axes")
    if [ways[0][axis] for axis in ways[1]] != [0, 1, 2]:
        raise Unfit("transpose_backward does not undo transpose_forward")


def _check_steps(plans, plan, channels):
    """Check what nnU-Net looks up by name before and after the network."""
    known = limits()["steps"]
    for field in ("normalization_schemes", "use_mask_for_norm"):
        if not isinstance(plan.get(field), list) or len(plan[field]) != channels:
            raise Unfit(f"{field} is {shown(plan.get(field))}, but dataset.json names {channels} channels")
    named = [("normalization_schemes", name, "normalization_schemes") for name in plan["normalization_schemes"]]
    named += [
        (field, plan.get(field), "resampling") for field in ("resampling_fn_data", "resampling_fn_probabilities")
    ]
    named += [("label_manager", plans.get("label_manager", "LabelManager"), "label_manager")]
    named += [("preprocessor_name", plan.get("preprocessor_name"), "preprocessor_name")]
    for field, name, kind in named:
        if name not in known[kind]:
            raise Unfit(f"{field} is {shown(name)}; known: {', '.join(known[kind])}")
    for field in ("resampling_fn_data_kwargs", "resampling_fn_probabilities_kwargs"):
        if not isinstance(plan.get(field), dict):
            raise Unfit(f"{field} is {shown(plan.get(field))}, not a table")
        check_values(plan[field], field)
        if plan[field.removesuffix("_kwargs")] == _RESAMPLING:
            _check_resampling(plan[field], field)
    _check_intensities(plans, plan["normalization_schemes"])


def _check_resampling(options, field):
    """Check the options of nnU-Net's usual resampling."""
    for name, value in options.items():
        if name in ("order", "order_z"):
            whole(value, f"{field}.{name}", "order")
        elif name == "separate_z_anisotropy_threshold":
            number(value, f"{field}.{name}", "anisotropy")
        elif name not in ("is_seg", "force_separate_z"):
            raise Unfit(f"{field} names {shown(name)}, which {_RESAMPLING} does not take")
        elif type(value) is not bool and value is not None:
            raise Unfit(f"{field}.{name} is {shown(value)}, not true, false or null")


def _check_intensities(plans, schemes):
    """Check what CTNormalization takes from the training: without it a run would fail in the middle."""
    table = plans.get(INTENSITIES[0], plans.get(INTENSITIES[1], {}))
    if not isinstance(table, dict) or not all(isinstance(row, dict) for row in table.values()):
        raise Unfit(f"{INTENSITIES[0]} is {shown(table)}, not a table of channels")
    for channel, scheme in enumerate(schemes):
        for name in _OF_CT if scheme == "CTNormalization" else ():
            value = table.get(str(channel), {}).get(name)
            if type(value) not in (int, float) or not math.isfinite(value):
                raise Unfit(f"{INTENSITIES[0]} gives {shown(value)} as {name} of channel {channel}, not a number")


def _previous_stage(plan):
    previous = plan.get("previous_stage", plan.get("previous_stage_name"))
    if previous is None:
        return ""
    if not isinstance(previous, str) or not previous.isprintable():
        raise Unfit(f"previous_stage is {shown(previous)}, not a name")
    return previous


def _read_dataset(folder):
    """Return the channel names and the labels of dataset.json."""
    path = folder / "dataset.json"
    dataset = _read(path)
    labels = dataset.get("labels")
    if isinstance(labels, dict) and labels and all(key.isdecimal() for key in labels) and "background" not in labels:
        raise BadInput("The model's dataset.json is of nnU-Net v1, which is another format", path, _RETRAIN)
    try:
        return _channels(dataset), _labels(labels)
    except Unfit as error:
        raise _unfit(path, error) from error


def _channels(dataset):
    names = dataset.get("channel_names", dataset.get("modality"))
    if not isinstance(names, dict) or not names:
        raise Unfit("it has no table channel_names")
    count = whole(len(names), "the number of channels", "channels")
    if set(names) != {str(index) for index in range(count)}:
        raise Unfit(f"channel_names has to number its channels 0 to {count - 1}")
    for name in names.values():
        if not isinstance(name, str) or not name.isprintable() or len(name) > _LONGEST_NAME:
            raise Unfit(f"channel_names holds {shown(name)}, not a name")
    return tuple(names[str(index)] for index in range(count))


def _labels(table):
    if not isinstance(table, dict) or "background" not in table:
        raise Unfit("it has no table labels with a background")
    labels = {}
    for name, value in table.items():
        if not name or not name.isprintable() or len(name) > _LONGEST_NAME:
            raise Unfit(f"labels holds {shown(name)}, not a name")
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, list):
            raise Unfit(
                f"the label {readable(name)} is a region made of several labels; models trained on regions are not "
                "supported yet, because their findings overlap"
            )
        if isinstance(value, str) and value.isdecimal() and len(value) < 6:
            value = int(value)
        labels[name] = whole(value, f"the label {readable(name)}", "other")
    ignored = labels.pop("ignore", None)
    whole(len(labels), "the number of labels", "labels")
    if labels["background"] != 0 or sorted(labels.values()) != list(range(len(labels))):
        raise Unfit(f"labels have to be 0 for background, then 1, 2, … each once; they are {shown(labels)}")
    if ignored is not None and ignored != len(labels):
        raise Unfit("the label ignore has to be the highest")
    return labels


def _only(table):
    return next(iter(table)) if len(table) == 1 else ""


def _hints(folder):
    """Return what the first checkpoint says of itself; a checkpoint that cannot be read is told elsewhere."""
    for path in sorted(folder.glob("fold_*/checkpoint_*.pth")):
        try:
            return hints_of(path)
        except BadInput:
            return {}
    return {}

"""Checks the network that a plans.json asks for, before anything in it is imported or built."""

import json
import math
import re
import sys
from functools import cache
from pathlib import Path

from .zipped import readable

LIMITS = Path(__file__).resolve().parents[2] / "Resources" / "network_limits.json"
_DEEPEST, _LONGEST_LIST, _LONGEST_TEXT = 6, 512, 300
_UNETS = ("PlainConvUNet", "ResidualEncoderUNet", "ResidualUNet")
_OLD_FIELDS = (
    "n_conv_per_stage_encoder",
    "n_conv_per_stage_decoder",
    "conv_kernel_sizes",
    "pool_op_kernel_sizes",
    "num_pool_per_axis",
    "UNet_base_num_features",
    "unet_max_num_features",
)


class Unfit(Exception):
    """What is wrong with plans.json or dataset.json, as a sentence without the file's name."""


@cache
def limits():
    """Return the tables of `LIMITS`."""
    return json.loads(LIMITS.read_text(encoding="utf-8"))


def whole(value, field, kind="other"):
    """Return a whole number after checking its type and its range.

    Raises
    ------
    Unfit
    """
    if type(value) is not int:
        raise Unfit(f"{field} is {shown(value)}, not a whole number")
    return _within(value, field, kind)


def number(value, field, kind="other"):
    """Return a number as float after checking its type and its range; raises `Unfit`."""
    if type(value) is not int and (type(value) is not float or not math.isfinite(value)):
        raise Unfit(f"{field} is {shown(value)}, not a number")
    return float(_within(value, field, kind))


def shown(value):
    """Return a value of a JSON file for a message."""
    return readable(repr(value), 60)


def check_architecture(plan, dimension, patch):
    """Check the network of one configuration and return the name of its class.

    Parameters
    ----------
    plan : dict
        The configuration, with what it inherits.
    dimension : int
        2 or 3.
    patch : tuple of int
        Patch size, which the strides have to divide.

    Raises
    ------
    Unfit
        If the class or a part of it is from an unknown package, or a size is wrong or senseless.
    """
    architecture = plan["architecture"] if "architecture" in plan else _from_old(plan, dimension)
    if not isinstance(architecture, dict):
        raise Unfit(f"architecture is {shown(architecture)}, not a table")
    name, arguments = architecture.get("network_class_name"), architecture.get("arch_kwargs")
    if isinstance(name, str) and name.startswith(limits()["ours"]["package"] + "."):
        _check_ours(name, arguments, architecture.get("_kw_requires_import"), patch)
        return name
    _check_class(name)
    if not isinstance(arguments, dict):
        raise Unfit("architecture has no table arch_kwargs")
    _check_imports(arguments, architecture.get("_kw_requires_import"), dimension)
    check_values(arguments, "arch_kwargs")
    if name.rsplit(".", 1)[1] in _UNETS:
        _check_unet(arguments, dimension, patch)
    return name


def _check_ours(name, arguments, imports, patch):
    """Check one of our own networks, which are all for two dimensions."""
    known, short = limits()["ours"]["networks"], name.partition(".")[2]
    if short not in known:
        raise Unfit(f"the network {readable(name)} is not known; known: {', '.join(known)}")
    if len(patch) != 2:
        raise Unfit(f"{name} is for 2 dimensions, but the patch has {len(patch)} sides")
    if imports:
        raise Unfit(f"_kw_requires_import is {shown(imports)}, but {name} needs none")
    if not isinstance(arguments, dict):
        raise Unfit("architecture has no table arch_kwargs")
    allowed = known[short]["arch_kwargs"]
    for key, value in arguments.items():
        if key not in allowed:
            raise Unfit(f"{name} has no {readable(key, 40)}; it has: {', '.join(allowed)}")
        _check_argument(value, f"arch_kwargs.{key}", allowed[key])
    divisible = known[short].get("divisible")
    if divisible:
        step = divisible[arguments.get("encoder", next(iter(divisible)))]
        for length in patch:
            if length % step:
                raise Unfit(f"patch_size {list(patch)} cannot be divided by {step}, which {name} needs")


def _check_argument(value, field, allowed):
    if "words" in allowed:
        if value not in allowed["words"]:
            raise Unfit(f"{field} is {shown(value)}; known: {', '.join(allowed['words'])}")
    elif "length" in allowed:
        least, most = allowed["length"]
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise Unfit(f"{field} is {shown(value)}, not a list of {least} to {most} numbers")
        for item in value:
            _in_range(whole(item, field), field, allowed["range"])
    else:
        _in_range(number(value, field), field, allowed["range"])


def _in_range(value, field, allowed):
    if not allowed[0] <= value <= allowed[1]:
        raise Unfit(f"{field} is {shown(value)}, outside {allowed[0]} to {allowed[1]}")


def _within(value, field, kind):
    least, most = limits()["numbers"][kind]
    if not least <= value <= most:
        raise Unfit(f"{field} is {shown(value)}, outside {least} to {most}")
    return value


def _check_class(name):
    """Refuse a network class that is not in one of the known packages.

    nnU-Net looks the name up attribute by attribute, so a module's own imports could be reached through it
    (``package.module.os``): no part may be a name of the standard library or of another package in use.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z]\w*(\.[A-Za-z]\w*)+", name, re.ASCII):
        raise Unfit(f"network_class_name is {shown(name)}, not the name of a class")
    packages, parts = limits()["packages"], name.split(".")
    listed = packages["listed"]
    if name.startswith(listed["package"] + "."):
        if len(parts) == len(listed["package"].split(".")) + 2 and parts[-1] in listed["classes"]:
            return
        raise Unfit(f"the network class {readable(name)} is not known; known: {', '.join(listed['classes'][:3])} …")
    strangers = {*sys.stdlib_module_names, *packages["strangers"]}
    if parts[0] not in packages["whole"] or strangers.intersection(parts[1:]) or not parts[-1][0].isupper():
        raise Unfit(
            f"the network class {readable(name)} is not from a known package ({', '.join(packages['whole'])}), "
            "so it could run any code"
        )


def _check_imports(arguments, names, dimension):
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Unfit("architecture has no list _kw_requires_import")
    for name in names:
        if name not in arguments:
            raise Unfit(f"_kw_requires_import names {shown(name)}, which arch_kwargs does not give")
        value = arguments[name]
        if value is None:
            continue
        patterns = limits()["imports"]["patterns"]
        if not isinstance(value, str) or not any(re.fullmatch(pattern, value, re.ASCII) for pattern in patterns):
            raise Unfit(f"{readable(name)} asks for {shown(value)}, which is no part of a network that is known")
        other = re.search(r"[123]d$", value)
        if other and other[0] != f"{dimension}d":
            raise Unfit(f"{readable(name)} is {shown(value)}, but the patch has {dimension} sides")


def check_values(value, field, depth=0):
    """Refuse nested values that no network needs: huge numbers, endless lists, deep nests, long texts."""
    if depth > _DEEPEST:
        raise Unfit(f"{field} is nested too deep")
    if isinstance(value, dict):
        for key, item in value.items():
            check_values(item, f"{field}.{readable(key, 40)}", depth + 1)
    elif isinstance(value, list):
        if len(value) > _LONGEST_LIST:
            raise Unfit(f"{field} has {len(value)} values")
        for item in value:
            check_values(item, field, depth + 1)
    elif isinstance(value, str):
        if len(value) > _LONGEST_TEXT:
            raise Unfit(f"{field} is a text of {len(value)} letters")
    elif not isinstance(value, bool) and value is not None:
        number(value, field)


def _check_unet(arguments, dimension, patch):
    """Check the stages of a U-Net, and estimate how many weights it would have."""
    stages = whole(arguments.get("n_stages"), "n_stages", "stages")
    features = _per_stage(arguments, "features_per_stage", stages, "features")
    kernels = [_per_axis(row, "kernel_sizes", dimension, "kernel") for row in _rows(arguments, "kernel_sizes", stages)]
    strides = [_per_axis(row, "strides", dimension, "stride") for row in _rows(arguments, "strides", stages)]
    encoder = "n_conv_per_stage" if "n_conv_per_stage" in arguments else "n_blocks_per_stage"
    blocks = _per_stage(arguments, encoder, stages, "blocks")
    if "n_conv_per_stage_decoder" in arguments:
        after = _per_stage(arguments, "n_conv_per_stage_decoder", stages - 1, "blocks")
    else:
        after = [1] * (stages - 1)
    for axis, length in enumerate(patch):
        step = math.prod(stride[axis] for stride in strides)
        if length % step:
            raise Unfit(f"patch_size {list(patch)} cannot be divided by the strides: {length} by {step}")
    weights = sum(
        count * math.prod(kernel) * width * width * 2 for count, kernel, width in zip(blocks, kernels, features)
    )
    weights += sum(
        (count + 1) * math.prod(kernel) * width * width * 2 for count, kernel, width in zip(after, kernels, features)
    )
    _within(weights, "the network's number of weights", "weights")


def _rows(arguments, field, count):
    rows = arguments.get(field)
    if type(rows) is int:
        return [rows] * count
    if not isinstance(rows, list) or len(rows) != count:
        raise Unfit(f"{field} is {shown(rows)}, not a list of {count}")
    return rows


def _per_stage(arguments, field, count, kind):
    return [whole(value, field, kind) for value in _rows(arguments, field, count)]


def _per_axis(row, field, dimension, kind):
    if type(row) is int:
        row = [row] * dimension
    if not isinstance(row, list) or len(row) != dimension:
        raise Unfit(f"{field} holds {shown(row)}, not {dimension} numbers")
    return [whole(value, field, kind) for value in row]


def _from_old(plan, dimension):
    """Return the architecture of plans written before nnU-Net 2.2, as nnU-Net itself reads them."""
    name = plan.get("UNet_class_name")
    known = limits()["old_networks"]
    if name is None:
        raise Unfit("the configuration names no network (neither architecture nor UNet_class_name)")
    if not isinstance(name, str) or name not in known["classes"]:
        raise Unfit(f"UNet_class_name is {shown(name)}; known: {', '.join(known['classes'])}")
    for field in _OLD_FIELDS:
        if field not in plan:
            raise Unfit(f"the configuration has no {field}")
    blocks = plan["n_conv_per_stage_encoder"]
    if not isinstance(blocks, list):
        raise Unfit(f"n_conv_per_stage_encoder is {shown(blocks)}, not a list")
    stages = whole(len(blocks), "the number of stages", "stages")
    base = whole(plan["UNet_base_num_features"], "UNet_base_num_features", "features")
    most = whole(plan["unet_max_num_features"], "unet_max_num_features", "features")
    return {
        "network_class_name": known["classes"][name],
        "arch_kwargs": {
            "n_stages": stages,
            "features_per_stage": [min(base * 2**stage, most) for stage in range(stages)],
            "conv_op": f"torch.nn.modules.conv.Conv{dimension}d",
            "kernel_sizes": plan["conv_kernel_sizes"],
            "strides": plan["pool_op_kernel_sizes"],
            "n_conv_per_stage" if name == "PlainConvUNet" else "n_blocks_per_stage": blocks,
            "n_conv_per_stage_decoder": plan["n_conv_per_stage_decoder"],
        },
        "_kw_requires_import": ["conv_op"],
    }

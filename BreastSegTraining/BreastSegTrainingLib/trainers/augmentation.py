"""Which augmentation a trainer uses: nnU-Net's own, or that of a method."""

import json
from functools import cache
from pathlib import Path

from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.random import RandomTransform

from .failures import SettingsWrong
from .geometry import AffineMove, QuarterTurns
from .intensity import Blur, CutOut, Gamma, Linear, Noise, SaltAndPepper


@cache
def numbers():
    """Return augmentation.json."""
    return json.loads(Path(__file__).with_name("augmentation.json").read_text(encoding="utf-8"))


def mirror_axes(name):
    """Return the axes that a network may be mirrored along because its training did; None: as nnU-Net decides."""
    return {"m4": (0, 1), "m5": (1,), "none": ()}.get(name)


def changed(transforms, name, patch):
    """Return the transforms of a training with another augmentation in the place of nnU-Net's.

    Parameters
    ----------
    transforms : ComposeTransforms
        Of nnU-Net: its augmentation, then what prepares the labels, which stays.
    name : {'nnunet', 'm1', 'm4', 'm5', 'none'}
    patch : sequence of int

    Raises
    ------
    SettingsWrong
        If the augmentation is for two dimensions and the patch has three.
    """
    if name == "nnunet":
        return transforms
    if name == "m1":
        for one in transforms.transforms:
            if isinstance(one, SpatialTransform):
                _deform(one)
        return transforms
    if name in ("m4", "m5") and len(patch) != 2:
        raise SettingsWrong(f"The augmentation {name} is for 2d, but the patch has {len(patch)} sides")
    own = {"m4": m4, "m5": m5, "none": lambda _: []}[name](tuple(int(length) for length in patch))
    return ComposeTransforms([*own, *_preparing(transforms.transforms)])


def repeatable(transforms):
    """Let nnU-Net's blur always take the same way instead of the one that was faster when it was tried, in place."""
    for one in transforms.transforms:
        inner = getattr(one, "transform", one)
        if hasattr(inner, "benchmark"):
            inner.benchmark = False
    return transforms


def _preparing(transforms):
    """Return what is no augmentation: masking outside the breast, and what prepares the labels."""
    return [one for one in transforms if not isinstance(one, (RandomTransform, SpatialTransform, MirrorTransform))]


def _deform(spatial):
    values = numbers()["m1"]
    spatial.p_elastic_deform = values["p_elastic_deform"]
    spatial.elastic_deform_scale = tuple(values["elastic_deform_scale"])
    spatial.elastic_deform_magnitude = (0, max(1.0, values["elastic_share_of_patch"] * min(spatial.patch_size)))


def m4(patch):
    """Return the transforms of M4: quarter turns and flips."""
    return [QuarterTurns(), MirrorTransform((0, 1))]


def m5(patch):
    """Return the transforms of M5, each done with its probability; the crop is brought back to the patch's size."""
    values = numbers()["m5"]
    size = min(patch) / values["patch"]
    steps = [
        AffineMove(
            values["p"],
            crop=values["crop"] / values["patch"],
            degrees=values["rotation_degrees"],
            scaling=tuple(values["scaling"]),
            shear=values["shear"],
            shift=values["shift"] * size,
        ),
        MirrorTransform((1,)),
    ]
    changes = [
        CutOut(values["cutout"]),
        Gamma(*values["gamma"]),
        Linear(brightness=values["brightness"]),
        Linear(contrast=tuple(values["contrast"])),
        SaltAndPepper(values["salt_and_pepper"]),
        Noise(values["noise"]),
        Blur(gaussian=tuple(values["gaussian_blur"])),
        Blur(median=values["median_blur"]),
    ]
    return steps + [RandomTransform(one, apply_probability=values["p"]) for one in changes]

"""How much disk and time a training takes, told before it starts, with what that rests on. Pure functions."""

import math
from dataclasses import dataclass

IMAGE_BYTES, MASK_BYTES = 4, 2  # float32 and int16, before they are compressed
PACKED = (0.2, 0.9)  # of that, what is left on disk: masks and background pack well, noise does not
CASE_BYTES = 200_000  # points inside the lesion, which nnU-Net keeps with each case
WEIGHTS = {2: 46e6, 3: 31e6}  # nnU-Net's usual networks: weights of a network for images and for volumes
SMALLEST = 0.02  # networks of one's own may be that much smaller
WEIGHT_BYTES = 4
STATES = {"sgd": 2, "adam": 3, "adamw": 3}  # numbers kept for each weight: itself, and the optimizer's averages
CHECKPOINTS = 3  # latest, previous and best while it runs; then best and final
OVERHEAD = 1.08  # validation and checkpoints of an epoch, and the validation at the end


@dataclass(frozen=True)
class Disk:
    """Bytes that a training will write.

    Parameters
    ----------
    least, most : int
        Below `least` it surely does not do; `most` is enough with the usual networks.
    basis : str
        What the numbers rest on.
    """

    least: int
    most: int
    basis: str


@dataclass(frozen=True)
class Time:
    """Seconds that a training will take.

    Parameters
    ----------
    seconds : float or None
        None: nothing is known yet.
    epoch_s : float or None
    basis : str
    """

    seconds: float | None
    epoch_s: float | None
    basis: str


def resampled_voxels(shapes, spacings, target=None):
    """Return the voxels of all cases after resampling.

    Parameters
    ----------
    shapes : sequence of (int, int, int)
        (z, y, x).
    spacings : sequence of (float, float, float)
        mm, (z, y, x).
    target : sequence of float, optional
        mm, the last axes of (z, y, x); each case keeps its own when not given.
    """
    total = 0
    for shape, spacing in zip(shapes, spacings):
        factors = [1.0] * len(shape)
        if target:
            own = list(spacing)[-len(target) :]
            factors[-len(target) :] = [old / new for old, new in zip(own, target)]
        total += math.prod(max(1, round(length * factor)) for length, factor in zip(shape, factors))
    return total


def disk(voxels, channels, cases, folds, dimension, optimizer="sgd", prepared=False, weights=None):
    """Return the `Disk` of a training.

    Parameters
    ----------
    voxels : int
        Of all cases after resampling.
    channels, cases, folds : int
    dimension : {2, 3}
    optimizer : str
    prepared : bool
        The preprocessed data are there already.
    weights : int, optional
        Number of the network's weights, where it is known.
    """
    data = 0 if prepared else voxels * (channels * IMAGE_BYTES + MASK_BYTES)
    points = 0 if prepared else cases * CASE_BYTES
    numbers = WEIGHTS[dimension] if weights is None else weights
    checkpoint = numbers * WEIGHT_BYTES * STATES.get(optimizer, 3)
    least = data * PACKED[0] + folds * checkpoint * (1 if weights else SMALLEST)
    most = data * PACKED[1] + points + folds * checkpoint * CHECKPOINTS
    network = "the planned network" if weights else "nnU-Net's usual network"
    there = "data that are preprocessed already" if prepared else f"{cases} cases of {channels} channels"
    return Disk(int(least), int(most), f"{there}; {CHECKPOINTS} checkpoints a fold of {network}")


def time(folds, epochs, parallel=1, epoch_s=None, iteration_s=None, iterations=None, basis=""):
    """Return the `Time` of a training.

    Parameters
    ----------
    folds, epochs : int
    parallel : int
        Folds that run at the same time.
    epoch_s : float, optional
        Seconds of an epoch, where one was seen.
    iteration_s : float, optional
        Seconds of a training iteration, where it was measured.
    iterations : int, optional
        In an epoch.
    basis : str
        Where the seconds come from.
    """
    if epoch_s is None and iteration_s is not None and iterations:
        epoch_s = iteration_s * iterations * OVERHEAD
    if epoch_s is None:
        return Time(None, None, "nothing was measured yet; --estimate measures some iterations")
    rounds = math.ceil(folds / max(1, parallel))
    return Time(rounds * epochs * epoch_s, epoch_s, basis)


def in_words(seconds):
    """Return a duration for people, such as ``3 h 20 min``."""
    if seconds is None:
        return "unknown"
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    if hours < 48:
        return f"{hours} h {minutes % 60} min"
    return f"{hours // 24} days {hours % 24} h"


def in_gigabytes(count):
    """Return a number of bytes for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"

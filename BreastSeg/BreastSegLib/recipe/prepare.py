"""Exam → channels, mask → the exam's own grid."""

from dataclasses import dataclass

import numpy as np

from ..errors import BadInput
from ..volume import Geometry, Volume
from .channels import channel_volumes
from .grid import resample, target_geometry
from .intensity import apply_steps

FORMAT = "breastseg-record-1"


@dataclass(frozen=True)
class Prepared:
    """A prepared case: what the network gets, and the record that undoes it.

    Parameters
    ----------
    channels : numpy.ndarray
        (c, z, y, x), float32.
    geometry : Geometry
        Grid of the channels.
    record : dict
        JSON-ready: recipe name and hash, both grids, the phases used, the numbers of every intensity step.
    """

    channels: np.ndarray
    geometry: Geometry
    record: dict


def prepare(recipe, exam, report=None):
    """Return the `Prepared` case of `exam`. The same code serves export, training and inference.

    Parameters
    ----------
    recipe : Recipe
    exam : DceExam
    report : callable, optional
        Called as ``report(stage, done, total)`` between pieces of work; it may raise `Cancelled`.

    Raises
    ------
    BadInput
        If a phase or channel is missing, or a channel is constant or not finite.
    """
    report = report or (lambda *_: None)
    geometry = target_geometry(exam.geometry, recipe.grid.spacing, recipe.grid.orientation)
    names = [name for name, _ in recipe.channels]
    sources = channel_volumes([source for _, source in recipe.channels], exam)
    channels = np.empty((len(names), *geometry.shape), np.float32)
    for index, (volume, _) in enumerate(sources):
        report("Preparing", index, len(names) + 1)
        channels[index] = resample(volume, geometry, recipe.grid.interpolation).array
    report("Preparing", len(names), len(names) + 1)
    steps = apply_steps(recipe.intensity, channels, names)
    report("Preparing", len(names) + 1, len(names) + 1)
    record = {
        "format": FORMAT,
        "recipe": recipe.name,
        "recipe_hash": recipe.hash,
        "exam_geometry": exam.geometry.to_json(),
        "prepared_geometry": geometry.to_json(),
        "intensity": steps,
        "channels": [{"name": n, "phases": used} for n, (_, used) in zip(names, sources)],
    }
    return Prepared(channels, geometry, record)


def prepare_mask(recipe, mask):
    """Return a reference mask (uint8 labels, exam's grid) on the recipe's grid, as a `Volume`."""
    target = target_geometry(mask.geometry, recipe.grid.spacing, recipe.grid.orientation)
    return _resample_labels(mask, target, exam=mask.geometry, prepared=target)


def restore(record, mask):
    """Return a mask or probability map of the prepared grid on the exam's own grid.

    Parameters
    ----------
    record : dict
        The record of the preparation.
    mask : numpy.ndarray
        (z, y, x) on the prepared grid: integer labels, or float probabilities (interpolated linearly).

    Returns
    -------
    Volume
        Same dtype as `mask`; geometry identical to the exam's.

    Raises
    ------
    BadInput
        If the record is not one, or the mask has another shape than the prepared grid.
    """
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise BadInput("This is not the record of a prepared case")
    try:
        prepared, original = (Geometry.from_json(record[name]) for name in ("prepared_geometry", "exam_geometry"))
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput("This is not the record of a prepared case: a grid is missing or damaged") from error
    if mask.shape != prepared.shape:
        raise BadInput("The mask does not lie on the prepared grid", f"shape {mask.shape}, expected {prepared.shape}")
    volume = Volume(mask, prepared)
    if np.issubdtype(mask.dtype, np.floating):
        return resample(volume, original)
    return _resample_labels(volume, original, exam=original, prepared=prepared)


def _resample_labels(mask, geometry, exam, prepared):
    """Resample labels to `geometry`.

    The nearest voxel is taken where that loses nothing, else each label linearly and the strongest one wins. On a
    prepared grid at least as fine as the exam's, the nearest voxel keeps every voxel of the exam, so the way back is
    exact. Where the exam is finer, linear interpolation places the edge between the prepared voxels, both ways.
    """
    if mask.array.dtype == bool:
        mask = Volume(mask.array.view(np.uint8), mask.geometry)
    if _keeps_all(exam, prepared):
        return resample(mask, geometry, "nearest")
    result = np.zeros(geometry.shape, mask.array.dtype)
    best = np.full(geometry.shape, 0.5, np.float32)
    for label in np.unique(mask.array):
        if label:
            share = resample(Volume((mask.array == label).astype(np.float32), mask.geometry), geometry).array
            stronger = share >= best
            result[stronger] = label
            best = np.maximum(best, share)
    return Volume(result, geometry)


def _keeps_all(coarse, fine):
    """Whether every voxel of `coarse` holds the centre of a voxel of `fine` (compared along matching axes)."""
    turned = np.abs(coarse.matrix.T @ fine.matrix)
    if not np.allclose(turned.max(axis=0), 1, atol=1e-6):
        return False
    return all(fine.spacing[axis] <= coarse.spacing[int(turned[:, axis].argmax())] + 1e-6 for axis in range(3))

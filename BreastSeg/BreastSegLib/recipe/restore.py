"""From the prepared grid back to the exam's own grid, and the same way forward for reference masks."""

import numpy as np

from ..errors import BadInput
from ..volume import Volume
from . import ops

FORMAT = "breastseg-record-1"


def restore(record, mask):
    """Return a mask or probability map of the prepared grid on the exam's own grid.

    Parameters
    ----------
    record : dict
        The record of the preparation.
    mask : numpy.ndarray
        (z, y, x) on the prepared grid: integer labels, or float probabilities (interpolated between the prepared
        voxels, `labels.probabilities_back`).

    Returns
    -------
    Volume
        Integers of the same dtype as `mask`, or float32; geometry identical to the exam's. What the preparation left
        out is 0.

    Raises
    ------
    BadInput
        If the record is not one, or the mask has another shape than the prepared grid.
    """
    steps, prepared, original = _read(record)
    if mask.shape != prepared.shape:
        raise BadInput("The mask does not lie on the prepared grid", f"shape {mask.shape}, expected {prepared.shape}")
    for step in reversed(steps):
        mask = ops.undo(step, mask)
    return Volume(mask, original)


def prepare_mask(record, mask):
    """Return a reference mask on the prepared grid: cropped, flipped and resampled as the channels were.

    Parameters
    ----------
    record : dict
        The record of the preparation.
    mask : Volume
        On the exam's own grid: integer labels or bool; or floats from 0 to 1, which share of each voxel is drawn.

    Returns
    -------
    Volume
        Labels, or for floats the share of each prepared voxel that is drawn (float32). The shares come back to where
        they were drawn also from a grid that is coarser than the exam; labels lose part of the edge there.

    Raises
    ------
    BadInput
        If the record is not one, the mask lies on another grid than the exam, or slices with labels were left out.
    """
    steps, prepared, original = _read(record)
    if not mask.geometry.same_grid(original):
        raise BadInput(
            "The mask does not lie on the exam's grid",
            f"shape {mask.geometry.shape}, expected {original.shape}",
            "Choose the mask that was drawn on this exam",
        )
    array = mask.array.view(np.uint8) if mask.array.dtype == bool else mask.array
    for step in steps:
        before, array = array, ops.labels_forward(step, array)
        if step["op"] == "slices" and before.any(axis=(1, 2)).sum() > array.any(axis=(1, 2)).sum():
            raise BadInput(
                "The mask has labels on slices that are blank in all channels", hint="Correct the mask or the images"
            )
    return Volume(np.ascontiguousarray(array), prepared)


def _read(record):
    """Return the operations, the prepared grid and the exam's own grid of a record, after checking that they fit."""
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise BadInput("This is not the record of a prepared case")
    missing = [name for name in ("prepared_geometry", "exam_geometry", "undo") if name not in record]
    if missing or not isinstance(record["undo"], (list, tuple)):
        raise BadInput("This is not the record of a prepared case: a grid or what undoes it is missing")
    prepared, original = (ops.read_geometry(record[name]) for name in ("prepared_geometry", "exam_geometry"))
    steps, grid = list(record["undo"]), original
    for step in steps:
        before, _ = ops.shapes_of(step)
        if before != grid.shape or (step["op"] == "resample" and not grid.same_grid(ops.read_geometry(step["from"]))):
            raise BadInput("The record of the preparation is damaged: its steps do not fit each other", "undo")
        grid = ops.geometry_after(step, grid)
    if not grid.same_grid(prepared):
        raise BadInput("The record of the preparation is damaged: its steps do not fit its grid", "undo")
    return steps, prepared, original

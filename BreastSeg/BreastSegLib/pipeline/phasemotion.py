"""How far the phases of an exam are moved against each other, as cheaply as a warning needs it."""

import math

import numpy as np

from ..exam.displacement import Fixed, pooled
from ..exam.enhancement import body_mask
from ..volume import Geometry, Volume

# Coarser than for motion correction: what matters is whether it is 2 mm or more.
COARSE_MM = 4.0
BLOCKS = 40
THIN_MM = 2.0  # voxels closer together than this are left out
LEAST_VOXELS = 6  # along each axis of the coarse copy


def phase_motion(exam, report=None):
    """Return by how much each phase is displaced against the reference phase.

    Parameters
    ----------
    exam : DceExam
        Figures of its motion correction are taken where there are some.
    report : callable, optional
        Called without arguments now and then; may raise `Cancelled`.

    Returns
    -------
    rows : list of dict
        ``phase`` and ``mm`` (None where the image does not tell) for each phase but the reference phase; none for a
        model's channels, and none where the voxel size is unknown.
    corrected : bool
        Whether the figures are what motion correction left over.
    """
    if exam.motion:
        return [{"phase": one.phase, "mm": _known(one.after_mm)} for one in exam.motion], True
    if len(exam.phases) < 2 or exam.phases[0].role == "channel" or not exam.spacing_known:
        return [], False
    report = report or (lambda: None)
    reference = pooled(_thinned(exam.volumes[exam.reference]), COARSE_MM)
    body, rows = body_mask(reference.array), []
    told = body.any() and min(body.shape) >= LEAST_VOXELS
    fixed = Fixed(reference, body, BLOCKS) if told else None
    for index, (phase, volume) in enumerate(zip(exam.phases, exam.volumes)):
        if index == exam.reference:
            continue
        report()
        length = fixed.displacement(pooled(_thinned(volume), COARSE_MM), report) if told else math.nan
        rows.append({"phase": phase.name, "mm": _known(length)})
    return rows, False


def _thinned(volume):
    """Return every second or third voxel along each axis, as far as they lie no more than `THIN_MM` apart; no copy."""
    steps = [max(1, int(THIN_MM / s)) for s in volume.geometry.spacing[::-1]]
    array = volume.array[tuple(slice(None, None, step) for step in steps)]
    spacing = np.array(volume.geometry.spacing) * steps[::-1]
    old = volume.geometry
    return Volume(array, Geometry(array.shape, tuple(spacing), old.origin, old.direction))


def _known(length):
    return round(float(length), 2) if math.isfinite(length) else None

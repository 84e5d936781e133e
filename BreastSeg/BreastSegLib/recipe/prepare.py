"""Exam → channels. The same code serves export, training and inference."""

from dataclasses import dataclass

import numpy as np

from ..errors import BadInput
from ..exam.dce import DceExam
from ..volume import Geometry
from . import ops
from .bias import correct_bias
from .breast_mri import breast_mask
from .channels import each_channel
from .figures import blocks
from .grid import resample, target_geometry
from .intensity import apply_steps
from .restore import FORMAT

STAGE = "Preparing"


@dataclass(frozen=True)
class Prepared:
    """A prepared case: what the network gets, and the record that undoes it.

    Parameters
    ----------
    name : str
        ``exam``, a view (``LCC``) or a region of it (``LCC region 1``).
    channels : numpy.ndarray
        (c, z, y, x), float32; mammograms have one slice.
    channel_names : tuple of str
    geometry : Geometry
        Grid of the channels.
    record : dict
        JSON-ready: recipe name and hash, both grids, what undoes every geometric step, the phases or the view used,
        the numbers of every intensity step.
    breast : numpy.ndarray or None
        bool, (z, y, x) on the same grid: the breast, where it was looked for and found.
    notes : tuple of str
        Sentences worth reading.
    """

    name: str
    channels: np.ndarray
    channel_names: tuple
    geometry: Geometry
    record: dict
    breast: np.ndarray | None = None
    notes: tuple = ()


def prepare(recipe, exam, report=None, breast=False):
    """Return the `Prepared` case of a DCE exam.

    Parameters
    ----------
    recipe : Recipe
        For DCE-MRI, or for any exam.
    exam : DceExam
    report : callable, optional
        Called as ``report(stage, done, total)`` between pieces of work; it may raise `Cancelled`.
    breast : bool
        Look for the breast even if no step needs it.

    Raises
    ------
    BadInput
        If a phase or channel is missing, a channel is constant or not finite, or the recipe is for mammograms.
    """
    report = report or (lambda *_: None)
    if not isinstance(exam, DceExam) or not recipe.fits("dce"):
        raise BadInput(
            f"The recipe {recipe.name} is for {'mammograms' if recipe.fits('mammograms') else 'DCE-MRI'}, "
            f"and the exam is {'a DCE-MRI exam' if isinstance(exam, DceExam) else 'mammograms'}",
            hint="Choose another recipe or exam",
        )
    corrected = 40 if recipe.phases else 0
    exam, figures = _corrected(recipe.phases, exam, _within(report, 0, corrected))
    geometry = target_geometry(exam.geometry, recipe.grid.spacing, recipe.grid.orientation)
    names = recipe.channel_names or tuple(phase.name for phase in exam.phases)
    channels = np.empty((len(names), *geometry.shape), np.float32)
    rows, sources = [], each_channel([source for _, source in recipe.channels], exam, recipe.time_tolerance_s)
    for index, (name, (volume, used, extra)) in enumerate(zip(names, sources)):
        _within(report, corrected, 60)(STAGE, index, len(names))
        _check_finite(volume.array, name)
        if recipe.intensity:
            _check_varies(volume.array, name)
        resample(volume, geometry, recipe.grid.interpolation, out=channels[index])
        rows.append({"name": name, "phases": used, **extra})
    undo = [{"op": "resample", "from": exam.geometry.to_json(), "to": geometry.to_json()}]
    channels, geometry, notes = _without_blank(recipe.slices, channels, geometry, undo)
    found, phases = _Breast(exam, undo), [volume.array for volume in exam.volumes]
    steps = apply_steps(recipe.intensity, channels, names, phases, found, _within(report, 60, 90))
    mask = found() if breast else found.mask
    report(STAGE, 100, 100)
    notes += found.notes
    record = {
        **record_head(recipe, "dce", exam.geometry, geometry, undo, notes),
        "spacing_known": exam.spacing_known,
        "channels": rows,
        "phases": figures,
        "intensity": steps,
    }
    return Prepared("exam", channels, names, geometry, record, mask if found.found else None, tuple(notes))


def record_head(recipe, kind, exam_geometry, geometry, undo, notes):
    """Return the fields that every record has."""
    return {
        "format": FORMAT,
        "recipe": recipe.name,
        "recipe_hash": recipe.hash,
        "kind": kind,
        "exam_geometry": exam_geometry.to_json(),
        "prepared_geometry": geometry.to_json(),
        "undo": undo,
        "notes": list(notes),
    }


def _within(report, low, high):
    """Return a report for a part of the work that takes the progress from `low` to `high` percent."""
    return lambda _, done, total: report(STAGE, low + round((high - low) * done / max(total, 1)), 100)


class _Breast:
    """Finds the breast on the exam's own grid when it is first asked for, and brings it onto the prepared grid."""

    def __init__(self, exam, undo):
        self._exam, self._undo = exam, undo
        self.mask, self.found, self.notes = None, False, []

    def __call__(self):
        if self.mask is None:
            found = breast_mask(self._exam.volumes[self._exam.reference])
            labels = found.mask.view(np.uint8)
            for step in self._undo:
                labels = ops.labels_forward(step, labels)
            self.mask, self.found = np.ascontiguousarray(labels).astype(bool), found.found
            self.notes = [found.note] if found.note else []
        return self.mask


def _corrected(steps, exam, report):
    """Return the exam after the steps on its phases, and what they used."""
    figures = []
    for step in steps:
        parameters = {key: value for key, value in step.items() if key != "step"}
        exam, used = correct_bias(exam, **parameters, report=report)
        figures.append({**step, **used})
    return exam, figures


def _check_finite(array, name):
    """Refuse NaN and infinity. The sum of a block is not finite then; the other way round it may be too large."""
    with np.errstate(invalid="ignore", over="ignore"):
        if all(np.isfinite(block.sum()) or np.isfinite(block).all() for block in blocks(array)):
            return
    raise BadInput(
        "The image holds values that are not numbers (NaN or infinite)",
        f"channel {name}",
        "Repair or replace the file",
    )


def _check_varies(array, name):
    """Refuse a constant channel here: a grid that reaches beyond the exam holds 0 there, and hides it."""
    first = array.flat[0]
    if all((block == first).all() for block in blocks(array)):
        raise BadInput(
            "The image is constant: every voxel has the same value", f"channel {name}", "Choose another phase or file"
        )


def _without_blank(rule, channels, geometry, undo):
    """Leave out the slices that are constant in all channels (M2: padding), if the recipe says so."""
    if rule == "all":
        return channels, geometry, []
    flat = channels.reshape(*channels.shape[:2], -1)
    filled = (flat.max(axis=2) > flat.min(axis=2)).any(axis=0)
    if filled.all():
        return channels, geometry, []
    kept = np.flatnonzero(filled)
    if not kept.size:
        raise BadInput("Every slice is blank in all channels", hint="Choose another exam")
    step = {"op": "slices", "kept": [int(k) for k in kept], "shape": list(geometry.shape)}
    undo.append(step)
    notes = [f"{int((~filled).sum())} of {filled.size} slices are blank in all channels and were left out."]
    if kept[-1] - kept[0] + 1 != kept.size:
        notes.append("Blank slices lie between others: the places of the slices after them are not kept.")
    return np.ascontiguousarray(channels[:, kept]), ops.geometry_after(step, geometry), notes

"""Measure all pairs of a source, in several processes: results stream, memory does not grow with the cases."""

import math
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from BreastSegLib.errors import BadInput

from ..parallel import each
from . import exam_grid
from .cleanup import NONE, cleaned, cleanup_steps
from .detection import DetectionOptions, candidates, detect
from .imagelevel import image_class
from .measures import MeasureOptions
from .overlap import count
from .pair import joint_box, measure_pair
from .reading import Mask, check_same_grid, read_chances, read_mask
from .sources import EXAM

STAGE = "Measuring"


@dataclass(frozen=True)
class EvaluationOptions:
    """How an evaluation is done.

    Parameters
    ----------
    measure : MeasureOptions
    detection : DetectionOptions
    cleanup : str
        What the predictions are also measured after: ``recipe``, ``largest``, ``none``, or the name or file of a
        recipe (`cleanup.cleanup_steps`).
    chances : bool
        Use nnU-Net's files of probabilities where there are any: for FROC, and on the exam's grid for the mask.
    label : int or None
        Value of the lesion in both masks; None: everything that is not 0.
    spacing_known : bool
        False: the voxel sizes of the files mean nothing (exams that came as arrays or pictures), so that nothing is
        said in mm.
    """

    measure: MeasureOptions = field(default_factory=MeasureOptions)
    detection: DetectionOptions = field(default_factory=DetectionOptions)
    cleanup: str = NONE
    chances: bool = True
    label: int | None = None
    spacing_known: bool = True

    def to_json(self):
        """dict: the options, for a report."""
        own = {name: getattr(self, name) for name in ("cleanup", "chances", "label", "spacing_known")}
        return {**self.measure.to_json(), "detection": self.detection.to_json(), **own}


def evaluate(source, options=EvaluationOptions(), report=None, workers=None):
    """Yield a record for each pair, in the order in which they are finished.

    Parameters
    ----------
    source : Source
    options : EvaluationOptions
    report : callable, optional
        ``report(stage, done, total)``; may raise `Cancelled`.
    workers : int, optional
        Processes; one for each processor when not given.

    Yields
    ------
    dict
        ``case``, ``fold``, ``groups`` (empty; see `groups.attach`), ``raw`` and ``cleaned`` ({measure: number}, nan
        and inf as `measure_pair` gives them; ``cleaned`` None without a clean-up), ``state`` (`Counts.state`),
        ``detection`` and ``cleaned_detection`` (`detection.detect`), ``candidates`` (for `detection.froc`; None
        without chances), ``image_class`` and ``cleaned_image_class``, ``truth_size`` and ``predicted_size``
        ({stage: size}) in ``size_unit`` (mm³, of flat images mm²; None where the spacing is unknown), ``spacing``
        (z, y, x; mm, or None), ``shape``. Of a case that could not be measured: ``case``, ``fold`` and ``error``, a
        line.

    Raises
    ------
    BadInput
        If the clean-up is not known.
    """
    steps, _ = cleanup_steps(options.cleanup, source.dataset)
    work = partial(measure_case, options=options, steps=steps, grid=source.grid)
    for outcome in each(work, source.pairs, workers, report, STAGE):
        pair = source.pairs[outcome.index]
        if outcome.error is None:
            yield outcome.result
        else:
            yield {"case": pair.case, "fold": pair.fold, "error": outcome.error.line}


def measure_case(pair, options=EvaluationOptions(), steps=(), grid="prepared"):
    """Return the record of a pair (see `evaluate`).

    Parameters
    ----------
    pair : Pair
    options : EvaluationOptions
    steps : sequence of dict
        Of the clean-up.
    grid : {'prepared', 'exam'}
    """
    opened = open_pair(pair, options, grid)
    truth, prediction = opened.truth, opened.prediction
    raw = _stage(truth, prediction, opened.spacing, options)
    record = {"case": pair.case, "fold": pair.fold, "groups": {}, "raw": raw["measures"], "cleaned": None}
    record |= {"state": raw["state"], "detection": raw["detection"], "image_class": raw["image_class"]}
    record["candidates"] = None
    if opened.chances is not None:
        record["candidates"] = candidates(truth, prediction, opened.chances, options.detection)
    sizes = {"raw": opened.size(raw["counts"].prediction)}
    if steps:
        better = cleaned(prediction, opened.geometry, steps, opened.spacing is not None, opened.laterality)
        after = raw if better is prediction else _stage(truth, better, opened.spacing, options)
        record["cleaned"] = after["measures"]
        record |= {"cleaned_detection": after["detection"], "cleaned_image_class": after["image_class"]}
        sizes["cleaned"] = opened.size(after["counts"].prediction)
    record |= {"truth_size": opened.size(raw["counts"].truth), "predicted_size": sizes, "size_unit": opened.unit}
    return {**record, "spacing": opened.spacing, "shape": truth.shape}


@dataclass(frozen=True)
class Opened:
    """A pair as it is measured.

    Parameters
    ----------
    truth, prediction : numpy.ndarray of bool
        (z, y, x), on one grid.
    geometry : Geometry
    spacing : tuple of float or None
        Along (z, y, x), mm; None where it is not known.
    chances : numpy.ndarray of float32 or None
    laterality : str or None
        ``L``, ``R`` or '' of a mammogram; None of an exam.
    """

    truth: np.ndarray
    prediction: np.ndarray
    geometry: object
    spacing: tuple | None
    chances: np.ndarray | None = None
    laterality: str | None = None

    @property
    def unit(self):
        """str: unit of sizes."""
        return "mm²" if len(self.truth) == 1 else "mm³"

    def size(self, voxels):
        """Return the size of so many voxels, None where the spacing is not known."""
        if self.spacing is None:
            return None
        return voxels * math.prod(self.spacing[1:] if len(self.truth) == 1 else self.spacing)


def open_pair(pair, options=EvaluationOptions(), grid="prepared"):
    """Read the files of a pair.

    Returns
    -------
    Opened

    Raises
    ------
    BadInput
        If a file cannot be read, or the masks lie on different grids; the message names the case.
    """
    preparation = exam_grid.preparation_of(pair) or {}
    view = preparation.get("view") or {}
    truth = read_mask(pair.truth, options.label)
    prediction = read_mask(pair.prediction, options.label) if pair.prediction else _nothing(truth)
    try:
        check_same_grid(truth, prediction)
    except BadInput as error:
        raise BadInput(error.what, f"case {pair.case}", "Give predictions of the same images") from error
    use = options.chances and pair.chances
    chances = read_chances(pair.chances, prediction.array) if use else None
    if grid == EXAM:
        truth = exam_grid.reference_mask(pair, preparation)
        prediction, chances = exam_grid.restored(preparation, prediction.array, chances)
    known = truth.spacing_known and options.spacing_known
    known = known and all(record.get("spacing_known", True) for record in (preparation, view))
    spacing = tuple(truth.geometry.spacing[::-1]) if known else None
    side = view.get("laterality", "") if view else None
    return Opened(truth.array, prediction.array, truth.geometry, spacing, chances, side)


def _nothing(truth):
    return Mask(np.zeros_like(truth.array), truth.geometry, truth.spacing_known)


def _stage(truth, prediction, spacing, options):
    box = joint_box(truth, prediction)
    counts = count(truth[box], prediction[box], truth.size)
    return {
        "measures": measure_pair(truth, prediction, spacing, options.measure),
        "counts": counts,
        "state": counts.state,
        "detection": detect(truth[box], prediction[box], options.detection),
        "image_class": image_class(counts),
    }

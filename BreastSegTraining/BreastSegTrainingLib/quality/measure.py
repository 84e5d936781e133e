"""The quality of an exam, and of a case of the table."""

from functools import partial

import numpy as np
from BreastSegLib.errors import BadInput, BreastSegError
from BreastSegLib.exam.source import read

from ..cases.masks import read_lesion_mask
from ..cases.table import CaseTable
from ..cases.views import one_view, wanted_view
from . import artefact, bias, contrast, coverage, mammogram, motion, sharpness
from .dceview import DceView
from .measured import Measured, collect, measures


def measure_dce(exam, lesion=None):
    """Return the quality of a DCE exam.

    Parameters
    ----------
    exam : DceExam
    lesion : numpy.ndarray, optional
        Reference mask on the exam's grid, (z, y, x), not 0 in the lesion.

    Returns
    -------
    Measured
    """
    view = DceView(exam, lesion)
    return collect(
        {
            "snr": partial(contrast.signal_to_noise, view),
            "cnr": partial(contrast.contrast_to_noise, view),
            "sharpness_mm": partial(sharpness.skin_width, view),
            "motion_mm": partial(motion.largest_motion, view),
            "bias": partial(bias.bias_strength, view),
            "coverage": partial(coverage.breast_coverage, view),
            "artefact": partial(artefact.artefact_score, view),
        }
    )


def measure_mammograms(exam, lesion=None):
    """Return the quality of mammograms; of several views the worst value of each measure.

    Parameters
    ----------
    exam : MammographyExam
    lesion : numpy.ndarray, optional
        Reference mask of the only view, (1, y, x) or (y, x).

    Returns
    -------
    Measured
        Motion and bias field are empty.
    """
    if lesion is not None and len(exam.images) != 1:
        raise BadInput("A mask belongs to one mammogram", f"{len(exam.images)} views", "Give each view a row")
    parts = [_measure_view(view, image, lesion) for view, image in zip(exam.views, exam.images)]
    if len(parts) == 1:
        return parts[0]
    values = {}
    for column, about in measures().items():
        found = [part.values[column] for part in parts if part.values[column] is not None]
        worst = min if about["better"] == "higher" else max
        values[column] = worst(found) if found else None
    notes = dict.fromkeys(note for part in parts for note in part.notes)
    return Measured(values, (f"Of {len(parts)} views the worst values are given.", *notes))


def measure(table, case):
    """Return the quality of a case of the table.

    Parameters
    ----------
    table : CaseTable
        Where its paths start from.
    case : Case

    Returns
    -------
    Measured

    Raises
    ------
    BreastSegError
        If the exam cannot be read. A mask that cannot be used is a note, and the contrast is told without it.
    """
    exam = read(table.source(case))
    if view := wanted_view(case):  # the mask is about that one
        exam = one_view(exam, view)
    flat = hasattr(exam, "images")
    geometry = exam.images[0].geometry if flat else exam.geometry
    lesion, notes = _lesion(table, case, geometry, flat, len(exam.images) if flat else 1)
    found = (measure_mammograms if flat else measure_dce)(exam, lesion)
    return Measured(found.values, (*notes, *found.notes))


def measure_item(item):
    """Return `measure` of (folder, case), which another process can be sent."""
    folder, case = item
    return measure(CaseTable((), folder), case)


def _lesion(table, case, geometry, flat, images):
    """Return the lesion mask of a case as an array or None, and notes."""
    if not case.get("mask"):
        return None, ()
    if images != 1:
        return None, ("The mask was not used: the row holds several views.",)
    try:
        found = read_lesion_mask(
            table.mask_paths(case), geometry, flat, case.parts("label"), fixes=case.parts("fixes")
        )
    except BreastSegError as error:
        return None, (f"The mask was not used: {error.what.rstrip('.')}.",)
    if found.refusal is not None or found.volume is None:
        return None, (f"The mask was not used: {found.refusal.text if found.refusal else 'there is none'}.",)
    return (found.volume.array if found.volume.array.any() else None), ()


def _measure_view(view, image, lesion):
    spacing = image.geometry.spacing[1::-1]
    seen = mammogram.MammogramView(
        image.array[0], spacing, view.position, None if lesion is None else np.squeeze(np.asarray(lesion))
    )
    found = collect(
        {
            "snr": partial(mammogram.signal_to_noise, seen),
            "cnr": partial(mammogram.contrast_to_noise, seen),
            "sharpness_mm": partial(mammogram.sharpness, seen),
            "coverage": partial(mammogram.coverage, seen),
            "artefact": partial(mammogram.artefact_score, seen),
        }
    )
    unknown = () if view.spacing else ("The pixel size is not known, so mm mean nothing.",)
    return Measured(found.values, (*found.notes, *unknown))

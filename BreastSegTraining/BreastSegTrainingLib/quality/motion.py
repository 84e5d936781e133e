"""Motion between phases."""

import numpy as np
from BreastSegLib.exam.displacement import displacement

from .measured import NotMeasured

LEAST_VOXELS = 6


def largest_motion(view):
    """Return the largest displacement of a phase against the reference phase, mm.

    Of each phase the median displacement of blocks with structure in the breast (`BreastSegLib.exam.displacement`:
    edge directions, on copies of about 2 mm, found within 10 mm).

    Parameters
    ----------
    view : DceView

    Raises
    ------
    NotMeasured
        If there is one phase only, or the breast shows too little structure.
    """
    exam, reference = view.exam, view.exam.reference
    others = [index for index in range(len(exam.phases)) if index != reference]
    if not others:
        raise NotMeasured("the exam has one phase")
    if exam.phases[0].role == "channel":
        raise NotMeasured("the images are channels and no phases")
    if min(exam.geometry.shape) < LEAST_VOXELS:
        raise NotMeasured(f"the image has fewer than {LEAST_VOXELS} voxels along an axis")
    found = [displacement(view.small[reference], view.small[index], view.small_breast) for index in others]
    lost = [exam.phases[index].name for index, length in zip(others, found) if not np.isfinite(length)]
    if len(lost) == len(others):
        raise NotMeasured("the breast shows too little structure")
    notes = [f"it could not be told for {', '.join(lost)}"] if lost else []
    if not exam.spacing_known:
        notes.append("the voxel size is not known, so mm mean voxels")
    return float(np.nanmax(found)), "; ".join(notes)

"""Everything that is measured of one reference mask and one prediction of it."""

import math
from dataclasses import asdict

import numpy as np
from BreastSegLib.errors import BadInput

from . import surface
from .measures import MeasureOptions, all_measures, empty_rule
from .overlap import count, ratios, volumes

ALL = MeasureOptions()


def measure_pair(truth, prediction, spacing, options=ALL):
    """Return {measure: number} of a pair of masks, in the order of ``Resources/evaluation_measures.json``.

    Parameters
    ----------
    truth, prediction : numpy.ndarray
        (z, y, x) or (y, x), of the same shape. Everything that is not 0 is lesion.
    spacing : sequence of float or None
        Voxel size along the axes of the arrays, mm; None where it is not known: measures in mm are nan then.
    options : MeasureOptions

    Returns
    -------
    dict of str to float
        nan where a measure is not defined, inf for distances to an empty mask, unless the rule for empty masks says
        otherwise.

    Raises
    ------
    BadInput
        If the masks differ in shape, or the spacing does not fit them.

    Notes
    -----
    An image of one slice is flat: the slice's two sides are no surface, and it has no volume.
    """
    truth, prediction = _mask(truth), _mask(prediction)
    _check(truth, prediction, spacing)
    box = joint_box(truth, prediction)
    edges = tuple((part.start == 0, part.stop == size) for part, size in zip(box, truth.shape))
    flat = truth.ndim == 2 or truth.shape[0] == 1
    voxel = math.nan if flat or spacing is None else math.prod(spacing)
    voxels, truth, prediction = truth.size, truth[box], prediction[box]
    counts = count(truth, prediction, voxels)
    wanted = options.wanted
    values = {**ratios(counts), **volumes(counts, voxel), **asdict(counts)}
    if any(all_measures()[name].family == "distance" for name in wanted) and counts.truth and counts.prediction:
        if flat and truth.ndim == 3:
            truth, prediction, edges = truth[0], prediction[0], edges[1:]
            spacing = None if spacing is None else tuple(spacing)[1:]
        values |= _distances(truth, prediction, spacing, edges, options)
    _decide_undefined(values, counts.state, options)
    return {name: float(values.get(name, math.nan)) for name in wanted}


def joint_box(truth, prediction):
    """Return the slices of the smallest box that holds both masks; of nothing, where both are empty."""
    union = truth | prediction
    box = [slice(0, size) for size in union.shape]
    for axis in range(union.ndim):  # each axis looks only at what the others have left
        others = tuple(other for other in range(union.ndim) if other != axis)
        where = np.flatnonzero(union[tuple(box)].any(axis=others))
        if not where.size:
            return (slice(0, 0),) * union.ndim
        box[axis] = slice(int(where[0]), int(where[-1]) + 1)
    return tuple(box)


def _distances(truth, prediction, spacing, edges, options):
    """Return the measures of the family ``distance`` of two masks that are not empty."""
    wanted, masks, result = options.wanted, (truth, prediction), {}
    surfaces = tuple(surface.surface(mask) for mask in masks)
    between = None
    if spacing is not None:
        if "hd95" in wanted or "nsd" in wanted or "norm_hd" in wanted or options.hausdorff == "surface":
            between = surface.between(surfaces, spacing)
            result["hd95"] = surface.robust(between, options.hd95)
            result["nsd"] = surface.within(between, options.tolerance_mm)
        if "hausdorff" in wanted and options.hausdorff == "surface":
            result["hausdorff"] = float(max(part.max() for part in between))
        elif "hausdorff" in wanted:
            result["hausdorff"] = surface.hausdorff(*masks, surfaces, spacing)
    if "norm_hd" in wanted:
        result["norm_hd"] = _norm_hd(masks, surfaces, between, spacing, edges) / options.norm_hd_voxels
        result["norm_hd"] = 1.0 if math.isinf(result["norm_hd"]) else result["norm_hd"]
    return result


def _norm_hd(masks, surfaces, between, spacing, edges):
    """Return HD95 in voxel indices as the challenge takes it: the image's edge is no surface (M6)."""
    contours = surfaces
    if any(map(any, edges)):
        contours = tuple(surface.surface(mask, edges) for mask in masks)
        empty = [not contour.any() for contour in contours]
        if any(empty):  # a mask that fills the image has no contour
            return 0.0 if all(empty) else math.inf
        between = between if all(map(np.array_equal, contours, surfaces)) else None
    if between is not None and len(set(spacing)) == 1:  # all voxel edges alike: the same in another unit
        return surface.robust(between) / spacing[0]
    return surface.robust(surface.between(contours, (1.0,) * masks[0].ndim))


def _decide_undefined(values, state, options):
    """Let the rule for empty masks say what is not defined."""
    if not state:
        return
    rule = empty_rule(options.empty)
    for name in options.wanted:
        said = {**all_measures()[name].undefined, **rule.values.get(name, {})}
        if state in said:
            values[name] = said[state]


def _mask(array):
    array = np.asarray(array)
    return array if array.dtype == bool else array != 0


def _check(truth, prediction, spacing):
    if truth.shape != prediction.shape:
        sizes = (" × ".join(map(str, array.shape[::-1])) for array in (prediction, truth))
        raise BadInput("The prediction has {} voxels, the reference mask {}".format(*sizes))
    if truth.ndim not in (2, 3) or not truth.size:
        raise BadInput(f"The masks have {truth.ndim} axes", hint="Give two or three")
    if spacing is None:
        return
    if len(spacing) != truth.ndim or not all(0 < value < math.inf for value in spacing):
        raise BadInput(f"The voxel size is {tuple(spacing)}", hint="Give a number above 0 for each axis")

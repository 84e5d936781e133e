"""How far two masks of one image agree."""

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ..errors import BadInput
from .lesions import bounding_box, lesion_labels

PERCENTILE = 95


def agreement(mask_a, mask_b, geometry, spacing_known=True):
    """Return how far two masks of one image agree; whatever is not 0 counts as lesion.

    Parameters
    ----------
    mask_a, mask_b : numpy.ndarray or Volume
        (z, y, x).
    geometry : Geometry
        Grid of both. With one slice, sizes are areas.
    spacing_known : bool
        Without it nothing is told in mm.

    Returns
    -------
    dict
        ``dice``, ``jaccard`` (None where both are empty); ``volume_a_mm3``, ``volume_b_mm3``,
        ``volume_difference_mm3`` (b - a), or ``area_a_mm2``, ``area_b_mm2``, ``area_difference_mm2`` of one slice;
        ``difference_pct`` (the same in % of a; None where a is empty); ``hd95_mm`` (the larger of the 95th
        percentiles of both directions between the surfaces' voxels, as M6 and the evaluation of trainings have it;
        None where one is empty); ``lesions_a``, ``lesions_b``; ``lesions_both``, ``lesions_only_a``,
        ``lesions_only_b``: lesions that share a voxel are found by both, and several of one mask that meet the same
        one of the other are counted once.

    Raises
    ------
    BadInput
        If a mask has another shape than the geometry.
    """
    masks = []
    for mask in (mask_a, mask_b):
        array = np.asarray(getattr(mask, "array", mask))
        if array.shape != geometry.shape:
            raise BadInput("Masks that are compared lie on one grid", f"{array.shape} and {geometry.shape}")
        masks.append(array != 0)
    box = bounding_box(masks[0] | masks[1])
    a, b = (mask[box] if box else mask[:1, :1, :1] for mask in masks)
    sizes, common = [int(np.count_nonzero(mask)) for mask in (a, b)], int(np.count_nonzero(a & b))
    flat = geometry.shape[0] == 1
    return {
        "dice": _ratio(2 * common, sum(sizes)),
        "jaccard": _ratio(common, sum(sizes) - common),
        **_sizes(sizes, geometry, flat, spacing_known),
        "difference_pct": _ratio(100 * (sizes[1] - sizes[0]), sizes[0]),
        "hd95_mm": _hd95(a, b, geometry.spacing[::-1], flat) if spacing_known and min(sizes) else None,
        **_lesions(a, b),
    }


def _ratio(part, whole):
    return part / whole if whole else None


def _sizes(counts, geometry, flat, known):
    kind, unit = ("area", "mm2") if flat else ("volume", "mm3")
    each = float(np.prod(geometry.spacing[: 2 if flat else 3]))
    a, b = (count * each if known else None for count in counts)
    return {
        f"{kind}_a_{unit}": a,
        f"{kind}_b_{unit}": b,
        f"{kind}_difference_{unit}": b - a if known else None,
    }


def _hd95(a, b, spacing, flat):
    """Return the 95 % Hausdorff distance of two masks that are not empty."""
    if flat:  # the two sides of the slice are no surface
        a, b, spacing = a[0], b[0], spacing[1:]
    one, two = (np.argwhere(_surface(mask)) * np.asarray(spacing) for mask in (a, b))
    return float(max(np.percentile(cKDTree(y).query(x)[0], PERCENTILE) for x, y in ((one, two), (two, one))))


def _surface(mask):
    """Return the voxels of a mask with a face neighbour outside of it, the image's edge included."""
    return mask & ~ndimage.binary_erosion(mask)


def _lesions(a, b):
    """Return how many lesions there are, and how many in both masks."""
    (labels_a, values_a), (labels_b, values_b) = lesion_labels(a), lesion_labels(b)
    count_a, count_b = len(values_a), len(values_b)
    common = a & b
    met = np.unique(np.stack([labels_a[common] - 1, labels_b[common] - 1 + count_a], axis=1), axis=0)
    nodes = count_a + count_b
    graph = sparse.coo_matrix((np.ones(len(met)), met.T), shape=(max(nodes, 1), max(nodes, 1)))
    groups = connected_components(graph, directed=False)[1]
    return {
        "lesions_a": count_a,
        "lesions_b": count_b,
        "lesions_both": len(np.unique(groups[np.unique(met)])),
        "lesions_only_a": count_a - len(np.unique(met[:, 0])),
        "lesions_only_b": count_b - len(np.unique(met[:, 1])),
    }

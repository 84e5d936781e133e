"""Clean-up of masks on the exam's own grid; each step says what it removed."""

import numpy as np

from ..volume import Volume

# step name -> its parameters -> the values allowed (connectivity as in scikit-image: 1 faces, 2 edges, 3 corners)
CLEANUP_STEPS = {"largest-component": {"connectivity": (1, 2, 3)}}


def clean(steps, mask):
    """Return the cleaned mask and what was removed.

    Parameters
    ----------
    steps : sequence of dict
        The recipe's ``cleanup``.
    mask : Volume
        uint8 labels, 0 background. All labels together count as one object.

    Returns
    -------
    cleaned : Volume
    removed : list of dict
        One row for each component taken away: ``step``, ``voxels``, ``volume_mm3``, ``centroid_lps`` (x, y, z in mm).
    """
    removed = []
    for step in steps:
        mask, rows = largest_component(mask, step["connectivity"])
        removed += [{"step": step["step"], **row} for row in rows]
    return mask, removed


def largest_component(mask, connectivity=3):
    """Return `mask` with only its largest connected component, and the rows of the others.

    (M1: scikit-image, full connectivity.) Of equally large components the first in array order stays, so the result is
    the same every time.
    """
    labels, rows = label_components(mask, connectivity)
    if len(rows) < 2:
        return mask, []
    best = max(rows, key=lambda row: row["voxels"])
    array = np.where(labels == best["label"], mask.array, 0).astype(mask.array.dtype)
    others = [{key: value for key, value in row.items() if key != "label"} for row in rows if row is not best]
    return Volume(array, mask.geometry), others


def label_components(mask, connectivity=3):
    """Number the connected components of a mask (all labels together count as one object).

    Only the mask's bounding box is labelled, so a small lesion in a large exam costs little.

    Parameters
    ----------
    mask : Volume
    connectivity : {1, 2, 3}
        As in scikit-image: neighbours share a face, an edge, a corner.

    Returns
    -------
    labels : numpy.ndarray of int32
        (z, y, x); 0 background.
    rows : list of dict
        In array order: ``label``, ``voxels``, ``volume_mm3``, ``centroid_lps`` (x, y, z in mm).
    """
    from skimage import measure  # not bundled with Slicer: installed when first needed

    filled = mask.array != 0
    box = _bounding_box(filled)
    if box is None:
        return np.zeros(filled.shape, np.int32), []
    labels = np.zeros(filled.shape, np.int32)
    labels[box] = measure.label(filled[box], connectivity=connectivity)
    rows = []
    for region in measure.regionprops(labels[box]):
        zyx = np.asarray(region.centroid) + [part.start for part in box]
        lps = (mask.geometry.ijk_to_lps @ np.append(zyx[::-1], 1))[:3]
        rows.append(
            {
                "label": int(region.label),
                "voxels": int(region.area),
                "volume_mm3": round(float(region.area) * mask.geometry.voxel_volume, 3),
                "centroid_lps": [round(float(v), 3) for v in lps],
            }
        )
    return labels, rows


def _bounding_box(filled):
    box = []
    for axis in range(3):
        where = np.flatnonzero(filled.any(axis=tuple(a for a in range(3) if a != axis)))
        if not where.size:
            return None
        box.append(slice(int(where[0]), int(where[-1]) + 1))
    return tuple(box)

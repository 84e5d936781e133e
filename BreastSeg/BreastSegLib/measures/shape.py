"""Volume, surface and diameters of one lesion."""

import numpy as np
import SimpleITK as sitk

from . import diameters


def shape_of(mask, start, geometry):
    """Return what the shape of one lesion measures.

    Parameters
    ----------
    mask : numpy.ndarray
        bool (z, y, x): the lesion in its bounding box, not empty.
    start : sequence of int
        Where the box begins in the whole image (z, y, x).
    geometry : Geometry
        Of the whole image.

    Returns
    -------
    dict
        ``volume_mm3``, ``longest_mm``, ``inplane_mm``, ``perpendicular_mm``, ``surface_mm2``, ``sphericity``;
        ``longest_ends_lps``, ``inplane_ends_lps``, ``perpendicular_ends_lps`` (two points x, y, z in mm each),
        ``inplane_slice`` (k index of the image).
    """
    spacing = geometry.spacing[::-1]
    longest = diameters.longest(mask, spacing)
    inplane, k = diameters.longest_in_slices(mask, spacing)
    along = (inplane.ends[1] - inplane.ends[0])[1:] * spacing[1:]
    across_mm, across = diameters.perpendicular(mask[k], spacing[1:], along)
    across = np.insert(across, 0, k, axis=1)
    surface, sphericity = surface_of(mask, geometry.spacing)
    return {
        "volume_mm3": int(np.count_nonzero(mask)) * geometry.voxel_volume,
        "longest_mm": longest.mm,
        "inplane_mm": inplane.mm,
        "perpendicular_mm": min(across_mm, inplane.mm),  # not even by the last digit above it
        "surface_mm2": surface,
        "sphericity": sphericity,
        "longest_ends_lps": points_lps(longest.ends + start, geometry),
        "inplane_ends_lps": points_lps(inplane.ends + start, geometry),
        "perpendicular_ends_lps": points_lps(across + start, geometry),
        "inplane_slice": int(k + start[0]),
    }


def surface_of(mask, spacing):
    """Return surface area (mm²) and sphericity of a lesion: ITK's perimeter (by Crofton's formula) and roundness.

    Segment Statistics uses the same filter. The box gets a margin, so that its edge is not taken for the image's.

    Parameters
    ----------
    mask : numpy.ndarray
        bool (z, y, x).
    spacing : sequence of float
        Along (x, y, z), mm.
    """
    image = sitk.GetImageFromArray(np.pad(mask, 1).view(np.uint8))
    image.SetSpacing(tuple(spacing))
    found = sitk.LabelShapeStatisticsImageFilter()
    found.SetNumberOfWorkUnits(1)  # to start threads takes longer
    found.ComputeFeretDiameterOff()
    found.ComputeOrientedBoundingBoxOff()
    found.Execute(image)
    return float(found.GetPerimeter(1)), float(found.GetRoundness(1))


def centroid(mask):
    """Return the mean index (one number for each axis) of a mask that is not empty."""
    axes = range(mask.ndim)
    counts = [np.count_nonzero(mask, axis=tuple(a for a in axes if a != axis)) for axis in axes]
    return np.array([count @ np.arange(len(count)) / count.sum() for count in counts])


def points_lps(indices, geometry):
    """Return a point (k, j, i; whole or not) as [x, y, z] in mm, LPS; of several points a list of such."""
    indices = np.asarray(indices, float)
    matrix = geometry.ijk_to_lps
    return (indices[..., ::-1] @ matrix[:3, :3].T + matrix[:3, 3]).tolist()

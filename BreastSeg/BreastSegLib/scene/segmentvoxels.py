"""The voxels of segments on an image's grid: one label volume of all that are visible, and which one lies where."""

from dataclasses import dataclass, field

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ..errors import BadInput
from .segmentationnode import BINARY_LABELMAP
from .texts import _

# How far voxels may lie from the grid's and still be the same ones, in voxels.
NEAR = 1e-3


@dataclass(frozen=True)
class Labels:
    """Segments as one label volume.

    Parameters
    ----------
    array : numpy.ndarray
        uint8, (z, y, x), on the grid that was asked for; 0 where no visible segment is.
        Values beyond 255 do not fit: look at `names` before it is used.
    names : dict of int to str
        Name of the segment of each value, whether it has voxels or not.
    notes : tuple of str
        Sentences about what could not be kept.
    """

    array: np.ndarray = field(repr=False)
    names: dict
    notes: tuple = ()


def labelsOf(node, geometry, first=1):
    """Return the visible segments of a segmentation node as one label volume. A generator: one segment a turn.

    Parameters
    ----------
    node : vtkMRMLSegmentationNode
    geometry : Geometry
        The image's grid, in the world.
    first : int
        Value of the first segment; the next ones follow.

    Yields
    ------
    int
        Number of segments that are done.

    Returns
    -------
    Labels
        Where segments overlap, the later one has the voxels, and a note says so.

    Raises
    ------
    BadInput
        If the segmentation lies under another transform than a linear one, or cannot be turned into voxels.
    """
    array, names, notes = np.zeros(geometry.shape, np.uint8), {}, []
    for value, segmentId in enumerate(visibleSegments(node), first):
        name = node.GetSegmentation().GetSegment(segmentId).GetName()
        names[value] = name
        own, place = pieceOn(node, segmentId, geometry)
        if own is not None:
            target = array[place]
            shared = int(np.count_nonzero(target[own]))
            if shared:
                what = _("{count} voxels of other segments were counted for “{name}”, which overlaps them.")
                notes.append(what.format(count=shared, name=name))
            target[own] = value % 256
        yield len(names)
    return Labels(array, names, tuple(notes))


def visibleSegments(node):
    """Return the IDs of the segments that are shown, in their order; all when the node has no display yet."""
    ids, display = node.GetSegmentation().GetSegmentIDs(), node.GetDisplayNode()
    return [one for one in ids if display is None or display.GetSegmentVisibility(one)]


def pieceOn(node, segmentId, geometry):
    """Return a segment's voxels in its bounding box on a grid.

    Parameters
    ----------
    node : vtkMRMLSegmentationNode
    segmentId : str
    geometry : Geometry
        The grid, in the world.

    Returns
    -------
    (numpy.ndarray, tuple of slice) or (None, None)
        bool, (z, y, x), and its place in the grid; None when nothing of the segment lies on the grid.
    """
    image = _imageOf(node, segmentId)
    if image is None or image.IsEmpty():
        return None, None
    shift = _shift(image, geometry)
    if shift is None:
        image, shift = _resampled(image, geometry), (0, 0, 0)
        if image is None:
            return None, None
    voxels, start = _array(image), np.add(image.GetExtent()[0::2], shift)[::-1]
    # What was drawn beyond the image is no part of it.
    low = np.maximum(start, 0)
    high = np.minimum(start + voxels.shape, geometry.shape)
    if (high <= low).any():
        return None, None
    own = voxels[tuple(slice(a, b) for a, b in zip(low - start, high - start))] > 0
    if not own.any():
        return None, None
    return own, tuple(slice(int(a), int(b)) for a, b in zip(low, high))


def segmentAt(nodes, pointLps):
    """Return the first node and segment that have a point of the world inside them, or (None, "").

    Parameters
    ----------
    nodes : sequence of vtkMRMLSegmentationNode
    pointLps : sequence of float
        x, y, z in mm, LPS.
    """
    x, y, z = pointLps
    for node in nodes:
        point = _toNode(node, (-x, -y, z))
        for segmentId in node.GetSegmentation().GetSegmentIDs():
            segment = node.GetSegmentation().GetSegment(segmentId)
            image = segment.GetRepresentation(BINARY_LABELMAP)
            if image is not None and _valueAt(image, point) == segment.GetLabelValue():
                return node, segmentId
    return None, ""


def _toNode(node, pointRas):
    transform = node.GetParentTransformNode()
    if transform is None or not transform.IsTransformToWorldLinear():
        return pointRas
    matrix = vtk.vtkMatrix4x4()
    transform.GetMatrixTransformFromWorld(matrix)
    return matrix.MultiplyPoint([*pointRas, 1.0])[:3]


def _valueAt(image, pointRas):
    matrix, extent = vtk.vtkMatrix4x4(), image.GetExtent()
    image.GetWorldToImageMatrix(matrix)
    ijk = [round(value) for value in matrix.MultiplyPoint([*pointRas, 1.0])[:3]]
    if any(not low <= index <= high for index, low, high in zip(ijk, extent[0::2], extent[1::2])):
        return None
    return image.GetScalarComponentAsDouble(*ijk, 0)


def _imageOf(node, segmentId):
    """Return the segment alone as an oriented image in the world."""
    segmentation = node.GetSegmentation()
    if not segmentation.ContainsRepresentation(BINARY_LABELMAP) and not segmentation.CreateRepresentation(
        BINARY_LABELMAP
    ):
        raise BadInput(_("The segmentation cannot be turned into voxels"), node.GetName())
    image = slicer.vtkOrientedImageData()
    if not node.GetBinaryLabelmapRepresentation(segmentId, image):
        return None
    transform = node.GetParentTransformNode()
    if transform is not None:
        if not transform.IsTransformToWorldLinear():
            what = _("The segmentation lies under a non-linear transform")
            raise BadInput(what, node.GetName(), _("Harden the transform (Transforms module)"))
        toWorld, own = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
        transform.GetMatrixTransformToWorld(toWorld)
        image.GetImageToWorldMatrix(own)
        vtk.vtkMatrix4x4.Multiply4x4(toWorld, own, own)
        image.SetImageToWorldMatrix(own)
    return image


def _shift(image, geometry):
    """Return by how many voxels (x, y, z) an image is counted from another corner; None when its grid is another."""
    own = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(own)
    between = np.linalg.inv(geometry.ijk_to_ras) @ slicer.util.arrayFromVTKMatrix(own)
    shift = np.round(between[:3, 3])
    # At the far corner of the image, where a small difference in direction is largest.
    far = np.max(np.abs(image.GetExtent()))
    if np.abs(between[:3, :3] - np.eye(3)).max() * max(far, 1) > NEAR * 10:
        return None
    return tuple(int(n) for n in shift) if np.abs(between[:3, 3] - shift).max() <= NEAR * 10 else None


def _resampled(image, geometry):
    """Return the image on the grid, only where it is; None when it lies beside the grid."""
    own = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(own)
    between = np.linalg.inv(geometry.ijk_to_ras) @ slicer.util.arrayFromVTKMatrix(own)
    extent = np.array(image.GetExtent(), float).reshape(3, 2) + (-0.5, 0.5)
    corners = np.array(np.meshgrid(*extent)).reshape(3, -1)
    corners = between[:3, :3] @ corners + between[:3, 3:]
    low = np.maximum(np.floor(corners.min(axis=1)), 0).astype(int)
    high = np.minimum(np.ceil(corners.max(axis=1)), np.array(geometry.shape[::-1]) - 1).astype(int)
    if (high < low).any():
        return None
    grid, out = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
    grid.SetExtent(*(int(edge) for pair in zip(low, high) for edge in pair))
    grid.SetImageToWorldMatrix(slicer.util.vtkMatrixFromArray(geometry.ijk_to_ras))
    grid.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    resample = slicer.vtkOrientedImageDataResample
    return out if resample.ResampleOrientedImageToReferenceOrientedImage(image, grid, out) else None


def _array(image):
    low, high = image.GetExtent()[0::2], image.GetExtent()[1::2]
    shape = tuple(int(b - a + 1) for a, b in zip(low, high))[::-1]
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(shape)

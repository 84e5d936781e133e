"""The lesion of a segmentation node as a mask on the exam's own grid, and as a file that keeps the former one."""

import os
import time
from pathlib import Path

import numpy as np
import slicer
import vtk
from BreastSegLib.errors import BadInput
from BreastSegLib.files import whole_file, write_error, write_image
from BreastSegLib.scene import fromnodes
from BreastSegLib.scene.texts import _
from BreastSegLib.volume import Volume
from vtk.util.numpy_support import vtk_to_numpy

GRID_TOLERANCE = 0.01  # voxels


def segmentsOf(node):
    """Return (id, name) of each segment of a segmentation node."""
    segmentation = node.GetSegmentation()
    ids = [segmentation.GetNthSegmentID(place) for place in range(segmentation.GetNumberOfSegments())]
    return [(segmentId, segmentation.GetSegment(segmentId).GetName()) for segmentId in ids]


def segmentIdOf(node, word):
    """Return the id of the segment with a name, id or code (``SCT:4147007``, ``4147007``).

    Raises
    ------
    BadInput
        If there is none, or several.
    """
    low, found = word.strip().casefold(), []
    for segmentId, name in segmentsOf(node):
        segment = node.GetSegmentation().GetSegment(segmentId)
        if low in {segmentId.casefold(), name.casefold(), *_codes(segment)}:
            found.append(segmentId)
    if len(found) != 1:
        names = ", ".join(name for _id, name in segmentsOf(node)) or _("none")
        what = _("Several segments are called {word}") if found else _("No segment is called {word}")
        raise BadInput(what.format(word=word), hint=_("The segments are: {names}").format(names=names))
    return found[0]


def maskOf(node, volume, segmentIds=None):
    """Return segments as one mask on a volume's grid. A generator: one segment a turn.

    Parameters
    ----------
    node : vtkMRMLSegmentationNode
    volume : vtkMRMLScalarVolumeNode
    segmentIds : sequence of str, optional
        All segments when not given.

    Returns
    -------
    Volume
        uint8, (z, y, x), 0 and 1.

    Raises
    ------
    BadInput
        If a node or segment is no longer in the scene.
    """
    geometry = fromnodes.geometryOf(volume)
    mask = np.zeros(geometry.shape, np.uint8)
    for segmentId in segmentIds if segmentIds is not None else [each for each, _name in segmentsOf(node)]:
        yield
        checkThere(node, volume)
        if node.GetSegmentation().GetSegment(segmentId) is None:
            raise BadInput(_("A chosen segment is no longer in the scene"), node.GetName(), _("Choose it again"))
        if not _paste(node, segmentId, volume, geometry, mask):
            # Drawn on another grid, or under a transform: brought onto the volume's by Slicer.
            array = slicer.util.arrayFromSegmentBinaryLabelmap(node, segmentId, volume)
            if array is not None:
                mask |= (array > 0).astype(np.uint8)
    return Volume(mask, geometry)


def checkThere(*nodes):
    """Raise BadInput when a node is no longer in the scene."""
    for node in nodes:
        if node is None or node.GetScene() is None:
            what = _("The case is no longer in the scene")
            raise BadInput(what, hint=_("Load it again"))


def writeMask(mask, path):
    """Write a mask; a file that has the name already is kept under a name with the date and time.

    Parameters
    ----------
    mask : Volume
    path : str or Path
        Its ending decides the format.

    Returns
    -------
    Path or None
        Where the former file is now; None when there was none.

    Raises
    ------
    BadInput
        If it cannot be written: the former file has its name then.
    """
    path, kept = Path(path), None
    try:
        with whole_file(path, overwrite=True) as temporary:
            write_image(mask.to_sitk(), temporary, path)
            if path.exists():
                kept = _datedName(path)
                os.replace(path, kept)
    except BaseException:
        if kept is not None and not path.exists():
            os.replace(kept, path)
        raise
    return kept


def removeFile(path):
    """Remove a file that this module has just written, if it is there."""
    try:
        Path(path).unlink(missing_ok=True)
    except OSError as error:
        raise write_error(error, path) from error


def _datedName(path):
    stem, ending = (
        (path.name[: -len(".seg.nrrd")], ".seg.nrrd")
        if path.name.endswith(".seg.nrrd")
        else (
            path.stem,
            path.suffix,
        )
    )
    name = f"{stem}_{time.strftime('%Y-%m-%d_%H%M%S')}"
    dated, number = path.with_name(name + ending), 2
    while dated.exists():
        dated, number = path.with_name(f"{name}_{number}{ending}"), number + 1
    return dated


def _paste(node, segmentId, volume, geometry, mask):
    """Add a segment to a mask voxel by voxel; False where its voxels are not the grid's."""
    if node.GetParentTransformNode() is not volume.GetParentTransformNode():
        return False
    segment = node.GetSegmentation().GetSegment(segmentId)
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    image, kinds = segment.GetRepresentation(name), []
    segment.GetContainedRepresentationNames(kinds)
    if not kinds:
        return True  # added, and never drawn on
    if image is None or volume.GetParentTransformNode() is not None:
        return False
    extent = image.GetExtent()
    if any(extent[2 * axis] > extent[2 * axis + 1] for axis in range(3)):
        return True  # nothing was drawn
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    steps = np.linalg.inv(geometry.ijk_to_ras) @ slicer.util.arrayFromVTKMatrix(matrix)
    offset = np.rint(steps[:3, 3])
    reach = max(geometry.shape)
    if np.abs(steps[:3, :3] - np.eye(3)).max() * reach > GRID_TOLERANCE:
        return False
    if np.abs(steps[:3, 3] - offset).max() > GRID_TOLERANCE:
        return False
    shape = tuple(extent[2 * axis + 1] - extent[2 * axis] + 1 for axis in (2, 1, 0))
    array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(shape)
    start = [int(extent[2 * axis] + offset[axis]) for axis in (2, 1, 0)]
    # What lies outside the exam's image cannot be kept.
    target = tuple(
        slice(max(0, first), min(count, first + own)) for first, count, own in zip(start, mask.shape, shape)
    )
    if any(part.start >= part.stop for part in target):
        return True
    own = tuple(slice(part.start - first, part.stop - first) for part, first in zip(target, start))
    mask[target] |= (array[own] == segment.GetLabelValue()).astype(np.uint8)
    return True


def codeOf(node, segmentId):
    """Return the code of a segment, such as ``SCT:4147007``; '' where it has none."""
    words = _words(node.GetSegmentation().GetSegment(segmentId))
    return f"{words[0]}:{words[1]}" if words else ""


def _words(segment):
    """Return scheme, value and meaning of a segment's terminology entry; () where it has none."""
    tag = segment.GetTerminology() if hasattr(segment, "GetTerminology") else ""
    parts = (tag or "").split("~")
    if len(parts) < 3 or parts[2].count("^") < 2:
        return ()
    words = parts[2].split("^")[:3]
    return tuple(words) if words[1] else ()


def _codes(segment):
    words = _words(segment)
    return tuple(word.casefold() for word in (":".join(words[:2]), *words[1:]) if word) if words else ()

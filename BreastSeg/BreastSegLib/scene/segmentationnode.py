"""A mask as an editable segmentation node: coded, coloured, on the exam's own grid."""

from dataclasses import dataclass

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ..reports.terminology import segment_color, segment_title, terminology_entry
from .examnodes import putBeside
from .texts import _

BINARY_LABELMAP = "Binary labelmap"
# Faint, so that the enhancement inside the lesion can still be judged.
FILL_OPACITY = 0.15
# Attribute of results and of what they were before their clean-up.
RESULT = "BreastSeg.Result"
# Attribute of what a result was before its clean-up, and the reference to it from the result.
BEFORE, BEFORE_ROLE = "BreastSeg.BeforeCleanup", "BreastSegBeforeCleanup"
# Attribute of results: which run on the exam it was.
NUMBER = "BreastSeg.Number"
# More segments than that slow every view down; the smallest regions share one.
MOST_SEGMENTS = 30


@dataclass(frozen=True)
class Piece:
    """What becomes one segment.

    Parameters
    ----------
    label : str
        Terminology term of the model's label: ``mass`` or ``neoplasm``.
    array : numpy.ndarray
        uint8, (z, y, x), one where the segment is; only the bounding box.
    offset : tuple of int
        (z, y, x) of the box's first voxel in the exam's grid.
    side : {'right', 'left'} or None
    """

    label: str
    array: np.ndarray
    offset: tuple
    side: str | None


def piecesOf(mask, geometry, labels, components):
    """Return the pieces of a mask: one for each connected component.

    When the run reports at most one component there is one piece for each label.

    Parameters
    ----------
    mask : numpy.ndarray
        uint8, (z, y, x); 0 is background.
    geometry : Geometry
        The grid of `mask`, in the world.
    labels : dict of int to str
        Terminology term of each label value.
    components : sequence of dict
        As the run reports them: side, centroid_lps.

    Returns
    -------
    list of Piece
        Largest first, at most `MOST_SEGMENTS`: when there are more, the last one holds all the
        smallest regions, whatever their label. Empty when the mask is empty.
    """
    if not mask.any():
        return []
    pieces, outer = [], boundingBox(mask)
    box = np.asarray(mask[outer])
    for value in range(1, int(box.max()) + 1):
        own = box == value
        if not own.any():
            continue
        name, inner = labels.get(value, "mass"), boundingBox(own)
        array = own[inner].astype(np.uint8)
        offset = tuple(part.start + shift.start for part, shift in zip(inner, outer))
        if len(components) > 1:
            pieces += _split(name, array, offset, components, geometry)
        else:
            pieces.append(Piece(name, array, offset, components[0].get("side") if components else None))
    pieces.sort(key=lambda piece: -int(piece.array.sum()))
    if len(pieces) <= MOST_SEGMENTS:
        return pieces
    return [*pieces[: MOST_SEGMENTS - 1], _together(pieces[MOST_SEGMENTS - 1 :])]


def _together(pieces):
    """Return one piece that holds several; it has a side when all have the same."""
    low = np.min([piece.offset for piece in pieces], axis=0)
    high = np.max([np.add(piece.offset, piece.array.shape) for piece in pieces], axis=0)
    array = np.zeros(high - low, np.uint8)
    for piece in pieces:
        place = tuple(slice(start, start + size) for start, size in zip(piece.offset - low, piece.array.shape))
        array[place] |= piece.array
    sides = {piece.side for piece in pieces}
    return Piece(pieces[0].label, array, tuple(int(n) for n in low), sides.pop() if len(sides) == 1 else None)


def addSegmentation(mask, geometry, reference, *, name, labels, components=(), provenance=None, surface=True):
    """Add a segmentation node with one segment for each lesion. A generator: each turn does one slow thing.

    Parameters
    ----------
    mask : numpy.ndarray
        uint8, (z, y, x), on the exam's own grid.
    geometry : Geometry
        The exam's own grid, in the world.
    reference : vtkMRMLScalarVolumeNode
        The phase that was segmented on; gives the reference geometry.
    name : str
        Node name.
    labels, components
        See `piecesOf`.
    provenance : dict of str to str, optional
        Written as node attributes ``BreastSeg.<key>``; no patient data.
    surface : bool
        Make a closed surface for the 3D view; of no use for one slice.

    Yields
    ------
    str
        What was done.

    Returns
    -------
    vtkMRMLSegmentationNode
        If the generator is closed or fails before its end, the node is removed.
    """
    pieces = piecesOf(mask, geometry, labels, components)
    yield "pieces"
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", slicer.mrmlScene.GenerateUniqueName(name))
    try:
        node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetVisibility3D(surface)
        display.SetOpacity2DFill(FILL_OPACITY)
        display.SetOpacity2DOutline(1.0)
        node.GetSegmentation().SetSourceRepresentationName(BINARY_LABELMAP)
        node.SetAttribute(RESULT, "1")
        for key, value in (provenance or {}).items():
            node.SetAttribute(f"BreastSeg.{key}", str(value))
        putBeside(node, reference)
        yield "node"
        for piece in pieces:
            node.GetSegmentation().AddSegment(_segmentOf(piece, geometry, node))
            yield "segment"
        if pieces and surface:
            node.CreateClosedSurfaceRepresentation()
        yield "surface"
    except BaseException:
        # GeneratorExit included: a cancelled run leaves no half-filled segmentation behind.
        remove(node)
        raise
    return node


def addBeforeCleanup(raw, mask, node, geometry, reference, labels):
    """Add a hidden segmentation of the mask as it was before its clean-up, beside the result. A generator.

    Parameters
    ----------
    raw, mask : numpy.ndarray
        uint8, (z, y, x), on the same grid: before and after.
    node : vtkMRMLSegmentationNode
        The result.
    geometry, reference, labels
        As for `addSegmentation`.

    Yields
    ------
    str
        What was done.

    Returns
    -------
    vtkMRMLSegmentationNode or None
        None when the clean-up changed nothing. One segment for each label.
    """
    if np.array_equal(raw, mask):
        return None
    name = _("{name} before clean-up").format(name=node.GetName())
    before = yield from addSegmentation(raw, geometry, reference, name=name, labels=labels, surface=False)
    before.SetAttribute(BEFORE, "1")
    node.SetNodeReferenceID(BEFORE_ROLE, before.GetID())
    display = before.GetDisplayNode()
    display.SetVisibility(False)
    # An outline alone, so that both can be compared when it is shown.
    display.SetOpacity2DFill(0.0)
    return before


def addPieces(node, pieces, geometry, suffix=""):
    """Add segments to a segmentation that is in the scene. A generator: one segment a turn.

    Parameters
    ----------
    node : vtkMRMLSegmentationNode
    pieces : sequence of Piece
    geometry : Geometry
        The grid of the pieces, in the world.
    suffix : str
        Stands behind the names.

    Yields
    ------
    str
        What was done.

    Returns
    -------
    list of str
        IDs of the new segments. If the generator is closed or fails before its end, they are removed.
    """
    made = []
    try:
        for piece in pieces:
            segment = _segmentOf(piece, geometry, node, suffix)
            segmentId = node.GetSegmentation().GenerateUniqueSegmentID("Segment")
            node.GetSegmentation().AddSegment(segment, segmentId)
            made.append(segmentId)
            yield "segment"
    except BaseException:
        removeSegments(node, made)
        raise
    return made


def removeSegments(node, ids):
    """Remove segments, as far as they are still there."""
    for segmentId in ids:
        if node.GetSegmentation().GetSegment(segmentId) is not None:
            node.GetSegmentation().RemoveSegment(segmentId)


def remove(node):
    """Remove a segmentation node with its display node, if there is one and it is still in the scene."""
    if node is not None and slicer.mrmlScene.IsNodePresent(node):
        display = node.GetDisplayNode()
        slicer.mrmlScene.RemoveNode(node)
        if display is not None and slicer.mrmlScene.IsNodePresent(display):
            slicer.mrmlScene.RemoveNode(display)


def segmentName(label, side, number=None):
    """Return the name of a segment for people, such as ``Mass, right breast`` or ``Mass 2, left breast``."""
    title = segment_title(label)
    if number is not None:
        title = f"{title} {number}"
    if side == "right":
        return _("{title}, right breast").format(title=title)
    if side == "left":
        return _("{title}, left breast").format(title=title)
    return title


def hideResults(nodes=(), images=()):
    """Hide all results, except for `nodes` and for those that lie on one of `images`.

    Two exams may lie in the same place: the lesion of one would be seen on the other.

    Parameters
    ----------
    nodes : sequence of vtkMRMLSegmentationNode
    images : sequence of vtkMRMLScalarVolumeNode
    """
    own = {image.GetID() for image in images}
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        image = node.GetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole())
        if node in nodes or image in own or not node.GetAttribute(RESULT) or node.GetDisplayNode() is None:
            continue
        node.GetDisplayNode().SetVisibility(False)


def boundingBox(mask):
    """Return the smallest slices (z, y, x) that hold all of a mask that is not empty."""
    return tuple(
        slice(int(found[0]), int(found[-1]) + 1)
        for found in (np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3))
    )


def _split(name, array, offset, rows, geometry):
    import SimpleITK as sitk

    image = sitk.ConnectedComponent(sitk.GetImageFromArray(array), True)
    parts, shapes = sitk.GetArrayViewFromImage(image), sitk.LabelShapeStatisticsImageFilter()
    shapes.ComputePerimeterOff()
    shapes.Execute(image)
    known = np.array([row["centroid_lps"] for row in rows], float)
    pieces = []
    # Each part in its own box only: a model that fits badly leaves thousands of specks.
    for number in shapes.GetLabels():
        x, y, z, width, height, depth = shapes.GetBoundingBox(number)
        own = parts[z : z + depth, y : y + height, x : x + width] == number
        centre = np.add(shapes.GetCentroid(number), offset[::-1])
        position = (geometry.ijk_to_lps @ [*centre, 1.0])[:3]
        nearest = rows[int(np.linalg.norm(known - position, axis=1).argmin())]
        start = tuple(first + shift for first, shift in zip((z, y, x), offset))
        pieces.append(Piece(name, own.astype(np.uint8), start, nearest.get("side")))
    return pieces


def _segmentOf(piece, geometry, node, suffix=""):
    image = slicer.vtkOrientedImageData()
    z, y, x = piece.offset
    depth, height, width = piece.array.shape
    image.SetExtent(x, x + width - 1, y, y + height - 1, z, z + depth - 1)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    vtk_to_numpy(image.GetPointData().GetScalars())[:] = piece.array.ravel()
    image.SetImageToWorldMatrix(slicer.util.vtkMatrixFromArray(geometry.ijk_to_ras))
    segment = slicer.vtkSegment()
    segmentation = node.GetSegmentation()
    names = {segmentation.GetNthSegment(i).GetName() for i in range(segmentation.GetNumberOfSegments())}
    title, number = segmentName(piece.label, piece.side) + suffix, 2
    while title in names:
        title, number = segmentName(piece.label, piece.side, number) + suffix, number + 1
    segment.SetName(title)
    segment.SetColor(*segment_color(piece.label))
    segment.SetTerminology(terminology_entry(piece.label, piece.side or ""))
    segment.AddRepresentation(BINARY_LABELMAP, image)
    return segment

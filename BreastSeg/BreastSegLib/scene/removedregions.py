"""What a clean-up has removed, brought back as segments of the result, and taken out again."""

import numpy as np

from ..errors import BadInput
from ..reports.terminology import terms
from . import fromnodes, measureflow, results, segmentvoxels
from .segmentationnode import MOST_SEGMENTS, Piece, addPieces, boundingBox, removeSegments
from .texts import _

# How far the centre of a region may be from the one reported, in voxels.
NEAR_VOXELS = 1.0


def bringBack(result, geometries, removed):
    """Add the regions that the clean-up had removed to a result, as segments. A generator: one slow thing a turn.

    They are taken from the hidden segmentations of what the result was before its clean-up.

    Parameters
    ----------
    result : SceneResult
    geometries : sequence of Geometry
        The grid of each of ``result.nodes``, in the world.
    removed : sequence of dict
        The regions as the run reports them (``centroid_lps``, ``voxels``, ``side``, ``change``). Without a report, all
        that was removed comes back.

    Yields
    ------
    None

    Returns
    -------
    dict of str to list of str
        IDs of the new segments by the ID of their node; empty when there is nothing to bring back.
    """
    rows = [row for row in removed if row.get("change", "removed") == "removed"]
    made = {}
    try:
        for node, geometry in zip(result.nodes, geometries):
            before = results.beforeOf(node)
            if before is None:
                continue
            pieces = yield from _piecesOf(before, node, geometry, rows)
            made[node.GetID()] = yield from _turns(addPieces(node, pieces, geometry, f" ({_('brought back')})"))
    except BaseException:
        takeOut(result, made)
        raise
    return {nodeId: ids for nodeId, ids in made.items() if ids}


def bringBackAndMeasure(client, exam, folder, report, *, result, regions, onRead=None):
    """Bring removed regions back and measure all anew. A generator: one slow thing a turn.

    Parameters
    ----------
    client, exam, folder, report, result, onRead
        As for `measureflow.measureResult`.
    regions : sequence of dict
        Those of ``result.measures["removed"]`` that come back, told by ``centroid_lps``.

    Returns
    -------
    (SceneResult, dict)
        With the new measures, and what `takeOut` takes to undo it. When anything fails the segments are as before.
    """
    mammograms = exam.kind == "mammograms"
    images = [results.imageOf(node) if mammograms else exam.nodes[0] for node in result.nodes]
    grids = [fromnodes.geometryOf(image) for image in images]
    made = yield from bringBack(result, grids, regions)
    if not made:
        raise BadInput(
            _("The removed regions are no longer in the scene"), result.node.GetName(), _("Segment the exam again")
        )
    try:
        back = [tuple(row["centroid_lps"]) for row in regions]
        former = (result.measures or {}).get("removed", ())
        rest = [row for row in former if tuple(row.get("centroid_lps", ())) not in back]
        how = {"result": result, "removed": rest, "onRead": onRead}
        measured = yield from measureflow.measureResult(client, exam, folder, report, **how)
    except BaseException:
        takeOut(result, made)
        raise
    return measured, made


def takeOut(result, made):
    """Remove the segments that `bringBack` has added.

    Parameters
    ----------
    result : SceneResult
    made : dict of str to list of str
        What `bringBack` returned.
    """
    for node in result.nodes:
        removeSegments(node, made.get(node.GetID(), ()))


def _piecesOf(before, node, geometry, rows):
    """Return the regions of `before` that are in no segment of `node`, largest first."""
    left, labels = np.zeros(geometry.shape, bool), {}
    for segmentId in before.GetSegmentation().GetSegmentIDs():
        own, place = segmentvoxels.pieceOn(before, segmentId, geometry)
        if own is not None:
            left[place] |= own
        labels[segmentId] = (own, place, _termOf(before, segmentId))
        yield
    for segmentId in node.GetSegmentation().GetSegmentIDs():
        own, place = segmentvoxels.pieceOn(node, segmentId, geometry)
        if own is not None:
            left[place] &= ~own
        yield
    if not left.any():
        return []
    pieces = _split(left, geometry, rows)
    yield
    return [Piece(_termAt(piece, labels), *piece) for piece in pieces]


def _split(left, geometry, rows):
    """Return array, corner and side of the largest regions; of those that are reported, if any are."""
    import SimpleITK as sitk

    outer = boundingBox(left)
    image = sitk.ConnectedComponent(sitk.GetImageFromArray(left[outer].astype(np.uint8)), True)
    parts, shapes = sitk.GetArrayViewFromImage(image), sitk.LabelShapeStatisticsImageFilter()
    shapes.ComputePerimeterOff()
    shapes.Execute(image)
    toVoxel = np.linalg.inv(geometry.ijk_to_lps)
    known = [((toVoxel @ [*row["centroid_lps"], 1.0])[:3], row) for row in rows]
    found = []
    for number in shapes.GetLabels():
        x, y, z, width, height, depth = shapes.GetBoundingBox(number)
        corner = tuple(first + part.start for first, part in zip((z, y, x), outer))
        # The image has no spacing and no origin: its points are indices.
        centre = np.add(shapes.GetCentroid(number), [part.start for part in reversed(outer)])
        own = (parts[z : z + depth, y : y + height, x : x + width] == number).astype(np.uint8)
        near = [row for place, row in known if np.linalg.norm(place - centre) <= NEAR_VOXELS]
        found.append((own, corner, near[0].get("side") if near else None, bool(near)))
    # The user may have deleted a lesion since: that was not the clean-up.
    if any(piece[3] for piece in found):
        found = [piece for piece in found if piece[3]]
    found.sort(key=lambda piece: -int(piece[0].sum()))
    return [piece[:3] for piece in found[:MOST_SEGMENTS]]


def _termOf(before, segmentId):
    name = before.GetSegmentation().GetSegment(segmentId).GetName()
    return next((term for term, row in terms()["terms"].items() if name.startswith(row["name"])), "mass")


def _termAt(piece, labels):
    own, corner, _side = piece
    z, y, x = np.add(np.argwhere(own)[0], corner)
    for array, place, term in labels.values():
        inside = array is not None and all(part.start <= n < part.stop for part, n in zip(place, (z, y, x)))
        if inside and array[tuple(n - part.start for part, n in zip(place, (z, y, x)))]:
            return term
    return "mass"


def _turns(turns):
    while True:
        try:
            next(turns)
        except StopIteration as end:
            return end.value
        try:
            yield
        except BaseException:
            turns.close()
            raise

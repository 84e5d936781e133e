"""A lesion in the views: the slices through it, its diameters, its segment before the others."""

import slicer
import vtk

from . import diameternodes, examnodes, results, segmentvoxels, shownviews, viewlayout
from .companions import isThere

# Of the segments that are not chosen; the chosen one is drawn in full.
FAINT = 0.5
# Cosine of the angle, 1 degree, from which on a view and the acquired slices are no longer in one plane.
TILTED = 0.99985


def showLesion(exam, result, row, showImage=None, alone=True):
    """Show a lesion: the slice with its in-plane diameter, both diameters as lines, its segment before the others.

    Parameters
    ----------
    exam : SceneExam or SceneMammograms
    result : SceneResult
    row : dict
        A row of ``result.measures["lesions"]``.
    showImage : callable, optional
        ``showImage(place)`` shows a mammogram of the exam; by default it is shown alone.
    alone : bool
        Draw the other segments faintly.
    """
    place = placeOf(row)
    if exam.kind == "mammograms":
        view = int(row["view_index"])
        if not isThere(exam.nodes[view]):
            return
        if showImage is not None:
            showImage(view)
        else:
            shownviews.show([exam.nodes[view]], 0)
    elif place is not None:
        _intoAcquiredPlane(exam.reference)
        examnodes.jumpTo(place)
        centreThreeD(place)
    diameternodes.show(result, row, exam)
    highlight(exam, result, row if alone else None)


def _intoAcquiredPlane(node):
    """Turn the view that shows the acquired slices best into their very plane, where its diameters lie."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASDirectionMatrix(matrix)
    normal = [matrix.GetElement(row, 2) for row in range(3)]

    def along(sliceNode):
        own = sliceNode.GetSliceToRAS()
        return abs(sum(own.GetElement(row, 2) * part for row, part in enumerate(normal)))

    views = [view for view in slicer.util.getNodesByClass("vtkMRMLSliceNode") if not view.GetHideFromEditors()]
    if views and isThere(node):
        best = max(views, key=along)
        if along(best) < TILTED:
            best.RotateToVolumePlane(node)


def placeOf(row):
    """Return where the views go for a lesion (x, y, z; mm, LPS): the middle of its longest diameter in a slice.

    Its centre where no such diameter is known; None when nothing is.
    """
    ends = row.get("inplane_ends_lps")
    if ends:
        return [(a + b) / 2 for a, b in zip(*ends)]
    return row.get("centroid_lps")


def centreThreeD(placeLps):
    """Let all 3D views turn about a place (x, y, z; mm, LPS); direction and distance of the look stay."""
    x, y, z = placeLps
    target = (-x, -y, z)
    for camera in slicer.util.getNodesByClass("vtkMRMLCameraNode"):
        former, position = camera.GetFocalPoint(), camera.GetPosition()
        camera.SetFocalPoint(*target)
        camera.SetPosition(*(p + t - f for p, t, f in zip(position, target, former)))
        camera.ResetClippingRange()


def showTogether(exam, places):
    """Show two mammograms side by side.

    Parameters
    ----------
    exam : SceneMammograms
    places : (int, int)
        Which views of the exam.
    """
    viewlayout.showSideBySide([exam.nodes[place] for place in places])


def highlight(exam, result, row=None):
    """Draw the segment of a lesion in full and the others faintly; all in full without a lesion."""
    chosen = segmentOf(exam, result, row) if row is not None else (None, "")
    for node in result.nodes:
        if not isThere(node) or node.GetDisplayNode() is None:
            continue
        display = node.GetDisplayNode()
        wasModifying = display.StartModify()
        for segmentId in node.GetSegmentation().GetSegmentIDs():
            strong = not chosen[1] or (node is chosen[0] and segmentId == chosen[1])
            share = 1.0 if strong else FAINT
            display.SetSegmentOpacity2DOutline(segmentId, share)
            display.SetSegmentOpacity2DFill(segmentId, share)
            display.SetSegmentOpacity3D(segmentId, share)
        display.EndModify(wasModifying)


def nameLesions(exam, result):
    """Give the lesions that have no name the names of their segments: a run measures before there are any."""
    for row in (result.measures or {}).get("lesions", ()):
        node, segmentId = segmentOf(exam, result, row)
        if not row.get("name") and node is not None:
            row["name"] = node.GetSegmentation().GetSegment(segmentId).GetName()


def segmentOf(exam, result, row):
    """Return the node and the ID of the segment that a lesion is; (None, "") when it is in none any more.

    Parameters
    ----------
    exam : SceneExam or SceneMammograms
    result : SceneResult
    row : dict
    """
    nodes = [node for node in result.nodes if isThere(node)]
    if exam.kind == "mammograms":
        # All mammograms lie in one place.
        nodes = [node for node in nodes if results.imageOf(node) is exam.nodes[int(row["view_index"])]]
    ends = row.get("longest_ends_lps") or row.get("inplane_ends_lps")
    point = ends[0] if ends else row.get("centroid_lps")
    return segmentvoxels.segmentAt(nodes, point) if point else (None, "")

"""Regions that the user draws on mammograms: markups boxes and points, and what the worker is told of them."""

from dataclasses import dataclass

import numpy as np
import slicer

from ..errors import BadInput, BreastSegError
from . import examnodes, fromnodes, pixelregions
from .companions import isThere
from .mammogramnodes import viewTitle
from .texts import _

BOX, POINT = "vtkMRMLMarkupsROINode", "vtkMRMLMarkupsFiducialNode"
# Attributes: in use or not, the edge of a point's square in mm, and the name that the node was given.
USED, SIZE, NAME = "BreastSeg.RegionUsed", "BreastSeg.RegionSizeMm", "BreastSeg.RegionName"
# Node reference to the mammogram that a region was drawn on; boxes and points of the user's own have none.
ON = "BreastSegRegionOn"
DEFAULT_SIZE_MM = 40.0
# In percent of the view; Slicer's own dots and handles would cover a small mass.
DOT_SCALE, CROSS_SCALE, HANDLE_SCALE = 1.2, 3.0, 2.0
COLOR, CHOSEN_COLOR = (1.0, 0.85, 0.2), (0.3, 1.0, 0.6)


@dataclass(frozen=True)
class Region:
    """A box or a point in the scene that can be a region of an exam.

    Parameters
    ----------
    node : vtkMRMLMarkupsNode
    point : int
        Which control point; -1 for a box.
    place : int
        Which view of the exam it lies on.
    used : bool
        Whether the user wants the mass in it segmented.
    """

    node: object
    point: int
    place: int
    used: bool

    @property
    def name(self):
        """str: what people read."""
        if self.point < 0 or self.node.GetNumberOfControlPoints() == 1:
            return self.node.GetName()
        return self.node.GetNthControlPointLabel(self.point) or f"{self.node.GetName()} {self.point + 1}"


def addBox(exam, place):
    """Add a box that is not placed yet, for the view `place` of a `SceneMammograms`, and return its node."""
    node = _newNode(BOX, exam, place)
    display = node.GetDisplayNode()
    # The lesion stays as it is: no tint, no text over it, no handles that turn the box or leave the plane.
    display.SetFillVisibility(False)
    display.SetPropertiesLabelVisibility(False)
    display.SetPointLabelsVisibility(False)
    display.SetRotationHandleVisibility(False)
    display.SetTranslationHandleVisibility(False)
    display.SetInteractionHandleScale(HANDLE_SCALE)
    display.SetGlyphScale(DOT_SCALE)
    return node


def addPoint(exam, place, sizeMm=DEFAULT_SIZE_MM):
    """Add a point that is not placed yet, for the view `place`, with a square of `sizeMm` around it."""
    node = _newNode(POINT, exam, place)
    node.SetAttribute(SIZE, f"{sizeMm:g}")
    node.SetMaximumNumberOfControlPoints(1)
    display = node.GetDisplayNode()
    # A cross leaves the lesion visible.
    display.SetGlyphType(display.Cross2D)
    display.SetGlyphScale(CROSS_SCALE)
    display.SetPointLabelsVisibility(False)
    return node


def isPlaced(node):
    """Return whether the user has placed a box or point, and did not leave off half way."""
    if node.IsA(BOX):
        # While the second corner moves with the mouse a box looks complete.
        if isPlacing(node):
            return False
        return bool(node.GetControlPointPlacementComplete()) and sum(size > 0 for size in node.GetSize()) >= 2
    return node.GetNumberOfDefinedControlPoints() > 0


def startPlacing(node):
    """Let the user place `node` with the mouse, once."""
    # Not the markups logic's StartPlaceMode: whatever is active, it places points.
    selection, interaction = selectionNode(), interactionNode()
    selection.SetReferenceActivePlaceNodeClassName(node.GetClassName())
    selection.SetActivePlaceNodeID(node.GetID())
    interaction.SetPlaceModePersistence(False)
    interaction.SetCurrentInteractionMode(interaction.Place)


def stopPlacing():
    """Give the mouse back its usual meaning."""
    interaction = interactionNode()
    if isPlacing():
        interaction.SetCurrentInteractionMode(interaction.ViewTransform)


def isPlacing(node=None):
    """Return whether the mouse places markups at present; of `node`, whether it is the one that is placed."""
    interaction = interactionNode()
    placing = interaction.GetCurrentInteractionMode() == interaction.Place
    return placing and (node is None or selectionNode().GetActivePlaceNodeID() == node.GetID())


def selectionNode():
    """Return the node that tells what is placed."""
    return slicer.app.applicationLogic().GetSelectionNode()


def interactionNode():
    """Return the node that tells what the mouse does."""
    return slicer.app.applicationLogic().GetInteractionNode()


def regionsIn(exam):
    """Return the boxes and points that lie on the views of a `SceneMammograms`, and those that were drawn for them.

    Boxes and points that the user has made otherwise are not in use until the user says so.

    Returns
    -------
    list of Region
        By view, then as they were made.
    """
    found, geometries = [], geometriesOf(exam)
    for node in _candidates():
        for point in range(node.GetNumberOfControlPoints()) if node.IsA(POINT) else (-1,):
            if point >= 0 and node.GetNthControlPointPositionStatus(point) != node.PositionDefined:
                continue
            place = _placeOf(node, point, exam, geometries)
            if place is not None:
                found.append(Region(node, point, place, node.GetAttribute(USED) == "1"))
    return sorted(found, key=lambda region: region.place)


def regionJson(region, exam):
    """Return what the worker is told of a `Region`.

    Returns
    -------
    dict
        ``{"view": name, "box": [x0, y0, x1, y1]}`` (half-open), or ``{"view": name, "point": [x, y], "size_mm": n}``,
        in pixel indices of the view's image.

    Raises
    ------
    BadInput
        If it cannot be used: one line for the user.
    """
    node, view = region.node, exam.views[region.place]
    geometry = fromnodes.geometryOf(exam.nodes[region.place])
    title = f"{region.name}, {viewTitle(view)}"
    if region.point < 0:
        return {"view": view.name, "box": pixelregions.boxOf(worldPoints(node, -1), geometry, title)}
    point = pixelregions.pointOf(worldPoints(node, region.point)[0], geometry, title)
    if view.spacing is None:
        what = _("The pixel size of the image is unknown, so a point has no size in mm")
        raise BadInput(what, title, _("Draw a box instead, and remove the point"))
    return {"view": view.name, "point": point, "size_mm": sizeOf(node)}


def regionsOf(exam, nodes=None):
    """Return what the worker is told of the regions of an exam.

    Parameters
    ----------
    exam : SceneMammograms
    nodes : sequence of vtkMRMLMarkupsNode, optional
        Boxes and points to use; those in use by default.

    Returns
    -------
    list of dict
        See `regionJson`.

    Raises
    ------
    BadInput
        If a region cannot be used, or lies on another exam's image or on none.
    """
    found = regionsIn(exam)
    if nodes is None:
        return [regionJson(region, exam) for region in found if region.used]
    told = []
    for node in nodes:
        own = [region for region in found if region.node is node]
        if not own:
            what = _("The region does not lie on an image of this exam")
            raise BadInput(what, f"{node.GetName()}, {exam.name}", _("Draw it on one of its images"))
        told += [regionJson(region, exam) for region in own]
    return told


def sizeText(region, exam):
    """Return the size of a region for people; '' where it has none (its problem says why)."""
    try:
        told = regionJson(region, exam)
    except BreastSegError:
        return ""
    if "box" in told:
        return pixelregions.sizeText(told["box"], exam.views[region.place].spacing)
    return _("point, {size} mm").format(size=f"{told['size_mm']:g}")


def sizeOf(node):
    """Return the edge of the square around a point in mm."""
    try:
        return float(node.GetAttribute(SIZE) or DEFAULT_SIZE_MM)
    except ValueError:
        return DEFAULT_SIZE_MM


def setSize(node, sizeMm):
    """Set the edge of the square around a point in mm."""
    node.SetAttribute(SIZE, f"{sizeMm:g}")


def use(node, used):
    """Say whether the mass in a region shall be segmented."""
    node.SetAttribute(USED, "1" if used else "0")


def remove(region):
    """Remove a region from the scene; of several points in one node only the one."""
    if not isThere(region.node):
        return
    if region.point >= 0 and region.node.GetNumberOfControlPoints() > 1:
        region.node.RemoveNthControlPoint(region.point)
    else:
        removeNode(region.node)


def removeNode(node):
    """Remove a markups node with its display node."""
    if isThere(node):
        display = node.GetDisplayNode()
        slicer.mrmlScene.RemoveNode(node)
        if isThere(display):
            slicer.mrmlScene.RemoveNode(display)


def choose(node, chosen):
    """Show a region as the one that is chosen in the list and can be resized, or as one of the others."""
    display = node.GetDisplayNode()
    if display is not None and node.GetAttribute(NAME):
        display.SetSelectedColor(*(CHOSEN_COLOR if chosen else COLOR))
        display.SetHandlesInteractive(chosen and node.IsA(BOX))


def tidy(exam):
    """Lay drawn boxes and points flat into the one slice of their view, and name them after it."""
    geometries = geometriesOf(exam)
    for node in _candidates():
        place = _referenced(node, exam)
        if place is None or geometries[place] is None or not isPlaced(node):
            continue
        _flatten(node, geometries[place])
        given = node.GetAttribute(NAME)
        name = given and _named(exam, place, given.rsplit(" ", 1)[-1])
        if given and name != given and node.GetName() == given:
            node.SetName(name)
            node.SetAttribute(NAME, name)


def worldPoints(node, point):
    """Return points of a region in the world, (n, 3), mm, RAS: the eight corners of a box, or the control point."""
    if point >= 0:
        return np.array([node.GetNthControlPointPositionWorld(point)])
    corners = pixelregions.cornersOf(node.GetSize())
    toNode = slicer.util.arrayFromVTKMatrix(node.GetObjectToNodeMatrix())
    corners = corners @ toNode[:3, :3].T + toNode[:3, 3]
    world, turned = [0.0] * 3, []
    for corner in corners:
        node.TransformPointToWorld(corner, world)
        turned.append(tuple(world))
    return np.array(turned)


def geometriesOf(exam):
    """Return the grid of each view in the world; None where its node cannot be used."""
    geometries = []
    for node in exam.nodes:
        try:
            geometries.append(fromnodes.geometryOf(node) if isThere(node) else None)
        except BreastSegError:
            geometries.append(None)
    return geometries


def _newNode(className, exam, place):
    number = 1
    while slicer.mrmlScene.GetFirstNodeByName(_named(exam, place, number)) is not None:
        number += 1
    name = _named(exam, place, number)
    node = slicer.modules.markups.logic().AddNewMarkupsNode(className, name)
    node.SetAttribute(NAME, name)
    node.SetNodeReferenceID(ON, exam.nodes[place].GetID())
    use(node, True)
    display = node.GetDisplayNode()
    display.SetColor(*COLOR)
    display.SetSelectedColor(*COLOR)
    display.SetActiveColor(*CHOSEN_COLOR)
    display.SetVisibility3D(False)
    examnodes.putBeside(node, exam.nodes[place])
    return node


def _named(exam, place, number):
    # The number comes last in every language: it is read back from the name.
    return _("{exam} {view} region").format(exam=exam.name, view=exam.views[place].name) + f" {number}"


def _candidates():
    found = [*slicer.util.getNodesByClass(BOX), *slicer.util.getNodesByClass(POINT)]
    return [node for node in found if not node.GetHideFromEditors() and isPlaced(node)]


def _referenced(node, exam):
    own = node.GetNodeReferenceID(ON)
    return next((place for place, view in enumerate(exam.nodes) if own and view.GetID() == own), None)


def _placeOf(node, point, exam, geometries):
    """Return the view that a box or point was drawn for, else the nearest one that it cuts, else None."""
    place = _referenced(node, exam)
    if place is not None:
        return place if geometries[place] is not None else None
    points = worldPoints(node, point)
    cut = [
        (pixelregions.distanceTo(points, geometry), place)
        for place, geometry in enumerate(geometries)
        if geometry is not None and pixelregions.cuts(points, geometry)
    ]
    return min(cut)[1] if cut else None


def _flatten(node, geometry):
    """Move a box or point into the plane of its view, along the normal; a box becomes as thick as the slice."""
    normal = geometry.matrix[:, 2] * (-1, -1, 1)
    middle = worldPoints(node, -1 if node.IsA(BOX) else 0).mean(axis=0)
    depth = float(np.dot(normal, np.array([-1, -1, 1]) * geometry.origin - middle))
    moved = middle + depth * normal
    if node.IsA(POINT):
        if abs(depth) > pixelregions.TOLERANCE:
            node.SetNthControlPointPositionWorld(0, *moved)
        return
    axes = slicer.util.arrayFromVTKMatrix(node.GetObjectToWorldMatrix())[:3, :3]
    across = np.abs(axes.T @ normal)
    # A box that was turned out of the plane by hand is used by its bounding box, as it is.
    flat = int(across.argmax())
    size = list(node.GetSize())
    if across[flat] > 0.999 and abs(size[flat] - geometry.spacing[2]) > pixelregions.TOLERANCE:
        size[flat] = geometry.spacing[2]
        node.SetSize(*size)
    if abs(depth) > pixelregions.TOLERANCE:
        node.SetCenterWorld(*moved)

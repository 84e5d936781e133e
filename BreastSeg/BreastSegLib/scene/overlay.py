"""Maps of a run over the images of an exam: which ones are there, and which one is shown in the foreground.

What the user wants to see over the images is kept in the selection node, so that every view shows it over each phase
or mammogram that has such a map, whoever changes the image below.
"""

import slicer

# Attributes of a map's node: what it shows, and the model that made it.
MAP, MODEL = "BreastSeg.Map", "BreastSeg.model.name"
# Node references of a map: the images that it belongs to.
IMAGES = "BreastSegMapImages"
WISH = "BreastSeg.MapOverImages"
OPACITY = 0.5
# Attribute of a map: how strong it lies over the images at first, where that is another figure.
STRENGTH = "BreastSeg.MapOpacity"


def mapsOf(images):
    """Return the maps in the scene that belong to one of `images`, in the order in which they came.

    Parameters
    ----------
    images : sequence of vtkMRMLScalarVolumeNode

    Returns
    -------
    list of vtkMRMLScalarVolumeNode
    """
    ids = {image.GetID() for image in images}
    return [node for node in allMaps() if ids & set(imageIds(node))]


def allMaps():
    """Return all maps in the scene."""
    return [node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if node.GetAttribute(MAP)]


def imageIds(node):
    """Return the IDs of the images that a map belongs to, as far as they are in the scene."""
    count = node.GetNumberOfNodeReferences(IMAGES)
    found = [node.GetNthNodeReference(IMAGES, place) for place in range(count)]
    return [image.GetID() for image in found if image is not None and image.GetScene() is not None]


def keyOf(node):
    """Return what a map shows, and the model that made it."""
    return node.GetAttribute(MAP), node.GetAttribute(MODEL) or ""


def chosen():
    """Return the key of the maps that the user wants to see over the images; None for no map."""
    kind, _, model = (_selectionNode().GetAttribute(WISH) or "").partition(" ")
    return (kind, model) if kind else None


def choose(key):
    """Show the maps of a key (see `keyOf`) over their images, half transparent, in all views; None shows none."""
    if key is None:
        _selectionNode().RemoveAttribute(WISH)
    else:
        _selectionNode().SetAttribute(WISH, " ".join(key))
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        wasShown = _isMap(composite.GetForegroundVolumeID())
        follow(composite)
        if _isMap(composite.GetForegroundVolumeID()):
            composite.SetForegroundOpacity(_opacityOf(composite.GetForegroundVolumeID()))
        elif wasShown:
            composite.SetForegroundOpacity(0.0)


def followAll():
    """Show over the image of each view what the user has chosen: maps came or went."""
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        follow(composite)


def follow(composite):
    """Show over the image of one view what the user has chosen; what is no map of ours stays unless a map comes.

    Parameters
    ----------
    composite : vtkMRMLSliceCompositeNode
    """
    over, former = _mapOver(composite.GetBackgroundVolumeID()), composite.GetForegroundVolumeID()
    if over is None:
        if _isMap(former):
            composite.SetForegroundVolumeID(None)
            _refreshLegends(former)
        return
    composite.SetForegroundVolumeID(over.GetID())
    if composite.GetForegroundOpacity() <= 0:
        composite.SetForegroundOpacity(_opacityOf(over.GetID()))
    if former != over.GetID():
        _refreshLegends(former)
        _refreshLegends(over.GetID())


def _mapOver(imageId):
    """Return the chosen map of an image, the latest one; None when there is none."""
    wanted = chosen()
    if wanted is None or not imageId:
        return None
    found = [node for node in allMaps() if keyOf(node) == wanted and imageId in imageIds(node)]
    return found[-1] if found else None


def _refreshLegends(nodeId):
    """Let the views draw the legends of a map anew: they do not see that an image comes or goes."""
    node = slicer.mrmlScene.GetNodeByID(nodeId) if nodeId else None
    for place in range(1, node.GetNumberOfDisplayNodes() if node is not None and _isMap(nodeId) else 0):
        if node.GetNthDisplayNode(place) is not None:
            node.GetNthDisplayNode(place).Modified()


def _opacityOf(nodeId):
    return float(slicer.mrmlScene.GetNodeByID(nodeId).GetAttribute(STRENGTH) or OPACITY)


def _isMap(nodeId):
    node = slicer.mrmlScene.GetNodeByID(nodeId) if nodeId else None
    return node is not None and bool(node.GetAttribute(MAP))


def _selectionNode():
    return slicer.app.applicationLogic().GetSelectionNode()

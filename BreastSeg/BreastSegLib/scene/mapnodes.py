"""The maps of a run as volume nodes: chance of a lesion, disagreement of folds, uncertainty."""

from dataclasses import dataclass

import numpy as np
import slicer

from ..errors import BadInput
from . import examnodes, overlay
from .companions import isThere
from .texts import _


@dataclass(frozen=True)
class MapKind:
    """How a map is shown.

    Parameters
    ----------
    top : float
        Highest value that a voxel can have.
    colors : str
        ID of one of Slicer's own colour tables.
    """

    top: float
    colors: str


# By the name of the array in the worker's answer. Different colours, so that nobody takes one for the other, or for
# the red of a segmented lesion.
KINDS = {
    "probabilities": MapKind(1.0, "vtkMRMLColorTableNodeIron"),
    "disagreement": MapKind(0.5, "vtkMRMLColorTableNodeWarm2"),
    "entropy": MapKind(1.0, "vtkMRMLColorTableNodeOcean"),
}
# Below this share of the highest value nothing is drawn: the image stays as it is where the model sees nothing.
FLOOR = 0.05


def titleOf(key):
    """Return what people read for a map."""
    titles = {
        "probabilities": _("Chance of a lesion"),
        "disagreement": _("Disagreement"),
        "entropy": _("Uncertainty"),
    }
    return titles.get(key, key)


def nodeName(key, image, model):
    """Return the node name of a map, such as ``Exam 1 chance of a lesion (demo-dce)``."""
    names = {
        "probabilities": _("{image} chance of a lesion ({model})"),
        "disagreement": _("{image} disagreement ({model})"),
        "entropy": _("{image} uncertainty ({model})"),
    }
    return names[key].format(image=image, model=model)


def legendOf(key):
    """Return the sentences that say what the colours of a map mean."""
    legends = {
        "probabilities": _("The brighter, the likelier a lesion: from {low} to 1."),
        "disagreement": _("The yellower, the more folds or models disagree: standard deviation from {low} to 0.5."),
        "entropy": _("The lighter the blue, the less certain: from {low} to 1, which is as good as a coin toss."),
    }
    low = f"{FLOOR * KINDS[key].top:.2g}"
    return " ".join([legends[key].format(low=low), _("Nothing is drawn below.")])


def addMaps(answer, geometry, images, reference, *, name, model, provenance):
    """Add a volume node for each map that a run has made, beside an image. A generator: one slow thing a turn.

    Parameters
    ----------
    answer : dict
        The worker's answer, or its row of a mammogram: paths of the arrays by their kind.
    geometry : Geometry
        The grid of the arrays, in the world.
    images : sequence of vtkMRMLScalarVolumeNode
        What the maps belong to: the phases of an exam, or one mammogram.
    reference : vtkMRMLScalarVolumeNode
        One of `images`; the maps lie beside it in the subject hierarchy.
    name : str
        What the node names begin with.
    model : str
        Name of the model.
    provenance : dict of str to str
        Written as node attributes ``BreastSeg.<key>``.

    Yields
    ------
    str
        What was done.

    Returns
    -------
    list of vtkMRMLScalarVolumeNode
        In no view yet. If the generator is closed or fails before its end, the nodes made so far are removed.

    Raises
    ------
    BadInput
        If an array is not on that grid.
    """
    made = []
    try:
        for key, kind in KINDS.items():
            if not answer.get(key):
                continue
            array = np.load(answer[key], mmap_mode="r")
            title = nodeName(key, name, model)
            if array.shape != geometry.shape:
                raise BadInput(_("The map has another size than the image"), title, _("Load the exam again"))
            node = _emptyNode(kind, title, geometry, reference)
            made.append(node)
            for attribute, value in provenance.items():
                node.SetAttribute(f"BreastSeg.{attribute}", str(value))
            node.SetAttribute(overlay.MODEL, model)
            node.SetAttribute(overlay.MAP, key)
            for image in images:
                node.AddNodeReferenceID(overlay.IMAGES, image.GetID())
            yield "node"
            examnodes.setVoxels(node, array)
            yield "voxels"
    except BaseException:
        # GeneratorExit included: a cancelled run leaves nothing half done behind.
        remove(made)
        raise
    return made


def replaceFormer(made, images, model):
    """Remove what an earlier run of a model has left of maps of `images`; the new ones take their names and places.

    Parameters
    ----------
    made : sequence of vtkMRMLScalarVolumeNode
        The maps of the latest run, which may be none.
    images : sequence of vtkMRMLScalarVolumeNode
    model : str
    """
    former = [node for node in overlay.mapsOf(images) if node not in made and overlay.keyOf(node)[1] == model]
    names = {overlay.keyOf(node) + tuple(overlay.imageIds(node)[:1]): node.GetName() for node in former}
    remove(former)
    for node in made:
        kept = names.get(overlay.keyOf(node) + tuple(overlay.imageIds(node)[:1]))
        if kept:
            node.SetName(kept)
    _showNoneOther(made, model)
    overlay.followAll()


def _showNoneOther(made, model):
    """What another model saw must not lie over the new mask; the same map of this model takes its place, if made."""
    shown = overlay.chosen()
    if shown is None or shown[1] == model:
        return
    own = (shown[0], model)
    overlay.choose(own if own in [overlay.keyOf(node) for node in made] else None)


def remove(nodes):
    """Remove maps with their display nodes, as far as they are still in the scene."""
    for node in nodes:
        if not isThere(node):
            continue
        display = node.GetDisplayNode()
        slicer.mrmlScene.RemoveNode(node)
        if isThere(display):
            slicer.mrmlScene.RemoveNode(display)


def _emptyNode(kind, title, geometry, reference):
    name = slicer.mrmlScene.GenerateUniqueName(title) if slicer.mrmlScene.GetFirstNodeByName(title) else title
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(geometry.ijk_to_ras))
    display = examnodes.addDisplay(node, (kind.top, kind.top / 2))
    display.SetAndObserveColorNodeID(kind.colors)
    display.SetInterpolate(True)
    display.SetAutoThreshold(False)
    # A little above the top: rounding must not hide the highest voxels.
    display.SetThreshold(FLOOR * kind.top, 1.01 * kind.top)
    display.SetApplyThreshold(True)
    examnodes.putBeside(node, reference)
    return node

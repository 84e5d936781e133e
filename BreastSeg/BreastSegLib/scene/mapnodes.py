"""Maps as volume nodes: those of a run (chance of a lesion, disagreement, uncertainty), and those of kinetics."""

from dataclasses import dataclass

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ..errors import BadInput
from . import examnodes, mapcolors, overlay
from .companions import isThere
from .texts import _


@dataclass(frozen=True)
class MapKind:
    """How a map is shown.

    Parameters
    ----------
    top : float
        Highest value that is told from others.
    colors : str
        ID of one of Slicer's own colour tables; '' for those of `mapcolors`.
    low : float
        Where the window begins.
    floor : float
        Below, nothing is drawn: the image stays as it is.
    ceiling : float
        Highest value that is drawn.
    smooth : bool
        Whether views interpolate between voxels: not where a colour is a class.
    """

    top: float
    colors: str
    low: float
    floor: float
    ceiling: float
    smooth: bool = True


# Below this share of the highest value nothing is drawn where a model sees nothing.
FLOOR = 0.05
# What no voxel reaches.
NO_CEILING = 1e9


def _runKind(top, colors):
    # A little above the top: rounding must not hide the highest voxels.
    return MapKind(top, colors, 0.0, FLOOR * top, 1.01 * top)


def _kineticKind(key, smooth):
    (low, top), floor = mapcolors.rules()[key]["window"], mapcolors.rules()[key]["floor"]
    return MapKind(top, "", low, floor, NO_CEILING, smooth)


# By the name of the array in the worker's answer. Different colours, so that nobody takes one for the other, or for
# the red of a segmented lesion.
RUN_KINDS = {
    "probabilities": _runKind(1.0, "vtkMRMLColorTableNodeIron"),
    "disagreement": _runKind(0.5, "vtkMRMLColorTableNodeWarm2"),
    "entropy": _runKind(1.0, "vtkMRMLColorTableNodeOcean"),
}
KINETIC_KINDS = {key: _kineticKind(key, key == "pe") for key in ("pe", "ser", "types")}
KINDS = {**RUN_KINDS, **KINETIC_KINDS}
# Maps of kinetics come from the exam alone.
NO_MODEL = ""


def titleOf(key):
    """Return what people read for a map."""
    titles = {
        "probabilities": _("Chance of a lesion"),
        "disagreement": _("Disagreement"),
        "entropy": _("Uncertainty"),
        "pe": _("Enhancement (PE)"),
        "ser": _("Enhancement ratio (SER)"),
        "types": _("Curve types"),
    }
    return titles.get(key, key)


def nodeName(key, image, model):
    """Return the node name of a map, such as ``Exam 1 chance of a lesion (demo-dce)``."""
    names = {
        "probabilities": _("{image} chance of a lesion ({model})"),
        "disagreement": _("{image} disagreement ({model})"),
        "entropy": _("{image} uncertainty ({model})"),
        "pe": _("{image} enhancement"),
        "ser": _("{image} enhancement ratio"),
        "types": _("{image} curve types"),
    }
    return names[key].format(image=image, model=model)


def legendOf(key):
    """Return the sentences that say what the colours of a map mean."""
    legends = {
        "probabilities": _("The brighter, the likelier a lesion: from {low} to 1."),
        "disagreement": _("The yellower, the more folds or models disagree: standard deviation from {low} to 0.5."),
        "entropy": _("The lighter the blue, the less certain: from {low} to 1, which is as good as a coin toss."),
        "pe": _("The brighter, the stronger the early enhancement: from {low} % (blue) to 200 % and more (yellow)."),
        "ser": _("Blue below 0.9: the signal still rises. Green 0.9 to 1.1: plateau. Red above 1.1: wash-out."),
        "types": _("Blue: persistent. Green: plateau. Red: wash-out."),
    }
    none = {
        "ser": _("Nothing is drawn where too little enhances for a curve type."),
        "types": _("Nothing is drawn where the enhancement is too low."),
    }
    text = legends[key].format(low=f"{KINDS[key].floor:.2g}")
    return " ".join([text, none.get(key, _("Nothing is drawn below."))])


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
            node = _emptyNode(key, kind, title, geometry, reference)
            made.append(node)
            for attribute, value in provenance.items():
                node.SetAttribute(f"BreastSeg.{attribute}", str(value))
            node.SetAttribute(overlay.MODEL, model)
            node.SetAttribute(overlay.MAP, key)
            for image in images:
                node.AddNodeReferenceID(overlay.IMAGES, image.GetID())
            yield "node"
            _setVoxels(node, array)
            yield "voxels"
    except BaseException:
        # GeneratorExit included: a cancelled run leaves nothing half done behind.
        remove(made)
        raise
    return made


def replaceFormer(made, images, model, kinds=RUN_KINDS):
    """Remove what an earlier run of a model has left of maps of `images`; the new ones take their names and places.

    Parameters
    ----------
    made : sequence of vtkMRMLScalarVolumeNode
        The maps of the latest run, which may be none.
    images : sequence of vtkMRMLScalarVolumeNode
    model : str
    kinds : container of str
        Maps of other kinds stay.
    """
    wanted = [(kind, model) for kind in kinds]
    former = [node for node in overlay.mapsOf(images) if node not in made and overlay.keyOf(node) in wanted]
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
    if shown is None or shown[1] in (model, NO_MODEL):
        return
    own = (shown[0], model)
    overlay.choose(own if own in [overlay.keyOf(node) for node in made] else None)


def remove(nodes):
    """Remove maps with their display nodes and legends, as far as they are still in the scene."""
    for node in nodes:
        if not isThere(node):
            continue
        displays = [node.GetNthDisplayNode(place) for place in range(node.GetNumberOfDisplayNodes())]
        slicer.mrmlScene.RemoveNode(node)
        for display in filter(isThere, displays):
            slicer.mrmlScene.RemoveNode(display)
    mapcolors.removeUnused()


def _emptyNode(key, kind, title, geometry, reference):
    name = slicer.mrmlScene.GenerateUniqueName(title) if slicer.mrmlScene.GetFirstNodeByName(title) else title
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(geometry.ijk_to_ras))
    display = examnodes.addDisplay(node, (kind.top - kind.low, (kind.top + kind.low) / 2))
    display.SetAndObserveColorNodeID(kind.colors or mapcolors.colorNode(key).GetID())
    display.SetInterpolate(kind.smooth)
    display.SetAutoThreshold(False)
    display.SetThreshold(kind.floor, kind.ceiling)
    display.SetApplyThreshold(True)
    if not kind.colors:
        mapcolors.addLegend(node, key)
        node.SetAttribute(overlay.STRENGTH, str(mapcolors.rules()[key]["opacity"]))
    examnodes.putBeside(node, reference)
    return node


def _setVoxels(node, array):
    """Copy a map into its node; classes keep one byte for each voxel."""
    if array.dtype != np.uint8:
        examnodes.setVoxels(node, array)
        return
    image = vtk.vtkImageData()
    image.SetDimensions(array.shape[2], array.shape[1], array.shape[0])
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    vtk_to_numpy(image.GetPointData().GetScalars()).reshape(array.shape)[:] = array
    node.SetAndObserveImageData(image)

"""The masks of mammograms as segmentation nodes, each over its own view, and their lesions."""

import numpy as np

from ..errors import BadInput
from ..inference.resultarrays import load_array
from ..volume import Geometry
from . import fromnodes, mammogramnodes, mapnodes, results, segmentationnode
from .companions import isThere
from .texts import _

SIDES = {"L": "left", "R": "right"}


def addResults(rows, exam, labels, provenance, model=""):
    """Add one segmentation node for each view that was segmented. A generator: each turn does one slow thing.

    Where the clean-up changed a mask, a hidden node beside it shows what it was before.

    Parameters
    ----------
    rows : sequence of dict
        ``views`` of the worker's answer.
    exam : SceneMammograms
    labels : dict of int to str
        Terminology term of each label value.
    provenance : dict of str to str
        Written as node attributes; ``Number`` is which run on the exam it was.
    model : str
        Name of the model, for the names of nodes.

    Yields
    ------
    int
        Number of views that are done.

    Returns
    -------
    nodes : list of vtkMRMLSegmentationNode
        One for each row.
    lesions : list of dict
        See `SceneResult`.
    maps : list of vtkMRMLScalarVolumeNode
        Of all views, see `mapnodes.addMaps`.

    If the generator is closed or fails before its end, the nodes made so far are removed.
    """
    nodes, hidden, lesions, maps = [], [], [], []
    try:
        for row in rows:
            place, own = int(row["index"]), Geometry.from_json(row["geometry"])
            node, view = exam.nodes[place], exam.views[place]
            mask, geometry = _maskOf(row, own, node)
            found = lesionsOf(row.get("components", ()), view, place, own, geometry)
            yield len(nodes)
            turns = segmentationnode.addSegmentation(
                mask,
                geometry,
                node,
                name=results.nodeName(node.GetName(), provenance.get("Number", 1), model),
                labels=labels,
                components=found,
                provenance=provenance,
                surface=False,
            )
            nodes.append((yield from _counted(turns, len(nodes))))
            if row.get("raw"):
                raw = load_array(row["raw"], mask.shape, mapped=True)
                turns = segmentationnode.addBeforeCleanup(raw, mask, nodes[-1], geometry, node, labels)
                hidden.append((yield from _counted(turns, len(nodes))))
            named = {"name": node.GetName(), "model": model, "provenance": provenance}
            turns = mapnodes.addMaps(row, geometry, [node], node, **named)
            maps += yield from _counted(turns, len(nodes))
            lesions += [{**lesion, "image": node} for lesion in found]
            yield len(nodes)
    except BaseException:
        # GeneratorExit included: a cancelled run leaves nothing half done behind.
        for made in (*nodes, *hidden):
            segmentationnode.remove(made)
        mapnodes.remove(maps)
        raise
    return nodes, lesions, maps


def _maskOf(row, own, node):
    """Return the mask of one view and the geometry of its image, after checking that they fit."""
    if not isThere(node):
        what = _("The image was removed from the scene meanwhile")
        raise BadInput(what, node.GetName(), _("Load the exam again"))
    geometry = fromnodes.geometryOf(node)
    mask = load_array(row["mask"], own.shape, mapped=True)
    if mask.shape != geometry.shape:
        raise BadInput(_("The mask has another size than the image"), node.GetName(), _("Load the exam again"))
    return mask, geometry


def lesionsOf(components, view, place, own, geometry):
    """Return the lesions of one view, largest first, where they lie in the scene.

    Parameters
    ----------
    components : sequence of dict
        As the worker reports them: ``voxels``, ``area_mm2`` (None where the pixel size is unknown), ``centroid_lps``
        in the space of `own`, ``side``.
    view : View
    place : int
        Which view of the exam it is.
    own, geometry : Geometry
        The image's grid as the worker knows it, and in the scene.
    """
    toScene = geometry.ijk_to_lps @ np.linalg.inv(own.ijk_to_lps)
    rows = []
    for component in sorted(components, key=lambda row: -row["voxels"]):
        centre = (toScene @ [*component["centroid_lps"], 1.0])[:3]
        row = {
            **component,
            "centroid_lps": [float(value) for value in centre],
            # One image shows one breast: what is known of the view decides, also after a correction by hand.
            "side": SIDES.get(view.laterality) or component.get("side"),
            "place": place,
            "title": mammogramnodes.viewTitle(view),
        }
        rows.append(row)
    return rows


def _counted(turns, done):
    while True:
        try:
            next(turns)
        except StopIteration as end:
            return end.value
        try:
            yield done
        except BaseException:
            turns.close()
            raise

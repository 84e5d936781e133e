"""Which segmentations lie on an exam, how they are told apart, and what belongs to each."""

import slicer

from . import examnodes, overlay
from .companions import isThere
from .sceneexam import SceneResult
from .segmentationnode import BEFORE, BEFORE_ROLE, FILL_OPACITY, NUMBER, RESULT
from .texts import _

# Key of results that no run has made.
DRAWN = "drawn"


def resultsOf(exam, known=()):
    """Return all segmentations on an exam, each with what is known of it, in the order in which they came.

    Parameters
    ----------
    exam : SceneExam, SceneMammograms or None
    known : sequence of SceneResult
        What runs and measurements have told of segmentations; they are kept as long as one of their nodes is in the
        scene, and the others are forgotten.

    Returns
    -------
    list of SceneResult
        Those that nobody has measured yet have no ``measures``. For mammograms, the nodes of one run are one result,
        and so are those that were drawn or loaded, one for each image.
    """
    if exam is None:
        return []
    found = {}
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        if not isOnExam(node, exam):
            continue
        held = next((result for result in known if node in result.nodes and result.measures), None)
        if held is not None:
            found[id(held)] = held
            continue
        key = _keyOf(node, exam, found)
        before = found[key].nodes if key in found else ()
        found[key] = SceneResult((*before, node)[0], (), (), {}, {}, (*before, node))
    # What is as before stays the same object.
    return [next((one for one in known if one.nodes == made.nodes), made) for made in found.values()]


def isOnExam(node, exam):
    """Return whether a segmentation was drawn on an exam, or lies where the exam is and on no other image.

    What was before a clean-up, and outlines that belong to other tools of the panel, are no results.
    """
    if node.GetHideFromEditors() or node.GetAttribute(examnodes.COMPANION) or node.GetAttribute(BEFORE):
        return False
    image = node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())
    if image is not None and image in exam.nodes:
        return True
    if exam.kind == "mammograms":
        # Mammograms lie in one place: only the image tells which one it is.
        return False
    if image is not None and image.GetAttribute("BreastSeg.Role") and image is not exam.companions.overTime:
        # A phase: of another exam, or of this one and left out.
        return examnodes.folderName(image) == exam.name
    return _overlaps(node, exam.reference)


def titleOf(result, exam):
    """Return the name of a result for people: its node's without the exam's, or the images that it lies on."""
    nodes = [node for node in result.nodes if isThere(node)]
    if not nodes:
        return ""
    names = [node.GetName() for node in nodes]
    if exam.kind != "mammograms":
        return _without(names[0], exam.name)
    images = [_without(imageOf(node).GetName(), exam.name) for node in nodes if imageOf(node) is not None]
    own = [
        _without(name, imageOf(node).GetName()) if imageOf(node) is not None else name
        for name, node in zip(names, nodes)
    ]
    return f"{own[0]}: {', '.join(images)}" if images else own[0]


def isShown(result):
    """Return whether one of a result's nodes is shown in the views."""
    return any(node.GetDisplayNode() is not None and node.GetDisplayNode().GetVisibility() for node in result.nodes)


def show(result, shown):
    """Show a result in the views, or hide it."""
    for node in result.nodes:
        if isThere(node) and node.GetDisplayNode() is not None:
            node.GetDisplayNode().SetVisibility(bool(shown))


def emphasise(found, chosen):
    """Fill the segments of the chosen result; of other runs' only the outlines are drawn, if they are shown.

    What was drawn by hand or loaded looks as its owner wants.

    Parameters
    ----------
    found : sequence of SceneResult
    chosen : SceneResult
    """
    for result in found:
        for node in filter(isThere, result.nodes):
            if node.GetAttribute(RESULT) and node.GetDisplayNode() is not None:
                node.GetDisplayNode().SetOpacity2DFill(FILL_OPACITY if result is chosen else 0.0)


def beforeOf(node):
    """Return the hidden segmentation of what a result was before its clean-up; None when there is none."""
    before = node.GetNodeReference(BEFORE_ROLE)
    return before if isThere(before) else None


def chanceOf(node, exam):
    """Return the map of the chance of a lesion that the model of a segmentation has left in the scene, or None."""
    image, model = imageOf(node), node.GetAttribute(overlay.MODEL)
    images = [image] if exam.kind == "mammograms" and image is not None else list(exam.nodes)
    maps = [one for one in overlay.mapsOf(images) if overlay.keyOf(one) == ("probabilities", model)]
    return maps[-1] if model and maps else None


def nextNumber(exam):
    """Return the number of the next run on an exam: one more than the highest of those in the scene."""
    numbers = [0]
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        text = node.GetAttribute(NUMBER)
        if text and text.isdigit() and imageOf(node) in exam.nodes:
            numbers.append(int(text))
    return max(numbers) + 1


def nodeName(image, number, model):
    """Return the name of a result's node, such as ``Exam 1 segmentation 2 (demo-dce)``.

    Parameters
    ----------
    image : str
        Name of the exam, or of the mammogram.
    number : int
        Which run on the exam it is.
    model : str
        Name of the model.
    """
    return _("{image} segmentation {number} ({model})").format(image=image, number=number, model=model)


def imageOf(node):
    """Return the image that a segmentation was made on; None when it is gone or was none."""
    return node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())


def _keyOf(node, exam, found):
    """Return what nodes have in common that are one result: the run, or that each is drawn on another mammogram."""
    if exam.kind != "mammograms":
        return node.GetID()
    run = node.GetAttribute("BreastSeg.id")
    if run:
        return run, node.GetAttribute(NUMBER)
    drawn = [key for key in found if isinstance(key, tuple) and key[0] == DRAWN]
    free = [key for key in drawn if imageOf(node) not in map(imageOf, found[key].nodes)]
    return free[0] if free else (DRAWN, node.GetID())


def _without(name, start):
    rest = name[len(start) :].strip() if name.startswith(start) else ""
    return rest[0].upper() + rest[1:] if rest else name


def _overlaps(node, image):
    own, its = [0.0] * 6, [0.0] * 6
    if node.GetSegmentation().GetNumberOfSegments() == 0:
        return False
    node.GetRASBounds(own)
    image.GetRASBounds(its)
    pairs = zip(own[0::2], own[1::2], its[0::2], its[1::2])
    return all(low <= high and low < top and bottom < high for low, high, bottom, top in pairs)

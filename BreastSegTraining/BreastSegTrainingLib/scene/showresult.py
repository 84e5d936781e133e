"""An evaluated case in the scene: what the network saw, the reference mask, and what was predicted."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from BreastSegLib.errors import BreastSegError
from BreastSegLib.inference.childcommand import answer_of
from BreastSegLib.inference.messages import to_exception
from BreastSegLib.reports.terminology import terminology_entry
from BreastSegLib.scene import examnodes, fromnodes, segmentationnode, viewlayout
from BreastSegLib.scene.texts import _

from . import loadcase, plotlayout

TERM = "mass"
# As on the evaluation's page; told apart with any colour vision.
TRUTH_COLOUR, PREDICTION_COLOUR = (1.0, 0.85, 0.10), (0.25, 0.65, 1.0)
OUTLINE = 2


@dataclass(frozen=True)
class ShownCase:
    """An evaluated case that is in the scene.

    Parameters
    ----------
    name : str
        The case's name in the dataset.
    exam : SceneExam
        Its channels.
    truth, prediction : vtkMRMLSegmentationNode
    """

    name: str
    exam: object
    truth: object
    prediction: object

    @property
    def there(self):
        """bool: whether its nodes are still in the scene."""
        nodes = (self.truth, self.prediction, self.exam.reference)
        return all(node is not None and node.GetScene() is not None for node in nodes)


def showResult(session, makeCommand, name, files, report):
    """Read a case's channels and masks and show them over each other. A generator.

    Parameters
    ----------
    session : BreastSegLib.scene.session.Session
        Whose worker reads the images.
    makeCommand : callable
        Returns the child process of a verb, not started.
    name : str
    files : CaseFiles
    report : callable
        ``report(stage, done, total, eta_s)``.

    Returns
    -------
    ShownCase

    Raises
    ------
    BreastSegError
        If a file cannot be read; nothing of the case stays in the scene then.
    """
    # Without images the reference mask itself is better to look at than nothing.
    source = {"channels": [str(path) for path in files.images or (files.truth,)]}
    exam = yield from session.readExam(source, report)
    made, folder = [], tempfile.mkdtemp(prefix="breastseg-result-")
    try:
        for path, colour, title in (
            (files.truth, TRUTH_COLOUR, _("{name} reference")),
            (files.prediction, PREDICTION_COLOUR, _("{name} prediction")),
        ):
            report(_("Reading the masks"), 0, 0, None)
            mask = yield from _maskOf(makeCommand, path, exam, Path(folder) / f"{len(made)}.npy")
            node = yield from _outlineOf(mask, exam, title.format(name=name), colour)
            made.append(node)
    except BaseException:
        # GeneratorExit included: a cancelled load leaves nothing half done behind.
        for node in made:
            segmentationnode.remove(node)
        loadcase.forget(session, exam)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return ShownCase(name, exam, *made)


def show(shown):
    """Show a case in the views, at its lesion; when it has none, at what was predicted."""
    volume = shown.exam.reference
    plotlayout.leave()
    if min(volume.GetImageData().GetDimensions()) == 1:
        viewlayout.showInSingleView(volume)
        return
    viewlayout.leaveSingleView()
    # Of several channels the first one is before contrast more often than not.
    examnodes.showPhase(shown.exam.nodes[min(1, len(shown.exam.nodes) - 1)])
    for node in (shown.truth, shown.prediction):
        bounds = [0.0] * 6
        node.GetRASBounds(bounds)
        if bounds[0] <= bounds[1]:
            x, y, z = ((bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3))
            examnodes.jumpTo((-x, -y, z))
            return


def remove(session, shown):
    """Take a case out of the scene."""
    for node in (shown.truth, shown.prediction):
        segmentationnode.remove(node)
    loadcase.forget(session, shown.exam)


def _maskOf(makeCommand, path, exam, output):
    """Have a child bring a mask onto the images' grid; returns it as an array. A generator."""
    event = yield from answer_of(makeCommand(["mask", str(path), "--store", exam.store, "--output", str(output)]))
    if event["event"] == "error":
        error = to_exception({"code": "error", **event})
        raise error if isinstance(error, BreastSegError) else BreastSegError(str(error), path.name)
    # A mask without a lesion is none to be written.
    return np.load(event["mask"], allow_pickle=False) if event["mask"] else np.zeros((1, 1, 1), np.uint8)


def _outlineOf(mask, exam, name, colour):
    """Add a mask as outlines, so that image and other mask can be judged. A generator."""
    volume = exam.reference
    flat = min(volume.GetImageData().GetDimensions()) == 1
    node = yield from segmentationnode.addSegmentation(
        mask, fromnodes.geometryOf(volume), volume, name=name, labels={1: TERM}, surface=not flat
    )
    node.RemoveAttribute(segmentationnode.RESULT)
    display = node.GetDisplayNode()
    display.SetOpacity2DFill(0.0)
    display.SetSliceIntersectionThickness(OUTLINE)
    segmentation = node.GetSegmentation()
    for place in range(segmentation.GetNumberOfSegments()):
        segment = segmentation.GetNthSegment(place)
        segment.SetName(name)
        segment.SetColor(*colour)
        segment.SetTerminology(terminology_entry(TERM))
    return node

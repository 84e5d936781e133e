"""A case of the table in the scene: its exam, and its mask as a segmentation that can be corrected."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import slicer
from BreastSegLib.errors import BreastSegError
from BreastSegLib.inference.childcommand import answer_of
from BreastSegLib.inference.messages import to_exception
from BreastSegLib.reports.terminology import segment_color, terminology_entry
from BreastSegLib.scene import companions, examnodes, fromnodes, segmentationnode, viewlayout
from BreastSegLib.scene.texts import _

TERM = "mass"
# Attribute of a segmentation that shows the reference mask of a case; no result, so that no run hides it.
REFERENCE = "BreastSeg.ReferenceMask"


@dataclass(frozen=True)
class LoadedCase:
    """A case that is in the scene.

    Parameters
    ----------
    name : str
        The case's name in the table.
    exam : SceneExam or SceneMammograms
    segmentation : vtkMRMLSegmentationNode
    notes : tuple of str
        What was noticed about the mask, a sentence each.
    """

    name: str
    exam: object
    segmentation: object
    notes: tuple = ()

    @property
    def volume(self):
        """vtkMRMLScalarVolumeNode: the image that the mask was drawn on."""
        return self.exam.reference

    @property
    def there(self):
        """bool: whether its nodes are still in the scene."""
        return all(node is not None and node.GetScene() is not None for node in (self.segmentation, self.volume))


def loadCase(session, makeCommand, case, source, masks, report):
    """Read a case's exam and mask and show both. A generator.

    Parameters
    ----------
    session : BreastSegLib.scene.session.Session
        Whose worker reads the exam.
    makeCommand : callable
        Returns the child process of a verb, not started.
    case : Case
    source : dict
        Of the exam.
    masks : sequence of Path
        Its mask files.
    report : callable
        ``report(stage, done, total, eta_s)``.

    Returns
    -------
    LoadedCase

    Raises
    ------
    BreastSegError
        If the exam cannot be read. A mask that cannot be used is told in the notes, and an empty one can be drawn on.
    """
    exam = yield from session.readExam(source, report)
    try:
        if exam.kind == "mammograms" and len(exam.nodes) > 1:
            what = _("A labelled case has one mammogram, and this exam has {count}").format(count=len(exam.nodes))
            raise BreastSegError(what, case.name, _("Name the file of one view in the column image"))
        report(_("Reading the mask"), 0, 0, None)
        folder = tempfile.mkdtemp(prefix="breastseg-mask-")
        try:
            answer = yield from _maskOf(makeCommand, case, exam, masks, folder)
            segmentation = yield from _segmentationOf(answer, exam)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except BaseException:
        # GeneratorExit included: a cancelled load leaves nothing half done behind.
        forget(session, exam)
        raise
    notes = tuple(_sentence(row) for row in answer["complaints"] if not row["fixed"])
    return LoadedCase(case.name, exam, segmentation, notes)


def forget(session, exam):
    """Take an exam out of the scene and delete its arrays."""
    session.forgetExam(exam)
    if exam.nodes and exam.nodes[0].GetScene() is not None:
        folder = examnodes.folderOf(exam) if exam.kind == "dce" else _folderItem(exam.nodes[0])
        if exam.kind == "dce":
            companions.removeCompanions(exam.companions)
        examnodes.removeNodes(exam.nodes, folder)


def remove(session, loaded):
    """Take a loaded case out of the scene."""
    segmentationnode.remove(loaded.segmentation)
    forget(session, loaded.exam)


def show(loaded):
    """Show a loaded case in the slice views, at its lesion when it has one."""
    if loaded.exam.kind == "mammograms":
        viewlayout.showInSingleView(loaded.volume)
        return
    examnodes.showPhase(loaded.volume)
    bounds = [0.0] * 6
    loaded.segmentation.GetRASBounds(bounds)
    if bounds[0] <= bounds[1]:
        x, y, z = ((bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3))
        examnodes.jumpTo((-x, -y, z))


def _maskOf(makeCommand, case, exam, masks, folder):
    """Have a child read the mask onto the exam's grid; returns its result, with the file in ``mask``. A generator."""
    if not masks:
        return {"mask": "", "complaints": [{"text": _("no mask is given"), "fixed": False, "fix": ""}]}
    arguments = ["mask", *map(str, masks), "--store", exam.store, "--output", str(Path(folder) / "mask.npy")]
    for option, column in (("--label", "label"), ("--fix", "fixes")):
        if case.parts(column):
            arguments += [option, *case.parts(column)]
    event = yield from answer_of(makeCommand(arguments))
    if event["event"] == "result":
        return event
    error = to_exception({"code": "error", **event})
    return {"mask": "", "complaints": [{"text": error.line, "fixed": False, "fix": ""}]}


def _segmentationOf(answer, exam):
    volume = exam.reference
    geometry = fromnodes.geometryOf(volume)
    mask = np.load(answer["mask"], allow_pickle=False) if answer["mask"] else np.zeros((1, 1, 1), np.uint8)
    yield
    node = yield from segmentationnode.addSegmentation(
        mask,
        geometry,
        volume,
        name=_("{name} reference mask").format(name=exam.name),
        labels={1: TERM},
        surface=exam.kind == "dce",
    )
    node.RemoveAttribute(segmentationnode.RESULT)
    node.SetAttribute(REFERENCE, "1")
    if not node.GetSegmentation().GetNumberOfSegments():
        # Something to draw on.
        segmentId = node.GetSegmentation().AddEmptySegment("", segmentationnode.segmentName(TERM, None))
        segment = node.GetSegmentation().GetSegment(segmentId)
        segment.SetColor(*segment_color(TERM))
        segment.SetTerminology(terminology_entry(TERM))
    return node


def _folderItem(node):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    return hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))


def _sentence(complaint):
    text = complaint["text"].rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."

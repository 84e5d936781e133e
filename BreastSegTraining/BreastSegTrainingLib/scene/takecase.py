"""An exam and a segmentation of the scene as a labelled case: arrays and mask in a folder beside the table."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import slicer
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.mammograms.view import Window
from BreastSegLib.scene import corrections, examnodes, fromnodes, keeping, mammogramflow, mammogramnodes, overlay
from BreastSegLib.scene.sceneexam import SceneExam, SceneMammograms
from BreastSegLib.scene.texts import _

from . import casemask

EXAMS, MASKS = "exams", "masks"


@dataclass(frozen=True)
class SceneCase:
    """What the user wants to take from the scene.

    Parameters
    ----------
    name : str
        Of the case; a part of file names.
    nodes : tuple of vtkMRMLScalarVolumeNode
        The phases in order, pre-contrast first; or one mammogram.
    mammogram : bool
    segmentation : vtkMRMLSegmentationNode
    segmentIds : tuple of str
        The segments that are the lesion.
    """

    name: str
    nodes: tuple
    mammogram: bool
    segmentation: object
    segmentIds: tuple


def volumesOf():
    """Return the volumes of the scene that can be phases or mammograms: phases in their order, then by name."""
    found = [
        node
        for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        if node.GetClassName() == "vtkMRMLScalarVolumeNode"
        and not node.GetHideFromEditors()
        and node.GetAttribute(examnodes.COMPANION) is None
        and node.GetAttribute(overlay.MAP) is None
        and node.GetAttribute("BreastSeg.Role") != "unused"
    ]
    return sorted(found, key=_order)


def proposed(volumes, segmentation):
    """Return those of some volumes that a segmentation most likely belongs to: the exam of its reference image."""
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    image = segmentation.GetNodeReference(role) if segmentation is not None else None
    if image is None or image not in volumes:
        return []
    if mammogramnodes.viewOf(image) is not None:
        return [image]
    folder = examnodes.folderName(image)
    return [node for node in volumes if node is image or (folder and examnodes.folderName(node) == folder)]


def takeCase(session, wanted, folder, report):
    """Write a case of the scene into the folder of a table. A generator: one array a turn.

    Parameters
    ----------
    session : BreastSegLib.scene.session.Session
        Whose worker is asked only when the phases lie on different grids.
    wanted : SceneCase
    folder : str or Path
        Of the table.
    report : callable
        ``report(stage, done, total, eta_s)``.

    Returns
    -------
    dict of str to Path or str
        ``exam`` (folder), ``mask`` (file), ``phase_count``, and of a mammogram ``side`` and ``view``.

    Raises
    ------
    BadInput
        If something is gone from the scene, the case's files exist, or they cannot be written. Nothing of the case
        is left in the folder then.
    """
    exam = examOf(wanted)
    target, mask = Path(folder) / EXAMS / wanted.name, Path(folder) / MASKS / f"{wanted.name}.nrrd"
    for path in (target, mask):
        if path.exists():
            raise BadInput(
                _("There are files of a case with this name already"), path, _("Give the case another name")
            )
    try:
        report(_("Reading the segmentation"), 0, 0, None)
        volume = yield from casemask.maskOf(wanted.segmentation, exam.reference, wanted.segmentIds)
        if not volume.array.any():
            raise BadInput(_("The segment is empty"), hint=_("Choose another segment, or draw the lesion"))
        report(_("Writing the exam"), 0, 0, None)
        _makeFolder(target)
        if exam.kind == "mammograms":
            yield from mammogramflow.arrangeViews(exam, target)
            found = {"side": exam.views[0].laterality, "view": exam.views[0].position}
        else:
            store = yield from session.arrangeExam(exam, target, report)
            _flatten(Path(store), target)
            found = {"phase_count": str(len(exam.phases))}
        yield
        casemask.writeMask(volume, mask)
    except OSError as error:
        shutil.rmtree(target, ignore_errors=True)
        raise BadInput(
            _("The exam could not be written: {why}").format(why=error.strerror or type(error).__name__),
            target,
            _("Check the free space and the folder of the table"),
        ) from error
    except BaseException:
        # GeneratorExit included: half a case is none.
        shutil.rmtree(target, ignore_errors=True)
        raise
    return {"exam": target, "mask": mask, **found}


def discard(taken):
    """Delete the files of a case that `takeCase` has written: its row could not be added."""
    shutil.rmtree(taken["exam"], ignore_errors=True)
    casemask.removeFile(taken["mask"])


def examOf(wanted):
    """Return the chosen nodes as an exam.

    Raises
    ------
    BadInput
        If a node is gone or cannot be used.
    """
    casemask.checkThere(*wanted.nodes, wanted.segmentation)
    for node in wanted.nodes:
        fromnodes.geometryOf(node)
    name = examnodes.folderName(wanted.nodes[0]) or wanted.name
    if wanted.mammogram:
        if len(wanted.nodes) != 1:
            raise BadInput(_("A labelled mammogram is one view"), hint=_("Tick one volume"))
        view = mammogramnodes.viewOf(wanted.nodes[0])
        if view is None:
            what = _("The volume was not loaded as a mammogram")
            raise BadInput(
                what, wanted.nodes[0].GetName(), _("Load it with BreastSeg, so that side and view are known")
            )
        view = replace(view, windows=(_windowOf(wanted.nodes[0], view),))
        return SceneMammograms(name, "", (view,), tuple(wanted.nodes))
    exam, rows = keeping.keptExam(wanted.nodes, "")
    if exam is not None and exam.kind == "dce" and len(exam.nodes) == len(wanted.nodes):
        return exam
    phases = corrections.numbered(
        ("pre" if place == 0 and len(wanted.nodes) > 1 else "post", None) for place in range(len(wanted.nodes))
    )
    return SceneExam(name, "", phases, None, tuple(wanted.nodes), (), tuple(range(len(wanted.nodes))))


def _windowOf(node, view):
    """Return the window in which a mammogram is shown, in the values of its file."""
    width, level = examnodes.windowOf(node)
    centre = level if view.mirror is None else view.mirror - level
    return Window(_("as shown"), "LINEAR_EXACT", float(centre), max(float(width), 1e-6))


def _makeFolder(target):
    try:
        target.mkdir(parents=True)
    except OSError as error:
        raise BadInput(
            _("The exam could not be written: {why}").format(why=error.strerror or error),
            target,
            _("Save the table in a folder that you may write to"),
        ) from error


def _flatten(store, target):
    """Move an exam that was brought onto one grid from the folder inside up into the case's own."""
    if store == target:
        return
    for path in store.iterdir():
        path.replace(target / path.name)
    store.rmdir()


def _order(node):
    number = node.GetAttribute("BreastSeg.Phase")
    return examnodes.folderName(node), number is None, int(number or 0), node.GetName()

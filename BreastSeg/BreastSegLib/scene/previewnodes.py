"""What a recipe makes of an exam, in the scene: channels as volumes, the breast's outline, histograms."""

from dataclasses import dataclass

import numpy as np
import slicer
import vtk

from ..errors import BadInput
from ..volume import Geometry
from . import examnodes, histogramnodes, outlinenode, sliceplanes
from .companions import isThere
from .mammogramnodes import viewTitle
from .texts import _

FOLDER_MARK = "BreastSeg.Preview"


@dataclass(frozen=True)
class PreviewChannel:
    """One channel as the network sees it.

    Parameters
    ----------
    name : str
    node, original : vtkMRMLScalarVolumeNode
        The channel, and the image of the exam that it starts from.
    before, after : dict
        Histograms of both: ``low``, ``high``, ``counts``.
    """

    name: str
    node: object
    original: object
    before: dict
    after: dict


@dataclass(frozen=True)
class PreviewCase:
    """One prepared case: the dynamic, a mammogram, or a region of one.

    Parameters
    ----------
    title : str
        For people.
    view : str
        Name of the mammogram; '' for a dynamic.
    channels : tuple of PreviewChannel
    breast : vtkMRMLSegmentationNode or None
        Outline of the breast.
    mirrored : bool
        Whether the network sees it mirrored.
    main : int
        Which channel is shown first: the one that starts from the image on which lesions are seen best.
    """

    title: str
    view: str
    channels: tuple
    breast: object = None
    mirrored: bool = False
    main: int = 0


@dataclass(frozen=True)
class Preview:
    """All that a preview has put into the scene.

    Parameters
    ----------
    title : str
        The recipe's title.
    kind : {'dce', 'mammograms'}
    cases : tuple of PreviewCase
    notes : tuple of str
        Sentences worth reading.
    histogram : tuple
        Nodes of the plot, see `histogramnodes.addHistogram`.
    folder : int
        Subject hierarchy item.
    """

    title: str
    kind: str
    cases: tuple
    notes: tuple
    histogram: tuple
    folder: int

    @property
    def chart(self):
        """vtkMRMLPlotChartNode: the histogram of the channel that is shown."""
        return self.histogram[-1]

    @property
    def nodes(self):
        """list of vtkMRMLNode: everything, display nodes left out."""
        found = [channel.node for case in self.cases for channel in case.channels]
        return [*found, *(case.breast for case in self.cases if case.breast is not None), *self.histogram]

    @property
    def complete(self):
        """bool: whether it can still be shown: outlines may be gone, channels and originals may not."""
        channels = [channel for case in self.cases for channel in case.channels]
        images = [node for channel in channels for node in (channel.node, channel.original)]
        return all(isThere(node) for node in (*images, *self.histogram))


def addPreview(answer, exam):
    """Add a prepared exam to the scene, in a subject hierarchy folder of its own.

    A generator: each turn does one slow thing.

    Parameters
    ----------
    answer : dict
        The worker's answer to ``prepare``.
    exam : SceneExam or SceneMammograms
        What was prepared.

    Yields
    ------
    int
        Number of volumes that are in the scene so far.

    Returns
    -------
    Preview
        If the generator is closed or fails before its end, what was made so far is removed.
    """
    name = _("{exam} preview: {recipe}").format(exam=exam.name, recipe=answer["recipe"]["name"])
    folder, made = _makeFolder(name), []
    try:
        histogram = histogramnodes.addHistogram(_("{exam} prepared, histogram").format(exam=exam.name), folder)
        made += histogram
        cases, count = [], 0
        for row in answer["cases"]:
            geometry, channels = Geometry.from_json(row["geometry"]), []
            title = _caseTitle(row, exam)
            for channel, before in zip(row["channels"], row["before"]):
                node = _emptyVolume(_volumeName(exam, row, channel, title), geometry, channel["window"], folder)
                made.append(node)
                yield count
                examnodes.setVoxels(node, np.load(channel["array"], mmap_mode="r"))
                original = _originalOf(exam, row, before)
                found = PreviewChannel(channel["name"], node, original, before["histogram"], channel["histogram"])
                channels.append(found)
                count += 1
                yield count
            breast = None
            if row.get("breast"):
                breast = outlinenode.addOutline(
                    _("{exam} prepared, breast").format(exam=exam.name), channels[0].node, folder
                )
                made.append(breast)
                yield count
                outlinenode.fillOutline(breast, np.load(row["breast"], mmap_mode="r"), geometry)
                yield count
            mirrored = exam.kind == "mammograms" and sliceplanes.isMirrored(channels[0].node, channels[0].original)
            for channel in channels if mirrored else ():
                # The view shows the name in its corner.
                channel.node.SetName(_("{name}, mirrored").format(name=channel.node.GetName()))
            main = next((k for k, channel in enumerate(channels) if channel.original is exam.reference), 0)
            cases.append(PreviewCase(title, row.get("view", ""), tuple(channels), breast, mirrored, main))
        if not cases:
            raise BadInput(_("The recipe prepares nothing of this exam"), answer["recipe"]["name"])
    except BaseException:
        # GeneratorExit included: a cancelled preview leaves nothing half done behind.
        _remove(made, folder)
        raise
    return Preview(
        answer["recipe"]["title"], exam.kind, tuple(cases), tuple(answer.get("notes", ())), histogram, folder
    )


def removePreview(preview):
    """Remove what a preview has put into the scene."""
    _remove(preview.nodes, preview.folder)


def showOutline(preview, case):
    """Show the outline of one case's breast only: all mammograms lie in the same place."""
    for other in preview.cases:
        if other.breast is not None and isThere(other.breast):
            other.breast.GetDisplayNode().SetVisibility(other is case)


def removeLost(preview=None):
    """Remove the folders of previews that a scene was saved with: their nodes are not saved.

    Parameters
    ----------
    preview : Preview, optional
        The one that is shown now, which stays.
    """
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    own = preview.folder if preview is not None else None
    for folder in _folders():
        if folder != own:
            hierarchy.RemoveItem(folder)


def _remove(nodes, folder):
    for node in nodes:
        if not isThere(node):
            continue
        display = node.GetDisplayNode() if node.IsA("vtkMRMLDisplayableNode") else None
        slicer.mrmlScene.RemoveNode(node)
        if isThere(display):
            slicer.mrmlScene.RemoveNode(display)
    # The user may have removed it, or the scene was closed.
    if folder in _folders():
        slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene).RemoveItem(folder)


def _folders():
    """Return the subject hierarchy folders of previews."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    items = vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    found = [items.GetId(place) for place in range(items.GetNumberOfIds())]
    return [item for item in found if hierarchy.GetItemAttribute(item, FOLDER_MARK)]


def _makeFolder(name):
    folder = examnodes.makeFolder(name)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    hierarchy.SetItemAttribute(folder, FOLDER_MARK, "1")
    return folder


def _caseTitle(row, exam):
    """Return what people read for a case, such as ``Left CC, region 1``."""
    view = next((view for view in getattr(exam, "views", ()) if view.name == row.get("view")), None)
    if view is None:
        return exam.name if row["name"] == "exam" else row["name"]
    rest = row["name"].removeprefix(row["view"]).strip()
    return f"{viewTitle(view)}, {rest}" if rest else viewTitle(view)


def _volumeName(exam, row, channel, title):
    what = title if row.get("view") and len(row["channels"]) == 1 else channel["name"]
    what = f"{title} {what}" if row.get("view") and what != title else what
    return _("{exam} prepared {what}").format(exam=exam.name, what=what)


def _originalOf(exam, row, before):
    """Return the node of the exam that a channel starts from."""
    if exam.kind == "mammograms":
        names = [view.name for view in exam.views]
        wanted = row.get("view") or before["name"]
    else:
        names, wanted = [phase.name for phase in exam.phases], before["name"]
    return exam.nodes[names.index(wanted)] if wanted in names else exam.reference


def _emptyVolume(name, geometry, window, folder):
    node = examnodes.addCompanion("vtkMRMLScalarVolumeNode", name, folder)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(geometry.ijk_to_ras))
    display = examnodes.addDisplay(node, window)
    display.SetSaveWithScene(False)
    display.SetInterpolate(True)
    return node

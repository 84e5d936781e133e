"""What BreastSeg offers in Slicer's DICOM browser, how sure it is of it, and where it stands in the hierarchy."""

import logging
import re
from dataclasses import dataclass, replace

import slicer
import vtk
from DICOMLib import DICOMLoadable

from ..errors import BreastSegError, Undecided
from ..exam.dicom.headers import BREAST
from .texts import _

# The browser selects, for each series, what offers with the highest confidence. Slicer's own readers offer a dynamic
# series as a volume with 0.5 (0.2 without geometry), as a cine sequence with up to 0.85 (1.05 when rotating), and its
# multi-volume extension with up to 1.0. So:
CONFIDENCE = {
    # Decided, and a tag names the breast: nothing else knows pre from post, so it wins over all of them.
    "named": 1.1,
    # Decided, prone with a contrast agent and no tag that names another part: over volume and cine sequence, but a
    # multi-volume that the user installed for other organs is not overruled.
    "likely": 0.88,
    # A dynamic of unknown place, of another part of the body, or one whose order the user has to decide: it is there
    # to be ticked, and never wins, not even over a volume without geometry.
    "unknown": 0.1,
    "other": 0.1,
    "undecided": 0.1,
    # Mammograms are always of the breast. Slicer would show one as a stack at the origin.
    "mammogram": 1.1,
}
MODALITY, STUDY, SERIES, SERIES_NUMBER = "0008,0060", "0020,000D", "0020,000E", "0020,0011"
BODY_PART, POSITION, AGENT, STUDY_DESCRIPTION = "0018,0015", "0018,5100", "0018,0010", "0008,1030"
# Series description, protocol name, coil name: written for the images themselves.
OWN_TEXTS = ("0008,103E", "0018,1030", "0018,1250")
VAGUE_BODY_PARTS = {"", "CHEST", "THORAX", "BODY", "WHOLEBODY", "OTHER", "UNKNOWN", "TRUNK", "AXILLA"}
OTHER_PLACES = (
    r"brain|head|skull|cerebr|neuro|spine|neck|liver|abdom|pelvi|prostat|cardi|heart|kidney|renal|knee|hip|shoulder|"
    r"sch[aä]del|kopf|hirn|leber|cr[aâ]n|cerve|foie|h[ií]gado"
)


@dataclass(frozen=True)
class Offer:
    """One thing that can be loaded.

    Parameters
    ----------
    name, tooltip, warning : str
    files : tuple of str
        Of all phases or views, in order.
    source : dict
        What the exam is read from (`exam.source`).
    parts : tuple of tuple of str
        The files of each phase or view; empty while they are undecided.
    confidence : float
    isPart : bool
        Whether it stands for one more series of an exam that is offered already.
    otherRows : tuple of tuple of str
        The files of those that do so for this one.
    """

    name: str
    files: tuple
    source: dict
    parts: tuple
    confidence: float
    tooltip: str = ""
    warning: str = ""
    isPart: bool = False
    otherRows: tuple = ()


def studies(fileLists):
    """Group file lists, one for each series, by study and modality; those that are neither MR nor MG are dropped.

    One file of each list is looked at, so that a large CT costs nothing.

    Returns
    -------
    list of (str, list of tuple of str)
        Modality, and the files of each series.
    """
    found = {}
    for files in fileLists:
        modality = _value(files[0], MODALITY) if files else ""
        if modality in ("MR", "MG"):
            found.setdefault((_value(files[0], STUDY), modality), []).append(tuple(files))
    return [(modality, series) for (study, modality), series in found.items()]


def offers(modality, series):
    """Return what can be loaded from the series of one study. Never raises.

    Parameters
    ----------
    modality : {'MR', 'MG'}
    series : list of tuple of str
        The files of each series.

    Returns
    -------
    list of Offer
        The exam, and one more for each further series of it; empty when there is none.
    """
    try:
        return (_dceOffers if modality == "MR" else _mammogramOffers)(series)
    except BreastSegError as error:
        logging.debug(f"BreastSeg: no exam in {len(series)} {modality} series: {error.what}")
    except Exception as error:  # noqa: BLE001 - another plug-in may still read what this one cannot
        logging.debug(f"BreastSeg: {len(series)} {modality} series cannot be examined: {type(error).__name__}")
    return []


def loadableOf(offer):
    """Return an `Offer` as the browser takes it; the offer itself stands in its attribute ``breastSegOffer``."""
    loadable = DICOMLoadable()
    loadable.files, loadable.name, loadable.tooltip = list(offer.files), offer.name, offer.tooltip
    loadable.warning, loadable.confidence = offer.warning, offer.confidence
    loadable.selected = offer.confidence > 0.5
    loadable.breastSegOffer = offer
    return loadable


def putUnderStudy(plugin, exam, offer):
    """Move the folder of a loaded exam under its patient and study, and give its nodes their DICOM identifiers.

    Node names stay as they are: they hold no patient data.

    Parameters
    ----------
    plugin : DICOMLib.DICOMPlugin
    exam
        What was loaded; its ``nodes`` stand for the parts of the offer, in order.
    offer : Offer
    """
    if len(offer.parts) != len(exam.nodes):
        return
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    folder = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(exam.nodes[0]))
    for node, files in zip(exam.nodes, offer.parts):
        loadable = DICOMLoadable()
        loadable.files, loadable.name = list(files), node.GetName()
        plugin.addSeriesInSubjectHierarchy(loadable, node)
        node.SetAttribute("DICOM.instanceUIDs", " ".join(slicer.dicomDatabase.instanceForFile(f) for f in files))
    if folder == hierarchy.GetSceneItemID():
        return
    # Only now: a phase that shares its series with others is moved again when theirs are added.
    inFolder = vtk.vtkIdList()
    hierarchy.GetItemChildren(folder, inFolder, False)
    items = [hierarchy.GetItemByDataNode(node) for node in exam.nodes]
    rest = [inFolder.GetId(index) for index in range(inFolder.GetNumberOfIds()) if inFolder.GetId(index) not in items]
    for item in items:
        hierarchy.SetItemParent(item, folder)
        if rest:
            hierarchy.MoveItem(item, rest[0])
    constants = slicer.vtkMRMLSubjectHierarchyConstants
    study = hierarchy.GetItemByUID(constants.GetDICOMUIDName(), _value(offer.files[0], STUDY))
    if study:
        hierarchy.SetItemParent(folder, study)


def bodyEvidence(series):
    """Say whether series show a breast.

    Parameters
    ----------
    series : list of tuple of str
        The files of each series; one file of each is looked at.

    Returns
    -------
    {'named', 'likely', 'unknown', 'other'}
    """
    first = [files[0] for files in series]
    places = {re.sub(r"\W|_", "", _value(file, BODY_PART).upper()) for file in first}
    if any(not re.search(BREAST, place.lower()) and place not in VAGUE_BODY_PARTS for place in places):
        return "other"
    own = " ".join([*places, *(_value(file, tag) for file in first for tag in OWN_TEXTS)]).lower()
    if re.search(BREAST, own):
        return "named"
    # A study description can tell a history: "MRI brain, breast cancer".
    study = _value(first[0], STUDY_DESCRIPTION).lower()
    if re.search(OTHER_PLACES, own) or re.search(OTHER_PLACES, study):
        return "other"
    if re.search(BREAST, study):
        return "named"
    prone = all(_value(file, POSITION).upper().endswith("P") for file in first)
    return "likely" if prone and any(_value(file, AGENT).strip() for file in first) else "unknown"


def _dceOffers(series):
    files = [file for one in series for file in one]
    body = bodyEvidence(series)
    source = {"dicom": files}
    try:
        found = scanFiles(files)
    except Undecided as question:
        if body not in ("named", "likely"):
            raise
        name = _("Breast DCE-MRI exam (to be decided)")
        warning = _("{what}. BreastSeg asks when it is loaded.").format(what=question.what.rstrip(". "))
        return [Offer(name, tuple(files), source, (), CONFIDENCE["undecided"], warning, warning)]
    if len(found.phases) < 2 or {phase.role for phase in found.phases} != {"pre", "post"}:
        raise BreastSegError(_("No phases before and after contrast"))
    parts = tuple(tuple(dict.fromkeys(phase.files)) for phase in found.phases)
    # What the scan took as phases tells the place, not the localisers beside them.
    used = {file for part in parts for file in part}
    body = bodyEvidence([tuple(f for f in one if f in used) for one in series if used.intersection(one)])
    name = _("Breast DCE-MRI exam ({count} phases)").format(count=len(parts))
    titles = ", ".join(phase.title for phase in found.phases)
    return _withSeries(Offer(name, _all(parts), source, parts, CONFIDENCE[body], "\n".join([titles, *found.notes])))


def _mammogramOffers(series):
    from ..exam.mammograms import describe_views

    found = describe_views([file for one in series for file in one])
    if not found.views:
        raise BreastSegError(_("No mammogram"))
    parts = tuple((str(view.file),) for view in found.views)
    count = len(parts)
    name = _("Mammogram") if count == 1 else _("Mammograms ({count} views)").format(count=count)
    tooltip = "\n".join([", ".join(view.title for view in found.views), *found.notes])
    return _withSeries(Offer(name, _all(parts), {"views": list(_all(parts))}, parts, CONFIDENCE["mammogram"], tooltip))


def scanFiles(files):
    """Return the `ExamScan` of DICOM files. Read one after the other: the application runs no threads."""
    from ..exam.dynamic.scan import scan_files

    return scan_files(files, threads=0)


def _withSeries(offer):
    """Return the offer, and one more for each further series that its files belong to.

    The browser counts an offer for the series of its first file only. Without these rows the other series of the exam
    would be loaded once more as plain volumes.
    """
    bySeries = {}
    for file in offer.files:
        bySeries.setdefault(_value(file, SERIES), []).append(file)
    others = [tuple(files) for files in list(bySeries.values())[1:]]
    result = [replace(offer, otherRows=tuple(others))]
    for files in others:
        number = _value(files[0], SERIES_NUMBER)
        name = _("{exam}, series {number}").format(exam=offer.name, number=number or "?")
        tooltip = _("This series is part of the exam, which is loaded once and as a whole.")
        result.append(replace(offer, name=name, files=files, tooltip=tooltip, isPart=True))
    return result


def _all(parts):
    return tuple(dict.fromkeys(file for part in parts for file in part))


def _value(file, tag):
    return slicer.dicomDatabase.fileValue(file, tag)

"""The way of a measurement with maps of kinetics through the application, in a generator of short turns."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from ..errors import BadInput
from ..measures.maps import possible_maps
from ..measures.phasechoice import choose_phases
from ..volume import Geometry
from . import mapnodes, measureflow, overlay
from .companions import isThere
from .texts import _

# Attribute of a map: what its phases and thresholds were.
STATE = "BreastSeg.kinetics.state"
# Looked at in one turn.
SLAB_VOXELS = 4_000_000


@dataclass(frozen=True)
class KineticsAnswer:
    """What came of a measurement.

    Parameters
    ----------
    result : SceneResult
        With its new measures.
    maps : tuple of vtkMRMLScalarVolumeNode
        Those that were asked for; in no view yet.
    """

    result: object
    maps: tuple


def whyNone(exam, settings):
    """Return the sentence that says why an exam has no or not all kinetics, or phases by order only; '' otherwise."""
    choice = choose_phases(exam.phases, settings)
    complete = choice.early is not None and choice.late is not None and choice.timed
    return choice.notes[0] if choice.notes and not complete else ""


def phasesText(exam, settings):
    """Return the sentence that says which phases are taken as the early and the late one; '' without kinetics."""
    choice = choose_phases(exam.phases, settings)
    if choice.early is None:
        return ""
    early = exam.phases[choice.early].title
    if choice.late is None:
        return _("Early phase: {early}.").format(early=early)
    return _("Early phase: {early}. Late phase: {late}.").format(early=early, late=exam.phases[choice.late].title)


def isOutdated(exam, measures):
    """Return whether the phases of an exam are no longer those that were measured."""
    phases = (measures or {}).get("phases") or ()
    told = [(phase.get("role"), phase.get("time_s")) for phase in phases]
    return bool(told) and told != [(phase.role, phase.time_s) for phase in exam.phases]


def canMeasure(exam, settings):
    """Return whether enhancement can be measured: there is a phase before contrast and one after."""
    return choose_phases(exam.phases, settings).early is not None


def mapKinds(exam, settings):
    """Return the kinds of maps that an exam allows: no ratio and no curve type without a late phase."""
    possible = possible_maps(exam.phases, settings)
    return tuple(kind for kind in mapnodes.KINETIC_KINDS if kind in possible)


def stateOf(exam, settings):
    """Return a short text that differs when the phases or the thresholds of maps do."""
    told = [[(phase.role, phase.time_s) for phase in exam.phases], settings.to_json()]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def mapOf(exam, kind):
    """Return the latest map of a kind that an exam has in the scene; None without one."""
    found = [node for node in overlay.mapsOf(exam.nodes) if overlay.keyOf(node) == (kind, mapnodes.NO_MODEL)]
    return found[-1] if found else None


def isFresh(node, exam, settings):
    """Return whether a map was made of the exam's phases as they are now, with these settings."""
    return node is not None and node.GetAttribute(STATE) == stateOf(exam, settings)


def measureKinetics(client, exam, folder, report, *, result, settings, maps=(), onRead=None):
    """Measure the segments of a result as they are now, and make maps of kinetics of the exam. A generator.

    Parameters
    ----------
    client, exam, folder, report, result, onRead
        See `measureflow.measureResult`.
    settings : measures.settings.Settings
    maps : sequence of str
        Of `mapnodes.KINETIC_KINDS`; they take the place of former ones of their kind.

    Yields
    ------
    None

    Returns
    -------
    KineticsAnswer

    Raises
    ------
    BreastSegError
        What went wrong; nothing of it stays in the scene then.
    """
    made = []

    def take(answer):
        if not all(isThere(image) for image in exam.nodes):
            raise BadInput(_("Volumes of the exam were removed meanwhile"), exam.name, _("Load the exam again"))
        report(_("Showing the map"), 0, 0, None)
        yield
        if "ser" in maps and answer.get("ser"):
            yield from _clearRatio(answer["ser"], answer["pe"], settings)
        made.extend((yield from _addMaps(answer, exam, settings, maps)))

    try:
        measured = yield from measureflow.measureResult(
            client,
            exam,
            folder,
            report,
            result=result,
            settings=settings.to_json(),
            onRead=onRead,
            extra={"maps": _asked(maps)} if maps else None,
            take=take if maps else None,
        )
    except BaseException:
        # GeneratorExit included: a cancelled measurement leaves nothing half done behind.
        mapnodes.remove(made)
        raise
    kinds = {overlay.keyOf(node)[0] for node in made}
    mapnodes.replaceFormer(made, exam.nodes, mapnodes.NO_MODEL, kinds)
    return KineticsAnswer(measured, tuple(made))


def _asked(maps):
    """Return the maps that the worker has to make: what enhances decides where the ratio is shown."""
    return [kind for kind in mapnodes.KINETIC_KINDS if kind in maps or (kind == "pe" and "ser" in maps)]


def _clearRatio(ratioFile, enhancementFile, settings):
    """Set the ratio to 0 where too little enhances for a curve type: there it is a ratio of noise. A generator."""
    ratio, enhancement = np.load(ratioFile, mmap_mode="r+"), np.load(enhancementFile, mmap_mode="r")
    slices = max(1, SLAB_VOXELS // max(1, ratio[0].size))
    for start in range(0, len(ratio), slices):
        slab = ratio[start : start + slices]
        slab[enhancement[start : start + slices] < settings.enhancing_pct] = 0
        yield


def _addMaps(answer, exam, settings, maps):
    paths = {kind: answer.get(kind) for kind in maps}
    return (
        yield from mapnodes.addMaps(
            paths,
            Geometry.from_json(answer["geometry"]),
            exam.nodes,
            exam.reference,
            name=exam.name,
            model=mapnodes.NO_MODEL,
            provenance={STATE.removeprefix("BreastSeg."): stateOf(exam, settings)},
        )
    )

"""The way of one exam through the application: read, shown, segmented; in generators of short turns."""

import shutil
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import BadInput
from ..exam.dce import Phase
from ..exam.store import array_name
from ..inference.resultarrays import load_array
from ..recipe import load_recipe
from ..volume import Geometry
from . import (
    companions,
    examnodes,
    fromnodes,
    lesiontable,
    lesionviews,
    mammogramflow,
    mapnodes,
    results,
    segmentationnode,
    viewlayout,
)
from .answers import answerTo
from .arrangedstore import arrange
from .basicmeasures import basicMeasures
from .provenance import provenanceOf
from .runoptions import runOptions
from .sceneexam import SceneExam, SceneResult
from .texts import _
from .turns import reported


def readExam(client, source, folder, report):
    """Have the worker read `source` into an exam store in `folder`, and show what it holds.

    Parameters
    ----------
    client : WorkerClient
    source : dict
        As `exam.source.read_exam` takes it, or ``{"nodes": [volume nodes in phase order, or one Sequence node]}``.
    folder : str or Path
        Private and empty.
    report : callable
        ``report(stage, done, total, eta_s)``.

    Returns
    -------
    SceneExam or SceneMammograms

    Raises
    ------
    Undecided
        If the user has to say something first: its answer goes into ``source["decisions"]``.
    """
    chosen = fromnodes.framesOf(source["nodes"]) if source.get("nodes") else None
    if chosen is not None:
        source = yield from _filesOf(source, chosen, Path(folder) / "nodes", report)
    answer = yield from answerTo(client, client.send("read", source=source, output=str(Path(folder) / "exam")), report)
    yield
    if answer.get("kind", "dce") == "mammograms":
        return (yield from mammogramflow.showMammograms(answer, report))
    shutil.rmtree(Path(folder) / "nodes", ignore_errors=True)
    return (yield from _showPhases(answer, chosen, dict(source.get("decisions") or {}), report))


def segmentExam(client, exam, folder, report, *, model, regions=(), **options):
    """Run a model on an exam that is in the scene and add its segmentation nodes.

    Parameters
    ----------
    client : WorkerClient
    exam : SceneExam or SceneMammograms
    folder : str or Path
        Private; the run's arrays lie there while it lasts.
    report : callable
        ``report(stage, done, total, eta_s)``.
    model : Model
        See `models.find_model`.
    regions : sequence of dict
        For mammograms: where the masses are, as `regionnodes.regionsOf` returns them.
    **options
        See `runoptions.runOptions`.

    Returns
    -------
    SceneResult

    Raises
    ------
    BreastSegError
        What went wrong; nothing of the run stays in the scene then.
    """
    if not load_recipe(model.recipe_source).fits(exam.kind):
        if exam.kind == "mammograms":
            what, hint = _("The model is for DCE-MRI, and mammograms are loaded"), _("Load a DCE-MRI exam")
        else:
            what, hint = _("The model is for mammograms, and a DCE-MRI exam is loaded"), _("Load mammograms")
        raise BadInput(what, model.name, hint)
    options = {"model": model, **runOptions(**options)}
    output = Path(folder) / f"run-{uuid.uuid4().hex[:8]}"
    try:
        if exam.kind == "mammograms":
            turns = mammogramflow.segmentMammograms(client, exam, output, report, regions=regions, **options)
        else:
            turns = _segmentPhases(client, exam, output, report, **options)
        return (yield from turns)
    finally:
        shutil.rmtree(output, ignore_errors=True)


def _segmentPhases(client, exam, output, report, *, model, **options):
    labels = {row["value"]: row["terminology"] for row in model.card["labels"].values()}
    store = yield from arrange(client, exam, output / "exam", report)
    # The decisions go into the run record.
    source = {"store": store, **({"decisions": exam.decisions} if exam.decisions else {})}
    yield
    sent = client.send("predict", source=source, model=str(model.folder), output=str(output), **options)
    answer = yield from answerTo(client, sent, report)
    if not companions.isThere(exam.reference):
        what = _("The volume was removed from the scene meanwhile")
        raise BadInput(what, exam.reference.GetName(), _("Load the exam again"))
    report(_("Showing the result"), 0, 0, None)
    geometry, components = Geometry.from_json(answer["geometry"]), answer.get("components", ())
    mask = load_array(answer["mask"], geometry.shape, mapped=True)
    provenance, before, number = provenanceOf(answer.get("record", {})), None, results.nextNumber(exam)
    yield
    node = yield from segmentationnode.addSegmentation(
        mask,
        geometry,
        exam.reference,
        name=results.nodeName(exam.name, number, model.name),
        labels=labels,
        components=components,
        provenance={**provenance, "Number": number},
    )
    try:
        yield
        if answer.get("raw"):
            raw = load_array(answer["raw"], geometry.shape, mapped=True)
            before = yield from segmentationnode.addBeforeCleanup(raw, mask, node, geometry, exam.reference, labels)
        named = {"name": exam.name, "model": model.name, "provenance": provenance}
        maps = yield from mapnodes.addMaps(answer, geometry, exam.nodes, exam.reference, **named)
    except BaseException:
        # GeneratorExit included: a cancelled run leaves nothing half done behind.
        segmentationnode.remove(before)
        segmentationnode.remove(node)
        raise
    mapnodes.replaceFormer(maps, exam.nodes, model.name)
    lesions = tuple(sorted(components, key=lambda row: -row["voxels"]))
    if lesions:
        examnodes.jumpTo(lesions[0]["centroid_lps"])
    notes = tuple(answer.get("notes", ()))
    record, timings = answer.get("record", {}), answer.get("timings", {})
    measures = answer.get("measures") or basicMeasures(lesions, "dce", answer.get("removed", ()), exam.spacingKnown)
    result = SceneResult(node, lesions, notes, record, timings, maps=tuple(maps), measures=measures)
    lesionviews.nameLesions(exam, result)
    lesiontable.write(result)
    return result


def _showPhases(answer, chosen, decisions, report):
    store, name, adding = answer["exam"], examnodes.uniqueExamName(), _("Adding the phases to the scene")
    phases = tuple(Phase.from_json(row) for row in answer["phases"])
    geometry = Geometry.from_json(answer["geometry"])
    window = answer["windows"][examnodes.referenceIndex(phases)]
    ownNodes = chosen is not None and not chosen.sequence
    # Corrected voxels are not those of the volumes that the user chose: they get nodes of their own.
    moved = bool(answer.get("motion"))
    if ownNodes and not moved:
        nodes = chosen.nodes
        for node, phase in zip(nodes, phases):
            examnodes.labelNode(node, phase)
    elif chosen is not None and chosen.sequence and not moved:
        turns = examnodes.addSharedNodes(phases, chosen.nodes, name, window)
        nodes = yield from reported(turns, len(phases), report, adding)
    else:
        arrays = [np.load(Path(store) / array_name(index), mmap_mode="r") for index in range(len(phases))]
        turns = examnodes.addPhaseNodes(phases, arrays, geometry, name, window)
        nodes = yield from reported(turns, len(phases), report, adding)
    motion = {row.get("phase"): row for row in answer.get("motion") or ()}
    motion = tuple(motion.get(phase.name, {}) for phase in phases) if motion else ()
    exam = SceneExam(
        name,
        store,
        phases,
        geometry,
        tuple(nodes),
        tuple(answer.get("notes", ())),
        tuple(range(len(phases))),
        tuple((answer.get("enhancement") or {}).get("percent", ())),
        motion,
        spacingKnown=bool(answer.get("spacing_known", True)),
        decisions=decisions,
    )
    try:
        yield
        made = yield from companions.makeCompanions(exam)
    except BaseException:
        if not ownNodes or moved:
            examnodes.removeNodes(exam.nodes, examnodes.folderOf(exam))
        raise
    viewlayout.leaveSingleView()
    examnodes.showPhase(exam.reference)
    return replace(exam, companions=made)


def _filesOf(source, chosen, folder, report):
    folder.mkdir(parents=True, exist_ok=True)
    turns = fromnodes.writeNodes(chosen.nodes, folder)
    paths = yield from reported(turns, len(chosen.nodes), report, _("Reading the volumes from the scene"))
    rest = {key: value for key, value in source.items() if key != "nodes"}
    times = source.get("times") or list(chosen.times)
    return {**rest, "files": paths, **({"times": times} if times else {})}

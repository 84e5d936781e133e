"""The way of one exam through the application: read, shown, segmented; in generators of short turns."""

import json
import os
import shutil
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import BadInput
from ..exam.dce import Phase
from ..exam.mammograms.view import View
from ..exam.store import array_name
from ..volume import Geometry
from . import companions, examnodes, fromnodes, mammogramnodes, segmentationnode, viewlayout
from .answers import answerTo
from .arrangedstore import arrange
from .sceneexam import SceneExam, SceneMammograms, SceneResult
from .texts import _


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
        return (yield from _showMammograms(answer, report))
    shutil.rmtree(Path(folder) / "nodes", ignore_errors=True)
    return (yield from _showPhases(answer, chosen, dict(source.get("decisions") or {}), report))


def segmentExam(client, exam, folder, report, *, model, device="auto", tta=False, cleanup=True):
    """Run a model on an exam that is in the scene and add its segmentation node.

    Parameters
    ----------
    client : WorkerClient
    exam : SceneExam
    folder : str or Path
        Private; the run's arrays go there.
    report : callable
        ``report(stage, done, total, eta_s)``.
    model : Model
        See `models.find_model`.
    device : {'auto', 'cuda', 'cpu'}
    tta, cleanup : bool
        Test-time mirroring; clean-up of the mask.

    Returns
    -------
    SceneResult

    Raises
    ------
    BreastSegError
        What went wrong; nothing of the run stays in the scene then.
    """
    if exam.kind != "dce":
        raise BadInput(_("The model is for DCE-MRI, and mammograms are loaded"), model.name, _("Load a DCE-MRI exam"))
    labels = {row["value"]: row["terminology"] for row in model.card["labels"].values()}
    output = Path(folder) / f"run-{uuid.uuid4().hex[:8]}"
    store = yield from arrange(client, exam, output / "exam", report)
    # The decisions go into the run record.
    source = {"store": store, **({"decisions": exam.decisions} if exam.decisions else {})}
    yield
    sent = client.send(
        "predict",
        source=source,
        model=str(model.folder),
        device=device,
        folds=None,
        tta=tta,
        cleanup=cleanup,
        output=str(output),
    )
    answer = yield from answerTo(client, sent, report)
    report(_("Showing the result"), 0, 0, None)
    mask = np.load(answer["mask"], mmap_mode="r")
    geometry, components = Geometry.from_json(answer["geometry"]), answer.get("components", ())
    yield
    node = yield from segmentationnode.addSegmentation(
        mask,
        geometry,
        exam.reference,
        name=f"{exam.name} {_('segmentation')}",
        labels=labels,
        components=components,
        provenance=provenanceOf(answer.get("record", {})),
    )
    yield
    lesions = tuple(sorted(components, key=lambda row: -row["volume_mm3"]))
    if lesions:
        examnodes.jumpTo(lesions[0]["centroid_lps"])
    notes = tuple(answer.get("notes", ()))
    return SceneResult(node, lesions, notes, answer.get("record", {}), answer.get("timings", {}))


def provenanceOf(record):
    """Return the parts of a run record that go onto a node: short texts only, no paths, no patient data."""
    flat = {}
    for key in ("run_id", "id", "started", "device", "device_name"):
        if isinstance(record.get(key), (str, int)):
            flat[key] = str(record[key])
    for group in ("model", "recipe", "versions"):
        value = record.get(group)
        if isinstance(value, dict):
            flat.update(
                {
                    f"{group}.{key}": str(item)
                    for key, item in value.items()
                    if isinstance(item, (str, int)) and not os.path.isabs(str(item))
                }
            )
        elif isinstance(value, str) and not os.path.isabs(value):
            flat[group] = value
    if record.get("phases"):
        flat["phases"] = json.dumps(record["phases"], ensure_ascii=False)
    return flat


def _showPhases(answer, chosen, decisions, report):
    store, name = answer["exam"], examnodes.uniqueExamName()
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
        nodes = yield from _reported(turns, len(phases), report)
    else:
        arrays = [np.load(Path(store) / array_name(index), mmap_mode="r") for index in range(len(phases))]
        turns = examnodes.addPhaseNodes(phases, arrays, geometry, name, window)
        nodes = yield from _reported(turns, len(phases), report)
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


def _showMammograms(answer, report):
    name = examnodes.uniqueExamName()
    views = tuple(View.from_json(row) for row in answer["views"])
    turns = mammogramnodes.addViewNodes(views, answer["views"], answer["exam"], name)
    nodes = yield from _reported(turns, len(views), report, _("Adding the mammograms to the scene"))
    tones = tuple(tuple(row.get("tones", ())) for row in answer["views"])
    exam = SceneMammograms(name, answer["exam"], views, tuple(nodes), tuple(answer.get("notes", ())), tones)
    yield
    viewlayout.showInSingleView(exam.reference)
    return exam


def _filesOf(source, chosen, folder, report):
    folder.mkdir(parents=True, exist_ok=True)
    paths = yield from _reported(fromnodes.writeNodes(chosen.nodes, folder), len(chosen.nodes), report)
    rest = {key: value for key, value in source.items() if key != "nodes"}
    times = source.get("times") or list(chosen.times)
    return {**rest, "files": paths, **({"times": times} if times else {})}


def _reported(turns, total, report, stage=None):
    while True:
        try:
            done = next(turns)
        except StopIteration as end:
            return end.value
        report(stage or _("Adding the phases to the scene"), done, total, None)
        try:
            yield
        except BaseException:
            # A cancelled load: the inner generator removes what it has made.
            turns.close()
            raise

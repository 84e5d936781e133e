"""The way of one exam through the application: read, shown, corrected, segmented; in generators of short turns."""

import json
import os
import shutil
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import BadInput
from ..exam.dce import Phase, number_phases
from ..exam.store import array_name, save_description
from ..volume import Geometry
from . import examnodes, fromnodes, segmentationnode
from .answers import answerTo
from .texts import _


@dataclass(frozen=True)
class SceneExam:
    """An exam that is in the scene.

    Parameters
    ----------
    name : str
        What its nodes are called; no patient data.
    store : str
        Folder of the exam's arrays (`exam.store`).
    phases : tuple of Phase
        In time order.
    geometry : Geometry
        The grid of the arrays.
    nodes : tuple of vtkMRMLScalarVolumeNode
        One for each phase.
    notes : tuple of str
        Sentences worth reading.
    order : tuple of int
        Which array of `store` each phase has.
    """

    name: str
    store: str
    phases: tuple
    geometry: Geometry
    nodes: tuple
    notes: tuple = ()
    order: tuple = ()

    @property
    def reference(self):
        """vtkMRMLScalarVolumeNode: the phase that is shown and segmented on."""
        return self.nodes[examnodes.referenceIndex(self.phases)]


@dataclass(frozen=True)
class SceneResult:
    """What a run left in the scene.

    Parameters
    ----------
    node : vtkMRMLSegmentationNode
    lesions : tuple of dict
        As the worker reports its components, largest first.
    notes : tuple of str
    record : dict
        The run record.
    timings : dict of str to float
        Seconds of each stage.
    """

    node: object
    lesions: tuple
    notes: tuple
    record: dict
    timings: dict


def readExam(client, source, folder, report):
    """Have the worker read `source` into an exam store in `folder`, and show its phases.

    Parameters
    ----------
    client : WorkerClient
    source : dict
        As `exam.source.read_exam` takes it, or ``{"nodes": [volume nodes]}`` in phase order.
    folder : str or Path
        Private and empty.
    report : callable
        ``report(stage, done, total, eta_s)``.

    Returns
    -------
    SceneExam
    """
    nodes = tuple(source.get("nodes", ()))
    if nodes:
        source = yield from _filesOf(source, Path(folder) / "nodes", report)
    answer = yield from answerTo(client, client.send("read", source=source, output=str(Path(folder) / "exam")), report)
    store = answer["exam"]
    phases = tuple(Phase.from_json(row) for row in answer["phases"])
    geometry = Geometry.from_json(answer["geometry"])
    name = examnodes.uniqueExamName()
    yield
    if nodes:
        for node, phase in zip(nodes, phases):
            examnodes.labelNode(node, phase)
        shutil.rmtree(Path(folder) / "nodes", ignore_errors=True)
    else:
        window = answer["windows"][examnodes.referenceIndex(phases)]
        arrays = [np.load(Path(store) / array_name(index), mmap_mode="r") for index in range(len(phases))]
        turns = examnodes.addPhaseNodes(phases, arrays, geometry, name, window)
        nodes = yield from _reported(turns, len(phases), report)
    notes = tuple(answer.get("notes", ()))
    exam = SceneExam(name, store, phases, geometry, tuple(nodes), notes, tuple(range(len(phases))))
    yield
    examnodes.showPhase(exam.reference)
    return exam


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
    labels = {row["value"]: row["terminology"] for row in model.card["labels"].values()}
    output = Path(folder) / f"run-{uuid.uuid4().hex[:8]}"
    source = {"store": arrangedStore(exam, output / "exam")}
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


def correctPhases(exam, rows):
    """Return `exam` with phases as the user set them by hand; the nodes are renamed.

    Parameters
    ----------
    exam : SceneExam
    rows : sequence of (int, str, float or None)
        Index into ``exam.phases``, role, time in seconds - in the user's order, left-out phases missing.

    Raises
    ------
    BadInput
        If no phase is left, or more than one is called pre-contrast, or it is not the first.
    """
    rows = list(rows)
    if not rows:
        raise BadInput(_("Every phase is left out"), hint=_("Use at least one phase"))
    if any(role == "pre" for index, role, time in rows[1:]):
        what = _("The pre-contrast phase is not the first of the list, or there are two")
        raise BadInput(what, hint=_("Move it to the top"))
    before = [exam.phases[index] for index, role, time in rows]
    numbered = number_phases((role, time, "", ()) for index, role, time in rows)
    phases = tuple(
        replace(phase, evidence=old.evidence if _same(old, phase) else _("set by hand"))
        for old, phase in zip(before, numbered)
    )
    nodes = tuple(exam.nodes[index] for index, role, time in rows)
    for node, phase in zip(nodes, phases):
        examnodes.labelNode(node, phase, exam.name if node.GetName().startswith(exam.name) else None)
    return replace(exam, phases=phases, nodes=nodes, order=tuple(exam.order[index] for index, role, time in rows))


def arrangedStore(exam, folder):
    """Return an exam store with the phases in the order that the user sees; its hard links cost nothing."""
    store, folder = Path(exam.store), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for index, source in enumerate(exam.order):
        try:
            os.link(store / array_name(source), folder / array_name(index))
        except OSError:
            # Some network drives know no hard links.
            shutil.copyfile(store / array_name(source), folder / array_name(index))
    save_description(folder, exam.phases, exam.geometry, exam.notes)
    return str(folder)


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


def _filesOf(source, folder, report):
    folder.mkdir(parents=True, exist_ok=True)
    nodes = source["nodes"]
    paths = yield from _reported(fromnodes.writeNodes(nodes, folder), len(nodes), report)
    return {"files": paths, **({"times": source["times"]} if source.get("times") else {})}


def _reported(turns, total, report):
    while True:
        try:
            done = next(turns)
        except StopIteration as end:
            return end.value
        report(_("Adding the phases to the scene"), done, total, None)
        try:
            yield
        except BaseException:
            # A cancelled load: the inner generator removes what it has made.
            turns.close()
            raise


def _same(old, new):
    return (old.role, old.number, old.time_s) == (new.role, new.number, new.time_s)

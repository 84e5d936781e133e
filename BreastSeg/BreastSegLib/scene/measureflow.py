"""Measuring a segmentation that is in the scene: its voxels go to the worker, the numbers come back."""

import shutil
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import slicer

from ..errors import BadInput
from ..exam.store import DESCRIPTION
from ..files import read_json
from ..volume import Geometry
from . import arrangedstore, fromnodes, lesiontable, mammogramflow, results, segmentvoxels
from .answers import answerTo
from .companions import isThere
from .texts import _
from .turns import reported

# Values that the voxels of a mask can have.
MOST = 255
SAME_MM = 1e-3


def measureResult(
    client,
    exam,
    folder,
    report,
    *,
    result,
    other=None,
    removed=None,
    settings=None,
    onRead=None,
    extra=None,
    take=None,
):
    """Measure the visible segments of a result, as the user has edited them. A generator: one slow thing a turn.

    Parameters
    ----------
    client : WorkerClient
    exam : SceneExam or SceneMammograms
    folder : str or Path
        Private; the arrays lie there while it lasts.
    report : callable
        ``report(stage, done, total, eta_s)``.
    result : SceneResult
    other : SceneResult, optional
        Another result on the exam that it is compared with.
    removed : sequence of dict, optional
        What the clean-up took away; by default as the last measures tell.
    settings : dict, optional
        Of the kinetics; by default as in the last measures.
    onRead : callable, optional
        Called when the segments have been read: what the user changes from then on is not measured.
    extra : dict, optional
        More fields of the request, such as ``maps``.
    take : callable, optional
        ``take(answer)`` returns turns that use the files of the answer before they are deleted.

    Returns
    -------
    SceneResult
        With the new ``measures``; its table node is up to date.

    Raises
    ------
    BreastSegError
        What went wrong; the result is as it was then.
    """
    output = Path(folder) / f"measure-{uuid.uuid4().hex[:8]}"
    output.mkdir(parents=True)
    asked = formerFields(result) | (extra or {})
    asked |= {name: value for name, value in (("removed", removed), ("settings", settings)) if value is not None}
    try:
        asked |= yield from fieldsOf(client, exam, output, report, result, other)
        if onRead is not None:
            onRead()
        notes = asked.pop("notes")
        answer = yield from answerTo(client, client.send("measure", **asked), report)
        if not any(isThere(node) for node in result.nodes):
            raise BadInput(_("The segmentation was removed from the scene meanwhile"))
        if take is not None:
            yield from take(answer)
        return taken(result, answer["measures"], notes)
    finally:
        shutil.rmtree(output, ignore_errors=True)


def formerFields(result):
    """Return the fields of a ``measure`` request that come from what was measured before.

    Parameters
    ----------
    result : SceneResult
    """
    former = result.measures or {}
    return {
        "removed": list(former.get("removed", ())),
        "settings": former.get("settings") or {},
        # What does not depend on the outline is taken from there.
        **({"former": former} if former else {}),
    }


def taken(result, measures, notes):
    """Return the result with its new measures, after writing them into its table node.

    Parameters
    ----------
    result : SceneResult
    measures : dict
        As the worker answers.
    notes : sequence of str
        Sentences about the segments, see `fieldsOf`.
    """
    measures = _with(measures, notes)
    _keepConfidence(measures, result.measures or {})
    measured = replace(result, measures=measures)
    lesiontable.write(measured)
    return measured


def fieldsOf(client, exam, output, report, result, other=None):
    """Write what is measured into a folder. A generator: one slow thing a turn.

    Parameters
    ----------
    client, exam, report, result, other
        As for `measureResult`.
    output : Path
        Folder.

    Returns
    -------
    dict
        The fields of a ``measure`` request about it, and ``notes``, which are not part of the request.
    """
    report(_("Reading the segmentation"), 0, 0, None)
    store, geometries = yield from _storeOf(client, exam, output / "exam", report)
    masks, names, notes = yield from _masksOf(exam, result, geometries, output, "mask", report)
    decisions = getattr(exam, "decisions", None)
    fields = {
        "source": {"store": store, **({"decisions": decisions} if decisions else {})},
        "mask": masks,
        "output": str(output / "answer"),
        "connected": False,
        "names": {str(value): name for value, name in names.items()},
        "notes": notes,
    }
    chances = yield from _chancesOf(exam, result, output)
    if chances is not None:
        fields["chance"] = chances
    if other is not None:
        fields["other"], _names, _notes = yield from _masksOf(exam, other, geometries, output, "other", report)
    model = _modelFolder(result)
    yield
    return {**fields, "model": model} if model else fields


def _with(measures, notes):
    """Return measures with sentences about the segments before their warnings."""
    added = [{"kind": "overlap", "text": text, "lesions": [], "action": None, "data": {}} for text in notes]
    return {**measures, "warnings": [*added, *measures.get("warnings", ())]} if added else measures


def _keepConfidence(measures, former):
    """Let lesions that have not changed keep the confidence that the run told: its map is gone by now.

    A lesion with as many voxels and its centre in the same place is taken for unchanged.
    """
    for row in measures["lesions"]:
        if row.get("confidence") is not None:
            continue
        for old in former.get("lesions", ()):
            same = old.get("voxels") == row["voxels"] and old.get("view_index") == row.get("view_index")
            if same and np.allclose(old["centroid_lps"], row["centroid_lps"], rtol=0, atol=SAME_MM):
                row["confidence"] = old.get("confidence")


def _storeOf(client, exam, folder, report):
    """Return the store that the worker reads, and the grid of each image in it, in the world."""
    if exam.kind == "mammograms":
        geometries = [fromnodes.geometryOf(node) for node in exam.nodes]
        store = yield from mammogramflow.arrangeViews(exam, folder)
        return store, geometries
    store = yield from arrangedstore.arrange(client, exam, folder, report)
    return store, [Geometry.from_json(read_json(Path(store) / DESCRIPTION)["geometry"])]


def _masksOf(exam, result, geometries, folder, name, report):
    """Write the label volumes of a result; return the file, or one for each view, and names and notes."""
    files, names, notes = [None] * len(geometries), {}, []
    for node in result.nodes:
        if not isThere(node):
            continue
        place = exam.nodes.index(results.imageOf(node)) if exam.kind == "mammograms" else 0
        turns = segmentvoxels.labelsOf(node, geometries[place], first=len(names) + 1)
        total = node.GetSegmentation().GetNumberOfSegments()
        labels = yield from reported(turns, total, report, _("Reading the segmentation"))
        names.update(labels.names)
        notes += labels.notes
        files[place] = str(folder / f"{name}_{place:04d}.npy")
        if len(names) > MOST:
            what = _("The segmentation has {count} segments").format(count=len(names))
            hint = _("Hide those that need not be measured; {most} can be").format(most=MOST)
            raise BadInput(what, node.GetName(), hint)
        np.save(files[place], labels.array)
        yield
    if not any(files):
        raise BadInput(_("The segmentation was removed from the scene meanwhile"))
    return (files if exam.kind == "mammograms" else files[0]), names, notes


def _chancesOf(exam, result, folder):
    """Write the chances of a lesion that are in the scene; None without any."""
    files = [None] * (len(exam.nodes) if exam.kind == "mammograms" else 1)
    for node in filter(isThere, result.nodes):
        found = results.chanceOf(node, exam)
        if found is None:
            continue
        place = exam.nodes.index(results.imageOf(node)) if exam.kind == "mammograms" else 0
        files[place] = str(folder / f"chance_{place:04d}.npy")
        np.save(files[place], np.ascontiguousarray(slicer.util.arrayFromVolume(found), dtype=np.float32))
        yield
    if not any(files):
        return None
    return files if exam.kind == "mammograms" else files[0]


def _modelFolder(result):
    """Return the folder of the model that made a result, to compare the exam with what it was trained on; or ''."""
    from ..models import find_model

    name = (result.record.get("model") or {}).get("name") or (
        result.node.GetAttribute("BreastSeg.model.name") if isThere(result.node) else ""
    )
    try:
        return str(find_model(name, verify=False).folder) if name else ""
    except BadInput:
        return ""

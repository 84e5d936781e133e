"""Report, tables and DICOM objects of a result in the scene: the worker measures it as it is drawn, and writes."""

import shutil
import uuid
from pathlib import Path

import numpy as np

from ..errors import BadInput
from . import measureflow
from .answers import answerTo
from .companions import isThere
from .sceneexam import SceneResult
from .texts import _

SAME_MM = 0.1


def exportResult(
    client, exam, folder, report, *, result, outputs, dicom=None, identify=False, overwrite=False, onRead=None
):
    """Measure the visible segments of a result as they are now, and write what is asked for. A generator.

    Parameters
    ----------
    client : WorkerClient
    exam : SceneExam or SceneMammograms
    folder : str or Path
        Private; the arrays lie there while it lasts.
    report : callable
        ``report(stage, done, total, eta_s)``.
    result : SceneResult
    outputs : dict of str to str
        Path of each kind, see `pipeline.exporting.ENDINGS`.
    dicom : dict, optional
        The source of the exam's DICOM files; without it nothing that refers to them can be written.
    identify : bool
        Whether the report names the patient.
    overwrite : bool
    onRead : callable, optional
        Called when the segments have been read: what the user changes from then on is neither measured nor written.

    Returns
    -------
    measured : SceneResult
        With measures of what was written.
    written : list of str
        The files.

    Raises
    ------
    BreastSegError
        What went wrong; nothing was written then.
    """
    output = Path(folder) / f"export-{uuid.uuid4().hex[:8]}"
    output.mkdir(parents=True)
    try:
        asked = measureflow.formerFields(result)
        asked |= yield from measureflow.fieldsOf(client, exam, output, report, result)
        if onRead is not None:
            onRead()
        notes = asked.pop("notes")
        answer = yield from answerTo(client, client.send("measure", **asked), report)
        if not any(isThere(node) for node in result.nodes):
            raise BadInput(_("The segmentation was removed from the scene meanwhile"))
        measured = measureflow.taken(result, answer["measures"], notes)
        yield
        request = {name: asked[name] for name in ("source", "mask", "names", "connected", "model") if name in asked}
        request |= {
            "measures": measured.measures,
            "record": recordOf(result),
            "outputs": dict(outputs),
            "identify": identify,
            "edited": isEdited(result, measured),
            "overwrite": overwrite,
            **({"dicom": dicom} if dicom else {}),
        }
        answer = yield from answerTo(client, client.send("export", **request), report)
        return measured, answer["written"]
    finally:
        shutil.rmtree(output, ignore_errors=True)


def isEdited(result, measured):
    """Return whether the segments are not what the run left: drawn by hand, or other regions or sizes than it told.

    Parameters
    ----------
    result : SceneResult
    measured : SceneResult
        The same with measures of how it is drawn now.
    """
    if not result.record:
        return True
    left = [(row["voxels"], row["centroid_lps"]) for row in result.lesions]
    for row in measured.measures["lesions"]:
        voxels, centre = row.get("voxels", row.get("pixels")), row["centroid_lps"]
        same = [one for one in left if one[0] == voxels and np.allclose(one[1], centre, rtol=0, atol=SAME_MM)]
        if not same:
            return True
        left.remove(same[0])
    return bool(left)


def recordOf(result: SceneResult):
    """Return the run record of a result; of one that came with a scene what its node tells, {} of a drawn one."""
    if result.record or not isThere(result.node):
        return result.record or {}
    told = {name: result.node.GetAttribute(f"BreastSeg.{name}") for name in ("id", "started", "device_name")}
    record = {name: value for name, value in told.items() if value}
    for group in ("model", "recipe"):
        name = result.node.GetAttribute(f"BreastSeg.{group}.name")
        if name:
            record[group] = {"name": name, "hash": result.node.GetAttribute(f"BreastSeg.{group}.hash") or ""}
    return record

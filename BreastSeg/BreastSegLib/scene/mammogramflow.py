"""The way of mammograms through the application: shown, segmented; in generators of short turns."""

import os
import shutil
from pathlib import Path

import numpy as np
import slicer

from ..errors import BadInput
from ..exam.mammograms.store import FORMAT
from ..exam.mammograms.view import View
from ..files import write_json
from ..recipe import load_recipe
from . import (
    arrangedstore,
    examnodes,
    fromnodes,
    lesiontable,
    lesionviews,
    mammogramnodes,
    mammogramresult,
    mapnodes,
    results,
    shownviews,
    viewlayout,
)
from .answers import answerTo
from .basicmeasures import basicMeasures
from .provenance import provenanceOf
from .sceneexam import SceneMammograms, SceneResult
from .texts import _
from .turns import reported


def showMammograms(answer, report):
    """Show the mammograms that the worker has read. A generator.

    Parameters
    ----------
    answer : dict
        The worker's answer to ``read``.
    report : callable
        ``report(stage, done, total, eta_s)``.

    Returns
    -------
    SceneMammograms
    """
    name = examnodes.uniqueExamName()
    views = tuple(View.from_json(row) for row in answer["views"])
    turns = mammogramnodes.addViewNodes(views, answer["views"], answer["exam"], name)
    nodes = yield from reported(turns, len(views), report, _("Adding the mammograms to the scene"))
    tones = tuple(tuple(row.get("tones", ())) for row in answer["views"])
    exam = SceneMammograms(name, answer["exam"], views, tuple(nodes), tuple(answer.get("notes", ())), tones)
    yield
    viewlayout.showInSingleView(exam.reference)
    return exam


def segmentMammograms(client, exam, output, report, *, model, regions=(), **options):
    """Run a model on mammograms that are in the scene and add a segmentation node for each view that it segmented.

    A generator.

    Parameters
    ----------
    client : WorkerClient
    exam : SceneMammograms
    output : Path
        Private and not there yet; the run's arrays go there.
    report : callable
        ``report(stage, done, total, eta_s)``.
    model : Model
    regions : sequence of dict
        As `regionnodes.regionsOf` returns them, for recipes that look at regions.
    **options
        What `runoptions.runOptions` returns.

    Returns
    -------
    SceneResult

    Raises
    ------
    BreastSegError
    """
    if load_recipe(model.recipe_source).needs_region and not regions:
        what = _("The model looks at a region around each mass, and none is given")
        raise BadInput(what, model.name, _("Draw a box around each mass, or place a point in it"))
    labels = {row["value"]: row["terminology"] for row in model.card["labels"].values()}
    for node in exam.nodes:
        fromnodes.geometryOf(node)  # What cannot be placed later is refused now.
    store = yield from arrangeViews(exam, output / "exam")
    yield
    sent = client.send(
        "predict",
        source={"store": store},
        model=str(model.folder),
        output=str(output),
        **options,
        **({"regions": list(regions)} if regions else {}),
    )
    answer = yield from answerTo(client, sent, report)
    rows = answer["views"]
    record = answer.get("record", {})
    yield
    provenance = {**provenanceOf(record), "Number": results.nextNumber(exam)}
    turns = mammogramresult.addResults(rows, exam, labels, provenance, model.name)
    nodes, lesions, maps = yield from reported(turns, len(rows), report, _("Showing the result"))
    mapnodes.replaceFormer(maps, exam.nodes, model.name)
    if rows:
        shownviews.show(exam.nodes, lesions[0]["place"] if lesions else int(rows[0]["index"]))
    notes = (*answer.get("notes", ()), *_notLookedAt(exam, {int(row["index"]) for row in rows}))
    timings = answer.get("timings", {})
    first = nodes[0] if nodes else None
    removed = [dict(one) for row in rows for one in row.get("removed", ())]
    measures = answer.get("measures") or basicMeasures(lesions, "mammograms", removed)
    result = SceneResult(first, tuple(lesions), notes, record, timings, tuple(nodes), tuple(maps), measures)
    lesionviews.nameLesions(exam, result)
    lesiontable.write(result)
    return result


def arrangeViews(exam, folder):
    """Make the store that a run reads: the images as they are, the views as the user corrected them.

    A generator: one image a turn.

    Parameters
    ----------
    exam : SceneMammograms
    folder : Path
        Private and empty.

    Returns
    -------
    str
        The store's folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for place, (view, node) in enumerate(zip(exam.views, exam.nodes)):
        name = f"view_{place:04d}.npy"
        if arrangedstore.hasStore(exam):
            _link(Path(exam.store) / name, folder / name)
        else:
            # After a scene was loaded there are only nodes.
            np.save(folder / name, np.ascontiguousarray(slicer.util.arrayFromVolume(node), dtype=np.float32))
            yield
        rows.append({**view.to_json(), "array": name, "geometry": fromnodes.geometryOf(node).to_json()})
    # The description comes last: a folder without it is no exam.
    write_json(folder / "exam.json", {"format": FORMAT, "views": rows, "notes": list(exam.notes)}, overwrite=True)
    return str(folder)


def _notLookedAt(exam, places):
    """Return the sentence that names the images without a region: "no lesion found" says nothing of them."""
    rest = [mammogramnodes.viewTitle(view) for place, view in enumerate(exam.views) if place not in places]
    what = _("Only images with a region were segmented. Not looked at: {images}.")
    return [what.format(images=", ".join(rest))] if rest else []


def _link(source, target):
    try:
        os.link(source, target)
    except OSError:
        # Some network drives know no hard links.
        shutil.copyfile(source, target)

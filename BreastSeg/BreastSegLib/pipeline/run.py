"""The flow of one run: exam → recipe → network → the exam's own grid → largest component → result.

`segment_exam` and its neighbours run in the worker; `segment` is what scripts and the command line call.
"""

import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from . import __version__
from .errors import BadInput
from .exam.decisions import check_decisions
from .exam.reading import plain
from .exam.source import read_exam
from .inference.client import WorkerClient
from .inference.versions import versions
from .measures.side import breast_side
from .models import find_model
from .recipe import clean, load_recipe, prepare, restore
from .recipe.cleanup import label_components
from .volume import Geometry, Volume

RECORD_FORMAT = "breastseg-run-1"


def load_model(request, engine, report):
    """Load a model and say on what it runs (worker side)."""
    model = trusted_model(request["model"], engine)
    engine.load(model.folder, model.hash, request["device"], chosen_folds(model, request["folds"]), report)
    return {"device": engine.device, "device_name": engine.device_name, "model": model.name}


def segment_exam(request, engine, report):
    """Segment one exam (worker side).

    Parameters
    ----------
    request : dict
        The fields of a ``predict`` message, and optionally ``probabilities`` (bool).
    engine : inference.engine.Engine
    report : callable
        ``report(stage, done, total)``; may raise `Cancelled`.

    Returns
    -------
    dict
        The fields of the result message: paths of the arrays (uint8, z, y, x, on the exam's own grid), components,
        notes, run record, seconds of each stage.

    Raises
    ------
    BreastSegError
    """
    clock = Clock(report)
    started = datetime.now(UTC)
    model = trusted_model(request["model"], engine)
    recipe = recipe_of(model)
    folds = chosen_folds(model, request["folds"])
    exam = read_exam(request["source"], clock)
    prepared = prepare(recipe, exam, clock)
    engine.load(model.folder, model.hash, request["device"], folds, clock)
    probabilities = engine.predict(prepared.channels, prepared.geometry.spacing, request["tta"], clock)
    chances, raw = restore_result(prepared.record, probabilities, clock)
    clock("Cleaning up", 0, 1)
    mask, removed = clean(recipe.cleanup, raw) if request["cleanup"] else (raw, [])
    rows = describe_components(mask)
    clock("Cleaning up", 1, 1)
    paths = write_arrays(request, mask, raw, chances, clock)
    notes = [*exam.notes, *engine.notes, *notes_on(rows, removed)]
    record = run_record(request, model, recipe, folds, engine, exam, prepared, started, clock)
    return {
        **paths,
        "geometry": mask.geometry.to_json(),
        "components": rows,
        "removed": removed,
        "notes": notes,
        "record": record,
        "timings": clock.seconds,
    }


class Clock:
    """Passes progress on and keeps the seconds of each stage."""

    def __init__(self, report):
        self.seconds = {}
        self._report, self._stage, self._since = report, None, time.perf_counter()

    def __call__(self, stage, done, total):
        now = time.perf_counter()
        if self._stage is not None:
            self.seconds[self._stage] = round(self.seconds.get(self._stage, 0.0) + now - self._since, 3)
        self._stage, self._since = stage, now
        self._report(stage, done, total)


def trusted_model(name_or_folder, engine):
    """Return the `Model`, its files compared with the card's checksums unless the engine holds this very model."""
    model = find_model(name_or_folder, verify=False)
    return model if engine.holds(model.folder, model.hash) else find_model(name_or_folder)


def recipe_of(model):
    """Return the recipe that a model's card names, after checking that it is the one the model was trained with."""
    recipe = load_recipe(model.card["recipe"])
    if recipe.hash != model.card["recipe_hash"]:
        raise BadInput(
            f"The recipe {recipe.name} has changed since the model was trained",
            model.name,
            "Install the recipe's version that belongs to the model",
        )
    if len(recipe.channels) != len(model.channel_names):
        raise BadInput(
            f"The model has {len(model.channel_names)} channels, its recipe makes {len(recipe.channels)}",
            model.name,
            "Correct the model card",
        )
    return recipe


def chosen_folds(model, folds):
    """Return the folds to use: all that the model has when none are named."""
    chosen = tuple(str(fold) for fold in folds) if folds else model.folds
    missing = [fold for fold in chosen if fold not in model.folds]
    if missing:
        raise BadInput(f"The model has no fold {', '.join(missing)}", model.name, "It has " + ", ".join(model.folds))
    return chosen


def restore_result(record, probabilities, report):
    """Return the chance of a lesion (float32, 0 to 1) and the raw mask (uint8 labels) on the exam's own grid.

    The strongest label wins after interpolation, so edges are placed between the prepared voxels. Where the exam
    reaches beyond the prepared grid the result is background.
    """
    foreground = []
    for label in range(1, len(probabilities)):
        report("Restoring", label - 1, len(probabilities))
        foreground.append(restore(record, probabilities[label]).array)
    geometry = Geometry.from_json(record["exam_geometry"])
    chance = np.sum(foreground, axis=0, dtype=np.float32)
    strongest = np.argmax(foreground, axis=0).astype(np.uint8) + 1 if len(foreground) > 1 else np.uint8(1)
    winner = np.max(foreground, axis=0) if len(foreground) > 1 else chance
    raw = np.where(winner > 1 - chance, strongest, 0).astype(np.uint8)
    report("Restoring", len(probabilities), len(probabilities))
    return Volume(chance, geometry), Volume(raw, geometry)


def describe_components(mask):
    """Return one row for each component of the final mask, largest first: voxels, volume, centroid (LPS), side."""
    _, rows = label_components(mask)
    for row in rows:
        row["side"] = breast_side(row["centroid_lps"], mask.geometry)
    rows.sort(key=lambda row: -row["voxels"])
    return [{**row, "label": index + 1} for index, row in enumerate(rows)]


def notes_on(rows, removed):
    """Return the sentences about a result that are worth reading."""
    notes = [] if rows else ["No lesion was found."]
    if removed:
        volume = sum(row["volume_mm3"] for row in removed) / 1000
        notes.append(
            f"The clean-up removed {len(removed)} smaller region{'s' if len(removed) > 1 else ''} "
            f"({volume:.2f} cm³ in total)."
        )
    return notes


def write_arrays(request, mask, raw, chances, report):
    """Write the result arrays into the request's output folder and return their paths."""
    report("Writing", 0, 1)
    folder = Path(request["output"])
    arrays = {"mask": mask.array, "raw": raw.array}
    if request.get("probabilities"):
        arrays["probabilities"] = chances.array
    paths = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in arrays.items():
            paths[name] = str(folder / f"{name}.npy")
            np.save(paths[name], np.ascontiguousarray(array))
    except OSError as error:
        raise BadInput(
            f"The result could not be written: {error.strerror or error}",
            folder,
            "Free some space for temporary files and run again",
        ) from error
    report("Writing", 1, 1)
    return paths


def run_record(request, model, recipe, folds, engine, exam, prepared, started, clock):
    """Return the run record: everything needed to trace a number, and nothing that identifies the patient."""
    return {
        "format": RECORD_FORMAT,
        "id": str(uuid.uuid4()),
        "started": started.isoformat(timespec="seconds"),
        "extension": __version__,
        "versions": versions(),
        "device": engine.device,
        "device_name": engine.device_name,
        "model": {"name": model.name, "hash": model.hash, "folds": list(folds)},
        "recipe": {"name": recipe.name, "hash": recipe.hash},
        "tta": bool(request["tta"]),
        "cleanup": bool(request["cleanup"]),
        "phases": [phase.to_json() for phase in exam.phases],
        "motion": [plain(figure.to_json()) for figure in exam.motion],
        "decisions": check_decisions(request["source"].get("decisions")),
        "preparation": prepared.record,
        "seconds": dict(clock.seconds),
    }


def segment(
    source, model, device="auto", folds=None, tta=False, cleanup=True, probabilities=False, on_event=None, client=None
):
    """Segment an exam in a worker and wait for the result (caller's side).

    Parameters
    ----------
    source : dict
        ``{"folder": DIR}``, ``{"files": [pre, post1, …]}`` … (see `exam.source.read`).
    model : str or Path
        Library name or model folder.
    device : {'auto', 'cuda', 'cpu'}
    folds : sequence, optional
        All folds of the model when not given.
    tta : bool
        Average over mirrorings.
    cleanup : bool
        Apply the recipe's clean-up.
    probabilities : bool
        Also return the chance of a lesion for every voxel.
    on_event : callable, optional
        Called with every progress event.
    client : WorkerClient, optional
        A worker that stays warm between calls; one is started and ended when not given.

    Returns
    -------
    dict
        ``mask``, ``raw`` (uint8) and, if asked for, ``probabilities`` (float32) as `Volume`; ``components``,
        ``removed``, ``notes``, ``record``, ``timings``.

    Raises
    ------
    BreastSegError
    """
    own = client is None
    client = client or WorkerClient()
    try:
        client.start()
        output = client.folder / f"result-{uuid.uuid4().hex[:8]}"
        folder = str(find_model(model, verify=False).folder)  # the worker compares the checksums
        request = client.send(
            "predict",
            source=absolute_source(source),
            model=folder,
            device=device,
            folds=folds,
            tta=tta,
            cleanup=cleanup,
            probabilities=probabilities,
            output=str(output),
        )
        event = client.wait(request, on_event)
        geometry = Geometry.from_json(event["geometry"])
        arrays = {
            name: Volume(np.load(event[name]), geometry) for name in ("mask", "raw", "probabilities") if name in event
        }
        return {**arrays, **{name: event[name] for name in ("components", "removed", "notes", "record", "timings")}}
    finally:
        if own:
            client.close()


def absolute_source(source):
    """Return `source` with absolute paths: the worker runs in another folder."""
    fixed = dict(source)
    for key in ("folder", "store"):
        if key in fixed:
            fixed[key] = str(Path(fixed[key]).resolve())
    for key in ("files", "dicom", "channels", "views"):
        if key in fixed:
            fixed[key] = [str(Path(path).resolve()) for path in fixed[key]]
    return fixed

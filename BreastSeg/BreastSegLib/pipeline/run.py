"""The worker's side of a run: exam → recipe → network → the exam's own grid → clean-up → result."""

import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime

from .. import __version__
from ..errors import BadInput
from ..exam.dce import DceExam
from ..exam.decisions import check_decisions
from ..exam.reading import plain
from ..exam.source import read
from ..inference.versions import versions
from ..models import find_model
from ..recipe import load_recipe, prepare_cases
from .result import Finding, notes_on, write_finding

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
        The fields of a ``predict`` message, and optionally ``probabilities`` (bool) and ``regions``.
    engine : inference.engine.Engine
    report : callable
        ``report(stage, done, total)``; may raise `Cancelled`.

    Returns
    -------
    dict
        The fields of the result message: ``kind``, notes, run record, seconds of each stage; of a DCE exam the paths
        of the arrays (uint8, z, y, x, on the exam's own grid) and components; of mammograms these for each view.

    Raises
    ------
    BreastSegError
    """
    clock = Clock(report)
    started = datetime.now(UTC)
    model = trusted_model(request["model"], engine)
    recipe = recipe_of(model)
    folds = chosen_folds(model, request["folds"])
    exam = read(request["source"], clock)
    cases = prepare_cases(recipe, exam, request.get("regions") or (), clock)
    check_channels(model, cases)
    engine.load(model.folder, model.hash, request["device"], folds, clock)
    findings, notes = find_lesions(request, engine, recipe, exam, cases, clock)
    rows = [
        {
            "view": "" if finding.view is None else finding.view.name,
            "index": finding.index,
            **write_finding(request["output"], _prefix(finding), finding, request.get("probabilities"), clock),
        }
        for finding in findings
    ]
    kind = cases[0].record["kind"]
    return {
        "kind": kind,
        **(rows[0] if kind == "dce" else {"views": rows}),
        "notes": [*exam.notes, *notes],
        "record": run_record(request, model, recipe, folds, engine, exam, cases, started, clock),
        "timings": clock.seconds,
    }


def find_lesions(request, engine, recipe, exam, cases, clock):
    """Return a `Finding` for each image that has cases, in the order of the exam, and the notes."""
    findings, notes = {}, []
    steps = recipe.cleanup if request["cleanup"] else ()
    for number, case in enumerate(cases):

        def share(stage, done, total, number=number):
            clock(stage, number * total + done, len(cases) * total)

        spacing = network_spacing(recipe, case)
        probabilities = engine.predict(case.channels, spacing, request["tta"], share)
        notes += [note for note in engine.notes if note not in notes]
        if spacing is None and not recipe.fixed_size:
            notes.append(f"{case.name}: the pixel size is unknown and was taken to be that of the model's images.")
        name = case.record.get("view", {}).get("name", "")
        if name not in findings:
            findings[name] = _finding(exam, case)
        findings[name].add(case, probabilities, steps, clock)
    found = [finding.describe() for finding in findings.values()]
    return found, [*notes, *notes_on(found)]


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
    if recipe.channel_names is not None and len(recipe.channel_names) != len(model.channel_names):
        raise BadInput(
            f"The model has {len(model.channel_names)} channels, its recipe makes {len(recipe.channel_names)}",
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


def check_channels(model, cases):
    """Refuse, before the network is loaded, an exam that gives another number of channels than the model wants."""
    wanted, made = len(model.channel_names), len(cases[0].channels)
    if wanted != made:
        raise BadInput(
            f"The model wants {wanted} channels ({', '.join(model.channel_names)}), the exam gives {made}",
            ", ".join(cases[0].channel_names),
            "Choose another model or exam",
        )


def network_spacing(recipe, case):
    """Return the spacing (x, y, z; mm) that decides how nnU-Net resamples a case; None: it is taken as it is."""
    known = case.record.get("view", {}).get("spacing_known", True)
    return case.geometry.spacing if known and not recipe.fixed_size else None


def _finding(exam, case):
    """Return the empty `Finding` of the image that a case was made of."""
    if isinstance(exam, DceExam):
        return Finding(exam, exam.geometry)
    index = [view.name for view in exam.views].index(case.record["view"]["name"])
    return Finding(exam, exam.images[index].geometry, exam.views[index], index)


def _prefix(finding):
    return "" if finding.view is None else f"view_{finding.index:04d}_"


def run_record(request, model, recipe, folds, engine, exam, cases, started, clock):
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
        **_images_of(exam),
        "decisions": check_decisions(request["source"].get("decisions")),
        "preparation": cases[0].record if len(cases) == 1 else [case.record for case in cases],
        "seconds": dict(clock.seconds),
    }


def _images_of(exam):
    """Return what the run record says of phases or views."""
    if isinstance(exam, DceExam):
        motion = [plain(figure.to_json()) for figure in exam.motion]
        return {"phases": [phase.to_json() for phase in exam.phases], "motion": motion}
    # The windows are for showing only, and a curve is hundreds of numbers.
    return {"views": [replace(view, windows=()).to_json() for view in exam.views]}

"""The worker's side of a run: exam → recipe → network → the exam's own grid → clean-up → result."""

import time
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from .. import __version__
from ..errors import BadInput
from ..exam.dce import DceExam
from ..exam.decisions import check_decisions
from ..exam.reading import plain
from ..exam.source import read
from ..inference.versions import versions
from ..models import Model, find_model
from ..recipe import prepare_cases
from .averaging import Averaged
from .measuring import asked_of, inputs_of_cases, measured_run, training_of_model
from .parts import by_recipe, parts_of
from .result import Finding, notes_on, write_finding

RECORD_FORMAT = "breastseg-run-1"


@dataclass(frozen=True)
class Ready:
    """An exam that is read and prepared: what needs no network.

    Parameters
    ----------
    model : Model
    parts : tuple of Part
    exam : DceExam or MammographyExam
    cases : list of list of Prepared
        For each recipe of the parts (see `parts.by_recipe`) its cases, in the order of the exam.
    seconds : dict
        Of each stage.
    """

    model: Model
    parts: tuple
    exam: object
    cases: list
    seconds: dict


def load_model(request, engine, report):
    """Load a model, or the members of an ensemble, and say on what they run (worker side)."""
    model = trusted_model(request["model"], engine)
    for part in parts_of(model, request["folds"]):
        engine.load(part.model, part.folds, request["device"], report)
    return {"device": engine.device, "device_name": engine.device_name, "model": model.name}


def make_ready(request, report):
    """Read an exam and prepare it for a model, without any network.

    Parameters
    ----------
    request : dict
        The fields of a ``predict`` message.
    report : callable
        ``report(stage, done, total)``; may raise `Cancelled`.

    Returns
    -------
    Ready

    Raises
    ------
    BreastSegError
    """
    clock = Clock(report)
    model = find_model(request["model"], verify=False)  # checksums: before a network is loaded
    parts = parts_of(model, request["folds"])
    check_maps(request, parts)
    exam = read(request["source"], clock)
    breast = takes_shortcuts(request) and isinstance(exam, DceExam)
    cases = []
    for group in by_recipe(parts):
        cases.append(prepare_cases(group[0].recipe, exam, request.get("regions") or (), clock, breast))
        for part in group:
            check_channels(part.model, cases[-1])
    check_same_cases(cases)
    clock.stop()
    return Ready(model, parts, exam, cases, clock.seconds)


def segment_exam(request, engine, report, ready=None):
    """Segment one exam (worker side).

    Parameters
    ----------
    request : dict
        The fields of a ``predict`` message, and optionally ``probabilities``, ``disagreement``, ``entropy`` (bool:
        also write that map), ``shortcuts`` (bool, on when not given), ``regions`` and ``settings`` (of kinetics).
    engine : inference.networks.engine.Engine
    report : callable
        ``report(stage, done, total)``; may raise `Cancelled`.
    ready : Ready, optional
        The same request, made ready before.

    Returns
    -------
    dict
        The fields of the result message: ``kind``, notes, run record, seconds of each stage; of a DCE exam the paths
        of the arrays (uint8, z, y, x, on the exam's own grid) and components; of mammograms these for each view. The
        ``measures`` come last: should they fail, they say so, and the rest is there.

    Raises
    ------
    BreastSegError
    """
    started = datetime.now(UTC)
    asked = asked_of(request)  # a wrong setting is told before the work
    trusted_model(request["model"], engine)
    ready = ready or make_ready(request, report)
    clock = Clock(report, ready.seconds)
    for part in ready.parts:
        engine.load(part.model, part.folds, request["device"], clock)
    findings, notes, work = find_lesions(request, engine, ready, clock)
    rows = [
        {
            "view": "" if finding.view is None else finding.view.name,
            "index": finding.index,
            **write_finding(request["output"], _prefix(finding), finding, request, clock),
        }
        for finding in findings
    ]
    measures = measures_of(ready, findings, asked, clock)
    notes += [row["text"] for row in measures["warnings"] if row["kind"] == "measuring-failed"]
    clock.stop()
    kind = ready.cases[0][0].record["kind"]
    return {
        "kind": kind,
        **(rows[0] if kind == "dce" else {"views": rows}),
        "notes": [*ready.exam.notes, *notes],
        "measures": measures,
        "record": run_record(request, ready, engine, work, started, clock),
        "timings": clock.seconds,
    }


def measures_of(ready, findings, asked, clock):
    """Return the measures of what was found; whatever goes wrong, they are there and say so."""
    cases = ready.cases[0]

    def look():
        mask = findings[0].mask if cases[0].record["kind"] == "dce" else None
        return training_of_model(ready.model), inputs_of_cases(cases, mask)

    return measured_run(ready.exam, findings, asked, clock, look)


def find_lesions(request, engine, ready, clock):
    """Return a `Finding` for each image that has cases, in the order of the exam, the notes, and the work done."""
    findings, notes, work = {}, [], {}
    groups = by_recipe(ready.parts)
    total = len(ready.cases[0]) * len(ready.parts)
    steps = groups[0][0].recipe.cleanup if request["cleanup"] else ()
    spread = bool(request.get("disagreement"))
    place = 0
    for cases in zip(*ready.cases):
        averaged = Averaged(spread)
        for group, case in zip(groups, cases):
            predictions = []
            for part in group:
                prediction = predict_part(request, engine, part, case, clock.share(place, total))
                notes += [note for note in prediction.notes if note not in notes]
                work = {key: work.get(key, 0) + count for key, count in prediction.work.items()}
                predictions.append(prediction)
                place += 1
            notes += [note for note in _notes_on_spacing(group[0].recipe, case) if note not in notes]
            clock("Restoring", 0, 1)
            averaged.add(case.record, predictions)
            clock("Restoring", 1, 1)
        name = cases[0].record.get("view", {}).get("name", "")
        if name not in findings:
            findings[name] = _finding(ready.exam, cases[0])
        findings[name].add(cases[0], averaged.chances, averaged.disagreement, steps, clock)
    found = [finding.describe() for finding in findings.values()]
    return found, [*notes, *notes_on(found)], work


def predict_part(request, engine, part, case, report):
    """Return the prediction of one model for one prepared case."""
    short = takes_shortcuts(request) and case.record["kind"] == "dce"
    return engine.predict(
        part.model,
        part.folds,
        case.channels,
        network_spacing(part.recipe, case),
        report,
        request["device"],
        tta=bool(request["tta"]),
        breast=case.breast if short else None,
        sparing=short,
        spread=bool(request.get("disagreement")),
    )


def takes_shortcuts(request):
    """Return whether tiles outside the breast, and mirrorings of tiles in which nothing is seen, may be left out."""
    return bool(request.get("shortcuts", True))


def check_maps(request, parts):
    """Refuse a map of disagreement where there is nobody to disagree."""
    if request.get("disagreement") and sum(len(part.folds) for part in parts) < 2:
        raise BadInput(
            "The disagreement of folds needs at least two folds or models",
            parts[0].model.name,
            "Choose more folds or an ensemble, or ask for the entropy",
        )


def check_same_cases(cases):
    """Refuse an ensemble whose recipes make different cases of one exam."""
    names = [[case.name for case in some] for some in cases]
    if any(other != names[0] for other in names[1:]):
        raise BadInput(
            "The recipes of the ensemble's models make different cases of this exam",
            " / ".join(", ".join(some) for some in names),
            "Combine models whose recipes belong together",
        )


def _notes_on_spacing(recipe, case):
    if network_spacing(recipe, case) is None and not recipe.fixed_size:
        return [f"{case.name}: the pixel size is unknown and was taken to be that of the model's images."]
    return []


class Clock:
    """Passes progress on and keeps the seconds of each stage.

    Parameters
    ----------
    report : callable
        ``report(stage, done, total)``
    seconds : dict, optional
        Of stages that are over.
    """

    def __init__(self, report, seconds=()):
        self.seconds = dict(seconds)
        self._report, self._stage, self._since = report, None, time.perf_counter()

    def __call__(self, stage, done, total):
        self.stop()
        self._stage = stage
        self._report(stage, done, total)

    def stop(self):
        """Count the stage that is under way as over."""
        now = time.perf_counter()
        if self._stage is not None:
            self.seconds[self._stage] = round(self.seconds.get(self._stage, 0.0) + now - self._since, 3)
        self._stage, self._since = None, now

    def share(self, number, count):
        """Return a report for piece `number` of `count` equal pieces of one stage."""
        return lambda stage, done, total: self(stage, number * total + done, count * total)


def trusted_model(name_or_folder, engine):
    """Return the `Model`, its files compared with the cards' checksums unless the engine holds these very models."""
    model = find_model(name_or_folder, verify=False)
    held = all(engine.holds(part.folder, part.hash) for part in model.parts)
    return model if held else find_model(name_or_folder)


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


def run_record(request, ready, engine, work, started, clock):
    """Return the run record: everything needed to trace a number, and nothing that identifies the patient."""
    parts, records = ready.parts, [case.record for cases in ready.cases for case in cases]
    model = {"name": ready.model.name, "hash": ready.model.hash, "folds": list(parts[0].folds)}
    if ready.model.members:
        model["folds"] = []
        model["members"] = [
            {"name": p.model.name, "hash": p.model.hash, "folds": list(p.folds), "recipe": p.recipe.name}
            for p in parts
        ]
    return {
        "format": RECORD_FORMAT,
        "id": str(uuid.uuid4()),
        "started": started.isoformat(timespec="seconds"),
        "extension": __version__,
        "versions": versions(),
        "device": engine.device,
        "device_name": engine.device_name,
        "model": model,
        "recipe": {"name": parts[0].recipe.name, "hash": parts[0].recipe.hash},
        "tta": bool(request["tta"]),
        "shortcuts": takes_shortcuts(request),
        "work": work,
        "cleanup": bool(request["cleanup"]),
        "measuring": asked_of(request).settings.to_json(),
        **_images_of(ready.exam),
        "decisions": check_decisions(request["source"].get("decisions")),
        "preparation": records[0] if len(records) == 1 else records,
        "seconds": dict(clock.seconds),
    }


def _images_of(exam):
    """Return what the run record says of phases or views."""
    if isinstance(exam, DceExam):
        motion = [plain(figure.to_json()) for figure in exam.motion]
        return {"phases": [phase.to_json() for phase in exam.phases], "motion": motion}
    # The windows are for showing only, and a curve is hundreds of numbers.
    return {"views": [replace(view, windows=()).to_json() for view in exam.views]}

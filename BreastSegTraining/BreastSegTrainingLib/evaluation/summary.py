"""The whole evaluation as one record: what ``evaluation.json`` keeps."""

import math
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from .bands import count_bands, table
from .caserecord import STAGES, counted, counts_of, is_infinite, patient_of, truth_sizes, values_of, why_missing
from .detection import summarise_detection
from .fairness import PARITY, challenge_score, parity
from .groups import SIZE, divide, rules, size_groups, title
from .imagelevel import image_class, image_level
from .measures import empty_rule
from .stats import DRAWS, describe

FORMAT = "breastseg-evaluation-1"
FEW = 5  # cases of a group that say little


@dataclass(frozen=True)
class Judging:
    """What is told besides the numbers of each case.

    Parameters
    ----------
    columns : tuple of str
        Columns of the case table that make groups; ``size`` is the size of the reference lesion.
    size_limits : tuple of float
        Upper limits of the size groups, ml; empty: thirds.
    bands : bool
        Bands of M3.
    image_level : bool
        Image-level classes of M5.
    shown : tuple of str
        Measures that tables show first; empty: all that judge.
    """

    columns: tuple = (SIZE,)
    size_limits: tuple = ()
    bands: bool = True
    image_level: bool = True
    shown: tuple = ()


def assemble(records, about, judging=Judging(), notes=()):
    """Return the evaluation of measured cases.

    Parameters
    ----------
    records : sequence of dict
        Case records: ``case``, ``fold``, ``groups``, ``raw``, ``cleaned`` and perhaps ``detection``, ``image_class``.
        Numbers may be infinite or nan here.
    about : dict
        ``name``, ``truth``, ``prediction``, ``grid``, ``options`` and ``measures`` (described).
    judging : Judging
    notes : sequence of str
        What is worth saying about how the cases came about.

    Returns
    -------
    dict
        JSON-ready: numbers that are not finite are None, with the reasons counted in ``missing`` and ``notes``.
    """
    failed = [{"case": r["case"], "why": without_paths(r["error"])} for r in records if r.get("error")]
    records = sorted((r for r in records if not r.get("error")), key=lambda record: record["case"])
    stage = "cleaned" if records and all(record.get("cleaned") for record in records) else "raw"
    stages = [name for name in STAGES if any(record.get(name) for record in records)]
    if SIZE in judging.columns:
        _add_sizes(records, judging.size_limits)
    columns = [column for column in judging.columns if any(column in r.get("groups", {}) for r in records)]
    evaluation = {
        "format": FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **about,
        "stage": stage,
        "shown": list(judging.shown),
        "cases": records,
        "failed": failed,
        "summary": {name: _describe(records, name, about["measures"]) for name in stages},
        "folds": _per_fold(records, stage, about["measures"]),
        "groups": _per_group(records, columns, stage, about["measures"]),
        "missing": {name: _missing(records, name, about["measures"]) for name in stages},
        "fairness": _fairness(records, columns, stage),
        "bands": count_bands(values_of(records, stage, table()["measure"])) if judging.bands else None,
        "confusion": confusion(records, stage),
    }
    evaluation["detection"] = summarise_detection(records, "raw")
    evaluation["cleaned_detection"] = summarise_detection(records, "cleaned") if "cleaned" in stages else None
    evaluation["image_level"] = _image_level(records, stage) if judging.image_level else None
    evaluation["notes"] = [*notes, *_notes(evaluation, records)]
    return plain_numbers(evaluation)


def confusion(records, stage):
    """Return the confusion matrix of voxels (M4): shares of each true class, over the voxels of all cases together.

    Returns
    -------
    list of list of float, or None
        Rows: truth, background and lesion; columns: prediction. None where the voxels were not counted. The shares of
        a class without any voxel are None.
    """
    counts = [found for record in records if (found := counts_of(record, stage))]
    if not counts:
        return None
    tp, fp, fn, tn = (sum(getattr(found, name) for found in counts) for name in ("tp", "fp", "fn", "tn"))
    rows = ((tn, fp), (fn, tp))
    return [[cell / sum(row) if sum(row) else None for cell in row] for row in rows]


def without_paths(line):
    """Return the line of an error without the place in brackets, which can hold a path with a patient's name."""
    return re.sub(r" ?\([^()]*[/\\][^()]*\)", "", line)


def plain_numbers(value):
    """Return a record as JSON can keep it: plain Python numbers, None for what is not finite."""
    if isinstance(value, dict):
        return {str(key): plain_numbers(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_numbers(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _add_sizes(records, limits):
    sizes, unit = truth_sizes(records)
    for record, group in zip(records, size_groups(sizes, limits, unit)):
        if group is not None:
            record["groups"] = {**record.get("groups", {}), SIZE: group}


def _describe(records, stage, measures):
    return {
        name: describe(values_of(records, stage, name), interval=bool(measure.get("better")))
        for name, measure in measures.items()
    }


def _per_fold(records, stage, measures):
    """Return the summary of each fold, where the cases have folds; and the mean of the folds is told by the page."""
    folds = sorted({record["fold"] for record in records if record.get("fold") is not None}, key=str)
    return {
        str(fold): _describe([record for record in records if record.get("fold") == fold], stage, measures)
        for fold in folds
    }


def _per_group(records, columns, stage, measures):
    return {
        column: {group: _describe(rows, stage, measures) for group, rows in divide(records, column).items()}
        for column in columns
    }


def _missing(records, stage, measures):
    """Return {measure: {reason: cases}} of values that are not finite."""
    found = {}
    for measure in measures:
        reasons = Counter(
            f"{reason} (infinite)" if is_infinite(record, stage, measure) else reason
            for record in records
            if (reason := why_missing(record, stage, measure))
        )
        if reasons:
            found[measure] = dict(reasons.most_common())
    return found


def _fairness(records, columns, stage):
    return {
        "definition": PARITY,
        "parity": {c: found for c in columns if c != SIZE and (found := parity(records, c, stage))},
        "challenge": challenge_score(records, stage) if set(columns) & set(rules()["challenge"]) else None,
    }


def _image_level(records, stage):
    """Return the image-level classes of M5, of the masks that are judged."""
    counts = [found for record in records if (found := counts_of(record, stage))]
    return image_level(image_class(found) for found in counts) if counts else None


def _notes(evaluation, records):
    rule = empty_rule(evaluation["options"].get("empty", "nnunet"))
    patients = Counter(patient_of(record["case"]) for record in records)
    several = sum(count > 1 for count in patients.values())
    notes = [
        f"Empty masks: {rule.title}. {rule.meaning}",
        f"Intervals: percentile bootstrap of the mean, 95 %, {DRAWS} draws of cases, which are taken as independent "
        "of each other"
        + (f", although of {counted(several, 'patient')} there is more than one case." if several else "."),
    ]
    if evaluation["failed"]:
        texts = "; ".join(f"{row['case']}: {row['why']}" for row in evaluation["failed"][:3])
        notes.insert(0, f"Not measured, and in no number: {counted(len(evaluation['failed']), 'case')} ({texts}).")
    missing = evaluation["missing"].get(evaluation["stage"], {})
    for measure, reasons in missing.items():
        name = evaluation["measures"][measure]["title"]
        total = sum(reasons.values())
        if evaluation["measures"][measure].get("better") and total < len(records):
            texts = "; ".join(f"{reason}: {count}" for reason, count in reasons.items())
            notes.append(
                f"{name} has no value in {total} of {len(records)} cases and is the mean of the others ({texts})."
            )
    small = [
        f"{title(column)} {name}"
        for column, groups in evaluation["groups"].items()
        for name, found in groups.items()
        if found.get("dice", {}).get("n", FEW) < FEW
    ]
    if small:
        notes.append(f"Groups with fewer than {FEW} cases, to be read with care: {', '.join(small)}.")
    return notes

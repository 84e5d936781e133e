"""What the card says of the cross-validation: figures of an evaluation, or else of nnU-Net's own validation."""

import math

import numpy as np
from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json

from ..launch.training import ALL

FORMAT = "breastseg-evaluation-1"
KEPT = ("mean", "sd", "median", "ci_low", "ci_high", "n")


def from_evaluation(path):
    """Return the summary of an evaluation.json; names of cases and groups stay out.

    Raises
    ------
    BadInput
        If the file is no such record.
    """
    record = read_json(path)
    summary = record.get("summary") if isinstance(record, dict) else None
    if not isinstance(summary, dict) or record.get("format") != FORMAT:
        raise BadInput("The file is no evaluation", path, "Make it with the command evaluate")
    result = {"source": "evaluation", "cases": len(record.get("cases", ())), "grid": str(record.get("grid", ""))}
    for stage in ("raw", "cleaned"):
        rows = summary.get(stage)
        if isinstance(rows, dict) and rows:
            result[stage] = {
                str(measure): {key: _number(row.get(key)) for key in KEPT if key in row}
                for measure, row in rows.items()
                if isinstance(row, dict)
            }
    sensitivity = record.get("detection", {}).get("sensitivity") if isinstance(record.get("detection"), dict) else None
    if _number(sensitivity) is not None:
        result["lesion_sensitivity"] = sensitivity
    return result


def from_validation(model, folds):
    """Return what nnU-Net's validation of each fold found; None where there is none.

    Parameters
    ----------
    model : Path
        nnU-Net's model folder.
    folds : sequence of str
        The fold ``all`` has no cases that it has not been trained on, so it is left out.
    """
    cases, by_fold = {"dice": [], "jaccard": []}, {}
    for fold in folds:
        path = model / f"fold_{fold}" / "validation" / "summary.json"
        if fold == ALL or not path.is_file():
            continue
        found = _of_cases(read_json(path), path)
        by_fold[fold] = _mean(found["dice"])
        for measure, values in found.items():
            cases[measure] += values
    if not by_fold:
        return None
    result = {"source": "nnU-Net's validation of the final checkpoints, before clean-up", "cases": len(cases["dice"])}
    for measure, values in cases.items():
        known = [value for value in values if math.isfinite(value)]
        if known:
            row = {"mean": float(np.mean(known)), "median": float(np.median(known)), "n": len(known)}
            row["sd"] = float(np.std(known, ddof=1)) if len(known) > 1 else None
            result.setdefault("raw", {})[measure] = row
    return {**result, "dice_by_fold": by_fold}


def _of_cases(record, path):
    """Return Dice and Jaccard of each case, mean of the labels."""
    try:
        found = {"dice": [], "jaccard": []}
        for row in record["metric_per_case"]:
            labels = [values for label, values in row["metrics"].items() if str(label) != "0"]
            found["dice"].append(_mean([values["Dice"] for values in labels], math.nan))
            found["jaccard"].append(_mean([values["IoU"] for values in labels], math.nan))
        return found
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput("The summary of the validation is damaged", path, "Validate the fold again") from error


def _mean(values, otherwise=None):
    known = [value for value in values if isinstance(value, int | float) and math.isfinite(value)]
    return float(np.mean(known)) if known else otherwise


def _number(value):
    right = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if right else None

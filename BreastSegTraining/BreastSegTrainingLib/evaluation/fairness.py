"""Whether a model works equally well for all groups of women: parity of M1, challenge score of M6."""

from .groups import divide, rules, title, unknown
from .stats import mean

PARITY = (
    "Demographic parity difference: the largest minus the smallest mean Dice of the groups; 0 is equal for all. "
    "Cases whose group is not known are left out."
)
CHALLENGE = (
    "Performance = ½ · (mean Dice + 1 − mean NormHD). Fairness of a variable = 1 − ½ · (ΔDice + ΔNormHD), Δ being "
    "the largest minus the smallest of the group means; unknown is a group of menopause only. Fairness = the mean "
    "over the variables. Total = ½ · (performance + fairness)."
)


def parity(records, column, stage, measure="dice"):
    """Return the demographic parity of a measure between the groups of a column (M1).

    M1 asks for demographic parity between groups without a formula; what is computed here is the difference between
    the largest and the smallest group mean.

    Parameters
    ----------
    records : sequence of dict
        Case records.
    column : str
    stage : {'raw', 'cleaned'}
    measure : str

    Returns
    -------
    dict or None
        ``measure``, ``difference``, ``best`` and ``worst`` (names of groups), ``means`` (by group) and ``n`` (by
        group). None when fewer than two known groups have values.
    """
    divided = {name: rows for name, rows in divide(records, column).items() if name != unknown()}
    values = {name: [row[stage].get(measure) for row in rows] for name, rows in divided.items()}
    means = {name: m for name, v in values.items() if (m := mean(v)) is not None}
    if len(means) < 2:
        return None
    best, worst = max(means, key=means.get), min(means, key=means.get)
    counts = {name: sum(value is not None for value in values[name]) for name in means}
    difference = means[best] - means[worst]
    return {"measure": measure, "difference": difference, "best": best, "worst": worst, "means": means, "n": counts}


def challenge_score(records, stage):
    """Return the score of the MAMA-MIA challenge (M6).

    Parameters
    ----------
    records : sequence of dict
        Case records with ``dice`` and ``norm_hd`` (HD95 in voxel indices / 150; infinite is 1) of each stage.
    stage : {'raw', 'cleaned'}

    Returns
    -------
    dict or None
        ``performance``; ``variables``: {column: {fairness, delta_dice, delta_norm_hd, groups}}; ``fairness``, their
        mean (None when no variable has two groups); ``total`` (None likewise); ``left_out``: variables with fewer than
        two groups; ``definition``. None when no case has both measures.
    """
    rows = [r for r in records if r[stage].get("dice") is not None and r[stage].get("norm_hd") is not None]
    if not rows:
        return None
    performance = 0.5 * (_mean(rows, stage, "dice") + 1 - _mean(rows, stage, "norm_hd"))
    variables, left_out = {}, []
    for column in rules()["challenge"]:
        found = _variable(rows, column, stage)
        if found is None:
            left_out.append(title(column))
        else:
            variables[column] = found
    fairness = mean([found["fairness"] for found in variables.values()])
    return {
        "performance": performance,
        "variables": variables,
        "fairness": fairness,
        "total": None if fairness is None else 0.5 * (performance + fairness),
        "left_out": left_out,
        "n": len(rows),
        "missing": len(records) - len(rows),
        "definition": CHALLENGE,
    }


def _variable(rows, column, stage):
    """Return the fairness of a variable, or None where there are no two groups to compare."""
    divided = divide(rows, column)
    if column != "menopause":  # M6 names "unknown" as a group of menopause alone
        divided = {name: part for name, part in divided.items() if name != unknown()}
    if len(divided) < 2:
        return None
    means = {
        name: {"dice": _mean(part, stage, "dice"), "norm_hd": _mean(part, stage, "norm_hd"), "n": len(part)}
        for name, part in divided.items()
    }
    spans = []
    for measure in ("dice", "norm_hd"):
        values = [found[measure] for found in means.values()]
        spans.append(max(values) - min(values))
    fairness = 1 - 0.5 * sum(spans)
    return {"fairness": fairness, "delta_dice": spans[0], "delta_norm_hd": spans[1], "groups": means}


def _mean(rows, stage, measure):
    return mean([row[stage][measure] for row in rows])

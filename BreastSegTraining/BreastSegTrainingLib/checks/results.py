"""What a check writes into the table and tells of itself."""

from collections import Counter

from .facts import DCE, MAMMOGRAM
from .judge import status_of

STATES = ("refused", "fix", "ok")
MOST_CASES = 200  # in the summary
MOST_TEXT = 240  # characters of one finding in the table


def values_for(case, facts, found):
    """Return the values of a row: what was found, and what the files tell where the table has nothing.

    Parameters
    ----------
    case : Case
    facts : Facts or None
    found : list of Finding

    Returns
    -------
    dict
        By column; None empties one.
    """
    values = {"status": status_of(found), "findings": findings_text(found), "volume_mm3": None, "area_mm2": None}
    if facts is None or not facts.kind:
        return values
    values |= {"volume_mm3": facts.volume_mm3, "area_mm2": facts.area_mm2}
    values["spacing"] = " ".join(f"{value:.6g}" for value in facts.spacing) if facts.spacing_known else None
    told = {
        "phase_count": len(facts.phases) if facts.kind == DCE and facts.phases[0]["role"] != "channel" else None,
        "side": facts.side,
        "view": facts.view if facts.kind == MAMMOGRAM else None,
        "scanner": facts.scanner,
        "field_strength": facts.field_strength,
    }
    return values | {column: value for column, value in told.items() if value and not case.get(column)}


def findings_text(found):
    """Return what stands in the column ``findings``: all that is not mended."""
    lines = dict.fromkeys(one.line for one in found if not one.fixed)
    return "; ".join(line if len(line) <= MOST_TEXT else line[: MOST_TEXT - 1] + "…" for line in lines)


def summary(path, names, found, read, notes):
    """Return what `run.check` returns."""
    count, codes, rows, unreadable = Counter(), Counter(), [], 0
    for name, own in found.items():
        if name not in names:
            continue
        status = status_of(own)
        count[status] += 1
        codes.update({one.code for one in own if not one.fixed})
        unreadable += any(one.code == "unreadable" for one in own)
        if any(not one.fixed for one in own):
            rows.append({"case": name, "status": status, "findings": findings_text(own)})
    rows.sort(key=lambda row: STATES.index(row["status"]))
    return {
        "table": str(path),
        "ok": count["ok"],
        "fix": count["fix"],
        "refused": count["refused"],
        "findings": dict(codes.most_common()),
        "cases": rows[:MOST_CASES],
        "unreadable": unreadable,
        "read": read,
        "notes": list(notes),
    }

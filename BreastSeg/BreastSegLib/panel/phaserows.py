"""The phase table's rules, without Qt: what happens when a phase is renamed, moved, timed or left out."""

import re
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Row:
    """One phase of the loaded exam in the table.

    Parameters
    ----------
    index : int
        Its place in the exam as it was loaded.
    role : {'pre', 'post'}
    time : float or None
        Seconds since the first post-contrast phase.
    evidence : str
        What decided role and time.
    volume : str
        Name of its volume node.
    used : bool
        Whether the run sees it.
    """

    index: int
    role: str
    time: float | None
    evidence: str
    volume: str
    used: bool = True


def rowsOf(phases, volumes):
    """Return the rows of an exam as it was loaded."""
    return tuple(
        Row(index, phase.role, phase.time_s, phase.evidence, name)
        for index, (phase, name) in enumerate(zip(phases, volumes))
    )


def setRole(rows, place, role):
    """Return the rows with the row at `place` being 'pre', 'post' or 'unused'.

    The pre-contrast phase is one, and the first: calling another row so moves it to the top and makes the former
    one post-contrast.
    """
    rows = list(rows)
    if role == "unused":
        rows[place] = replace(rows[place], used=False)
        return tuple(rows)
    chosen = replace(rows[place], role=role, used=True)
    if role == "post":
        rows[place] = chosen
        return tuple(rows)
    others = [replace(row, role="post") for at, row in enumerate(rows) if at != place]
    return (chosen, *others)


def move(rows, place, step):
    """Return the rows with the row at `place` moved by `step` (-1 up, 1 down).

    Roles stay with the places, times with the volumes.
    """
    rows, other = list(rows), place + step
    if not 0 <= place < len(rows) or not 0 <= other < len(rows):
        return tuple(rows)
    upper, lower = rows[place], rows[other]
    rows[place] = replace(lower, role=upper.role)
    rows[other] = replace(upper, role=lower.role)
    return tuple(rows)


def setTime(rows, place, text):
    """Return the rows with another time at `place`. An empty text means unknown.

    Raises
    ------
    ValueError
        If the text is not a number of seconds.
    """
    text = text.strip().replace(",", ".").removesuffix("s").strip()
    seconds = float(text) if text else None
    if seconds is not None and not abs(seconds) < 1e5:
        raise ValueError(text)
    return tuple(replace(row, time=seconds) if at == place else row for at, row in enumerate(rows))


def usedRows(rows):
    """Return (index, role, time) of the rows that the run sees, as `examflow.correctPhases` takes them."""
    return [(row.index, row.role, row.time) for row in rows if row.used]


def numbers(rows):
    """Return the post-contrast number that each row has or would have (0 for pre-contrast)."""
    result, post = [], 0
    for row in rows:
        if row.role == "pre":
            result.append(0)
        else:
            result.append(post + 1)
            post += row.used
    return result


def naturalKey(name):
    """Return a sorting key that counts as people do: ``phase 2`` before ``phase 10``."""
    parts = [part for part in re.split(r"([0-9]+)", name) if part]
    return [(0, int(part), "") if part.isdigit() else (1, 0, part.lower()) for part in parts]

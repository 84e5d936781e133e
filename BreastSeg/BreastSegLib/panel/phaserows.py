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
    role : {'pre', 'post', 'channel'}
    time : float or None
        Seconds since the first post-contrast phase.
    evidence : str
        What decided role and time.
    volume : str
        Name of its volume node.
    used : bool
        Whether the run sees it.
    details : str
        What else is known of it, for its tooltip.
    contradicted : bool
        Whether tags of the files contradict each other.
    """

    index: int
    role: str
    time: float | None
    evidence: str
    volume: str
    used: bool = True
    details: str = ""
    contradicted: bool = False


def rowsOf(phases, volumes, motion=(), _=str):
    """Return the rows of an exam as it was loaded.

    Parameters
    ----------
    phases : sequence of Phase
    volumes : sequence of str
        Names of the volume nodes.
    motion : sequence of str, optional
        Motion of each phase before and after its correction.
    _ : callable, optional
        Translates a text.
    """
    motion = motion or [""] * len(phases)
    return tuple(
        Row(
            index,
            phase.role,
            phase.time_s,
            phase.evidence,
            name,
            details=detailsOf(phase, moved, _),
            contradicted=bool(getattr(phase, "contradictions", ())),
        )
        for index, (phase, name, moved) in enumerate(zip(phases, volumes, motion))
    )


def detailsOf(phase, motion="", _=str):
    """Return what else is known of a phase, one line each; '' when there is nothing."""
    lines = []
    if getattr(phase, "since_injection_s", None) is not None:
        lines.append(_("Since the injection: {seconds} s").format(seconds=f"{phase.since_injection_s:.0f}"))
    if getattr(phase, "resolution_s", None) is not None:
        lines.append(_("Temporal resolution: {seconds} s").format(seconds=f"{phase.resolution_s:g}"))
    if motion:
        lines.append(_("Motion correction: {motion}").format(motion=motion))
    lines += [_("Contradiction: {tag}").format(tag=text) for text in getattr(phase, "contradictions", ())]
    return "\n".join(lines)


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


def shiftOf(used, phases):
    """Return by how many seconds a correction moved the zero of all times: it lies at the first post-contrast phase.

    Parameters
    ----------
    used : sequence of (int, str, float or None)
        See `usedRows`.
    phases : sequence of Phase
        What the correction made of them.

    Returns
    -------
    float or None
        None without a post-contrast phase: the times have no zero then.
    """
    if all(phase.role == "pre" for phase in phases):
        return None
    pairs = [(time, phase.time_s) for (_index, _role, time), phase in zip(used, phases)]
    return next((time - now for time, now in pairs if time is not None and now is not None), 0.0)


def corrected(row, phase, volume, shift=0.0):
    """Return `row` as a correction made it: what `phase` says, or left out where that is None.

    Phases that are left out stay on the clock of the others (`shift`, see `shiftOf`), so that they can come back.
    """
    if phase is None:
        time = None if row.time is None else round(row.time - (shift or 0.0), 3)
        return replace(row, time=time, volume=volume, used=False)
    time = row.time if shift is None else phase.time_s
    return replace(row, role=phase.role, time=time, evidence=phase.evidence, volume=volume, used=True)


def usedRows(rows):
    """Return (index, role, time) of the rows that the run sees, as `examflow.correctPhases` takes them."""
    return [(row.index, row.role, row.time) for row in rows if row.used]


def keptRows(rows):
    """Return (index, role, time, used) of all rows, as `scene.keeping` keeps them."""
    return [(row.index, row.role, row.time, row.used) for row in rows]


def restored(rows, kept):
    """Return the rows of an exam with the order, roles, times and choices that were kept."""
    return tuple(replace(rows[index], role=role, time=time, used=used) for index, role, time, used in kept)


def numbers(rows):
    """Return the post-contrast number that each row has or would have (0 for pre-contrast); channels count from 0."""
    result, post = [], 0
    for place, row in enumerate(rows):
        if row.role == "channel":
            result.append(place)
            continue
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

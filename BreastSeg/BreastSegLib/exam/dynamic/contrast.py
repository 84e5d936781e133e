"""Which time points were acquired before the contrast agent: what the tags say, and whether they agree."""

import re

import numpy as np

from ..decisions import BY_USER, ask
from .clocks import DAY, SAME_PHASE_S, clock_values
from .phases import lengths

PRE = (
    r"pre|precontrast|pre[- ]?con(?:trast)?|native?|unenhanced|non[- ]?con(?:trast)?|nativ|vor[- ]?km|ohne[- ]?km|w/?o"
)
LONGEST_EXAM_S = 3600.0
POST = r"post|postcontrast|post[- ]?con(?:trast)?|\+ ?c|with[- ]?contrast|nach[- ]?km|mit[- ]?km"


def count_pre(points, findings):
    """Return how many time points come before the contrast agent, and the evidence.

    Parameters
    ----------
    points : list of TimePoint
        In time order.
    findings : Findings
        Sentences are added here; ``pre`` is what the user may have decided.

    Returns
    -------
    count : int
    evidence : str
        Which tags decided, or ``first in time``.

    Raises
    ------
    Undecided
        If the tags contradict one another.
    """
    notes = findings.notes
    _doubt_injection(points, findings)
    decided = findings.decided("pre", [str(k) for k in range(len(points) + 1)])
    votes = [
        (name, vote)
        for name, vote in (
            ("contrast agent tag", _by_agent(points)),
            ("series description", _by_words(points)),
            ("contrast bolus start time", _by_bolus(points)),
        )
        if vote is not None
    ]
    if decided is not None:
        findings.doubts += [f"{name}: {_said(vote)}" for name, vote in votes if vote != int(decided)]
        return int(decided), BY_USER
    if not votes:
        if len(points) == 1:
            notes.append(
                "Only one phase was found and its tags do not tell whether it is before or after contrast: "
                "taken as pre."
            )
        if findings.first_lost(points[0].headers):
            notes.append("The first time point, which is taken as before contrast, is incomplete and left out.")
            return 0, "first in time"
        return 1, "first in time"
    if len({vote for _, vote in votes}) > 1 or any(vote < 0 for _, vote in votes):
        said = "; ".join(f"by {name} {_said(vote)}" for name, vote in votes)
        counts = sorted({vote for _, vote in votes if vote >= 0} | {1})
        choices = [(k, f"{k} phase{'s' * (k != 1)} before contrast") for k in counts if k < len(points) or k == 1]
        what = f"The tags contradict one another about the phases before contrast: {said}"
        raise ask("pre", what, points[0].headers[0].series_name, choices)
    count = votes[0][1]
    if count == 0:
        notes.append("No phase before contrast was found: the tags of all phases say after contrast.")
    elif count == len(points):
        notes.append("No phase after contrast was found: the tags of all phases say before contrast.")
    return count, " and ".join(name for name, _ in votes)


def _said(vote):
    if vote < 0:
        return "a phase before contrast follows one after contrast"
    return "none" if vote == 0 else f"the first {vote}"


def _leading(flags):
    """Return the number of leading true flags, or −1 when a true one follows a false one."""
    count = next((i for i, flag in enumerate(flags) if not flag), len(flags))
    return -1 if any(flags[count:]) else count


def _by_agent(points):
    """The agent tag says something only where it differs: many protocols set it for all phases or never."""
    shares = [sum(h.agent for h in point.headers) / len(point.headers) for point in points]
    if len(points) == 1:
        # With one phase only, an agent says "after"; its absence says nothing.
        return 0 if shares[0] == 1 else None
    without = [share == 0 for share in shares]
    return None if all(without) or not any(without) else _leading(without)


def _by_words(points):
    labels = [_label(point.headers[0].description) for point in points]
    if "pre" in labels:
        pre = [label == "pre" for label in labels]
        # A whole series called "pre" that holds several time points names the protocol, not the phases.
        return None if all(pre) and len(points) > 1 else _leading(pre)
    if "post" not in labels:
        return None
    before = [label != "post" for label in labels]
    if not any(before) and len({h.series for point in points for h in point.headers}) == 1 and len(points) > 1:
        return None
    return _leading(before)


def _label(description):
    text = description.replace("_", " ")
    pre, post = (re.search(rf"(?<![a-z0-9])(?:{words})(?![a-z])", text) for words in (PRE, POST))
    return "pre" if pre and not post else "post" if post and not pre else ""


def since_injection(points):
    """Return the seconds since the injection at which each time point began, shape (n,), or None.

    It needs one start time of the contrast bolus, and the start of each time point on a wall clock. The acquisition
    time is the start where it tells the time points apart; the content time of some makers is when the image was made.
    """
    moments = {h.moments.get("bolus", (None, None))[1] for point in points for h in point.headers} - {None}
    starts = _starts(points)
    if len(moments) != 1 or starts is None:
        return None
    # The bolus tag has no date: the nearest such time of the day is meant.
    distance = (moments.pop() - starts[0] + DAY / 2) % DAY - DAY / 2
    since = starts - (starts[0] + distance)
    # A time far from the scan is no injection of this exam.
    return since if np.abs(since).min() <= LONGEST_EXAM_S else None


def _starts(points):
    """Return the seconds at which each time point began, on a wall clock, or None."""
    headers = [h for point in points for h in point.headers]
    values = clock_values(headers, "acquisition")
    if values is not None:
        edges = np.cumsum([0] + [len(point.headers) for point in points])
        starts = np.array([values[a:b].min() for a, b in zip(edges, edges[1:])])
        # The clock counts days from its own first: the seconds of the day stay as they are in the tags.
        if len(points) == 1 or np.diff(starts).min() >= SAME_PHASE_S:
            return starts
    if any(not point.absolute or point.seconds is None for point in points):
        return None
    return np.array([point.seconds for point in points])


def _by_bolus(points):
    """Count the time points before the injection; none says nothing: many write when the exam began."""
    middles = _since_middle(points)
    count = 0 if middles is None else int(np.sum(middles < 0))
    return count if count > 0 else None


def _since_middle(points):
    """Return the seconds from the injection to the middle of each time point (start, where its length is unknown)."""
    since = since_injection(points)
    return None if since is None else since + [(length or 0) / 2 for length in lengths(points)]


def _doubt_injection(points, findings):
    """Note that the injection came before all time points, if the tags say so and the user has not decided."""
    middles = _since_middle(points)
    if middles is None or middles.min() <= 0 or "pre" in findings.decisions:
        return
    findings.doubts.append("contrast bolus start time: none before contrast")
    findings.notes.append(
        "By the contrast bolus start time all phases lie after the injection: check whether the first phase is before "
        "contrast."
    )

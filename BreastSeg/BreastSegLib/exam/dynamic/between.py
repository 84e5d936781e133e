"""The time points of all series of a dynamic, in one order."""

import numpy as np

from ...errors import BadInput
from ..decisions import BY_USER, ask
from .clocks import BETWEEN_SERIES, NAMES, SAME_PHASE_S, clock_values
from .phases import DECIDE, TimePoint, points_of
from .stack import check_placed

# What orders series without a clock.
COUNTED = {"number": "series number", "temporal": "temporal position"}


def time_points(series, findings):
    """Return the time points of the series of one dynamic, in order.

    Parameters
    ----------
    series : list of groups.Series
        Those that belong to the dynamic.
    findings : Findings

    Returns
    -------
    list of TimePoint

    Raises
    ------
    Undecided
        If the tags do not tell the order, or contradict one another.
    BadInput
        If images are missing, or do not say where they lie.
    """
    parts = []
    for one in series:
        check_placed(one.headers)
        parts.append(points_of(one.headers, findings))
    return parts[0] if len(parts) == 1 else _merge(parts, series, findings)


def _merge(parts, series, findings):
    """Return the time points of several series in one order."""
    everything = [h for part in parts for point in part for h in point.headers]
    counted = {name: _counted(parts, name) for name in COUNTED}
    decided = findings.decided("order", (*BETWEEN_SERIES, *COUNTED))
    orders = []
    for clock in BETWEEN_SERIES:
        values = clock_values(everything, clock)
        if values is not None:
            orders.append((clock, _on_clock(parts, clock, values)))
    clean = {clock: spans for clock, spans in orders if _apart(spans)}
    if decided in COUNTED or not orders:
        return _by_count(parts, counted, decided, clean, findings)
    if decided is not None and decided not in dict(orders):
        raise BadInput(f"Not all images have a {NAMES[decided]}", _names(parts), "Choose another order")
    if not clean or decided not in (None, *clean):
        # One time for all: an anonymiser's, or that of reconstructions. Only the user can tell.
        same = all(len(set(map(tuple, spans))) == 1 for _, spans in orders)
        one_time = same and decided is None and counted["number"] is not None
        if one_time and findings.decided("series") is not None:
            return _by_count(parts, counted, None, clean, findings)
        otherwise = "one after the other by series number" if one_time else ""
        raise _overlapping(parts, series, [o for o in orders if decided in (None, o[0])], otherwise)
    clock = decided or next(iter(clean))
    for other, rows in orders[: [name for name, _ in orders].index(clock)]:
        if findings.decisions.keys().isdisjoint(("order", "series")) and _in_pairs(rows):
            raise _overlapping(parts, series, [(other, rows)], f"one after the other, as the {NAMES[clock]} has it")
    spans = clean[clock]
    order = np.argsort([s[0] for s in spans])
    others = [name for name in clean if not np.array_equal(np.argsort([s[0] for s in clean[name]]), order)]
    if others and decided is None:
        what = f"The {NAMES[clock]} and the {NAMES[others[0]]} put the series in different orders"
        choices = [*clean, *(name for name in COUNTED if counted[name] is not None)]
        raise ask("order", what, _names(parts), [(name, f"order by {_order_name(name)}") for name in choices])
    findings.doubts += [f"{NAMES[name]}: another order" for name in others]
    numbers = [parts[i][0].headers[0].number for i in order]
    if None not in numbers and numbers != sorted(numbers):
        findings.doubts.append("series numbers: another order")
        findings.notes.append(
            f"The series numbers do not rise with the {NAMES[clock]} (in time order: {', '.join(map(str, numbers))})."
        )
    why = f" ({BY_USER})" if decided else ""
    points = []
    for i in order:
        for point, seconds in zip(parts[i], spans[i]):
            own = f" and {point.evidence}" if len(parts[i]) > 1 and point.evidence != NAMES[clock] else ""
            points.append(TimePoint(point.headers, seconds, NAMES[clock] + why + own, clock))
    if any(p.seconds is None for p in points):
        points = [TimePoint(p.headers, None, p.evidence) for p in points]
    return points


def _in_pairs(spans):
    """bool: whether series begin in twos (threes …) at the same time, at several times: reconstructions of each."""
    starts = np.sort([span[0] for span in spans])
    sizes = np.diff(np.flatnonzero(np.concatenate([[True], np.diff(starts) >= SAME_PHASE_S, [True]])))
    return len(sizes) > 1 and sizes.min() == sizes.max() > 1


def _overlapping(parts, series, orders, otherwise=""):
    """Return the question for series that were acquired at the same time: two reconstructions, for instance.

    `otherwise` is in what way all of them may be phases after all.
    """
    clock, spans = orders[0]
    names = ", ".join(NAMES[name] for name, _ in orders)
    layers = {}
    start, depth = None, 0
    for seconds, k in sorted((span[0], k) for k, span in enumerate(spans)):
        depth = depth + 1 if start is not None and seconds - start < SAME_PHASE_S else 0
        start = seconds if depth == 0 else start
        layers.setdefault(depth, []).append(series[k])
    what = f"Series overlap in time or were acquired at the same time ({names})"
    if len(layers) < 2:
        hint = f"Leave out the series that are no phases (--choose series=5,6,7). {DECIDE}"
        return BadInput(what, _names(parts), hint)
    choices = [
        (",".join(one.answer for one in layer), ", ".join(one.title for one in layer)) for layer in layers.values()
    ]
    if otherwise:
        choices.append((",".join(one.answer for one in series), f"all, {otherwise}"))
    return ask("series", what, _names(parts), choices)


def _on_clock(parts, clock, values):
    """Return, for each series, the seconds of its time points on one wall clock."""
    spans, start = [], 0
    for part in parts:
        size = sum(len(point.headers) for point in part)
        own = values[start : start + size]
        start += size
        if len(part) == 1:
            spans.append([float(own.min())])
            continue
        if part[0].absolute == clock:
            edges = np.cumsum([0] + [len(point.headers) for point in part])
            spans.append([float(own[a:b].min()) for a, b in zip(edges, edges[1:])])
        elif part[0].seconds is None:
            spans.append([float(own.min())] + [None] * (len(part) - 1))
        else:
            # The series' own clock counts from an unknown zero: tie its first phase to the series' start.
            zero = part[0].seconds
            spans.append([float(own.min()) + point.seconds - zero for point in part])
    return spans


def _apart(spans):
    """bool: whether the series follow one another, at least two seconds apart."""
    known = sorted([v for v in row if v is not None] for row in spans)
    return all(b[0] - a[-1] >= SAME_PHASE_S for a, b in zip(known, known[1:]))


def _order_name(name):
    return COUNTED.get(name) or NAMES[name]


def _counted(parts, name):
    """Return the number of each series that could order them (see `COUNTED`), or None when they do not differ."""
    attribute = "number" if name == "number" else "temporal"
    values = [{getattr(h, attribute) for point in part for h in point.headers} for part in parts]
    if any(len(v) > 1 or None in v for v in values) or len(set.union(*values)) < len(parts):
        return None
    return [v.pop() for v in values]


def _by_count(parts, counted, decided, clean, findings):
    """Return the time points of series by a number, because there is no clock or the user said so."""
    name = decided or "number"
    if counted[name] is None:
        if decided is not None:
            raise BadInput(f"The series do not differ in {COUNTED[name]}", _names(parts), "Choose another order")
        what = "The tags hold no clock and no series number that would tell the order of the series"
        raise BadInput(what, _names(parts), DECIDE)
    order = list(np.argsort(counted[name]))
    others = [other for other in COUNTED if counted[other] is not None and list(np.argsort(counted[other])) != order]
    if decided is None:
        if others:
            what = "Series number and temporal position put the series in different orders"
            choices = [(value, f"order by {text}") for value, text in COUNTED.items()]
            raise ask("order", what, _names(parts), choices)
        findings.notes.append(
            "No clock in the tags tells all series apart: the phases are ordered by series number, their times are "
            "unknown. Check the order."
        )
    others += [clock for clock, spans in clean.items() if list(np.argsort([s[0] for s in spans])) != order]
    findings.doubts += [f"{_order_name(other)}: another order" for other in others]
    evidence = COUNTED[name] + (f" ({BY_USER})" if decided else "")
    return [TimePoint(point.headers, None, evidence) for i in order for point in parts[i]]


def _names(parts):
    numbers = [part[0].headers[0].number for part in parts]
    known = (
        ["series " + ", ".join(map(str, sorted(n for n in numbers if n is not None)))]
        if any(n is not None for n in numbers)
        else []
    )
    count = numbers.count(None)
    return " and ".join(known + ([f"{count} series without number"] if count else []))

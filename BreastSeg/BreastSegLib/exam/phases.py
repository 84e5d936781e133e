"""Time points from headers: split a series that holds several, and put those of all series in time order."""

from dataclasses import dataclass

import numpy as np

from ..errors import BadInput
from .clocks import (
    BETWEEN_SERIES,
    IN_SERIES,
    NAMES,
    SAME_PHASE_S,
    SHORTEST_DYNAMIC_S,
    clock_values,
    clusters,
    split,
    vendor_of,
)
from .stack import check_placed, heights, normal_of, places_of

DECIDE = "Give the phases as image files in order (pre first)"


@dataclass
class TimePoint:
    """The images of one acquisition of the volume.

    Parameters
    ----------
    headers : list of Header
        One for each slice place, in any order.
    seconds : float or None
        On a clock that all time points share; None when the tags hold no clock.
    evidence : str
        The clock or number that put it in order.
    absolute : str
        Name of the wall clock that `seconds` is on, "" when it is on none.
    """

    headers: list
    seconds: float | None
    evidence: str
    absolute: str = ""


def repeats(headers):
    """Return the largest number of images at one slice place of a series (1 when the places are unknown)."""
    if any(h.position is None or h.orientation is None for h in headers):
        return 1
    return int(np.bincount(places_of(heights(headers, normal_of(headers[0])))).max())


def time_points(series_list):
    """Return the time points of the series of one dynamic, in order.

    Parameters
    ----------
    series_list : list of list of Header
        Each series that belongs to the dynamic.

    Returns
    -------
    points : list of TimePoint
    notes : list of str

    Raises
    ------
    BadInput
        If the tags do not tell the order, or contradict one another.
    """
    notes, parts = [], []
    for headers in series_list:
        check_placed(headers)
        parts.append(_split_series(headers, notes))
    if len(parts) == 1:
        return parts[0], notes
    return _merge(parts, notes), notes


def _split_series(headers, notes):
    name = headers[0].series_name
    places = places_of(heights(headers, normal_of(headers[0])))
    counts = np.bincount(places)
    if counts.max() == 1:
        return [_single(headers)]
    if counts.min() != counts.max():
        raise _unequal(headers, places, counts)
    found = []
    order = IN_SERIES[vendor_of(headers[0].manufacturer)]
    for clock in order:
        values = clock_values(headers, clock)
        found.append(None if values is None else split(values, places, clock))
    found = [s for s in found if s is not None]
    # A clock that runs for less than a minute in all is often that of the reconstruction, not of the scan.
    found.sort(key=lambda s: np.ptp(s.values) < SHORTEST_DYNAMIC_S)
    temporal = clock_values(headers, "temporal")
    if temporal is not None:
        index = split(temporal, places, "temporal", 1)
        found += [index] if index else []
    if not found:
        number = clock_values(headers, "number")
        index = None if number is None else split(number, places, "number", 1)
        if index is None:
            raise _undecided(headers, counts)
        found = [index]
    best = found[0]
    for other in found[1:]:
        if not np.array_equal(other.labels, best.labels):
            raise BadInput(
                f"The {NAMES[best.clock]} and the {NAMES[other.clock]} put the images in different orders",
                name,
                DECIDE,
            )
        _compare(best, other, name, notes)
    return _points(headers, best, name, notes)


def _points(headers, best, name, notes):
    seconds, absolute, evidence = (
        list(best.values),
        best.clock if best.clock in BETWEEN_SERIES else "",
        NAMES[best.clock],
    )
    if best.clock in ("temporal", "number"):
        resolution = headers[0].resolution if best.clock == "temporal" else None
        seconds = [v * resolution if resolution else None for v in best.values]
        times = f"times are temporal resolution × position ({resolution:g} s)" if resolution else "times are unknown"
        notes.append(f"No clock tells the phases of {name} apart: ordered by {evidence}, {times}.")
    elif np.ptp(best.values) < SHORTEST_DYNAMIC_S and len(seconds) > 2:
        notes.append(f"The {evidence} of {name} spans only {np.ptp(best.values):.0f} s: check the times.")
    groups = [[h for h, label in zip(headers, best.labels) if label == k] for k in range(len(seconds))]
    return [TimePoint(group, s, evidence, absolute) for group, s in zip(groups, seconds)]


def _single(headers):
    return TimePoint(headers, None, "the only time point")


def _compare(best, other, name, notes):
    if "temporal" in (best.clock, other.clock):
        return
    one, two = np.ptp(best.values), np.ptp(other.values)
    if abs(one - two) > max(10, 0.1 * max(one, two)):
        notes.append(
            f"The phases of {name} span {one:.0f} s by {NAMES[best.clock]} (used) "
            f"and {two:.0f} s by {NAMES[other.clock]}."
        )


def _undecided(headers, counts):
    """Return the error for repeated images that no tag tells apart."""
    name, count = headers[0].series_name, int(counts.max())
    what = f"{count} images at each of {len(counts)} slice places"
    for clock in ("trigger", "content", "acquisition", "temporal"):
        values = clock_values(headers, clock)
        distinct = 1 if values is None else clusters(values, 1 if clock == "temporal" else SAME_PHASE_S)
        if 1 < distinct < count and count % distinct == 0:
            return BadInput(
                f"{what}, but {distinct} time points by {NAMES[clock]}: "
                f"{count // distinct} images at each place and time",
                name,
                f"Keep one kind of image. {DECIDE}",
            )
    claims = headers[0].temporal_count
    claim = f" (the tags claim {claims} time points)" if claims and claims != count else ""
    return BadInput(f"{what}{claim}, and no time, trigger or temporal position tells them apart", name, DECIDE)


def _unequal(headers, places, counts):
    """Return the error for places that hold different numbers of images, naming the phases where the clocks tell."""
    name, usual = headers[0].series_name, int(np.bincount(counts).argmax())
    odd = np.flatnonzero(counts != usual)
    what = f"{len(odd)} of {len(counts)} slice places hold another number of images than {usual}"
    regular = np.isin(places, np.flatnonzero(counts == usual))
    for clock in (*IN_SERIES[vendor_of(headers[0].manufacturer)], "temporal"):
        values = clock_values(headers, clock)
        # Renumber the regular places without gaps.
        part = (
            None
            if values is None
            else split(
                values[regular],
                np.unique(places[regular], return_inverse=True)[1],
                clock,
                1 if clock == "temporal" else SAME_PHASE_S,
            )
        )
        if part is None:
            continue
        nearest = np.abs(values[:, None] - part.values[None]).argmin(axis=1)
        table = np.zeros((usual, len(counts)), int)
        np.add.at(table, (nearest[~regular], places[~regular]), 1)
        lines = [
            f"phase {k + 1} has {kind} {len(where)} place{'s' * (len(where) > 1)}"
            for k in range(usual)
            for kind, where in (
                ("no image at", np.flatnonzero(table[k, odd] == 0)),
                ("several images at", np.flatnonzero(table[k, odd] > 1)),
            )
            if len(where)
        ]
        what += f" (in time order, {', '.join(lines)})"
        break
    return BadInput(f"Slices are missing or double: {what}", name, f"Export the series again. {DECIDE}")


def _merge(parts, notes):
    """Return the time points of several series in one order."""
    everything = [h for part in parts for point in part for h in point.headers]
    orders = []
    for clock in BETWEEN_SERIES:
        values = clock_values(everything, clock)
        if values is not None:
            orders.append((clock, _on_clock(parts, clock, values)))
    if not orders:
        return _by_number(parts, notes)
    clean = [(clock, spans) for clock, spans in orders if _apart(spans)]
    if not clean:
        names = ", ".join(NAMES[clock] for clock, _ in orders)
        raise BadInput(
            f"Series overlap in time or were acquired at the same time ({names})",
            _names(parts),
            f"Leave out the series that are no phases. {DECIDE}",
        )
    clock, spans = clean[0]
    order = np.argsort([s[0] for s in spans])
    for other, rows in clean[1:]:
        if not np.array_equal(np.argsort([s[0] for s in rows]), order):
            raise BadInput(
                f"The {NAMES[clock]} and the {NAMES[other]} put the series in different orders", _names(parts), DECIDE
            )
    numbers = [parts[i][0].headers[0].number for i in order]
    if None not in numbers and numbers != sorted(numbers):
        notes.append(
            f"The series numbers do not rise with the {NAMES[clock]} (in time order: {', '.join(map(str, numbers))})."
        )
    points = []
    for i in order:
        for point, seconds in zip(parts[i], spans[i]):
            own = f" and {point.evidence}" if len(parts[i]) > 1 and point.evidence != NAMES[clock] else ""
            points.append(TimePoint(point.headers, seconds, NAMES[clock] + own, clock))
    if any(p.seconds is None for p in points):
        points = [TimePoint(p.headers, None, p.evidence) for p in points]
    return points


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


def _by_number(parts, notes):
    numbers = [part[0].headers[0].number for part in parts]
    if None in numbers or len(set(numbers)) < len(numbers):
        raise BadInput(
            "The tags hold no clock and no series number that would tell the order of the series",
            _names(parts),
            DECIDE,
        )
    temporal = [{h.temporal for h in part[0].headers} for part in parts if len(part) == 1]
    if len(temporal) == len(parts) and all(len(t) == 1 and None not in t for t in temporal):
        index = [next(iter(t)) for t in temporal]
        if len(set(index)) == len(index) and list(np.argsort(index)) != list(np.argsort(numbers)):
            raise BadInput(
                "Series number and temporal position put the series in different orders", _names(parts), DECIDE
            )
    order = np.argsort(numbers)
    notes.append(
        "No clock in the tags that all series have: the phases are ordered by series number, their times are unknown. "
        "Check the order."
    )
    return [TimePoint(point.headers, None, "series number") for i in order for point in parts[i]]


def _names(parts):
    numbers = sorted(str(part[0].headers[0].number) for part in parts)
    return "series " + ", ".join(numbers)

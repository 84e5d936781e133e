"""Time points from headers: split a series that holds several."""

from dataclasses import dataclass

import numpy as np

from ...errors import BadInput
from ..decisions import BY_USER, ask
from .clocks import (
    BETWEEN_SERIES,
    IN_SERIES,
    NAMES,
    SAME_PHASE_S,
    SHORTEST_DYNAMIC_S,
    Split,
    clock_values,
    clusters,
    rank,
    split,
    vendor_of,
)
from .stack import heights, normal_of, places_of

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
    since_injection : float or None
        Seconds.
    """

    headers: list
    seconds: float | None
    evidence: str
    absolute: str = ""
    since_injection: float | None = None


def repeats(headers):
    """Return the largest number of images at one slice place of a series (1 when the places are unknown)."""
    if any(h.position is None or h.orientation is None for h in headers):
        return 1
    return int(np.bincount(places_of(heights(headers, normal_of(headers[0])))).max())


def points_of(headers, findings):
    """Return the time points of one series, in order; see `between.time_points`."""
    name = headers[0].series_name
    places = places_of(heights(headers, normal_of(headers[0])))
    counts = np.bincount(places)
    if counts.max() == 1:
        return [_single(headers)]
    if counts.min() != counts.max():
        return _without_incomplete(headers, places, counts, findings)
    clock = findings.decided("clock", tuple(NAMES))
    if clock is not None:
        best = _by_choice(headers, places, clock)
        others = [other for other in _usable(headers, places) if not np.array_equal(other.labels, best.labels)]
        findings.doubts += [f"{NAMES[other.clock]}: another order" for other in others]
        return _points(headers, best, findings, BY_USER)
    found = _usable(headers, places)
    if not found:
        return _split_several(headers, places, counts, findings)
    best = found[0]
    for other in found[1:]:
        if not np.array_equal(other.labels, best.labels):
            what = f"The {NAMES[best.clock]} and the {NAMES[other.clock]} put the images in different orders"
            choices = [(s.clock, f"order by {NAMES[s.clock]}") for s in found]
            raise ask("clock", what, name, choices)
        _compare(best, other, name, findings)
    _count_again(headers, best, findings)
    return _points(headers, best, findings)


def _usable(headers, places):
    """Return how each usable clock splits a series, the most trusted first."""
    found = []
    for clock in IN_SERIES[vendor_of(headers[0].manufacturer)]:
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
        found = [index] if index else []
    return found


def _by_choice(headers, places, clock):
    """Return the split by the clock that the user chose."""
    values = clock_values(headers, clock)
    if values is None:
        raise BadInput(f"Not all images have a {NAMES[clock]}", headers[0].series_name, "Choose another clock")
    if clock == "instance":
        labels = rank(values, places)
        found = None if labels is None else Split(clock, labels, np.arange(labels.max() + 1.0))
    else:
        found = split(values, places, clock, 1 if clock in ("temporal", "number") else SAME_PHASE_S)
    if found is None:
        what = f"The {NAMES[clock]} does not tell the images of each place apart"
        raise BadInput(what, headers[0].series_name, "Choose another clock")
    return found


def _points(headers, best, findings, why=""):
    name, seconds = headers[0].series_name, list(best.values)
    absolute = best.clock if best.clock in BETWEEN_SERIES else ""
    evidence = NAMES[best.clock] + (f" ({why})" if why else "")
    if best.clock in ("temporal", "number", "instance"):
        resolution = headers[0].resolution if best.clock == "temporal" else None
        seconds = [v * resolution if resolution else None for v in best.values]
        times = f"times are temporal resolution × position ({resolution:g} s)" if resolution else "times are unknown"
        findings.notes.append(f"No clock tells the phases of {name} apart: ordered by {evidence}, {times}.")
    elif np.ptp(best.values) < SHORTEST_DYNAMIC_S and len(seconds) > 2:
        span = np.ptp(best.values)
        findings.notes.append(f"The {evidence} of {name} spans only {span:.0f} s: check the times.")
    groups = [[h for h, label in zip(headers, best.labels) if label == k] for k in range(len(seconds))]
    return [TimePoint(group, s, evidence, absolute) for group, s in zip(groups, seconds)]


def _single(headers):
    return TimePoint(headers, None, "the only time point")


def _compare(best, other, name, findings):
    if {"temporal", "offset"} & {best.clock, other.clock}:
        return
    one, two = np.ptp(best.values), np.ptp(other.values)
    if abs(one - two) > max(10, 0.1 * max(one, two)):
        findings.doubts.append(f"{NAMES[other.clock]}: spans {two:.0f} s, not {one:.0f} s")
        findings.notes.append(
            f"The phases of {name} span {one:.0f} s by {NAMES[best.clock]} (used) "
            f"and {two:.0f} s by {NAMES[other.clock]}."
        )


def _count_again(headers, best, findings):
    """Note the tags that tell fewer time points apart: several images of one phase may have been taken for phases."""
    count = len(best.values)
    for clock in ("acquisition", "temporal"):
        values = clock_values(headers, clock)
        found = 1 if values is None else clusters(values, 1 if clock == "temporal" else SAME_PHASE_S)
        if 1 < found < count and count % found == 0:
            findings.doubts.append(f"{NAMES[clock]}: {found} time points, not {count}")
            findings.notes.append(
                f"The {NAMES[best.clock]} of {headers[0].series_name} tells {count} time points apart, the "
                f"{NAMES[clock]} only {found}: check that no two phases are images of one."
            )


def _split_several(headers, places, counts, findings):
    """Split images that no clock tells apart, as the user decided, or ask."""
    name, count = headers[0].series_name, int(counts.max())
    what = f"{count} images at each of {len(counts)} slice places"
    for clock in ("trigger", "offset", "content", "acquisition", "reference", "temporal"):
        values = clock_values(headers, clock)
        distinct = 1 if values is None else clusters(values, 1 if clock == "temporal" else SAME_PHASE_S)
        if not (1 < distinct < count and count % distinct == 0):
            continue
        each = count // distinct
        kind = findings.decided("images", [str(k + 1) for k in range(each)])
        apart = _counted_apart(headers, places)
        if kind is not None and apart:
            which = f"the {_ordinal(int(kind) - 1)} of the {each} images at each place and time is used"
            findings.notes.append(f"In {name} {which} ({BY_USER}).")
            return points_of(_one_kind(headers, places, values, each, int(kind) - 1), findings)
        what += f", but {distinct} time points by {NAMES[clock]}: {each} images at each place and time"
        if not apart:
            raise BadInput(f"{what}, which no tag tells apart", name, DECIDE)
        choices = [(k + 1, f"the {_ordinal(k)} of the {each} images at each place and time") for k in range(each)]
        raise ask("images", what, name, choices)
    claims = headers[0].temporal_count
    claim = f" (the tags claim {claims} time points)" if claims and claims != count else ""
    what += f"{claim}, and no time, trigger or temporal position tells them apart"
    if not _counted_apart(headers, places):
        raise BadInput(what, name, DECIDE)
    hint = f"{DECIDE}, or order by instance number"
    raise ask("clock", what, name, [("instance", "order by instance number")], hint)


def _counted_apart(headers, places):
    """bool: whether the instance numbers tell the images of each place apart."""
    values = clock_values(headers, "instance")
    return values is not None and rank(values, places) is not None


def _one_kind(headers, places, values, each, kind):
    """Return every `each`-th image, from number `kind`, of each place in order of time and instance number."""
    order = np.lexsort((clock_values(headers, "instance"), values, places))
    first = np.concatenate([[0], np.cumsum(np.bincount(places))])[places[order]]
    position = np.arange(len(order)) - first
    return [headers[i] for i, p in zip(order, position) if p % each == kind]


def _ordinal(index):
    return ("first", "second", "third", "fourth")[index] if index < 4 else f"{index + 1}th"


def _without_incomplete(headers, places, counts, findings):
    """Return the complete time points of a series in which images are missing, if the user said so; or ask."""
    name, usual = headers[0].series_name, int(np.bincount(counts).argmax())
    odd = np.flatnonzero(counts != usual)
    what = f"{len(odd)} of {len(counts)} slice places hold another number of images than {usual}"
    labels, lines = _nearest_points(headers, places, counts, usual)
    if labels is None:
        raise BadInput(f"Slices are missing or double: {what}", name, f"Export the series again. {DECIDE}")
    table = np.zeros((labels.max() + 1, len(counts)), int)
    np.add.at(table, (labels, places), 1)
    whole = np.flatnonzero((table == 1).all(axis=1))
    if findings.decided("incomplete", ("leave-out",)) and len(whole):
        out = len(table) - len(whole)
        findings.left_out.append((name, f"{out} incomplete time point{'s' * (out > 1)} (left out by the user)"))
        if whole[0] > 0:
            findings.after_lost |= {(h.path, h.frame) for h, label in zip(headers, labels) if label == whole[0]}
        return points_of([h for h, label in zip(headers, labels) if label in whole], findings)
    what = f"Slices are missing or double: {what} (in time order, {', '.join(lines)})"
    if not len(whole):
        raise BadInput(what, name, f"Export the series again. {DECIDE}")
    hint = f"Export the series again, or use the {len(whole)} complete phases only"
    raise ask("incomplete", what, name, [("leave-out", f"use the {len(whole)} complete phases only")], hint)


def _nearest_points(headers, places, counts, usual):
    """Return the time point that each image belongs to by the clock of the complete places, and what is wrong."""
    regular = np.isin(places, np.flatnonzero(counts == usual))
    odd = np.flatnonzero(counts != usual)
    for clock in (*IN_SERIES[vendor_of(headers[0].manufacturer)], "temporal"):
        values = clock_values(headers, clock)
        if values is None:
            continue
        # Renumber the regular places without gaps.
        ranks = np.unique(places[regular], return_inverse=True)[1]
        part = split(values[regular], ranks, clock, 1 if clock == "temporal" else SAME_PHASE_S)
        if part is None:
            continue
        labels = np.abs(values[:, None] - part.values[None]).argmin(axis=1)
        table = np.zeros((usual, len(counts)), int)
        np.add.at(table, (labels, places), 1)
        lines = [
            f"phase {k + 1} has {kind} {len(where)} place{'s' * (len(where) > 1)}"
            for k in range(usual)
            for kind, where in (
                ("no image at", np.flatnonzero(table[k, odd] == 0)),
                ("several images at", np.flatnonzero(table[k, odd] > 1)),
            )
            if len(where)
        ]
        return labels, lines
    return None, []


def lengths(points):
    """Return the seconds that each time point took by its tags; None where they do not tell.

    A length that reaches far into the next time point is that of the whole series, and says nothing.
    """
    seconds, found = [p.seconds for p in points], [p.headers[0].resolution for p in points]
    if None in seconds or len(points) < 2:
        return found
    near = min(b - a for a, b in zip(seconds, seconds[1:]))
    return [None if length is None or length > 1.2 * near else length for length in found]

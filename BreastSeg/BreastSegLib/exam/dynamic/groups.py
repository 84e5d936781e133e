"""Which series of a study form the dynamic: those of one orientation, matrix and contrast that repeat most in time."""

from dataclasses import dataclass

import numpy as np

from ...errors import BadInput
from ..decisions import ask
from .derived import dixon_kind, reason_to_leave_out
from .phases import repeats
from .stack import check_placed, normal_of

SAME_DIRECTION = 0.996  # cosine of 5°
OWN_DYNAMIC = 3  # time points
LONG_ECHO_MS = 15.0  # T2 weighting: no dynamic


@dataclass
class Series:
    """The images of one series that may belong to the dynamic.

    Parameters
    ----------
    headers : list of Header
    kind : str
        Dixon kind, "" for none.
    points : int
        Images at the fullest slice place.
    answer : str
        How the user names the series: its number, with the kind or a count where several have the number.
    title : str
        The same for reading.
    """

    headers: list
    kind: str
    points: int
    answer: str = ""
    title: str = ""

    @property
    def first(self):
        """Header: any image of the series."""
        return self.headers[0]

    @property
    def name(self):
        """str: series number and Dixon kind."""
        return self.first.series_name + (f" ({self.kind})" if self.kind else "")


def split_series(headers):
    """Return the series that may belong to the dynamic, and what was left out.

    Returns
    -------
    series : list of Series
        In the order of their numbers. Images of one series that differ in Dixon kind or echo time are apart.
    left_out : list of (str, str)
        Series number and reason.
    """
    kept, out = {}, {}
    for header in headers:
        reason = reason_to_leave_out(header)
        if reason:
            key = (header.series or header.number, reason)
            out.setdefault(key, []).append(header)
        else:
            echo = None if header.echo is None else round(header.echo, 1)
            kept.setdefault((header.series or f"number {header.number}", dixon_kind(header), echo), []).append(header)
    left_out = [
        (f"{rows[0].series_name}, {len(rows)} image{'s' * (len(rows) > 1)}", reason)
        for (_, reason), rows in sorted(out.items(), key=lambda item: (_rank(item[1][0]), item[0][1]))
    ]
    series = [Series(rows, key[1], repeats(rows)) for key, rows in kept.items()]
    series.sort(key=lambda s: (_rank(s.first), s.kind, s.first.echo or 0))
    _name(series)
    return series, left_out


def _rank(header):
    """Return what sorts series by their numbers, those without number last."""
    return header.number is None, header.number or 0


def _name(series):
    """Give each series the answer and the title that tell it from the others."""
    for one in series:
        same = [s for s in series if s.first.number == one.first.number]
        number = "none" if one.first.number is None else str(one.first.number)
        alone = len(same) == 1
        own_kind = one.kind and sum(s.kind == one.kind for s in same) == 1
        count = next(k for k, s in enumerate(same) if s is one) + 1
        one.answer = number if alone and number != "none" else f"{number}:{one.kind if own_kind else count}"
        one.title = one.name
        if not (alone or own_kind):
            echo = "" if one.first.echo is None else f", echo time {one.first.echo:g} ms"
            one.title += f" ({count} of {len(same)} with this number{echo})"


def choose(series, findings):
    """Return the series of the dynamic; those left out go into `findings`, with the reason.

    Raises
    ------
    Undecided
        If two groups of series could both be the dynamic.
    BadInput
        If the user chose series that are not there.
    """
    chosen = findings.decided("series")
    if chosen is not None:
        return _chosen(series, chosen, findings)
    groups = []
    for one in series:
        home = next((group for group in groups if not difference(group[0], one)), None)
        groups.append([one]) if home is None else home.append(one)
    sizes = [sum(s.points for s in group) for group in groups]
    best = [group for group, size in zip(groups, sizes) if size == max(sizes)]
    water = [group for group in best if group[0].kind == "water"]
    # Of a Dixon acquisition the water images are the fat-suppressed dynamic; the others repeat as often.
    if len(best) > 1 and len(water) == 1 and all(group[0].kind for group in best):
        best = water
    if len(best) > 1:
        listed = " or ".join(", ".join(s.title for s in group) for group in best)
        times = max(sizes)
        what = f"Several series could be the dynamic, each with {times} time point{'s' * (times > 1)}"
        raise ask("series", what, listed, [_choice(group) for group in best])
    own = {s.first.series for s in best[0]} - {""}
    for other in series:
        if other.first.series in own and other.first.orientation is None:
            # Images of the dynamic's own series that do not say where they lie: a phase would be lost in silence.
            check_placed(other.headers)
    findings.left_out += [
        (s.name, f"not like the dynamic: {difference(best[0][0], s)}") for s in series if s not in best[0]
    ]
    findings.notes += _other_dynamics(groups, best[0])
    return best[0]


def _other_dynamics(groups, best):
    """Return notes about groups that repeat in time, too: an ultrafast dynamic outnumbers a usual one."""
    return [
        f"{', '.join(s.name for s in group)} {'holds' if len(group) == 1 else 'hold'} {points} time points of "
        f"{'its' if len(group) == 1 else 'their'} own ({difference(best[0], group[0])}): if that is the dynamic that "
        f"is wanted, choose it (series={_choice(group)[0]})."
        for group in groups
        if group is not best
        and (points := sum(s.points for s in group)) >= OWN_DYNAMIC
        and group[0].kind == best[0].kind
        and (group[0].first.echo or 0) < LONG_ECHO_MS
    ]


def _choice(group):
    """Return one possible answer and its text."""
    return ",".join(s.answer for s in group), ", ".join(s.title for s in group)


def _chosen(series, text, findings):
    """Return the series that the user named: ``5,6,7``, ``5:water`` for one Dixon kind, ``5:2`` for the second 5."""
    wanted = [part.strip() for part in text.split(",") if part.strip()]
    found = []
    for part in wanted:
        number, _, kind = part.partition(":")
        match = [s for s in series if s.answer == part] or [
            s for s in series if str(s.first.number) == number and (not kind or s.kind == kind)
        ]
        if not match:
            names = ", ".join(dict.fromkeys(s.answer for s in series))
            raise BadInput(f"There is no series {part} that could be a phase", hint=f"Possible: {names}")
        found += [s for s in match if s not in found]
    findings.left_out += [(s.name, "not among the series that the user chose") for s in series if s not in found]
    return found


def difference(one, other):
    """Return in what two series differ so that they cannot be phases of one dynamic, or ""."""
    a, b = one.first, other.first
    if a.shape != b.shape:
        return f"matrix {b.shape[1]} × {b.shape[0]} instead of {a.shape[1]} × {a.shape[0]}"
    if (a.orientation is None) != (b.orientation is None):
        return "orientation unknown"
    if a.orientation is not None:
        cosines = [np.dot(a.orientation[k : k + 3], b.orientation[k : k + 3]) for k in (0, 3)] + [
            normal_of(a) @ normal_of(b)
        ]
        if min(cosines) < SAME_DIRECTION:
            return "other orientation"
    if a.spacing and b.spacing and not np.allclose(a.spacing, b.spacing, rtol=0.05):
        return f"pixels of {b.spacing[0]:.2f} mm instead of {a.spacing[0]:.2f} mm"
    if one.kind != other.kind:
        return f"Dixon {other.kind or 'plain'} images instead of {one.kind or 'plain'} ones"
    for name, what, unit, slack in (
        ("echo", "echo time", " ms", 0.3),
        ("repetition", "repetition time", " ms", 0.5),
        ("flip", "flip angle", "°", 0.5),
    ):
        x, y = getattr(a, name), getattr(b, name)
        if x is not None and y is not None and abs(x - y) > slack + 0.1 * abs(x):
            return f"{what} {y:g}{unit} instead of {x:g}{unit}"
    if a.fat_saturation is not None and b.fat_saturation is not None and a.fat_saturation != b.fat_saturation:
        return f"fat saturation {'on' if b.fat_saturation else 'off'}"
    return _place(one, other)


def _place(one, other):
    """Return a difference when two series show different places (left and right breast, for instance)."""
    boxes = []
    for series in (one, other):
        positions = [h.position for h in series.headers if h.position is not None]
        if not positions or series.first.orientation is None or series.first.spacing is None:
            return ""
        axes = np.array([series.first.orientation[:3], series.first.orientation[3:], normal_of(series.first)])
        low = (np.array(positions) @ axes.T).min(axis=0)
        size = np.array(
            [series.first.shape[1] * series.first.spacing[0], series.first.shape[0] * series.first.spacing[1], 0]
        )
        high = (np.array(positions) @ axes.T).max(axis=0) + size
        margin = np.array([0, 0, series.first.gap or 1]) / 2
        boxes.append((low - margin, high + margin))
    (a0, a1), (b0, b1) = boxes
    shared = np.clip(np.minimum(a1, b1) - np.maximum(a0, b0), 0, None) / np.minimum(a1 - a0, b1 - b0)
    return "another place in the body" if shared.prod() < 0.5 else ""

"""Which series of a study form the dynamic: those of one orientation, matrix and contrast that repeat most in time."""

from dataclasses import dataclass

import numpy as np

from ..errors import BadInput
from .derived import dixon_kind, reason_to_leave_out
from .phases import repeats
from .stack import normal_of

SAME_DIRECTION = 0.996  # cosine of 5°
CHOOSE = "Give a folder with the dynamic series only, or the phases as image files in order (pre first)"


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
    """

    headers: list
    kind: str
    points: int

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
        for (_, reason), rows in out.items()
    ]
    series = [Series(rows, key[1], repeats(rows)) for key, rows in kept.items()]
    series.sort(key=lambda s: (s.first.number is None, s.first.number or 0, s.kind, s.first.echo or 0))
    return series, sorted(left_out)


def choose(series):
    """Return the series of the dynamic and those left out with the reason.

    Raises
    ------
    BadInput
        If two groups of series could both be the dynamic, or the dynamic is enhanced multi-frame.
    """
    classic = [s for s in series if not (s.first.enhanced or s.first.frames > 1)]
    frames = [s for s in series if s not in classic]
    groups = []
    for one in classic:
        home = next((group for group in groups if not difference(group[0], one)), None)
        groups.append([one]) if home is None else home.append(one)
    sizes = [sum(s.points for s in group) for group in groups]
    if frames and max(sizes, default=0) < 2:
        raise BadInput(
            "Enhanced multi-frame DICOM is recognised but cannot be read yet",
            ", ".join(s.name for s in frames),
            "Export it as classic DICOM (one file per slice), or give the phases as image files in order (pre first)",
        )
    if not groups:
        return [], []
    best = [group for group, size in zip(groups, sizes) if size == max(sizes)]
    water = [group for group in best if group[0].kind == "water"]
    # Of a Dixon acquisition the water images are the fat-suppressed dynamic; the others repeat as often.
    if len(best) > 1 and len(water) == 1 and all(group[0].kind for group in best):
        best = water
    if len(best) > 1:
        listed = " or ".join(", ".join(s.name for s in group) for group in best)
        times = max(sizes)
        raise BadInput(
            f"Several series could be the dynamic, each with {times} time point{'s' * (times > 1)}", listed, CHOOSE
        )
    chosen = best[0]
    left_out = [(s.name, f"not like the dynamic: {difference(chosen[0], s)}") for s in classic if s not in chosen]
    left_out += [(s.name, "enhanced multi-frame, not read yet") for s in frames]
    return chosen, left_out


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

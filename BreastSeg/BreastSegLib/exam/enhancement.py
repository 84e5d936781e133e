"""Mean enhancement of the breast over the phases, and what it says about their order.

The percentages are signal changes against the first phase, (S − S₀) / (S₀ − background), averaged over the quarter
of the body that changes most over the phases. That quarter is chosen by the range of the signal alone, so the choice
does not know which phase comes first; fat, which hardly enhances, would hide the arrival of contrast in a mean over
the whole body. Averages over small blocks of a few slices are enough and keep noise and memory low.

The curve shows where contrast arrives. It cannot show two phases long after contrast that were exchanged: their means
are too alike.
"""

from dataclasses import dataclass

import numpy as np

STAGE = "Measuring enhancement"
SLICES = 24
CELLS = 96  # blocks along the longer edge of a slice
SHARE = 0.25  # of the body, that which changes most
CLEAR = 10.0  # percent; scanner drift and motion stay below, contrast in the share that changes most does not
ARRIVED = 0.25  # of the way from the darkest to the brightest phase
OUT_OF_LINE = 0.2  # of that way, and at least OUT_OF_LINE_PERCENT
OUT_OF_LINE_PERCENT = 8.0
SILENT = ("first in time", "order of the files", "order of the volumes", "file order")


@dataclass(frozen=True)
class Enhancement:
    """Mean enhancement of the breast.

    Parameters
    ----------
    percent : tuple of float
        For each phase, relative to the first phase (whose value is 0); always finite.
    voxels : int
        Number of voxels that were averaged; 0 when the image shows no body.
    """

    percent: tuple
    voxels: int

    def to_json(self):
        """dict: the curve, JSON-ready."""
        return {"percent": [round(value, 2) for value in self.percent], "voxels": self.voxels}


def mean_enhancement(volumes, report=None):
    """Return the mean enhancement of the part of the body that changes most over the phases.

    Parameters
    ----------
    volumes : sequence of Volume or numpy.ndarray
        One for each phase in order, (z, y, x), all on one grid; may be memory-mapped. Scale and offset of the
        intensities do not matter as long as all phases share them.
    report : callable, optional
        Called as ``report(stage, done, total)`` before each phase and at the end; may raise `Cancelled`.

    Returns
    -------
    Enhancement
    """
    total = len(volumes)
    rows = []
    for index, volume in enumerate(volumes):
        if report is not None:
            report(STAGE, index, total)
        rows.append(_cells(getattr(volume, "array", volume)))
    if report is not None:
        report(STAGE, total, total)
    if not rows:
        return Enhancement((), 0)
    cells, block = np.array([row for row, _ in rows]), rows[0][1]
    cells = cells[:, np.isfinite(cells).all(axis=0)]
    nothing = Enhancement((0.0,) * total, 0)
    if not cells.size:
        return nothing
    mean = cells.mean(axis=0)
    background = np.percentile(mean, 1)
    body = body_mask(mean)
    cells = cells[:, body] - background
    if not cells.size:
        return nothing
    change = np.ptp(cells, axis=0)
    # At most the share, and the same cells for any order of the phases.
    cells = cells[:, change >= np.quantile(change, 1 - SHARE)]
    signal = cells.mean(axis=1, dtype=float)
    if not signal[0] > 1e-6 * np.abs(signal).max():
        return nothing
    percent = 100 * (signal / signal[0] - 1)
    return Enhancement(tuple(float(value) for value in percent), int(cells.shape[1] * block))


def body_mask(values):
    """Return where `values` belong to the body: Otsu's threshold on the root of the signal above the background.

    The root keeps a bright heart or skin from taking the threshold up with it.

    Parameters
    ----------
    values : numpy.ndarray
        Intensities of any shape; NaN counts as background.

    Returns
    -------
    numpy.ndarray
        bool, of the shape of `values`; all False for a constant image.
    """
    finite = values[np.isfinite(values)]
    if not finite.size or finite.min() == finite.max():
        return np.zeros(values.shape, bool)
    root = np.sqrt(np.maximum(np.nan_to_num(values, nan=-np.inf, neginf=-np.inf) - np.percentile(finite, 1), 0))
    counts, edges = np.histogram(root[np.isfinite(root)], 256)
    middle = (edges[1:] + edges[:-1]) / 2
    below, sums = np.cumsum(counts), np.cumsum(counts * middle)
    above = below[-1] - below
    apart = sums / np.maximum(below, 1) - (sums[-1] - sums) / np.maximum(above, 1)
    return root > edges[1:][np.argmax(below * above.astype(float) * apart**2)]


def arrival(enhancement):
    """Return the index of the first phase that the image shows after contrast.

    Parameters
    ----------
    enhancement : Enhancement

    Returns
    -------
    int or None
        None where the image does not tell: nothing enhances clearly, the first phase is not the darkest, or phases
        without contrast follow phases with contrast.
    """
    curve = np.asarray(enhancement.percent, float)
    if len(curve) < 2 or np.ptp(curve) < CLEAR:
        return None
    low = curve < _level(curve)
    first = int(np.argmin(low))
    if not low[0] or low[first:].any():
        return None
    # A phase taken while contrast arrives can lie below the level and still be clear of the phases before it.
    while first > 1 and curve[first - 1] - curve[: first - 1].mean() > _clear_step(curve, first - 1):
        first -= 1
    return first if curve[first] - curve[:first].mean() > _clear_step(curve, first) else None


def enhancement_notes(phases, enhancement, evidence=""):
    """Return sentences where the image contradicts, or adds to, what the tags say about the order of the phases.

    Parameters
    ----------
    phases : sequence of Phase
        In the order of the curve.
    enhancement : Enhancement
    evidence : str
        What decided the roles, such as ``first in time`` or the evidence of a phase (``order: …; role: …``).

    Returns
    -------
    list of str
        Empty when image and tags agree, or there is one phase only.
    """
    curve = np.asarray(enhancement.percent, float)
    if len(curve) < 2:
        return []
    if not enhancement.voxels:
        return ["The image shows no body, so the order of the phases could not be checked against it."]
    before = sum(phase.role == "pre" for phase in phases)
    first = arrival(enhancement)
    if first is None:
        note = _no_arrival_note(phases, curve, before)
        return [note] if note else []
    notes = [_late_note(phases, first, before, evidence)] if first != before else []
    return notes + _out_of_line_notes(phases, curve, first)


def _level(curve):
    """Return the percentage below which a phase looks as before contrast."""
    return curve.min() + ARRIVED * np.ptp(curve)


def _clear_step(curve, count):
    """Return the step in percent that is clear of the noise of the first `count` phases."""
    noise = 4 * float(np.std(curve[:count], ddof=1)) if count > 2 else 0.0
    return max(CLEAR / 2, 0.15 * float(np.ptp(curve)), noise)


def _no_arrival_note(phases, curve, before):
    """Return why the image does not show where contrast arrives, or "" where that is no contradiction."""
    span, low = float(np.ptp(curve)), curve < _level(curve)
    gap = curve[~low].min() - curve[low].max() if low.any() else 0.0
    dark = int(np.argmin(curve))
    # A slow fall without a step is washout after a missing pre-contrast phase, not a phase in the wrong place.
    if gap >= max(0.3 * span, CLEAR):
        if not low[0]:
            first = "pre-contrast phase" if before else "first phase"
            return (
                f"The {first} is not the darkest: phase {phases[dark].name} is {-curve[dark]:.0f} % darker "
                "in the part of the breast that changes most. Check the order of the phases."
            )
        late = [phase.name for phase, is_low in zip(phases[1:], low[1:]) if is_low]
        return (
            f"The curve of the breast jumps up and down: {_listed(late)} as before contrast after phases with "
            "contrast. Check the order of the phases."
        )
    if before and curve[1:].max() < CLEAR:
        return (
            "No phase enhances over the first "
            f"(largest change {curve[1:][np.argmax(np.abs(curve[1:]))]:+.0f} %): is the pre-contrast phase missing?"
        )
    return ""


def _late_note(phases, first, before, evidence):
    """Return the sentence for contrast that arrives at another phase than the roles say."""
    same = f"Phases 1 to {first} look" if first > 1 else "Phase 1 looks"
    seen = f"{same} as before contrast; the image shows contrast from phase {phases[first].name} on"
    if not before:
        return f"{seen}, but all phases are taken as after contrast. Check the roles of the phases."
    if is_silent(evidence):
        return (
            f"{seen}, and the tags do not tell: choose which of phases 1 to {first} is the pre-contrast phase "
            "(usually the last of them) and leave the others out."
        )
    return f"{seen}, but the roles come from {_role_evidence(evidence)}. Check which phase is before contrast."


def _out_of_line_notes(phases, curve, first):
    """Return sentences about phases with contrast that stick out of the curve's course, down or up."""
    tolerance = max(OUT_OF_LINE_PERCENT, OUT_OF_LINE * float(np.ptp(curve)))
    names = []
    for k in range(first + 1, len(curve) - 1):
        dip = min(curve[k - 1], curve[k + 1]) - curve[k]
        # The first pass of the bolus is a true peak right after its arrival.
        peak = curve[k] - max(curve[k - 1], curve[k + 1]) if k > first + 1 else 0.0
        if max(dip, peak) > tolerance:
            names.append(phases[k].name)
    if not names:
        return []
    return [f"The curve of the breast jumps up and down at {', '.join(names)}. Check the order of the phases."]


def is_silent(evidence):
    """bool: whether the evidence for the roles is only the order, not a tag."""
    said = _role_evidence(evidence)
    return not said or any(words in said for words in SILENT)


def _role_evidence(evidence):
    return evidence.rsplit("role:", 1)[-1].strip()


def _listed(names):
    return f"{names[0]} looks" if len(names) == 1 else f"{', '.join(names)} look"


def _cells(array):
    """Return means over square blocks in evenly spread slices, flat, and the number of voxels in a block."""
    depth, height, width = array.shape
    size = max(1, min(-(-max(height, width) // CELLS), height, width))
    height, width = height // size * size, width // size * size
    slices = np.unique(np.linspace(0, depth - 1, min(depth, SLICES)).round().astype(int))
    means = []
    for k in slices:
        plane = np.asarray(array[k, :height, :width], np.float32)
        # Whole rows, then columns: much faster than sums over blocks, which are a few numbers each.
        rows = sum((plane[step::size] for step in range(1, size)), plane[::size])
        means.append(sum((rows[:, step::size] for step in range(1, size)), rows[:, ::size]))
    return np.array(means, np.float64).ravel() / size**2, size**2

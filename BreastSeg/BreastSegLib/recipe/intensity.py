"""Intensity steps of DCE recipes: clip to percentiles, CLAHE, z-score.

Figures are taken over one channel, over all phases of the exam, or inside the breast; they are applied to whole
channels, in place and block by block.
"""

import numpy as np

from ..errors import BadInput
from .clahe import equalize
from .figures import blocks, moments, percentiles

STAGE = "Preparing"


def apply_steps(steps, channels, names, exam=None, breast=None, report=None):
    """Apply the recipe's intensity steps to the channels, in place.

    Parameters
    ----------
    steps : sequence of dict
        ``{"step": name, parameter: value, ...}``, every parameter given.
    channels : numpy.ndarray
        (c, z, y, x), float32, changed in place.
    names : sequence of str
        Channel names, for messages.
    exam : sequence of numpy.ndarray, optional
        The arrays (z, y, x) of all phases of the exam on its own grid; never changed, may be memory-mapped. Scope
        ``exam`` takes its figures from them, as the earlier steps leave them; from all channels together where they
        are not given.
    breast : callable, optional
        Returns the breast mask, bool (z, y, x), on the channels' grid; called at most once, for scope ``breast``.
    report : callable, optional
        Called as ``report(stage, done, total)`` before each channel of each step and at the end; may raise
        `Cancelled`.

    Returns
    -------
    list of dict
        Each step with the figures it used, JSON-ready: one for each channel, or one in all for scope ``exam``.

    Raises
    ------
    BadInput
        If a channel is constant or not finite, the breast mask is missing or empty, or a step of scope ``exam``
        follows one that cannot be done on the phases.
    """
    channels = [channels[index] for index in range(len(names))]
    phases = None if exam is None else [_Phase(array, f"phase {n}") for n, array in enumerate(exam, 1)]
    find_mask, records = _once(breast, channels), []
    for number, step in enumerate(steps):
        progress = _progress(report, number, len(steps), len(names))
        if step["step"] == "clahe":
            _clahe(step, channels, names, progress)
            records.append(dict(step))
            continue
        if step.get("scope") == "exam":
            progress(0)
            groups = [_exam_group(step, steps[:number], records, channels, phases)]
        else:
            mask = find_mask() if step["scope"] == "breast" else None
            groups = [(f"channel {n}", _source(c, mask), [c]) for n, c in zip(names, channels)]
        records.append(_apply(step, groups, progress))
    if report is not None:
        report(STAGE, len(steps) * len(names), len(steps) * len(names))
    return records


def _progress(report, number, steps, channels):
    if report is None:
        return lambda index: None
    return lambda index: report(STAGE, number * channels + index, steps * channels)


def _once(breast, channels):
    """Return a function that finds the breast mask when it is first asked, and checks it."""
    found = []

    def find():
        if not found:
            if breast is None:
                raise BadInput("A step of scope breast needs a breast mask", hint="Choose the scope volume or exam")
            mask = np.asarray(breast(), bool)
            if mask.shape != channels[0].shape:
                raise BadInput("The breast mask does not lie on the channels' grid", f"shape {mask.shape}")
            if not mask.any():
                raise BadInput("The breast mask is empty", hint="Choose the scope volume or exam")
            found.append(mask)
        return found[0]

    return find


def _source(array, mask=None):
    """Return a function that iterates over the values of an array, or over those inside the mask."""
    if mask is None:
        return lambda: blocks(array)
    return lambda: (values[inside] for values, inside in zip(blocks(array), blocks(mask)))


def _apply(step, groups, progress):
    """Find the figures of each group of channels and apply them; return the record of the step."""
    find, change = FIGURES[step["step"]], CHANGES[step["step"]]
    rows = []
    for index, (name, source, arrays) in enumerate(groups):
        if len(groups) > 1:
            progress(index)
        figures = find(step, source, name)
        for array in arrays:
            for block in blocks(array):
                block[...] = change(block, figures)
        rows.append(figures)
    return {**step, **{key: [row[key] for row in rows] for key in rows[0]}}


def _find_z_score(step, source, name):
    _, mean, deviation = moments(source)
    _check(mean, deviation, name)
    return {"mean": mean, "standard_deviation": deviation}


def _z_score(block, figures):
    # The mean is taken away in two parts, so that a large offset costs no digits and no copy in double precision.
    mean, factor = np.float32(figures["mean"]), np.float32(1 / figures["standard_deviation"])
    values = block - mean
    values -= np.float32(figures["mean"] - float(mean))
    values *= factor
    return values


def _find_limits(step, source, name):
    _, mean, deviation = moments(source)
    _check(mean, deviation, name)
    low, high = percentiles(source, (step["lower"], step["upper"]))
    if not low < high:
        raise BadInput(
            f"Clipping would leave a constant image: the percentiles {step['lower']:g} and {step['upper']:g} are both "
            f"{low:g}",
            name,
            "Choose percentiles that lie further apart",
        )
    return {"low": low, "high": high}


def _clip(block, figures):
    return np.clip(block, np.float32(figures["low"]), np.float32(figures["high"]))


def _check(mean, deviation, name):
    if not np.isfinite(mean) or not np.isfinite(deviation):
        raise BadInput(
            "The image holds values that are not numbers (NaN or infinite)", name, "Repair or replace the file"
        )
    if deviation <= 1e-8 * max(abs(mean), 1e-30):
        raise BadInput("The image is constant: every voxel has the same value", name, "Choose another phase or file")


def _clahe(step, channels, names, progress):
    for index, (name, channel) in enumerate(zip(names, channels)):
        progress(index)
        try:
            channel[...] = equalize(channel, step["kernel"], step["clip_limit"], step["bins"])
        except BadInput as error:
            raise BadInput(error.what, f"channel {name}", error.hint) from error


def _exam_group(step, earlier, records, channels, phases):
    """Return the one group of scope ``exam``: its values are all phases' after the earlier steps."""
    if phases is None:
        return "all channels", lambda: (block for channel in channels for block in blocks(channel)), channels
    stopping = [row["step"] for row in earlier if row["step"] == "clahe" or row["scope"] == "breast"]
    if stopping:
        raise BadInput(
            f"The step {step['step']} takes its figures from all phases of the exam, but follows {stopping[0]}, which "
            "is done on the channels only",
            "recipe field intensity",
            f"Put {step['step']} first, or give it the scope volume or breast",
        )
    for phase in phases:
        phase.follow(records)
    return "all phases", lambda: (block for phase in phases for block in phase.values()), channels


class _Phase:
    """A phase of the exam as the earlier steps leave it, without a changed copy of it."""

    def __init__(self, array, name):
        self.array, self.name, self.done = array, name, []

    def values(self):
        """Yield blocks of the values after the steps that were followed."""
        for block in blocks(self.array):
            values = np.asarray(block, np.float32)
            for change, figures in self.done:
                values = change(values, figures).astype(np.float32, copy=False)
            yield values

    def follow(self, records):
        """Take over the steps of the records; a step of scope volume takes its figures from this phase."""
        for row in records[len(self.done) :]:
            if row["scope"] == "exam":
                figures = {key: value[0] for key, value in row.items() if isinstance(value, list)}
            else:
                figures = FIGURES[row["step"]](row, self.values, self.name)
            self.done.append((CHANGES[row["step"]], figures))


FIGURES = {"z-score": _find_z_score, "percentile-clip": _find_limits}
CHANGES = {"z-score": _z_score, "percentile-clip": _clip}

"""nnU-Net's text log, the last resort: lines for people, several files after resumes, the last one often cut off."""

import math
import re
from datetime import datetime

import numpy as np

from .curves import SERIES, moving_average

LOGS = "training_log_*.txt"
_STAMP = re.compile(r"training_log_(\d+)_(\d+)_(\d+)_(\d+)_(\d+)_(\d+)\.txt")
_LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?):\s+(.*)")
_EPOCH = re.compile(r"Epoch (\d+)\s*")
_VALUE = re.compile(r"(train_loss|val_loss|Current learning rate:|Epoch time:|Pseudo dice)\s+(.*)")
# numpy 2 writes its numbers as np.float32(0.5).
_NUMBER = re.compile(r"(?<![\w.])(?:nan|-?inf|[-+]?\d+\.?\d*(?:e[-+]?\d+)?)(?![\w.])", re.IGNORECASE)
_MOST_EPOCHS = 1_000_000


def read_text_logs(folder):
    """Return {series: list} of the epochs in all text logs of a fold's folder; lists are empty where there are none.

    A log that goes on after a resume begins with the epoch after its checkpoint: what an earlier log says of this
    epoch and later ones does not count. An epoch whose end is missing (cut off, or running) does not count.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    dict
        Keys are `SERIES`.
    """
    epochs = {}
    for path in sorted(folder.glob(LOGS), key=_age):
        first = True
        for number, values in _epochs_in(path):
            if first:
                epochs = {known: row for known, row in epochs.items() if known < number}
                first = False
            epochs[number] = values
    return _as_series(epochs)


def _age(path):
    match = _STAMP.fullmatch(path.name)
    return (tuple(int(part) for part in match.groups()) if match else (0,), path.name)


def _epochs_in(path):
    """Yield (number, values) of every whole epoch of one log."""
    number, values = None, {}
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip())
        if not match:
            continue
        when, rest = match.groups()
        epoch = _EPOCH.fullmatch(rest)
        if epoch:
            number, values = int(epoch[1][:9]), {}
            continue
        value = _VALUE.fullmatch(rest)
        if not value or number is None:
            continue
        values[value[1]] = [float(text) for text in _NUMBER.findall(re.sub(r"np\.float\d+", "", value[2]))]
        if value[1] == "Epoch time:" and "train_loss" in values and number < _MOST_EPOCHS:
            values["end"] = _seconds(when)
            yield number, values
            number = None


def _seconds(text):
    """Return the Unix time of a local time."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OSError, OverflowError):
        return math.nan


def _as_series(epochs):
    # Epochs that no log holds (deleted) would shift the others: unknown values stand in their place.
    rows = [epochs.get(number, {}) for number in range(max(epochs, default=-1) + 1)]
    dice = [_mean(row.get("Pseudo dice", ())) for row in rows]
    ends = [row.get("end", math.nan) for row in rows]
    took = [_mean(row.get("Epoch time:", ())) for row in rows]
    columns = (
        [_mean(row.get("train_loss", ())) for row in rows],
        [_mean(row.get("val_loss", ())) for row in rows],
        dice,
        list(moving_average(_carried(dice))),
        [_mean(row.get("Current learning rate:", ())) for row in rows],
        [end - seconds for end, seconds in zip(ends, took)],
        ends,
    )
    return dict(zip(SERIES, columns))


def _carried(dice):
    """Return the values with the unknown ones as the one before, so that a gap does not end the moving average."""
    known, result = math.nan, []
    for value in dice:
        known = known if math.isnan(value) else value
        result.append(known)
    first = next((value for value in result if not math.isnan(value)), math.nan)
    return [first if math.isnan(value) else value for value in result]


def _mean(values):
    known = [value for value in values if math.isfinite(value)]
    return float(np.mean(known)) if known else math.nan

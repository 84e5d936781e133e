"""The curves of one fold run as arrays, and what can be told from them: the best epoch and the time left."""

from dataclasses import dataclass, field, replace

import numpy as np

SERIES = ("train_losses", "val_losses", "mean_fg_dice", "ema_fg_dice", "lrs", "epoch_start", "epoch_end")
RECENT = 10  # epochs that the time left is told from
SMOOTH, NEW = 0.9, 0.1  # nnU-Net's weights of the former moving average and of the new value
BEST_BY = "ema_fg_dice"
LOWER_IS_BETTER = ("val_loss", "val_losses")


@dataclass(frozen=True, eq=False)
class Curves:
    """What a fold run has recorded after each epoch.

    All arrays have the shape (epochs,) and hold NaN where nothing is known.

    Parameters
    ----------
    name : str
        What it is called in a legend, such as ``fold 0``.
    source : str
        Where it was read from: ``curves.json``, the name of a checkpoint, or ``text log``.
    train_losses, val_losses : numpy.ndarray
    mean_fg_dice, ema_fg_dice : numpy.ndarray
        nnU-Net's pseudo-Dice (mean over the labels, 0 to 1) and its moving average.
    lrs : numpy.ndarray
        Learning rate.
    epoch_start, epoch_end : numpy.ndarray
        Unix time, seconds.
    best_epoch : int or None
        Counted from 0, as nnU-Net does.
    best : float or None
        Value of `best_by` there.
    best_by : str
    epochs_planned : int or None
    extras : dict of str to numpy.ndarray
        Further lists that the trainer keeps, such as ``val_accuracy``.
    notes : tuple of str
        What was wrong with the records, a sentence each.
    """

    name: str = ""
    source: str = ""
    train_losses: np.ndarray = ()
    val_losses: np.ndarray = ()
    mean_fg_dice: np.ndarray = ()
    ema_fg_dice: np.ndarray = ()
    lrs: np.ndarray = ()
    epoch_start: np.ndarray = ()
    epoch_end: np.ndarray = ()
    best_epoch: int | None = None
    best: float | None = None
    best_by: str = BEST_BY
    epochs_planned: int | None = None
    extras: dict = field(default_factory=dict)
    notes: tuple = ()

    def __post_init__(self):
        # An epoch counts when its training loss is there; a start without an end is one that runs.
        count = len(self.train_losses) or max(len(getattr(self, name)) for name in SERIES)
        for name in SERIES:
            object.__setattr__(self, name, _padded(getattr(self, name)[:count], count))
        extras = {name: _padded(values[:count], count) for name, values in self.extras.items()}
        object.__setattr__(self, "extras", extras)

    @property
    def epochs(self):
        """int: epochs that are finished."""
        return len(self.train_losses)

    @property
    def epoch_times(self):
        """numpy.ndarray: seconds of each epoch; what lies between two epochs (a pause, a resume) is in none."""
        times = self.epoch_end - self.epoch_start
        return np.where(times >= 0, times, np.nan)

    @property
    def epoch_time(self):
        """float or None: seconds of an epoch, the median of the last ones."""
        known = self.epoch_times[np.isfinite(self.epoch_times)][-RECENT:]
        return float(np.median(known)) if len(known) else None

    @property
    def time_left(self):
        """float or None: seconds to the last planned epoch; None when the plan or the epochs' times are unknown.

        An early stop can come before.
        """
        if self.epochs_planned is None:
            return None
        left = max(0, self.epochs_planned - self.epochs)
        if left == 0:
            return 0.0
        return None if self.epoch_time is None else left * self.epoch_time

    def changed(self, **values):
        """Return the same curves with other values."""
        return replace(self, **values)

    def to_json(self):
        """dict: JSON-ready; NaN is null."""
        record = {name: _listed(getattr(self, name)) for name in SERIES}
        record["extras"] = {name: _listed(values) for name, values in self.extras.items()}
        record["epoch_times"] = _listed(self.epoch_times)
        plain = ("name", "source", "epochs", "epochs_planned", "best_epoch", "best", "best_by", "epoch_time")
        return {**{name: getattr(self, name) for name in plain}, "time_left": self.time_left, **record}


def best_of(values, lower=False):
    """Return (epoch, value) of the best of an array as nnU-Net counts it: the first that was reached; else Nones."""
    values = np.asarray(values, float)
    if not np.isfinite(values).any():
        return None, None
    filled = np.where(np.isfinite(values), values, np.inf if lower else -np.inf)
    place = int(filled.argmin() if lower else filled.argmax())
    return place, float(values[place])


def moving_average(values):
    """Return nnU-Net's moving average of the pseudo-Dice: nine tenths of the former one and a tenth of the new value.

    nnU-Net carries a missing value on for ever; so does this.
    """
    averages = []
    for value in values:
        averages.append(averages[-1] * SMOOTH + NEW * value if averages else float(value))
    return np.array(averages, float)


def mean_of(curves, name="mean"):
    """Return the mean of several folds' curves over the epochs that all of them have finished.

    The best epoch is that of the mean moving average. A mean has no clock: its epochs last as long as the folds' do on
    average.

    Parameters
    ----------
    curves : sequence of Curves
        At least one.
    name : str
    """
    count = min(one.epochs for one in curves)

    def mean(arrays):
        rows = np.array([np.asarray(values)[:count] for values in arrays], float)
        known = np.isfinite(rows)
        sums = np.where(known, rows, 0.0).sum(axis=0)
        return np.where(known.any(axis=0), sums / np.maximum(known.sum(axis=0), 1), np.nan)

    values = {series: mean([getattr(one, series) for one in curves]) for series in SERIES[:5]}
    ends = np.cumsum(mean([one.epoch_times for one in curves]))
    times = mean([one.epoch_times for one in curves])
    common = set.intersection(*(set(one.extras) for one in curves))
    extras = {extra: mean([one.extras[extra] for one in curves]) for extra in sorted(common)}
    best_epoch, best = best_of(values["ema_fg_dice"])
    return Curves(
        name,
        "mean",
        **values,
        epoch_start=ends - times,
        epoch_end=ends,
        best_epoch=best_epoch,
        best=best,
        extras=extras,
    )


def _padded(values, count):
    array = np.full(count, np.nan)
    known = np.asarray(values, float)
    array[: len(known)] = known
    array.flags.writeable = False
    return array


def _listed(values):
    return [float(value) if np.isfinite(value) else None for value in values]

"""What a training has reached, from nnU-Net's own logger: curves.json, the best epoch, when to stop early."""

import json
import math
import os
import time
from pathlib import Path

FORMAT = "breastseg-curves-1"
FILE = "curves.json"
# Name in curves.json → in nnU-Net's logger.
LISTS = {
    "train_losses": "train_losses",
    "val_losses": "val_losses",
    "mean_fg_dice": "mean_fg_dice",
    "ema_fg_dice": "ema_fg_dice",
    "lrs": "lrs",
    "epoch_start": "epoch_start_timestamps",
    "epoch_end": "epoch_end_timestamps",
}


def watched(logger, by):
    """Return one number for each finished epoch.

    Parameters
    ----------
    logger : MetaLogger
        Of nnU-Net.
    by : {'ema_fg_dice', 'val_loss', 'val_jaccard'}
        The Jaccard index is that of all validation batches together, mean of the labels, as the pseudo-Dice is.

    Returns
    -------
    list of float
        NaN where nothing could be measured.
    """
    if by == "val_loss":
        return [float(value) for value in logger.get_value("val_losses", None)]
    if by == "ema_fg_dice":
        return [float(value) for value in logger.get_value("ema_fg_dice", None)]
    return [_jaccard(row) for row in logger.get_value("dice_per_class_or_region", None)]


def _jaccard(dices):
    known = [dice / (2 - dice) for dice in map(float, dices) if math.isfinite(dice)]
    return sum(known) / len(known) if known else math.nan


def best_of(values, by):
    """Return (epoch, value) of the best epoch, the first of equals; (None, None) where no value is a number."""
    sign = -1 if by == "val_loss" else 1
    ranked = [(sign * value, -epoch) for epoch, value in enumerate(values) if math.isfinite(value)]
    if not ranked:
        return None, None
    epoch = -max(ranked)[1]
    return epoch, values[epoch]


def stops_early(logger, rule):
    """Return whether nothing became better for ``rule['patience']`` epochs, ``min_epochs`` at least having passed.

    It is told from the log alone, which every checkpoint holds: so a resumed training stops at the same epoch.
    """
    if rule is None:
        return False
    values = watched(logger, rule["on"])
    best, _ = best_of(values, rule["on"])
    return len(values) >= rule["min_epochs"] and len(values) - 1 - (-1 if best is None else best) >= rule["patience"]


def write_curves(folder, logger, epochs, by):
    """Write curves.json whole, so that a reader never sees half of it.

    Parameters
    ----------
    folder : str or Path
    logger : MetaLogger
    epochs : int
        Planned.
    by : str
        What the best epoch is told by.
    """
    best_epoch, best = best_of(watched(logger, by), by)
    record = {"format": FORMAT, "epochs_planned": epochs}
    record |= {name: [_number(value) for value in logger.get_value(key, None)] for name, key in LISTS.items()}
    record |= {"best_epoch": best_epoch, "best": best, "best_by": by}
    path = Path(folder, FILE)
    part = path.with_name(f".{FILE}.{os.getpid()}")
    try:
        part.write_text(json.dumps(record), encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _number(value):
    value = float(value)
    return value if math.isfinite(value) else None


def now():
    """Return the time in seconds, as nnU-Net's logger keeps it."""
    return time.time()

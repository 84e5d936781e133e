"""Curves as a table: one row for each epoch of each fold (CSV), or all of it with the summary (JSON)."""

import csv
import math

from BreastSegLib.files import whole_file, write_json

from .curves import mean_of

FORMAT = "breastseg-curve-table-1"
COLUMNS = {
    "train_loss": "train_losses",
    "val_loss": "val_losses",
    "pseudo_dice": "mean_fg_dice",
    "pseudo_dice_average": "ema_fg_dice",
    "learning_rate": "lrs",
    "epoch_time_s": "epoch_times",
}


def write_csv(path, curves, overwrite=False):
    """Write one row for each epoch; an unknown value is an empty cell. The mean of several folds comes last."""
    curves = with_mean(curves)
    extras = sorted({name for one in curves for name in one.extras})
    with whole_file(path, overwrite) as temporary, open(temporary, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["fold", "epoch", *COLUMNS, *extras, "best"])
        for one in curves:
            columns = [getattr(one, name) for name in COLUMNS.values()]
            columns += [one.extras.get(name, [math.nan] * one.epochs) for name in extras]
            for epoch, values in enumerate(zip(*columns)):
                best = "yes" if epoch == one.best_epoch else ""
                writer.writerow([one.name, epoch, *(_cell(value) for value in values), best])
    return path


def write_table(path, curves, notes=(), overwrite=False):
    """Write all curves as JSON, with best epochs, times left and notes."""
    rows = [{**one.to_json(), "notes": list(one.notes)} for one in with_mean(curves)]
    write_json(path, {"format": FORMAT, "folds": rows, "notes": list(notes)}, overwrite)
    return path


def with_mean(curves):
    """Return the curves, and the mean after them where there are several."""
    return [*curves, mean_of(curves)] if len(curves) > 1 else list(curves)


def _cell(value):
    return f"{value:.8g}" if math.isfinite(value) else ""

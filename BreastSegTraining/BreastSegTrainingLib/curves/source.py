"""Reads a fold run's curves from the best record there is: the trainer's own, a checkpoint, or nnU-Net's text log."""

import math
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json

from ..launch import FoldState, Training
from .checkpointlog import NotReadable, log_in
from .curves import BEST_BY, LOWER_IS_BETTER, SERIES, Curves, best_of
from .textlog import LOGS, read_text_logs

FILE, FORMAT = "curves.json", "breastseg-curves-1"
CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_latest.pth", "checkpoint_previous.pth", "checkpoint_best.pth")
TEXT_LOG = "text log"
_OTHER = {"format", "epochs_planned", "best_epoch", "best", "best_by", *SERIES}
# What nnU-Net's logger calls the times.
_NNUNET = {"epoch_start": "epoch_start_timestamps", "epoch_end": "epoch_end_timestamps"}


def fold_folders(folder):
    """Return {name: folder with the checkpoints} of the fold runs that a folder stands for.

    Parameters
    ----------
    folder : str or Path
        ``WORK/trainings/NAME``, nnU-Net's model folder, or one fold's folder (also ``WORK/trainings/NAME/fold_K``).

    Raises
    ------
    BadInput
        If it is none of these.
    """
    folder = Path(folder)
    if (folder / "training.json").is_file():
        training = Training.read(folder)
        return {f"fold {fold}": training.output(fold) for fold in training.folds}
    if (folder.parent / "training.json").is_file() and folder.name.startswith("fold_"):
        return {_named(folder): Training.read(folder.parent).output(folder.name.removeprefix("fold_"))}
    if any((folder / name).is_file() for name in (FILE, *CHECKPOINTS)) or any(folder.glob(LOGS)):
        return {_named(folder): folder}
    found = {_named(path): path for path in sorted(folder.glob("fold_*")) if path.is_dir()}
    if not found:
        raise BadInput("The folder holds no fold run", folder, "Give the folder of a training, a model or a fold")
    return found


def read_curves(folder, name="", planned=None):
    """Return the curves of a fold run; what is damaged is passed over, and told in their notes.

    Parameters
    ----------
    folder : str or Path
        nnU-Net's folder of the fold, with the checkpoints.
    name : str
        For legends; the folder's name when not given.
    planned : int, optional
        Epochs that are planned, where the record itself does not tell.

    Raises
    ------
    BadInput
        If there is no record of any epoch.
    """
    folder, notes = Path(folder), []
    curves = None
    for reader in (_from_trainer, _from_checkpoints, _from_text):
        curves = reader(folder, notes)
        if curves is not None and curves.epochs:
            break
    if curves is None or not curves.epochs:
        beside = f" ({' '.join(notes)})" if notes else ""
        raise BadInput(f"No epoch is finished yet, or no record of it can be read{beside}", folder)
    if curves.epochs_planned is None:
        curves = curves.changed(epochs_planned=planned or _planned(folder))
    return curves.changed(name=name or _named(folder), notes=tuple(notes))


def curves_of_training(training, folds=None):
    """Return the curves of a training's folds that have finished an epoch, and notes about the others.

    Parameters
    ----------
    training : Training
    folds : sequence of str, optional
        Those of the training when not given.

    Returns
    -------
    (list of Curves, list of str)
    """
    found, notes = [], []
    for fold in folds or training.folds:
        try:
            state = FoldState.read(training.fold_folder(fold))
        except BadInput:
            state = None
        planned = (state.epochs if state else 0) or training.settings.get("epochs")
        try:
            found.append(read_curves(training.output(fold), f"fold {fold}", planned))
        except BadInput as error:
            notes.append(f"fold {fold}: {error.what}.")
    return found, notes


def _named(folder):
    return folder.name.replace("_", " ")


def _from_trainer(folder, notes):
    """Return what the trainer wrote after its last epoch; None where there is nothing that can be read."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        record = read_json(path)
    except BadInput as error:
        notes.append(f"{FILE} is damaged: {error.what}.")
        return None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        notes.append(f"{FILE} is no {FORMAT}.")
        return None
    series = {name: _numbers(record.get(name)) for name in SERIES}
    extras = {
        name: _numbers(values) for name, values in record.items() if name not in _OTHER and isinstance(values, list)
    }
    best_by = record.get("best_by") if isinstance(record.get("best_by"), str) else BEST_BY
    best_epoch, best = _whole(record.get("best_epoch")), _number(record.get("best"))
    if best_epoch is None or best_epoch >= max(len(values) for values in series.values()):
        best_epoch, best = _best(series, best_by)
    return Curves(
        source=FILE,
        **series,
        best_epoch=best_epoch,
        best=None if best is None or math.isnan(best) else best,
        best_by=best_by,
        epochs_planned=_whole(record.get("epochs_planned")) or None,
        extras=extras,
    )


def _from_checkpoints(folder, notes):
    """Return what nnU-Net's logger had written into the checkpoint that knows the most epochs."""
    longest = None
    for name in CHECKPOINTS:
        if not (folder / name).is_file():
            continue
        try:
            log, planned = log_in(folder / name)
        except NotReadable as error:
            notes.append(f"{name} cannot be read: {error}.")
            continue
        series = {key: _numbers(log.get(_NNUNET.get(key, key))) for key in SERIES}
        best_epoch, best = _best(series, BEST_BY)
        # An epoch counts when it has ended: a checkpoint is written at its end.
        curves = Curves(source=name, **series, best_epoch=best_epoch, best=best, epochs_planned=planned)
        if longest is None or curves.epochs > longest.epochs:
            longest = curves
    return longest


def _from_text(folder, notes):
    """Return what nnU-Net told people; its numbers have four digits."""
    series = read_text_logs(folder)
    if not series["train_losses"]:
        return None
    notes.append("Read from nnU-Net's text log: its numbers are rounded to four digits.")
    best_epoch, best = _best(series, BEST_BY)
    return Curves(source=TEXT_LOG, **series, best_epoch=best_epoch, best=best)


def _planned(folder):
    """Return the number of epochs that nnU-Net noted for itself beside the log; None where it did not."""
    try:
        record = read_json(folder / "debug.json")
    except BadInput:
        return None
    text = str(record.get("num_epochs", "")) if isinstance(record, dict) else ""
    return int(text) if text.isdecimal() and int(text) > 0 else None


def _best(series, best_by):
    lower = best_by in LOWER_IS_BETTER
    return best_of(series["val_losses" if lower else "ema_fg_dice"], lower)


def _numbers(values):
    return [_number(value) for value in values] if isinstance(values, list | tuple) else []


def _number(value):
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value) if math.isfinite(value) else math.nan
    except OverflowError:
        return math.nan


def _whole(value):
    return value if type(value) is int and value >= 0 else None

"""Curves as a figure for a paper or a screen: told apart by shade, line and mark, so that it reads in grey too."""

from pathlib import Path

import numpy as np
from BreastSegLib.errors import BadInput
from BreastSegLib.files import whole_file

from .curves import mean_of

ENDINGS = (".png", ".svg")
FULL, ACCURACY = STYLES = ("full", "loss-accuracy")
DPI = 150
# From dark to light, so that a copier keeps them apart; told apart with any colour vision as well.
SHADES = ("#00224e", "#7d1d53", "#35688c", "#c0533a", "#6aa384", "#e8a33d", "#9fc3d9", "#d9b8c4")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
MARKED = 12  # about so many marks on a line
MOST_LEGEND = 12


def write_figure(path, curves, title="", style=FULL, overwrite=False):
    """Write a figure of one or more folds.

    Parameters
    ----------
    path : str or Path
        Ends in ``.png`` or ``.svg``.
    curves : sequence of Curves
    title : str
    style : {'full', 'loss-accuracy'}
        Losses, pseudo-Dice with its moving average, learning rate and epoch time (M2), or loss and accuracy (M4).
    overwrite : bool

    Raises
    ------
    BadInput
        If matplotlib is missing, the ending is another one, or the file exists.
    """
    path = Path(path)
    if path.suffix.lower() not in ENDINGS:
        raise BadInput("The figure's format is unknown", path, "Give a file name that ends in .png or .svg")
    figure = make_figure(curves, title, style)
    with whole_file(path, overwrite) as temporary:
        # Without a date the same curves give the same file.
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else {}
        figure.savefig(temporary, format=path.suffix.lower()[1:], dpi=DPI, metadata=metadata)
    return path


def make_figure(curves, title="", style=FULL):
    """Return the matplotlib figure; see `write_figure`. It belongs to no window, and no global state is touched."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise BadInput("Figures need matplotlib", "", "Install it: pip install matplotlib") from error
    panels = _PANELS[style]
    rows = 2 if len(panels) > 2 else 1
    figure = Figure(figsize=(10.5, 3.6 * rows + 0.6), layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, 2)).ravel()
    for place, (axis, draw) in enumerate(zip(axes, panels)):
        draw(axis, curves)
        axis.set_title(f"{'abcd'[place]}  {axis.get_title()}", loc="left", fontsize=11)
        axis.set_title("")
        axis.set_xlabel("Epoch")
        axis.grid(True, color="0.88", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0.02)
        axis.xaxis.get_major_locator().set_params(integer=True)
    if title:
        figure.suptitle(title, fontsize=12)
    return figure


def _losses(axis, curves):
    """Draw the losses of training (solid) and validation (dashed)."""
    axis.set_title("Loss")
    several = len(curves) > 1
    for number, one in enumerate(curves):
        for values, line, word in ((one.train_losses, "-", "training"), (one.val_losses, "--", "validation")):
            label = f"{one.name}, {word}" if several else word.capitalize()
            _line(axis, values, number, line, label, several)
    _means(axis, curves, (("train_losses", "-", "mean, training"), ("val_losses", "--", "mean, validation")))
    _best_lines(axis, curves)
    _legend(axis)


def _dice(axis, curves):
    """Draw the pseudo-Dice (faint) and its moving average, with the best epoch marked."""
    axis.set_title("Pseudo-Dice (thin) and its moving average")
    several = len(curves) > 1
    for number, one in enumerate(curves):
        shade = SHADES[number % len(SHADES)]
        axis.plot(_places(one.mean_fg_dice), one.mean_fg_dice, color=shade, linewidth=0.7, alpha=0.45)
        label = one.name if several else "Moving average"
        _line(axis, one.ema_fg_dice, number, "-", label, several)
        if one.best_epoch is not None and np.isfinite(one.ema_fg_dice[one.best_epoch]):
            place, value = one.best_epoch, one.ema_fg_dice[one.best_epoch]
            axis.plot([place], [value], "*", color=shade, markersize=13, markeredgecolor="white", zorder=5)
    _means(axis, curves, (("ema_fg_dice", "-", "mean"),))
    _best_lines(axis, curves)
    axis.plot([], [], "*", color="0.3", markersize=10, linestyle="none", label="Best epoch" + _best_text(curves))
    _legend(axis)


def _rates(axis, curves):
    axis.set_title("Learning rate")
    for number, one in enumerate(curves):
        _line(axis, one.lrs, number, "-", one.name, len(curves) > 1)
    known = np.concatenate([one.lrs[np.isfinite(one.lrs) & (one.lrs > 0)] for one in curves])
    if known.size and known.max() > 50 * known.min():
        axis.set_yscale("log")
    if len(curves) > 1:
        _legend(axis)


def _times(axis, curves):
    axis.set_title("Time of an epoch (s)")
    for number, one in enumerate(curves):
        _line(axis, one.epoch_times, number, "-", one.name, len(curves) > 1)
    axis.set_ylim(bottom=0)
    if len(curves) > 1:
        _legend(axis)


def _accuracies(axis, curves):
    """Draw the accuracy that the trainer kept; where it kept none, the pseudo-Dice, and say so."""
    kept = all({"train_accuracy", "val_accuracy"} & set(one.extras) for one in curves)
    axis.set_title("Accuracy" if kept else "Pseudo-Dice (no accuracy was recorded)")
    several = len(curves) > 1
    for number, one in enumerate(curves):
        lines = (("train_accuracy", "-", "training"), ("val_accuracy", "--", "validation"))
        values = [(one.extras[name], line, word) for name, line, word in lines if name in one.extras]
        for array, line, word in values if kept else [(one.mean_fg_dice, "--", "validation")]:
            label = f"{one.name}, {word}" if several else word.capitalize()
            _line(axis, array, number, line, label, several)
    _best_lines(axis, curves)
    _legend(axis)


_PANELS = {FULL: (_losses, _dice, _rates, _times), ACCURACY: (_losses, _accuracies)}


def _line(axis, values, number, line, label, several):
    if not np.isfinite(values).any():
        return
    shade = SHADES[(number if several else (0 if line == "-" else 3)) % len(SHADES)]
    mark = MARKS[number % len(MARKS)] if several else None
    every = max(1, len(values) // MARKED)
    axis.plot(
        _places(values),
        values,
        line,
        color=shade,
        linewidth=1.1 if several else 1.6,
        marker=mark if mark or len(values) > 1 else "o",
        markersize=4,
        # The first mark of each fold lies elsewhere, so that they do not cover each other.
        markevery=(number * every // max(len(MARKS), 1) % max(len(values), 1), every),
        label=label,
    )


def _means(axis, curves, series):
    if len(curves) < 2:
        return
    mean = mean_of(curves)
    for name, line, label in series:
        values = getattr(mean, name)
        axis.plot(_places(values), values, line, color="black", linewidth=2.4, label=label, zorder=4)


def _best_lines(axis, curves):
    """Draw a line at the best epoch of a single fold; those of several would hide the curves."""
    if len(curves) == 1 and curves[0].best_epoch is not None:
        axis.axvline(curves[0].best_epoch, color="0.35", linewidth=0.9, linestyle=":", zorder=1)


def _best_text(curves):
    if len(curves) != 1 or curves[0].best_epoch is None:
        return ""
    one = curves[0]
    by = "" if one.best_by == "ema_fg_dice" else f"{one.best_by} "
    return f" ({one.best_epoch}{f': {by}{one.best:.3f}' if one.best is not None else ''})"


def _places(values):
    return np.arange(len(values))


def _legend(axis):
    handles, labels = axis.get_legend_handles_labels()
    if not handles:
        return
    columns = 1 if len(handles) <= 6 else 2
    small = 8 if len(handles) <= MOST_LEGEND else 6.5
    axis.legend(handles, labels, fontsize=small, ncols=columns, framealpha=0.85, edgecolor="0.8", loc="best")

"""The figures of an evaluation: distributions, groups, confusion, detection, bands, sizes."""

import re

import numpy as np

from . import figurestyle
from .caserecord import sizes_of
from .figurestyle import DARK, LIGHT, MIDDLE, new_figure, plain
from .groups import divide, title
from .stats import finite

SHOWN = ("dice", "jaccard", "precision", "recall", "nsd", "hd95", "hausdorff", "volume_difference")
FEWEST = 5  # values that make a violin; fewer are shown as points only


def figures_of(evaluation):
    """Return {name: matplotlib figure} of an evaluation, for those parts that it has.

    Parameters
    ----------
    evaluation : dict
        Content of ``evaluation.json``.
    """
    stage = evaluation["stage"]
    found = {"distribution": distribution(evaluation)}
    for column in evaluation["groups"]:
        figure = by_group(evaluation["cases"], column, stage)
        if figure is not None:
            found[group_figure(column)] = figure
    for name, make in (("confusion", confusion), ("froc", froc), ("bands", bands), ("sizes", sizes)):
        found[name] = make(evaluation)
    return {name: figure for name, figure in found.items() if figure is not None}


def group_figure(column):
    """Return the name of the figure of a column's groups: letters that every system takes in a file name."""
    return "dice_by_" + re.sub(r"[^A-Za-z0-9_-]+", "_", column)


def distribution(evaluation):
    """Return violins of the main measures, raw beside cleaned."""
    described = evaluation["measures"]
    names = [name for name in SHOWN if name in described]
    stages = [stage for stage in ("raw", "cleaned") if evaluation["summary"].get(stage)]
    data = {
        (name, stage): finite([(row.get(stage) or {}).get(name) for row in evaluation["cases"]])
        for name in names
        for stage in stages
    }
    names = [name for name in names if any(data[name, stage].size for stage in stages)]
    if not names:
        return None
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure, axes = new_figure(2.3 * columns + 0.4, 2.6 * rows + 0.3, rows, columns)
    for axis, name in zip(axes, names):
        groups = {stage: data[name, stage] for stage in stages}
        violins(axis, groups)
        unit = described[name].get("unit")
        axis.set_title(described[name]["title"] + (f" ({unit})" if unit else ""), fontsize=9)
        within_unit(axis, groups, described[name])
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    return figure


def by_group(records, column, stage, measure="dice", name="Dice"):
    """Return violins of a measure for each group of a column (M4), or None without two groups."""
    divided = divide(records, column)
    groups = {group: finite([row[stage].get(measure) for row in rows]) for group, rows in divided.items()}
    groups = {group: values for group, values in groups.items() if values.size}
    if len(groups) < 2:
        return None
    figure, (axis,) = new_figure(max(3.4, 0.9 * len(groups) + 1.2), 2.9)
    violins(axis, groups)
    axis.set_ylim(-0.03, 1.03)
    axis.set_ylabel(f"{name}, {stage} masks")
    axis.set_xlabel(plain(title(column)))
    return figure


def violins(axis, groups):
    """Draw a violin, its values and its median for each group.

    Parameters
    ----------
    axis : matplotlib Axes
    groups : dict of str to array
    """
    size = 3.2 if max((values.size for values in groups.values()), default=0) <= 60 else 2
    for place, values in enumerate(groups.values()):
        if values.size >= FEWEST and np.ptp(values) > 0:
            body = axis.violinplot([values], [place], widths=0.8, showextrema=False)["bodies"][0]
            body.set(facecolor=LIGHT, edgecolor=DARK, alpha=1, linewidth=0.8)
            inside = np.clip(body.get_paths()[0].vertices[:, 1], values.min(), values.max())
            body.get_paths()[0].vertices[:, 1] = inside  # a density beyond the data would show values that are none
        axis.plot(place + spread(values), values, "o", color=DARK, markersize=size, alpha=0.65, markeredgewidth=0)
        if values.size:
            axis.plot([place - 0.25, place + 0.25], [np.median(values)] * 2, color="black", linewidth=1.6)
    axis.set_xticks(
        range(len(groups)), [f"{plain(name)}\nn = {values.size}" for name, values in groups.items()], fontsize=8
    )
    axis.set_xlim(-0.6, len(groups) - 0.4)


def spread(values):
    """Return sideways shifts that keep points of like value apart: the same for the same values."""
    order = np.argsort(values, kind="stable")
    shifts = np.empty(len(values))
    shifts[order] = (np.arange(len(values)) * 0.6180339887 % 1 - 0.5) * 0.3
    return shifts


def within_unit(axis, groups, measure):
    """Let the axis of a share run from 0 to 1, others from 0."""
    values = np.concatenate([*groups.values(), np.zeros(0)])
    if not measure.get("unit") and values.size and values.min() >= 0 and values.max() <= 1:
        axis.set_ylim(-0.03, 1.03)
    elif values.size and values.min() >= 0:
        axis.set_ylim(bottom=0)


def confusion(evaluation):
    """Return the confusion matrices: of voxels (M4, normalised) and of images (counts of M5's classes)."""
    voxels, images = evaluation.get("confusion"), evaluation.get("image_level")
    if not voxels and not images:
        return None
    figure, axes = new_figure(3.4 * (bool(voxels) + bool(images)), 3.1, 1, bool(voxels) + bool(images))
    if voxels:
        texts = [["no voxels" if cell is None else f"{cell:.4f}" for cell in row] for row in voxels]
        _matrix(axes[0], [[cell or 0.0 for cell in row] for row in voxels], texts)
        axes[0].set_title("Voxels, share of the true class", fontsize=9)
        axes[0].set_xticks((0, 1), ("no lesion", "lesion"))
        axes[0].set_yticks((0, 1), ("no lesion", "lesion"), rotation=90, va="center")
        axes[0].set(xlabel="Predicted", ylabel="Truth")
    if images:
        # A false positive can have a lesion in the truth (M5), so the rows are no true classes.
        counts, total = images["matrix"], max(1, sum(map(sum, images["matrix"])))
        texts = [[f"{name}\n{cell}" for name, cell in zip(*row)] for row in zip((("TN", "FP"), ("FN", "TP")), counts)]
        _matrix(axes[-1], [[cell / total for cell in row] for row in counts], texts)
        axes[-1].set_title("Images, counts of M5's classes", fontsize=9)
        axes[-1].set(xticks=(), yticks=())
    return figure


def _matrix(axis, shares, texts):
    axis.imshow(shares, cmap="Greys", vmin=0, vmax=1.3)
    for row, column in np.ndindex(2, 2):
        colour = "white" if shares[row][column] > 0.6 else "black"
        axis.text(column, row, texts[row][column], ha="center", va="center", color=colour, fontsize=10)
    figurestyle.boxed(axis)


def froc(evaluation):
    """Return the free-response curve: lesions found over false ones per image; None without chances."""
    points = (evaluation.get("detection") or {}).get("froc") or []
    if len(points) < 2:
        return None
    figure, (axis,) = new_figure(4.2, 3.2)
    found = np.array([[point[0], point[1]] for point in points], float)
    found = found[np.lexsort((found[:, 1], found[:, 0]))]
    axis.step(found[:, 0], found[:, 1], where="post", color=DARK)
    axis.plot(found[:, 0], found[:, 1], "o", color=DARK, markersize=3)
    axis.set_xlabel("False lesions per image")
    axis.set_ylabel("Sensitivity")
    axis.set_ylim(-0.03, 1.03)
    axis.set_xlim(left=0)
    return figure


def bands(evaluation):
    """Return how many cases lie in each band of M3."""
    found = (evaluation.get("bands") or {}).get("bands")
    if not found or not sum(band["n"] for band in found):
        return None
    figure, (axis,) = new_figure(5.2, 1.9)
    places = np.arange(len(found))[::-1]
    bars = axis.barh(places, [band["n"] for band in found], color=MIDDLE, edgecolor=DARK, height=0.65)
    axis.bar_label(bars, [f"{band['n']} ({band['share']:.0%})" for band in found], padding=3, fontsize=8)
    axis.set_yticks(places, [f"{band['name']} ({band['text']})" for band in found], fontsize=8)
    axis.set_xlabel("Cases")
    axis.set_xlim(0, 1.25 * max(band["n"] for band in found))
    axis.xaxis.get_major_locator().set_params(integer=True)
    return figure


def sizes(evaluation):
    """Return the sizes of lesions: predicted over true, and the difference over the mean (Bland-Altman)."""
    pairs, unit = sizes_of(evaluation["cases"], evaluation["stage"])
    pairs = np.array(pairs, float).reshape(-1, 2)
    if len(pairs) < 3 or pairs.max() <= 0:
        return None
    figure, (first, second) = new_figure(7.4, 3.2, 1, 2)
    points = {"color": DARK, "markersize": 3.5, "alpha": 0.7, "markeredgewidth": 0}
    top = 1.05 * pairs.max()
    first.plot([0, top], [0, top], color=MIDDLE, linewidth=1, linestyle="--")
    first.plot(pairs[:, 0], pairs[:, 1], "o", **points)
    first.set(xlim=(0, top), ylim=(0, top), xlabel=f"Truth ({unit})", ylabel=f"Predicted ({unit})")
    difference, middle = pairs[:, 1] - pairs[:, 0], pairs.mean(axis=1)
    centre, width = difference.mean(), 1.96 * difference.std(ddof=1)
    second.plot(middle, difference, "o", **points)
    for value, style in ((centre, "-"), (centre - width, ":"), (centre + width, ":")):
        second.axhline(value, color="black", linewidth=1, linestyle=style)
    second.set(xlabel=f"Mean of both ({unit})", ylabel=f"Predicted - truth ({unit})")
    second.set_title(
        f"Mean {centre:.3g}, limits of agreement {centre - width:.3g} to {centre + width:.3g}", fontsize=8
    )
    return figure

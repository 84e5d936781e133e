"""Pictures of the worst cases (M2): each channel, then truth, raw and cleaned masks as outlines over the image."""

import numpy as np

from .figurestyle import new_figure, plain
from .worst import enlarged

TRUTH, PREDICTED, BOX = "#ffd34d", "#43d9e8", "#ffffff"
DPI = 110
TITLES = {"truth": "Truth", "raw": "Raw prediction", "cleaned": "Cleaned prediction"}
WIDE = 2.5  # inches of one panel
MOST_CHANNELS = 6


def case_picture(cut, channel_names=(), heading=""):
    """Return the figure of one case.

    The upper row has the whole slice of each channel, the lower row the part around the masks, of the last channel.

    Parameters
    ----------
    cut : Cut
    channel_names : sequence of str
    heading : str
    """
    shown = cut.channels[:MOST_CHANNELS]
    names = [*channel_names, *(f"Channel {k}" for k in range(len(channel_names), len(shown)))]
    part = enlarged(cut) or tuple(slice(0, size) for size in cut.channels[0].shape)
    columns = max(len(shown), len(cut.masks))
    heights = [WIDE * _ratio(area, cut.spacing) for area in (_whole(cut), part)]
    figure, axes = new_figure(WIDE * columns, sum(heights) + 1.1, 2, columns, height_ratios=heights)
    for axis in axes:
        axis.set_axis_off()
    aspect = cut.spacing[0] / cut.spacing[1]
    for axis, channel, name in zip(axes, shown, names):
        _image(axis, channel, aspect, window(channel))
        axis.set_title(plain(name, 30), fontsize=9)
        _frame(axis, part)
    image = shown[-1]
    for axis, (name, mask) in zip(axes[columns:], cut.masks.items()):
        _image(axis, image[part], aspect, window(image))
        if name != "truth":
            _outline(axis, cut.masks["truth"][part], TRUTH, ":")
        _outline(axis, mask[part], TRUTH if name == "truth" else PREDICTED, "-")
        axis.set_title(TITLES[name] + ("" if mask.any() else " (none here)"), fontsize=9)
    figure.suptitle(plain(", ".join(text for text in (heading, cut.text) if text), 90), fontsize=9)
    return figure


def window(channel):
    """Return the lowest and highest grey of a slice: its 1st and 99.7th percentile, without what is no number."""
    values = channel[np.isfinite(channel)]
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values, (1, 99.7))
    return (float(low), float(high)) if high > low else (float(values.min()), float(values.max()) + 1e-6)


def outline_segments(mask):
    """Return the edges between the pixels of a mask and others.

    Parameters
    ----------
    mask : numpy.ndarray of bool
        (rows, columns)

    Returns
    -------
    numpy.ndarray
        (n, 2, 2): both ends of each edge as (column, row); pixel centres are whole numbers.
    """
    padded = np.pad(mask, 1)
    rows, columns = np.nonzero(padded[:, 1:] != padded[:, :-1])  # between left and right neighbours
    upright = np.stack([np.stack([columns - 0.5, rows - 1.5], 1), np.stack([columns - 0.5, rows - 0.5], 1)], 1)
    rows, columns = np.nonzero(padded[1:] != padded[:-1])
    level = np.stack([np.stack([columns - 1.5, rows - 0.5], 1), np.stack([columns - 0.5, rows - 0.5], 1)], 1)
    return np.concatenate([upright, level])


def _outline(axis, mask, colour, style):
    from matplotlib.collections import LineCollection

    axis.add_collection(LineCollection(outline_segments(mask), colors=colour, linewidths=1.3, linestyles=style))


def _image(axis, channel, aspect, limits):
    axis.imshow(channel, cmap="gray", vmin=limits[0], vmax=limits[1], aspect=aspect, interpolation="nearest")
    axis.set_xlim(-0.5, channel.shape[1] - 0.5)
    axis.set_ylim(channel.shape[0] - 0.5, -0.5)


def _frame(axis, part):
    from matplotlib.patches import Rectangle

    rows, columns = part
    corner = (columns.start - 0.5, rows.start - 0.5)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    axis.add_patch(Rectangle(corner, *size, fill=False, edgecolor=BOX, linewidth=0.8))


def _whole(cut):
    return tuple(slice(0, size) for size in cut.channels[0].shape)


def _ratio(part, spacing):
    """Return height over width of a part of a slice, not too flat or tall to be drawn."""
    sides = [(span.stop - span.start) * size for span, size in zip(part, spacing)]
    return min(max(sides[0] / sides[1], 0.3), 1.6)

"""How figures look, and how they become PNG and SVG: greys, so that they print; nothing global is touched."""

import io

DARK, MIDDLE, LIGHT = "#24415f", "#9fb0c0", "#dde4ea"
DPI = 150


def new_figure(width, height, rows=1, columns=1, height_ratios=None):
    """Return a figure and its axes as a list.

    Parameters
    ----------
    width, height : float
        Inches.
    rows, columns : int
    height_ratios : sequence of float, optional
        Of the rows.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, height_ratios=height_ratios).ravel().tolist()
    for axis in axes:
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        axis.tick_params(labelsize=8)
        axis.xaxis.label.set_size(9)
        axis.yaxis.label.set_size(9)
    return figure, axes


def plain(text, longest=18):
    """Return a text as a figure shows it: not as a formula, and not longer than there is room for."""
    text = str(text)
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return text.replace("$", r"\$")


def boxed(axis):
    """Draw all four sides of an axis."""
    for side in axis.spines.values():
        side.set_visible(True)


def png_of(figure, dpi=DPI):
    """Return a figure as PNG bytes."""
    return _saved(figure, "png", dpi=dpi, metadata={"Software": None})


def svg_of(figure):
    """Return a figure as SVG bytes: the same figure gives the same bytes."""
    return _saved(figure, "svg", metadata={"Date": None})


def _saved(figure, kind, **options):
    import matplotlib

    stream = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "breastseg"}):
        figure.savefig(stream, format=kind, **options)
    return stream.getvalue()

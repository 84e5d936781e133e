"""Small figures as SVG text, drawn without any package: histograms and stacked bars."""

from html import escape

import numpy as np

COLOURS = ("#3b6ea5", "#d98032", "#5b9a57", "#a0558f", "#8a7a3d", "#4aa3a2", "#b04a4a", "#777777")
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 460, 240, 46, 44, 26
MOST_TICKS = 6


def histogram_svg(groups, edges, title, label, log=False):
    """Return a stacked histogram.

    Parameters
    ----------
    groups : dict of str to sequence of float
        Values of each group; outside the edges they count into the outer bins.
    edges : sequence of float
        Rising.
    title, label : str
        Of the figure, and of the horizontal axis.
    log : bool
        Whether the edges are equally far apart on a logarithmic scale.

    Returns
    -------
    str
    """
    edges = np.asarray(edges, float)
    places = np.log10(edges) if log else edges
    counts = {
        name: np.histogram(np.clip(np.asarray(values, float), edges[0], edges[-1]), edges)[0]
        for name, values in groups.items()
    }
    heights = sum(counts.values()) if counts else np.zeros(len(edges) - 1)
    top = max(int(heights.max()), 1)
    width, height = WIDTH - LEFT - 30, HEIGHT - BOTTOM - TOP
    x = LEFT + (places - places[0]) / (places[-1] - places[0]) * width
    parts, base = _axes(top, height), np.zeros(len(heights))
    for number, (name, own) in enumerate(counts.items()):
        for k, count in enumerate(own):
            if count:
                y = HEIGHT - BOTTOM - (base[k] + count) / top * height
                parts.append(
                    f"<rect x='{x[k]:.1f}' y='{y:.1f}' width='{max(x[k + 1] - x[k] - 1, 1):.1f}' "
                    f"height='{count / top * height:.1f}' fill='{COLOURS[number % len(COLOURS)]}'>"
                    f"<title>{escape(name)}: {count}</title></rect>"
                )
        base = base + own
    shown = range(0, len(edges), max(1, -(-len(edges) // MOST_TICKS)))
    if log:  # powers of ten, where there are enough of them
        decades = [k for k, place in enumerate(places) if abs(place - round(place)) < 1e-9]
        shown = decades if len(decades) > 1 else shown
    parts += [_text(x[k], HEIGHT - BOTTOM + 14, plain_number(edges[k]), "middle") for k in shown]
    parts.append(_text(LEFT + width / 2, HEIGHT - BOTTOM + 30, label, "middle"))
    return _figure(title, parts, list(counts))


def plain_number(value, digits=4):
    """Return a number for people: `digits` significant digits, no exponent, thousands apart."""
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    places = max(0, digits - 1 - int(np.floor(np.log10(abs(value)))))
    text = f"{value:,.{min(places, 8)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def nice_edges(values, log, most=16):
    """Return edges of at most about `most` bins at round numbers, which hold all values.

    Parameters
    ----------
    values : numpy.ndarray
        Finite; for `log` positive.
    log : bool
        Three bins a decade.
    most : int
    """
    low, high = float(np.min(values)), float(np.max(values))
    if log:
        first, last = np.floor(3 * np.log10(low) + 1e-9), np.ceil(3 * np.log10(high) - 1e-9)
        return 10 ** (np.arange(first, max(last, first + 1) + 1) / 3)
    width = (high - low or abs(high) or 1.0) / most
    power = 10 ** np.floor(np.log10(width))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= width * (1 - 1e-9))
    first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
    return np.arange(first, max(last, first + 1) + 1) * step


def _axes(top, height):
    """Return the vertical axis with its ticks."""
    ticks = sorted({0, top // 2, top})
    lines = [
        f"<line x1='{LEFT}' x2='{WIDTH - 30}' y1='{HEIGHT - BOTTOM - t / top * height:.1f}' "
        f"y2='{HEIGHT - BOTTOM - t / top * height:.1f}' stroke='#ddd'/>"
        for t in ticks
    ]
    return lines + [_text(LEFT - 6, HEIGHT - BOTTOM - t / top * height + 4, str(t), "end") for t in ticks]


def _text(x, y, text, anchor):
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}'>{escape(text)}</text>"


def _figure(title, parts, names):
    legend = []
    if len(names) > 1:
        for number, name in enumerate(names):
            y = HEIGHT + 4 + 16 * number
            legend.append(f"<rect x='{LEFT}' y='{y}' width='10' height='10' fill='{COLOURS[number % len(COLOURS)]}'/>")
            legend.append(_text(LEFT + 16, y + 9, name, "start"))
    height = HEIGHT + 16 * len(names) * (len(names) > 1) + 6
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' role='img' aria-label='{escape(title, quote=True)}' width='{WIDTH}' "
        f"height='{height}' viewBox='0 0 {WIDTH} {height}' font-family='sans-serif' font-size='11' fill='#222'>"
    )
    return (
        head + f"<text x='{LEFT}' y='16' font-size='13'>{escape(title)}</text>" + "".join([*parts, *legend]) + "</svg>"
    )

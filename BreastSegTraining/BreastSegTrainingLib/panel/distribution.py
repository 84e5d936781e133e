"""The distribution of a measure by centre, drawn on a picture: bars, limits, and what lies outside shaded."""

import math
from collections import Counter

import qt
from BreastSegLib.scene.texts import _

HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 190, 8, 8, 34, 20
# Told apart with any colour vision (Okabe and Ito 2008).
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
BINS, MOST_CENTRES = 32, 6
OUTSIDE = "#c0392b"
FROM_ZERO = 0.3  # of the largest value: a range that begins so near zero begins at zero


class Histogram:
    """Counts of a measure in bins, one row for each centre.

    Parameters
    ----------
    values : sequence of (str, float)
        Centre and value of each case.

    Attributes
    ----------
    low, high : float
        Range of the bins; at least a little wide.
    centres : list of str
        Most frequent first; the rest together as one.
    counts : dict of str to list of int
    """

    def __init__(self, values):
        numbers = [value for _centre, value in values]
        self.low, self.high = niceRange(numbers)
        common = [name for name, _count in Counter(centre for centre, _value in values).most_common(MOST_CENTRES)]
        others = _("others")
        self.counts = {}
        width = (self.high - self.low) / BINS
        for centre, value in values:
            name = centre if centre in common else others
            row = self.counts.setdefault(name, [0] * BINS)
            row[min(BINS - 1, max(0, int((value - self.low) / width)))] += 1
        self.centres = [name for name in (*common, others) if name in self.counts]

    @property
    def tallest(self):
        """int: the most cases in one bin, all centres on top of each other."""
        return max((sum(row[place] for row in self.counts.values()) for place in range(BINS)), default=0)


def niceRange(numbers):
    """Return round limits around some numbers."""
    if not numbers:
        return 0.0, 1.0
    low, high = min(numbers), max(numbers)
    if 0 < low < FROM_ZERO * high:
        low = 0.0
    span = high - low or abs(high) or 1.0
    step = stepOf(span)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    return (low, high) if high > low else (low, low + step)


def stepOf(span):
    """Return a round step, about a twentieth of a span."""
    power = 10 ** math.floor(math.log10(span / 20))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor * 20 >= span * 0.999)


def decimalsOf(step):
    """Return how many digits behind the point a step needs."""
    return max(0, -math.floor(math.log10(step) + 1e-9))


def draw(histogram, limits, width, title, palette):
    """Return the picture of a distribution.

    Parameters
    ----------
    histogram : Histogram
    limits : (float, float)
        What is kept; beyond it the plot is shaded.
    width : int
        Pixels.
    title : str
    palette : qt.QPalette
        Of the panel, so that it fits a dark one.

    Returns
    -------
    qt.QPixmap
    """
    pixmap = qt.QPixmap(max(120, width), HEIGHT)
    text, ground = palette.color(qt.QPalette.WindowText), palette.color(qt.QPalette.Base)
    pixmap.fill(ground)
    painter = qt.QPainter(pixmap)
    try:
        plot = _Plot(pixmap.width(), histogram)
        _bars(painter, plot, histogram)
        _limits(painter, plot, limits)
        _axis(painter, plot, histogram, text)
        _legend(painter, plot, histogram, title, text)
    finally:
        painter.end()
    return pixmap


class _Plot:
    """Where values lie on the picture."""

    def __init__(self, width, histogram):
        self.left, self.right = LEFT, width - RIGHT
        self.top, self.bottom = TOP, HEIGHT - BOTTOM
        self.low, self.high = histogram.low, histogram.high
        self.tallest = max(1, histogram.tallest)

    def x(self, value):
        share = (value - self.low) / (self.high - self.low)
        return round(self.left + min(1.0, max(0.0, share)) * (self.right - self.left))

    def height(self, count):
        return round(count / self.tallest * (self.bottom - self.top))


def _bars(painter, plot, histogram):
    width = (histogram.high - histogram.low) / BINS
    for place in range(BINS):
        x0 = plot.x(histogram.low + place * width)
        x1 = plot.x(histogram.low + (place + 1) * width)
        bottom = plot.bottom
        for number, name in enumerate(histogram.centres):
            high = plot.height(histogram.counts[name][place])
            if high:
                painter.fillRect(x0, bottom - high, max(1, x1 - x0 - 1), high, qt.QColor(_colour(number)))
            bottom -= high


def _limits(painter, plot, limits):
    shade = qt.QColor(OUTSIDE)
    shade.setAlpha(48)
    low, high = plot.x(limits[0]), plot.x(limits[1])
    height = plot.bottom - plot.top
    painter.fillRect(plot.left, plot.top, max(0, low - plot.left), height, shade)
    painter.fillRect(high, plot.top, max(0, plot.right - high), height, shade)
    painter.setPen(qt.QPen(qt.QColor(OUTSIDE)))
    for x in (low, high):
        painter.drawLine(x, plot.top - 3, x, plot.bottom)


def _axis(painter, plot, histogram, colour):
    painter.setPen(qt.QPen(colour))
    painter.drawLine(plot.left, plot.bottom, plot.right, plot.bottom)
    step = stepOf((histogram.high - histogram.low) or 1.0)
    decimals = decimalsOf(step)
    middle = (histogram.low + histogram.high) / 2
    for value, flag in (
        (histogram.low, qt.Qt.AlignLeft),
        (middle, qt.Qt.AlignHCenter),
        (histogram.high, qt.Qt.AlignRight),
    ):
        x = plot.x(value)
        left = {qt.Qt.AlignLeft: x, qt.Qt.AlignHCenter: x - 40, qt.Qt.AlignRight: x - 80}[flag]
        painter.drawText(qt.QRect(left, plot.bottom + 2, 80, BOTTOM - 2), int(flag), f"{value:.{decimals}f}")


def _legend(painter, plot, histogram, title, colour):
    painter.setPen(qt.QPen(colour))
    width = plot.right - plot.left
    painter.drawText(qt.QRect(plot.left, 2, width, 16), int(qt.Qt.AlignLeft), title)
    painter.drawText(
        qt.QRect(plot.left, 2, width, 16), int(qt.Qt.AlignRight), _("most: {count}").format(count=plot.tallest)
    )
    x = plot.left
    for number, name in enumerate(histogram.centres):
        wide = 16 + 7 * len(name)
        if x + wide > plot.right:
            break
        painter.fillRect(x, 21, 9, 9, qt.QColor(_colour(number)))
        painter.drawText(qt.QRect(x + 12, 17, wide, 16), int(qt.Qt.AlignLeft), name)
        x += wide + 6


def _colour(number):
    return COLOURS[number % len(COLOURS)]

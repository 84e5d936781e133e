"""The chart of enhancement over time, drawn so that its lines are told apart in grey print too (Pillow)."""

import math

from . import drawing
from .blocks import Figure

SIZE = (1500, 900)  # pixels; about 95 x 57 mm on paper
SAMPLES = 2  # drawn this many times larger, then made smaller: smooth lines
LEFT, RIGHT, TOP, BOTTOM = 145, 215, 44, 132
TEXT = 39
MARKERS = 16  # on a line, at most
MOST = 5  # lesions that get a line; the largest ones
INK, PALE = (20, 20, 20), (205, 205, 205)
# Colour, dashes (pixels on, off; none is a whole line) and marker of each line.
LINES = (
    ((170, 20, 40), (), "circle"),
    ((0, 70, 160), (34, 14), "square"),
    ((0, 110, 60), (14, 12), "triangle"),
    ((150, 80, 0), (40, 12, 8, 12), "diamond"),
    ((100, 30, 130), (8, 9), "cross"),
)
TISSUE = ((90, 90, 90), (22, 18), "ring")


def curve_figure(phases, rows, tissue, choice=None):
    """Return the chart of the mean enhancement of lesions and of normal tissue.

    Parameters
    ----------
    phases : sequence of Phase
    rows : list of dict
        Lesions with ``curve_pct`` and ``label``, largest first.
    tissue : dict or None
        With ``curve_pct``.
    choice : phasechoice.Choice, optional
        Marks the early and the late phase.

    Returns
    -------
    Figure or None
        None where no curve is known.
    """
    lines = lines_of(rows, tissue, len(phases))
    if not lines:
        return None
    places, timed = places_of(phases)
    chart = _Chart(places, lines)
    chart.axes([_phase_name(phase) for phase in phases], timed)
    if choice is not None:
        for word, index in (("early", choice.early), ("late", choice.late)):
            if index is not None:
                chart.mark(places[index], word)
    for _, curve, style in lines:
        chart.line(curve, style)
    chart.names([(name, curve, style[0]) for name, curve, style in lines])
    image = chart.finished()
    shown = sum(name.startswith("Lesion") for name, _, _ in lines)
    of = f" of the {shown} largest lesions" if len(rows) > shown else ""
    when = "" if timed else "; the times of the phases are not known, so they stand in their order"
    return Figure(drawing.as_png(image.quantize(64, method=2)), f"Mean enhancement{of} over time{when}", image.size)


def lines_of(rows, tissue, count):
    """Return name, values (None where unknown) and style of each line of the chart."""
    lines = []
    for row, style in zip([r for r in rows if _usable(r.get("curve_pct"), count)][:MOST], LINES):
        lines.append((f"Lesion {row['label']}", _numbers(row["curve_pct"]), style))
    if tissue and _usable(tissue.get("curve_pct"), count):
        lines.append(("Tissue", _numbers(tissue["curve_pct"]), TISSUE))
    return lines


def places_of(phases):
    """Return where each phase stands along the axis: its time in seconds, or its number where one is not known."""
    times = [phase.time_s for phase in phases]
    timed = all(t is not None and math.isfinite(t) for t in times) and all(b > a for a, b in zip(times, times[1:]))
    return ([float(t) for t in times], True) if timed else ([float(i) for i in range(len(phases))], False)


def ticks(low, high, most=6):
    """Return round numbers from `low` to `high`, both inside."""
    span = max(high - low, 1e-9)
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10, 20) if span / (power * factor) <= most)
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _usable(curve, count):
    return bool(curve) and len(curve) == count and sum(v is not None for v in curve) > 1


def _numbers(curve):
    return [None if v is None or not math.isfinite(v) else float(v) for v in curve]


def _phase_name(phase):
    return "pre" if phase.role == "pre" else f"{phase.role} {phase.number}"


class _Chart:
    """The chart while it is drawn; pixels are those of the finished picture."""

    def __init__(self, places, lines):
        from PIL import Image, ImageDraw

        self._places = places
        values = [v for _, curve, _ in lines for v in curve if v is not None]
        low, high = min(0.0, *values), max(10.0, *values)
        self._ticks = ticks(low, high)
        step = self._ticks[1] - self._ticks[0] if len(self._ticks) > 1 else high - low
        self._y = (min(low, self._ticks[0]), high + 0.15 * step)
        if self._y[0] < 0:
            self._y = (self._y[0] - 0.1 * step, self._y[1])
        span = max(places[-1] - places[0], 1e-9)
        self._x = (places[0] - 0.03 * span, places[-1] + 0.03 * span)
        self._image = Image.new("RGB", tuple(n * SAMPLES for n in SIZE), "white")
        self._draw = ImageDraw.Draw(self._image)

    def x(self, value):
        return LEFT + (value - self._x[0]) / (self._x[1] - self._x[0]) * (SIZE[0] - LEFT - RIGHT)

    def y(self, value):
        return SIZE[1] - BOTTOM - (value - self._y[0]) / (self._y[1] - self._y[0]) * (SIZE[1] - TOP - BOTTOM)

    def axes(self, names, timed):
        """Draw grid, axes and their texts."""
        left, right, bottom = LEFT, SIZE[0] - RIGHT, SIZE[1] - BOTTOM
        for value in self._ticks:
            self._line([(left, self.y(value)), (right, self.y(value))], INK if value == 0 else PALE, 2)
            self._text((left - 12, self.y(value)), f"{value:g}", "rm")
        self._line([(left, TOP), (left, bottom), (right, bottom)], INK, 3)
        marks = [(value, f"{value:g}") for value in ticks(*self._x)] if timed else list(zip(self._places, names))
        for value, text in marks[:: max(1, -(-len(marks) // 10))]:
            self._line([(self.x(value), bottom), (self.x(value), bottom + 10)], INK, 3)
            self._text((self.x(value), bottom + 16), text, "ma")
        if timed:
            for place in self._places:
                self._line([(self.x(place), bottom - 10), (self.x(place), bottom)], INK, 3)
        title = "Seconds after the first post-contrast phase" if timed else "Phases in their order, times not known"
        self._text(((left + right) / 2, SIZE[1] - 8), title, "mb")
        self._sideways("Enhancement (%)")

    def mark(self, place, word):
        """Draw a dotted upright line at the early or late phase."""
        x = self.x(place)
        self._dashed([(x, TOP), (x, SIZE[1] - BOTTOM)], (150, 150, 150), 3, (4, 10))
        self._text((x, TOP - 4), word, "mb", 30, (90, 90, 90))

    def line(self, curve, style):
        """Draw one curve with its dashes and markers; it is broken where a value is not known."""
        color, dashes, marker = style
        points = [None if v is None else (self.x(p), self.y(v)) for p, v in zip(self._places, curve)]
        for first, second in zip(points, points[1:]):
            if first and second:
                self._dashed([first, second], color, 5, dashes)
        for point in list(filter(None, points))[:: -(-len(points) // MARKERS)]:
            self._marker(point, color, marker)

    def names(self, rows):
        """Write the name of each line behind its end; names that would overlap move apart."""
        ends = []
        for name, curve, color in rows:
            ends.append([self.y(next(v for v in reversed(curve) if v is not None)), name, color])
        ends.sort(key=lambda end: end[0])
        gap = TEXT * 1.15
        for _ in range(50):
            for upper, lower in zip(ends, ends[1:]):
                missing = gap - (lower[0] - upper[0])
                if missing > 0.01:
                    upper[0], lower[0] = upper[0] - missing / 2, lower[0] + missing / 2
            for end in ends:
                end[0] = min(max(end[0], TOP), SIZE[1] - BOTTOM - 10)
        styles = dict(zip((name for name, _, _ in rows), (color for _, _, color in rows)))
        for y, name, _ in ends:
            self._text((SIZE[0] - RIGHT + 16, y), name, "lm", TEXT, styles[name])

    def finished(self):
        """Return the picture."""
        from PIL import Image

        return self._image.resize(SIZE, Image.LANCZOS)

    def _line(self, points, color, width):
        self._draw.line([(x * SAMPLES, y * SAMPLES) for x, y in points], fill=color, width=width * SAMPLES)

    def _dashed(self, points, color, width, dashes):
        (x0, y0), (x1, y1) = points
        length = math.hypot(x1 - x0, y1 - y0)
        if not dashes:
            return self._line(points, color, width)
        at, index = 0.0, 0
        while at < length:
            end = min(at + dashes[index % len(dashes)], length)
            if index % 2 == 0:
                ends = [(x0 + (x1 - x0) * t / length, y0 + (y1 - y0) * t / length) for t in (at, end)]
                self._line(ends, color, width)
            at, index = end, index + 1
        return None

    def _marker(self, point, color, kind):
        x, y, r = point[0] * SAMPLES, point[1] * SAMPLES, 10 * SAMPLES
        if kind in ("circle", "ring"):
            fill = color if kind == "circle" else "white"
            self._draw.ellipse((x - r, y - r, x + r, y + r), fill=fill, outline=color, width=4 * SAMPLES)
        elif kind == "cross":
            for dx, dy in ((r, r), (r, -r)):
                self._draw.line((x - dx, y - dy, x + dx, y + dy), fill=color, width=5 * SAMPLES)
        else:
            corners = {
                "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
                "triangle": ((0, -1.2), (1.1, 0.9), (-1.1, 0.9)),
                "diamond": ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
            }[kind]
            self._draw.polygon([(x + a * r, y + b * r) for a, b in corners], fill=color)

    def _text(self, place, text, anchor, size=TEXT, color=INK):
        self._draw.text(
            (place[0] * SAMPLES, place[1] * SAMPLES),
            text.encode("ascii", "replace").decode("ascii"),
            fill=color,
            font=drawing.font(size * SAMPLES),
            anchor=anchor,
        )

    def _sideways(self, text):
        from PIL import Image, ImageDraw

        height = SIZE[1] - TOP - BOTTOM
        strip = Image.new("RGB", (height * SAMPLES, 46 * SAMPLES), "white")
        ImageDraw.Draw(strip).text(
            (height * SAMPLES / 2, 23 * SAMPLES), text, fill=INK, font=drawing.font(TEXT * SAMPLES), anchor="mm"
        )
        self._image.paste(strip.rotate(90, expand=True), (0, TOP * SAMPLES))

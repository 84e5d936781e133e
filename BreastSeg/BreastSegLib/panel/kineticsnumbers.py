"""The kinetics of one lesion in numbers: its curve type, the shares of each type as a bar, and the rest as a grid."""

import qt

from ..measures.quantities import quantities
from ..scene import mapcolors
from ..scene.texts import _

SHARES = ("persistent_pct", "plateau_pct", "washout_pct")
NUMBERS = (
    "enhancement_mean_pct",
    "enhancement_peak_pct",
    "time_to_peak_s",
    "slope_max_pct_per_s",
    "ser_mean",
    "ftv_mm3",
)
PAIRS_A_ROW = 1
BAR_HEIGHT = 14


class KineticsNumbers:
    """Widgets that show a row of measures.

    Parameters
    ----------
    ui : object
        The widgets of Kinetics.ui, by name.
    """

    def __init__(self, ui):
        self._ui = ui
        self._quantities = {quantity.key: quantity for quantity in quantities("dce")}
        self._values = {}
        grid = ui.kineticsNumbersLayout
        for place, key in enumerate(NUMBERS):
            quantity = self._quantities[key]
            title, value = qt.QLabel(_("{title}:").format(title=quantity.title)), qt.QLabel()
            row, column = divmod(place, PAIRS_A_ROW)
            for label in (title, value):
                label.setToolTip(quantity.meaning)
            value.setTextInteractionFlags(qt.Qt.TextSelectableByMouse)
            grid.addWidget(title, row, 2 * column)
            grid.addWidget(value, row, 2 * column + 1)
            self._values[key] = value
        for column in range(PAIRS_A_ROW):
            grid.setColumnStretch(2 * column + 1, 1)
        ui.kineticsShareBar.setFixedHeight(BAR_HEIGHT)
        self._parts = [qt.QFrame() for _share in SHARES]
        for place, part in enumerate(self._parts, 1):
            part.setStyleSheet(f"background-color: {htmlColor(place)};")
            ui.kineticsShareLayout.addWidget(part)

    def show(self, row):
        """Show a row of the measures' lesions."""
        for key, label in self._values.items():
            label.text = self._text(row, key)
        shares = sharesOf(row)
        self._ui.kineticsShareBar.setVisible(bool(shares))
        for place, part in enumerate(self._parts):
            share = round(shares[place]) if shares else 0
            part.setVisible(share > 0)
            self._ui.kineticsShareLayout.setStretch(place, share)
        self._ui.kineticsShareLabel.text = self._typeText(row, shares)

    def _text(self, row, key):
        quantity = self._quantities[key]
        text = quantity.text(row.get(key))
        known = row.get(key) is not None and quantity.shown_unit
        return _("{value} {unit}").format(value=text, unit=quantity.shown_unit) if known else text

    def _typeText(self, row, shares):
        kind = typeTitle(row.get("curve_type"))
        first = _("Curve type: <b>{type}</b>").format(type=kind)
        if not shares:
            return first
        parts = [
            f'<span style="color:{htmlColor(place)}">■</span> {name} {share:.0f} %'
            for place, (name, share) in enumerate(zip(mapcolors.typeNames(), shares), 1)
        ]
        rest = _("of the enhancing voxels")
        return f"{first}<br/>{' &nbsp; '.join(parts)} {rest}"


def sharesOf(row):
    """Return the shares of persistent, plateau and wash-out in percent; () where they are unknown."""
    shares = tuple(row.get(key) for key in SHARES)
    return () if any(share is None for share in shares) or not sum(shares) > 0 else shares


def typeTitle(kind):
    """Return what people read for the curve type of a row."""
    titles = {
        "persistent": _("Persistent"),
        "plateau": _("Plateau"),
        "wash-out": _("Wash-out"),
    }
    return titles.get(kind, kind or "–")


def htmlColor(place):
    """Return the colour of a curve type, as in its map."""
    return "#" + "".join(f"{round(255 * part):02x}" for part in mapcolors.typeColor(place))

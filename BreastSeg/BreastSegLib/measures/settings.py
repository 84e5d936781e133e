"""The thresholds of kinetic measures, all of which a user can change."""

import math
from dataclasses import asdict, dataclass, field, fields, replace

from ..errors import BadInput


def _number(default, low, high, unit, title):
    return field(default=default, metadata={"low": low, "high": high, "unit": unit, "title": title})


@dataclass(frozen=True)
class Settings:
    """Thresholds of kinetics and functional tumour volume.

    Each field's ``metadata`` holds its ``low`` and ``high`` limit, ``unit`` and ``title`` for people. The defaults of
    the functional tumour volume are those of M6.

    Parameters
    ----------
    early_s, late_s : float
        Wished times of the early and the late phase, seconds after the first post-contrast phase.
    initial_s : float
        The initial peak of a curve is looked for in the phases up to this many seconds after the first post-contrast
        phase.
    window_s : float
        For the type of a curve, phases nearer in time than half of this are averaged: in a series with a phase every
        few seconds the highest single phase is mostly noise.
    pe_threshold_pct : float
        Least enhancement at the early phase of the functional tumour volume, percent.
    background_fraction, background_percentile : float
        The functional tumour volume leaves out voxels whose signal before contrast is below this fraction of this
        percentile of the region.
    min_neighbours : int
        Least number of the 26 neighbours that pass the two thresholds above.
    ser_min : float
        Least signal enhancement ratio of the functional tumour volume.
    region_margin_mm : float
        How far the region of the functional tumour volume reaches beyond the lesion, on each side.
    enhancing_pct : float
        Least initial enhancement of a curve that gets a type, percent.
    flat_pct : float
        A plateau changes by at most this much from its initial peak to the late phase, percent of the signal there.
    ser_change_pct : float
        Least late enhancement for a signal enhancement ratio, percent: below, its divisor is noise.
    noise_sigmas : float
        A voxel whose signal before contrast is less than this many standard deviations of noise above air is noise.
    noise_fraction : float
        So is one whose signal is below this fraction of the body's 95th percentile.
    tissue_distance_mm, skin_mm : float
        Normal tissue keeps this distance to lesions and to the edge of the breast.
    vessel_pct : float
        Tissue that enhances more than this at any time is not normal but a vessel (or an untold lesion), percent.

    Raises
    ------
    BadInput
        If a value is no finite number within its limits, or the late time is not after the early one.
    """

    early_s: float = _number(150.0, 0.0, 3600.0, "s", "Early phase after the first post-contrast phase")
    late_s: float = _number(450.0, 0.0, 3600.0, "s", "Late phase after the first post-contrast phase")
    initial_s: float = _number(120.0, 0.0, 3600.0, "s", "Initial phase of a curve ends")
    window_s: float = _number(60.0, 0.0, 600.0, "s", "Phases averaged for curve types")
    pe_threshold_pct: float = _number(70.0, 0.0, 1000.0, "%", "Least early enhancement")
    background_fraction: float = _number(0.6, 0.0, 1.0, "1", "Least signal before contrast, as a part of the region's")
    background_percentile: float = _number(95.0, 0.0, 100.0, "%", "Percentile of the region's signal before contrast")
    min_neighbours: int = _number(4, 0, 26, "voxels", "Least number of neighbours (of 26)")
    ser_min: float = _number(0.0, 0.0, 100.0, "1", "Least signal enhancement ratio")
    region_margin_mm: float = _number(5.0, 0.0, 200.0, "mm", "Region reaches beyond the lesion")
    enhancing_pct: float = _number(50.0, 0.0, 1000.0, "%", "Least initial enhancement of a curve with a type")
    flat_pct: float = _number(10.0, 0.0, 100.0, "%", "Largest change of a plateau")
    ser_change_pct: float = _number(10.0, 0.0, 1000.0, "%", "Least late enhancement for a signal enhancement ratio")
    noise_sigmas: float = _number(3.0, 0.0, 100.0, "1", "Noise ends above air, in standard deviations")
    noise_fraction: float = _number(0.05, 0.0, 1.0, "1", "Noise ends at this part of the body's signal")
    tissue_distance_mm: float = _number(5.0, 0.0, 200.0, "mm", "Normal tissue keeps off lesions")
    skin_mm: float = _number(5.0, 0.0, 200.0, "mm", "Normal tissue keeps off the edge of the breast")
    vessel_pct: float = _number(100.0, 0.0, 1000.0, "%", "Normal tissue enhances at most")

    def __post_init__(self):
        for item in fields(self):
            object.__setattr__(self, item.name, _checked(item, getattr(self, item.name)))
        if self.late_s <= self.early_s:
            raise BadInput(
                "The late phase is not after the early phase", f"early_s {self.early_s:g}, late_s {self.late_s:g}"
            )

    def to_json(self):
        """dict: all values by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, record):
        """Return the settings that `record` ({name: number}) describes; what it does not name has its default.

        Raises
        ------
        BadInput
            If it is no dict, or a name or value is not possible.
        """
        return cls().changed(record)

    def changed(self, values):
        """Return these settings with other values.

        Parameters
        ----------
        values : dict or None
            {name: number, or text that is a number}.

        Raises
        ------
        BadInput
            As for `Settings`; a name that is not known is answered with those that are.
        """
        if values is None:
            return self
        if not isinstance(values, dict):
            raise BadInput("Settings of kinetics are names with numbers", type(values).__name__)
        known = {item.name for item in fields(self)}
        for name in values:
            if name not in known:
                raise BadInput("There is no such setting of kinetics", str(name), "Known: " + ", ".join(sorted(known)))
        return replace(self, **values)


def _checked(item, value):
    """Return the value of a field as a number of its type, or raise `BadInput`."""
    low, high = item.metadata["low"], item.metadata["high"]
    try:
        number = float("nan" if isinstance(value, bool) else value)
    except (TypeError, ValueError):
        number = math.nan
    whole = item.type in (int, "int")
    if not low <= number <= high or (whole and number != int(number)):
        kind = "a whole number" if whole else "a number"
        raise BadInput(f"{item.name} is {kind} from {low:g} to {high:g}", repr(value))
    return int(number) if whole else number

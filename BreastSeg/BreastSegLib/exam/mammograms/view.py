"""One mammogram: what it shows, what says so, and how its values are meant to be seen."""

import math
from dataclasses import asdict, dataclass, field, fields

from ...errors import BadInput
from . import codes

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID", "LUT")
STANDARD = ("RCC", "LCC", "RMLO", "LMLO")
CURVE_LENGTH = 256


@dataclass(frozen=True)
class Window:
    """A way to show values, in the units of the file (after its modality LUT, before any inversion).

    Parameters
    ----------
    name : str
        The file's explanation, or what the window was made from.
    function : {'LINEAR', 'LINEAR_EXACT', 'SIGMOID', 'LUT'}
    centre, width : float
        As in the file; for a LUT the middle and length of the values that it maps.
    curve : tuple of float or None
        For SIGMOID and LUT: 256 output values, 0 (lowest) to 1, over the values from `low` to `high`.
    low, high : float or None
        Ends of the curve.

    Raises
    ------
    BadInput
        If the function is unknown or the width is not positive.
    """

    name: str
    function: str
    centre: float
    width: float
    curve: tuple | None = None
    low: float | None = None
    high: float | None = None

    def __post_init__(self):
        if self.function not in FUNCTIONS:
            raise BadInput(f"A window's function is one of {', '.join(FUNCTIONS)}", self.function)
        if not (math.isfinite(self.centre) and math.isfinite(self.width) and self.width > 0):
            raise BadInput("A window's width is not positive", f"{self.centre:g}, {self.width:g}")
        if self.curve is not None:
            object.__setattr__(self, "curve", tuple(float(v) for v in self.curve))
            if len(self.curve) != CURVE_LENGTH or self.low is None or self.high is None or not self.high > self.low:
                raise BadInput(f"A window's curve is {CURVE_LENGTH} values between two ends", self.function)

    @property
    def ends(self):
        """tuple of float: the values shown darkest and brightest, in the file's units."""
        if self.curve is not None:
            return self.low, self.high
        # DICOM's LINEAR counts pixels between the centres of the first and last value.
        centre, width = (self.centre - 0.5, self.width - 1) if self.function == "LINEAR" else (self.centre, self.width)
        half = max(width, 1e-6) / 2
        return centre - half, centre + half


@dataclass(frozen=True)
class View:
    """What is known of one mammogram without looking into its breast.

    `file` can identify a person: it is kept out of `repr` and JSON.

    Parameters
    ----------
    laterality : {'L', 'R', ''}
    position : str
        ``CC``, ``MLO``, ``ML`` … (`codes`), empty when unknown.
    evidence : str
        What decided laterality and position.
    intent : {'presentation', 'processing', ''}
    spacing : tuple of float or None
        Pixel size along (x, y), mm; None when no tag tells it.
    spacing_evidence : str
    polarity : {'MONOCHROME1', 'MONOCHROME2', ''}
        Of the file. The image itself always has bright tissue.
    windows : tuple of Window
        The first is the default.
    notes, contradictions : tuple of str
        What else to know; which tags said otherwise.
    modifiers : tuple of str
        ``magnification``, ``spot compression`` …
    mirror : float or None
        Where the values are inverted: image = mirror − value of the file.
    turn : int
        Degrees, clockwise, by which the image is turned to stand upright.
    repeat : int
        1 for the first image of its view in the exam, 2 for the next …
    number : int
        Place in the exam, from 1.
    where : str
        For messages: the image without identity (``image 3 of 4, series 5``).
    file : str
    """

    laterality: str = ""
    position: str = ""
    evidence: str = ""
    intent: str = ""
    spacing: tuple | None = None
    spacing_evidence: str = "unknown"
    polarity: str = ""
    windows: tuple = ()
    notes: tuple = ()
    contradictions: tuple = ()
    modifiers: tuple = ()
    mirror: float | None = None
    turn: int = 0
    repeat: int = 1
    number: int = 1
    where: str = ""
    file: str = field(default="", repr=False, compare=False)

    def __post_init__(self):
        for name, allowed in (
            ("laterality", ("L", "R", "")),
            ("position", (*codes.table()["views"], "")),
            ("intent", ("presentation", "processing", "")),
            ("polarity", ("MONOCHROME1", "MONOCHROME2", "")),
            ("turn", (0, 90, 180, 270)),
        ):
            if getattr(self, name) not in allowed:
                raise BadInput(f"A view's {name} is not known", str(getattr(self, name)))
        for name in ("windows", "notes", "contradictions", "modifiers"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.spacing is not None:
            spacing = tuple(float(v) for v in self.spacing)
            if len(spacing) != 2 or not all(math.isfinite(v) and v > 0 for v in spacing):
                raise BadInput("A view's pixel size is not two positive numbers", str(spacing))
            object.__setattr__(self, "spacing", spacing)

    @property
    def known(self):
        """bool: whether both laterality and position are known."""
        return bool(self.laterality and self.position)

    @property
    def key(self):
        """str: ``LCC``, or empty when unknown."""
        return self.laterality + self.position if self.known else ""

    @property
    def name(self):
        """str: ``LCC``, ``LCC 2``, or ``view 3`` when unknown."""
        if not self.known:
            return f"view {self.number}"
        return self.key if self.repeat == 1 else f"{self.key} {self.repeat}"

    @property
    def title(self):
        """str: ``Left CC``, with modifiers and the count of repeats."""
        words = [codes.title(self.laterality, self.position), *self.modifiers]
        return ", ".join(words) + (f" ({self.repeat})" if self.repeat > 1 else "")

    def to_json(self):
        """dict: the view without its file, with its name and title."""
        record = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "file"}
        record["windows"] = [_plain(asdict(window)) for window in self.windows]
        return {"name": self.name, "title": self.title, **_plain(record)}

    @classmethod
    def from_json(cls, record):
        """Return the view that `to_json` described (its file is not known).

        Raises
        ------
        BadInput
            If the record is not that of a view.
        """
        names = {f.name for f in fields(cls)} - {"file"}
        try:
            values = {name: value for name, value in record.items() if name in names}
            values["windows"] = tuple(Window(**window) for window in record.get("windows", ()))
            return cls(**values)
        except (TypeError, AttributeError, ValueError) as error:
            raise BadInput("This is not the record of a mammogram view", type(error).__name__) from error


def _plain(record):
    return {name: list(value) if isinstance(value, tuple) else value for name, value in record.items()}

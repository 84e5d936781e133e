"""Synthetic mammograms with known truth.

A breast (`breast_outline`) of one of four densities (`breast_texture`) is compressed, projected and exposed; a mass
(`mammogram_mass`), quantum noise, and what lies around the breast (`mammogram_marks`) make it a mammogram.
The numbers are of the size seen in practice, not fitted to any detector: for trying out, tutorials and tests only.

Orientation follows the usual hanging: a LEFT breast has its chest wall at the image's LEFT edge,
a RIGHT breast at the RIGHT edge; lateral (CC) or the axilla (MLO) is up. In DICOM words:
LCC ``A\\R``, RCC ``P\\L``, LMLO ``A\\FR``, RMLO ``P\\FL``.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from ..errors import BadInput
from . import breast_texture as texture
from . import mammogram_marks as marks
from .breast_projection import Breast
from .mammogram_mass import SHAPES, Contour, MammogramMass, chord, spicules

FIELD_HEIGHT_MM = 3328 * 0.07
MASS_OVER_GLAND = 1.75  # a mass attenuates more than the gland that it replaces
PADDING = ("border", "air", "none")


@dataclass(frozen=True)
class SampleMammogram:
    """A synthetic mammogram and its truth.

    Parameters
    ----------
    image : numpy.ndarray
        uint16 (rows, columns), as stored in a file of this `polarity`.
    truth, breast, pectoral : numpy.ndarray
        uint8 (rows, columns): 1 in a mass, in the breast (with the pectoral muscle),
        in the pectoral muscle (MLO only).
    laterality : {'L', 'R'}
    view : {'CC', 'MLO'}
    polarity : {'MONOCHROME1', 'MONOCHROME2'}
        MONOCHROME1: small values are bright, so dense tissue has small values.
    intent : {'presentation', 'processing'}
        Tones made for reading, or the detector's counts.
    bits : int
        Bits in use.
    spacing_mm : float
        Pixel size in the detector plane.
    padding_value : int or None
        Stored value of pixels that were never exposed; it displays black: 0 in MONOCHROME2, the largest value in
        MONOCHROME1.
    density : {'a', 'b', 'c', 'd'}
    gland_share : float
        Mean share of glandular tissue in the breast outside the muscle, as made.
    thickness_mm : float
        Compressed thickness.
    masses : tuple of MammogramMass
    marks : bool
        Whether a view mark is burned in.
    seed : int
    """

    image: np.ndarray
    truth: np.ndarray
    breast: np.ndarray
    pectoral: np.ndarray
    laterality: str
    view: str
    polarity: str
    intent: str
    bits: int
    spacing_mm: float
    padding_value: int | None
    density: str
    gland_share: float
    thickness_mm: float
    masses: tuple
    marks: bool
    seed: int

    @property
    def largest(self):
        """int: the largest value that the bits in use can hold."""
        return 2**self.bits - 1

    @property
    def display(self):
        """numpy.ndarray: uint16, dense tissue bright whatever the polarity."""
        return self.image if self.polarity == "MONOCHROME2" else (self.largest - self.image).astype(np.uint16)

    @property
    def orientation(self):
        """tuple of str: DICOM Patient Orientation of the rows and the columns."""
        across = "A" if self.laterality == "L" else "P"
        down = "R" if self.laterality == "L" else "L"
        return across, down if self.view == "CC" else "F" + down


def make_mammogram(
    seed,
    laterality="L",
    view="CC",
    *,
    mass=True,
    shape=None,
    diameter_mm=None,
    density="b",
    size=(1664, 1280),
    spacing_mm=None,
    polarity="MONOCHROME2",
    intent="presentation",
    bits=None,
    markers=True,
    padding="border",
):
    """Make a synthetic mammogram.

    Parameters
    ----------
    seed : int
        The same seed and arguments give the same image, pixel by pixel. Breast and mass stay the same, to the noise,
        when only polarity, intent, bits, markers, padding or size (pixels up to 0.28 mm) change.
    laterality, view : str
        ``L`` or ``R``, ``CC`` or ``MLO``.
    mass : bool
        Put one mass into the breast.
    shape : {'round', 'oval', 'lobulated', 'spiculated'}, optional
        Drawn when not given.
    diameter_mm : float, optional
        Diameter of the circle of equal area, 3 to 40 mm; drawn between 6 and 25 mm when not given.
    density : {'a', 'b', 'c', 'd'}
        From almost entirely fatty to extremely dense.
    size : tuple of int
        Rows and columns; (3328, 2560) is the matrix of a common full-field detector.
    spacing_mm : float, optional
        Pixel size; when not given, such that the image is 233 mm high (0.07 mm for 3328 rows).
    polarity, intent : str
        As in `SampleMammogram`.
    bits : int, optional
        12 or 14; when not given, 12 for presentation and 14 for processing.
    markers : bool
        Burn in the view mark and show the edges of collimator and paddle.
    padding : {'border', 'air', 'none'}
        What holds the padding value: a border of the frame, all air but a rim about the breast, or nothing.

    Returns
    -------
    SampleMammogram

    Raises
    ------
    BadInput
        If an argument is out of range, or the mass does not fit.
    """
    bits = bits or (12 if intent == "presentation" else 14)
    spacing = float(spacing_mm or FIELD_HEIGHT_MM / size[0])
    _check(seed, laterality, view, shape, diameter_mm, density, size, spacing, polarity, intent, bits, padding)
    anatomy, kind, lesion, grain, frame = _streams(seed, laterality, view)
    breast = Breast(anatomy, view, size, spacing, density)
    truth = np.zeros(size, np.uint8)
    made = (_add_mass(kind, lesion, breast, shape, diameter_mm, truth),) if mass else ()
    display = breast.presented(grain) if intent == "presentation" else breast.counted(grain)
    unexposed = _surround(frame, breast, display, markers, padding, intent)
    pixels = (display, unexposed, truth)
    return _finish(breast, pixels, made, laterality, view, polarity, intent, bits, density, padding, markers, seed)


def _streams(seed, laterality, view):
    """Return one random stream for each thing, so that leaving one out does not change the others."""
    words = [0x3A330, int(seed), "LR".index(laterality), ("CC", "MLO").index(view)]
    return [np.random.default_rng(s) for s in np.random.SeedSequence(words).spawn(5)]


def _finish(breast, pixels, made, laterality, view, polarity, intent, bits, density, padding, markers, seed):
    """Return the finished sample: a right breast turned round, the view mark burned in, the values as stored.

    `pixels` are the display image, the unexposed pixels and the truth, chest wall at the left edge.
    """
    if laterality == "R":
        pixels = (np.ascontiguousarray(array[:, ::-1]) for array in pixels)
        made = tuple(replace(m, centre=(m.centre[0], breast.size[1] - 1 - m.centre[1])) for m in made)
    display, unexposed, truth = pixels
    if markers:
        _add_mark(breast, display, unexposed, laterality, view)
    turn = slice(None, None, -1 if laterality == "R" else 1)
    inside = breast.mask[:, turn] & ~unexposed
    muscle = inside & (breast.muscle[:, turn] > 0)
    black = 0 if polarity == "MONOCHROME2" else 2**bits - 1
    return SampleMammogram(
        image=_stored(display, unexposed, polarity, bits),
        truth=truth,
        breast=inside.astype(np.uint8),
        pectoral=muscle.astype(np.uint8),
        laterality=laterality,
        view=view,
        polarity=polarity,
        intent=intent,
        bits=bits,
        spacing_mm=breast.spacing,
        padding_value=None if padding == "none" else black,
        density=density,
        gland_share=breast.gland_share,
        thickness_mm=breast.compressed,
        masses=made,
        marks=bool(markers),
        seed=int(seed),
    )


def _stored(display, unexposed, polarity, bits):
    """Return what a file stores of a display image (0 black to 1 white); only unexposed pixels are the blackest."""
    largest = 2**bits - 1
    stored = np.rint(np.clip(display, 0, 1) * largest).clip(1, largest - 1)
    stored[unexposed] = 0
    return (largest - stored if polarity == "MONOCHROME1" else stored).astype(np.uint16)


def _check(seed, laterality, view, shape, diameter, density, size, spacing, polarity, intent, bits, padding):
    for name, value, allowed in (
        ("laterality", laterality, ("L", "R")),
        ("view", view, ("CC", "MLO")),
        ("shape", shape, (None, *SHAPES)),
        ("density", density, tuple("abcd")),
        ("polarity", polarity, ("MONOCHROME1", "MONOCHROME2")),
        ("intent", intent, ("presentation", "processing")),
        ("number of bits", bits, (12, 14)),
        ("padding", padding, PADDING),
    ):
        if value not in allowed:
            raise BadInput(f"The {name} is one of " + ", ".join(str(v) for v in allowed if v is not None), str(value))
    if int(seed) < 0:
        raise BadInput("The seed is a whole number, 0 or more", str(seed))
    if diameter is not None and not 3 <= diameter <= 40:
        raise BadInput("A mass is 3 to 40 mm large", f"{diameter} mm")
    if not 0.04 <= spacing <= 1.2 or min(n * spacing for n in size) < 120:
        raise BadInput(
            "A mammogram has pixels of 0.04 to 1.2 mm and is at least 120 mm high and wide",
            f"{size} pixels of {spacing:g} mm",
        )


def _add_mass(kind, rng, breast, shape, diameter, truth):
    """Put one mass into the breast and the truth, in place, and return what was made.

    `kind` is the stream that draws what is not given.
    """
    shape = shape or str(kind.choice(SHAPES))
    diameter = diameter or float(kind.uniform(6, 25))
    contour = Contour(rng, shape, diameter)
    x0, y0 = _place(rng, breast, contour.reach)
    step = breast.spacing
    reach = contour.reach * (2.8 if shape == "spiculated" else 1.5) + 3
    rows = slice(max(int((y0 - reach) / step), 0), min(int((y0 + reach) / step) + 1, truth.shape[0]))
    columns = slice(max(int((x0 - reach) / step), 0), min(int((x0 + reach) / step) + 1, truth.shape[1]))
    x, y = breast.full[0][:, columns] - x0, breast.full[1][rows] - y0
    relative = contour.relative(x, y)
    truth[rows, columns] = relative < 1
    soft = {"round": 0.35, "oval": 0.35, "lobulated": 0.45, "spiculated": 0.9}[shape] + 0.015 * diameter
    # An infiltrating core is dense for its size, and its margin is lost in the spicules.
    share = chord(relative, diameter, soft, step) / breast.compressed * (1.4 if shape == "spiculated" else 1.0)
    uneven = texture.power_noise(rng, share.shape, 2.6, 0.8 / step, 10 / step)
    local = breast.enlarged(breast.f)[rows, columns]
    extra = np.minimum(share, 0.8) * (MASS_OVER_GLAND - np.clip(local, 0, 1)) * (1 + 0.05 * uneven)
    if shape == "spiculated":
        lines = spicules(
            rng, share.shape, step, contour, (y0 / step - rows.start - 0.5, x0 / step - columns.start - 0.5)
        )
        extra += 0.17 * lines * np.clip(1.15 - share / share.max(), 0, 1)  # they end in the core
    breast.extra[rows, columns] += extra.astype(np.float32)
    return MammogramMass(shape, float(diameter), (float(y0 / step - 0.5), float(x0 / step - 0.5)))


def _place(rng, breast, reach):
    """Draw a place (x, y in mm), rather in gland than in fat, with room for a mass to skin, muscle and frame."""
    x, y = breast.coarse
    room = reach + 5.0
    allowed = (breast.depth > room) & (breast.outline.muscle_depth(x, y) < -reach - 1.5) & (x > room) & (y > room + 8)
    allowed &= y < breast.outline.height - room - 8
    places = np.flatnonzero(allowed)
    if not places.size:
        raise BadInput(
            "A mass of this size does not fit the breast",
            f"reach {reach:.1f} mm",
            "Choose a smaller diameter or another seed",
        )
    weight = np.cumsum(0.12 + ndimage.gaussian_filter(breast.gland, 6 / breast.step).ravel()[places])
    chosen = places[np.searchsorted(weight, rng.random() * weight[-1])]
    row, column = np.unravel_index(chosen, breast.depth.shape)
    return float(x[0, column]), float(y[row, 0])


def _surround(rng, breast, display, markers, padding, intent):
    """Draw collimator and paddle into `display`, in place, and return the pixels that hold the padding value."""
    (x, y), mask = breast.full, breast.mask
    height, width = breast.outline.height, breast.outline.width
    pad = rng.uniform(1.5, 4.0, 3) if padding != "none" else np.zeros(3)
    strip = rng.uniform(0.6, 1.8, 3) if markers and padding != "air" else np.zeros(3)
    paddle = (width - rng.uniform(22, 30), rng.uniform(8, 14), (rng.uniform(9, 16), height - rng.uniform(9, 16)))
    if markers:
        line = marks.paddle_line(x, y, *paddle)
        display += (0.05 if intent == "presentation" else 0.03) * line * np.where(mask, 0.35, 1.0)
        covered = marks.collimated(x, y, (pad[0] + strip[0], height - pad[1] - strip[1], width - pad[2] - strip[2]))
        display += covered * (0.94 - display)
    if padding == "none":
        return np.zeros(breast.size, bool)
    unexposed = (y < pad[0]) | (y > height - pad[1]) | (x > width - pad[2])
    if padding == "air":
        rim = breast.enlarged((ndimage.distance_transform_edt(breast.depth == 0) * breast.step).astype(np.float32))
        unexposed |= (rim > 4.0) & ~mask
    return unexposed


def _add_mark(breast, display, unexposed, laterality, view):
    """Burn in the view mark on the side away from the chest wall, readable in both breasts; it wins over padding."""
    step = breast.spacing
    text = f"{laterality} {view}"
    width = marks.lettering(text, int(round(7.5 / step))).shape[1]
    margin = int(14 / step)
    column = margin if laterality == "R" else breast.size[1] - margin - width
    place = marks.add_view_mark(display, text, step, (int(16 / step), column))
    unexposed[place] &= display[place] < 0.3

"""Synthetic breast DCE-MRI exams with known truth.

A chest with two breasts (`anatomy`) is filled with fat-suppressed T1-weighted intensities; contrast agent enhances
masses, vessels, heart, skin and gland along their own curves; a bias field, small motion between the phases and Rician
noise make it an exam.
The numbers are of the size seen in practice, not fitted to any scanner: for trying out, tutorials and tests only.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from ..errors import BadInput
from ..exam.dce import DceExam, number_phases
from ..volume import Geometry, Volume
from . import anatomy

CURVES = ("persistent", "plateau", "washout")
INTENSITY = {
    "air": 8,
    "fat": 170,
    "gland": 330,
    "skin": 300,
    "muscle": 290,
    "lung": 25,
    "heart": 260,
    "vessel": 300,
    "nipple": 320,
}
MASS_INTENSITY = 345.0
# Relative enhancement long after the injection, wash-in time (s) and wash-out rate (1/s) of normal tissue.
ENHANCEMENT = {
    "gland": (0.30, 140, 0.0),
    "skin": (0.25, 120, 0.0),
    "muscle": (0.18, 110, 0.0),
    "heart": (1.7, 12, 0.0016),
    "vessel": (1.5, 15, 0.0014),
    "nipple": (0.6, 60, 0.0),
    "fat": (0.03, 120, 0.0),
    "lung": (0.05, 40, 0.0),
    "air": (0, 1, 0),
}
# Initial enhancement rises within a minute for all masses; what follows names the curve type.
LATE_SLOPE = {"persistent": 0.0016, "plateau": 0.0, "washout": -0.0011}


@dataclass(frozen=True)
class Mass:
    """One synthetic mass, as it was made.

    Parameters
    ----------
    side : {'right', 'left'}
    centre : tuple of float
        (x, y, z), mm, LPS.
    radii : tuple of float
        Half axes along the grid's (x, y, z) in mm, before the margin was made irregular.
    curve : {'persistent', 'plateau', 'washout'}
    rim : bool
        Whether the core enhances less than the rim.
    volume_mm3 : float
        Volume of the truth mask.
    """

    side: str
    centre: tuple
    radii: tuple
    curve: str
    rim: bool
    volume_mm3: float


@dataclass(frozen=True)
class SampleExam:
    """A synthetic exam and its truth.

    Parameters
    ----------
    exam : DceExam
        Pre and post phases, float32.
    truth : Volume
        uint8, 1 inside a mass, on the exam's grid, as seen in the first post-contrast phase.
    tissue : Volume
        uint8 index into `anatomy.TISSUES` (normal anatomy without the masses).
    masses : tuple of Mass
    seed : int
    """

    exam: DceExam
    truth: Volume
    tissue: Volume
    masses: tuple
    seed: int


@dataclass
class _Chest:
    """What is where before the scan; arrays are (z, y, x), and masses are put into them in place.

    Parameters
    ----------
    grid : tuple of numpy.ndarray
        Coordinates x, y and z in mm along the grid's axes, centred on 0, each shaped to broadcast.
    spacing : tuple of float
        Along (z, y, x), mm.
    breasts : tuple of anatomy.Breast
    depth : numpy.ndarray
        As `anatomy.tissue_map` returns it.
    tissue : numpy.ndarray
        uint8 index into `anatomy.TISSUES`.
    base : numpy.ndarray
        Intensities before contrast.
    uptake : list of numpy.ndarray
        Late enhancement, wash-in time and late slope of each voxel.
    truth : numpy.ndarray
        uint8, 1 inside a mass.
    """

    grid: tuple
    spacing: tuple
    breasts: tuple
    depth: np.ndarray
    tissue: np.ndarray
    base: np.ndarray
    uptake: list
    truth: np.ndarray


def make_dce_exam(
    seed,
    *,
    shape=(40, 96, 160),
    spacing=(1.2, 1.2, 2.0),
    posts=4,
    masses=1,
    side=None,
    curve=None,
    rim=None,
    radius_mm=(5.0, 13.0),
    motion_mm=0.5,
    noise=9.0,
    bias=0.15,
    oblique_degrees=0.0,
):
    """Make a synthetic DCE exam.

    Parameters
    ----------
    seed : int
        The same seed and arguments give the same exam, voxel by voxel.
    shape : tuple of int
        Voxels along (z, y, x).
    spacing : tuple of float
        Along (x, y, z), mm. The chest needs about 190 × 115 × 80 mm.
    posts : int
        Number of post-contrast phases (one every 90 s, the first 75 s after the injection).
    masses : int
        Number of masses, 0 to 4.
    side : {'right', 'left'}, optional
        Breast of all masses; drawn when not given.
    curve : {'persistent', 'plateau', 'washout'}, optional
        Curve type of all masses; drawn when not given.
    rim : bool, optional
        Rim enhancement; drawn when not given.
    radius_mm : tuple of float
        Smallest and largest mean radius of a mass.
    motion_mm : float
        Largest shift of a phase against the first post-contrast phase.
    noise : float
        Standard deviation of the complex noise (fat is 170, gland 330).
    bias : float
        Strength of the coil's intensity inhomogeneity (0.15: about ±15 %).
    oblique_degrees : float
        Rotation of the grid about the patient's long axis.

    Returns
    -------
    SampleExam

    Raises
    ------
    BadInput
        If an argument is out of range, or a mass does not fit.
    """
    _check(posts, masses, side, curve)
    _check_numbers(seed, radius_mm, motion_mm, noise, bias)
    rng = np.random.default_rng(np.random.SeedSequence([0xB5EA57, int(seed)]))
    geometry = _geometry(shape, spacing, oblique_degrees)
    chest = _make_chest(rng, shape, spacing, geometry.extent)
    made = _add_masses(rng, chest, masses, side, curve, rim, radius_mm)
    seconds = 75.0 + 90.0 * np.arange(posts)
    images = _acquire(rng, chest, seconds, motion_mm, noise, bias)
    # From the grid's axes to the patient's.
    made = tuple(replace(m, centre=tuple(float(v) for v in geometry.matrix @ m.centre)) for m in made)
    phases = number_phases([("pre", -60.0, "made so", ())] + [("post", t, "made so", ()) for t in seconds])
    exam = DceExam(phases, tuple(Volume(image, geometry) for image in images))
    return SampleExam(exam, Volume(chest.truth, geometry), Volume(chest.tissue, geometry), made, int(seed))


def _check(posts, masses, side, curve):
    if not 1 <= posts <= 20:
        raise BadInput("A sample exam has 1 to 20 post-contrast phases", str(posts))
    if not 0 <= masses <= 4:
        raise BadInput("A sample exam has 0 to 4 masses", str(masses))
    if side not in (None, "right", "left"):
        raise BadInput("The side is right or left", str(side))
    if curve not in (None, *CURVES):
        raise BadInput("The curve is " + ", ".join(CURVES), str(curve))


def _check_numbers(seed, radius_mm, motion_mm, noise, bias):
    if int(seed) < 0:
        raise BadInput("The seed of a sample exam is 0 or more", str(seed))
    if not 0 < radius_mm[0] <= radius_mm[1]:
        raise BadInput("The radii of masses are not a smallest and a largest length", str(radius_mm))
    for name, value in (("motion", motion_mm), ("noise", noise), ("bias", bias)):
        if not (np.isfinite(value) and value >= 0):
            raise BadInput(f"The {name} of a sample exam is 0 or more", str(value))


def _axis(count, spacing, axis):
    """Coordinates along x, y or z, centred on 0, shaped to broadcast to (z, y, x)."""
    values = ((np.arange(count) - (count - 1) / 2) * spacing).astype(np.float32)
    return values.reshape([-1 if 2 - axis == a else 1 for a in range(3)])


def _geometry(shape, spacing, degrees):
    angle = np.deg2rad(degrees)
    matrix = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    first = -(np.asarray(shape[::-1]) - 1) / 2 * np.asarray(spacing)
    return Geometry(shape, spacing, tuple(matrix @ first), tuple(matrix.ravel()))


def _make_chest(rng, shape, spacing, extent):
    """Return a chest without masses; `shape` is (z, y, x), `spacing` and `extent` are (x, y, z) in mm."""
    grid = tuple(_axis(n, s, axis) for axis, (n, s) in enumerate(zip(shape[::-1], spacing)))
    zyx = spacing[::-1]
    breasts = anatomy.make_breasts(rng, extent)
    tissue, depth = anatomy.tissue_map(rng, grid, zyx, breasts, rng.uniform(0.12, 0.45))
    base, uptake = _normal_tissue(rng, grid, zyx, breasts, tissue)
    return _Chest(grid, zyx, breasts, depth, tissue, base, uptake, np.zeros(shape, np.uint8))


def _normal_tissue(rng, grid, spacing, breasts, tissue):
    """Return intensities before contrast and the uptake (late enhancement, wash-in time, late slope) of each voxel."""
    for breast in breasts:
        for _ in range(rng.integers(1, 4)):
            near = anatomy.vessel_distance(rng, tissue.shape, grid, breast) < rng.uniform(0.9, 1.6)
            tissue[near & np.isin(tissue, (anatomy.FAT, anatomy.GLAND))] = anatomy.VESSEL
    level = np.array([INTENSITY[name] for name in anatomy.TISSUES], np.float32)
    base = level[tissue]
    base *= 1 + 0.06 * anatomy.smooth_noise(rng, tissue.shape, spacing, 5)
    late, wash_in, wash_out = (
        np.array([ENHANCEMENT[name][k] for name in anatomy.TISSUES], np.float32)[tissue] for k in range(3)
    )
    background = np.exp(0.45 * anatomy.smooth_noise(rng, tissue.shape, spacing, 22)).astype(np.float32)
    background = background * rng.uniform(0.3, 1.2)
    late = np.where(tissue == anatomy.GLAND, late * background, late)
    blur = [0.45 / s for s in spacing]
    return ndimage.gaussian_filter(base, blur), [ndimage.gaussian_filter(late, blur), wash_in, -wash_out]


def _add_masses(rng, chest, count, side, curve, rim, radius_mm):
    """Put masses into the chest, in place, drawing what is not given, and return what was made."""
    return [
        _add_mass(
            rng,
            chest,
            side or str(rng.choice(("right", "left"))),
            curve or str(rng.choice(CURVES)),
            rng.random() < 0.3 if rim is None else rim,
            radius_mm,
        )
        for _ in range(count)
    ]


def _add_mass(rng, chest, side, curve, rim, radius_mm):
    """Put one mass into the chest, in place, and return what was made."""
    breast = next(b for b in chest.breasts if b.side == side)
    radius = rng.uniform(*radius_mm)
    radii = radius * rng.uniform(0.8, 1.25, 3)
    centre = _place_for(rng, chest, breast, radius)
    wobble = anatomy.smooth_noise(rng, chest.truth.shape, chest.spacing, 7)
    distance = np.sqrt(sum(((axis - c) / r) ** 2 for axis, c, r in zip(chest.grid, centre, radii)))
    edge = ((distance - 1) * radius + wobble * min(0.9, 0.09 * radius)).astype(np.float32)  # mm, negative inside
    inside = (edge < 0) & (chest.depth > 0.02)
    inside = _connected_to(inside, chest.grid, centre)
    if not inside.any():
        raise BadInput(
            "A mass of this size does not fit the breast",
            f"radius {radius:.1f} mm",
            "Choose a smaller radius or a larger grid",
        )
    soft = np.clip(0.5 - edge / 1.4, 0, 1) * ndimage.binary_dilation(inside, iterations=1)
    core = np.clip((-edge - 0.45 * radius) / (0.25 * radius), 0, 1) if rim else 0
    late, wash_in, slope = chest.uptake
    chest.base += soft * (MASS_INTENSITY * (1 + 0.04 * wobble) - chest.base)
    late += soft * (rng.uniform(1.1, 1.7) * (1 - 0.75 * core) - late)
    wash_in[inside] = rng.uniform(18, 35)
    slope[inside] = LATE_SLOPE[curve] * rng.uniform(0.8, 1.2)
    chest.truth[inside] = 1
    volume = float(inside.sum() * np.prod(chest.spacing))
    return Mass(side, tuple(float(c) for c in centre), tuple(float(r) for r in radii), curve, bool(rim), volume)


def _place_for(rng, chest, breast, radius):
    """Draw a place in `breast` with room for a mass of `radius` mm below the skin, off the muscle and other masses."""
    x, y, z = chest.grid
    room = 1.3 * radius + 3.0
    scaled = 1 - room / min(breast.radii)
    allowed = (
        (breast.inside(x, y, z) > 1 - max(scaled, 0.05))
        & (y < breast.centre[1] - 0.8 * radius)
        & (chest.tissue != anatomy.AIR)
    )
    if chest.truth.any():
        distance = ndimage.distance_transform_edt(
            chest.truth == 0, sampling=[np.ptp(a) / max(a.size - 1, 1) or 1.0 for a in (z, y, x)]
        )
        allowed &= distance > room + 4
    places = np.argwhere(allowed & (chest.depth > 0))
    if not len(places):
        raise BadInput(
            "A mass of this size does not fit the breast", f"radius {radius:.1f} mm", "Choose fewer or smaller masses"
        )
    k, j, i = places[rng.integers(len(places))]
    return float(x.ravel()[i]), float(y.ravel()[j]), float(z.ravel()[k])


def _connected_to(mask, grid, centre):
    labels, _ = ndimage.label(mask)
    index = tuple(int(np.argmin(np.abs(axis.ravel() - c))) for axis, c in zip(grid[::-1], centre[::-1]))
    return labels == labels[index] if labels[index] else np.zeros_like(mask)


def _acquire(rng, chest, seconds, motion_mm, noise, bias):
    """Return the images before contrast and at `seconds` after the injection, with bias, motion and noise."""
    field = np.exp(bias * anatomy.smooth_noise(rng, chest.truth.shape, chest.spacing, 110)).astype(np.float32)
    images = []
    for index, time in enumerate([None, *seconds]):
        image = chest.base if time is None else _enhanced(chest.base, chest.uptake, time)
        shift = rng.uniform(-1, 1, 3) * motion_mm / np.sqrt(3)
        if index != 1 and motion_mm > 0:
            image = ndimage.shift(image, shift / np.asarray(chest.spacing), order=1, mode="nearest")
        images.append(_rician(rng, image * field, noise))
    return images


def _enhanced(base, uptake, seconds):
    """Return the image `seconds` after injection: fast wash-in, then a slow linear trend (per second of the peak)."""
    late, wash_in, slope = uptake
    peak = late * (1 - np.exp(-seconds / wash_in))
    return base * (1 + np.maximum(peak * (1 + slope * max(seconds - 75.0, 0.0)), 0)).astype(np.float32)


def _rician(rng, image, sigma):
    if sigma <= 0:
        return image.astype(np.float32)
    real = image + rng.normal(0, sigma, image.shape)
    return np.hypot(real, rng.normal(0, sigma, image.shape)).astype(np.float32)

"""What the inside of a breast looks like in projection: power-law noise, glandular tissue, ligaments and vessels.

Fields are made on one coarse grid and enlarged; arrays are (rows, columns) float32, of a left breast.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage


@dataclass(frozen=True)
class Density:
    """How glandular tissue fills a breast.

    Parameters
    ----------
    level : float
        Positive: more gland than fat where gland can be.
    spread : float
        Contrast between islands and gaps.
    rim, back : float
        mm of fat below the skin and before chest wall or muscle.
    opening : float
        Half opening (radians) of the cone that the gland fills.
    """

    level: float
    spread: float
    rim: float
    back: float
    opening: float


# Four breast densities: almost entirely fatty, scattered, heterogeneously dense, extremely dense.
DENSITIES = {
    "a": Density(-1.9, 0.8, 13, 24, 0.75),
    "b": Density(-0.75, 0.85, 12, 20, 0.80),
    "c": Density(0.25, 0.85, 9, 12, 0.95),
    "d": Density(1.35, 0.75, 7, 7, 1.15),
}
LAYERS = 4  # the breast is looked through: what lies above one another blends


def power_noise(rng, shape, beta, smallest=2.0, largest=None):
    """Return noise whose power falls as 1/f^`beta`, zero mean and unit standard deviation.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
    beta : float
        About 3 in mammograms.
    smallest, largest : float, optional
        Shortest and longest wavelength in pixels.
    """
    coarser = max(1, int(smallest // 5))
    if coarser > 1:  # nothing in it is finer than this: make it small and enlarge it
        small = power_noise(
            rng, tuple(n // coarser + 2 for n in shape), beta, smallest / coarser, largest and largest / coarser
        )
        return interpolate(small, *(np.arange(n, dtype=np.float32) / coarser for n in shape))
    white = rng.standard_normal(shape, dtype=np.float32)
    squared = (np.fft.fftfreq(shape[0])[:, None] ** 2 + np.fft.rfftfreq(shape[1])[None] ** 2).astype(np.float32)
    squared[0, 0] = 1.0
    gain = squared ** np.float32(-beta / 4)
    gain *= np.exp(squared * np.float32(-(smallest**2) / 2))
    if largest:
        gain *= 1 - np.exp(squared * np.float32(-(largest**2)))
    gain[0, 0] = 0
    field = fft.irfft2(fft.rfft2(white) * gain, s=shape)
    return field / field.std()


def interpolate(field, rows, columns):
    """Return `field` at fractional row and column indices (linear between its pixels), as a (rows, columns) array."""
    for axis, positions in enumerate((rows, columns)):
        positions = np.clip(positions, 0, field.shape[axis] - 1)
        lower = np.minimum(positions.astype(int), field.shape[axis] - 2)
        weight = (positions - lower).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(2)])
        field = np.take(field, lower, axis) * (1 - weight) + np.take(field, lower + 1, axis) * weight
    return field


def radial(field, x, y, nipple, stretch, step):
    """Return `field` read in polar coordinates about a point before the nipple: its structures run towards the nipple.

    Parameters
    ----------
    field : numpy.ndarray
        Noise that tiles (its columns run along the radius).
    x, y : numpy.ndarray
        Open grids in mm.
    nipple : tuple of float
        (x, y), mm.
    stretch : float
        How many times longer than wide the structures are.
    step : float
        Pixel size in mm.
    """
    dx, dy = nipple[0] + 14.0 - x, y - nipple[1]
    radius = np.hypot(dx, dy)
    across = np.arctan2(dy, dx) * np.float32(55.0 / step)
    along = radius / (stretch * step)
    return ndimage.map_coordinates(field, [across % field.shape[0], along % field.shape[1]], order=1, mode="grid-wrap")


def strands(noise, width):
    """Return thin bright lines (0 to 1) where `noise` changes sign: the walls between fat lobules."""
    gy, gx = np.gradient(noise)
    distance = np.abs(noise) / (np.hypot(gy, gx) + 0.02)
    return np.exp(-((distance / width) ** 2)).astype(np.float32)


def gland_map(rng, x, y, outline, depth, step, density):
    """Return the share of glandular tissue (0 to 1) of every pixel of the coarse grid.

    Parameters
    ----------
    rng : numpy.random.Generator
    x, y : numpy.ndarray
        Open grids, mm.
    outline : Outline
    depth : numpy.ndarray
        mm inside the skin.
    step : float
        Pixel size of the coarse grid, mm.
    density : {'a', 'b', 'c', 'd'}
    """
    shape, kind = depth.shape, DENSITIES[density]
    dx, dy = outline.nipple[0] - x, y - outline.nipple[1]
    # The gland is a cone: wide at the back, its tip behind the nipple, tilted towards the axilla.
    angle = np.abs(np.arctan2(dy + (0.28 if outline.view == "MLO" else 0.08) * dx, dx + 6.0))
    radius = np.hypot(dx, dy)
    back = x if outline.view == "CC" else -outline.muscle_depth(x, y)
    big = power_noise(rng, shape, 3.2, 10 / step, 70 / step)
    total = np.zeros(shape, np.float32)
    for _ in range(LAYERS):
        own = 0.75 * big + 0.65 * power_noise(rng, shape, 3.2, 8 / step, 50 / step)
        fine = power_noise(rng, shape, 3.4, 1.6 / step, 30 / step)
        along = radial(power_noise(rng, shape, 3.2, 2.0 / step, 30 / step), x, y, outline.nipple, 2.2, step)
        # Subcutaneous fat in front, retromammary fat behind, wavy borders.
        inner = smooth_step(depth + 2.0 * own + 1.5 * fine, kind.rim, 7.0) * smooth_step(
            back + 4.0 * own + 3.0 * fine, kind.back, 14.0
        )
        cone = smooth_step(0.10 * own - angle, -kind.opening, 0.45) * smooth_step(
            7 * own - radius, -0.95 * outline.reach, 18.0
        )
        lobules = kind.level + kind.spread * (0.8 * own + 0.65 * along + 0.55 * fine)
        total += (
            inner
            * (0.9 * cone + 0.1)
            / (1 + np.exp(-2.4 * lobules))
            * np.clip(0.85 + 0.12 * fine + 0.12 * along, 0.3, 1.1)
        )
    # Ducts converge behind the nipple.
    duct = 0.28 * np.exp(-((dy / 8.0) ** 2) - (dx / 24.0) ** 2) * smooth_step(depth, 2.0, 3.0)
    return np.clip(total / LAYERS + duct * (0.7 + 0.25 * along), 0, 1).astype(np.float32)


def ligaments(rng, x, y, outline, depth, step):
    """Return Cooper's ligaments and other thin strands (0 to about 1) on the coarse grid."""
    shape = depth.shape
    web = power_noise(rng, shape, 3.2, 4.5 / step, 26 / step)
    run = radial(power_noise(rng, shape, 2.8, 2.6 / step, 16 / step), x, y, outline.nipple, 3.4, step)
    fade = np.clip(0.5 + 0.55 * power_noise(rng, shape, 3, 3 / step, 30 / step), 0, 1)
    other = np.clip(0.45 + 0.55 * power_noise(rng, shape, 3, 3 / step, 30 / step), 0, 1)
    lines = 0.6 * strands(web, 0.38 / step) * fade + 0.9 * strands(run, 0.42 / step) * other
    soft = ndimage.gaussian_filter(lines, 0.25 / step)
    return (soft * smooth_step(depth, 2.0, 2.5)).astype(np.float32)


def vessels(rng, shape, outline, step, count):
    """Return projected vessels (0 to about 1) that wander from the chest wall towards the nipple."""
    image = np.zeros(shape, np.float32)
    for _ in range(count):
        side = rng.choice((-1.0, 1.0))
        start = np.array([rng.uniform(-2, 10), outline.nipple[1] + side * rng.uniform(0.35, 0.8) * outline.below])
        end = np.array(
            [
                outline.reach * rng.uniform(0.6, 0.85),
                outline.nipple[1] + side * rng.uniform(0.05, 0.35) * outline.below,
            ]
        )
        t = np.linspace(0, 1, int(outline.reach / step * 3))[:, None]
        bend = rng.normal(0, 1, (2, 6)) / (1 + np.arange(6)) * 6.0
        points = start + t * (end - start) + sum(np.sin(np.pi * (k + 1) * t) * bend[:, k] for k in range(6))
        line = np.zeros(shape, np.float32)
        column, row = np.rint(points.T / step).astype(int)
        inside = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
        line[row[inside], column[inside]] = 1
        width = rng.uniform(0.45, 0.8) / step
        line = ndimage.gaussian_filter(line, width) * (2.5 * width)
        image = np.maximum(image, np.minimum(line, 1.0) * rng.uniform(0.5, 1.0))
    return image


def smooth_step(value, edge, width):
    """Return a smooth step from 0 to 1, `width` wide, about `edge`."""
    t = np.clip((value - edge) / width + 0.5, 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)

"""A simple female chest for synthetic DCE exams: who is where, as fields on a voxel grid.

The woman lies prone: the breasts hang towards anterior (−y in LPS), the sternum is at x = 0, her right side at x < 0
(LPS). All lengths are mm; arrays are (z, y, x).
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

TISSUES = ("air", "fat", "gland", "skin", "muscle", "lung", "heart", "vessel", "nipple")
AIR, FAT, GLAND, SKIN, MUSCLE, LUNG, HEART, VESSEL, NIPPLE = range(len(TISSUES))


@dataclass(frozen=True)
class Breast:
    """One breast: half an ellipsoid on the chest wall.

    Parameters
    ----------
    side : {'right', 'left'}
    centre : tuple of float
        (x, y, z) of its base, mm, LPS.
    radii : tuple of float
        Half axes along (x, y, z), mm.
    """

    side: str
    centre: tuple
    radii: tuple

    def inside(self, x, y, z):
        """Return 1 at the centre, 0 on the surface, negative outside (normalised depth)."""
        terms = (((p - c) / r) ** 2 for p, c, r in zip((x, y, z), self.centre, self.radii))
        return 1.0 - np.sqrt(sum(terms))

    @property
    def nipple(self):
        """tuple of float: where the nipple is, mm, LPS."""
        return (self.centre[0], self.centre[1] - self.radii[1], self.centre[2])


def make_breasts(rng, extent):
    """Return the right and the left `Breast` of a chest; its grid is `extent` (x, y, z) mm, centred on x = z = 0."""
    width, depth, height = extent
    wall = -0.5 * depth + 0.68 * depth
    breasts = []
    for side, sign in (("right", -1.0), ("left", 1.0)):
        radii = (width * rng.uniform(0.19, 0.22), depth * rng.uniform(0.52, 0.60), height * rng.uniform(0.44, 0.50))
        breasts.append(Breast(side, (sign * width * rng.uniform(0.235, 0.255), wall, rng.uniform(-3, 3)), radii))
    return tuple(breasts)


def smooth_noise(rng, shape, spacing, length_mm):
    """Return a random field of zero mean and unit standard deviation that varies over about `length_mm`.

    `shape`, `spacing` and the field are in the order z, y, x.
    """
    step = [max(1, int(round(length_mm / 2 / s))) for s in spacing]
    coarse = rng.standard_normal([int(np.ceil(n / k)) + 4 for n, k in zip(shape, step)]).astype(np.float32)
    coarse = ndimage.gaussian_filter(coarse, 1.0)
    axes = [np.arange(n, dtype=np.float32) / k + 1.5 for n, k in zip(shape, step)]
    field = coarse
    for axis, positions in enumerate(axes):
        lower = np.floor(positions).astype(int)
        weight = (positions - lower).reshape([-1 if a == axis else 1 for a in range(3)])
        field = np.take(field, lower, axis) * (1 - weight) + np.take(field, lower + 1, axis) * weight
    return (field - field.mean()) / field.std()


def tissue_map(rng, grid, spacing, breasts, gland_fraction):
    """Return the tissue of every voxel.

    Parameters
    ----------
    rng : numpy.random.Generator
    grid : tuple of numpy.ndarray
        Open coordinate grids (x, y, z), mm, LPS, broadcastable to (z, y, x).
    spacing : tuple of float
        Along (z, y, x), mm.
    breasts : tuple of Breast
    gland_fraction : float
        Share of the breast that is fibroglandular tissue (0 fatty … 0.6 dense).

    Returns
    -------
    tissue : numpy.ndarray of uint8
        Index into `TISSUES`.
    depth : numpy.ndarray of float32
        Normalised depth in the breasts (1 centre, 0 skin surface).
    """
    x, y, z = grid
    shape = np.broadcast_shapes(x.shape, y.shape, z.shape)
    tissue = np.full(shape, AIR, np.uint8)
    wall = breasts[0].centre[1]
    chest = np.broadcast_to(y > wall - 4 + 5 * np.cos(x / 25), shape)
    tissue[chest] = FAT
    tissue[np.broadcast_to(y > wall + 3 + 3 * np.cos(x / 30), shape)] = MUSCLE
    depth = np.maximum(*(breast.inside(x, y, z) for breast in breasts)).astype(np.float32)
    tissue[(depth > 0) & ~(tissue == MUSCLE)] = FAT
    _place_gland(rng, tissue, depth, grid, spacing, breasts, gland_fraction)
    body = tissue != AIR
    thickness = [max(1, int(round(1.8 / s))) for s in spacing[1:]]
    rim = body & ~ndimage.binary_erosion(
        body, np.ones((1, 2 * thickness[0] + 1, 2 * thickness[1] + 1), bool), border_value=1
    )
    tissue[rim] = SKIN
    for breast in breasts:
        near = sum((p - c) ** 2 for p, c in zip(grid, breast.nipple)) < rng.uniform(3.5, 5.0) ** 2
        tissue[near & body] = NIPPLE
    _place_thorax(tissue, grid, wall)
    return tissue, depth


def _place_gland(rng, tissue, depth, grid, spacing, breasts, fraction):
    """Fibroglandular tissue: a ragged cone from the chest wall to the nipple."""
    texture = smooth_noise(rng, tissue.shape, spacing, 9) + 0.6 * smooth_noise(rng, tissue.shape, spacing, 4)
    for breast in breasts:
        x, y, z = grid
        along = np.clip((breast.centre[1] - y) / breast.radii[1], 0, 1)
        across = np.sqrt(
            ((x - breast.centre[0]) / breast.radii[0]) ** 2 + ((z - breast.centre[2]) / breast.radii[2]) ** 2
        )
        score = 0.42 * texture - 2.4 * across + 1.1 * (1 - 0.5 * along)
        candidates = (
            (tissue == FAT) & (depth > 0.10) & np.broadcast_to(np.sign(x) == np.sign(breast.centre[0]), tissue.shape)
        )
        if candidates.any():
            limit = np.quantile(score[candidates], 1 - fraction)
            tissue[candidates & (score > limit)] = GLAND


def _place_thorax(tissue, grid, wall):
    x, y, z = grid
    lung = ((np.abs(x) - 42) / 38) ** 2 + ((y - wall - 42) / 26) ** 2 < 1
    tissue[np.broadcast_to(lung, tissue.shape) & (tissue == MUSCLE)] = LUNG
    heart = ((x - 16) / 30) ** 2 + ((y - wall - 33) / 17) ** 2 + (z / 34) ** 2 < 1
    tissue[heart & np.isin(tissue, (MUSCLE, LUNG))] = HEART


def vessel_distance(rng, shape, grid, breast):
    """Return the distance (mm) of every voxel to a random vessel that runs from the chest wall towards the nipple."""
    start = np.array(
        [
            breast.centre[0] + breast.radii[0] * rng.uniform(-0.6, 0.6),
            breast.centre[1],
            breast.centre[2] + breast.radii[2] * rng.uniform(-0.6, 0.6),
        ]
    )
    end = np.array(
        [
            breast.centre[0] + breast.radii[0] * rng.uniform(-0.35, 0.35),
            breast.centre[1] - breast.radii[1] * rng.uniform(0.55, 0.8),
            breast.centre[2] + breast.radii[2] * rng.uniform(-0.35, 0.35),
        ]
    )
    t = np.linspace(0, 1, 60)[:, None]
    bend = rng.uniform(-9, 9, (3, 3))
    points = start + t * (end - start) + sum(np.sin(np.pi * (k + 1) * t) * bend[k] / (k + 1) for k in range(3))
    distance = np.full(shape, 1e3, np.float32)
    x, y, z = (np.ravel(axis) for axis in grid)
    for point in points:  # only the voxels near each point: a vessel touches few of them
        window = tuple(_near(axis, centre, 5.0) for axis, centre in zip((z, y, x), point[::-1]))
        if all(part.stop > part.start for part in window):
            local = np.sqrt(
                (z[window[0], None, None] - point[2]) ** 2
                + (y[None, window[1], None] - point[1]) ** 2
                + (x[None, None, window[2]] - point[0]) ** 2
            )
            np.minimum(distance[window], local, out=distance[window])
    return distance


def _near(axis, centre, reach):
    inside = np.flatnonzero(np.abs(axis - centre) <= reach)
    return slice(int(inside[0]), int(inside[-1]) + 1) if inside.size else slice(0, 0)

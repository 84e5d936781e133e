"""A compressed breast as rays see it: its tissue, and the tones or counts that it makes."""

import numpy as np
from scipy import ndimage

from . import breast_texture as texture
from .breast_outline import draw_outline, thickness

COARSE_MM = 0.28  # the anatomy is made on this grid, however fine the image is
FAT_PER_MM, GLAND_PER_MM = 0.045, 0.075  # attenuation at the energies of mammography


class Breast:
    """A left breast: coarse fields of its tissue, and the finished image's grid.

    Parameters
    ----------
    rng : numpy.random.Generator
    view : {'CC', 'MLO'}
    size : tuple of int
        Rows and columns of the finished image.
    spacing : float
        Its pixel size, mm.
    density : {'a', 'b', 'c', 'd'}

    Attributes
    ----------
    f : numpy.ndarray
        Coarse; tissue between fat (0) and gland (1), projected.
    depth : numpy.ndarray
        Coarse; mm inside the skin.
    extra : numpy.ndarray
        Full size; what the mass adds to `f`.
    """

    def __init__(self, rng, view, size, spacing, density):
        height, width = size[0] * spacing, size[1] * spacing
        self.size, self.spacing = size, spacing
        self.outline = draw_outline(rng, view, height, width)
        self.compressed = float(rng.uniform(42, 66)) * (0.9 if density == "d" else 1.0)
        self.step = max(COARSE_MM, spacing)
        rows, columns = (int(np.ceil(n / self.step)) for n in (height, width))
        self.coarse = axes((rows, columns), self.step)
        inside = self.outline.breast(*self.coarse)
        self.depth = ndimage.distance_transform_edt(inside).astype(np.float32) * self.step
        gland = texture.gland_map(rng, *self.coarse, self.outline, self.depth, self.step, density)
        self.gland = gland
        self.lines = texture.ligaments(rng, *self.coarse, self.outline, self.depth, self.step)
        tubes = texture.vessels(rng, self.depth.shape, self.outline, self.step, int(rng.integers(2, 5)))
        cloud = texture.power_noise(rng, self.depth.shape, 3.0, 1.0 / self.step, 40 / self.step)
        muscle = self.outline.muscle_depth(*self.coarse).astype(np.float32)
        free = (self.depth > 0) & (muscle < 0)
        self.gland_share = float(gland[free].mean())
        within = 1 - 0.75 * gland  # lines and vessels drown in dense tissue
        tissue = 0.06 + 0.90 * gland + within * (0.15 * self.lines + 0.17 * tubes) + 0.035 * cloud
        self.f = _with_muscle(rng, tissue, muscle, cloud, self.step)
        self.full = axes(size, spacing)
        self.mask = self.outline.breast(*self.full)
        self.muscle = self.outline.muscle_depth(*self.full)
        self.extra = np.zeros(size, np.float32)

    def enlarged(self, field):
        """Return a coarse field on the finished image's grid (linear between coarse pixels)."""
        x, y = (axis.ravel() / self.step - 0.5 for axis in self.full)
        return texture.interpolate(field, y, x)

    def projected(self, rng):
        """Return relative thickness, tissue and skin at full size."""
        depth = self.enlarged(self.depth)
        f = self.enlarged(self.f) + self.extra
        # Structure finer than the coarse grid.
        f += 0.022 * texture.power_noise(rng, self.size, 1.6, 0.22 / self.spacing, 2.2 / self.spacing)
        skin = np.exp(-(((depth - 0.9) / 0.75) ** 2)) * self.mask
        return thickness(depth, self.compressed) * self.mask, f, skin.astype(np.float32)

    def presented(self, rng):
        """Return the image made for reading: 0 black to 1 white, the thin rim lightened as all vendors do."""
        thick, f, skin = self.projected(rng)
        tone = 0.23 * thick**0.55 + 0.55 * f * thick**0.8 + 0.085 * skin
        # Soft shoulder: dense tissue and muscle do not burn out.
        tone = np.where(tone > 0.6, 0.6 + 0.36 * np.tanh((tone - 0.6) / 0.36), tone)
        grain = 0.011 * np.exp(0.75 * np.clip(f, 0, 1.4) * thick)
        tone = np.where(self.mask, 0.035 + tone, 0.012)
        noise = ndimage.gaussian_filter(rng.standard_normal(self.size, dtype=np.float32), 0.55) * 1.9
        return (tone + noise * np.where(self.mask, grain, 0.002)).astype(np.float32)

    def counted(self, rng):
        """Return the detector's counts turned round (1 minus their share of full scale): bright is dense."""
        thick, f, skin = self.projected(rng)
        absorbed = self.compressed * thick * (FAT_PER_MM + (GLAND_PER_MM - FAT_PER_MM) * f) + 0.12 * skin
        counts = 0.86 * (0.93 * np.exp(-absorbed) + 0.004 * thick)
        electrons = 6000.0
        noise = ndimage.gaussian_filter(rng.standard_normal(self.size, dtype=np.float32), 0.45) * 1.6
        counts = counts + noise * np.sqrt(np.maximum(counts, 0) / electrons)
        return (1 - np.clip(counts, 0, 1)).astype(np.float32)


def axes(size, spacing):
    """Return open grids x and y, mm, of pixel centres."""
    rows, columns = size
    x = ((np.arange(columns, dtype=np.float32) + 0.5) * spacing)[None]
    return x, ((np.arange(rows, dtype=np.float32) + 0.5) * spacing)[:, None]


def _with_muscle(rng, tissue, muscle, cloud, step):
    """Lay the pectoral muscle over the tissue: dense, denser away from its edge, with fibres along the edge."""
    cover = np.clip(muscle / 1.6 + 0.5, 0, 1)
    if not cover.any():
        return tissue
    fibres = ndimage.gaussian_filter1d(
        texture.power_noise(rng, tissue.shape, 2.4, 2 / step, 24 / step), 14 / step, axis=0
    )
    level = (
        0.50
        + 0.36 * (1 - np.exp(-np.clip(muscle, 0, None) / 16.0))
        + 0.03 * fibres / max(float(fibres.std()), 1e-6)
        + 0.03 * cloud
    )
    return tissue * (1 - cover) + (level + 0.18 * tissue) * cover

"""The outline of a compressed breast in a mammogram: skin, nipple and pectoral muscle as curves in millimetres.

All curves are those of a left breast: x is the distance from the chest wall (the image's left edge), y runs down.
CC: lateral is up. MLO: the axilla is up. Right breasts are mirrored at the very end, when the image is finished.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Outline:
    """A breast's curves, mm.

    Parameters
    ----------
    view : {'CC', 'MLO'}
    height, width : float
        Size of the exposed field.
    nipple : tuple of float
        (x, y) of the tip.
    reach : float
        x of the skin behind the nipple.
    above, below : float
        Extent of the breast above and below the nipple.
    power : tuple of float
        Roundness above and below (2 is an ellipse).
    top : float
        MLO: x of the skin at the image's upper edge.
    fold : float
        MLO: y of the inframammary fold.
    muscle : tuple of float
        MLO: x of the pectoral muscle's edge at the top, and y where it meets the chest wall.
    wobble : tuple of float
        Amplitudes and phases that keep the outline from being a formula.
    """

    view: str
    height: float
    width: float
    nipple: tuple
    reach: float
    above: float
    below: float
    power: tuple
    top: float
    fold: float
    muscle: tuple
    wobble: tuple

    def skin(self, y):
        """Return x of the skin at heights `y` (negative where there is no breast), without the nipple."""
        y = np.asarray(y, float)
        u = (y - self.nipple[1]) / np.where(y < self.nipple[1], self.above, self.below)
        lobe = self._lobe(np.abs(u), y < self.nipple[1])
        if self.view == "MLO":
            upper = self.top + (self.reach - self.top) * np.clip(1 - np.abs(u) ** self.power[0], 0, None) ** 0.9
            lobe = np.where(y < self.nipple[1], upper, lobe)
            # Below the fold the upper abdomen comes into view.
            belly = 0.06 * self.reach + 0.16 * np.clip(y - self.fold, -60, 40)
            lobe = _smooth_max(lobe, belly, 4.0)
        a, b, first, second = self.wobble
        return lobe + (a * np.sin(2 * np.pi * y / 61.0 + first) + b * np.sin(2 * np.pi * y / 27.0 + second)) * (
            lobe > 8
        )

    def _lobe(self, u, upper):
        chest = 7.0  # the breast goes on behind the edge of the detector
        power = np.where(upper, self.power[0], self.power[1])
        depth = np.clip(1 - u**power, 0, None) ** (1 / 2.05)
        return (self.reach + chest) * depth - chest - 25.0 * np.clip(u - 1, 0, None)

    def breast(self, x, y):
        """Return where the breast is (boolean), for open grids x and y in mm; the nipple is part of it."""
        bump = 3.6 * np.exp(-(np.abs((y - self.nipple[1]) / 4.2) ** 2.6))
        return x < self.skin(y) + bump

    def muscle_depth(self, x, y):
        """Return mm inside the pectoral muscle's edge (negative outside); the CC view has none."""
        if self.view == "CC":
            return np.full(np.broadcast_shapes(np.shape(x), np.shape(y)), -1e3)
        top, bottom = self.muscle
        t = np.clip(y / bottom, 0, 1.5)
        edge = top * (1 - t) + 0.11 * top * np.sin(np.pi * np.clip(t, 0, 1))  # slightly convex, as it should be
        slant = np.hypot(1.0, top / bottom)
        return (edge - x) / slant


def draw_outline(rng, view, height, width):
    """Return a random `Outline` for a field of `height` × `width` mm."""
    reach = width * rng.uniform(0.44, 0.64)
    if view == "CC":
        half = height * rng.uniform(0.33, 0.42)
        skew = rng.uniform(0.97, 1.12)  # a little fuller laterally
        y = height * rng.uniform(0.47, 0.52)
        above, below = min(half * skew, y - 4), min(half / skew, height - y - 4)
        power = (rng.uniform(1.95, 2.25), rng.uniform(2.0, 2.35))
        muscle, top, fold = (0.0, 1.0), 0.0, height
    else:
        y = height * rng.uniform(0.56, 0.63)
        fold = height * rng.uniform(0.88, 0.97)
        above, below = y * rng.uniform(1.0, 1.08), fold - y + 4.0
        power = (rng.uniform(1.7, 2.0), rng.uniform(2.0, 2.3))
        top = reach * rng.uniform(0.50, 0.66)
        muscle = (min(reach * rng.uniform(0.36, 0.52), 0.82 * top), height * rng.uniform(0.45, 0.62))
    wobble = (rng.uniform(0.2, 0.8), rng.uniform(0.05, 0.25), *rng.uniform(0, 2 * np.pi, 2))
    nipple = (reach + 3.6, y)
    return Outline(view, height, width, nipple, reach, above, below, power, top, fold, muscle, wobble)


def thickness(depth, compressed):
    """Return the relative thickness (0 to 1) of a compressed breast `depth` mm inside the skin: round edges."""
    radius = 0.42 * compressed
    near = np.clip(depth / radius, 0, 1)
    return np.sqrt(1 - (1 - near) ** 2)


def _smooth_max(a, b, softness):
    return np.logaddexp(a / softness, b / softness) * softness

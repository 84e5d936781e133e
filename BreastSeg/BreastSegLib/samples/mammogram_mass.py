"""Masses of synthetic mammograms: a closed curve of known area, its projected thickness, and spicules."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

SHAPES = ("round", "oval", "lobulated", "spiculated")


@dataclass(frozen=True)
class MammogramMass:
    """One mass as it was made.

    Parameters
    ----------
    shape : {'round', 'oval', 'lobulated', 'spiculated'}
    diameter_mm : float
        Diameter of the circle of equal area; the area inside the curve is exactly π/4 of its square.
        Spicules are not part of it.
    centre : tuple of float
        (row, column) in pixels of the finished image.
    """

    shape: str
    diameter_mm: float
    centre: tuple


class Contour:
    """A closed curve r(θ), mm, that encloses the area of a circle of `diameter`.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : str
        One of `SHAPES`.
    diameter : float
        mm.
    """

    def __init__(self, rng, shape, diameter):
        self.theta = np.linspace(0, 2 * np.pi, 721)
        aspect = {"round": rng.uniform(1.0, 1.1), "oval": rng.uniform(1.25, 1.6)}.get(shape, rng.uniform(1.05, 1.3))
        turn = rng.uniform(0, np.pi)
        r = 1 / np.sqrt(
            (np.cos(self.theta - turn) * np.sqrt(aspect)) ** 2 + (np.sin(self.theta - turn) / np.sqrt(aspect)) ** 2
        )
        if shape == "lobulated":
            r *= (
                1
                + rng.uniform(0.08, 0.14)
                * np.abs(np.sin(rng.integers(3, 5) / 2 * self.theta + rng.uniform(0, np.pi)))
                * 2
                - 0.1
            )
        rough = {"spiculated": 0.055, "lobulated": 0.015}.get(shape, 0.012)
        for k in range(3, 12):
            r *= 1 + rough * rng.normal() * np.cos(k * self.theta + rng.uniform(0, 2 * np.pi)) * (3 / k) ** 0.7
        # A half wave number would leave a step where the curve closes.
        r = ndimage.gaussian_filter1d(r[:-1], 5, mode="wrap")
        r = np.append(r, r[0])
        area = 0.5 * np.sum((r[1:] ** 2 + r[:-1] ** 2) / 2) * (self.theta[1] - self.theta[0])
        self.radius = r * diameter / 2 * np.sqrt(np.pi / area)
        self.reach = float(self.radius.max())

    def relative(self, x, y):
        """Return distance from the centre over r(θ): below 1 inside. Grids x and y in mm from the centre."""
        return np.hypot(x, y) / np.interp(np.arctan2(y, x) % (2 * np.pi), self.theta, self.radius)


def chord(relative, diameter, softness, step):
    """Return the thickness in mm that a ray passes inside the mass, with a margin soft over `softness` mm."""
    thick = 0.85 * diameter * np.sqrt(np.clip(1 - relative**2, 0, None))
    # A real mass has a fuller edge than an ellipsoid: the chord of a sphere alone looks like a cloud.
    thick = np.where(relative < 1, 0.35 * diameter + 0.65 * thick, 0)
    return ndimage.gaussian_filter(thick.astype(np.float32), softness / step)


def spicules(rng, shape, step, contour, centre):
    """Return thin lines (0 to 1) that radiate from a mass at `centre` (row, column) of a patch of `shape` pixels."""
    image = np.zeros(shape, np.float32)
    for angle in np.sort(rng.uniform(0, 2 * np.pi, rng.integers(16, 28))):
        begin = 0.75 * np.interp(angle, contour.theta, contour.radius)
        length = contour.reach * rng.uniform(0.5, 1.5)
        t = np.linspace(0, 1, int(4 * length / step) + 2)
        r = begin + t * length
        a = angle + rng.normal(0, 0.10) * t + rng.normal(0, 0.05) * np.sin(np.pi * t)
        row = np.rint(centre[0] + r * np.sin(a) / step).astype(int)
        column = np.rint(centre[1] + r * np.cos(a) / step).astype(int)
        inside = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
        strength = (rng.uniform(0.5, 1.0) * (1 - t) ** 0.8).astype(np.float32)
        np.maximum.at(image, (row[inside], column[inside]), strength[inside])
    wide = max(0.20 / step, 0.6)
    return np.minimum(ndimage.gaussian_filter(image, wide) * 2.4 * wide, 1.0)

"""Sample exams with known noise, blur, motion, bias field, cuts and artefacts, which quality measures have to rank.

Each function takes a clean exam, a level and a random generator, and returns the exam made worse and the truth that
the measure has to rank by.
"""

from functools import lru_cache

import numpy as np
from BreastSegLib.exam.dce import DceExam
from BreastSegLib.samples.anatomy import AIR
from BreastSegLib.samples.dce import make_dce_exam
from BreastSegLib.volume import Geometry, Volume
from scipy import ndimage

NOISE = 9.0
# Shape (z, y, x) and spacing (x, y, z): all about 190 × 115 × 80 mm.
SIZES = (
    ((40, 96, 160), (1.2, 1.2, 2.0)),
    ((56, 128, 212), (0.9, 0.9, 1.43)),
    ((27, 72, 120), (1.6, 1.6, 3.0)),
)


@lru_cache(8)
def clean(seed, size=0, posts=1):
    """Return a sample exam without noise, motion and bias field."""
    shape, spacing = SIZES[size]
    return make_dce_exam(seed, shape=shape, spacing=spacing, posts=posts, noise=0, motion_mm=0, bias=0)


def with_arrays(exam, arrays):
    """Return the exam with other voxels."""
    volumes = [Volume(np.asarray(array, np.float32), v.geometry) for array, v in zip(arrays, exam.volumes)]
    return DceExam(exam.phases, tuple(volumes), exam.notes, exam.spacing_known)


def noisy(exam, sigma, rng):
    """Add Rician noise; the truth is how small it is."""
    arrays = []
    for volume in exam.volumes:
        real = volume.array + rng.normal(0, sigma, volume.array.shape)
        arrays.append(np.hypot(real, rng.normal(0, sigma, volume.array.shape)))
    return with_arrays(exam, arrays), -sigma


def blurred(exam, millimetres, rng):
    """Smooth all phases by a Gaussian; then comes noise."""
    spacing = np.array(exam.geometry.spacing[::-1])
    arrays = [ndimage.gaussian_filter(v.array, millimetres / spacing) for v in exam.volumes]
    return noisy(with_arrays(exam, arrays), NOISE, rng)[0], millimetres


def moved(exam, millimetres, rng):
    """Move the first phase in a random direction; then comes noise."""
    shift = rng.normal(size=3)
    shift *= millimetres / np.linalg.norm(shift) / np.array(exam.geometry.spacing[::-1])
    arrays = [v.array for v in exam.volumes]
    arrays[0] = ndimage.shift(arrays[0], shift, order=1, mode="nearest")
    return noisy(with_arrays(exam, arrays), NOISE, rng)[0], millimetres


def shaded(exam, strength, rng):
    """Multiply by a smooth field; the truth is its coefficient of variation in the body before the chest wall."""
    size = [n * s for n, s in zip(exam.geometry.shape, exam.geometry.spacing[::-1])]
    z, y, x = np.meshgrid(*[(np.arange(n) + 0.5) / n - 0.5 for n in exam.geometry.shape], indexing="ij")
    way = rng.normal(size=3)
    way /= np.linalg.norm(way)
    along = sum(w * c * s / 90 for w, c, s in zip(way, (z, y, x), size))
    field = np.exp(strength * (along + 0.5 * (y * size[1] / 90 - 0.3) ** 2))
    body = exam.volumes[0].array > 100
    body[:, int(0.68 * body.shape[1]) :] = False
    result = noisy(with_arrays(exam, [v.array * field for v in exam.volumes]), NOISE, rng)[0]
    return result, float(field[body].std() / field[body].mean())


def cropped(exam, cut):
    """Return the exam without `cut`: three slices (z, y, x)."""
    first = np.array([part.indices(n)[0] for part, n in zip(cut, exam.geometry.shape)])
    origin = (exam.geometry.ijk_to_lps @ np.append(first[::-1], 1.0))[:3]
    volumes = []
    for volume in exam.volumes:
        array = np.ascontiguousarray(volume.array[cut])
        geometry = Geometry(array.shape, volume.geometry.spacing, origin, volume.geometry.direction)
        volumes.append(Volume(array, geometry))
    return DceExam(exam.phases, tuple(volumes), exam.notes, exam.spacing_known)


def cut_off(sample, share, axis, rng):
    """Cut a share of the image off along an axis; the truth is the part of the breasts that is left."""
    upper = rng.random() < 0.5
    exam = noisy(sample.exam, NOISE, rng)[0]
    shape = exam.geometry.shape
    count = int(share * shape[axis])
    cut = [slice(None)] * 3
    if axis == 2:  # half on each side
        cut[2] = slice(count // 2, shape[2] - count // 2)
    else:
        cut[axis] = slice(count, None) if axis == 1 or upper else slice(0, shape[0] - count)
    breast = sample.tissue.array != AIR
    breast[:, int(0.62 * shape[1]) :] = False
    return cropped(exam, tuple(cut)), float(breast[tuple(cut)].sum() / breast.sum())


def spoilt(exam, level, kind, rng):
    """Spoil the last phase: a ghost along the columns, stripes, blank or repeated slices, values cut off."""
    shift = rng.uniform(0.3, 0.6)
    exam = noisy(exam, NOISE, rng)[0]
    array = exam.volumes[-1].array.copy()
    if kind == "ghost":
        array += level * np.roll(array, int(array.shape[1] * shift), axis=1)
    elif kind == "stripes":
        y, x = np.indices(array.shape[1:])
        for plane in array:
            rows, columns = (rng.integers(12, n // 2 - 2) for n in plane.shape)
            plane += level * 200 * np.cos(2 * np.pi * (rows * y / plane.shape[0] + columns * x / plane.shape[1]))
    elif kind == "blank":
        array[rng.choice(len(array), round(level * len(array)), replace=False)] = 0
    elif kind == "repeated":
        for k in sorted(1 + rng.choice(len(array) - 1, round(level * len(array)), replace=False)):
            array[k] = array[k - 1]
    elif kind == "clipped" and level:
        array = np.minimum(array, np.quantile(array[array > 100], 1 - level))
    return with_arrays(exam, [*(v.array for v in exam.volumes[:-1]), array]), level


ARTEFACTS = {
    "ghost": (0, 0.03, 0.06, 0.1, 0.2),
    "stripes": (0, 0.1, 0.2, 0.4, 0.8),
    "blank": (0, 0.05, 0.1, 0.2, 0.3),
    "repeated": (0, 0.05, 0.1, 0.2, 0.3),
    "clipped": (0, 0.02, 0.05, 0.1, 0.2),
}
LEVELS = {
    "snr": (2, 4, 8, 16, 32),
    "cnr": (2, 4, 8, 16, 32),
    "sharpness_mm": (0, 0.5, 1, 1.5, 2.5),
    "motion_mm": (0, 0.7, 1.5, 3, 6),
    "bias": (0, 0.15, 0.3, 0.45, 0.6),
    "coverage": (0, 0.1, 0.2, 0.3, 0.4, 0.5),
}
MAKERS = {"snr": noisy, "cnr": noisy, "sharpness_mm": blurred, "motion_mm": moved, "bias": shaded}


def worse(column, seed, size, kind=""):
    """Yield exams made worse step by step, the truth of each, and the lesion mask (None where it does not fit).

    Parameters
    ----------
    column : str
        Quality measure.
    seed, size : int
        Of the anatomy; place in `SIZES`.
    kind : str
        Of ``artefact``: one of `ARTEFACTS`. Of ``coverage``: the axis, ``0``, ``1`` or ``2``.
    """
    sample = clean(seed, size)
    for level in ARTEFACTS[kind] if column == "artefact" else LEVELS[column]:
        rng = np.random.default_rng(seed)  # directions are the same at all levels and sizes
        if column == "coverage":
            yield (*cut_off(sample, level * (0.7 if kind == "1" else 1), int(kind), rng), None)
        elif column == "artefact":
            yield (*spoilt(sample.exam, level, kind, rng), sample.truth.array)
        else:
            yield (*MAKERS[column](sample.exam, level, rng), sample.truth.array)

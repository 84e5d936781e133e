"""Exams, lesions and records for the tests of recipes."""

import numpy as np
from BreastSegLib.exam.dce import DceExam, Phase
from BreastSegLib.exam.mammograms import MammographyExam, View, Window
from BreastSegLib.files import read_json
from BreastSegLib.recipe.grid import target_geometry
from BreastSegLib.recipe.recipe import FOLDER, parse_recipe
from BreastSegLib.volume import Geometry, Volume

NAME = "phase-aware-0000-0002"
TIMES = (None, 0.0, 90.0, 180.0)


def make_exam(geometry=None, times=TIMES, seed=0, pre=True):
    """Return an exam with a pre-contrast phase (unless `pre` is false) and a post-contrast phase per further time."""
    geometry = geometry or Geometry((8, 9, 10), (1.0, 1.2, 2.0))
    rng = np.random.default_rng(seed)
    phases = [Phase("pre", 0, times[0])] * pre + [Phase("post", n, time) for n, time in enumerate(times[1:], 1)]
    volumes = [Volume(rng.gamma(2, 100, geometry.shape).astype(np.float32), geometry) for _ in phases]
    return DceExam(tuple(phases), tuple(volumes))


def shipped(name=NAME):
    """Return the JSON object of a shipped recipe."""
    return read_json(FOLDER / f"{name}.json")


def with_grid(**changes):
    """Return the phase-aware recipe with another grid."""
    base = {"spacing": [1.0, 1.0, 1.0], "orientation": "axial", "interpolation": "linear"}
    return parse_recipe({**shipped(), "grid": {**base, **changes}})


def mammography_recipe(*steps):
    """Return a mammography recipe of steps given as names or as objects."""
    rows = [{"step": step} if isinstance(step, str) else step for step in steps]
    return parse_recipe({**shipped("inbreast-ffdm"), "name": "mine", "steps": rows})


def record_of(geometry, spacing=(1.0, 1.0, 1.0), orientation="axial"):
    """Return the record of resampling alone, without preparing pixels."""
    target = target_geometry(geometry, spacing, orientation)
    return {
        "format": "breastseg-record-1",
        "exam_geometry": geometry.to_json(),
        "prepared_geometry": target.to_json(),
        "undo": [{"op": "resample", "from": geometry.to_json(), "to": target.to_json()}],
    }


def places(geometry):
    """Return the LPS place of every voxel, (z, y, x, 3), mm."""
    k, j, i = np.indices(geometry.shape)
    return (np.stack([i, j, k, np.ones_like(i)], -1) @ geometry.ijk_to_lps.T)[..., :3]


def ball(geometry, centre, radius):
    """Return the mask of the voxels within `radius` mm of `centre` (LPS)."""
    distance = np.linalg.norm(places(geometry) - centre, axis=-1)
    return Volume((distance <= radius).astype(np.uint8), geometry)


def dice(a, b):
    """Return the Dice coefficient of two masks."""
    return 2 * np.logical_and(a, b).sum() / (np.count_nonzero(a) + np.count_nonzero(b))


def lps_centre(volume):
    """Return the mean place of a mask in the patient, by SimpleITK alone."""
    image = volume.to_sitk()
    rows = [image.TransformIndexToPhysicalPoint([int(v) for v in zyx[::-1]]) for zyx in np.argwhere(volume.array)]
    return np.array(rows).mean(0)


def picture(shape=(60, 50), side="L", seed=0):
    """Return (y, x) float32: a breast, bright on dark, at the left edge of the image (right edge for side R)."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    inside = ((y - shape[0] / 2) / (0.42 * shape[0])) ** 2 + (x / (0.7 * shape[1])) ** 2 <= 1
    image = np.where(inside, 1500 + 400 * np.sin(x / 5) * np.cos(y / 7), 20) + rng.normal(0, 12, shape)
    image = image.astype(np.float32)
    return image if side == "L" else np.ascontiguousarray(image[:, ::-1])


def mammograms(*images, sides="L", spacing=(0.1, 0.1), origin=(0.0, 0.0, 0.0), **more):
    """Return an exam with one CC view for each image; the side of each is a letter of `sides`."""
    views, volumes = [], []
    window = Window("default", "LINEAR", 4000.0, 8000.0)
    size = spacing or (1.0, 1.0)
    for number, (image, side) in enumerate(zip(images, sides), 1):
        options = {"windows": (window,), "polarity": "MONOCHROME2", "evidence": "tag", **more}
        views.append(View(side.strip(), "CC", spacing=spacing, number=number, **options))
        volumes.append(Volume(image[None], Geometry((1, *image.shape), (*size, 1.0), origin)))
    return MammographyExam(views, volumes)

"""Random and odd pairs of masks for the tests of the evaluation, and an independent, slow way to measure them."""

import itertools
import math

import numpy as np
import SimpleITK as sitk
from hypothesis import strategies as st


def random_pairs(count, seed=0, empty=False):
    """Yield (name, truth, prediction, spacing) of small masks: 2D, 3D, anisotropic, thin, dense, touching the edge."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        axes = 2 + index % 2
        shape = tuple(int(n) for n in rng.integers(1, 9, axes))
        spacing = tuple(float(v) for v in rng.uniform(0.2, 3, axes)) if index % 3 else (1.0,) * axes
        truth, prediction = (rng.random(shape) < rng.choice((0.03, 0.2, 0.5, 0.9)) for _ in range(2))
        if empty or (truth.any() and prediction.any()):
            yield f"{index}: {shape}", truth, prediction, spacing


def odd_pairs():
    """Yield (name, truth, prediction, spacing) of masks at the limits."""
    full, dot = np.ones((3, 4, 5), bool), np.zeros((3, 4, 5), bool)
    dot[0, 0, 0] = True
    far = np.roll(dot, (-1, -1, -1), (0, 1, 2))
    yield "one voxel each, in corners", dot, far, (3.0, 0.5, 0.7)
    yield "the same voxel", dot, dot, (1.0, 1.0, 1.0)
    yield "one voxel in a full image", dot, full, (2.0, 1.0, 1.0)
    yield "both full", full, full, (1.0, 1.0, 1.0)
    yield "one row", np.ones((1, 7), bool), np.eye(1, 7, 2) > 0, (1.0, 2.0)
    z, y, x = np.ogrid[:20, :20, :20]
    away = np.sqrt((z - 10) ** 2 + (y - 9) ** 2 + (x - 9) ** 2)
    yield "a ball in a shell", away < 3, (away < 9) & (away > 7), (1.0, 0.8, 1.2)
    yield "half of the image", np.broadcast_to(z > 9, (20,) * 3), np.broadcast_to(x > 9, (20,) * 3), (2.5, 1.0, 1.0)


@st.composite
def masks(draw):
    """Draw (truth, prediction, spacing): two small masks, empty ones too."""
    axes = draw(st.sampled_from((2, 3)))
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=axes, max_size=axes)))
    bits = st.lists(st.booleans(), min_size=math.prod(shape), max_size=math.prod(shape))
    truth, prediction = (np.array(draw(bits)).reshape(shape) for _ in range(2))
    spacing = tuple(draw(st.lists(st.floats(0.1, 10), min_size=axes, max_size=axes)))
    return truth, prediction, spacing


def slow_surface(mask, edge_is_surface=True):
    """Return the indices of surface voxels by looking at each neighbour of each voxel."""
    found = []
    for place in itertools.product(*map(range, mask.shape)):
        if not mask[place]:
            continue
        for axis, step in itertools.product(range(mask.ndim), (-1, 1)):
            other = list(place)
            other[axis] += step
            inside = 0 <= other[axis] < mask.shape[axis]
            if (inside and not mask[tuple(other)]) or (not inside and edge_is_surface):
                found.append(place)
                break
    return np.array(found, float).reshape(-1, mask.ndim)


def slow_distances(start, target):
    """Return how far each point of `start` is from the nearest one of `target`: all pairs, O(n²)."""
    return np.sqrt(((start[:, None] - target[None]) ** 2).sum(axis=2)).min(axis=1)


def challenge_norm_hd(truth, prediction):
    """Return NormHD as M6 defines it, by SimpleITK's contours and all pairs of their voxels."""
    points = [np.argwhere(sitk.GetArrayFromImage(sitk.LabelContour(image_of(m))) > 0) for m in (truth, prediction)]
    if not len(points[0]) or not len(points[1]):
        return 0.0 if len(points[0]) == len(points[1]) else 1.0
    both = slow_distances(points[0], points[1]), slow_distances(points[1], points[0])
    return max(np.percentile(part, 95) for part in both) / 150


def image_of(mask, spacing=None):
    """Return a mask as a SimpleITK image; the spacing is along the array's axes."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(mask, np.uint8))
    image.SetSpacing((spacing or (1.0,) * mask.ndim)[::-1])
    return image


def write(path, mask, spacing=None):
    """Write a mask as an image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image_of(mask, spacing), str(path), path.name.endswith(".gz"))
    return path

"""Which part of an exam its pictures show: the body, the breasts, and grey values to show them with."""

import numpy as np
from scipy import ndimage

BILATERAL_MARGIN_MM = 20.0  # as in measures.side: the field of view then spans both breasts
DEPTH_MM = 100.0  # from the front of the breast backwards: the breast and the wall behind it
BEHIND_MM = 20.0  # behind the lesion, and on its other sides
RIM_MM = 6.0
COARSE_MM = 3.0
WINDOW = (1.0, 99.7)  # percentiles of what is shown


class Framing:
    """The body and the breasts in a DCE exam.

    Parameters
    ----------
    volume : Volume
        The reference phase.
    """

    def __init__(self, volume):
        self.volume, self.geometry = volume, volume.geometry
        spacing = self.geometry.spacing[::-1]
        self._steps = tuple(max(1, min(round(COARSE_MM / s), n // 8)) for s, n in zip(spacing, self.geometry.shape))
        coarse = np.asarray(volume.array[tuple(slice(None, None, step) for step in self._steps)], np.float32)
        self.air_level = air_level(coarse)
        self.body = _largest(coarse > self.air_level)

    def body_box(self):
        """Return the box of the body: (3, 2) voxels along (x, y, z), first and behind the last; all without a body."""
        return self._box_of(self.body)

    def breast_box(self, focus=None, both=False):
        """Return the box of the breast around a point, its chest wall included, or of both breasts.

        Parameters
        ----------
        focus : numpy.ndarray, optional
            (n, 3) points (x, y, z; mm, LPS) that have to be inside, such as the corners of a lesion.
        both : bool
            Whether both breasts are shown.

        Returns
        -------
        numpy.ndarray
            As `body_box`.
        """
        points = np.zeros((0, 3)) if focus is None else np.asarray(focus, float).reshape(-1, 3)
        inside = self.body
        lps = self._coarse_lps()
        if len(points) and not both and self._spans_both():
            side = 1.0 if points[:, 0].mean() > 0 else -1.0
            reach = max(0.0, *(RIM_MM - side * points[:, 0]))  # a lesion at the mid-plane stays inside
            inside = inside & (side * lps[0] > -reach)
        if not inside.any():
            return self.body_box()
        front = float(np.percentile(lps[1][inside], 0.2))
        back = max([front + DEPTH_MM, *(points[:, 1] + BEHIND_MM)])
        inside = inside & (lps[1] <= back)
        return self._with_points(self._box_of(inside), points)

    def window(self, box, array=None):
        """Return the values shown black and white for a box of the exam (or of another array on its grid)."""
        array = self.volume.array if array is None else array
        part = array[tuple(slice(*map(int, box[axis])) for axis in (2, 1, 0))]
        step = tuple(max(1, n // 64) for n in part.shape)
        low, high = np.percentile(part[tuple(slice(None, None, s) for s in step)], WINDOW)
        return float(low), float(max(high, low + 1e-3))

    def _spans_both(self):
        x = self.geometry.corners()[:, 0]
        return x.min() < -BILATERAL_MARGIN_MM and x.max() > BILATERAL_MARGIN_MM

    def _coarse_lps(self):
        """Return the coordinates of the coarse voxels, three arrays that broadcast to (z, y, x), mm, LPS."""
        indices = np.meshgrid(
            *(np.arange(n) * step for n, step in zip(self.body.shape, self._steps)), indexing="ij", sparse=True
        )
        matrix = self.geometry.ijk_to_lps
        return [
            matrix[p, 0] * indices[2] + matrix[p, 1] * indices[1] + matrix[p, 2] * indices[0] + matrix[p, 3]
            for p in range(3)
        ]

    def _box_of(self, coarse):
        shape = self.geometry.shape
        if not coarse.any():
            return np.array([(0, n) for n in shape[::-1]])
        found = ndimage.find_objects(coarse.astype(np.uint8))[0]
        box = []
        for edge, step, count, spacing in zip(found, self._steps, shape, self.geometry.spacing[::-1]):
            rim = round(RIM_MM / spacing)
            box.append((max(0, edge.start * step - rim), min(count, (edge.stop - 1) * step + 1 + rim)))
        return np.array(box[::-1])

    def _with_points(self, box, points):
        """Return a box that also holds points and a rim around them."""
        if len(points) == 0:
            return box
        ijk = (np.c_[points, np.ones(len(points))] @ np.linalg.inv(self.geometry.ijk_to_lps).T)[:, :3]
        rim = BEHIND_MM / np.asarray(self.geometry.spacing)
        low, high = np.floor(ijk.min(0) - rim), np.ceil(ijk.max(0) + rim) + 1
        count = np.asarray(self.geometry.shape[::-1])
        return np.c_[
            np.clip(np.minimum(box[:, 0], low), 0, count - 1), np.clip(np.maximum(box[:, 1], high), 1, count)
        ].astype(int)


def air_level(values):
    """Return the value above which voxels belong to the body."""
    values = values[np.isfinite(values)]
    if values.size == 0:
        return 0.0
    low, high = np.percentile(values, (0.1, 97))
    if not high > low:
        return float(high)
    threshold = _otsu(np.clip(values, low, high))
    air = values[values <= threshold]
    middle = float(np.median(air))
    noise = 1.4826 * float(np.median(np.abs(air - middle)))
    return middle + max(6 * noise, 0.3 * (threshold - middle))


def _otsu(values):
    """Return the threshold that parts values into two groups of least spread (Otsu 1979)."""
    counts, edges = np.histogram(values, 256)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1].astype(float)
    above = counts.sum() - below
    sums = np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = below * above * (sums[:-1] / below - (sums[-1] - sums[:-1]) / above) ** 2
    return float(edges[1 + int(np.nanargmax(spread))])


def _largest(mask):
    labels, count = ndimage.label(ndimage.binary_opening(mask))
    if not count:
        return np.zeros(mask.shape, bool)
    return ndimage.binary_fill_holes(labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:])))

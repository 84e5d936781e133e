"""A 3D picture without a 3D library: the first surface that each ray meets, shaded by its slope."""

import numpy as np
from scipy import ndimage

from . import drawing
from .blocks import Figure
from .planes import ijk_of

AZIMUTH = 25.0  # degrees from straight ahead, towards the side of the largest lesion
FINEST_MM, ALONG = 1.0, 200  # voxels of the turned grid: not smaller, and not more along its longest edge
LIGHT = np.array([-0.45, -0.55, -0.7])  # from which the light comes: left, above and before
LESION = np.array([150.0, 20.0, 30.0])  # dark in grey print too
PAPER = 255.0
SKIN_SHARE = 0.22  # of a lesion's colour that the breast before it hides
LETTERS, NUMBERED = 36, 12


def depth_figure(volume, mask, rows, air_level, spacing_known=True, height=640):
    """Return a picture of the breasts, translucent, with the lesions inside, seen from the front.

    Parameters
    ----------
    volume : Volume
        The reference phase.
    mask : Volume
        Labels on the same grid.
    rows : list of dict
        Lesions, largest first.
    air_level : float
        Value above which voxels belong to the body.
    spacing_known : bool
    height : int
        Pixels.

    Returns
    -------
    Figure
    """
    left = bool(rows) and rows[0]["centroid_lps"][0] > np.mean(volume.geometry.corners()[:, 0])
    turn = AZIMUTH if left else -AZIMUTH
    view = View(volume.geometry, turn)
    body = ndimage.gaussian_filter(view.turned(volume.array, 2 * max(air_level, 1e-6)), 1.0)
    body_depth, body_hit = first_hit(body, 0.5)
    body_hit &= ~view.on_cut_face(body_depth)
    lesion_depth, lesion_hit = first_hit(ndimage.gaussian_filter(view.turned_mask(mask), 0.6), 0.25)
    seen = _used(body_hit | lesion_hit)
    surfaces = [array[seen] for array in (body_depth, body_hit, lesion_depth, lesion_hit)]
    image = _composed(*surfaces, height)
    scale = image.size[0] / surfaces[0].shape[1]
    for row in rows[:NUMBERED] if len(rows) > 1 else ():
        x, y = (v - part.start + 0.5 for v, part in zip(view.place(row["centroid_lps"]), seen[::-1]))
        place = (x * scale, y * scale)
        drawing.write_text(image, place, str(row["label"]), LETTERS)
    _letters(image)
    side = "patient's left" if left else "patient's right"
    caption = f"Surface and lesion{'s' if len(rows) != 1 else ''} in 3D, seen from the front, 25° from the {side}"
    return Figure(drawing.as_jpeg(image), caption, image.size)


class View:
    """A turned grid: rays along its first axis, head up.

    Parameters
    ----------
    geometry : Geometry
    degrees : float
        How far the viewer stands towards the patient's left.

    Attributes
    ----------
    step : float
        mm between its voxels.
    size : tuple of int
        Voxels along rays, rows and columns.
    """

    def __init__(self, geometry, degrees):
        self._geometry = geometry
        angle = np.deg2rad(degrees)
        forward = np.array([-np.sin(angle), np.cos(angle), 0.0])
        # Columns: ray, down, right; a point is origin + axes @ (ray, row, column) * step.
        self._axes = np.column_stack([forward, [0.0, 0.0, -1.0], [np.cos(angle), np.sin(angle), 0.0]])
        along = geometry.corners() @ self._axes
        low, high = along.min(axis=0), along.max(axis=0)
        self.step = float(max(FINEST_MM, *((high - low) / ALONG), min(geometry.spacing)))
        self.size = tuple(int(n) for n in np.ceil((high - low) / self.step) + 3)
        self._low = low - self.step

    def turned(self, array, full):
        """Return an array (z, y, x) of the geometry's grid on the turned grid: 0 to 1 for 0 to `full`, 0 outside."""
        steps = tuple(max(1, int(self.step / s)) for s in self._geometry.spacing[::-1])
        matrix, offset = self._mapping()
        thin = np.asarray(array[tuple(slice(None, None, step) for step in steps)], np.float32)
        thin = np.clip(thin / full, 0, 1)  # far inside nothing matters, and edges stay where they are
        scale = np.asarray(steps, float)
        return ndimage.affine_transform(thin, matrix / scale[:, None], offset / scale, self.size, np.float32, order=1)

    def turned_mask(self, mask):
        """Return a mask on the turned grid, 0 to 1; only the box that holds it is looked at."""
        result = np.zeros(self.size, np.float32)
        found = ndimage.find_objects((mask.array != 0).astype(np.uint8))
        if not found:
            return result
        start = np.array([edge.start for edge in found[0]])
        part = np.pad((mask.array[found[0]] != 0).astype(np.float32), 1)
        matrix, offset = self._mapping()
        return ndimage.affine_transform(part, matrix, offset - start + 1, self.size, np.float32, order=1)

    def place(self, point_lps):
        """Return column and row (floats) of a point in mm, LPS."""
        _, row, column = (np.asarray(point_lps, float) @ self._axes - self._low) / self.step
        return float(column), float(row)

    def on_cut_face(self, depth):
        """Return where a surface is no skin but the side, top or bottom of the field of view: bool (rows, columns)."""
        matrix, offset = self._mapping()
        rows, columns = np.indices(depth.shape)
        points = np.stack([np.nan_to_num(depth), rows, columns]).astype(np.float32)
        ijk = np.tensordot(matrix, points, 1) + offset[:, None, None]
        # The grid axis that points most to the front may end in the skin itself.
        front = int(np.abs(self._geometry.matrix[1]).argmax())
        reach = 0.75 * self.step + 1.0
        result = np.zeros(depth.shape, bool)
        for axis in (a for a in range(3) if a != 2 - front):
            rim = reach / self._geometry.spacing[2 - axis]
            result |= (ijk[axis] < rim) | (ijk[axis] > self._geometry.shape[axis] - 1 - rim)
        return result

    def _mapping(self):
        """Return matrix and offset from turned indices (ray, row, column) to array indices (z, y, x)."""
        offset = ijk_of(self._geometry, self._axes @ self._low)[::-1]
        inverse = np.linalg.inv(self._geometry.ijk_to_lps)[:3, :3]
        return (inverse @ self._axes * self.step)[::-1], offset


def first_hit(field, level):
    """Return where rays along the first axis first reach a level.

    Parameters
    ----------
    field : numpy.ndarray
        (rays, rows, columns).
    level : float

    Returns
    -------
    depth : numpy.ndarray
        float32 (rows, columns): index along the ray, between voxels; NaN where nothing is met.
    hit : numpy.ndarray
        bool.
    """
    inside = field >= level
    hit = inside.any(axis=0)
    index = inside.argmax(axis=0)
    before = np.maximum(index - 1, 0)
    here = np.take_along_axis(field, index[None], 0)[0]
    there = np.take_along_axis(field, before[None], 0)[0]
    part = np.where(index > 0, (here - level) / np.maximum(here - there, 1e-6), 0.0)
    return np.where(hit, index - np.clip(part, 0, 1), np.nan).astype(np.float32), hit


def _shade(depth, hit):
    """Return the light (0 to 1) on a surface and how much it faces the viewer (0 to 1)."""
    filled = np.where(hit, depth, 0.0)
    weight = ndimage.gaussian_filter(hit.astype(np.float32), 1.2)
    smooth = ndimage.gaussian_filter(filled, 1.2) / np.maximum(weight, 1e-3)
    down, right = np.gradient(smooth)
    length = np.sqrt(right**2 + down**2 + 1)
    light = LIGHT / np.linalg.norm(LIGHT)
    # The surface's normal towards the viewer is (right, down, -1) / length; light wraps half around it.
    lit = 0.5 + 0.5 * (right * light[0] + down * light[1] - light[2]) / length
    return np.clip(lit, 0, 1), 1 / length


def _used(hit):
    """Return the slices (rows, columns) in which a surface is seen, with a rim for letters; all without one."""
    part = [slice(0, n) for n in hit.shape]
    if hit.any():
        for axis in (0, 1):
            used = np.flatnonzero(hit.any(axis=1 - axis))
            rim = 2 if axis == 0 else 9
            part[axis] = slice(max(0, used[0] - rim), min(hit.shape[axis], used[-1] + 1 + rim))
    return tuple(part)


def _composed(body_depth, body_hit, lesion_depth, lesion_hit, height):
    from PIL import Image

    size = drawing.picture_size(body_hit.shape[1] / body_hit.shape[0], height, 2.6)

    def enlarged(values):
        return np.asarray(Image.fromarray(values.astype(np.float32)).resize(size, Image.BICUBIC))

    lit, facing = _shade(body_depth, body_hit)
    skin = 75 + 135 * lit + 35 * facing
    inside = enlarged(_spread(skin, body_hit))
    grey = np.clip(PAPER + np.clip(enlarged(body_hit) * 1.6 - 0.3, 0, 1) * (inside - PAPER), 0, 255)
    picture = np.repeat(grey[..., None], 3, axis=2)
    if lesion_hit.any():
        lit, _ = _shade(lesion_depth, lesion_hit)
        colour = LESION * (0.15 + 1.15 * enlarged(_spread(lit, lesion_hit)) ** 2)[..., None]
        cover = (np.clip(enlarged(lesion_hit) * 1.6 - 0.3, 0, 1) * (1 - SKIN_SHARE))[..., None]
        picture += cover * (np.clip(colour, 0, 255) - picture)
    return Image.fromarray(np.round(np.clip(picture, 0, 255)).astype(np.uint8))


def _spread(values, hit):
    """Return values that go on beyond the edge of a surface, so that enlarging does not mix in what is behind."""
    if not hit.any():
        return values
    nearest = ndimage.distance_transform_edt(~hit, return_distances=False, return_indices=True)
    return values[tuple(nearest)]


def _letters(image):
    width, height = image.size
    edge = LETTERS / 3
    for place, anchor, text in (
        ((edge, height / 2), "lm", "R"),
        ((width - edge, height / 2), "rm", "L"),
        ((width / 2, edge), "mt", "H"),
    ):
        _write(image, place, text, anchor)


def _write(image, place, text, anchor="mm"):
    drawing.write_text(image, place, text, LETTERS, anchor, color=drawing.BLACK, halo=drawing.WHITE)

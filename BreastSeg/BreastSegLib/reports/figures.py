"""The pictures of a DCE exam's report: slices through the largest lesion and the projection of the subtraction."""

import numpy as np

from . import drawing
from .blocks import Figure
from .facts import phase_title
from .framing import Framing
from .planes import Plane, ijk_of

HEIGHT = 640  # pixels of a picture; about 60 mm on paper
LETTERS = 30  # pixels
NUMBERED = 20  # lesions that get a number in a picture
INNER = 97.0  # percentile inside lesions that is not shown brighter than white: their inner pattern is to be seen
BRIGHTEST = 99.5  # percentile of a projection that is shown white


def key_figures(exam, mask, rows, framing=None):
    """Return an axial, a sagittal and a coronal slice through the largest lesion, with outlines of all that they cut.

    Parameters
    ----------
    exam : DceExam
    mask : Volume
        Labels on the exam's grid.
    rows : list of dict
        Lesions as measured, largest first; without any, the slices run through the middle of the breasts.
    framing : Framing, optional
        Of the exam's reference phase.

    Returns
    -------
    list of Figure
    """
    volume, phase = exam.volumes[exam.reference], exam.phases[exam.reference]
    framing = framing or Framing(volume)
    lesion = rows[0] if rows else None
    focus = lesion_corners(mask, lesion) if lesion else None
    box = framing.breast_box(focus, both=lesion is None)
    middle = ijk_of(volume.geometry, lesion["centroid_lps"]) if lesion else (box.sum(axis=1) - 1) / 2
    low, high = framing.window(box)
    high = max(high, lesion_level(volume.array, mask, lesion))
    figures = []
    for plane in Plane.worth_showing(volume.geometry):
        index = slice_index(mask, plane, middle, lesion)
        grey = np.asarray(plane.slice(volume.array, index), np.float32)
        frame = Frame(plane, box, grey, low, high)
        frame.outline(plane.slice(mask.array, index) != 0)
        if lesion and index == lesion.get("inplane_slice") and plane.normal == 2:
            frame.calipers(lesion.get("inplane_ends_lps"), lesion.get("perpendicular_ends_lps"))
        which = ", lesion 1" if len(rows) > 1 else ""
        caption = f"{plane.name.capitalize()}{which}, {phase_title(phase)}, slice {index + 1}"
        figures.append(frame.figure(caption, exam.spacing_known))
    return figures


def projection_figure(exam, mask, rows, choice, framing=None):
    """Return the maximum intensity projection of early minus pre, with the outlines and numbers of lesions.

    It is the axial one, unless the exam has too few slices for that.

    Parameters
    ----------
    exam, mask, rows, framing
        As for `key_figures`.
    choice : phasechoice.Choice
        Which phases are pre and early. Where one is missing, the reference phase itself is projected, and the caption
        says so.

    Returns
    -------
    Figure
    """
    framing = framing or Framing(exam.volumes[exam.reference])
    plane = Plane.worth_showing(exam.geometry)[0]
    box = framing.breast_box(lesion_corners(mask), both=True)
    if choice.pre is None or choice.early is None:
        first, second = exam.volumes[exam.reference].array, None
        what = f"{phase_title(exam.phases[exam.reference])}, not subtracted, as phases are missing"
    else:
        first, second = exam.volumes[choice.early].array, exam.volumes[choice.pre].array
        what = f"{phase_title(exam.phases[choice.early])} minus pre"
    projected = subtraction_mip(first, second, 2 - plane.normal)
    part = projected[tuple(slice(*map(int, box[2 - axis])) for axis in range(3) if axis != 2 - plane.normal)]
    low = 0.0 if second is not None else framing.window(box)[0]
    inside = (mask.array != 0).any(axis=2 - plane.normal)
    high = max(float(np.percentile(part, BRIGHTEST)), low + 1e-3)
    if inside.any():
        high = max(high, float(np.percentile(projected[inside], INNER)))
    frame = Frame(plane, box, plane.picture(projected), low, high)
    frame.outline(plane.picture(inside))
    for row in rows[:NUMBERED] if len(rows) > 1 else ():
        frame.number(row["label"], row["centroid_lps"], row.get("longest_mm"))
    return frame.figure(f"Maximum intensity projection, {plane.name}: {what}", exam.spacing_known)


def subtraction_mip(first, second, axis):
    """Return the maximum of ``first - second`` along an array axis, slice by slice so that no third volume is needed.

    Parameters
    ----------
    first, second : numpy.ndarray
        (z, y, x); `second` may be None: the maximum of `first`.
    axis : int

    Returns
    -------
    numpy.ndarray
        float32, two axes.
    """
    planes = []
    for k in range(first.shape[0]):
        plane = np.asarray(first[k], np.float32)
        plane = plane if second is None else plane - np.asarray(second[k], np.float32)
        if axis == 0:
            planes = [np.maximum(planes[0], plane)] if planes else [plane]
        else:
            planes.append(plane.max(axis=axis - 1))
    return planes[0] if axis == 0 else np.stack(planes)


def lesion_corners(mask, row=None):
    """Return the eight corners (mm, LPS) of the box of all lesions, or of the one that `row` tells; None without."""
    box = None
    if row is not None and row.get("longest_ends_lps"):
        ends, centre = np.asarray(row["longest_ends_lps"], float), np.asarray(row["centroid_lps"], float)
        reach = np.linalg.norm(ends[0] - ends[1]) / 2
        return np.array([centre + reach * np.array([a, b, c]) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)])
    if row is not None:
        return np.asarray([row["centroid_lps"]], float)
    used = [np.flatnonzero((mask.array != 0).any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    if all(len(u) for u in used):
        box = [(u[0], u[-1]) for u in used[::-1]]
    if box is None:
        return None
    ijk = np.array([[i, j, k, 1] for i in box[0] for j in box[1] for k in box[2]], float)
    return (ijk @ mask.geometry.ijk_to_lps.T)[:, :3]


def lesion_level(array, mask, lesion):
    """Return the value that all but the brightest few voxels of a lesion keep below; −inf without a lesion."""
    if lesion is None:
        return -np.inf
    ijk = np.array([ijk_of(mask.geometry, corner) for corner in lesion_corners(mask, lesion)])
    count = np.asarray(mask.geometry.shape[::-1])
    first = np.clip(np.floor(ijk.min(0)), 0, count - 1).astype(int)
    last = np.clip(np.ceil(ijk.max(0)) + 1, 1, count).astype(int)
    box = tuple(slice(first[axis], last[axis]) for axis in (2, 1, 0))
    values = np.asarray(array[box])[mask.array[box] != 0]
    return float(np.percentile(values, INNER)) if values.size else -np.inf


def slice_index(mask, plane, middle, lesion):
    """Return the slice that a lesion is shown on: that of its diameter, else through its middle, or next to it."""
    count = mask.array.shape[2 - plane.normal]
    index = int(np.clip(round(float(middle[plane.normal])), 0, count - 1))
    if lesion is None:
        return index
    measured = lesion.get("inplane_slice")
    if plane.normal == 2 and measured is not None and 0 <= int(measured) < count:
        return int(measured)
    hit = np.flatnonzero((mask.array != 0).any(axis=tuple(a for a in range(3) if a != 2 - plane.normal)))
    if len(hit) and index not in hit:
        index = int(hit[np.abs(hit - index).argmin()])
    return index


class Frame:
    """One picture while it is drawn: a piece of a slice or projection.

    Parameters
    ----------
    plane : Plane
    box : numpy.ndarray
        What of it is shown (see `Framing.body_box`).
    grey : numpy.ndarray
        The whole picture (rows, columns).
    low, high : float
        Values shown black and white.
    height : int
        Pixels.
    """

    def __init__(self, plane, box, grey, low, high, height=HEIGHT):
        self.plane, self._part = plane, plane.window(box)
        piece = grey[self._part]
        self.image = drawing.grey_picture(piece, plane.spacing, height, low, high)
        self._scale = self.image.size[0] / piece.shape[1], self.image.size[1] / piece.shape[0]
        self._width_mm = piece.shape[1] * plane.spacing[0]

    def outline(self, mask):
        """Draw the outline of a mask of the whole picture."""
        self.image = drawing.draw_outline(self.image, mask[self._part])

    def place(self, point_lps):
        """Return x and y in pixels of a point in mm, LPS, as it is projected onto the picture."""
        column, row = self.plane.place(ijk_of(self.plane.geometry, point_lps))
        rows, columns = self._part
        return (column - columns.start + 0.5) * self._scale[0], (row - rows.start + 0.5) * self._scale[1]

    def calipers(self, longest, perpendicular):
        """Mark the ends of the two diameters of a slice."""
        for ends, diagonal in ((longest, False), (perpendicular, True)):
            if ends:
                drawing.draw_calipers(self.image, [self.place(end) for end in ends], LETTERS, diagonal)

    def number(self, label, centre, longest_mm):
        """Write a lesion's number beside it."""
        x, y = self.place(centre)
        away = (longest_mm or 0) / 2 / self._width_mm * self.image.size[0] * 0.8 + LETTERS * 0.5
        x = x + away if x + away < self.image.size[0] - LETTERS else x - away
        drawing.write_text(self.image, (x, max(LETTERS * 0.6, y - away * 0.6)), str(label), LETTERS)

    def figure(self, caption, spacing_known):
        """Return the figure with letters and, where the voxel size is known, a scale bar."""
        drawing.draw_letters(self.image, self.plane.letters, LETTERS)
        if spacing_known:
            drawing.draw_scale_bar(self.image, self._width_mm, LETTERS)
        return Figure(drawing.as_jpeg(self.image), caption, self.image.size)

"""The largest lesion before and after contrast: one acquired slice in several phases, all shown alike."""

import numpy as np

from .facts import phase_title
from .figures import Frame, lesion_level, slice_index
from .planes import Plane, ijk_of

HEIGHT = 420  # pixels
MARGIN = 0.9  # of the lesion's longest diameter, from its centre to the edge of the pictures
LEAST_MM, LEAST_VOXELS = 18.0, 12


def phase_figures(exam, mask, row, choice):
    """Return the slice of a lesion in the pre, first, early and late phase and as early minus pre, without outlines.

    Parameters
    ----------
    exam : DceExam
    mask : Volume
        Labels on the exam's grid.
    row : dict
        The lesion as measured.
    choice : phasechoice.Choice
        Which phases are pre, early and late.

    Returns
    -------
    list of Figure
        Empty where the exam has no pre- or no post-contrast phase.
    """
    if choice.pre is None or choice.early is None:
        return []
    plane = Plane.acquired(exam.geometry)
    middle = ijk_of(exam.geometry, row["centroid_lps"])
    index, box = slice_index(mask, plane, middle, row), square(exam, plane, middle, row.get("longest_mm"))
    wanted = dict.fromkeys(i for i in (choice.pre, choice.posts[0], choice.early, choice.late) if i is not None)
    slices = {i: np.asarray(plane.slice(exam.volumes[i].array, index), np.float32) for i in wanted}
    part = plane.window(box)
    low = float(min(np.percentile(grey[part], 1) for grey in slices.values()))
    high = max(lesion_level(exam.volumes[i].array, mask, row) for i in wanted)
    high = max(high, *(float(np.percentile(grey[part], 99)) for grey in slices.values()))
    told = {choice.pre: "", choice.early: ", early", choice.late: ", late"}
    shown = [(f"{phase_title(exam.phases[i])}{told.get(i, '')}", slices[i], low, high) for i in wanted]
    difference = slices[choice.early] - slices[choice.pre]
    shown.append(("Early minus pre", difference, 0.0, float(max(np.percentile(difference[part], 99.5), 1e-3))))
    figures = []
    for caption, grey, black, white in shown:
        frame = Frame(plane, box, grey, black, white, HEIGHT)
        figures.append(frame.figure(caption, exam.spacing_known))
    return figures


def other_figures(exam, mask, rows, choice):
    """Return a close-up, in an acquired slice, of each lesion of `rows` in the early phase, with outlines.

    Parameters
    ----------
    exam, mask, choice
        As for `phase_figures`; without an early phase the reference phase is shown.
    rows : list of dict

    Returns
    -------
    list of Figure
    """
    plane = Plane.acquired(exam.geometry)
    number = exam.reference if choice.early is None else choice.early
    volume, figures = exam.volumes[number], []
    for row in rows:
        middle = ijk_of(exam.geometry, row["centroid_lps"])
        index, box = slice_index(mask, plane, middle, row), square(exam, plane, middle, row.get("longest_mm"))
        grey = np.asarray(plane.slice(volume.array, index), np.float32)
        low, high = np.percentile(grey[plane.window(box)], (1, 99))
        high = max(high, lesion_level(volume.array, mask, row), low + 1e-3)
        frame = Frame(plane, box, grey, low, high, HEIGHT)
        frame.outline(plane.slice(mask.array, index) != 0)
        caption = f"Lesion {row['label']}, {plane.name}, {phase_title(exam.phases[number])}, slice {index + 1}"
        figures.append(frame.figure(caption, exam.spacing_known))
    return figures


def square(exam, plane, middle, longest_mm):
    """Return the box around a lesion that a square picture shows (see `Framing.body_box`)."""
    spacing = np.asarray(exam.geometry.spacing)
    least = LEAST_MM if exam.spacing_known else LEAST_VOXELS * float(min(spacing))
    half = max(MARGIN * (longest_mm or 0), least)
    count = np.asarray(exam.geometry.shape[::-1])
    half = min(half, *(spacing[axis] * count[axis] / 2 for axis in range(3) if axis != plane.normal))
    low = np.round(np.asarray(middle) - half / spacing)
    size = np.round(2 * half / spacing) + 1
    low = np.clip(low, 0, np.maximum(count - size, 0))  # at the edge of the field of view it is moved inside
    return np.c_[low, np.minimum(low + size, count)].astype(int)

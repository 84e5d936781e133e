"""The slices of one phase: their order along the normal, their geometry, and what is missing or double."""

import numpy as np

from ...errors import BadInput
from ...volume import Geometry

PLACE_MM = 0.05
UNEVEN = 0.05
GIVE_FILES = "Give the phases as files in order, or a folder with the complete series"


def normal_of(header):
    """Return the slice normal (row direction × column direction), LPS, shape (3,)."""
    row, column = np.array(header.orientation[:3]), np.array(header.orientation[3:])
    return np.cross(row, column)


def heights(headers, normal):
    """Return the projection of each image position on `normal` in mm, shape (n,)."""
    return np.array([h.position for h in headers]) @ normal


def places_of(values, tolerance=PLACE_MM):
    """Return the index of the slice place of each height, shape (n,), places counted from the lowest."""
    order = np.argsort(values, kind="stable")
    steps = np.diff(values[order]) > tolerance
    places = np.empty(len(values), int)
    places[order] = np.concatenate([[0], np.cumsum(steps)])
    return places


def check_placed(headers):
    """Raise `BadInput` when an image does not say where it lies."""
    for tag, name in (
        ("position", "Image Position"),
        ("orientation", "Image Orientation"),
        ("spacing", "Pixel Spacing"),
    ):
        lost = [h for h in headers if getattr(h, tag) is None]
        if lost:
            raise BadInput(
                f"{len(lost)} of {len(headers)} images do not say where they lie: {name} is missing",
                lost[0].series_name,
                "Export the series again with all its tags, or give the phases as image files",
            )
    for header in headers:
        row, column = np.array(header.orientation[:3]), np.array(header.orientation[3:])
        if abs(row @ row - 1) > 0.01 or abs(column @ column - 1) > 0.01 or abs(row @ column) > 0.01:
            raise BadInput(
                "The image axes in the header are not orthogonal unit vectors",
                header.image_name,
                "Give the phases as image files in order",
            )


def stack(headers, name):
    """Put the slices of one phase in order.

    Parameters
    ----------
    headers : list of Header
        One for each slice place.
    name : str
        The phase, for messages.

    Returns
    -------
    headers : list of Header
        By rising height along row × column.
    geometry : Geometry
        Spacing between slices from their positions; from the header only when there is one slice.

    Raises
    ------
    BadInput
        If the images differ in matrix or orientation, two lie at one place, one is missing, distances are uneven or
        the slices are shifted sideways.
    """
    _check_alike(headers, name)
    normal = normal_of(headers[0])
    height = heights(headers, normal)
    order = np.argsort(height, kind="stable")
    headers, height = [headers[i] for i in order], height[order]
    positions = np.array([h.position for h in headers])
    first = headers[0]
    where = f"{name}, {first.series_name}"
    step = _step(height, where, first)
    drift = positions - positions[0] - np.outer(height - height[0], normal)
    if np.abs(drift).max() > max(0.5, 0.1 * step):
        raise BadInput("The slices do not lie straight behind one another", where, GIVE_FILES)
    row, column = np.array(first.orientation[:3]), np.array(first.orientation[3:])
    direction = np.stack([row, column, normal / np.linalg.norm(normal)], axis=1)
    geometry = Geometry((len(headers), *first.shape), (*first.spacing, step), first.position, tuple(direction.ravel()))
    return headers, geometry


def _check_alike(headers, name):
    """Raise `BadInput` when the images of one phase differ in matrix, pixel size or orientation."""
    first = headers[0]
    for header in headers[1:]:
        if header.shape != first.shape:
            what = f"matrix ({header.shape[1]} × {header.shape[0]} and {first.shape[1]} × {first.shape[0]})"
        elif not np.allclose(header.spacing, first.spacing, rtol=1e-3):
            what = "pixel size"
        elif not np.allclose(header.orientation, first.orientation, atol=1e-3):
            what = "orientation"
        else:
            continue
        raise BadInput(f"The images of one phase differ in {what}", f"{name}, {header.series_name}", GIVE_FILES)


def _step(height, where, first):
    """Return the distance between slices in mm after checking that all are alike."""
    if len(height) == 1:
        if first.gap is None:
            raise BadInput("A single slice without slice thickness", where, "Give the phases as image files in order")
        return first.gap
    steps = np.diff(height)
    if steps.min() <= PLACE_MM:
        k = int(steps.argmin())
        raise BadInput(f"Two images lie at one place, slices {k + 1} and {k + 2} of {len(height)}", where, GIVE_FILES)
    # The lower median: of two distances the longer one is the gap.
    usual = float(np.sort(steps)[(len(steps) - 1) // 2])
    wrong = np.flatnonzero(np.abs(steps - usual) > max(UNEVEN * usual, PLACE_MM))
    if len(wrong):
        k = int(wrong[0])
        ratio = steps[k] / usual
        between = f"between slices {k + 1} and {k + 2} of {len(height)}"
        if abs(ratio - round(ratio)) < 0.1 and round(ratio) > 1:
            missing = round(ratio) - 1
            raise BadInput(f"{missing} slice{'s' * (missing > 1)} missing {between}", where, GIVE_FILES)
        raise BadInput(
            f"The slices are unevenly spaced: {steps[k]:.2f} mm {between}, {usual:.2f} mm elsewhere", where, GIVE_FILES
        )
    return float((height[-1] - height[0]) / (len(height) - 1))


def lacking(stacks):
    """Return (phase index, missing slices, slices in all) of phases without slices that the fullest phase has.

    Only phases on the same lattice are compared: those of really different grids are resampled later, and a note
    says so.

    Parameters
    ----------
    stacks : list of (list of Header, Geometry)
        Each phase, as `stack` returns it.
    """
    full = max(range(len(stacks)), key=lambda i: stacks[i][1].shape[0])
    geometry, found = stacks[full][1], []
    for index, (_, other) in enumerate(stacks):
        missing = geometry.shape[0] - other.shape[0]
        # Every second slice lost leaves an even stack of twice the distance.
        step = other.spacing[2] / geometry.spacing[2] if other.shape[0] > 1 else 1.0
        if not missing or step < 0.5 or abs(step - round(step)) > UNEVEN:
            continue
        offset = (np.array(other.origin) - np.array(geometry.origin)) @ geometry.matrix / np.array(geometry.spacing)
        last = offset[2] + round(step) * (other.shape[0] - 1)
        inside = offset[2] > -0.1 and last < geometry.shape[0] - 0.9
        if inside and np.abs(offset[:2]).max() < 0.5 and abs(offset[2] - round(offset[2])) < 0.1:
            found.append((index, missing, geometry.shape[0]))
    return found

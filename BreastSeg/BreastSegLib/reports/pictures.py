"""One slice with its outline as PNG bytes, for thumbnails (Pillow). The pictures of a report are made by `figures`."""

import io

import numpy as np

OUTLINE = (255, 96, 64)


def key_image(volume, mask, axis, window, centre=None, width=420):
    """Return a PNG of one slice with the outline of the mask.

    Parameters
    ----------
    volume, mask : Volume
        On one grid; the slice is taken along the grid's own axes.
    axis : int
        Array axis that the slice is perpendicular to: 0 z, 1 y, 2 x.
    window : sequence of float
        Display window and level.
    centre : sequence of float, optional
        (x, y, z), mm, LPS: the slice runs through this point; through the middle of the exam when not given.
    width : int
        Pixels; the height follows the true proportions.

    Returns
    -------
    bytes
    """
    from PIL import Image

    index = _slice_index(volume.geometry, axis, centre)
    grey = _grey(np.take(volume.array, index, axis), window)
    inside = np.take(mask.array, index, axis) != 0
    spacing = [s for a, s in enumerate(volume.geometry.spacing[::-1]) if a != axis]
    height = max(1, round(width * grey.shape[0] * spacing[0] / (grey.shape[1] * spacing[1])))
    picture = np.repeat(np.asarray(Image.fromarray(grey).resize((width, height), Image.BICUBIC))[..., None], 3, axis=2)
    large = np.asarray(Image.fromarray(inside.astype(np.uint8)).resize((width, height), Image.NEAREST)) > 0
    picture[_edge(large)] = OUTLINE
    flips = _flips(volume.geometry, axis)
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture[flips])).save(stream, "PNG")
    return stream.getvalue()


def _slice_index(geometry, axis, centre):
    if centre is None:
        return geometry.shape[axis] // 2
    ijk = np.linalg.inv(geometry.ijk_to_lps) @ np.append(centre, 1)
    return int(np.clip(round(ijk[2 - axis]), 0, geometry.shape[axis] - 1))


def _grey(plane, window):
    width, level = window
    return np.clip((plane - (level - width / 2)) / max(width, 1e-6) * 255, 0, 255).astype(np.uint8)


def _edge(mask):
    core = mask.copy()
    core[1:] &= mask[:-1]
    core[:-1] &= mask[1:]
    core[:, 1:] &= mask[:, :-1]
    core[:, :-1] &= mask[:, 1:]
    return mask & ~core


def _flips(geometry, axis):
    """Rows and columns turned the radiological way.

    The patient's right and front are on the left of the picture, head and front up.
    """
    wanted = {0: 1.0, 1: 1.0, 2: -1.0}  # along x to the left, along y to posterior, along z the head is up
    flips = []
    for a in (a for a in range(3) if a != axis):
        vector = geometry.matrix[:, 2 - a]
        patient_axis = int(np.abs(vector).argmax())
        flips.append(slice(None, None, 1 if vector[patient_axis] * wanted[patient_axis] > 0 else -1))
    return tuple(flips)

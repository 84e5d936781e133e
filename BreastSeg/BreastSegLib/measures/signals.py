"""Reading parts of an exam's phases as numbers that can be computed with."""

import numpy as np

from ..errors import BadInput


class Signals:
    """The phases of an exam, read part by part; each may be memory-mapped.

    Parameters
    ----------
    exam : DceExam
        Anything with `phases`, `volumes` (each with an `array`) on one grid.
    """

    def __init__(self, exam):
        self._arrays = [volume.array for volume in exam.volumes]
        self.shape = tuple(self._arrays[0].shape)

    def __len__(self):
        return len(self._arrays)

    def array(self, index):
        """Return the array (z, y, x) of phase `index` as it is."""
        return self._arrays[index]

    def part(self, index, place):
        """Return a part of phase `index` as float32; `place` is what an array is indexed with.

        Values too large for float32 become infinite.
        """
        with np.errstate(over="ignore"):
            return np.asarray(self._arrays[index][place], np.float32)


def grown(box, margin, shape):
    """Return a box (slices along z, y, x) with `margin` voxels more on each side, cut at the edges of `shape`."""
    return tuple(slice(max(0, s.start - m), min(n, s.stop + m)) for s, m, n in zip(box, margin, shape))


def inside(box, outer):
    """Return where `box` lies within `outer`, both on the same grid, as slices of what `outer` cuts out."""
    return tuple(slice(s.start - o.start, s.stop - o.start) for s, o in zip(box, outer))


def common(box, other):
    """Return the box that two boxes share, or None."""
    shared = tuple(slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(box, other))
    return shared if all(s.start < s.stop for s in shared) else None


def on_grid(image, shape):
    """Return the array of an image of labels or of a mask (None stays None), checked against the exam's grid."""
    if image is None:
        return None
    array = np.asarray(getattr(image, "array", image))
    if tuple(array.shape) != shape:
        raise BadInput("Mask and exam differ in shape", f"{tuple(array.shape)} and {shape}")
    return array.view(np.uint8) if array.dtype == bool else array

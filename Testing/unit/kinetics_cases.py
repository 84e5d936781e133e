"""Exams with known numbers, and kinetics computed voxel by voxel, for the tests of kinetics."""

import itertools

import numpy as np
from BreastSegLib.exam.dce import DceExam, Phase
from BreastSegLib.volume import Geometry, Volume

# Nothing is noise: for exams without air.
BARE = {"noise_fraction": 0.0, "noise_sigmas": 0.0}


def exam_of(arrays, times=None, spacing=(1.0, 1.0, 1.0), pre=True, spacing_known=True):
    """Return an exam of arrays (z, y, x), the first one before contrast; `times` are those of the phases or None."""
    arrays = [np.asarray(array, np.float32) for array in arrays]
    times = [None] * len(arrays) if times is None else times
    numbers = range(0 if pre else 1, len(arrays) + (0 if pre else 1))
    phases = tuple(Phase("pre" if n == 0 else "post", n, t) for n, t in zip(numbers, times))
    geometry = Geometry(arrays[0].shape, spacing)
    return DceExam(phases, tuple(Volume(a, geometry) for a in arrays), spacing_known=spacing_known)


def curve_exam(signals, shape=(3, 4, 5), **kwargs):
    """Return an exam in which each phase is constant."""
    return exam_of([np.full(shape, value) for value in signals], **kwargs)


def functional_by_loops(pre, early, late, region, settings):
    """Return the functional tumour of M6, one voxel after the other, with divisions."""
    values = [float(v) for v in pre[region]]
    # Pixels are float32, and so is what they are compared with.
    least = np.float32(settings.background_fraction * np.percentile(values, settings.background_percentile))
    candidates = set()
    for at in itertools.product(*map(range, pre.shape)):
        before, first = float(pre[at]), float(early[at])
        if (
            region[at]
            and before > 0
            and before >= least
            and 100 * (first - before) / before >= (settings.pe_threshold_pct)
        ):
            candidates.add(at)
    found = np.zeros(pre.shape, bool)
    for at in candidates:
        around = itertools.product((-1, 0, 1), repeat=3)
        near = sum(tuple(a + s for a, s in zip(at, step)) in candidates for step in around) - 1
        before, first, last = float(pre[at]), float(early[at]), float(late[at])
        if near < settings.min_neighbours or last - before == 0:
            continue
        ratio = (first - before) / (last - before)
        found[at] = ratio >= settings.ser_min
    return found


def type_by_hand(pre, initial, late, enhancing=50.0, flat=10.0):
    """Return the number of a curve's type, one curve at a time, with divisions."""
    if not (np.isfinite([pre, initial, late]).all() and pre > 0) or 100 * (initial - pre) / pre < enhancing:
        return 0
    change = 100 * (late - initial) / initial
    return 1 if change > flat else 3 if change < -flat else 2

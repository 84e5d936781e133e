"""Maps of enhancement over a whole exam, computed slab by slab from phases that may be memory-mapped."""

import numpy as np

from ..errors import BadInput
from ..volume import Volume
from .curvetypes import curve_types, initial_peak, late_signal
from .noise import noise_level
from .phasechoice import choose_phases
from .signals import Signals, on_grid

SLAB_VOXELS = 1_000_000


def pe_map(exam, settings, out=None, report=None, breast=None):
    """Return percent enhancement at the early phase.

    Parameters
    ----------
    exam : DceExam
    settings : Settings
    out : numpy.ndarray, optional
        float32 (z, y, x), filled and used for the result: a memory-mapped file keeps the memory small.
    report : callable, optional
        ``report(stage, done, total)`` before each slab and at the end; may raise `Cancelled`.
    breast : numpy.ndarray or Volume, optional
        bool (z, y, x); the map is 0 outside.

    Returns
    -------
    Volume
        float32 on the exam's grid, 100 (early − pre) / pre; 0 where the signal before contrast is noise (see
        `noise.noise_level`) or a value is not finite.

    Raises
    ------
    BadInput
        If the exam has no pre- or no post-contrast phase, or `out` or `breast` does not fit.
    """
    return _Mapping(exam, settings, breast).map("Mapping enhancement", np.float32, _enhancement, False, out, report)


def ser_map(exam, settings, out=None, report=None, breast=None):
    """Return the signal enhancement ratio; parameters as for `pe_map`.

    Returns
    -------
    Volume
        float32 on the exam's grid, (early − pre) / (late − pre); 0 in noise and where the late enhancement is less
        than `settings.ser_change_pct` percent: the ratio is not defined there.

    Raises
    ------
    BadInput
        As for `pe_map`, and if there is one post-contrast phase only.
    """
    return _Mapping(exam, settings, breast).map("Mapping the ratio", np.float32, _ratio, True, out, report)


def curve_type_map(exam, settings, out=None, report=None, breast=None):
    """Return the type of each voxel's curve; parameters as for `pe_map`, `out` is uint8.

    Returns
    -------
    Volume
        uint8 on the exam's grid: 0 none (noise, too little enhancement), 1 persistent, 2 plateau, 3 wash-out; see
        `curvetypes.curve_types`.

    Raises
    ------
    BadInput
        As for `ser_map`.
    """
    return _Mapping(exam, settings, breast).map("Mapping curve types", np.uint8, _types, True, out, report)


MAPS = {"pe": pe_map, "ser": ser_map, "types": curve_type_map}


def possible_maps(phases, settings):
    """Return the names in `MAPS` that can be made of an exam with these phases."""
    choice = choose_phases(phases, settings)
    if choice.early is None:
        return ()
    return ("pe",) if choice.late is None else tuple(MAPS)


class _Mapping:
    """The exam whose slabs are mapped, and what the maps are computed from."""

    def __init__(self, exam, settings, breast):
        self._exam, self.settings, self.signals = exam, settings, Signals(exam)
        self.choice = choose_phases(exam.phases, settings)
        if self.choice.early is None:
            raise BadInput(self.choice.notes[0])
        self._breast = on_grid(breast, self.signals.shape)

    def map(self, stage, dtype, function, needs_late, out, report):
        """Return the `Volume` that `function` fills slab by slab."""
        if needs_late and self.choice.late is None:
            raise BadInput("The exam has one post-contrast phase only; this map needs two")
        shape = self.signals.shape
        if out is None:
            out = np.zeros(shape, dtype)
        elif tuple(out.shape) != shape or out.dtype != dtype:
            raise BadInput("The array for the map does not fit", f"{out.dtype} {tuple(out.shape)}")
        level = noise_level(self.signals.array(self.choice.pre), self.settings)
        step = max(1, SLAB_VOXELS // (shape[1] * shape[2]))
        for start in range(0, shape[0], step):
            if report is not None:
                report(stage, start, shape[0])
            slab = slice(start, start + step)
            pre = self.signals.part(self.choice.pre, slab)
            with np.errstate(all="ignore"):
                values = function(self, slab, pre)
                values[~((pre > level) & np.isfinite(pre) & np.isfinite(values))] = 0
            if self._breast is not None:
                values[self._breast[slab] == 0] = 0
            out[slab] = values
        if report is not None:
            report(stage, shape[0], shape[0])
        return Volume(out, self._exam.geometry)


def _enhancement(mapping, slab, pre):
    return 100 * (mapping.signals.part(mapping.choice.early, slab) - pre) / pre


def _ratio(mapping, slab, pre):
    rise = mapping.signals.part(mapping.choice.early, slab) - pre
    late = mapping.signals.part(mapping.choice.late, slab) - pre
    ratio = rise / late
    ratio[~((late > 0) & (100 * late >= mapping.settings.ser_change_pct * pre))] = 0
    return ratio


def _types(mapping, slab, pre):
    def read(phase):
        return mapping.signals.part(phase, slab)

    return curve_types(pre, initial_peak(read, mapping.choice), late_signal(read, mapping.choice), mapping.settings)

"""Kinetics of lesions: curves, enhancement, curve types, functional tumour volume. See docs/kinetics.md."""

import numpy as np
from scipy import ndimage

from .curvetypes import NAMES, curve_types, initial_peak, late_signal, type_shares
from .ftv import dark_share, functional_voxels
from .neighbourhood import sum27
from .noise import noise_level
from .phasechoice import choose_phases
from .signals import Signals, common, grown, inside, on_grid
from .tissue import normal_tissue

STAGE = "Measuring kinetics"
KEYS = (
    "enhancement_mean_pct",
    "enhancement_peak_pct",
    "ser_mean",
    "curve_type",
    "persistent_pct",
    "plateau_pct",
    "washout_pct",
    "time_to_peak_s",
    "slope_max_pct_per_s",
    "ftv_mm3",
    "curve_pct",
    "curve_signal",
    "peak_phase",
    "enhancing_voxels",
    "noise_voxels",
)
HOT_SPOT = 14  # voxels of the 27 that a neighbourhood must share with the lesion, where the lesion has such
DARK = 0.5  # a larger part of what enhances that is left out of the functional tumour volume is worth a note
NOISY = 0.1  # a larger part of a lesion's voxels in noise is worth a note


def measure_kinetics(exam, labels, settings, breast=None, report=None, region=None):
    """Measure the kinetics of lesions and of normal breast tissue.

    Works in the lesions' bounding boxes, so phases may be memory-mapped; what is kept of a lesion is its voxels in all
    phases and its region in three.

    Parameters
    ----------
    exam : DceExam
    labels : numpy.ndarray or Volume
        int (z, y, x) on the exam's grid: 0 outside lesions, 1 to n inside.
    settings : Settings
    breast : numpy.ndarray or Volume, optional
        bool (z, y, x), True in the breasts; needed for normal tissue.
    report : callable, optional
        ``report(stage, done, total)`` before each lesion, before the tissue and at the end; may raise `Cancelled`.
    region : numpy.ndarray or Volume, optional
        bool (z, y, x), where functional tumour volume is looked for; without it, the lesions' boxes with a margin.

    Returns
    -------
    rows : list of dict
        One for each label from 1 to n, with `KEYS`: numbers are None, texts "" and curves None where they cannot be
        measured; never NaN.
    tissue : dict or None
        See `tissue.normal_tissue`.
    notes : list of str
        Sentences worth reading: which phases were taken where that is not as wished, what is missing.

    Raises
    ------
    BadInput
        If labels, breast or region are not on the exam's grid.
    """
    signals = Signals(exam)
    labels, breast, region = (on_grid(a, signals.shape) for a in (labels, breast, region))
    boxes = ndimage.find_objects(labels)
    choice = choose_phases(exam.phases, settings)
    notes = list(choice.notes)
    if choice.early is None:
        return [nothing() for _ in boxes], None, notes
    lesions = _Lesions(exam, signals, labels, boxes, region, choice, settings)
    total, rows = len(boxes) + 1, []
    for index in range(len(boxes)):
        _tell(report, index, total)
        rows.append(lesions.row(index))
        notes += lesions.notes(index, rows[-1])
    _tell(report, len(boxes), total)
    tissue = None
    if breast is None:
        notes.append("Where the breast lies is not known, so there is no curve of normal tissue.")
    else:
        tissue = normal_tissue(signals, lesions.spacing, labels, boxes, breast, choice, settings, lesions.level)
        if tissue is None:
            notes.append("Too little normal breast tissue is left for a curve.")
    _tell(report, total, total)
    return rows, tissue, notes


def nothing():
    """Return the row of a lesion of which nothing can be measured."""
    return {**dict.fromkeys(KEYS), "curve_type": "", "peak_phase": ""}


def _tell(report, done, total):
    if report is not None:
        report(STAGE, done, total)


class _Lesions:
    """What is measured of each lesion of an exam."""

    def __init__(self, exam, signals, labels, boxes, region, choice, settings):
        self._exam, self._signals, self._labels, self._boxes = exam, signals, labels, boxes
        self._region, self._choice, self._settings = region, choice, settings
        self.spacing = exam.geometry.spacing[::-1]
        self.level = noise_level(signals.array(choice.pre), settings)
        margin = [int(round(settings.region_margin_mm / s)) for s in self.spacing]
        self._said = {}
        self._regions = [box and grown(box, margin, signals.shape) for box in boxes]

    def row(self, index):
        """Return the row of lesion `index` (from 0)."""
        row, box = nothing(), self._boxes[index]
        if box is None:
            return row
        where = self._labels[box] == index + 1
        values = np.stack([self._signals.part(phase, box)[where] for phase in range(len(self._signals))])
        valid = np.isfinite(values).all(axis=0) & (values[self._choice.pre] > self.level)
        row["noise_voxels"] = int(valid.size - np.count_nonzero(valid))
        row["ftv_mm3"], self._said[index] = self._functional(index)
        if not valid.any():
            return row
        values = values[:, valid]
        row.update(self._curve(values.mean(axis=1, dtype=np.float64)))
        row.update(self._voxels(values))
        where[where] = valid
        row["enhancement_peak_pct"] = _hot_spot(values, where, self._choice)
        return row

    def notes(self, index, row):
        """Return sentences about what noise and thresholds leave of lesion `index`."""
        noise, said = row["noise_voxels"], self._said.get(index)
        notes = [said] if said else []
        if not noise:
            return notes
        if row["curve_pct"] is None:
            return [f"Lesion {index + 1} has no signal above noise before contrast, so it has no kinetics."]
        part = noise / np.count_nonzero(self._labels[self._boxes[index]] == index + 1)
        if part > NOISY:
            notes.append(
                f"{100 * part:.0f} % of the voxels of lesion {index + 1} are noise before contrast and were left out."
            )
        return notes

    def _curve(self, signal):
        """Return what the mean curve tells; `signal` is the mean signal of each phase."""
        choice = self._choice
        percent = 100 * (signal / signal[choice.pre] - 1)
        found = {"curve_signal": signal.tolist(), "curve_pct": percent.tolist()}
        if choice.late is not None:
            found["curve_type"] = NAMES[int(self._types(signal))]
        highest = max(choice.posts, key=lambda phase: percent[phase])
        if percent[highest] > 0:
            found["peak_phase"] = self._exam.phases[highest].name
            found["time_to_peak_s"] = choice.times[highest]
        found["slope_max_pct_per_s"] = _steepest(percent, choice)
        return found

    def _voxels(self, values):
        """Return what the voxels tell: mean enhancement and ratio, shares of the curve types; `values` (phases, n)."""
        choice, settings = self._choice, self._settings
        pre, early = (values[phase].astype(np.float64) for phase in (choice.pre, choice.early))
        found = {"enhancement_mean_pct": float(np.mean(100 * (early - pre) / pre))}
        if choice.late is None:
            return found
        late = values[choice.late].astype(np.float64)
        enough = _enough_late(pre, late, settings)
        if enough.any():
            found["ser_mean"] = float(np.mean((early[enough] - pre[enough]) / (late[enough] - pre[enough])))
        shares, found["enhancing_voxels"] = type_shares(self._types(values))
        found.update(zip(("persistent_pct", "plateau_pct", "washout_pct"), shares))
        return found

    def _types(self, values):
        """Return the type of one curve (phases) or many (phases, n)."""

        def read(phase):
            return values[phase].astype(np.float64)

        choice = self._choice
        return curve_types(read(choice.pre), initial_peak(read, choice), late_signal(read, choice), self._settings)

    def _functional(self, index):
        """Return the functional tumour volume in mm³ in the region of lesion `index`, and a sentence about it or "".

        A voxel counts once: for the lesion that it belongs to, else for the first one whose region holds it.
        """
        choice, settings = self._choice, self._settings
        if choice.late is None or not self._exam.spacing_known:
            return None, ""
        box = self._regions[index]
        pre, early, late = (self._signals.part(phase, box) for phase in (choice.pre, choice.early, choice.late))
        region = np.ones(pre.shape, bool) if self._region is None else self._region[box] != 0
        labels = self._labels[box]
        own = labels == index + 1
        others = labels != 0
        for other in self._regions[:index]:
            shared = common(other, box) if other else None
            if shared:
                others[inside(shared, box)] = True
        counted = functional_voxels(pre, early, late, region, settings) & (own | ~others)
        volume = int(np.count_nonzero(counted)) * self._exam.geometry.voxel_volume
        dark = dark_share(pre, early, region, own & region, settings)
        return volume, _dark_note(index, dark, settings) if dark > DARK else ""


def _dark_note(index, dark, settings):
    return (
        f"{100 * dark:.0f} % of the voxels of lesion {index + 1} that enhance enough for the functional tumour volume "
        f"are left out of it: before contrast they are darker than {settings.background_fraction:g} of the region's "
        f"{settings.background_percentile:g}th percentile. The threshold is made for images with suppressed fat; with "
        "bright fat set background_fraction lower."
    )


def _enough_late(pre, late, settings):
    """Return where the late enhancement is enough for a signal enhancement ratio."""
    return (late > pre) & (100 * (late - pre) >= settings.ser_change_pct * pre)


def _steepest(percent, choice):
    """Return the steepest rise of a curve between consecutive phases, percent per second; None without times."""
    order = [choice.pre, *choice.posts]
    times = [choice.times[phase] for phase in order]
    if any(time is None for time in times):
        return None
    return float(np.max(np.diff(percent[order]) / np.diff(times)))


def _hot_spot(values, where, choice):
    """Return the highest mean enhancement of a voxel and its neighbours in the lesion, over all post phases.

    Parameters
    ----------
    values : numpy.ndarray
        (phases, n) signals of the lesion's voxels.
    where : numpy.ndarray
        bool (z, y, x), n voxels.
    """
    count = sum27(where.view(np.uint8))[where]
    centres = count >= min(HOT_SPOT, int(count.max()))
    pre = values[choice.pre].astype(np.float64)
    field, highest = np.zeros(where.shape), -np.inf
    for phase in choice.posts:
        field[where] = 100 * (values[phase] - pre) / pre
        mean = sum27(field)[where][centres] / count[centres]
        highest = max(highest, float(mean.max()))
    return highest

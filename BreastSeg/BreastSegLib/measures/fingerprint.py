"""Whether an exam looks like those that a model was trained on: voxel size, field of view, brightness."""

import math
from dataclasses import dataclass

import numpy as np

INTENSITIES = ("foreground_intensity_properties_per_channel", "foreground_intensity_properties_by_modality")
# How far beyond what the training tells is still alike, as a factor: where it tells a median, and where a range.
SPACING_FACTORS, SIZE_FACTORS = (1.5, 1.1), (2.0, 1.25)
COARSE = 4.0  # times the model's own voxels, which interpolation cannot make up for
SAMPLE = 1_000_000  # voxels that the brightness of a channel is told from, at most about
LESION_SAMPLE = 20_000
KINDS = {"dce": "DCE-MRI", "mammograms": "mammograms"}


@dataclass(frozen=True)
class Training:
    """What a model folder says of the images that the model was trained on.

    Parameters
    ----------
    spacing, size : tuple of (float, float), or None
        Lowest and highest voxel size and edge of the image along (x, y, z), mm; the same number twice is a median.
        None where it is not told.
    intensities : tuple of ((float, float) or None)
        Of each channel, the 0.5 and 99.5 percentile of the voxels in lesions.
    kinds : tuple of str
        ``dce``, ``mammograms``: what the model's recipe is for.
    sized : bool
        Whether spacing and size mean anything: not for recipes that make every image the same size in pixels.
    """

    spacing: tuple | None = None
    size: tuple | None = None
    intensities: tuple = ()
    kinds: tuple = ()
    sized: bool = True


def training_of(plans, fingerprint=None, kinds=(), sized=True):
    """Return the `Training` that nnU-Net's files tell of.

    Parameters
    ----------
    plans : dict
        plans.json: medians of spacing and shape, and the intensities.
    fingerprint : dict, optional
        dataset_fingerprint.json: spacing and shape of every case, from which the ranges are taken.
    kinds, sized
        See `Training`.

    Notes
    -----
    The files may have been written by anybody: whatever is not as it should be is taken as not told.
    """
    spacing, size = _ranges(fingerprint or {}) or _medians(plans)
    table = next((plans[name] for name in INTENSITIES if isinstance(plans.get(name), dict)), {})
    rows = [table.get(str(channel)) for channel in range(len(table))]
    return Training(spacing, size, tuple(map(_limits, rows)), tuple(kinds), sized)


def inputs_of(name, channels, channel_names, geometry, lesion=None, spacing_known=True):
    """Return what a prepared case looks like to the network, JSON-ready.

    Parameters
    ----------
    name : str
        Of the case.
    channels : numpy.ndarray
        (c, z, y, x).
    channel_names : sequence of str
    geometry : Geometry
        Of the channels.
    lesion : tuple of numpy.ndarray, optional
        Indices (z, y, x) of lesion voxels in the channels.
    spacing_known : bool

    Returns
    -------
    dict
        ``name``, ``spacing`` (None if unknown) and ``size_mm`` along (x, y, z), ``channels``: name, ``high`` (the
        99.9 percentile) and ``lesion`` (the mean in the lesion, None without one).
    """
    step = max(1, round((channels[0].size / SAMPLE) ** (1 / (3 if len(channels[0]) > 1 else 2))))
    thin = (slice(None, None, step if len(channels[0]) > 1 else 1), slice(None, None, step), slice(None, None, step))
    rows = []
    for channel, title in zip(channels, channel_names):
        high = float(np.percentile(channel[thin], 99.9))
        inside = None if lesion is None or not len(lesion[0]) else float(np.mean(channel[lesion], dtype=float))
        rows.append({"name": str(title), "high": _finite(high), "lesion": _finite(inside)})
    spacing = [float(s) for s in geometry.spacing] if spacing_known else None
    size = [float(e) for e in geometry.extent] if spacing_known else None
    return {"name": name, "spacing": spacing, "size_mm": size, "channels": rows}


def lesion_voxels(mask, geometry):
    """Return the indices (z, y, x), three arrays, at which a mask's voxels lie in another grid of the same patient.

    Parameters
    ----------
    mask : Volume
        Every n-th of its voxels is taken where there are more than 20,000.
    geometry : Geometry
    """
    places = np.flatnonzero(mask.array)
    places = places[:: max(1, len(places) // LESION_SAMPLE)]
    zyx = np.array(np.unravel_index(places, mask.array.shape), float)
    way = np.linalg.inv(geometry.ijk_to_lps) @ mask.geometry.ijk_to_lps
    found = np.rint(way[:3, :3] @ zyx[::-1] + way[:3, 3:]).astype(int)[::-1]
    inside = np.all((found >= 0) & (found < np.array(geometry.shape)[:, None]), axis=0)
    return tuple(found[:, inside])


def differences(training, kind, inputs=(), acquired=None):
    """Return in what an exam differs from the images of a training.

    Parameters
    ----------
    training : Training
    kind : {'dce', 'mammograms'}
        What the exam is.
    inputs : sequence of dict
        Of `inputs_of`, one for each case of the exam.
    acquired : tuple of float, optional
        Voxel size of the exam itself along (x, y, z), mm.

    Returns
    -------
    list of dict
        ``what`` (``modality``, ``spacing``, ``resolution``, ``size`` or ``intensity``), ``text`` (a sentence) and the
        figures in ``data``. Of several cases that differ alike the first is told.
    """
    if training.kinds and kind not in training.kinds:
        trained = " or ".join(KINDS.get(name, name) for name in training.kinds)
        text = f"The model was trained on {trained}, and the exam is {KINDS[kind]}."
        return [{"what": "modality", "text": text, "data": {"trained": list(training.kinds), "exam": kind}}]
    found = {}
    for case in inputs:
        for row in (*_of_grid(training, case), *_of_brightness(training, case)):
            found.setdefault((row["what"], row["data"].get("channel", "")), row)
    coarse = _of_resolution(training, acquired)
    return [*found.values(), *([coarse] if coarse and ("spacing", "") not in found else [])]


def _of_grid(training, case):
    if not training.sized or case["spacing"] is None:
        return
    for what, own, trained, factors, words in (
        ("spacing", case["spacing"], training.spacing, SPACING_FACTORS, "Voxels are"),
        ("size", case["size_mm"], training.size, SIZE_FACTORS, "The field of view is"),
    ):
        # The third axis of a mammogram says nothing.
        axes = range(2 if case["size_mm"][2] == case["spacing"][2] and not _deep(training) else 3)
        if trained is None or not any(_beyond(own[axis], trained[axis], factors) for axis in axes):
            continue
        digits = 2 if what == "spacing" else 0
        mine, theirs = (_edges(values, axes, digits) for values in ([(v, v) for v in own], trained))
        text = f"{words} {mine} mm as the model sees them; it was trained on {theirs} mm."
        if what == "size":
            text = f"{words} {mine} mm; the model was trained on {theirs} mm."
        yield {"what": what, "text": text, "data": {"exam": list(own), "trained": [list(v) for v in trained]}}


def _deep(training):
    return training.size is not None and training.spacing is not None and training.size[2][1] > training.spacing[2][1]


def _of_resolution(training, acquired):
    if acquired is None or not training.sized or training.spacing is None:
        return None
    own, trained = max(acquired), max(high for _, high in training.spacing)
    if own <= COARSE * trained:
        return None
    text = f"The exam's voxels are up to {own:.1f} mm long; the model works with {trained:.1f} mm, and edges between "
    text += "them are guessed."
    return {"what": "resolution", "text": text, "data": {"exam": own, "trained": trained}}


def _of_brightness(training, case):
    for row, limits in zip(case["channels"], training.intensities):
        if limits is None:
            continue
        low, high = limits
        told = f"the lesions of its training had {low:.3g} to {high:.3g}"
        data = {"channel": row["name"], "trained": [low, high], "lesion": row["lesion"], "high": row["high"]}
        if row["lesion"] is not None:
            if low <= row["lesion"] <= high:
                continue
            text = f"The lesion's mean value in the model's channel {row['name']} is {row['lesion']:.3g}; {told}."
        elif row["high"] is not None and row["high"] < low:
            text = f"Nearly nothing in the model's channel {row['name']} is above {row['high']:.3g}; {told}."
        else:
            continue
        yield {"what": "intensity", "text": text, "data": data}


def _beyond(value, trained, factors):
    low, high = trained
    factor = factors[0] if low == high else factors[1]
    return not low / factor <= value <= high * factor


def _edges(values, axes, digits):
    """Return edges along x, y, z for people: ``1.00 × 1.00 × 2.00``, ranges as ``0.8-1.2``."""
    texts = []
    for axis in axes:
        low, high = (f"{v:.{digits}f}" for v in values[axis])
        texts.append(low if low == high else f"{low}-{high}")
    return " × ".join(texts)


def _medians(plans):
    spacing = _triple(plans.get("original_median_spacing_after_transp"))
    shape = _triple(plans.get("original_median_shape_after_transp"))
    back = plans.get("transpose_backward", [0, 1, 2])
    if spacing is None or not isinstance(back, list) or sorted(map(str, back)) != ["0", "1", "2"]:
        return None, None
    spacing = [spacing[axis] for axis in back][::-1]
    size = None if shape is None else [s * shape[axis] for s, axis in zip(spacing, back[::-1])]
    return tuple((v, v) for v in spacing), None if size is None else tuple((v, v) for v in size)


def _ranges(fingerprint):
    """Return the ranges of spacing and size along (x, y, z), or None."""
    spacings, shapes = fingerprint.get("spacings"), fingerprint.get("shapes_after_crop")
    if not isinstance(spacings, list) or not isinstance(shapes, list) or len(spacings) != len(shapes) or not shapes:
        return None
    spacings, shapes = [_triple(row) for row in spacings], [_triple(row) for row in shapes]
    if None in spacings or None in shapes:
        return None
    spacings = np.array(spacings)[:, ::-1]
    sizes = spacings * np.array(shapes)[:, ::-1]
    return tuple(tuple((float(v.min()), float(v.max())) for v in table.T) for table in (spacings, sizes))


def _triple(values):
    """Return three positive numbers, or None."""
    if not isinstance(values, list) or len(values) != 3:
        return None
    numbers = [value for value in values if type(value) in (int, float) and math.isfinite(value) and value > 0]
    return numbers if len(numbers) == 3 else None


def _limits(row):
    """Return the percentiles of a channel; None where they are missing or tell nothing."""
    values = [row.get(name) for name in ("percentile_00_5", "percentile_99_5")] if isinstance(row, dict) else [None]
    if any(type(value) not in (int, float) or not math.isfinite(value) for value in values):
        return None
    return (float(values[0]), float(values[1])) if values[1] > values[0] else None


def _finite(value):
    return value if value is not None and math.isfinite(value) else None

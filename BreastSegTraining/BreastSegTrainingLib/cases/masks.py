"""The reference mask of a case: read from its files, joined to one lesion mask on the exam's own grid."""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.mask_files import WHITE
from BreastSegLib.volume import Geometry, Volume

RULES = Path(__file__).resolve().parents[2] / "Resources" / "label_rules.json"
SAME_SHAPE = 0.01  # relative difference of the edge ratios of a picture's mask and of the picture
ALL_INSIDE = 0.995  # to the percent
LEAST_INSIDE = 0.5  # of a mask on another grid that must lie inside the exam


@dataclass(frozen=True)
class RawMask:
    """A mask as its file has it.

    Parameters
    ----------
    array : numpy.ndarray
        Integer labels, (z, y, x); one slice for a mammogram.
    geometry : Geometry or None
        None where the format has none (pictures, arrays, outlines): the mask lies on the exam's grid, pixel by pixel.
    names : dict of int to tuple of str
        What each label is called: segment name and code (``SCT:4147007``), finding …; labels without a name are
        missing.
    path : Path
    numbered : bool
        Whether the values themselves mean something, so that a case may name one; those of outlines do not.
    parts : dict of int to tuple of str
        Of labels where several findings or segments lie on each other: what each of them is called.
    notes : tuple of str
        What was done to the mask while it was read.
    """

    array: np.ndarray
    geometry: Geometry | None
    path: Path
    names: dict = field(default_factory=dict)
    numbered: bool = True
    parts: dict = field(default_factory=dict)
    notes: tuple = ()

    def titles(self, value):
        """Return what lies where the mask has this value: one title, or several of findings on each other."""
        return self.parts.get(value) or self.names.get(value, (str(value),))[:1]


@dataclass(frozen=True)
class Complaint:
    """Something about a mask that has to be decided.

    Parameters
    ----------
    code : str
        Code of the check (``Resources/case_checks.json``).
    text : str
        A sentence without full stop.
    fix : str
        Fix that would mend it, '' where none does.
    fixed : bool
        Whether the case has chosen that fix, so that it was applied.
    """

    code: str
    text: str
    fix: str = ""
    fixed: bool = False


@dataclass(frozen=True)
class LesionMask:
    """The lesion of a case.

    Parameters
    ----------
    volume : Volume or None
        uint8, 0 and 1, on the exam's grid; None where it cannot be made.
    complaints : tuple of Complaint
    labels : dict of str to int
        Voxels of each label of the files, by name or value.
    notes : tuple of str
        What was done to the mask while it was read, such as outlines cut at the image's edge.
    """

    volume: Volume | None
    complaints: tuple = ()
    labels: dict = field(default_factory=dict)
    notes: tuple = ()

    @property
    def refusal(self):
        """Complaint or None: the first thing that is not mended."""
        return next((complaint for complaint in self.complaints if not complaint.fixed), None)


def read_lesion_mask(paths, geometry, flat, wanted=(), fixes=()):
    """Return the lesion mask of a case.

    Parameters
    ----------
    paths : sequence of Path
        Mask files; the lesion is where any of them marks it.
    geometry : Geometry
        The exam's own grid.
    flat : bool
        Whether the exam is a mammogram.
    wanted : sequence of str
        Which labels are the lesion: values, names or codes, or the name of a rule in ``Resources/label_rules.json``.
        Empty: all.
    fixes : sequence of str
        Fixes that the case has chosen: ``resample``, ``merge``, ``to-1``, ``negative``.

    Returns
    -------
    LesionMask

    Raises
    ------
    BadInput
        If a file is missing, damaged, or of an unknown kind.
    """
    from .rawmasks import read_raw_mask

    if not paths:
        negative = "negative" in fixes
        volume = Volume(np.zeros(geometry.shape, np.uint8), geometry) if negative else None
        return LesionMask(volume, (Complaint("mask-missing", "no mask is given", "negative", negative),))
    raws = [read_raw_mask(path, geometry.shape, flat) for path in paths]
    wanted, notes = _expanded(wanted), tuple(note for raw in raws for note in raw.notes)
    complaints, labels = [], {}
    inside = np.zeros(geometry.shape, bool)
    found = set()
    for raw in raws:
        values = _values(raw)
        for value in values:
            count = int(np.count_nonzero(raw.array == value))
            for title in raw.titles(value):
                labels[title] = labels.get(title, 0) + count
        chosen, matched = _chosen(raw, values, wanted)
        found |= matched
        complaints += _about_labels(values, raw, wanted, fixes)
        lesion = np.isin(raw.array, chosen) if chosen else np.zeros(raw.array.shape, bool)
        placed, complaint = _on_grid(lesion, raw, geometry, flat, fixes)
        complaints += [complaint] if complaint else []
        if placed is None:
            return LesionMask(None, tuple(complaints), labels, notes)
        inside |= placed
    absent = [text for text in wanted if text not in found]
    if wanted and len(absent) == len(wanted) and labels:
        said = f"no label of the mask is {' or '.join(wanted)}: it has {', '.join(labels)}"
        complaints.append(Complaint("label-absent", said, "negative", "negative" in fixes))
    elif not inside.any():
        complaints.append(Complaint("mask-empty", "the mask is empty", "negative", "negative" in fixes))
    return LesionMask(Volume(inside.view(np.uint8), geometry), tuple(dict.fromkeys(complaints)), labels, notes)


@cache
def label_rules():
    """Return {name: {"title", "labels"}} of the rules that may stand in the column ``label``."""
    return json.loads(RULES.read_text(encoding="utf-8"))["rules"]


def _expanded(wanted):
    texts = []
    for text in wanted:
        texts += label_rules().get(text.casefold(), {}).get("labels", [text])
    return list(dict.fromkeys(texts))


def _values(raw):
    return [int(value) for value in np.unique(raw.array) if value]


def _chosen(raw, values, wanted):
    """Return the values that are the lesion, and which of the wanted texts named one."""
    if not wanted:
        return values, set()
    chosen, matched = [], set()
    for text in wanted:
        for value in values:
            own = (str(value),) if raw.numbered else ()
            words = {word.casefold() for word in (*own, *raw.names.get(value, ()))}
            if text.casefold() in words:
                chosen.append(value)
                matched.add(text)
    return chosen, matched


def _about_labels(values, raw, wanted, fixes):
    """Return complaints about labels that nobody has chosen among."""
    if wanted or not values:
        return []
    names = list(dict.fromkeys(title for value in values for title in raw.titles(value)))
    if len(names) > 1:
        said = f"the mask has several labels: {', '.join(names[:8])}"
        return [Complaint("several-labels", said, "merge", "merge" in fixes)]
    if values[0] != 1 and values[0] not in raw.names:
        code = "label-255" if values[0] in WHITE else "label-value"
        return [Complaint(code, f"the mask's only label is {values[0]}", "to-1", "to-1" in fixes)]
    return []


def _on_grid(lesion, raw, geometry, flat, fixes):
    """Return the lesion on the exam's grid (None where that cannot be) and a complaint or None."""
    if flat:
        return _flat_on_grid(lesion, geometry, fixes)
    if raw.geometry is None:
        if lesion.shape == geometry.shape:
            return lesion, None
        return None, Complaint(
            "mask-grid", f"the mask has {_size(lesion.shape)} voxels, the exam {_size(geometry.shape)}"
        )
    if raw.geometry.same_grid(geometry):
        return lesion, None
    offset = _offset(raw.geometry, geometry)
    if offset is not None and (pasted := _pasted(lesion, offset, geometry.shape)) is not None:
        return pasted, None
    placed, share = _resampled(lesion, raw.geometry, geometry)
    if share < LEAST_INSIDE:
        return None, Complaint("mask-elsewhere", f"{1 - share:.0%} of the mask lies outside the exam's image")
    said = "the mask lies on another grid than the exam"
    said += f", {1 - share:.0%} of it lies outside" if share < ALL_INSIDE else ""
    return placed, Complaint("mask-grid", said, "resample", "resample" in fixes)


def _offset(own, geometry):
    """Return where (z, y, x) the first voxel of a mask lies in the exam, if its voxels lie on the exam's, else None.

    Slicer crops the segmentations that it saves, so this is no other grid.
    """
    steps = np.linalg.inv(geometry.ijk_to_lps) @ own.ijk_to_lps
    offset = np.rint(steps[:3, 3])
    reach = max(own.shape)
    if np.abs(steps[:3, :3] - np.eye(3)).max() * reach > 0.01 or np.abs(steps[:3, 3] - offset).max() > 0.01:
        return None
    return tuple(int(n) for n in offset[::-1])


def _pasted(lesion, offset, shape):
    """Return a cropped mask in an image of the exam's size, or None where a part of it lies outside."""
    marked = [np.flatnonzero(lesion.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    result = np.zeros(shape, bool)
    if not marked[0].size:
        return result
    own = tuple(slice(int(places[0]), int(places[-1]) + 1) for places in marked)
    target = tuple(slice(part.start + first, part.stop + first) for part, first in zip(own, offset))
    if any(part.start < 0 or part.stop > count for part, count in zip(target, shape)):
        return None
    result[target] = lesion[own]
    return result


def _flat_on_grid(lesion, geometry, fixes):
    if lesion.shape == geometry.shape:
        return lesion, None
    said = f"the mask has {_size(lesion.shape[1:])} pixels, the image {_size(geometry.shape[1:])}"
    (_, rows, columns), (_, height, width) = lesion.shape, geometry.shape
    if lesion.shape[0] != 1 or abs(rows * width / (columns * height) - 1) > SAME_SHAPE:
        return None, Complaint("mask-grid", said)
    row = np.minimum((np.arange(height) + 0.5) * rows / height, rows - 1).astype(int)
    column = np.minimum((np.arange(width) + 0.5) * columns / width, columns - 1).astype(int)
    return lesion[:, row[:, None], column[None, :]], Complaint("mask-grid", said, "resample", "resample" in fixes)


def _resampled(lesion, own, geometry):
    """Return a mask on another grid by its nearest voxels, and which share of it lies inside that grid."""
    import SimpleITK as sitk

    image = Volume(lesion, own).to_sitk()
    reference = sitk.Image([int(n) for n in geometry.shape[::-1]], sitk.sitkUInt8)
    reference.SetSpacing(geometry.spacing)
    reference.SetOrigin(geometry.origin)
    reference.SetDirection(geometry.direction)
    placed = sitk.GetArrayFromImage(sitk.Resample(image, reference, sitk.Transform(), sitk.sitkNearestNeighbor)) != 0
    points = np.argwhere(lesion)[:, ::-1]
    if not len(points):
        return placed, 1.0
    points = points[:: max(1, len(points) // 20_000)]
    world = points @ own.ijk_to_lps[:3, :3].T + own.ijk_to_lps[:3, 3]
    inverse = np.linalg.inv(geometry.ijk_to_lps)
    back = world @ inverse[:3, :3].T + inverse[:3, 3]
    limits = np.array(geometry.shape[::-1]) - 0.5
    share = float(((back >= -0.5) & (back <= limits)).all(axis=1).mean())
    return placed, share


def _size(shape):
    return " × ".join(str(n) for n in shape[::-1])


def require(lesion, where):
    """Return the volume of a lesion mask, or refuse it.

    Raises
    ------
    BadInput
        If something about it is not mended.
    """
    refusal = lesion.refusal
    if refusal is None and lesion.volume is not None:
        return lesion.volume
    hint = f"Write {refusal.fix} in the column fixes" if refusal.fix else "Correct the mask"
    raise BadInput(refusal.text.capitalize(), where, hint)

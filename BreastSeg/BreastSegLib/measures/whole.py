"""All that is measured of one exam, put together as JSON."""

import math
from dataclasses import dataclass, field

import numpy as np

from ..volume import Volume
from .kinetics import measure_kinetics
from .lesions import boxes_of, lesion_labels, measure_shapes
from .matching import match_views
from .quantities import empty_row
from .settings import Settings
from .views import measure_view
from .warnings import warnings_of

FORMAT = "breastseg-measures-1"
# Lesions of one image that are measured: what has more is noise, and measuring it would take minutes.
MOST = 100


@dataclass(frozen=True)
class Known:
    """What is known of a mask and its exam besides their voxels.

    Parameters
    ----------
    chances : sequence of (Volume or None)
        Chance of a lesion, 0 to 1, on the grid of the mask: one, or one for each mammogram. Empty: not known.
    breasts : sequence of (numpy.ndarray or None)
        Where the breast is, bool (z, y, x), likewise.
    thorax_seen : bool
        Whether the breasts of a DCE exam leave out the thorax.
    connected : bool
        Whether each connected piece of a label is a lesion; else each label is one.
    names : dict
        The name of a label value: ``{value: name}``.
    removed : sequence of dict
        What the clean-up removed, as a run tells it, of mammograms with ``view_index``; what is in the mask (again)
        is not counted.
    motion : (sequence of dict, bool)
        How far phases are moved against the reference phase (``phase``, ``mm``), and whether that is what motion
        correction left.
    differences, inputs : sequence of dict
        What the model's training tells of the exam, see `fingerprint`.
    """

    chances: tuple = ()
    breasts: tuple = ()
    thorax_seen: bool = True
    connected: bool = True
    names: dict = field(default_factory=dict)
    removed: tuple = ()
    motion: tuple = ((), False)
    differences: tuple = ()
    inputs: tuple = ()

    def of(self, index):
        """Return chance and breast of one image, None where they are not known."""
        return tuple(some[index] if some else None for some in (self.chances, self.breasts))


def measure_dce(exam, mask, settings=None, known=None, report=None):
    """Measure the lesions of a mask on a DCE exam.

    Parameters
    ----------
    exam : DceExam
        Its phases may be memory-mapped.
    mask : Volume
        Labels (z, y, x) on the exam's own grid.
    settings : Settings, optional
    known : Known, optional
    report : callable, optional
        ``report(stage, done, total)``; may raise `Cancelled`.

    Returns
    -------
    dict
        ``"format": "breastseg-measures-1"``, see docs/measures.md: JSON-ready, without NaN.
    """
    settings, known = settings or Settings(), known or Known()
    chance, breast = known.of(0)
    labels, values, rest = _numbered(mask, known.connected)
    shapes = measure_shapes(
        labels,
        exam.geometry,
        values,
        breast=breast,
        thorax_seen=known.thorax_seen,
        chance=chance,
        spacing_known=exam.spacing_known,
        names=known.names,
    )
    kinetics, tissue, notes = measure_kinetics(exam, labels, settings, breast, report)
    rows = [empty_row("dce") | shape | kinetic for shape, kinetic in zip(shapes, kinetics)]
    if not exam.spacing_known:
        rows = [{**row, "ftv_mm3": None} for row in rows]
    removed, phases = [row for row in known.removed if not _is_in(row, mask)], phases_of(exam)
    figures, corrected = known.motion
    warnings = warnings_of(
        "dce",
        rows,
        removed=removed,
        outside=_shares_outside(labels, values, breast),
        phases=phases,
        unknown_spacing=() if exam.spacing_known else ("exam",),
        motion=figures,
        corrected=corrected,
        differences=known.differences,
        notes=notes,
        left_out=[rest] if rest else (),
    )
    return _whole("dce", rows, settings, warnings, removed, exam.spacing_known) | {
        "phases": plain(phases),
        "tissue": plain(tissue),
        "motion": {"rows": plain(list(figures)), "corrected": corrected},
        "inputs": plain(list(known.inputs)),
    }


def measure_mammograms(exam, masks, known=None):
    """Measure the lesions of masks on mammograms.

    Parameters
    ----------
    exam : MammographyExam
    masks : sequence of (Volume or None)
        Labels (1, y, x), one for each view; None where there is none.
    known : Known, optional

    Returns
    -------
    dict
        As `measure_dce`; phases and tissue are empty, and ``views`` names the views.
    """
    known = known or Known()
    rows, shares, left_out = [], [], []
    views = [{"name": v.name, "title": v.title, "spacing_known": v.spacing is not None} for v in exam.views]
    for index, (view, mask) in enumerate(zip(exam.views, masks)):
        if mask is None:
            continue
        chance, breast = known.of(index)
        its = {"breast": breast, "chance": chance, "names": known.names, "connected": known.connected}
        labels, values, rest = _numbered(mask, known.connected)
        if rest:
            left_out.append({**rest, "view": view.name})
            mask = Volume(np.where(labels > 0, mask.array, 0), mask.geometry)
        rows += measure_view(mask, exam.images[index].geometry, view, index, **its)
        shares += _shares_outside(labels, values, breast)
    rows = match_views(rows, exam.views)
    removed = [row for row in known.removed if not _is_in(row, masks[row.get("view_index", 0)])]
    unknown = [view["name"] for view in views if not view["spacing_known"]]
    warnings = warnings_of(
        "mammograms",
        rows,
        removed=removed,
        outside=shares,
        unknown_spacing=unknown,
        differences=known.differences,
        left_out=left_out,
    )
    return _whole("mammograms", rows, None, warnings, removed, not unknown) | {
        "phases": [],
        "tissue": None,
        "motion": None,
        "inputs": plain(list(known.inputs)),
        "views": views,
    }


def components_only(kind, rows, settings, removed, warnings, exam):
    """Return measures that hold no more than what a run knows of its components, for when measuring has failed."""
    known = exam.spacing_known if kind == "dce" else all(view.spacing is not None for view in exam.views)
    lesions = [empty_row(kind) | {"value": None, "name": ""} | dict(row) for row in rows]
    whole = _whole(kind, lesions, settings, warnings, removed, known)
    return whole | {"phases": plain(phases_of(exam)), "tissue": None, "motion": None, "inputs": []}


def phases_of(exam):
    """Return the phases of an exam as JSON, with their names; none of mammograms."""
    return [{"name": one.name, "title": one.title, **one.to_json()} for one in getattr(exam, "phases", ())]


def _whole(kind, rows, settings, warnings, removed, spacing_known):
    size = "volume_mm3" if kind == "dce" else "area_mm2"
    total = {size: _sum(row.get(size) for row in rows), "lesions": len(rows)}
    if kind == "dce":
        total["ftv_mm3"] = _sum(row.get("ftv_mm3") for row in rows)
    return {
        "format": FORMAT,
        "kind": kind,
        "spacing_known": bool(spacing_known),
        "settings": settings.to_json() if settings is not None and kind == "dce" else {},
        "lesions": plain(rows),
        "total": plain(total),
        "warnings": plain(warnings),
        "removed": plain(list(removed)),
    }


def _numbered(mask, connected):
    """Return the numbered lesions, the largest `MOST` only, their values, and the count and voxels of the others."""
    labels, values = lesion_labels(mask, connected)
    if len(values) <= MOST:
        return labels, values, None
    others = labels > MOST
    rest = {"others": len(values) - MOST, "voxels": int(np.count_nonzero(others)), "measured": MOST}
    labels[others] = 0
    return labels, values[:MOST], rest


def _shares_outside(labels, values, breast):
    """Return which share of each lesion lies outside the breast; None without a breast mask."""
    if breast is None:
        return [None] * len(values)
    shares = []
    for number, box in enumerate(boxes_of(labels, values), start=1):
        inside = labels[box] == number
        shares.append(float(np.count_nonzero(inside & ~breast[box]) / np.count_nonzero(inside)))
    return shares


def _is_in(row, mask):
    """Return whether a region that the clean-up removed has come back: its centroid's neighbourhood has a label."""
    centre = row.get("centroid_lps")
    if row.get("change") != "removed" or centre is None or mask is None:
        return False
    place = np.linalg.inv(mask.geometry.ijk_to_lps) @ [*centre, 1.0]
    k, j, i = np.rint(place[2::-1]).astype(int)
    if min(k, j, i) < 0:
        return False
    return bool(mask.array[max(0, k - 1) : k + 2, max(0, j - 1) : j + 2, max(0, i - 1) : i + 2].any())


def _sum(values):
    """Return the sum of numbers; None where one of them is not known. Of none it is 0."""
    values = list(values)
    return None if None in values else float(sum(values))


def plain(value):
    """Return a value as JSON has it: no NumPy types, no tuples, None in place of NaN and infinity."""
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value

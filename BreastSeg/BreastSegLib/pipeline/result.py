"""From the network's probabilities to masks on the exam's own grid, cleaned and described."""

from pathlib import Path

import numpy as np

from ..exam.dce import DceExam
from ..files import write_error
from ..measures.side import breast_side
from ..recipe import clean, restore
from ..recipe.cleanup import label_components
from ..volume import Geometry, Volume

SIDES = {"L": "left", "R": "right", "": ""}


class Finding:
    """What a run found in one image: a DCE exam or one mammogram.

    Parameters
    ----------
    exam : DceExam or MammographyExam
    geometry : Geometry
        The image's own grid.
    view : View, optional
        The mammogram's.
    index : int
        Place of the view in its exam.

    Attributes
    ----------
    mask, raw : Volume
        uint8 labels on the exam's own grid, after and before the clean-up.
    chance : Volume
        Chance of a lesion, float32, 0 to 1.
    components, removed : list of dict
    notes : list of str
    """

    def __init__(self, exam, geometry, view=None, index=0):
        self.view, self.index, self._geometry = view, index, geometry
        self.mask = self.raw = self.chance = None
        self.components, self.removed, self.notes = [], [], []
        self._known = exam.spacing_known if isinstance(exam, DceExam) else view.spacing is not None

    def add(self, prepared, probabilities, steps, report):
        """Add the probabilities of one prepared case (labels, z, y, x), cleaned up by itself."""
        chance, raw = restore_result(prepared.record, probabilities, report)
        left_out = _outside(prepared.record.get("region"), raw, chance)
        if left_out:
            self.notes.append(f"{left_out:,} pixels outside the drawn box of {prepared.name} were left out.")
        report("Cleaning up", 0, 1)
        mask, rows, notes = clean(steps, raw, self.side_of, self._known)
        report("Cleaning up", 1, 1)
        self.removed += rows
        self.notes += [note for note in (*prepared.notes, *notes) if note not in self.notes]
        self.mask, self.raw = _merged(self.mask, mask), _merged(self.raw, raw)
        self.chance = _merged(self.chance, chance)

    def describe(self):
        """Fill in the components of the final mask, largest first."""
        _, rows = label_components(self.mask)
        for row in rows:
            row["side"] = self.side_of(row["centroid_lps"])
            if self.view is not None:
                area = row.pop("volume_mm3") / self.mask.geometry.spacing[2]
                row["area_mm2"] = round(area, 3) if self._known else None
        rows.sort(key=lambda row: -row["voxels"])
        self.components = [{**row, "label": index + 1} for index, row in enumerate(rows)]
        return self

    def side_of(self, point_lps):
        """Return ``left``, ``right`` or ``""`` for a point (x, y, z; mm, LPS)."""
        return breast_side(point_lps, self._geometry) if self.view is None else SIDES[self.view.laterality]


def restore_result(record, probabilities, report):
    """Return the chance of a lesion (float32, 0 to 1) and the raw mask (uint8 labels) on the exam's own grid.

    The strongest label wins after interpolation, so edges are placed between the prepared voxels. Where the exam
    reaches beyond the prepared grid the result is background.
    """
    foreground = []
    for label in range(1, len(probabilities)):
        report("Restoring", label - 1, len(probabilities))
        foreground.append(restore(record, probabilities[label]).array)
    geometry = Geometry.from_json(record["exam_geometry"])
    chance = np.clip(np.sum(foreground, axis=0, dtype=np.float32), 0, 1)  # labels are interpolated one by one
    strongest = np.argmax(foreground, axis=0).astype(np.uint8) + 1 if len(foreground) > 1 else np.uint8(1)
    winner = np.max(foreground, axis=0) if len(foreground) > 1 else chance
    raw = np.where(winner > 1 - chance, strongest, 0).astype(np.uint8)
    report("Restoring", len(probabilities), len(probabilities))
    return Volume(chance, geometry), Volume(raw, geometry)


def notes_on(findings):
    """Return the sentences about results that are worth reading."""
    notes = list(dict.fromkeys(note for finding in findings for note in finding.notes))
    if not any(finding.components for finding in findings):
        notes.append("No lesion was found.")
    removed = [row for finding in findings for row in finding.removed if row["change"] == "removed"]
    if removed:
        notes.append(
            f"The clean-up removed {len(removed)} region{'s' if len(removed) > 1 else ''}{_size_of(removed)}."
        )
    return notes


def write_finding(folder, name, finding, probabilities, report):
    """Write the arrays of a finding into a private folder and return the fields of the answer about it.

    Raises
    ------
    BadInput
        If the folder cannot be written.
    """
    report("Writing", 0, 1)
    arrays = {"mask": finding.mask.array, "raw": finding.raw.array}
    if probabilities:
        arrays["probabilities"] = finding.chance.array
    paths = {}
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for kind, array in arrays.items():
            paths[kind] = str(Path(folder) / f"{name}{kind}.npy")
            np.save(paths[kind], np.ascontiguousarray(array))
    except OSError as error:
        raise write_error(error, folder) from error
    report("Writing", 1, 1)
    return {
        **paths,
        "geometry": finding.mask.geometry.to_json(),
        "components": finding.components,
        "removed": finding.removed,
    }


def _outside(region, raw, chance):
    """Empty what lies outside the region that was given, in place; return the number of lesion pixels there."""
    if not region:
        return 0
    x0, y0, x1, y1 = (max(0, v) for v in region["box"])
    beyond = np.ones(raw.array.shape, bool)
    beyond[:, y0:y1, x0:x1] = False
    count = int(np.count_nonzero(raw.array[beyond]))
    raw.array[beyond] = 0
    chance.array[beyond] = 0
    return count


def _merged(old, new):
    return new if old is None else Volume(np.maximum(old.array, new.array), new.geometry)


def _size_of(rows):
    """Return the size of removed regions in total, for people; '' where it is unknown."""
    for name, unit, factor in (("volume_mm3", "cm³", 1000), ("area_mm2", "mm²", 1)):
        sizes = [row.get(name) for row in rows]
        if all(size is not None for size in sizes):
            return f" ({sum(sizes) / factor:.2f} {unit} in total)"
    return ""

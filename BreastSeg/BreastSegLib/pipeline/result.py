"""From the network's probabilities to masks on the exam's own grid, cleaned and described."""

from pathlib import Path

import numpy as np

from ..exam.dce import DceExam
from ..files import write_error
from ..measures.side import breast_side
from ..recipe import clean
from ..recipe.cleanup import label_components
from ..volume import Volume
from .averaging import entropy

# Beside the masks, where they are asked for: the chance of a lesion, how far folds and models are apart, how unsure
# their mean is.
MAPS = ("probabilities", "disagreement", "entropy")
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
    chance, disagreement : Volume
        Chance of a lesion, 0 to 1; standard deviation of it over folds and models, 0 to 0.5 (None: not asked for).
        float32.
    components, removed : list of dict
    notes : list of str
    """

    def __init__(self, exam, geometry, view=None, index=0):
        self.view, self.index, self._geometry = view, index, geometry
        self.mask = self.raw = self.chance = self.disagreement = None
        self.components, self.removed, self.notes = [], [], []
        self._known = exam.spacing_known if isinstance(exam, DceExam) else view.spacing is not None

    def add(self, prepared, chances, disagreement, steps, report):
        """Add what was found in one prepared case, cleaned up by itself.

        Parameters
        ----------
        prepared : Prepared
        chances : list of numpy.ndarray
            The chance of each label but the background, (z, y, x), float32, on the image's own grid.
        disagreement : numpy.ndarray or None
        steps : sequence of dict
            Clean-up steps of the recipe.
        report : callable
        """
        chance, raw = labelled(chances, self._geometry)
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
        if disagreement is not None:
            self.disagreement = _merged(self.disagreement, Volume(disagreement, self._geometry))

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


def labelled(chances, geometry):
    """Return the chance of a lesion (float32, 0 to 1) and the raw mask (uint8 labels).

    The likeliest label wins on the image's own grid, so edges are placed between the prepared voxels. Where the image
    reaches beyond the prepared grid the result is background.

    Parameters
    ----------
    chances : list of numpy.ndarray
        The chance of each label but the background, (z, y, x), float32.
    geometry : Geometry
    """
    chance = np.clip(np.sum(chances, axis=0, dtype=np.float32), 0, 1)  # labels are interpolated one by one
    strongest = np.argmax(chances, axis=0).astype(np.uint8) + 1 if len(chances) > 1 else np.uint8(1)
    winner = np.max(chances, axis=0) if len(chances) > 1 else chance
    raw = np.where(winner > 1 - chance, strongest, 0).astype(np.uint8)
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


def write_finding(folder, name, finding, request, report):
    """Write the arrays of a finding into a private folder and return the fields of the answer about it.

    Parameters
    ----------
    folder : str or Path
    name : str
        What the names of the files begin with.
    finding : Finding
    request : dict
        With `MAPS` that are true where a map is wanted too.
    report : callable

    Raises
    ------
    BadInput
        If the folder cannot be written.
    """
    report("Writing", 0, 1)
    arrays = {"mask": finding.mask.array, "raw": finding.raw.array}
    for kind in MAPS:
        if request.get(kind):
            arrays[kind] = _map_of(finding, kind)
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


def _map_of(finding, kind):
    """Return one of `MAPS` of a finding, (z, y, x), float32."""
    if kind == "entropy":
        return entropy(finding.chance.array)
    return (finding.chance if kind == "probabilities" else finding.disagreement).array


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

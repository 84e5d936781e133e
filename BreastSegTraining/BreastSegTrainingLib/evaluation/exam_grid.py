"""Predictions back on the exam's own grid, compared with the masks of the case table as they were drawn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json
from BreastSegLib.recipe import restore
from BreastSegLib.volume import Geometry

from ..cases.masks import read_lesion_mask, require
from ..dataset.layout import FORMAT, case_of
from .reading import Mask
from .sources import EXAM

CERTAIN = 0.5  # the chance above which a voxel is lesion, as in a run of BreastSeg


def on_exam_grid(source, table, key):
    """Return a `Source` whose pairs are compared on the exams' own grids.

    Parameters
    ----------
    source : Source
        Of a dataset, whose ``records`` undo the preparation.
    table : CaseTable
        Its masks are the reference.
    key : sequence of KeyRow
        Which name is which case (`dataset.names.read_key`).

    Raises
    ------
    BadInput
        If a pair has no record, is a region of a case (M4), or is not in the key or the table.
    """
    if source.dataset is None:
        raise BadInput("The exam's grid needs the dataset", source.prediction, "Give the folder of the raw dataset")
    cases, names = {case.name: case for case in table}, {row.name: row.case for row in key}
    pairs = []
    for pair in source.pairs:
        if case_of(pair.case) != pair.case:
            hint = "Evaluate them on the prepared grid"
            raise BadInput("Regions of an image are not compared on the exam's grid", pair.case, hint)
        if not pair.record:
            raise BadInput("The record of the preparation is missing", pair.case, "Export the dataset again")
        case = cases.get(names.get(pair.case, ""))
        if case is None:
            raise BadInput(
                "The key and the case table do not say which case this is", pair.case, "Give those of the dataset"
            )
        reference = {
            "masks": tuple(str(path) for path in table.mask_paths(case)),
            "wanted": tuple(case.parts("label")),
            "fixes": tuple(case.parts("fixes")),
        }
        pairs.append(replace(pair, reference=reference))
    return replace(source, pairs=tuple(pairs), grid=EXAM, truth="case table")


def preparation_of(pair):
    """Return the record of a pair's preparation, None where there is none.

    Raises
    ------
    BadInput
        If the dataset's record of the case is damaged or is of other samples.
    """
    if not pair.record:
        return None
    record = read_json(pair.record)
    samples = record.get("samples") if isinstance(record, dict) and record.get("format") == FORMAT else None
    if not isinstance(samples, list):
        raise BadInput(
            "The dataset's record of the case is damaged", Path(pair.record).name, "Export the dataset again"
        )
    for sample in samples:
        if isinstance(sample, dict) and sample.get("name") == pair.case:
            return sample.get("record") if isinstance(sample.get("record"), dict) else None
    return None


def reference_mask(pair, preparation):
    """Return the `Mask` of a pair's reference, as it was drawn, on the exam's grid.

    Raises
    ------
    BadInput
        If the mask cannot be read any more, or does not fit.
    """
    if "exam_geometry" not in (preparation or {}):
        raise BadInput("The record of the preparation is missing", pair.case, "Export the dataset again")
    geometry = Geometry.from_json(preparation["exam_geometry"])
    lesion = read_lesion_mask(
        geometry=geometry,
        flat="view" in preparation,
        paths=pair.reference["masks"],
        wanted=pair.reference["wanted"],
        fixes=pair.reference["fixes"],
    )
    return Mask(require(lesion, pair.case).array != 0, geometry)


def restored(preparation, mask, chances):
    """Return a prediction (`Mask`) and its chances (or None) on the exam's grid.

    With chances these come back and the voxels above 0.5 are the mask, as when BreastSeg runs the model; else the
    labels come back.

    Parameters
    ----------
    preparation : dict
    mask : numpy.ndarray of bool
        On the prepared grid.
    chances : numpy.ndarray of float32 or None
    """
    if chances is not None:
        volume = restore(preparation, chances)
        return Mask(volume.array > CERTAIN, volume.geometry), volume.array
    volume = restore(preparation, mask.view(np.uint8))
    return Mask(volume.array != 0, volume.geometry), None

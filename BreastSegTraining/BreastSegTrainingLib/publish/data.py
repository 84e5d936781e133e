"""What the card says of the data that a model was trained on: numbers, and nothing that tells who a patient is."""

import re

import numpy as np
from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json

from ..dataset.layout import LABELS, SPLIT_RECORD, Layout, case_of
from ..dataset.names import read_key

_PATIENT = re.compile(r"(P\d+)_\d+", re.ASCII)
QUARTILES = {"min": 0, "q1": 25, "median": 50, "q3": 75, "max": 100}


def summarise(raw, table=None, key=None, dimension=3):
    """Return the numbers of a raw dataset.

    Parameters
    ----------
    raw : RawDataset
    table : CaseTable, optional
    key : str or Path, optional
        Of the dataset. Both together tell the number of centres, and of patients where the names do not.
    dimension : int
        Of the network; a mammogram's lesions are told in pixels of the prepared image.

    Returns
    -------
    dict
        ``cases``, ``samples``, ``patients`` (null where unknown), ``centres``, ``test_cases``, ``without_lesion``,
        ``lesion_volume_mm3`` or ``lesion_pixels`` (minimum, quartiles, maximum), ``folds``, ``stratified_by``.

    Raises
    ------
    BadInput
        If table and key do not belong together, or only one of them is given.
    """
    layout = Layout(raw.folder)
    cases = sorted({case_of(sample) for sample in raw.cases})
    sizes, empty = _lesion_sizes(layout, raw, cases, dimension)
    split = _split(raw.folder)
    summary = {
        "cases": len(cases),
        "samples": len(raw.cases),
        "patients": _patients(cases),
        "centres": None,
        "test_cases": len(_test_cases(layout)),
        "without_lesion": empty,
        "lesion_volume_mm3" if dimension == 3 else "lesion_pixels": sizes,
        "folds": len(raw.splits),
        "stratified_by": split.get("stratify", []),
    }
    return summary | _from_table(raw.folder.name, cases, table, key)


def sentence(data):
    """Return the summary as one sentence for the card."""
    words = [f"{data['cases']} {'case' if data['cases'] == 1 else 'cases'}"]
    if data["patients"]:
        words.append(f"of {data['patients']} {'patient' if data['patients'] == 1 else 'patients'}")
    if data["centres"]:
        words.append(f"from {data['centres']} {'centre' if data['centres'] == 1 else 'centres'}")
    text = " ".join(words)
    size = data.get("lesion_volume_mm3")
    if size:
        text += f", lesions of {size['median'] / 1000:.2g} cm³ (median)"
    return text


def _patients(cases):
    found = [_PATIENT.fullmatch(case) for case in cases]
    return len({match[1] for match in found}) if found and all(found) else None


def _test_cases(layout):
    folder = layout.folder / LABELS["test"]
    names = [path.name.split(".")[0] for path in folder.iterdir()] if folder.is_dir() else []
    return {case_of(name) for name in names if name}


def _lesion_sizes(layout, raw, cases, dimension):
    """Return quartiles of the lesions' sizes on the prepared grid, and how many samples have none; None: unknown."""
    voxels = {}
    for case in cases:
        record = layout.read_record(case)
        for sample in (record or {}).get("samples", ()):
            if isinstance(sample.get("lesion_voxels"), int):
                voxels[sample["name"]] = sample["lesion_voxels"]
    if set(voxels) < set(raw.cases):
        return None, None
    sizes = [
        count * (_voxel_volume(raw.label(sample)) if dimension == 3 else 1.0)
        for sample, count in sorted(voxels.items())
        if count and sample in raw.cases
    ]
    empty = sum(not voxels[sample] for sample in raw.cases)
    if not sizes:
        return None, empty
    return {name: float(f"{np.percentile(sizes, share):.6g}") for name, share in QUARTILES.items()}, empty


def _voxel_volume(path):
    """Return mm³ of a voxel; only the header is read."""
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise BadInput("The reference mask cannot be read", path, "Export the dataset again") from error
    return float(np.prod(reader.GetSpacing()))


def _split(folder):
    path = folder / SPLIT_RECORD
    record = read_json(path) if path.is_file() else {}
    return record if isinstance(record, dict) else {}


def _from_table(dataset, cases, table, key):
    """Return the numbers of patients and centres as the case table knows them."""
    if table is None and key is None:
        return {}
    if table is None or key is None:
        raise BadInput("The case table and the key of the dataset go together", "--cases, --key", "Give both or none")
    rows = {row.name: row for row in read_key(key) if not row.dataset or row.dataset == dataset}
    missing = [name for name in cases if name not in rows]
    if missing:
        raise BadInput(f"The key does not know the dataset's case {missing[0]}", key, "Give the dataset's own key")
    known = {case.name: case for case in table}
    chosen = [known[rows[name].case] for name in cases if rows[name].case in known]
    if len(chosen) < len(cases):
        raise BadInput(f"The table lacks {len(cases) - len(chosen)} cases of the dataset", "--cases")
    centres = {case.get("centre") for case in chosen if case.get("centre")}
    return {"patients": len({rows[name].patient for name in cases}), "centres": len(centres) or None}

"""MAMA-MIA: DCE-MRI of four collections with segmentations of experts.

Layout of the release (Garrucho et al., Scientific Data 12 (2025) 453; METHODS M1, M6):
``images/CASE/case_0000.nii.gz`` (before contrast), ``case_0001.nii.gz`` …; ``segmentations/expert`` and
``segmentations/automatic`` with ``case.nii.gz``; ``patient_info_files/case.json``;
``clinical_and_imaging_info.xlsx`` (sheet ``dataset_info``); ``train_test_splits.csv``. Folders are in upper case,
files in lower case.
"""

import json
import math
import re

from BreastSegLib.errors import BadInput
from BreastSegLib.exam.images.naming import numbered, volume_files
from BreastSegLib.files import read_json

from ..columns import read_number
from ..spreadsheet import heading_key, read_sheet, rows_of
from .gathering import Gathering, listed, silent, subfolder, value, visible

CENTRES = {"DUKE": "DUKE", "ISPY1": "ISPY1", "ISPY2": "ISPY2", "NACT": "NACT"}
TABLES = ("clinical_and_imaging_info.xlsx", "clinical_and_imaging_info.csv", "clinical_and_imaging_info.xls")
SPLITS = "train_test_splits.csv"
WORDS = {"pre": "pre", "peri": "pre", "post": "post"}


def read(source, report=None, annotation="expert"):
    """Return the cases of MAMA-MIA, one for each exam.

    Parameters
    ----------
    source : str or Path
        The folder that holds ``images`` and ``segmentations``.
    report : callable, optional
    annotation : {'expert', 'automatic', 'any'}
        Whose segmentation is the mask; ``any`` is the expert's where there is one.

    Returns
    -------
    Imported
    """
    report, gathering = report or silent, Gathering(source)
    images = subfolder(gathering.folder, "images")
    if images is None:
        raise BadInput("There is no folder images", source, "Give the folder that holds images and segmentations")
    cases = {entry.name.casefold(): entry for entry in visible(images) if entry.is_dir()}
    masks = _masks(gathering, annotation)
    told = _table(gathering, cases)
    parts = _splits(gathering)
    infos = subfolder(gathering.folder, "patient_info_files")
    infos = {entry.stem.casefold(): entry for entry in visible(infos)} if infos else {}
    untimed = []
    for done, (key, folder) in enumerate(cases.items()):
        report("Reading cases", done, len(cases))
        where = f"images/{folder.name}"
        if key not in masks:
            gathering.refuse(where, f"there is no {'' if annotation == 'any' else annotation + ' '}segmentation")
            continue
        with gathering.reading(where):
            phases = _phases(folder)
            row = {**_flat(_info(infos.get(key), gathering)), **told.get(key, {})}
            times = _times(row.get("acquisitiontimes", ""), len(phases))
            untimed += [] if times else [folder.name]
            values = {
                "patient": folder.name.upper(),
                "phases": gathering.relative(*phases),
                "times": times,
                "mask": gathering.relative(masks[key]),
                "phase_count": len(phases),
                "split": parts.get(key, ""),
                **_clinical(row, folder.name),
            }
            gathering.add(where, folder.name, values)
    report("Reading cases", len(cases), len(cases))
    for key in sorted(masks.keys() - cases.keys()):
        gathering.refuse(masks[key].relative_to(gathering.folder).as_posix(), "its images are missing")
    if untimed:
        gathering.note(f"The times of {len(untimed)} cases are unknown or do not fit the phases: {listed(untimed)}.")
    return gathering.result()


def _phases(folder):
    """Return the phase files of a case in order, pre first."""
    found = numbered(volume_files([str(entry) for entry in visible(folder) if entry.is_file()]))
    if len(found) != 1:
        raise BadInput("its files are not called CASE_0000, CASE_0001 …" if not found else "it holds several cases")
    files = next(iter(found.values()))
    missing = sorted(set(range(max(files) + 1)) - set(files))
    if missing:
        raise BadInput(f"the file of phase {missing[0]:04d} is missing")
    return [files[number] for number in sorted(files)]


def _masks(gathering, annotation):
    """Return {case: segmentation}."""
    root, found = subfolder(gathering.folder, "segmentations"), {}
    if root is None:
        raise BadInput("There is no folder segmentations", gathering.folder, "Copy it from the dataset")
    for name in ("automatic", "expert") if annotation == "any" else (annotation,):
        folder = subfolder(root, name)
        if folder is None and annotation != "any":
            raise BadInput(f"There is no folder segmentations/{name}", gathering.folder, "Copy it from the dataset")
        for entry in visible(folder) if folder else ():
            if entry.name.lower().endswith((".nii.gz", ".nii")):
                found[re.sub(r"\.nii(\.gz)?$", "", entry.name.casefold())] = entry
    return found


def _table(gathering, cases):
    """Return {case: row} of the clinical table."""
    tables = {entry.name.casefold(): entry for entry in visible(gathering.folder)}
    path = next((tables[name] for name in TABLES if name in tables), None)
    if path is None:
        gathering.note("clinical_and_imaging_info.xlsx is missing: what is known comes from patient_info_files alone.")
        return {}
    told = {}
    for line, row in rows_of(read_sheet(path, ("patient_id",))):
        name, where = value(row.get("patientid")), f"{path.name}, line {line}"
        if not name:
            gathering.refuse(where, "the row has no patient_id")
        elif name.casefold() in told:
            gathering.refuse(where, f"a second row for {name}")
        else:
            told[name.casefold()] = row
            if name.casefold() not in cases:
                gathering.refuse(where, f"there is no folder images/{name}")
    return told


def _splits(gathering):
    """Return {case: 'train' or 'test'} of the dataset's own split."""
    path, parts = gathering.folder / SPLITS, {}
    if not path.is_file():
        return parts
    with gathering.reading(SPLITS):
        for line, row in rows_of(read_sheet(path, ("train_split", "test_split"))):
            for column, part in (("trainsplit", "train"), ("testsplit", "test")):
                name = value(row.get(column)).casefold()
                if name and parts.setdefault(name, part) != part:
                    gathering.refuse(f"{SPLITS}, line {line}", "the case is in both parts; train counts")
                    parts[name] = "train"
    return parts


def _info(path, gathering):
    if path is None:
        return {}
    try:
        record = read_json(path)
    except BadInput:
        gathering.note(f"patient_info_files/{path.name} is damaged and not used.")
        return {}
    return record if isinstance(record, dict) else {}


def _flat(record):
    """Return the values of a JSON file and of the groups in it as texts, by heading."""
    row = {}
    for name, one in record.items():
        if isinstance(one, dict):
            row.update({key: text for key, text in _flat(one).items() if key not in row})
        elif one is not None:
            row[heading_key(name)] = json.dumps(one) if isinstance(one, list) else str(one)
    return row


def _times(text, count):
    """Return the times of `count` phases as the case table writes them, '' where the text does not tell them."""
    parts = [part.strip(" '\"") for part in text.strip().strip("[]()").replace(";", ",").split(",")]
    seconds = [read_number(part) for part in parts]
    if len(seconds) != count or any(second is None or not math.isfinite(second) for second in seconds):
        return ""
    if any(later <= earlier for earlier, later in zip(seconds, seconds[1:])):
        return ""
    return ";".join(f"{second:g}" for second in seconds)


def _clinical(row, name):
    menopause = re.match(r"[a-z]+", row.get("menopause", row.get("menopausalstatus", "")).strip().casefold())
    scanner = [value(row.get("manufacturer", row.get("scannermanufacturer")))]
    scanner.append(value(row.get("manufacturermodel", row.get("scannermodel"))))
    prefix = name.split("_")[0].upper()
    return {
        "centre": value(row.get("dataset")).upper() or CENTRES.get(prefix, ""),
        "scanner": " ".join(filter(None, scanner)),
        "field_strength": value(row.get("fieldstrength")),
        "density": value(row.get("breastdensity")),
        "pathology": value(row.get("tumorsubtype")),
        "age": value(row.get("age")),
        "menopause": WORDS.get(menopause[0], "unknown") if menopause else "",
        "site": value(row.get("site")),
        "pcr": value(row.get("pcr")),
    }

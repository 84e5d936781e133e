"""BreastDM: DCE-MRI cut to slices with lesions, by patient, as arrays or as pictures.

Layout of the release (Zhao et al., Computers in Biology and Medicine 164 (2023) 107255; METHODS M2): ``seg3D`` with
``images/PATIENT/VIBRANT.npy``, ``VIBRANT+C2.npy`` and ``SUB2.npy``, and ``labels/PATIENT/SUB2.npy``; ``seg`` with a
folder of pictures for each sequence (``images/PATIENT/VIBRANT+C1/p-036.png``); both in ``train``, ``val`` and
``test``. Patients are called ``BreaDM-Ma-1802`` (malignant) and ``BreaDM-Be-1801`` (benign).
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.contents import contents_of
from BreastSegLib.exam.images.picturestack import ENDINGS
from BreastSegLib.exam.mask_files import WHITE

from ..rawmasks import read_raw_mask
from .gathering import Gathering, silent, subfolder, visible

PATHOLOGY = {"ma": "malignant", "be": "benign"}
# `val` helps to choose among trainings, so it belongs to what a model may see.
PARTS = {"train": "train", "val": "train", "valid": "train", "test": "test"}
ORDER = ("", "train", "val", "valid", "test")
DEEPEST = 4


@dataclass(frozen=True)
class _Patient:
    folder: Path
    labels: Path
    part: str
    form: str


def read(source, report=None, form="", label_of="SUB2"):
    """Return the cases of BreastDM, one for each patient.

    Parameters
    ----------
    source : str or Path
        A folder with ``images`` and ``labels``, or one above it.
    report : callable, optional
    form : {'', 'arrays', 'pictures'}
        Which of both, where both are there.
    label_of : str
        The sequence whose label is the mask.

    Returns
    -------
    Imported
    """
    report, gathering = report or silent, Gathering(source)
    places = list(_places(gathering.folder, DEEPEST))
    if not places:
        raise BadInput("There are no folders images and labels", source, "Give the folder seg3D or seg of BreastDM")
    patients = [patient for place in places for patient in _patients(place, gathering)]
    forms = {patient.form for patient in patients}
    if len(forms) > 1 and not form:
        what = "The folder holds BreastDM as arrays and as pictures: the same patients twice"
        raise BadInput(what, source, "Choose one: --form arrays or --form pictures")
    patients = [patient for patient in patients if form in ("", patient.form)]
    patients.sort(key=lambda patient: ORDER.index(patient.part))
    first = {}
    for done, patient in enumerate(patients):
        report("Reading labels", done, len(patients))
        where = patient.folder.relative_to(gathering.folder).as_posix()
        name = patient.folder.name
        if name in first:
            gathering.refuse(where, f"the patient is in {first[name]} too, which counts: the release has copies")
            continue
        with gathering.reading(where):
            values = _values(patient, label_of, gathering)
            gathering.add(where, name, values)
            first[name] = patient.part or "another folder"
    report("Reading labels", len(patients), len(patients))
    if any(patient.part in ("val", "valid") for patient in patients):
        gathering.note("Patients of val are written as train: folds are made of both.")
    gathering.note("The voxel size is not told: write spacing=x,y,z in the column choose where lengths matter.")
    return gathering.result()


def _places(folder, depth):
    """Yield the folders that hold ``images`` and ``labels``."""
    if subfolder(folder, "images") and subfolder(folder, "labels"):
        yield folder
    elif depth:
        for entry in visible(folder):
            if entry.is_dir():
                yield from _places(entry, depth - 1)


def _patients(place, gathering):
    part = place.name.casefold() if place.name.casefold() in PARTS else ""
    images, labels = subfolder(place, "images"), subfolder(place, "labels")
    named = {entry.name: entry for entry in visible(labels) if entry.is_dir()}
    found = []
    for folder in visible(images):
        where = folder.relative_to(gathering.folder).as_posix()
        if not folder.is_dir():
            gathering.refuse(where, "a patient is a folder")
        elif folder.name not in named:
            gathering.refuse(where, f"there is no folder {folder.name} among the labels")
        else:
            form = "arrays" if any(entry.suffix.lower() == ".npy" for entry in visible(folder)) else "pictures"
            found.append(_Patient(folder, named[folder.name], part, form))
    missing = sorted(named.keys() - {patient.folder.name for patient in found})
    for name in missing:
        if not (images / name).exists():
            gathering.refuse(named[name].relative_to(gathering.folder).as_posix(), "its images are missing")
    return found


def _values(patient, label_of, gathering):
    scan = contents_of({"folder": str(patient.folder)}).scan
    mask = _label(patient, label_of)
    raw = read_raw_mask(mask, scan.geometry.shape, flat=False)
    marked = [int(number) for number in np.unique(raw.array) if number]
    if raw.array.shape != scan.geometry.shape:
        mine, theirs = (" × ".join(map(str, shape[::-1])) for shape in (raw.array.shape, scan.geometry.shape))
        raise BadInput(f"the label has {mine} voxels, the images {theirs}")
    kind = re.fullmatch(r"Brea(?:st)?DM-([A-Za-z]{2})-.*", patient.folder.name)
    return {
        "patient": patient.folder.name,
        "exam": gathering.relative(patient.folder),
        "mask": gathering.relative(mask),
        "fixes": "to-1" if marked and len(marked) == 1 and marked[0] in WHITE else "",
        "centre": "BreastDM",
        "phase_count": len(scan.phases),
        "pathology": PATHOLOGY.get(kind[1].casefold(), "") if kind else "",
        "split": PARTS.get(patient.part, ""),
    }


def _label(patient, label_of):
    """Return the label of a sequence: an array, or a folder of pictures."""
    entries = visible(patient.labels)
    names = {(entry.stem if entry.suffix.lower() == ".npy" else entry.name).casefold(): entry for entry in entries}
    found = names.get(label_of.casefold())
    if found is None and not any(entry.is_dir() for entry in entries) and patient.form == "pictures":
        pictures = [entry for entry in entries if entry.suffix.lower() in ENDINGS]
        found = patient.labels if pictures else None
    if found is None:
        raise BadInput(f"there is no label {label_of}; there is {', '.join(sorted(names)) or 'none'}")
    return found

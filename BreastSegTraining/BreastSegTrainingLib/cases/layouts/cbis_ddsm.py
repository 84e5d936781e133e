"""CBIS-DDSM: digitised film mammograms, each lesion with a mask and a crop.

Layout of The Cancer Imaging Archive: four tables (mass and calc, training and test), and one folder for each image
(``Mass-Training_P_00001_LEFT_CC``) and for each lesion of it (``…_LEFT_CC_1``). The paths in the tables are those of
an earlier download (``…/STUDY-UID/SERIES-UID/000000.dcm``); now the files are called ``1-1.dcm`` and ``1-2.dcm`` in
folders with a date and a description. Mask and crop of many lesions are exchanged, in the tables and on the disk, so
they are told apart by their content (Lee et al., Scientific Data 4 (2017) 170177; METHODS M4).
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from BreastSegLib.errors import BadInput

from ..spreadsheet import heading_key, read_sheet, rows_of
from .gathering import Gathering, listed, silent, value
from .masks_and_crops import Lesion, tell_apart

SUBJECT = re.compile(
    r"(?P<kind>Mass|Calc)-(?P<part>Training|Test)_(?P<patient>P_\d+)_(?P<side>LEFT|RIGHT)_(?P<view>[A-Z]+)"
    r"(?:_(?P<number>\d+))?"
)
TABLE = re.compile(r"(?P<kind>mass|calc).*?(?P<part>train|test).*\.(csv|xlsx?)", re.IGNORECASE)
KINDS = {"mass": "Mass", "calcification": "Calc"}
HEADINGS = ("patient_id", "image view", "abnormality id", "pathology", "image file path")
# Column of the tables → column of the case table that keeps it.
OTHERS = {
    "massshape": "mass_shape",
    "massmargins": "mass_margins",
    "calctype": "calc_type",
    "calcdistribution": "calc_distribution",
    "subtlety": "subtlety",
}


@dataclass
class Row:
    """One lesion as a table describes it.

    Parameters
    ----------
    where : str
        Table and line.
    image : str
        Folder name of the image: ``Mass-Training_P_00001_LEFT_CC``.
    values : dict
        By heading (`heading_key`).
    lesion : Lesion or None
        Its files, once they were found.
    """

    where: str
    image: str
    values: dict = field(repr=False)
    lesion: Lesion | None = None

    @property
    def number(self):
        """str: which lesion of the image it is."""
        return value(self.values.get("abnormalityid"))


def read(source, report=None, lesions="merged", kinds="all"):
    """Return the cases of CBIS-DDSM: a row for each image, or for each lesion.

    Parameters
    ----------
    source : str or Path
        A folder that holds the tables and, anywhere below it, the folders of the images.
    report : callable, optional
    lesions : {'merged', 'apart'}
        Lesions of one image: their masks joined, or a row each.
    kinds : {'all', 'mass', 'calcification'}

    Returns
    -------
    Imported
    """
    report, gathering = report or silent, Gathering(source)
    tables, folders = _walk(gathering.folder)
    if kinds != "all":
        tables = [path for path in tables if TABLE.fullmatch(path.name)["kind"].capitalize() == KINDS[kinds]]
    if not tables:
        what = "There is no case description table"
        raise BadInput(what, source, "Put mass_case_description_train_set.csv and the others into the folder")
    rows = [row for table in tables for row in _rows(table, gathering)]
    found, swapped = [], []
    for done, row in enumerate(rows):
        report("Looking at masks", done, len(rows))
        with gathering.reading(row.where):
            row.lesion = _files(row, folders)
            found.append(row)
            swapped += [row.where] if row.lesion.swapped else []
    report("Looking at masks", len(rows), len(rows))
    images = {}
    for row in found:
        images.setdefault(row.image if lesions == "merged" else f"{row.image}_{row.number}", []).append(row)
    for name, group in images.items():
        with gathering.reading(group[0].where):
            gathering.add(group[0].where, name, _values(group, gathering))
    _say(gathering, found, swapped)
    return gathering.result()


def _walk(folder):
    """Return the tables below a folder, and {folder name of image or lesion: its DICOM files}."""
    tables, folders = [], {}
    for place, inner, names in os.walk(folder):
        inner.sort()
        subject = next((part for part in reversed(Path(place).parts) if SUBJECT.fullmatch(part)), None)
        for name in sorted(names):
            if name.startswith("."):
                continue
            if subject is not None and name.lower().endswith(".dcm"):
                folders.setdefault(subject, []).append(Path(place) / name)
            elif subject is None and TABLE.fullmatch(name) and "description" in name.lower():
                tables.append(Path(place) / name)
    return sorted(tables, key=lambda path: path.name.casefold()), folders


def _rows(table, gathering):
    found, seen = [], set()
    with gathering.reading(table.name):
        for line, values in rows_of(read_sheet(table, HEADINGS)):
            where = f"{table.name}, line {line}"
            first = re.split(r"[/\\]", value(values.get("imagefilepath")))[0].strip()
            match = SUBJECT.fullmatch(first)
            row = Row(where, first, values)
            if match is None:
                gathering.refuse(where, f"its image file path does not begin with the image's folder: {first[:60]!r}")
            elif not row.number.isdigit():
                gathering.refuse(where, "it has no abnormality id")
            elif value(values.get("patientid")) not in ("", match["patient"]):
                gathering.refuse(where, f"its patient id is not that of its image's folder, {match['patient']}")
            elif (first, row.number) in seen:
                gathering.refuse(where, f"a second row for lesion {row.number} of {first}")
            else:
                seen.add((first, row.number))
                found.append(row)
    return found


def _files(row, folders):
    """Return the `Lesion` of a row: image, mask and crop."""
    full = folders.get(row.image)
    if not full:
        raise BadInput(f"there is no folder {row.image} with the image")
    if len(full) > 1:
        named = _named(full, row.values.get(heading_key("image file path"), ""))
        if named is None:
            raise BadInput(f"the folder {row.image} holds {len(full)} files: keep the one of the full mammogram")
        full = [named]
    subject = f"{row.image}_{row.number}"
    files = folders.get(subject)
    if not files:
        raise BadInput(f"there is no folder {subject} with the mask")
    return tell_apart(full[0], files, _named(files, row.values.get(heading_key("ROI mask file path"), "")))


def _named(files, text):
    """Return the one file that lies in the series folder which a path of the tables names, or None."""
    parts = [part.strip() for part in re.split(r"[/\\]", text) if part.strip()]
    # STUDY-UID/SERIES-UID: both, because a file name such as 000000.dcm is everywhere the same.
    found = [path for path in files if len(parts) > 2 and path.parts[-3:-1] == tuple(parts[-3:-1])]
    exact = [path for path in found if path.name == parts[-1]]
    return (exact or found)[0] if len(exact or found) == 1 else None


def _values(group, gathering):
    first, name = group[0], SUBJECT.fullmatch(group[0].image)
    pathologies = [value(row.values.get("pathology")).upper() for row in group]
    grades = [value(row.values.get("assessment")) for row in group]
    benign = all(text.startswith("BENIGN") for text in pathologies)
    fixes = sorted({row.lesion.fix for row in group} - {""})
    others = {
        column: ";".join(dict.fromkeys(filter(None, (value(row.values.get(key)) for row in group))))
        for key, column in OTHERS.items()
    }
    return {
        "patient": name["patient"],
        "image": gathering.relative(first.lesion.image),
        "mask": gathering.relative(*(row.lesion.mask for row in group)),
        "fixes": ";".join(fixes),
        "centre": "DDSM",
        "side": name["side"].lower(),
        "view": name["view"],
        # Of several lesions the worst counts for the image.
        "birads": max(grades, default=""),
        "density": value(first.values.get("breastdensity")),
        "pathology": "malignant" if "MALIGNANT" in pathologies else "benign" if benign else "",
        "lesion": ";".join(row.number for row in group),
        "split": {"Training": "train", "Test": "test"}[name["part"]],
        "kind": {"Mass": "mass", "Calc": "calcification"}[name["kind"]],
        **others,
    }


def _say(gathering, rows, swapped):
    if swapped:
        gathering.note(f"Mask and crop are exchanged in {len(swapped)} rows; told apart by their content.")
    other = [row.where for row in rows if row.lesion.other_size]
    if other:
        gathering.note(
            f"The mask of {len(other)} rows has another size than its image ({listed(other)}): choose the fix "
            "resample, or leave them out."
        )
    parts = {}
    for row in rows:
        name = SUBJECT.fullmatch(row.image)
        parts.setdefault(name["patient"], set()).add(name["part"])
    both = sorted(patient for patient, found in parts.items() if len(found) > 1)
    if both:
        gathering.note(
            f"{len(both)} patients are in the training part of one table and the test part of another "
            f"({listed(both)}): take masses and calcifications apart (kinds), or empty the column split."
        )

"""INbreast: full-field digital mammograms with outlines drawn in OsiriX.

Layout of the release: ``AllDICOMs/NUMBER_PATIENT_MG_SIDE_VIEW_ANON.dcm``, ``AllXML/NUMBER.xml`` and ``INbreast.csv``
(with semicolons) or ``INbreast.xls``; Moreira et al., Academic Radiology 19 (2012) 236 (METHODS M3, M4, M5).
"""

import re

from BreastSegLib.errors import BadInput

from ..outlines import read_findings
from ..spreadsheet import read_sheet, rows_of
from .description import description
from .gathering import Gathering, listed, silent, subfolder, value, visible

NAME = re.compile(r"(?P<number>\d+)_(?P<patient>[^_]+)_[^_]*_(?P<side>[LR])_(?P<view>[^_]+)_.*", re.IGNORECASE)
TABLES = ("inbreast.csv", "inbreast.xlsx", "inbreast.xls")
MARKS = {"mass": "mass", "micros": "calcification", "distortion": "distortion", "asymmetry": "asymmetry"}


def read(source, report=None, findings="mass", normals="leave-out"):
    """Return the cases of INbreast: one row for each mammogram.

    Parameters
    ----------
    source : str or Path
        The folder that holds ``AllDICOMs``, or one above it (``INbreast Release 1.0``).
    report : callable, optional
    findings : str
        Which outlines are the lesion (``Resources/layouts.json``).
    normals : {'leave-out', 'keep'}
        Images without such a lesion.

    Returns
    -------
    Imported
    """
    report, gathering = report or silent, Gathering(source)
    root = _root(gathering.folder)
    images = _images(root, gathering)
    outlines = _outlines(root, gathering, images)
    told = _table(root, gathering, images)
    names = {name.casefold() for name in description()["findings"][findings]}
    without = []
    for done, (number, path) in enumerate(images.items()):
        report("Reading outlines", done, len(images))
        xml = outlines.get(number)
        with gathering.reading(xml.name if xml else path.name):
            found = read_findings(xml) if xml else []
            wanted = [finding for finding in found if not names or finding.name.casefold() in names]
            if not wanted and normals == "leave-out":
                without.append(number)
                continue
            row = told.get(number, {})
            gathering.add(path.name, number, _values(path, xml, found, wanted, row, gathering, findings))
    report("Reading outlines", len(images), len(images))
    if without:
        gathering.note(
            f"{len(without)} images have no outline of the kind {findings} and are left out; normals=keep keeps them "
            "as cases with an empty mask."
        )
    untold = [number for number in images if number not in told] if told else []
    if untold:
        gathering.note(f"INbreast's table has no row for {listed(untold)}: BI-RADS and density are empty there.")
    return gathering.result()


def _values(path, xml, found, wanted, row, gathering, findings):
    name = NAME.fullmatch(path.name)
    empty = not wanted
    label = "" if findings == "all" else ";".join(description()["findings"][findings])
    kinds = sorted({finding.name for finding in found})
    return {
        "patient": name["patient"],
        "session": value(row.get("acquisitiondate")),
        "image": gathering.relative(path),
        # With nothing to mark, the file of other findings would only be in the way.
        "mask": "" if empty else gathering.relative(xml),
        "label": "" if empty else label,
        "fixes": "negative" if empty else "merge" if not label and len(kinds) > 1 else "",
        "centre": "INbreast",
        "side": value(row.get("laterality")) or name["side"],
        "view": value(row.get("view")) or name["view"].upper(),
        "birads": value(row.get("birads")),
        "density": value(row.get("acr")),
        "age": value(row.get("patientage")),
        "outlines": ";".join(kinds),
        "marked": ";".join(kind for key, kind in MARKS.items() if value(row.get(key))),
    }


def _root(folder):
    for place in (folder, *(entry for entry in visible(folder) if entry.is_dir())):
        if subfolder(place, "AllDICOMs") is not None:
            return place
    raise BadInput("There is no folder AllDICOMs", folder, "Give the folder INbreast Release 1.0")


def _images(root, gathering):
    images = {}
    for path in visible(subfolder(root, "AllDICOMs")):
        match = NAME.fullmatch(path.name)
        if not path.is_file() or path.suffix.lower() != ".dcm":
            if path.suffix.lower() not in (".txt", ".db"):
                gathering.refuse(f"{path.parent.name}/{path.name}", "it is no .dcm file")
        elif match is None:
            why = "its name is not NUMBER_PATIENT_MG_SIDE_VIEW_ANON.dcm, so the patient is unknown"
            gathering.refuse(f"{path.parent.name}/{path.name}", why)
        elif match["number"] in images:
            gathering.refuse(f"{path.parent.name}/{path.name}", f"a second file of image {match['number']}")
        else:
            images[match["number"]] = path
    return images


def _outlines(root, gathering, images):
    folder, found = subfolder(root, "AllXML"), {}
    if folder is None:
        gathering.note("There is no folder AllXML: no image has outlines.")
        return found
    for path in visible(folder):
        if path.suffix.lower() != ".xml":
            continue
        if path.stem in images:
            found[path.stem] = path
        else:
            gathering.refuse(f"{folder.name}/{path.name}", "its image is not in AllDICOMs")
    return found


def _table(root, gathering, images):
    """Return {image number: row} of INbreast's table."""
    tables = {path.name.casefold(): path for path in visible(root) if path.name.casefold() in TABLES}
    if not tables:
        gathering.note("INbreast.csv and INbreast.xls are missing: BI-RADS and density are empty.")
        return {}
    path = next(tables[name] for name in TABLES if name in tables)
    told = {}
    for line, row in rows_of(read_sheet(path, ("File Name", "Bi-Rads"))):
        number = re.sub(r"\.0+$", "", value(row.get("filename")))
        where = f"{path.name}, line {line}"
        if not number:
            if value(row.get("birads")):
                gathering.refuse(where, "the row has no file name")
        elif number in told:
            gathering.refuse(where, f"a second row for image {number}")
        else:
            told[number] = row
            if number not in images:
                gathering.refuse(where, f"there is no DICOM file of image {number}")
    return told

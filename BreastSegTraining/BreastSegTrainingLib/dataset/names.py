"""What cases are called in a dataset: pseudonyms, and the key that says whose they are, which stays with the user."""

import csv
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import whole_file
from BreastSegLib.tables import read_cells

PATIENTS = "patients"
COLUMNS = ("name", "case", "patient", "part", "fold", "fingerprint", "dataset")
PARTS = ("train", "test")
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9]{0,15}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,15}_\d{1,9}", re.ASCII)
_FOLD = re.compile(r"\d{1,2}", re.ASCII)
_PATIENT_NAME = re.compile(r"P(\d+)_(\d+)", re.ASCII)


@dataclass(frozen=True)
class KeyRow:
    """One case of a dataset.

    Parameters
    ----------
    name : str
        Its pseudonym: ``P001_2`` (patient 1, her second case) or ``BC_001`` (M2).
    case, patient : str
        As the case table has them. A name that is not used any more has no case; it is not given again.
    part : {'train', 'test', ''}
    fold : int or None
        Fold whose validation cases it belongs to.
    fingerprint : str
        Of what it was exported from; '' until it is.
    dataset : str
        Name of the dataset: the key of one does not fit another.
    """

    name: str
    case: str
    patient: str
    part: str = ""
    fold: int | None = None
    fingerprint: str = ""
    dataset: str = ""


def check_style(style):
    """Refuse a style of names that is neither ``patients`` nor a prefix of letters and digits."""
    if style != PATIENTS and not _PREFIX.fullmatch(style):
        raise BadInput(
            f"The names cannot begin with {style!r}", "--names", f"Use letters and digits, such as BC, or {PATIENTS}"
        )
    if re.fullmatch(r"[Pp]\d+", style):
        raise BadInput(
            f"The names cannot begin with {style!r}: that is what patients are called",
            "--names",
            f"Use a word, such as BC, or {PATIENTS}",
        )


def give_names(cases, key, style=PATIENTS):
    """Return the key rows of cases: those of the key, and new names for others.

    Names are numbered in the order of the table, so that they say nothing about the patient. A case whose patient id
    was corrected gets a new name, where the name tells the patient.

    Parameters
    ----------
    cases : sequence of Case
    key : sequence of KeyRow
        Of an earlier export; names that are not used any more are not given again.
    style : str
        ``patients``, or a prefix (``BC`` gives ``BC_001``).

    Returns
    -------
    list of KeyRow
        One for each case, in order.
    """
    check_style(style)
    known = {row.case: row for row in key if row.case}
    taken = {row.name.casefold() for row in key}  # names that differ in letter case are one file on many systems
    numbers = {row.patient: match[1] for row in key if (match := _PATIENT_NAME.fullmatch(row.name))}
    rows = []
    for case in cases:
        row = known.get(case.name)
        if row is None or not _fits(row, case, numbers, style):
            name = _patient_name(case.patient, numbers, taken) if style == PATIENTS else _numbered(style, taken)
            # What was decided for the patient stays decided.
            row = KeyRow(name, case.name, case.patient)
        rows.append(replace(row, patient=case.patient))
        taken.add(rows[-1].name.casefold())
    return rows


def read_key(path):
    """Return the rows of a key file; none when there is no file.

    Raises
    ------
    BadInput
        If it is damaged.
    """
    path = Path(path)
    if not path.exists():
        return []
    cells = read_cells(path)
    if cells is None or not set(COLUMNS[:3]) <= set(cells.header):
        raise BadInput("This is not the key of a dataset", path, f"Its columns are {', '.join(COLUMNS)}")
    rows = []
    for line, values in cells.rows:
        texts = dict(zip(cells.header, values))
        name, fold, part = texts.get("name", ""), texts.get("fold", ""), texts.get("part", "")
        right = _NAME.fullmatch(name) and (not fold or _FOLD.fullmatch(fold)) and part in ("", *PARTS)
        if not right or len(values) > len(cells.header):
            raise BadInput("A row of the key is damaged", f"{path}, line {line}", "Restore the file from a copy")
        fold = int(fold) if fold and part != "test" else None
        others = (texts.get(column, "") for column in ("fingerprint", "dataset"))
        rows.append(KeyRow(name, texts.get("case", ""), texts.get("patient", ""), part, fold, *others))
    for field in ("name", "case"):
        texts = [getattr(row, field) for row in rows]
        plain = [text.casefold() if field == "name" else text for text in texts]
        counts = Counter(plain)
        double = next((text for text, key in zip(texts, plain) if text and counts[key] > 1), None)
        if double:
            raise BadInput(f"The key holds the {field} {double} twice", path, "Restore the file from a copy")
    return rows


def write_key(path, rows):
    """Write a key file, whole or not at all; it replaces the one that was there."""
    with (
        whole_file(path, overwrite=True) as temporary,
        open(temporary, "w", encoding="utf-8-sig", newline="") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            fold = "" if row.fold is None else row.fold
            writer.writerow([row.name, row.case, row.patient, row.part, fold, row.fingerprint, row.dataset])


def _fits(row, case, numbers, style):
    if style != PATIENTS:
        return row.name.casefold().startswith(f"{style}_".casefold())
    match = _PATIENT_NAME.fullmatch(row.name)
    return match is not None and numbers.get(case.patient) == match[1]


def _patient_name(patient, numbers, taken):
    if patient not in numbers:
        used = [int(match[1]) for name in taken if (match := _PATIENT_NAME.fullmatch(name.upper()))]
        numbers[patient] = f"{max(used, default=0) + 1:03d}"
    number = 1
    while f"P{numbers[patient]}_{number}".casefold() in taken:
        number += 1
    return f"P{numbers[patient]}_{number}"


def _numbered(prefix, taken):
    used = [int(name[len(prefix) + 1 :]) for name in taken if re.fullmatch(rf"{prefix.casefold()}_\d+", name)]
    return f"{prefix}_{max(used, default=0) + 1:03d}"

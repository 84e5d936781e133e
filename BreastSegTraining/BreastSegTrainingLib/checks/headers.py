"""What the DICOM headers of an exam tell of person and scanner, of its first file."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.misc import is_dicom

TAGS = [
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "Manufacturer",
    "ManufacturerModelName",
    "MagneticFieldStrength",
    "Laterality",
    "ImageLaterality",
]
SIDES = {"L": "left", "R": "right"}
LOOKED_AT = 50  # files of a folder, until one is DICOM
FIELDS_T = (0.01, 15.0)
GAUSS = 10_000.0  # a tesla; some files tell the field in gauss


@dataclass(frozen=True)
class Headers:
    """What is told; empty where nothing is.

    Parameters
    ----------
    identity : str
        Salted hash of who it is; never written anywhere.
    scanner : str
        Manufacturer and model.
    field_strength : float or None
        Tesla.
    laterality : {'left', 'right', ''}
    """

    identity: str = ""
    scanner: str = ""
    field_strength: float | None = None
    laterality: str = ""


def read_headers(source, salt):
    """Return the `Headers` of a source.

    Parameters
    ----------
    source : dict
        See `BreastSegLib.exam.source.read`.
    salt : bytes
        Random, of this run, so that the hash tells nobody anything afterwards.
    """
    path = _first_dicom(source)
    if path is None:
        return Headers()
    try:
        data = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=TAGS)
    except Exception:  # noqa: BLE001 - damaged bytes make the parser raise anything; the exam's reader tells of it
        return Headers()
    texts = {tag: _text(data, tag) for tag in TAGS}
    side = texts["ImageLaterality"] or texts["Laterality"]
    return Headers(_identity(texts, salt), _scanner(texts), _field(texts), SIDES.get(side, ""))


def _scanner(texts):
    maker, model = texts["Manufacturer"], texts["ManufacturerModelName"]
    # Some models are named with their maker.
    return (model if model.casefold().startswith(maker.casefold()) else f"{maker} {model}".strip())[:80]


def _identity(texts, salt):
    who = [texts[tag] for tag in ("PatientID", "PatientBirthDate", "PatientSex")]
    # Without an id and a birth date all women are the same.
    return hashlib.sha256(salt + "|".join(who).encode()).hexdigest() if who[0] or who[1] else ""


def _field(texts):
    try:
        value = float(texts["MagneticFieldStrength"])
    except ValueError:
        return None
    value = value / GAUSS if value > FIELDS_T[1] else value
    return value if FIELDS_T[0] <= value <= FIELDS_T[1] else None


def _text(data, tag):
    try:
        return " ".join(str(data.get(tag) or "").split())
    except Exception:  # noqa: BLE001 - values are parsed when they are asked for
        return ""


def _first_dicom(source):
    return next((path for path in _files(source) if _is_dicom(path)), None)


def _files(source):
    for key in ("views", "dicom", "files", "channels"):
        if source.get(key):
            return source[key][:1]
    return _below(source["folder"]) if source.get("folder") else ()


def _below(folder):
    count = 0
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            count += 1
            if count > LOOKED_AT:
                return
            yield str(Path(root) / name)


def _is_dicom(path):
    try:
        return is_dicom(path)
    except OSError:
        return False

"""What is looked for in an archive, and what it answers, as plain rows."""

import os
import re
from dataclasses import dataclass

from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset

from ..errors import BadInput

STUDY_KEYS = (
    *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyDescription", "ModalitiesInStudy", "AccessionNumber"),
    *("NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "PatientID", "PatientName"),
)
SERIES_KEYS = (
    *("StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "Modality"),
    "NumberOfSeriesRelatedInstances",
)
# Where terms that name a patient are read from when they shall not be seen in the list of processes.
PATIENT_VARIABLES = {
    "patient_id": "BREASTSEG_PACS_PATIENT_ID",
    "patient_name": "BREASTSEG_PACS_PATIENT_NAME",
    "accession": "BREASTSEG_PACS_ACCESSION",
}
INSTANCE_KEYS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "InstanceNumber")


@dataclass(frozen=True)
class Query:
    """What a study must fit; what is empty is not asked.

    Parameters
    ----------
    patient_id, patient_name, accession : str
        ``*`` stands for any characters, ``?`` for one.
    date_from, date_to : str
        First and last day, ``2024-01-31`` or ``20240131``.
    modality : str
        Such as MR or MG.
    study_uid : str

    Raises
    ------
    BadInput
        If a date or UID is none, or a text holds a backslash or control character.
    """

    patient_id: str = ""
    patient_name: str = ""
    accession: str = ""
    date_from: str = ""
    date_to: str = ""
    modality: str = ""
    study_uid: str = ""

    def __post_init__(self):
        for name in ("patient_id", "patient_name", "accession", "modality"):
            if re.search(r"[\\\x00-\x1f\x7f]", getattr(self, name)):
                raise BadInput(f"The {name.replace('_', ' ')} holds a backslash or control character")
        for name in ("date_from", "date_to"):
            object.__setattr__(self, name, _day(getattr(self, name)))
        if self.date_from and self.date_to and self.date_from > self.date_to:
            raise BadInput("The first day is after the last", f"{self.date_from} – {self.date_to}")
        if self.study_uid:
            checked_uid(self.study_uid)

    @property
    def keys(self):
        """dict: DICOM keyword → value of what is asked."""
        dates = f"{self.date_from}-{self.date_to}" if self.date_from or self.date_to else ""
        dates = self.date_from if self.date_from and self.date_from == self.date_to else dates
        found = {
            "PatientID": self.patient_id,
            "PatientName": self.patient_name,
            "AccessionNumber": self.accession,
            "StudyDate": dates,
            "ModalitiesInStudy": self.modality,
            "StudyInstanceUID": self.study_uid,
        }
        return {keyword: value for keyword, value in found.items() if value}

    def fits(self, row):
        """Return whether a row is what is asked: not every archive heeds the modality, or all of a name."""
        modalities = row["modalities"].split()
        if self.modality and modalities and self.modality not in modalities:
            return False
        if not (self.patient_name.isascii() and row["patient_name"].isascii()):
            return True  # archives may know a name in several scripts
        asked, found = (_plain_name(name) for name in (self.patient_name, row["patient_name"]))
        return not asked or not found or re.fullmatch(_pattern(asked), found) is not None


def patient_from_environment(environment=None):
    """Return the terms of a `Query` that the environment holds, by name.

    Raises
    ------
    BadInput
        If it holds none: then every patient would be found.
    """
    environment = os.environ if environment is None else environment
    found = {name: environment.get(variable, "") for name, variable in PATIENT_VARIABLES.items()}
    if not any(found.values()):
        raise BadInput("The environment names no patient", "", f"Set one of {', '.join(PATIENT_VARIABLES.values())}")
    return {name: value for name, value in found.items() if value}


@dataclass(frozen=True)
class Instance:
    """One image or other object in an archive; `sop_class` may be empty."""

    study: str
    series: str
    uid: str
    sop_class: str = ""


def checked_uid(text):
    """Return a UID.

    Raises
    ------
    BadInput
        If it is none.
    """
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)*", str(text)) or len(str(text)) > 64:
        raise BadInput("A UID has digits and dots, at most 64", str(text)[:80])
    return str(text)


def identifier(level, keys, asked):
    """Return the data set of a C-FIND.

    Parameters
    ----------
    level : {'STUDY', 'SERIES', 'IMAGE'}
    keys : sequence of str
        Keywords whose values are wanted.
    asked : dict
        Keyword → value that must fit.
    """
    dataset = Dataset()
    dataset.QueryRetrieveLevel = level
    if any(not str(value).isascii() for value in asked.values()):
        dataset.SpecificCharacterSet = "ISO_IR 192"
    for keyword in dict.fromkeys((*keys, *asked)):
        setattr(dataset, keyword, asked.get(keyword, ""))
    return dataset


def study_row(dataset):
    """Return what is told of a study: texts, and numbers or None."""
    return {
        "study_uid": text_of(dataset, "StudyInstanceUID"),
        "date": _shown_date(text_of(dataset, "StudyDate")),
        "time": _shown_time(text_of(dataset, "StudyTime")),
        "description": text_of(dataset, "StudyDescription"),
        "modalities": " ".join(sorted(text_of(dataset, "ModalitiesInStudy").split("\\"))).strip(),
        "series": number_of(dataset, "NumberOfStudyRelatedSeries"),
        "instances": number_of(dataset, "NumberOfStudyRelatedInstances"),
        "patient_id": text_of(dataset, "PatientID"),
        "patient_name": text_of(dataset, "PatientName"),
        "accession": text_of(dataset, "AccessionNumber"),
    }


def series_row(dataset):
    """Return what is told of a series: texts, and numbers or None."""
    return {
        "series_uid": text_of(dataset, "SeriesInstanceUID"),
        "number": number_of(dataset, "SeriesNumber"),
        "modality": text_of(dataset, "Modality"),
        "description": text_of(dataset, "SeriesDescription"),
        "instances": number_of(dataset, "NumberOfSeriesRelatedInstances"),
    }


def instance_of(dataset, study, series):
    """Return the `Instance` that an answer tells of."""
    return Instance(study, series, text_of(dataset, "SOPInstanceUID"), text_of(dataset, "SOPClassUID"))


def text_of(dataset, keyword):
    """Return a value as text, several joined by a backslash; '' where there is none, or it cannot be read."""
    try:
        with disable_value_validation():  # whose warnings tell the value
            value = dataset.get(keyword)
    except Exception:  # values of archives are read when asked for, and pydicom raises what it likes
        return ""
    if value is None:
        return ""
    if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue":
        return "\\".join(str(part) for part in value)
    return str(value).strip("\x00 ")


def code_of(dataset, keyword):
    """Return a UID or code of a data set that was read from a file, as it stands there; '' where there is none."""
    element = dataset.get_item(keyword)
    value = None if element is None else element.value
    if isinstance(value, bytes):  # not converted yet; that would warn of a wrong value, and tell it
        value = value.decode("ascii", "replace")
    return "" if value is None else str(value).strip("\x00 ")


def number_of(dataset, keyword):
    """Return a value as whole number, or None."""
    try:
        return int(text_of(dataset, keyword))
    except ValueError:
        return None


def _plain_name(name):
    """Return a name as it is compared: without case, and without what is empty at its end."""
    return name.casefold().rstrip("^ ")


def _pattern(text):
    """Return the regular expression of a text with * and ?."""
    return "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in text)


def _day(text):
    text = str(text).strip().replace("-", "")
    if text and not re.fullmatch(r"[12][0-9]{3}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])", text):
        raise BadInput("This is no day", text[:40], "Write it as 2024-01-31")
    return text


def _shown_date(text):
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if re.fullmatch(r"[0-9]{8}", text) else text


def _shown_time(text):
    return f"{text[:2]}:{text[2:4]}" if re.match(r"[0-9]{4}", text) else text

"""Who the patient is: only in a report that is asked to tell, and read only then."""

from ..errors import BadInput
from .blocks import shortened

# Name in the record, DICOM keyword, and what people read.
FIELDS = (
    ("name", "PatientName", "Name"),
    ("id", "PatientID", "Patient ID"),
    ("birth_date", "PatientBirthDate", "Born"),
    ("study_date", "StudyDate", "Study date"),
    ("accession", "AccessionNumber", "Accession number"),
)
KEYWORDS = tuple(keyword for _, keyword, _ in FIELDS)


def identity_of(headers):
    """Return who DICOM headers are of.

    Parameters
    ----------
    headers : sequence of pydicom.Dataset
        Of the exam's files; one of each series is enough.

    Returns
    -------
    dict
        ``name``, ``id``, ``birth_date``, ``study_date`` and ``accession``, as far as the headers tell; dates as
        2026-01-31.

    Raises
    ------
    BadInput
        If they are of several patients: then it is not clear whose report this is.
    """
    found = {}
    for key, keyword, _ in FIELDS:
        values = list(dict.fromkeys(filter(None, (_value(header, keyword) for header in headers))))
        if len(values) > 1 and key in ("name", "id", "birth_date"):
            raise BadInput(
                "The exam's files name several patients",
                f"{keyword} differs",
                "Leave --identify out, or give the files of one patient",
            )
        if values:
            found[key] = _day(values[0]) if key.endswith("date") else values[0]
    return found


def identity_rows(identity):
    """Return titles and values of a report's table about the patient; none without identity."""
    identity = identity or {}
    return tuple((title, shortened(identity[key], 120)) for key, _, title in FIELDS if identity.get(key))


def _value(header, keyword):
    text = str(header.get(keyword, "") or "")
    if keyword == "PatientName":
        # Family, given and middle name, prefix and suffix; letters first, other writings behind "=".
        text = ", ".join(part.strip() for part in text.split("=")[0].split("^") if part.strip())
    return " ".join(text.split())


def _day(text):
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) == 8 and text.isdigit() else text

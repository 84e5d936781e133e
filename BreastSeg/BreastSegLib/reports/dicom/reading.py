"""Measurements back from a DICOM structured report. (Segmentations are read by `exam.dicom.segfile`.)"""

import pydicom

from ...errors import BadInput
from ..terminology import terms
from .objects import quietly
from .tables import table

IMAGING_MEASUREMENTS, GROUP = ("DCM", "126010"), ("DCM", "125007")
TRACKING, TRACKING_UID = ("DCM", "112039"), ("DCM", "112040")
FINDING, SITE, LATERALITY = ("DCM", "121071"), ("SCT", "363698007"), ("SCT", "272741003")
SEGMENT, SEGMENT_FRAME = ("DCM", "121191"), ("DCM", "121214")
REPORTS = (
    "1.2.840.10008.5.1.4.1.1.88.22",  # Enhanced SR
    "1.2.840.10008.5.1.4.1.1.88.33",  # Comprehensive SR
    "1.2.840.10008.5.1.4.1.1.88.34",  # Comprehensive 3D SR
)


def read_sr(path):
    """Return the lesions of a DICOM structured report (TID 1500) as rows of a measures record.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    list of dict
        For each measurement group: ``label`` (segment number), ``name``, ``side``, ``tracking_uid``, ``seg``
        (identifier of the segmentation), ``finding`` (scheme, value, meaning), the numbers and texts of
        ``Resources/measures.json`` that it holds under their keys, and ``others``: what has another code, as
        (meaning, value, unit).

    Raises
    ------
    BadInput
        If it is damaged or no measurement report.
    """
    data = _opened(path)
    try:
        with quietly():
            procedure = next((_value(item) for item in _items(data) if _name(item) == ("DCM", "121058")), ("", "", ""))
            kind = "mammograms" if procedure[:2] == _key(table()["procedure"]["mammograms"]) else "dce"
            found = [item for item in _items(data) if _name(item) == IMAGING_MEASUREMENTS]
            groups = [group for item in found for group in _items(item) if _name(group) == GROUP]
            return [_row(group, kind) for group in groups]
    except Exception as error:  # noqa: BLE001 - damaged bytes make the parser raise almost any exception
        raise BadInput("The DICOM report is damaged or incomplete", path, "Write it again") from error


def _opened(path):
    try:
        with quietly():
            data = pydicom.dcmread(path)
            kind = str(data.get("SOPClassUID", ""))
    except FileNotFoundError as error:
        raise BadInput("The file does not exist", path, "Check the path") from error
    except Exception as error:  # noqa: BLE001 - as above
        raise BadInput("This is not a DICOM file, or it is damaged", path) from error
    if kind not in REPORTS or "ContentSequence" not in data:
        raise BadInput("The DICOM file is not a measurement report (SR)", path)
    return data


def _row(group, kind):
    """Return what one measurement group says."""
    numbers = {_key(code): key for key, code in table()["measurements"][kind].items()}
    row = {"label": None, "name": "", "side": "", "tracking_uid": "", "seg": "", "finding": (), "others": []}
    for item in _items(group):
        name = _name(item)
        if item.ValueType == "NUM":
            value, unit = _number(item)
            if name in numbers:
                row[numbers[name]] = value
            else:
                row["others"].append((_meaning(item), value, unit))
        elif name == TRACKING:
            row["name"] = str(item.TextValue)
        elif name == TRACKING_UID:
            row["tracking_uid"] = str(item.UID)
        elif name == FINDING:
            row["finding"] = _value(item)
        elif name == SITE:
            row["side"] = _side(item)
        elif name in (SEGMENT, SEGMENT_FRAME):
            reference = item.ReferencedSOPSequence[0]
            row["seg"], row["label"] = str(reference.ReferencedSOPInstanceUID), _segment_number(reference)
        elif item.ValueType == "CODE":
            _add_evaluation(row, item, name)
    return row


def _add_evaluation(row, item, name):
    value = _value(item)
    for key, entry in table()["evaluations"].items():
        if name == _key(entry["name"]):
            texts = {_key(code): text for text, code in entry["values"].items()}
            row[key] = texts.get(value[:2], value[2])


def _side(item):
    sides = {(code[0], code[1]): side for side, code in terms()["sides"].items()}
    return next((sides.get(_value(part)[:2], "") for part in _items(item) if _name(part) == LATERALITY), "")


def _segment_number(reference):
    number = reference.get("ReferencedSegmentNumber")
    if number is None:
        # Of a mammogram, whose segments are one frame each.
        number = reference.ReferencedFrameNumber
    return int(number if isinstance(number, int) else number[0])


def _number(item):
    """Return value and unit of a measurement; None where the report says that there is none."""
    if not item.get("MeasuredValueSequence"):
        return None, ""
    measured = item.MeasuredValueSequence[0]
    exact = measured.get("FloatingPointValue")
    unit = str(measured.MeasurementUnitsCodeSequence[0].CodeValue)
    return float(measured.NumericValue if exact is None else exact), unit


def _items(data):
    return data.get("ContentSequence") or ()


def _name(item):
    codes = item.get("ConceptNameCodeSequence")
    return (str(codes[0].CodingSchemeDesignator), str(codes[0].get("CodeValue", ""))) if codes else ("", "")


def _meaning(item):
    return str(item.ConceptNameCodeSequence[0].CodeMeaning)


def _value(item):
    code = item.ConceptCodeSequence[0]
    return str(code.CodingSchemeDesignator), str(code.get("CodeValue", "")), str(code.CodeMeaning)


def _key(triple):
    """Return (scheme, value) of a code of the table."""
    return triple[1], triple[0]

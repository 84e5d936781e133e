"""The few DICOM tags that say what an image is, read from the files of a folder without their pixels."""

import os
import re
import warnings
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from ..errors import BadInput

# Nothing of a patient beyond what tells two patients apart; those values never leave this room (see `Header`).
TAGS = (
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "Manufacturer",
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "StudyInstanceUID",
    "StudyDate",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesDescription",
    "InstanceNumber",
    "AcquisitionNumber",
    "ImageType",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "PixelSpacing",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "SliceThickness",
    "SpacingBetweenSlices",
    "FrameOfReferenceUID",
    "ContentDate",
    "ContentTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "AcquisitionDateTime",
    "SeriesDate",
    "SeriesTime",
    "TriggerTime",
    "TemporalPositionIdentifier",
    "NumberOfTemporalPositions",
    "TemporalResolution",
    "EchoTime",
    "RepetitionTime",
    "FlipAngle",
    "ScanOptions",
    "SequenceName",
    "DiffusionBValue",
    "ContrastBolusAgent",
    "ContrastBolusStartTime",
)
ENHANCED = {"1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4"}
PROGRESS_EVERY = 20


@dataclass(frozen=True)
class Header:
    """What one DICOM image says about itself.

    `patient`, `description` and `path` can identify a person: they serve comparisons and reading only and are kept out
    of `repr`, notes and errors.

    Parameters
    ----------
    path : str
    sop : str
        SOP instance UID, unique to the image.
    modality, manufacturer, study, study_date, series : str
        Empty when missing.
    number, instance, acquisition : int or None
        Series, instance and acquisition number.
    image_type : tuple of str
        Upper case.
    shape : tuple of int
        Rows, columns.
    frames : int
    enhanced : bool
        Whether the file is of an enhanced multi-frame class.
    spacing : tuple of float or None
        Along (x, y) in mm.
    position, orientation : tuple of float or None
        LPS.
    moments : dict
        Clock name (``content``, ``acquisition``, ``series``, ``bolus``) to (day number or None, seconds of the day).
    trigger, echo, repetition, flip, resolution : float or None
        Trigger time in s, echo and repetition time in ms, degrees, temporal resolution in s.
    temporal : int or None
        Temporal position identifier.
    """

    path: str = field(repr=False)
    sop: str = ""
    modality: str = ""
    manufacturer: str = ""
    patient: tuple = field(default=(), repr=False)
    study: str = ""
    study_date: str = ""
    series: str = ""
    number: int | None = None
    description: str = field(default="", repr=False)
    instance: int | None = None
    acquisition: int | None = None
    image_type: tuple = ()
    shape: tuple = (0, 0)
    frames: int = 1
    enhanced: bool = False
    spacing: tuple | None = None
    position: tuple | None = None
    orientation: tuple | None = None
    gap: float | None = None
    frame_of_reference: str = ""
    moments: dict = field(default_factory=dict, repr=False)
    trigger: float | None = None
    temporal: int | None = None
    temporal_count: int | None = None
    resolution: float | None = None
    echo: float | None = None
    repetition: float | None = None
    flip: float | None = None
    fat_saturation: bool | None = None
    sequence: str = ""
    b_value: float | None = None
    agent: bool = False

    @property
    def series_name(self):
        """str: the series by its number, such as ``series 5`` (a description can hold a name)."""
        return "series without number" if self.number is None else f"series {self.number}"

    @property
    def image_name(self):
        """str: series and instance number."""
        return self.series_name if self.instance is None else f"{self.series_name}, image {self.instance}"


def read_headers(folder, report=None):
    """Read the headers of all DICOM files below `folder`.

    Parameters
    ----------
    folder : str or Path
    report : callable, optional
        Called as ``report(stage, done, total)``; may raise `Cancelled`.

    Returns
    -------
    headers : list of Header
        In no particular order.
    notes : list of str
        How many files were skipped, and why.

    Raises
    ------
    BadInput
        If the folder is missing, is no folder, cannot be read or holds no DICOM file.
    """
    files = _files(folder)
    headers, others, damaged = [], 0, 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for done, path in enumerate(files):
            if report is not None and done % PROGRESS_EVERY == 0:
                report("Reading", done, len(files))
            if not _looks_like_dicom(path):
                others += 1
                continue
            header = read_header(path)
            if header is None:
                damaged += 1
            elif not header.sop.startswith("DICOMDIR"):
                headers.append(header)
    if not headers:
        hint = (
            "Choose the folder with the DICOM files of one exam; give image files (NIfTI, NRRD) one by one, in order"
        )
        seen = "damaged files only" if damaged else f"{others} other file{'s' * (others != 1)}"
        raise BadInput("The folder holds no readable DICOM image", f"{folder}: {seen}", hint)
    notes = []
    if others:
        notes.append(f"{_count(others, 'file')} in the folder {'is' if others == 1 else 'are'} not DICOM and skipped.")
    if damaged:
        notes.append(f"{_count(damaged, 'DICOM file')} {'is' if damaged == 1 else 'are'} damaged and skipped.")
    return headers, notes


def read_header(path):
    """Return the `Header` of one DICOM file, or None when it is damaged."""
    import pydicom

    try:
        # Opened here: pydicom then meets no path that it could not encode.
        with open(path, "rb") as stream:
            dataset = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=list(TAGS), force=True)
            return _header(path, dataset)
    except Exception:  # noqa: BLE001 - damaged bytes make the parser raise almost any exception
        return None


def _files(folder):
    root = Path(folder)
    if not root.exists():
        raise BadInput("The folder does not exist", folder, "Check the path")
    if not root.is_dir():
        raise BadInput(
            "This is a file, not a folder of DICOM files", folder, "Give its folder, or the phases as files in order"
        )

    def refuse(error):
        raise BadInput(f"A folder cannot be read: {error.strerror}", folder, "Check the permissions")

    found = [os.path.join(where, name) for where, _, names in os.walk(root, onerror=refuse) for name in names]
    if not found:
        raise BadInput("The folder is empty", folder, "Choose the folder with the DICOM files of one exam")
    return sorted(found)


def _looks_like_dicom(path):
    try:
        with open(path, "rb") as stream:
            start = stream.read(132)
    except OSError:
        return False
    # Files without preamble begin with a tag of group 2 or 8, mostly little endian.
    return start[128:132] == b"DICM" or start[:2] in (b"\x02\x00", b"\x08\x00") and len(start) == 132


def _header(path, d):
    sop_class = _text(d, "SOPClassUID")
    media = getattr(d, "file_meta", {}).get("MediaStorageSOPClassUID", "")
    if "1.2.840.10008.1.3.10" in (sop_class, str(media)):
        return Header(path, sop="DICOMDIR")
    if not sop_class and not _text(d, "Modality") and d.get("Rows") is None:
        return None
    spacing = _numbers(d, "PixelSpacing", 2)
    gap = _number(d, "SpacingBetweenSlices") or _number(d, "SliceThickness")
    options = {part.upper() for part in _parts(d, "ScanOptions")}
    return Header(
        path,
        _text(d, "SOPInstanceUID"),
        _text(d, "Modality").upper(),
        _text(d, "Manufacturer"),
        tuple(_text(d, name) for name in ("PatientID", "PatientName", "PatientBirthDate")),
        _text(d, "StudyInstanceUID"),
        _text(d, "StudyDate"),
        _text(d, "SeriesInstanceUID"),
        _integer(d, "SeriesNumber"),
        _text(d, "SeriesDescription").lower(),
        _integer(d, "InstanceNumber"),
        _integer(d, "AcquisitionNumber"),
        tuple(part.upper() for part in _parts(d, "ImageType")),
        (_integer(d, "Rows") or 0, _integer(d, "Columns") or 0),
        _integer(d, "NumberOfFrames") or 1,
        sop_class in ENHANCED,
        # PixelSpacing is written rows first: the distance along y comes before that along x.
        None if spacing is None or min(spacing) <= 0 else spacing[::-1],
        _numbers(d, "ImagePositionPatient", 3),
        _numbers(d, "ImageOrientationPatient", 6),
        abs(gap) if gap else None,
        _text(d, "FrameOfReferenceUID"),
        _moments(d),
        _scaled(_number(d, "TriggerTime"), 1e-3),
        _integer(d, "TemporalPositionIdentifier"),
        _integer(d, "NumberOfTemporalPositions"),
        _scaled(_number(d, "TemporalResolution"), 1e-3),
        _number(d, "EchoTime"),
        _number(d, "RepetitionTime"),
        _number(d, "FlipAngle"),
        bool(options & {"FS", "FSA", "SPIR", "SPAIR", "SFS"}) if options else None,
        _text(d, "SequenceName").lower(),
        _number(d, "DiffusionBValue"),
        _text(d, "ContrastBolusAgent").strip().lower() not in ("", "none", "no", "n/a"),
    )


def _moments(d):
    result = {}
    for name, day, time in (
        ("content", "ContentDate", "ContentTime"),
        ("acquisition", "AcquisitionDate", "AcquisitionTime"),
        ("series", "SeriesDate", "SeriesTime"),
        ("bolus", "AcquisitionDate", "ContrastBolusStartTime"),
    ):
        seconds = seconds_of_day(_text(d, time))
        if seconds is not None:
            result[name] = (day_number(_text(d, day)), seconds)
    stamp = _text(d, "AcquisitionDateTime")
    if "acquisition" not in result and seconds_of_day(stamp[8:]) is not None:
        result["acquisition"] = (day_number(stamp[:8]), seconds_of_day(stamp[8:]))
    return result


def seconds_of_day(text):
    """Return the seconds since midnight of a DICOM time (``HHMMSS.FFFFFF``, also with colons), or None."""
    match = re.match(r"(\d\d):?(\d\d):?(\d\d(?:\.\d*)?)", text.strip())
    if not match or int(match[1]) > 23 or int(match[2]) > 59 or float(match[3]) >= 61:
        return None
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])


def day_number(text):
    """Return the day number of a DICOM date (``YYYYMMDD``), or None."""
    match = re.fullmatch(r"(\d{4})\.?(\d\d)\.?(\d\d)", text.strip())
    try:
        return date(*map(int, match.groups())).toordinal() if match else None
    except ValueError:
        return None


def _text(d, name):
    value = d.get(name)
    return "" if value is None else str(value).strip()


def _parts(d, name):
    value = d.get(name)
    if value is None:
        return ()
    return (value.strip(),) if isinstance(value, str) else tuple(str(part).strip() for part in value)


def _number(d, name):
    values = _numbers(d, name, 1)
    return values[0] if values else None


def _numbers(d, name, length):
    try:
        values = (
            tuple(float(part) for part in _parts(d, name))
            if not isinstance(d.get(name), (int, float))
            else (float(d[name].value),)
        )
    except ValueError:
        return None
    return values if len(values) == length and all(abs(v) < 1e9 for v in values) else None


def _integer(d, name):
    value = _number(d, name)
    return None if value is None else int(value)


def _scaled(value, factor):
    return None if value is None else value * factor


def _count(number, noun):
    return f"{number} {noun}{'s' * (number != 1)}"

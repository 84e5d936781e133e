"""What one DICOM image says about itself, in the terms that phase finding needs."""

import re
from dataclasses import dataclass, field

from .elements import DIRECTORY, read_elements
from .pixels import PixelLayout, SliceRef
from .times import moment, moment_of_stamp

# Nothing of a patient beyond what tells two patients apart; those values never leave this room (see `Header`).
KEYWORDS = (
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "Manufacturer",
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "StudyInstanceUID",
    "StudyDate",
    "StudyDescription",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesDescription",
    "ProtocolName",
    "BodyPartExamined",
    "ReceiveCoilName",
    "InstanceNumber",
    "AcquisitionNumber",
    "ImageType",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "NumberOfFrames",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
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
    "00190010:LO",
    "0019105a:FL",
)
ENHANCED = {"1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4"}
BREAST = r"breast|mamm|brust|bilateral[ _]?dyn|vibrant|\bbr[-_ ]?mri|seno|sein\b|mama"
LONGEST_PHASE_S = 900.0


@dataclass(frozen=True)
class Header:
    """What one DICOM image (a file, or one frame of an enhanced file) says about itself.

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
    frame : int or None
        Which frame of its file this is, from 0; None for a file with one image.
    spacing : tuple of float or None
        Along (x, y) in mm.
    position, orientation : tuple of float or None
        LPS.
    moments : dict
        Clock name (``content``, ``acquisition``, ``series``, ``bolus``) to (day number or None, seconds of the day).
    trigger, offset, echo, repetition, flip, resolution : float or None
        Trigger time and temporal position offset in s, echo and repetition time in ms, degrees, temporal resolution
        in s.
    temporal : int or None
        Temporal position identifier or index.
    breast : str
        Which tag speaks of a breast exam; "" when none does.
    layout : PixelLayout or None
        Where the pixels lie when they can be read without decoding.
    slope, intercept : float
        Rescaling of a frame of an enhanced file.
    """

    path: str = field(repr=False)
    sop: str = ""
    sop_class: str = ""
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
    frame: int | None = None
    spacing: tuple | None = None
    position: tuple | None = None
    orientation: tuple | None = None
    gap: float | None = None
    frame_of_reference: str = ""
    moments: dict = field(default_factory=dict, repr=False)
    trigger: float | None = None
    offset: float | None = None
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
    breast: str = ""
    layout: PixelLayout | None = field(default=None, repr=False)
    slope: float = 1.0
    intercept: float = 0.0

    @property
    def slice_ref(self):
        """SliceRef: where the pixels of this image are."""
        return SliceRef(self.path, self.image_name, self.shape, self.layout, self.frame, self.slope, self.intercept)

    @property
    def series_name(self):
        """str: the series by its number, such as ``series 5`` (a description can hold a name)."""
        return "series without number" if self.number is None else f"series {self.number}"

    @property
    def image_name(self):
        """str: series and instance number, and the frame of an enhanced file."""
        name = self.series_name if self.instance is None else f"{self.series_name}, image {self.instance}"
        return name if self.frame is None else f"{name}, frame {self.frame + 1}"

    @property
    def study_key(self):
        """tuple of str: what tells studies apart, patients included."""
        return (*self.patient, self.study or self.study_date)

    @property
    def is_directory(self):
        """bool: whether the file is a DICOMDIR, which holds no image."""
        return self.sop_class == DIRECTORY


def read_header(path):
    """Return the `Header` of one DICOM file; None when it is damaged, False when it is not DICOM."""
    try:
        elements = read_elements(path, KEYWORDS)
        return False if elements is None else header_of(path, elements)
    except Exception:  # noqa: BLE001 - damaged bytes make a parser raise almost any exception
        return None


def header_of(path, elements):
    """Return the `Header` that the elements of a file make, or None when they say nothing about an image."""
    t = elements.texts
    sop_class = t.get("SOPClassUID", "")
    if not sop_class and not t.get("Modality") and "Rows" not in t:
        # A DICOMDIR has no SOP class in its data set.
        return Header(path, sop_class=DIRECTORY) if elements.directory else None
    spacing = numbers(t, "PixelSpacing", 2)
    gap = number(t, "SpacingBetweenSlices") or number(t, "SliceThickness")
    options = {part.upper() for part in parts(t, "ScanOptions")}
    return Header(
        path,
        t.get("SOPInstanceUID", ""),
        sop_class,
        t.get("Modality", "").upper(),
        t.get("Manufacturer", ""),
        (t.get("PatientID", ""), t.get("PatientName", ""), t.get("PatientBirthDate", "")),
        t.get("StudyInstanceUID", ""),
        t.get("StudyDate", ""),
        t.get("SeriesInstanceUID", ""),
        integer(t, "SeriesNumber"),
        t.get("SeriesDescription", "").lower(),
        integer(t, "InstanceNumber"),
        integer(t, "AcquisitionNumber"),
        tuple(part.upper() for part in parts(t, "ImageType")),
        (integer(t, "Rows") or 0, integer(t, "Columns") or 0),
        integer(t, "NumberOfFrames") or 1,
        sop_class in ENHANCED,
        None,
        # PixelSpacing is written rows first: the distance along y comes before that along x.
        None if spacing is None or min(spacing) <= 0 else spacing[::-1],
        numbers(t, "ImagePositionPatient", 3),
        numbers(t, "ImageOrientationPatient", 6),
        abs(gap) if gap else None,
        t.get("FrameOfReferenceUID", ""),
        _moments(t),
        scaled(number(t, "TriggerTime"), 1e-3),
        None,
        integer(t, "TemporalPositionIdentifier"),
        integer(t, "NumberOfTemporalPositions"),
        _resolution(t),
        number(t, "EchoTime"),
        number(t, "RepetitionTime"),
        number(t, "FlipAngle"),
        bool(options & {"FS", "FSA", "SPIR", "SPAIR", "SFS"}) if options else None,
        t.get("SequenceName", "").lower(),
        number(t, "DiffusionBValue"),
        has_agent(t.get("ContrastBolusAgent", "")),
        _breast(t),
        layout_of(elements),
    )


def layout_of(elements, slope=None, intercept=None, frame=0):
    """Return the `PixelLayout` of a file or of one of its frames, or None when the pixels need decoding."""
    t = elements.texts
    bits, stored, high, signed = (
        integer(t, name) for name in ("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
    )
    shape = (integer(t, "Rows") or 0, integer(t, "Columns") or 0)
    count = (integer(t, "NumberOfFrames") or 1) * shape[0] * shape[1]
    plain = elements.offset is not None and bits in (8, 16, 32) and stored and high == stored - 1 and stored <= bits
    if not plain or (integer(t, "SamplesPerPixel") or 1) != 1 or elements.length < count * bits // 8:
        return None
    return PixelLayout(
        elements.offset + frame * shape[0] * shape[1] * bits // 8,
        bits,
        stored,
        signed == 1,
        elements.big,
        (number(t, "RescaleSlope") or 1.0) if slope is None else slope,
        (number(t, "RescaleIntercept") or 0.0) if intercept is None else intercept,
    )


def has_agent(text):
    """bool: whether a contrast agent tag names one."""
    return text.strip().lower() not in ("", "none", "no", "n/a")


def _moments(t):
    result = {
        "content": moment(t.get("ContentDate", ""), t.get("ContentTime", "")),
        "acquisition": moment(t.get("AcquisitionDate", ""), t.get("AcquisitionTime", ""))
        or moment_of_stamp(t.get("AcquisitionDateTime", "")),
        "series": moment(t.get("SeriesDate", ""), t.get("SeriesTime", "")),
        "bolus": moment(t.get("AcquisitionDate", ""), t.get("ContrastBolusStartTime", "")),
    }
    return {name: value for name, value in result.items() if value is not None}


def _resolution(t):
    """Return the seconds that one phase took, or None: Temporal Resolution, else GE's duration (0019,105a) in µs."""
    value = scaled(number(t, "TemporalResolution"), 1e-3)
    if value is None and t.get("00190010", "").startswith("GEMS_ACQU"):
        value = scaled(number(t, "0019105a"), 1e-6)
    return value if value is not None and 0 < value < LONGEST_PHASE_S else None


def _breast(t):
    """Return the name of the tag that speaks of a breast exam, or ""."""
    for keyword, name in (
        ("BodyPartExamined", "body part"),
        ("StudyDescription", "study description"),
        ("SeriesDescription", "series description"),
        ("ProtocolName", "protocol name"),
        ("ReceiveCoilName", "coil name"),
    ):
        if re.search(BREAST, t.get(keyword, "").lower()):
            return name
    return ""


def parts(texts, name):
    """Return the values of an element as a tuple of texts."""
    value = texts.get(name, "")
    return tuple(part.strip() for part in value.split("\\")) if value else ()


def numbers(texts, name, length):
    """Return `length` numbers of an element, or None when there are not so many, or not plain ones."""
    value = texts.get(name)
    if not value:
        return None
    try:
        values = tuple(map(float, value.split("\\")))
    except ValueError:
        return None
    return values if len(values) == length and all(-1e9 < v < 1e9 for v in values) else None


def number(texts, name):
    """Return the one number of an element, or None."""
    values = numbers(texts, name, 1)
    return values[0] if values else None


def integer(texts, name):
    """Return the one whole number of an element, or None."""
    value = number(texts, name)
    return None if value is None else int(value)


def scaled(value, factor):
    """Return a number times a factor; None stays None."""
    return None if value is None else value * factor

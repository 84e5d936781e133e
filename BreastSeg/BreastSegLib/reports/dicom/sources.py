"""The DICOM images that a mask was drawn on: what an object about them takes over, and how it refers to them."""

import gzip
import re
from dataclasses import dataclass, field

import numpy as np
import pydicom
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset

from ...errors import BadInput
from ...volume import Geometry
from .objects import PATIENT, quietly

NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
KEYWORDS = (
    *NEEDED,
    *PATIENT,
    *("SpecificCharacterSet", "Modality", "Rows", "Columns", "NumberOfFrames", "FrameOfReferenceUID"),
    *("PositionReferenceIndicator", "ImagePositionPatient", "ImageOrientationPatient", "PatientOrientation"),
    *("Manufacturer", "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
    *("BurnedInAnnotation", "AcquisitionDate", "ContentDate", "SharedFunctionalGroupsSequence"),
    "PerFrameFunctionalGroupsSequence",
)
# What differs between the slices of one phase; the rest is read of the first one.
SLICE = (
    *NEEDED,
    *("FrameOfReferenceUID", "ImagePositionPatient", "SharedFunctionalGroupsSequence"),
    "PerFrameFunctionalGroupsSequence",
)
NO_DICOM = "Save it as .nrrd or .nii.gz, or name the exam by the folder of its DICOM files"
ON_GRID_MM = 0.5  # a slice's own position may lie so far from the even grid (as `exam.dynamic.stack` allows)
GZIP = b"\x1f\x8b"
FORMS = {
    "DA": r"(\d{8})?",
    "TM": r"(\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?)?",
    "PatientAge": r"(\d{3}[DWMY])?",
    "PatientSex": "[MFO]?",
}


@dataclass(frozen=True)
class Sources:
    """The images that a mask was drawn on.

    `headers` hold a person's data: they go into DICOM objects and nowhere else.

    Parameters
    ----------
    headers : tuple of Dataset
        One for each slice of the exam's grid, in its order (one for each frame of an enhanced file); without pixels.
    geometry : Geometry or None
        The exam's own grid; None for a mammogram.
    shape : tuple of int
        (z, y, x) of the mask; (1, rows, columns) for a mammogram.
    frames : tuple of int
        Number of the frame, from 1, of each slice; empty where each image is a file of its own, and where the file
        does not tell which of its frames are the phase.
    side : {'', 'right', 'left'}
        Of a mammogram.
    view : int
        Index of the mammogram in its exam; 0 for a DCE exam.
    """

    headers: tuple = field(repr=False)
    geometry: Geometry | None
    shape: tuple
    frames: tuple = ()
    side: str = ""
    view: int = 0

    @property
    def flat(self):
        """bool: whether it is a mammogram."""
        return self.geometry is None

    def references(self):
        """Return the images as (SOP class, SOP instance, series), each once, in slice order."""
        rows = ((str(h.SOPClassUID), str(h.SOPInstanceUID), str(h.SeriesInstanceUID)) for h in self.headers)
        return list(dict.fromkeys(rows))


def sources_of(exam, view=None):
    """Return the DICOM images of an exam's reference phase, or of one mammogram.

    Parameters
    ----------
    exam : DceExam, ExamScan, MammographyExam or MammographyScan
        Read from DICOM files (`exam.source.read`, or `describe`, which reads no pixel).
    view : int, optional
        Index of the mammogram; the only one when not given.

    Returns
    -------
    Sources

    Raises
    ------
    BadInput
        If the exam does not come from DICOM files, a file is gone or lacks an identifier, or the images do not lie
        where the exam's grid has its slices.
    """
    if hasattr(exam, "views"):
        return _of_view(exam, view)
    reference = next((i for i, phase in enumerate(exam.phases) if phase.role == "post"), 0)
    phase, geometry = exam.phases[reference], exam.geometry
    if geometry is None or not phase.files or phase.role == "channel":
        raise not_dicom("The exam does not come from DICOM files")
    frames = tuple(getattr(phase, "frames", ()))
    headers = [read_source(path, SLICE if k else KEYWORDS) for k, path in enumerate(phase.files)]
    numbers, framed = (), any("PerFrameFunctionalGroupsSequence" in header for header in headers)
    if framed:
        headers, numbers = _framed(headers, frames, geometry)
    if len(headers) != geometry.shape[0]:
        what = f"The exam has {geometry.shape[0]} slices, and its phase {phase.name} {len(headers)} DICOM images"
        raise BadInput(what, hint=NO_DICOM)
    _check_alike(headers, framed)
    _check_places(headers, numbers, geometry)
    return Sources(tuple(headers), geometry, geometry.shape, numbers)


def _of_view(exam, index):
    if index is None:
        if len(exam.views) != 1:
            raise BadInput(f"The exam has {len(exam.views)} views", hint="Say which view the mask belongs to")
        index = 0
    view = exam.views[index]
    if not view.file:
        raise not_dicom("The mammogram does not come from a DICOM file")
    header = read_source(view.file)
    shape = (1, int(header.get("Rows") or 0), int(header.get("Columns") or 0))
    side = {"R": "right", "L": "left"}.get(view.laterality, "")
    return Sources((header,), None, shape, (), side, index)


def read_source(path, keywords=KEYWORDS):
    """Return the header of a DICOM image, with text in place of encoded names.

    Parameters
    ----------
    path : str or Path
    keywords : tuple of str
        What is read of it.

    Raises
    ------
    BadInput
        If it is no DICOM file, is gone or damaged, or lacks an identifier.
    """
    where = "an image of the exam"  # file names can hold a name
    try:
        with open(path, "rb") as stream, quietly():
            content = _unpacked(stream)
            start = content.read(132)
            content.seek(0)
            if start[128:132] != b"DICM" and start[:2] not in (b"\x02\x00", b"\x08\x00"):
                raise not_dicom("The exam does not come from DICOM files")
            data = pydicom.dcmread(content, stop_before_pixels=True, force=True, specific_tags=list(keywords))
            header = _plain(data, keywords)
    except BadInput:
        raise
    except FileNotFoundError as error:
        raise BadInput("A DICOM file of the exam is gone", where, "Read the exam again") from error
    except Exception as error:  # noqa: BLE001 - damaged bytes make the parser raise almost any exception
        raise BadInput("A DICOM file of the exam cannot be read", where, "Read the exam again") from error
    lost = [name for name in NEEDED if not str(header.get(name) or "").strip()]
    if lost:
        raise BadInput(f"The images lack what objects about them refer to: {', '.join(lost)}", hint=NO_DICOM)
    return header


def _unpacked(stream):
    """Return a stream of the file's content; one packed with gzip is unpacked as it is read."""
    packed = stream.read(2) == GZIP
    stream.seek(0)
    return gzip.GzipFile(fileobj=stream) if packed else stream


def not_dicom(what):
    """Return the error that says that there are no DICOM images to refer to."""
    return BadInput(f"{what}, so a DICOM object about it has nothing to refer to", hint=NO_DICOM)


def _plain(data, keywords):
    """Return the elements as values of this reader: names as text, so that they can be written in UTF-8.

    Values that are not of their kind, as careless anonymisers write them, are left out.
    """
    result = Dataset()
    for name in keywords:
        if name not in data:
            continue
        try:
            element = data[name]
            value = str(element.value) if element.VR == "PN" else element.value
            form = FORMS.get(name, FORMS.get(element.VR))
            fits = form is None or re.fullmatch(form, str(value or "").strip())
            if fits and dictionary_VR(element.tag) == element.VR:
                result.add_new(element.tag, element.VR, value)
        except Exception:  # noqa: BLE001, S112 - damaged bytes make the parser raise almost any exception
            continue
    return result


def _framed(headers, frames, geometry):
    """Return a header for each slice and the frame numbers (from 1) of enhanced files."""
    if len(frames) == geometry.shape[0]:
        return [headers[file] for file, _ in frames], tuple(frame + 1 for _, frame in frames)
    if len(headers) == 1:
        return headers * geometry.shape[0], ()
    raise BadInput("The exam does not tell which frames of its files are the phase", hint="Read the exam again")


def _check_alike(headers, framed):
    """Refuse images that objects cannot refer to as one stack."""
    if not framed and len({str(header.SOPInstanceUID) for header in headers}) < len(headers):
        raise BadInput("Several images have one SOP Instance UID, so nothing can refer to them", hint=NO_DICOM)
    for name, said in (("StudyInstanceUID", "study"), ("FrameOfReferenceUID", "frame of reference")):
        if len({str(header.get(name) or "") for header in headers}) > 1:
            raise BadInput(f"The slices of the phase do not have one {said}", hint=NO_DICOM)
    if not str(headers[0].get("FrameOfReferenceUID") or ""):
        what = "The images have no Frame of Reference UID, which a DICOM object about places in them needs"
        raise BadInput(what, hint=NO_DICOM)


def _check_places(headers, frames, geometry):
    """Refuse images that do not lie where the exam's grid has its slices."""
    steps = np.arange(geometry.shape[0])
    ends = np.stack([0 * steps, 0 * steps, steps, 0 * steps + 1])
    wanted = (geometry.ijk_to_lps @ ends)[:3].T
    for k, header in enumerate(headers):
        position = _position(header, frames[k] - 1) if frames else header.get("ImagePositionPatient")
        if position is None:
            continue
        allowed = max(ON_GRID_MM, 0.1 * geometry.spacing[2])
        if np.abs(np.array([float(v) for v in position]) - wanted[k]).max() > allowed:
            raise BadInput("The exam's grid is not that of its DICOM images", hint=NO_DICOM)


def _position(header, frame):
    item = header.PerFrameFunctionalGroupsSequence[frame]
    plane = item.get("PlanePositionSequence") or header.SharedFunctionalGroupsSequence[0].get("PlanePositionSequence")
    return plane[0].get("ImagePositionPatient") if plane else None

"""What all DICOM objects about an exam share: patient and study, and how they are read and written."""

import warnings
from contextlib import contextmanager

import pydicom
import pydicom.config
from pydicom.dataset import Dataset

from ...errors import BadInput
from ...files import whole_file

# Of the patient and the study: every object about an exam has them as its images have them.
PATIENT = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge", "PatientSize"),
    *("PatientWeight", "EthnicGroup", "PatientIdentityRemoved", "DeidentificationMethod"),
    "DeidentificationMethodCodeSequence",
    *("StudyInstanceUID", "StudyID", "StudyDate", "StudyTime", "StudyDescription", "AccessionNumber"),
    "ReferringPhysicianName",
)
TYPE_2 = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime"),
    *("AccessionNumber", "ReferringPhysicianName"),
)
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"


@contextmanager
def quietly():
    """Keep the parser's complaints about values, which it quotes, out of the log: they can be a patient's."""
    with warnings.catch_warnings(), pydicom.config.disable_value_validation():
        warnings.simplefilter("ignore")
        yield


def patient_of(header):
    """Return patient and study of an image as a data set; what every object has to have is there, if only empty."""
    result = Dataset()
    for name in PATIENT:
        if name in header:
            result[name] = header[name]
        elif name in TYPE_2:
            setattr(result, name, "")
    return result


def add_patient(data, header):
    """Write patient, study and character set of an image into an object about it."""
    data.SpecificCharacterSet = "ISO_IR 192"
    for element in patient_of(header):
        data[element.tag] = element


def type_2():
    """Return a header in which all that every object has to have of patient and study is there, but empty."""
    result = Dataset()
    for name in TYPE_2:
        setattr(result, name, None if name in ("StudyDate", "StudyTime") else "")
    return result


def save(data, path, overwrite=False):
    """Write a DICOM object, whole or not at all."""
    with whole_file(path, overwrite) as temporary, quietly():
        data.save_as(temporary, enforce_file_format=True)


def opened_seg(seg, sources):
    """Return the data set of a segmentation after checking that it is of the sources' study.

    Parameters
    ----------
    seg : Dataset, str or Path
    sources : Sources

    Raises
    ------
    BadInput
        If it is damaged, no segmentation, or of another study.
    """
    where = ""
    if not isinstance(seg, Dataset):
        where = seg
        try:
            with quietly():
                seg = pydicom.dcmread(seg, stop_before_pixels=True)
                seg.decode()
        except Exception as error:  # noqa: BLE001 - damaged bytes make the parser raise almost any exception
            raise BadInput("The DICOM segmentation cannot be read", where, "Write it again") from error
    if seg.get("SOPClassUID") != SEGMENTATION or "SegmentSequence" not in seg:
        raise BadInput("The DICOM file is not a segmentation (SEG)", where)
    if seg.get("StudyInstanceUID") != sources.headers[0].StudyInstanceUID:
        raise BadInput("The segmentation belongs to another study", where, "Give the segmentation of this exam")
    return seg

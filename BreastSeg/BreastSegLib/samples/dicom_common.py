"""What the sample DICOM writers share: identifiers made from a seed, the invented patient, and writing a file."""

import uuid

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pydicom.valuerep import format_number_as_ds

_NAMESPACE = uuid.UUID("6f1a0f0e-52d6-5c0b-9c35-1d1f0b5ea570")
STUDY_DATE = "20200102"
STUDY_START_S = 10 * 3600  # 10:00, so that no phase passes midnight


def uid(*parts):
    """Return the UID (root 2.25.) that belongs to `parts`: the same parts always give the same UID."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(str(part) for part in parts)).int}"


def clock(seconds):
    """Return `seconds` after midnight as a DICOM time, to the microsecond."""
    micro = round(seconds * 1e6)
    rest, micro = divmod(micro, 1_000_000)
    return f"{rest // 3600 % 24:02d}{rest // 60 % 60:02d}{rest % 60:02d}.{micro:06d}"


def decimal(value):
    """Return a number as a DICOM decimal string of at most 16 characters."""
    return format_number_as_ds(float(value))


def decimals(values):
    """Return numbers as DICOM decimal strings."""
    return [decimal(value) for value in values]


def code(value, scheme, meaning):
    """Return a coded concept as a data set."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def new_file(sop_class, instance_uid):
    """Return an empty data set with the file header of `sop_class` (explicit VR little endian)."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = instance_uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = uid("implementation")
    meta.ImplementationVersionName = "BREASTSEG_SAMPLE"
    data = FileDataset(None, {}, file_meta=meta, preamble=b"\x00" * 128)
    data.SOPClassUID, data.SOPInstanceUID = sop_class, instance_uid
    return data


def add_study(data, kind, seed, description):
    """Fill in the patient and study of a synthetic exam.

    Parameters
    ----------
    data : pydicom.Dataset
    kind : str
        Kind of sample; exams of different kinds or seeds are different studies of different patients.
    seed : int
    description : str
        Study description.
    """
    data.PatientName = "Sample^Synthetic"
    data.PatientID = f"SYNTHETIC-{kind}-{seed}"
    data.PatientBirthDate, data.PatientSex = "19700101", "F"
    data.PatientAge = "050Y"
    data.StudyInstanceUID = uid("study", kind, seed)
    data.StudyDate, data.StudyTime = STUDY_DATE, clock(STUDY_START_S)
    data.StudyID, data.AccessionNumber, data.ReferringPhysicianName = "1", "", ""
    data.StudyDescription = description
    data.InstitutionName = "Synthetic sample"
    data.ManufacturerModelName, data.DeviceSerialNumber, data.SoftwareVersions = "Synthetic sample", "0", "1"


def set_pixels(data, pixels, bits, photometric="MONOCHROME2"):
    """Put a uint16 image (rows, columns) with `bits` bits in use into `data`."""
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, photometric
    data.Rows, data.Columns = pixels.shape
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, bits, bits - 1, 0
    data.PixelData = pixels.astype("<u2").tobytes()


def save(data, path):
    """Write `data` as a DICOM file."""
    data.save_as(path, enforce_file_format=True)

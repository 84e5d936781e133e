"""The report as a DICOM object: a PDF that belongs to the exam's study."""

import datetime

import highdicom as hd
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

from ... import __version__
from ...errors import BadInput
from ...files import check_output
from .objects import add_patient, quietly, save
from .tables import table

PDF = b"%PDF-"
LONGEST_TITLE = 64


def write_pdf_dicom(path, pdf_bytes, sources, title, overwrite=False, identified=True):
    """Write a PDF as DICOM object of the exam's study, whole or not at all.

    Parameters
    ----------
    path : str or Path
    pdf_bytes : bytes
        The PDF.
    sources : Sources
        See `sources.sources_of`; of mammograms that of any view.
    title : str
        Of the document.
    overwrite : bool
    identified : bool
        Whether the pages name the patient: the object has to say so, because taking the name out of its header would
        leave it in the pages. True where nobody says otherwise, which hides no name.

    Returns
    -------
    pydicom.Dataset

    Raises
    ------
    BadInput
        If the bytes are no PDF, or the file exists.
    """
    check_output(path, overwrite)
    data = make_pdf_dicom(pdf_bytes, sources, title, identified)
    save(data, path, overwrite)
    return data


def make_pdf_dicom(pdf_bytes, sources, title, identified=True):
    """Return a PDF as DICOM object; see `write_pdf_dicom`."""
    if not pdf_bytes.startswith(PDF):
        raise BadInput("The report is no PDF")
    info, now = table()["equipment"], datetime.datetime.now()
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = EncapsulatedPDFStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = hd.UID()
    with quietly():
        add_patient(data, sources.headers[0])
        data.SeriesInstanceUID, data.SeriesNumber, data.InstanceNumber = hd.UID(), table()["series"]["pdf"], 1
        data.Modality, data.ConversionType = "DOC", "WSD"
        data.SeriesDescription = data.DocumentTitle = title[:LONGEST_TITLE]
        data.Manufacturer, data.ManufacturerModelName = info["manufacturer"], info["model"]
        data.SoftwareVersions, data.DeviceSerialNumber = __version__, info["serial"]
        data.InstanceCreationDate = data.ContentDate = now.strftime("%Y%m%d")
        data.InstanceCreationTime = data.ContentTime = now.strftime("%H%M%S.%f")
        data.AcquisitionDateTime = ""
        data.BurnedInAnnotation = "YES" if identified else "NO"
        data.ConceptNameCodeSequence = []
        data.SourceInstanceSequence = [_reference(row) for row in sources.references()]
        data.MIMETypeOfEncapsulatedDocument = "application/pdf"
        data.EncapsulatedDocument = pdf_bytes + b"\0" * (len(pdf_bytes) % 2)
        data.EncapsulatedDocumentLength = len(pdf_bytes)
    return data


def _reference(row):
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = row[:2]
    return item

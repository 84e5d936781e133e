"""Synthetic mammograms as real DICOM files: Digital Mammography X-Ray Image, for presentation or for processing."""

from pathlib import Path

import numpy as np
from pydicom.sequence import Sequence
from pydicom.uid import (
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
)

from . import dicom_common as dicom

VIEW_CODES = {"CC": ("399162004", "SCT", "cranio-caudal"), "MLO": ("399368009", "SCT", "medio-lateral oblique")}


def write_mammogram_dicom(sample, path, number=1):
    """Write a synthetic mammogram as one DICOM file.

    Parameters
    ----------
    sample : SampleMammogram
        Its intent decides the kind of file: for presentation or for processing. The truth is not in it.
    path : str or Path
        The file; its folder must exist.
    number : int
        Series number: the views of one exam are series of one study.

    Returns
    -------
    Path
    """
    presentation = sample.intent == "presentation"
    identity = ("mg", sample.seed, sample.laterality, sample.view, sample.intent)
    # Everything that changes the pixels gives the image another identity.
    variant = (
        sample.density,
        sample.image.shape,
        sample.spacing_mm,
        sample.polarity,
        sample.bits,
        sample.padding_value,
        sample.marks,
        sample.masses,
    )
    kind = (
        DigitalMammographyXRayImageStorageForPresentation
        if presentation
        else DigitalMammographyXRayImageStorageForProcessing
    )
    data = dicom.new_file(kind, dicom.uid(*identity, "image", *variant))
    data.SpecificCharacterSet = "ISO_IR 100"
    data.ImageType = ["DERIVED" if presentation else "ORIGINAL", "PRIMARY", ""]
    data.Modality, data.Manufacturer = "MG", "Synthetic sample"
    dicom.add_study(data, "MG", sample.seed, "Synthetic mammography")
    data.SeriesInstanceUID = dicom.uid(*identity, "series", *variant)
    data.SeriesNumber = data.AcquisitionNumber = number
    data.InstanceNumber = 1
    data.SeriesDescription = f"{sample.laterality} {sample.view}" + ("" if presentation else " raw")
    data.SeriesDate = data.AcquisitionDate = data.ContentDate = dicom.STUDY_DATE
    data.SeriesTime = data.AcquisitionTime = data.ContentTime = dicom.clock(dicom.STUDY_START_S + 300)
    data.PresentationIntentType = "FOR PRESENTATION" if presentation else "FOR PROCESSING"
    data.ImageComments = "Synthetic sample, not a patient"
    _add_view(data, sample)
    _add_exposure(data, sample)
    _add_tones(data, sample, presentation)
    dicom.save(data, path)
    return Path(path)


def _add_view(data, sample):
    data.BodyPartExamined, data.ImageLaterality, data.ViewPosition = "BREAST", sample.laterality, sample.view
    data.PatientOrientation = list(sample.orientation)
    region = dicom.code("76752008", "SCT", "Breast")
    data.AnatomicRegionSequence = Sequence([region])
    view = dicom.code(*VIEW_CODES[sample.view])
    view.ViewModifierCodeSequence = Sequence()
    data.ViewCodeSequence = Sequence([view])
    data.OrganExposed, data.BreastImplantPresent, data.PartialView = "BREAST", "NO", "NO"
    data.AcquisitionContextSequence = Sequence()


def _add_exposure(data, sample):
    """Write how the image came about; the pixel size lies in the detector plane, as for most mammograms."""
    data.ImagerPixelSpacing = dicom.decimals([sample.spacing_mm, sample.spacing_mm])
    data.PositionerType = "MAMMOGRAPHIC"
    angle = 0 if sample.view == "CC" else (45 if sample.laterality == "R" else -45)
    data.PositionerPrimaryAngle, data.PositionerSecondaryAngle = angle, ""
    data.DetectorType, data.DetectorID = "DIRECT", ""
    data.DetectorTemperature = ""
    data.KVP, data.AnodeTargetMaterial, data.FilterMaterial = "28", "TUNGSTEN", "RHODIUM"
    data.BodyPartThickness, data.CompressionForce = dicom.decimal(round(sample.thickness_mm, 1)), "100"


def _add_tones(data, sample, presentation):
    dicom.set_pixels(data, sample.image, sample.bits, sample.polarity)
    if sample.padding_value is not None:
        data.PixelPaddingValue = sample.padding_value
    inverted = sample.polarity == "MONOCHROME1"
    data.PixelIntensityRelationship = "LOG" if presentation else "LIN"
    # Counts grow with the exposure; all else grows with the attenuation, unless it is turned round.
    data.PixelIntensityRelationshipSign = 1 if inverted else -1
    data.RescaleIntercept, data.RescaleSlope, data.RescaleType = "0", "1", "US"
    data.LossyImageCompression = "00"
    data.BurnedInAnnotation = "NO"  # the view mark names no one
    data.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    if presentation:
        low, high = (float(v) for v in np.percentile(sample.image[sample.breast > 0], (0.5, 99.8)))
        centre, width = (low + high) / 2, max(high - low, 2.0)
        data.WindowCenter = dicom.decimals([round(centre), round(centre), round(centre)])
        data.WindowWidth = dicom.decimals([round(width), round(0.75 * width), round(1.3 * width)])
        data.WindowCenterWidthExplanation = ["NORMAL", "HARDER", "SOFTER"]
        data.VOILUTFunction = "LINEAR"

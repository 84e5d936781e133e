"""What looks like a mammogram and is none that this extension reads, and what is read with a remark."""

import re

from ..dicom.values import code_values, integer, items, parts, text, value
from . import codes

TOMOSYNTHESIS = {
    "1.2.840.10008.5.1.4.1.1.13.1.3",
    "1.2.840.10008.5.1.4.1.1.13.1.4",
    "1.2.840.10008.5.1.4.1.1.13.1.5",
}
MODALITIES = {"MG", "CR", "DX", "RG", "OT", "SC", ""}
BREAST = ("BREAST", "MAMMA", "MAMMO")
SYNTHETIC = re.compile(
    r"C[\s_-]?VIEW|V[\s_-]?PREVIEW|S[\s_-]?VIEW|INSIGHT[\s_-]?2D|SYNTHE(TIC|SI[SZ]ED)[\s_-]?2D|GENERATED_2D|TOMO_2D|"
    r"INTELLIGENT[\s_-]?2D"
)
TOMO = re.compile(r"TOMO|\bDBT\b")
CONTRAST = re.compile(
    r"\b(TI)?CE[SD]?M\b|CONTRAST[\s_-]?ENHANCED|RECOMBINED|(LOW|HIGH|DUAL)[\s_-]?ENERGY|SENO[\s_-]?BRIGHT|"
    r"\bI[\s_-]?VIEW\b"
)
PARTIAL = re.compile(r"\bCROPPED\b|\bROI MASK\b|\bMASK IMAGES?\b")
NO_AGENT = ("", "none", "no", "n/a", "no contrast")


def refusal(data):
    """Return why a DICOM object is not read as a mammogram, as a sentence without full stop; empty when it is.

    Parameters
    ----------
    data : pydicom.Dataset
    """
    if value(data, "Rows") is None or value(data, "Columns") is None:
        return "it holds no image"
    if text(data, "Modality").upper() not in MODALITIES:
        return "its Modality is not that of a mammogram"
    part = text(data, "BodyPartExamined").upper()
    if part and text(data, "Modality").upper() != "MG" and not any(word in part for word in BREAST):
        return "its Body Part Examined is not the breast"
    kinds, said = _words(data)
    synthetic = bool(SYNTHETIC.search(" ".join(kinds)) or SYNTHETIC.search(said))
    frames = integer(data, "NumberOfFrames", 1) or 1
    if text(data, "SOPClassUID") in TOMOSYNTHESIS and frames > 1:
        return "it is breast tomosynthesis, which is not read: give the 2D mammograms"
    if not synthetic and (text(data, "SOPClassUID") in TOMOSYNTHESIS or TOMO.search(" ".join(kinds))):
        return "it is breast tomosynthesis, which is not read: give the 2D mammograms"
    if frames > 1:
        tomo = "tomosynthesis or " if TOMO.search(said) or synthetic or text(data, "Modality") == "MG" else ""
        return f"it holds {frames} frames ({tomo}a multi-frame image), which is not read: give the 2D mammograms"
    if not synthetic and TOMO.search(said):
        return "its description says tomosynthesis, which is not read: give the 2D mammograms"
    if _contrast(data, kinds, said):
        return "it is contrast-enhanced mammography, which is not read: give mammograms without contrast agent"
    if PARTIAL.search(said):
        return "its description says that it is a mask or a cropped image, not a whole mammogram"
    if integer(data, "SamplesPerPixel", 1) != 1 or _colour(data):
        return "it is a colour image: give the grey mammogram"
    return ""


def remarks(data):
    """Return notes about unusual images that are read all the same.

    Parameters
    ----------
    data : pydicom.Dataset
    """
    kinds, said = _words(data)
    notes = []
    if SYNTHETIC.search(" ".join(kinds)) or SYNTHETIC.search(said):
        notes.append("A 2D image computed from tomosynthesis, not an exposure of its own.")
    view_codes = [text(item, "CodeValue") for item in items(data, "ViewCodeSequence")]
    if (
        set(view_codes) & set(codes.table()["specimen"])
        or "SPECIMEN" in said
        or value(data, "SpecimenDescriptionSequence")
    ):
        notes.append("A radiograph of a specimen, not of a breast.")
    if "STEREO" in said or "STEREOTACTIC" in " ".join(kinds):
        notes.append("A stereotactic image: a part of the breast, under an angle.")
    if text(data, "PartialView").upper() == "YES" or code_values(data, "PartialViewCodeSequence"):
        notes.append("A partial view: not the whole breast is in the image.")
    if text(data, "BreastImplantPresent").upper() == "YES":
        notes.append("A breast implant is present.")
    if text(data, "ConversionType").upper() == "DF":
        notes.append("Digitised film.")
    if text(data, "LossyImageCompression") == "01":
        notes.append("The image was compressed with loss.")
    if text(data, "Modality") == "":
        notes.append("The file names no Modality; it is taken for a mammogram.")
    elif text(data, "Modality").upper() not in ("MG", "CR", "DX"):
        notes.append("The Modality is not MG; the image is taken for a mammogram.")
    return notes


def _words(data):
    """Return Image Type (upper case) and the free descriptions as one upper-case text."""
    kinds = [part.upper() for part in parts(data, "ImageType")]
    names = ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription", "StudyDescription")
    own = [" ".join(parts(data, name)) for name in names[:3]]
    return kinds, re.sub(r"[_/]+", " ", " ".join(own)).upper()


def _contrast(data, kinds, said):
    agent = text(data, "ContrastBolusAgent").lower()
    if agent not in NO_AGENT or items(data, "ContrastBolusAgentSequence"):
        return True
    return any(CONTRAST.search(re.sub("_", " ", kind)) for kind in kinds) or bool(CONTRAST.search(said))


def _colour(data):
    kind = text(data, "PhotometricInterpretation").upper()
    return bool(kind) and not kind.startswith("MONOCHROME")

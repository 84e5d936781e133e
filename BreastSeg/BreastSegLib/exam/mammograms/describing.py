"""One mammogram file by its header."""

import re
from dataclasses import dataclass, field, replace

from ...errors import BadInput, BreastSegError
from ..dicom.values import integer, text
from . import codes, words
from .clues import Clues, clues_of, modifiers_of
from .opening import kind_of, open_dicom
from .pictures import picture_header
from .refused import refusal, remarks
from .spacing import aspect_of, spacing_of
from .tones import windows_of
from .upright import contradictions_of, orientation_of, turn_of
from .view import View

INTENTS = {"FOR PRESENTATION": "presentation", "FOR PROCESSING": "processing"}
SOP_INTENTS = {"1.2.840.10008.5.1.4.1.1.1.2": "presentation", "1.2.840.10008.5.1.4.1.1.1.2.1": "processing"}


@dataclass(frozen=True)
class Described:
    """A file, what it is, and what its header says.

    `path`, `patient`, `study` and `sop` can identify a person: they serve comparison and reading only.

    Parameters
    ----------
    view : View
    kind : str
        As `kind_of` returns it.
    clues : Clues
        Of tags and descriptions, without the file name.
    patient, study, date, sop : str
    orientation : tuple of str
    aspect : float
        Height of a pixel over its width.
    inverted : bool
        A picture's header says that its smallest value is white.
    """

    path: str = field(repr=False)
    view: View
    kind: str
    clues: Clues = field(repr=False)
    patient: str = field(default="", repr=False)
    study: str = field(default="", repr=False)
    date: str = ""
    sop: str = field(default="", repr=False)
    orientation: tuple = ("", "")
    aspect: float = 1.0
    inverted: bool = False


def describe(path, where):
    """Return what a file's header says.

    Parameters
    ----------
    path : str or Path
    where : str
        What the image is called in messages.

    Returns
    -------
    Described or str
        Or why the image is left out.

    Raises
    ------
    BadInput
        If the file cannot be read.
    """
    try:
        kind = kind_of(path, where)
        if kind == "dicom":
            return _dicom(path, where)
        if not kind:
            raise BadInput("The file is no image that is known", where, "Give DICOM, PNG, TIFF or PGM")
        return _picture(path, kind, where)
    except BreastSegError:
        raise
    except Exception as error:  # noqa: BLE001 - damaged bytes make the parser raise almost any exception
        raise BadInput("The file's header is damaged", where, "Export the image again") from error


def name_side(described, clues):
    """Return the view with side and position decided by `clues`, and by the file name after them.

    Parameters
    ----------
    described : Described
    clues : Clues
        Changed: the file name is added.

    Returns
    -------
    View
    """
    clues.add(*words.in_file_name(described.path))
    laterality, position, evidence, contradictions = clues.decide()
    return replace(
        described.view,
        laterality=laterality,
        position=position,
        evidence=evidence,
        contradictions=(*contradictions, *contradictions_of(described.orientation, laterality, position)),
        turn=turn_of(described.orientation, position),
    )


def _dicom(path, where):
    data = open_dicom(path, where)
    if str(data.file_meta.get("MediaStorageSOPClassUID", "")) == "1.2.840.10008.1.3.10":
        return "it is a DICOMDIR, an index without image"
    if not len(data):
        raise BadInput("The DICOM file is damaged or incomplete", where, "Export the image again")
    numbers = [
        f"{name} {number}"
        for name, number in (("series", integer(data, "SeriesNumber")), ("image", integer(data, "InstanceNumber")))
        if number is not None
    ]
    where = ", ".join([where, *numbers])
    reason = refusal(data)
    if reason:
        return reason
    clues = clues_of(data)
    spacing, spacing_evidence, contradictions, notes = spacing_of(data)
    windows, more = windows_of(data)
    polarity = text(data, "PhotometricInterpretation").upper()
    described = Described(
        str(path),
        View(
            intent=_intent(data),
            spacing=spacing,
            spacing_evidence=spacing_evidence,
            polarity=polarity if polarity in ("MONOCHROME1", "MONOCHROME2") else "",
            windows=windows,
            notes=(*remarks(data), *clues.notes, *notes, *more, *_shape_note(data, polarity)),
            modifiers=modifiers_of(data),
            where=where,
            file=str(path),
        ),
        "dicom",
        clues,
        text(data, "PatientID"),
        text(data, "StudyInstanceUID") or text(data, "StudyDate"),
        text(data, "StudyDate"),
        text(data, "SOPInstanceUID"),
        orientation_of(data),
        aspect_of(data),
    )
    described = replace(described, **_archive_study(described))
    view = name_side(described, replace(clues, sides=list(clues.sides), positions=list(clues.positions)))
    return replace(described, view=replace(view, contradictions=(*view.contradictions, *contradictions)))


def _picture(path, kind, where):
    header = picture_header(path, kind, where)
    described = Described(
        str(path),
        View(
            spacing=header.spacing,
            spacing_evidence="the TIFF's resolution tags" if header.spacing else "unknown",
            polarity="MONOCHROME1" if header.inverted else "",
            notes=(f"A plain {kind.upper()} picture: no tags say how it was taken.", *header.notes),
            where=where,
            file=str(path),
        ),
        kind,
        Clues(),
        inverted=header.inverted,
    )
    return replace(described, view=name_side(described, Clues()))


def _intent(data):
    said = INTENTS.get(text(data, "PresentationIntentType").upper(), "")
    # Digital X-Ray and mammography classes come in pairs; the mammographic ones end in 1.2 and 1.2.1.
    return said or SOP_INTENTS.get(text(data, "SOPClassUID"), "")


def _shape_note(data, polarity):
    shape = text(data, "PresentationLUTShape").upper()
    if (polarity, shape) in (("MONOCHROME2", "INVERSE"), ("MONOCHROME1", "IDENTITY")):
        return [f"Presentation LUT Shape says {shape}, Photometric Interpretation {polarity}: the latter is followed."]
    return []


def _archive_study(described):
    """Return the study of an archive that makes one patient and study of each view (CBIS-DDSM), as fields."""
    laterality, position = words.side_and_view(described.patient)
    if not (laterality and position):
        return {}
    names = [*codes.by_word("sides"), *codes.by_word("views")]
    stem = re.sub(rf"(?:[_\s-](?:{'|'.join(names)}))+(?:[_\s-]\d+)?$", "", described.patient.upper())
    return {"patient": stem, "study": stem}

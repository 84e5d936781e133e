"""Mammogram files to the views of one exam."""

import os
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...errors import BadInput, BreastSegError, Undecided
from ...volume import Volume
from .breast import background_is_bright, chest_wall, outline
from .describing import describe, name_side
from .exam import MammographyExam, MammographyScan, arrange
from .marks import read_mark
from .opening import open_dicom
from .padding import blacken, padding_mask, padding_note
from .pictures import read_picture
from .size import stored_values
from .spacing import given_spacing
from .studies import one_study
from .tones import modality_values, percentile_window
from .upright import contradictions_of, geometry_of

POLARITIES = (("MONOCHROME2", "Tissue is bright: show it as it is"), ("MONOCHROME1", "Tissue is dark: invert it"))


def describe_views(files, decisions=None, report=None):
    """Find the views in mammogram files by their headers. No pixel is read.

    Parameters
    ----------
    files : sequence of str or Path
        DICOM, PNG, TIFF or PGM, also gzip'd.
    decisions : dict, optional
        The user's answers by name: ``study``, ``spacing`` (mm, for images that do not tell theirs).
    report : callable, optional
        Called as ``report(stage, done, total)`` between files; may raise `Cancelled`.

    Returns
    -------
    MammographyScan

    Raises
    ------
    BadInput
        If a file cannot be read, or none is a mammogram.
    Undecided
        If the files belong to several studies.
    """
    found, left_out, notes = _described(files, decisions or {}, report)
    views, more = arrange(item.view for item in found)
    return MammographyScan(views, tuple(left_out), (*notes, *more))


def read_views(files, decisions=None, report=None):
    """Read the mammograms of one exam.

    Parameters
    ----------
    files, decisions, report
        As for `describe_views`; further decisions: ``polarity`` (``MONOCHROME1`` to invert, ``MONOCHROME2``) for
        images that do not tell theirs and look inverted.

    Returns
    -------
    MammographyExam

    Raises
    ------
    BadInput
        If a file is damaged or no mammogram.
    Undecided
        If the files belong to several studies, or a polarity is not told and looks inverted.
    """
    decisions = decisions or {}
    found, left_out, notes = _described(files, decisions, report)
    views, images = [], []
    for done, item in enumerate(found):
        if report is not None:
            report("Reading", done, len(found))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # they quote values, which can be a patient's
                view, image = _read(item, decisions)
        except BreastSegError:
            raise
        except MemoryError as error:
            raise BadInput(
                "There is not enough memory for the image", item.view.where, "Close other images"
            ) from error
        except Exception as error:  # noqa: BLE001 - damaged bytes make the parsers raise almost any exception
            raise BadInput("The image is damaged", item.view.where, "Export the image again") from error
        views.append(view)
        images.append(image)
    ordered, more = arrange(views)
    images_by_file = {view.file: image for view, image in zip(views, images)}
    notes += [f"{where} is left out: {reason}." for where, reason in left_out]
    return MammographyExam(ordered, tuple(images_by_file[view.file] for view in ordered), (*notes, *more))


def _described(files, decisions, report):
    """Return the described files of one study, those left out, and notes."""
    paths, notes = _paths(files)
    found, left_out = [], []
    for done, path in enumerate(paths):
        if report is not None:
            report("Reading", done, len(paths))
        where = f"image {done + 1} of {len(paths)}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as above
            item = describe(path, where)
        if isinstance(item, str):
            left_out.append((where, item))
        else:
            found.append(item)
    if not found:
        reasons = "; ".join(f"{where}: {reason}" for where, reason in left_out[:3])
        raise BadInput("No file is a mammogram that is read", reasons, "Give 2D mammograms")
    found, more = _unique(found)
    found, others = one_study(found, decisions.get("study"))
    return [_with_spacing(item, decisions) for item in found], left_out + others, notes + more


def _paths(files):
    if isinstance(files, (str, os.PathLike)):
        files = [files]
    paths = [Path(path) for path in files]
    if not paths:
        raise BadInput("No mammogram is given", hint="Give DICOM, PNG, TIFF or PGM files")
    unique = list({os.path.realpath(path): path for path in paths}.values())
    double = len(paths) - len(unique)
    return unique, [f"{double} file{'s were' if double > 1 else ' was'} given twice."] if double else []


def _unique(found):
    """Drop files that hold the same image twice (the same unique identifier), and say so."""
    seen = {}
    for item in found:
        seen.setdefault(item.sop or item.path, item)
    double = len(found) - len(seen)
    notes = [f"{double} file{'s are copies' if double > 1 else ' is a copy'} of another image and skipped."]
    return list(seen.values()), notes if double else []


def _with_spacing(item, decisions):
    if "spacing" not in decisions or item.view.spacing is not None:
        return item
    spacing = given_spacing(decisions["spacing"])
    return replace(item, view=replace(item.view, spacing=spacing, spacing_evidence="given by the user"))


def _read(item, decisions):
    """Return the finished view and its image."""
    values, mirror, padding, notes = _dicom_values(item) if item.kind == "dicom" else _picture_values(item)
    view, more = _polarity(item.view, values, padding, decisions)
    if view.polarity == "MONOCHROME1":
        image = np.subtract(np.float32(mirror), values, out=values)
        view = replace(view, mirror=float(mirror))
    else:
        image = values
    blacken(image, padding)
    found = outline(image, padding)
    view = _checked(item, _marked(item, view, image, found), found)
    if not view.windows:
        view = replace(view, windows=(percentile_window(image, padding, view.mirror),))
        more.append(f"The file brings no window: one is made {view.windows[0].name}.")
    spacing = view.spacing or (1.0, item.aspect)
    geometry = geometry_of(image.shape, spacing, view.turn)
    return replace(view, notes=(*view.notes, *notes, *more)), Volume(image[None], geometry)


def _dicom_values(item):
    data = open_dicom(item.path, item.view.where, pixels=True)
    stored, notes = stored_values(data, item.view.where)
    padding = padding_mask(data, stored)
    if padding is not None:
        notes = [*notes, padding_note(padding)]
    values, mirror = modality_values(data, stored, item.view.where)
    return values, mirror, padding, notes


def _picture_values(item):
    values = read_picture(item.path, item.kind, item.view.where)
    # 12 bits in a 16 bit picture are inverted within their 12 bits.
    largest = max(int(values.max()), 255 if values.dtype == np.uint8 else 1023)
    return values.astype(np.float32), float(2 ** int(largest).bit_length() - 1), None, []


def _polarity(view, values, padding, decisions):
    """Return the view with a polarity, asked for where the file does not tell it and the image looks inverted."""
    if view.polarity:
        return view, []
    image = values
    if padding is not None and not padding.all():
        image = np.where(padding, np.median(values[~padding]), values)
    if not background_is_bright(outline(image)):
        return view, ["The file does not tell its polarity: tissue is taken to be bright, and the border is dark."]
    answer = decisions.get("polarity")
    if answer not in dict(POLARITIES):
        raise Undecided(
            "The file does not tell its polarity, and the image looks inverted: its background is bright",
            view.where,
            "Say whether tissue is bright or dark",
            name="polarity",
            choices=POLARITIES,
        )
    return replace(view, polarity=answer), ["The polarity was given by the user."]


def _marked(item, view, image, found):
    """Return the view with its side and position from the burned-in mark, where the tags do not tell both."""
    if item.clues.complete:
        return view
    mark = read_mark(image, found)
    if mark is None:
        return view
    clues = replace(item.clues, sides=list(item.clues.sides), positions=list(item.clues.positions))
    clues.add(mark.laterality, mark.position, f"the burned-in mark (likeness {mark.score:.2f})")
    named = name_side(item, clues)
    kept = [said for said in view.contradictions if not said.startswith(("side:", "view:"))]
    notes = ["The burned-in mark is readable in the mirrored image only: the image may be mirrored."]
    return replace(
        view,
        laterality=named.laterality,
        position=named.position,
        evidence=named.evidence,
        contradictions=(*dict.fromkeys([*named.contradictions, *kept]),),
        turn=named.turn,
        notes=(*view.notes, *(notes if mark.mirrored else ())),
    )


def _checked(item, view, found):
    """Return the view with what its pixels say against its tags."""
    contradictions = contradictions_of(item.orientation, view.laterality, view.position, chest_wall(found))
    if item.kind == "dicom" and item.view.polarity and background_is_bright(found):
        contradictions.append(
            f"polarity: Photometric Interpretation says {item.view.polarity}, but the background comes out bright"
        )
    both = dict.fromkeys([*view.contradictions, *contradictions])
    return replace(view, contradictions=tuple(both))

"""Outlines drawn on mammograms with OsiriX, as INbreast has them: property lists with points in pixels."""

import plistlib
import re
from dataclasses import dataclass
from pathlib import Path
from xml.parsers.expat import ExpatError

import numpy as np
from BreastSegLib.errors import BadInput

from .masks import RawMask
from .overlaps import add_to, label_map, new_cover

LARGEST = 64 * 1024 * 1024  # bytes; the outlines of one image take less than 1 MB
UNNAMED = "unnamed"
AGAIN = "Copy it again from the dataset"
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_POINT = re.compile(rf"\s*[({{\[]?\s*({_NUMBER})\s*,\s*({_NUMBER})\s*[)}}\]]?\s*")


@dataclass(frozen=True)
class Finding:
    """One outline.

    Parameters
    ----------
    name : str
        As the reader called it: ``Mass``, ``Calcification`` …
    points : numpy.ndarray
        (n, 2), x and y in pixels; the centre of the first pixel is (0, 0).
    """

    name: str
    points: np.ndarray


def read_findings(path):
    """Return the `Finding` objects of a file, in its order.

    Raises
    ------
    BadInput
        If it is damaged, or is no property list of OsiriX.
    """
    images = _images(Path(path))
    drawn = [image for image in images if image.get("ROIs")]
    if len(drawn) > 1:
        raise BadInput(f"The outlines belong to {len(drawn)} images", path, "Export those of one image")
    rois = drawn[0]["ROIs"] if drawn else []
    if not isinstance(rois, list) or not all(isinstance(roi, dict) for roi in rois):
        raise BadInput("The XML file holds no outlines as OsiriX writes them", path, AGAIN)
    return [_finding(roi, number, path) for number, roi in enumerate(rois, 1)]


def read_outlines(path, shape):
    """Return the outlines of a file as a mask.

    An outline of three points or more covers the pixels whose centres lie in it; one that covers no pixel centre, or
    has fewer points, covers the pixels that its points lie in. Where outlines with different names overlap, the label
    has all their names, so that a calcification inside a mass takes nothing from the mass.

    Parameters
    ----------
    path : str or Path
    shape : tuple of int
        (1, y, x) of the image.

    Returns
    -------
    RawMask
        `numbered` is false: labels have no meaning besides their names.

    Raises
    ------
    BadInput
        If the file is damaged, or an outline lies wholly outside the image.
    """
    path, (rows, columns) = Path(path), tuple(shape)[-2:]
    findings, cut = read_findings(path), 0
    names = list(dict.fromkeys(finding.name for finding in findings))
    cover = new_cover((rows, columns), len(names), path)
    for number, finding in enumerate(findings, 1):
        y, x = _pixels(finding.points, (rows, columns))
        if not len(y):
            what = f"Outline {number} ({finding.name}) lies outside the image of {columns} × {rows} pixels"
            raise BadInput(what, path, "Check that the outlines belong to this image")
        cut += bool(_beyond(finding.points, (rows, columns)))
        add_to(cover, (y, x), names.index(finding.name))
    labels, members = label_map(cover)
    titles = {label: tuple(names[number] for number in numbers) for label, numbers in members.items()}
    said = "outline reaches beyond the image and is cut" if cut == 1 else "outlines reach beyond the image and are cut"
    notes = (f"{cut} {said}",) if cut else ()
    return RawMask(labels[None], None, path, titles, numbered=False, parts=titles, notes=notes)


def _images(path):
    try:
        if path.stat().st_size > LARGEST:
            raise BadInput("The XML file is larger than any file of outlines", path, AGAIN)
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"The XML file cannot be read: {error.strerror}", path, "Check the path") from error
    try:
        content = plistlib.loads(data, fmt=plistlib.FMT_XML)
    except (plistlib.InvalidFileException, ExpatError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise BadInput("The XML file is damaged or incomplete", path, AGAIN) from error
    except (OverflowError, RecursionError) as error:
        raise BadInput("The XML file is damaged", path, AGAIN) from error
    images = content.get("Images") if isinstance(content, dict) else None
    if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
        raise BadInput("The XML file holds no outlines as OsiriX writes them", path, AGAIN)
    return images


def _finding(roi, number, path):
    name = roi.get("Name")
    name = " ".join(name.split()) if isinstance(name, str) else ""
    where = f"{path}, outline {number}"
    texts = roi.get("Point_px")
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise BadInput("An outline has no points in pixels", where, AGAIN)
    promised = roi.get("NumberOfPoints", len(texts))
    if promised != len(texts):
        raise BadInput(f"An outline has {len(texts)} of its {promised} points", where, AGAIN)
    matches = [_POINT.fullmatch(text) for text in texts]
    if not all(matches):
        text = texts[matches.index(None)]
        raise BadInput(f"A point of an outline is not two numbers: {text[:40]!r}", where, AGAIN)
    points = np.array([(float(match[1]), float(match[2])) for match in matches])
    if not np.isfinite(points).all():
        raise BadInput("A point of an outline is not finite", where, AGAIN)
    return Finding(name or UNNAMED, points)


def _pixels(points, shape):
    """Return the rows and columns of the pixels that an outline covers, inside the image."""
    from skimage.draw import polygon

    if len(points) > 2:
        # Only what lies in the image is looked at, however far out the points are.
        near = np.clip(points, -1e6, 1e6)
        y, x = polygon(near[:, 1], near[:, 0], shape)
        if len(y):
            return y, x
    near = np.rint(np.clip(points, -1, max(shape))).astype(int)
    inside = (near >= 0).all(axis=1) & (near[:, 1] < shape[0]) & (near[:, 0] < shape[1])
    return near[inside, 1], near[inside, 0]


def _beyond(points, shape):
    limits = np.array((shape[1], shape[0])) - 0.5
    return (points < -0.5).any() or (points > limits).any()

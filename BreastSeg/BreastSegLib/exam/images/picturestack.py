"""Exams as folders of pictures, one folder a phase and one picture a slice (BreastDM's published form)."""

import re
from collections import Counter
from pathlib import Path

import numpy as np

from ...errors import BadInput
from ...volume import Geometry, Volume
from ..dce import number_phases
from ..examscan import ExamScan
from ..grid import check_size, check_voxels
from .breastdm import UNKNOWN, given_spacing
from .naming import NAMED

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
LOSSY = (".jpg", ".jpeg")
FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
VIBRANT = re.compile(r"VIBRANT(?:\+C(?P<post>\d+))?", re.IGNORECASE)
AGAIN = "Copy the folder again"


def find_phases(folder, paths):
    """Return {phase number: files in slice order} of a folder of picture folders, or None when it is none.

    The folders directly below `folder` are called ``VIBRANT``, ``VIBRANT+C1``, ``VIBRANT+C2`` …, or ``pre``, ``post1``
    …; ``SUB1`` … are differences of phases and left out. Two phases at least make it an exam.

    Parameters
    ----------
    folder : str or Path
    paths : sequence of str
        All files below it.

    Raises
    ------
    BadInput
        If two folders say that they are the same phase, or two pictures the same slice.
    """
    root, found = Path(folder), {}
    for path in paths:
        parts = Path(path).relative_to(root).parts if Path(path).is_relative_to(root) else ()
        if len(parts) == 2 and parts[1].lower().endswith(ENDINGS) and not parts[1].startswith("."):
            number = phase_number(parts[0])
            if number is not None:
                found.setdefault(number, {}).setdefault(parts[0], []).append(path)
    double = next((names for names in found.values() if len(names) > 1), None)
    if double is not None:
        raise BadInput(f"Two folders say that they are one phase: {' and '.join(sorted(double))}", folder)
    if len(found) < 2:
        return None
    return {number: in_order(next(iter(found[number].values()))) for number in sorted(found)}


def phase_number(name):
    """Return 0 for a folder with the phase before contrast, 1 for the first after it …, None for another folder."""
    match = VIBRANT.fullmatch(name)
    if match:
        return int(match["post"] or 0)
    match = NAMED.fullmatch(name)
    return None if match is None else 0 if match["pre"] else int(match["post"])


def in_order(paths):
    """Return pictures in slice order: by the last number in their names.

    Raises
    ------
    BadInput
        If a name has no number, or two have the same.
    """
    numbers = {}
    for path in paths:
        digits = re.findall(r"\d+", Path(path).stem)
        if not digits:
            raise BadInput("The name of a picture does not tell which slice it is", path, "Number the slices")
        if int(digits[-1]) in numbers:
            raise BadInput(f"Two pictures are slice {int(digits[-1])}", Path(path).parent, "Keep one of them")
        numbers[int(digits[-1])] = path
    return [numbers[number] for number in sorted(numbers)]


def open_phases(phases, findings, where):
    """Describe an exam of picture folders.

    Parameters
    ----------
    phases : dict
        From `find_phases`.
    findings : Findings
        ``spacing`` is the voxel size that the user may have given: pictures do not tell it.
    where : str or Path
        For messages.

    Returns
    -------
    scan : ExamScan
    reader : callable
        ``reader(report)`` returns the volumes, float32, (z, y, x), on one grid.

    Raises
    ------
    BadInput
        If the phases have different slices, or none of them is before contrast.
    """
    if 0 not in phases:
        raise BadInput("The phase before contrast is missing", where, "Copy the whole case: VIBRANT, VIBRANT+C1 …")
    slices = {number: [_stem(path) for path in files] for number, files in phases.items()}
    counts = Counter(map(len, slices.values()))
    odd = next((number for number in phases if slices[number] != slices[0]), None)
    if odd is not None:
        what = f"The phases have different slices: {len(slices[0])} and {len(slices[odd])}"
        raise BadInput(what if len(counts) > 1 else "The slices of the phases have different names", where, AGAIN)
    spacing = given_spacing(findings)
    shape = (len(slices[0]), *read_picture(phases[0][0]).shape)
    geometry = Geometry(shape, spacing or UNKNOWN)
    check_size(geometry, where)
    evidence = "order: folder name; role: folder name"
    rows = [("post" if number else "pre", None, evidence, files) for number, files in phases.items()]
    scan = ExamScan(number_phases(rows), (), _notes(phases, spacing), geometry, spacing_known=spacing is not None)

    def reader(report):
        volumes, done = [], 0
        for phase, files in zip(scan.phases, phases.values()):
            array = np.empty(shape, np.float32)
            for plane, path in zip(array, files):
                report("Reading", done, len(phases) * shape[0])
                plane[:] = _same_size(read_picture(path), shape[1:], path)
                done += 1
            check_voxels(array, phase.name)
            volumes.append(Volume(array, geometry))
        report("Reading", done, done)
        return volumes

    return scan, reader


def read_stack(folder):
    """Return the pictures of a folder, slice by slice, as an array (z, y, x).

    Raises
    ------
    BadInput
        If it holds no pictures, or they have different sizes or kinds.
    """
    paths = [str(path) for path in sorted(Path(folder).iterdir()) if path.is_file() and not path.name.startswith(".")]
    pictures = [path for path in paths if path.lower().endswith(ENDINGS)]
    if not pictures:
        raise BadInput("The folder holds no pictures", folder, f"Slices are {', '.join(ENDINGS)} files")
    planes = [read_picture(path) for path in in_order(pictures)]
    return np.stack([_same_size(plane, planes[0].shape, folder) for plane in planes])


def read_picture(path):
    """Return the grey values of a picture, (y, x), uint8 or uint16.

    Raises
    ------
    BadInput
        If it is damaged or in colour.
    """
    from PIL import Image

    try:
        with Image.open(path, formats=FORMATS) as picture:
            if picture.mode in ("1", "P"):
                picture = picture.convert("L")
            array = np.asarray(picture)
    except Exception as error:  # noqa: BLE001 - damaged bytes make the reader raise almost any exception
        raise BadInput("The picture is damaged or of a kind that is not read", path, AGAIN) from error
    if array.ndim == 3:
        colours = array[..., : 1 if array.shape[-1] == 2 else 3]
        if (colours != colours[..., :1]).any():
            raise BadInput("The picture is in colour", path, "Save it in grey")
        array = colours[..., 0]
    if array.dtype == np.int32 and array.min() >= 0 and array.max() < 65536:
        array = array.astype(np.uint16)
    if array.ndim != 2 or array.dtype not in (np.uint8, np.uint16):
        raise BadInput(f"The picture's values are of a kind that is not read ({array.dtype})", path, "Save it in grey")
    return array


def _notes(phases, spacing):
    notes = ["Pictures do not tell how the patient lies: which side is left is unknown."]
    if spacing is None:
        notes.append(
            "The voxel size is unknown (1 mm is shown): lengths and volumes mean nothing. Give spacing=x,y,z."
        )
    numbers = list(phases)
    missing = sorted(set(range(numbers[-1])) - set(numbers))
    if missing:
        listed = ", ".join(f"post{number}" for number in missing)
        notes.append(f"The folders of {listed} are missing: those that are there are numbered without them.")
    if any(str(path).lower().endswith(LOSSY) for files in phases.values() for path in files):
        notes.append("Slices are JPEG pictures, which have lost detail.")
    return tuple(notes)


def _stem(path):
    return Path(path).stem.casefold()


def _same_size(plane, shape, where):
    if plane.shape != tuple(shape):
        sizes = " and ".join(f"{width} × {height}" for height, width in (plane.shape, shape))
        raise BadInput(f"The slices have different sizes: {sizes} pixels", where, AGAIN)
    return plane

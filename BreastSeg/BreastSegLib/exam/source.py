"""Read an exam from wherever it is: a DICOM folder, image files in order, or an exam store."""

import math
from dataclasses import replace

import numpy as np

from ..errors import BadInput
from ..volume import Volume
from .dce import DceExam, number_phases
from .files import open_files, read_volumes
from .grid import check_size, check_voxels, size_note, to_reference
from .pixels import read_slice
from .scan import ExamScan, scan
from .store import load_description, load_exam

STAGE = "Reading"
KINDS = ("folder", "files", "store")


def read_exam(source, report=None):
    """Read an exam with its pixels.

    Parameters
    ----------
    source : dict
        ``{"folder": DIR}`` (DICOM), ``{"files": [PRE, POST1, …]}`` (image files in order, or one 4D file) or
        ``{"store": DIR}``; optional ``"times"``: seconds of each phase on any clock, rising.
    report : callable, optional
        Called as ``report(stage, done, total)`` between slices and phases; may raise `Cancelled`.

    Returns
    -------
    DceExam
        float32, all phases on the grid of the reference phase (the first post-contrast phase).

    Raises
    ------
    BadInput
        If the source cannot be understood without guessing, or its voxels cannot be used.
    """
    kind = _kind(source)
    report = report or _silent
    if kind == "store":
        return _stored_exam(source, report)
    if kind == "folder":
        found = scan(source["folder"], report)
        volumes, files = _dicom_volumes(found, report), None
    else:
        files, notes = open_files(source["files"])
        found = _describe_files(files, notes)
        volumes = _file_volumes(files, found, report)
    phases = _timed(found.phases, source)
    volumes, notes = _on_one_grid(phases, volumes, report)
    return DceExam(phases, tuple(volumes), (*found.notes, *notes))


def describe(source, report=None):
    """Say what a source holds from its headers alone.

    Parameters
    ----------
    source : dict
        As for `read_exam`.
    report : callable, optional
        As for `read_exam`.

    Returns
    -------
    ExamScan

    Raises
    ------
    BadInput
        As `read_exam`, as far as headers tell.
    """
    kind = _kind(source)
    if kind == "folder":
        found = scan(source["folder"], report)
    elif kind == "files":
        found = _describe_files(*open_files(source["files"]))
    else:
        phases, geometry, notes = load_description(source["store"])
        found = ExamScan(phases, (), notes, geometry)
    return replace(found, phases=_timed(found.phases, source))


def _kind(source):
    kinds = [kind for kind in KINDS if source.get(kind)]
    if len(kinds) != 1:
        raise BadInput(
            "The exam is named in no way or in several ways", ", ".join(kinds), f"Name one of: {', '.join(KINDS)}"
        )
    return kinds[0]


def _describe_files(files, notes):
    count = files[0].volumes if len(files) == 1 else len(files)
    evidence = "order of the volumes in the 4D file" if files[0].volumes > 1 else "order of the files"
    paths = [str(file.path) for file in files] * (count // len(files))
    phases = number_phases([("pre" if k == 0 else "post", None, evidence, [paths[k]]) for k in range(count)])
    reference = files[min(1, len(files) - 1)].geometry
    note = size_note(reference)
    return ExamScan(phases, (), (*notes, *([note] if note else [])), reference)


def _stored_exam(source, report):
    exam = load_exam(source["store"])
    for done, (phase, volume) in enumerate(zip(exam.phases, exam.volumes)):
        report(STAGE, done, len(exam.phases))
        check_voxels(volume.array, phase.name, lambda done=done: report(STAGE, done, len(exam.phases)))
    report(STAGE, len(exam.phases), len(exam.phases))
    return replace(exam, phases=_timed(exam.phases, source))


def _timed(phases, source):
    """Return the phases with the times that the user gave, if any."""
    times = source.get("times")
    if times is None:
        return phases
    try:
        seconds = [float(time) for time in times]
    except (TypeError, ValueError) as error:
        raise BadInput(
            "The times of the phases are not numbers", str(times), "Give seconds, one for each phase"
        ) from error
    if len(seconds) != len(phases):
        raise BadInput(
            f"{len(seconds)} times are given for {len(phases)} phases",
            str(times),
            "Give one for each phase, in seconds",
        )
    if not all(map(math.isfinite, seconds)) or any(b <= a for a, b in zip(seconds, seconds[1:])):
        raise BadInput("The times of the phases do not rise", str(times), "Give the phases in time order")
    return number_phases(
        [(p.role, t, f"{p.evidence}; time: given by the user", p.files) for p, t in zip(phases, seconds)]
    )


def _dicom_volumes(found, report):
    """Return the phases of a scanned folder, each on its own grid."""
    total, done, volumes = sum(len(phase.files) for phase in found.phases), 0, []
    for phase, geometry, names in zip(found.phases, found.geometries, found.images):
        check_size(geometry, f"phase {phase.name}")
        array = np.empty(geometry.shape, np.float32)
        for k, (path, name) in enumerate(zip(phase.files, names)):
            report(STAGE, done, total)
            pixels = read_slice(path, f"phase {phase.name}, {name}")
            if pixels.shape != geometry.shape[1:]:
                raise BadInput(
                    "An image has another size than its header says",
                    f"phase {phase.name}, {name}",
                    "Export the series again",
                )
            array[k] = pixels
            done += 1
        check_voxels(array, phase.name, lambda: report(STAGE, done, total))
        volumes.append(Volume(array, geometry))
    report(STAGE, total, total)
    return volumes


def _file_volumes(files, found, report):
    volumes = []
    for done, file in enumerate(files):

        def again(done=done):
            report(STAGE, done, len(files))

        again()
        volumes += read_volumes(file, again)
        for volume, phase in zip(volumes[-file.volumes :], found.phases[len(volumes) - file.volumes :]):
            check_voxels(volume.array, phase.name, again)
    report(STAGE, len(files), len(files))
    return volumes


def _on_one_grid(phases, volumes, report):
    reference = next((i for i, phase in enumerate(phases) if phase.role == "post"), 0)
    geometry, notes = volumes[reference].geometry, []
    for i, phase in enumerate(phases):
        volumes[i], note = to_reference(
            volumes[i], geometry, phase.name, phases[reference].name, lambda: report(STAGE, len(phases), len(phases))
        )
        notes += [note] if note else []
    return volumes, notes


def _silent(stage, done, total):
    """Take a progress report and do nothing."""

"""Read an exam from wherever it is: DICOM, image files, arrays; a dynamic or mammograms."""

import math
from dataclasses import replace

import numpy as np

from ..errors import BadInput
from ..volume import Volume
from .contents import MAMMOGRAMS, Contents, contents_of
from .dce import DceExam
from .dicom.pixels import let_go, read_slice
from .dicom.waiting import map_reads
from .enhancement import enhancement_notes, mean_enhancement
from .examscan import ExamScan
from .grid import check_not_constant, check_size, check_voxels, to_reference
from .store import load_description, load_exam

STAGE = "Reading"


def read(source, report=None):
    """Read whatever a source holds, with its pixels.

    Parameters
    ----------
    source : dict
        One of ``{"folder": DIR}`` (DICOM, or image files by their names), ``{"dicom": [FILE, …]}``,
        ``{"files": [PRE, POST1, …]}`` (image files in order, or one 4D file), ``{"channels": [FILE, …]}`` (files that
        are a model's channels), ``{"views": [FILE, …]}`` (mammograms) or ``{"store": DIR}``. Optional: ``"times"``,
        seconds of each phase on any clock, rising; ``"decisions"``, what the user decided where the files do not tell
        (see `decisions.NAMES`); ``"motion"``, ``rigid`` or ``bspline``.
    report : callable, optional
        Called as ``report(stage, done, total)`` between slices and phases; may raise `Cancelled`.

    Returns
    -------
    DceExam or MammographyExam
        A DCE exam is float32, all phases on the grid of the reference phase (the first post-contrast phase).

    Raises
    ------
    Undecided
        If the files do not tell, and the user's answer would help.
    BadInput
        If the source cannot be understood without guessing, or its voxels cannot be used.
    """
    report = report or _silent
    contents = contents_of(source, report)
    if contents.kind == MAMMOGRAMS:
        from .mammograms import read_views

        exam = read_views(contents.paths, contents.decisions, report)
        return replace(exam, notes=(*contents.notes, *exam.notes))
    if contents.kind == "store":
        from .mammograms import holds_views, load_views

        if holds_views(source["store"]):
            return load_views(source["store"])
    return _dce_exam(source, contents, report)


def read_exam(source, report=None):
    """Read a DCE exam; as `read`, but mammograms are refused."""
    report = report or _silent
    contents = contents_of(source, report)
    if contents.kind == MAMMOGRAMS:
        raise BadInput("These are mammograms, not a DCE exam", hint="Choose a model for mammograms")
    return _dce_exam(source, contents, report)


def describe(source, report=None):
    """Say what a source holds from its headers alone.

    Parameters
    ----------
    source : dict
        As for `read`.
    report : callable, optional
        As for `read`.

    Returns
    -------
    ExamScan or MammographyScan

    Raises
    ------
    BadInput, Undecided
        As `read`, as far as headers tell.
    """
    report = report or _silent
    contents = contents_of(source, report)
    if contents.kind == MAMMOGRAMS:
        from .mammograms import describe_views

        scan = describe_views(contents.paths, contents.decisions, report)
        return replace(scan, notes=(*contents.notes, *scan.notes))
    if contents.kind == "store":
        phases, geometry, notes = load_description(source["store"])
        return ExamScan(_timed(phases, source), (), notes, geometry)
    return replace(contents.scan, phases=_timed(contents.scan.phases, source))


def _dce_exam(source, contents: Contents, report):
    if contents.kind == "store":
        return _moved(_stored_exam(source, report), source, report)
    found = contents.scan
    volumes = _dicom_volumes(found, report) if contents.kind == "dicom" else contents.volumes(report)
    phases = _timed(found.phases, source)
    volumes, notes = _on_one_grid(phases, volumes, report)
    exam = DceExam(phases, tuple(volumes), (*found.notes, *notes), found.spacing_known)
    return _checked(_moved(exam, source, report), report)


def _moved(exam, source, report):
    """Return the exam with its phases moved onto the reference phase, if the user wants that."""
    kind = source.get("motion") or "off"
    if kind == "off":
        return exam
    if exam.phases[0].role == "channel":
        raise BadInput("A model's channels cannot be corrected for motion", hint="Give the phases of the exam instead")
    from .motion import correct_motion

    moved, figures = correct_motion(exam, kind, report)
    return replace(exam, volumes=moved.volumes, notes=moved.notes, motion=tuple(figures))


def _checked(exam, report):
    """Return the exam with its enhancement, and notes where the image contradicts the tags about contrast."""
    if exam.phases[0].role == "channel":
        return exam
    enhancement = mean_enhancement(exam.volumes, report)
    notes = enhancement_notes(exam.phases, enhancement, exam.phases[0].evidence)
    return replace(exam, enhancement=enhancement, notes=(*exam.notes, *notes))


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
    zero = next((time for phase, time in zip(phases, seconds) if phase.role == "post"), None)
    return tuple(
        replace(
            phase,
            time_s=None if zero is None else round(time - zero, 3),
            # Not on the clock of the tags any more.
            since_injection_s=None,
            evidence=f"{phase.evidence.split('; time:')[0]}; time: given by the user",
        )
        for phase, time in zip(phases, seconds)
    )


def _dicom_volumes(found, report):
    """Return the phases of scanned DICOM files, each on its own grid."""
    for phase, geometry in zip(found.phases, found.geometries):
        check_size(geometry, f"phase {phase.name}")
    arrays = [np.empty(geometry.shape, np.float32) for geometry in found.geometries]
    tasks = [
        (phase, ref, plane)
        for phase, array, refs in zip(found.phases, arrays, found.images)
        for ref, plane in zip(refs, array)
    ]
    try:
        for done, _ in enumerate(map_reads(_fill, tasks)):
            report(STAGE, done, len(tasks))
    finally:
        let_go()
    for phase, array in zip(found.phases, arrays):
        check_not_constant(array, phase.name)
    report(STAGE, len(tasks), len(tasks))
    return [Volume(array, geometry) for array, geometry in zip(arrays, found.geometries)]


def _fill(task):
    """Read one slice into its place."""
    phase, ref, plane = task
    try:
        read_slice(ref, plane)
    except BadInput as error:
        raise BadInput(error.what, f"phase {phase.name}, {error.where}", error.hint) from error


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

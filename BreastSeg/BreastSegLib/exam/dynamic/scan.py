"""What a folder of DICOM files holds, from its headers alone: the phases of one DCE exam, and what is left out."""

import re
from dataclasses import replace
from itertools import pairwise

from ...errors import BadInput
from ..dce import number_phases
from ..decisions import Findings, ask
from ..dicom.folder import THREADS, files_of, read_headers
from ..examscan import ExamScan
from . import groups
from .between import time_points
from .clocks import BETWEEN_SERIES, clock_values
from .contrast import count_pre, since_injection
from .phases import lengths
from .stack import lacking, stack
from .studies import choose_study

NO_DICOM = "Choose the folder with the DICOM files of one exam; give image files (NIfTI, NRRD) one by one, in order"
LONGEST_PAUSE_S = 900.0  # a late phase comes 8 to 10 minutes after the injection
NO_PHASES = "Choose a folder with a dynamic series, or give the phases as image files in order (pre first)"
# Left-out series with these differences have the dynamic's place and matrix: one might have been meant as its first
# phase. (A long echo time is T2 weighting, which nobody takes for a phase.)
NEARLY_A_PHASE = r"repetition time|flip angle|fat saturation|pixels of|echo time (\d|1[0-4])(\.\d+)? ms instead"


def scan(folder, report=None, decisions=None):
    """Find the phases of the DCE exam in a folder (and its subfolders) of DICOM files. No pixel is read.

    Parameters
    ----------
    folder : str or Path
        Or a DICOMDIR.
    report, decisions
        See `scan_files`.

    Returns
    -------
    ExamScan

    Raises
    ------
    BadInput, Undecided
        See `scan_files`.
    """
    return scan_files(files_of(folder), report, decisions, where=folder)


def scan_files(paths, report=None, decisions=None, threads=THREADS, where=""):
    """Find the phases of the DCE exam among DICOM files. No pixel is read.

    Parameters
    ----------
    paths : sequence of str
    report : callable, optional
        Called as ``report(stage, done, total)``; may raise `Cancelled`.
    decisions : dict of str to str, optional
        What the user decided (see `decisions.NAMES`).
    threads : int
        0 inside Slicer, where threads do not run.
    where : str or Path
        For messages.

    Returns
    -------
    ExamScan

    Raises
    ------
    Undecided
        If the tags contradict one another or do not tell, and an answer would help.
    BadInput
        If the files hold no dynamic MR series, or incomplete phases.
    """
    findings = Findings(decisions or {})
    headers, notes = read_headers(paths, report, threads)
    if not headers:
        raise BadInput(f"The folder holds no readable DICOM image: {' '.join(notes)}", where, NO_DICOM)
    findings.notes += notes
    return scan_headers(headers, findings, where)


def scan_headers(headers, findings, where=""):
    """Find the phases of the DCE exam among headers; see `scan_files`."""
    headers = _unique(headers, findings)
    series, left_out = groups.split_series(headers)
    if not series:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out[:5])
        raise BadInput("No series in the folder can be a phase", f"{where}: {reasons}", NO_PHASES)
    study = choose_study([h for s in series for h in s.headers], findings, where)
    if study is not None:
        series, left_out = groups.split_series([h for h in headers if h.study_key == study])
    findings.left_out += left_out
    chosen = groups.choose(series, findings)
    points = time_points(chosen, findings)
    count, evidence = count_pre(points, findings)
    since = since_injection(points)
    if since is not None:
        points = [replace(point, since_injection=round(float(s), 3)) for point, s in zip(points, since)]
    if evidence == "first in time" and findings.decided("series") is None:
        findings.notes += _perhaps_lost(series, chosen, points)
    if count > 1 and count < len(points):
        findings.notes.append(f"{count} phases lie before contrast; the last of them is used as pre.")
        findings.left_out += [
            (f"{p.headers[0].series_name}, time point {k + 1}", "an earlier phase before contrast")
            for k, p in enumerate(points[: count - 1])
        ]
        points, count = points[count - 1 :], 1
    elif count > 1:
        raise BadInput(f"{count} phases before contrast and none after", points[0].headers[0].series_name, NO_PHASES)
    return _finish(points, count, evidence, findings)


def _perhaps_lost(series, chosen, points):
    """Return notes about series that were left out and might have been meant as the first phase."""
    lost = [s for s in series if s not in chosen and s.points < groups.OWN_DYNAMIC and not _follows(s, points)]
    reasons = [(s.name, f"not like the dynamic: {groups.difference(chosen[0], s)}") for s in lost]
    return [
        f"Check that the first phase is before contrast: {name} was left out ({reason})."
        for name, reason in reasons
        if re.search(NEARLY_A_PHASE, reason)
    ]


def _follows(series, points):
    """bool: whether a series was acquired after the last time point began."""
    headers = series.headers + [h for point in points for h in point.headers]
    clocks = (clock_values(headers, name) for name in BETWEEN_SERIES)
    values = next((v for v in clocks if v is not None), None)
    return values is not None and values[: len(series.headers)].min() > values[len(series.headers) :].max()


def _finish(points, count, evidence, findings):
    points, count, stacks = _whole(points, count, findings)
    roles = ["pre"] * count + ["post"] * (len(points) - count)
    rows = [
        (role, p.seconds, f"order: {p.evidence}; role: {evidence}", list(dict.fromkeys(h.path for h in s[0])))
        for role, p, s in zip(roles, points, stacks)
    ]
    phases = tuple(
        replace(
            phase,
            time_s=None if count == len(points) else phase.time_s,
            resolution_s=None if length is None else round(length, 3),
            since_injection_s=p.since_injection,
            contradictions=tuple(dict.fromkeys(findings.doubts)),
            frames=_frames(phase.files, s[0]),
        )
        for phase, p, s, length in zip(number_phases(rows), points, stacks, lengths(points))
    )
    findings.notes += [
        f"{(b.time_s - a.time_s) / 60:.0f} minutes lie between {a.name} and {b.name}: "
        "check that both are of one dynamic."
        for a, b in pairwise(phases)
        if None not in (a.time_s, b.time_s) and b.time_s - a.time_s > LONGEST_PAUSE_S
    ]
    reference = count if count < len(points) else 0
    if len({p.headers[0].frame_of_reference for p in points}) > 1:
        findings.notes.append(
            "The phases have different frames of reference: the patient may have been repositioned between them."
        )
    first = points[0].headers[0]
    return ExamScan(
        phases,
        tuple(findings.left_out),
        tuple(dict.fromkeys(findings.notes)),
        stacks[reference][1],
        first.manufacturer,
        tuple(s[1] for s in stacks),
        tuple(tuple(h.slice_ref for h in s[0]) for s in stacks),
        next((h.breast for p in points for h in p.headers if h.breast), ""),
    )


def _frames(files, headers):
    """Return which frame of which file each slice is; empty where every file is one slice."""
    if any(header.frame is None for header in headers):
        return ()
    return tuple((files.index(header.path), header.frame) for header in headers)


def _whole(points, count, findings):
    """Return the phases whose slices are all there, how many of them are pre, and their slices in order."""
    names = [f"post{k - count + 1}" if k >= count else "pre" for k in range(len(points))]
    leave_out = findings.decided("incomplete", ("leave-out",)) is not None
    stacks, broken, errors = [], [], []
    for k, (point, name) in enumerate(zip(points, names)):
        try:
            stacks.append(stack(point.headers, name))
        except BadInput as error:
            broken.append(k)
            errors.append(error)
    if errors and not leave_out:
        raise _about_phase(errors[0], len(stacks)) from errors[0]
    if broken:
        keep = [k for k in range(len(points)) if k not in broken]
        if not keep:
            raise BadInput("No phase is complete", points[0].headers[0].series_name, NO_PHASES)
        findings.left_out += [(f"phase {names[k]}", "incomplete, left out by the user") for k in broken]
        points, count, names = [points[k] for k in keep], sum(k < count for k in keep), [names[k] for k in keep]
    lost = lacking(stacks)
    if not lost:
        return points, count, stacks
    full = max(range(len(stacks)), key=lambda i: stacks[i][1].shape[0])
    said = "; ".join(f"{missing} of {total} slices missing in phase {names[k]}" for k, missing, total in lost)
    series = stacks[lost[0][0]][0][0].series_name
    if not leave_out:
        hint = "Export the series again, or go on without it"
        choices = [("leave-out", "go on without the incomplete phase" + "s" * (len(lost) > 1))]
        raise ask("incomplete", f"{said}; phase {names[full]} has them all", series, choices, hint)
    out = {k for k, *_ in lost}
    findings.left_out += [(f"phase {names[k]}", "incomplete, left out by the user") for k in sorted(out)]
    keep = [k for k in range(len(points)) if k not in out]
    return [points[k] for k in keep], sum(k < count for k in keep), [stacks[k] for k in keep]


def _about_phase(error, others):
    """Return what is wrong with the slices of a phase, as a question where other phases would remain."""
    if others < 1:
        return error
    hint = f"{error.hint}, or go on without this phase"
    return ask("incomplete", error.what, error.where, [("leave-out", "go on without this phase")], hint)


def _unique(headers, findings):
    """Drop files that hold the same image twice (the same unique identifier), and say so."""
    seen = {}
    for header in sorted(headers, key=lambda h: (h.path, h.frame or 0)):
        # Careless anonymisers give all images one identifier: a copy is alike in place and time, too.
        alike = (header.sop, header.series, header.instance, header.position, header.trigger, header.temporal)
        times = tuple(sorted(header.moments.items()))
        seen.setdefault((*alike, times) if header.sop else (header.path, header.frame), header)
    double = len(headers) - len(seen)
    if double:
        are = "s are copies" if double > 1 else " is a copy"
        findings.notes.append(f"{double} file{are} of another image and skipped.")
    return list(seen.values())

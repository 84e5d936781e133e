"""What a folder of DICOM files holds, from its headers alone: the phases of one DCE exam, and what is left out."""

import re
from dataclasses import dataclass, replace

from ..errors import BadInput
from ..volume import Geometry
from . import groups
from .contrast import count_pre
from .dce import number_phases
from .headers import read_headers
from .phases import time_points
from .stack import check_complete, stack

NO_PHASES = "Choose a folder with a dynamic series, or give the phases as image files in order (pre first)"
# Left-out series with these differences have the dynamic's place and matrix: one might have been meant as its first
# phase. (A long echo time is T2 weighting, which nobody takes for a phase.)
NEARLY_A_PHASE = r"repetition time|flip angle|fat saturation|pixels of|echo time (\d|1[0-4])(\.\d+)? ms instead"


@dataclass(frozen=True)
class ExamScan:
    """What is there before any pixel is read.

    Parameters
    ----------
    phases : tuple of Phase
        In time order, with their files in slice order.
    left_out : tuple of (str, str)
        Series (by number) and why it is no phase.
    notes : tuple of str
    geometry : Geometry or None
        Of the reference phase (the first post-contrast phase).
    manufacturer : str
    geometries : tuple of Geometry
        One for each phase.
    images : tuple of tuple of str
        For messages: what each file of each phase is called without naming it (``series 5, image 12``).
    """

    phases: tuple
    left_out: tuple = ()
    notes: tuple = ()
    geometry: Geometry | None = None
    manufacturer: str = ""
    geometries: tuple = ()
    images: tuple = ()

    def to_json(self):
        """dict: the scan without file names."""
        return {
            "phases": [phase.to_json() for phase in self.phases],
            "left_out": [list(row) for row in self.left_out],
            "notes": list(self.notes),
            "geometry": self.geometry.to_json() if self.geometry else None,
            "manufacturer": self.manufacturer,
        }


def scan(folder, report=None):
    """Find the phases of the DCE exam in a folder (and its subfolders) of DICOM files. No pixel is read.

    Parameters
    ----------
    folder : str or Path
    report : callable, optional
        Called as ``report(stage, done, total)``; may raise `Cancelled`.

    Returns
    -------
    ExamScan

    Raises
    ------
    BadInput
        If the folder holds no dynamic MR series, several patients or studies, incomplete phases, or tags that
        contradict one another or do not tell the order.
    """
    headers, notes = read_headers(folder, report)
    headers, more = _unique(headers)
    notes += more
    series, left_out = groups.split_series(headers)
    if not series:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out[:5])
        raise BadInput("No series in the folder can be a phase", f"{folder}: {reasons}", NO_PHASES)
    _one_study([h for s in series for h in s.headers], folder)
    chosen, more = groups.choose(series)
    left_out += more
    points, more = time_points([s.headers for s in chosen])
    notes += more
    count, evidence = count_pre(points, notes)
    if evidence == "first in time":
        notes += [
            f"Check that the first phase is before contrast: {name} was left out ({reason})."
            for name, reason in left_out
            if re.search(NEARLY_A_PHASE, reason)
        ]
    if count > 1 and count < len(points):
        notes.append(f"{count} phases lie before contrast; the last of them is used as pre.")
        left_out += [
            (f"{p.headers[0].series_name}, time point {k + 1}", "an earlier phase before contrast")
            for k, p in enumerate(points[: count - 1])
        ]
        points, count = points[count - 1 :], 1
    elif count > 1:
        raise BadInput(f"{count} phases before contrast and none after", points[0].headers[0].series_name, NO_PHASES)
    return _finish(points, count, evidence, left_out, notes)


def _finish(points, count, evidence, left_out, notes):
    roles = ["pre"] * count + ["post"] * (len(points) - count)
    names = [f"post{k - count + 1}" if k >= count else "pre" for k in range(len(points))]
    stacks = [stack(point.headers, name) for point, name in zip(points, names)]
    check_complete(stacks, names)
    rows = [
        (role, p.seconds, f"order: {p.evidence}; role: {evidence}", [h.path for h in s[0]])
        for role, p, s in zip(roles, points, stacks)
    ]
    phases = number_phases(rows)
    if count == len(points):
        phases = tuple(replace(phase, time_s=None) for phase in phases)
    reference = count if count < len(points) else 0
    if len({p.headers[0].frame_of_reference for p in points}) > 1:
        notes.append(
            "The phases have different frames of reference: the patient may have been repositioned between them."
        )
    first = points[0].headers[0]
    return ExamScan(
        phases,
        tuple(left_out),
        tuple(dict.fromkeys(notes)),
        stacks[reference][1],
        first.manufacturer,
        tuple(s[1] for s in stacks),
        tuple(tuple(h.image_name for h in s[0]) for s in stacks),
    )


def _unique(headers):
    """Drop files that hold the same image twice (the same unique identifier), and say so."""
    seen = {}
    for header in sorted(headers, key=lambda h: h.path):
        seen.setdefault(header.sop or header.path, header)
    double = len(headers) - len(seen)
    notes = (
        [f"{double} file{'s are copies' if double > 1 else ' is a copy'} of another image and skipped."]
        if double
        else []
    )
    return list(seen.values()), notes


def _one_study(headers, folder):
    patients = {h.patient for h in headers}
    studies = {(h.patient, h.study or h.study_date): h.study_date for h in headers}
    if len(studies) < 2:
        return
    dates = ", ".join(sorted(_date(text) for text in studies.values()))
    who = f"{len(patients)} patients" if len(patients) > 1 else "one patient"
    raise BadInput(
        f"The folder holds {len(studies)} studies of {who} (study dates {dates})",
        folder,
        "Choose the folder of one study",
    )


def _date(text):
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) == 8 and text.isdigit() else "unknown"

"""``phases``: what an exam's files say about phases or views, without reading pixels."""

import json
import sys
from pathlib import Path

from ..exam.dicom.elements import file_looks_like_dicom
from ..exam.examscan import ExamScan
from ..exam.images.naming import PICTURES, VOLUMES, ending_of
from ..exam.source import describe
from .exam_arguments import add_choices, with_decisions


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "phases",
        help="list the phases or views of an exam",
        description="List the phases of a DCE exam, or the views of a mammography exam; reads headers only.",
    )
    parser.add_argument(
        "exam",
        nargs="+",
        metavar="EXAM",
        help="folder of one exam, a DICOMDIR, DICOM files, image files of the phases in order, or pictures of views",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_choices(parser)
    parser.set_defaults(function=run)


def run(options):
    """Print the table of phases or views."""
    scan = describe(with_decisions(source_of(options.exam), options))
    if options.json:
        record = scan.to_json()
        record["left_out"] = [{"series": str(name), "reason": reason} for name, reason in scan.left_out]
        sys.stdout.write(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
        return
    print_table(phase_rows(scan) if isinstance(scan, ExamScan) else view_rows(scan))
    for name, reason in scan.left_out:
        sys.stdout.write(f"Left out: {name}: {reason}\n")
    of_views = [f"{view.name}: {note}" for view in getattr(scan, "views", ()) for note in view.notes]
    for note in (*scan.notes, *of_views):
        sys.stdout.write(f"Note: {note}\n")


def source_of(paths):
    """Return the source that the paths on the command line mean."""
    first = Path(paths[0])
    if len(paths) == 1 and (not first.is_file() or first.name.upper() == "DICOMDIR"):
        return {"folder": paths[0]}
    if all(ending_of(path, PICTURES) for path in paths):
        return {"views": paths}
    if not any(ending_of(path, VOLUMES) for path in paths) and all(file_looks_like_dicom(path) for path in paths):
        return {"dicom": paths}
    return {"files": paths}


def phase_rows(scan):
    """Return the table of phases: name, time, duration, files, evidence."""
    rows = [("Phase", "Time", "Takes", "Files", "Evidence")]
    for phase in scan.phases:
        time = "unknown" if phase.time_s is None else f"{phase.time_s:+.0f} s"
        if phase.since_injection_s is not None:
            time += f" ({phase.since_injection_s:.0f} s after injection)"
        takes = "" if phase.resolution_s is None else f"{phase.resolution_s:.0f} s"
        against = f"; against: {', '.join(phase.contradictions)}" if phase.contradictions else ""
        rows.append((phase.name, time, takes, str(len(phase.files)), phase.evidence + against))
    return rows


def view_rows(scan):
    """Return the table of views: name, pixel size, purpose, evidence."""
    rows = [("View", "Pixel size", "Intent", "Evidence")]
    for view in scan.views:
        size = "unknown" if view.spacing is None else f"{view.spacing[0]:g} × {view.spacing[1]:g} mm"
        name = f"{view.name} ({', '.join(view.modifiers)})" if view.modifiers else view.name
        against = f"; against: {', '.join(view.contradictions)}" if view.contradictions else ""
        rows.append((name, size, view.intent or "unknown", view.evidence + against))
    return rows


def print_table(rows):
    """Print rows of cells, all columns but the last padded."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths)]
        sys.stdout.write("  ".join([*cells, row[-1]]).rstrip() + "\n")

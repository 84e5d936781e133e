"""``phases EXAM``: which phases an exam has, and what decided it."""

import json
import sys
from pathlib import Path

from ..exam.source import describe


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "phases", help="list the phases of an exam", description="List the phases of a DCE exam; reads headers only."
    )
    parser.add_argument(
        "exam", nargs="+", metavar="EXAM", help="folder with the DICOM files of one exam, or image files in order"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(function=run)


def run(options):
    """Print the phase table."""
    folder = len(options.exam) == 1 and not Path(options.exam[0]).is_file()
    scan = describe({"folder": options.exam[0]} if folder else {"files": options.exam})
    if options.json:
        record = {
            "phases": [phase.to_json() for phase in scan.phases],
            "notes": list(scan.notes),
            "left_out": [{"series": str(name), "reason": reason} for name, reason in scan.left_out],
        }
        sys.stdout.write(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
        return
    rows = [("Phase", "Time", "Files", "Evidence")]
    rows += [
        (p.name, "unknown" if p.time_s is None else f"{p.time_s:+.0f} s", str(len(p.files)), p.evidence)
        for p in scan.phases
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        sys.stdout.write("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[3]]).rstrip() + "\n")
    for name, reason in scan.left_out:
        sys.stdout.write(f"Left out: {name}: {reason}\n")
    for note in scan.notes:
        sys.stdout.write(f"Note: {note}\n")

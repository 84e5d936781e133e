"""``models check-environment``: whether an interpreter can run models, and how to mend what is wrong."""

import json
import sys

from ..inference.checkup import RUN, Checkup, install_all, rows, works

EXIT_WORKS, EXIT_CANNOT = 0, 1
MARKS = {"ok": "ok", "warning": "note", "missing": "MISSING"}


def add_arguments(actions):
    """Add the action to those of ``models``."""
    parser = actions.add_parser(
        "check-environment",
        help="check whether a Python interpreter can run models, and how to mend what is missing",
        description="Exit code 0: a model can run, be it on the CPU; 1: it cannot. Takes 5 to 60 seconds.",
    )
    parser.add_argument("--python", metavar="PATH", help="interpreter to check (default: the running one)")
    parser.add_argument("--json", action="store_true", help="print everything that was found as JSON")
    parser.set_defaults(function=run_check)


def run_check(options):
    """Print one line for each thing that a run needs; return the exit code."""
    with Checkup(options.python) as checkup:
        report = checkup.wait()
    fine = works(report)
    if options.json:
        text = json.dumps({"works": fine, "rows": rows(report), "report": report}, indent=2) + "\n"
    else:
        text = screen(report)
    sys.stdout.write(text)
    sys.stdout.flush()
    return EXIT_WORKS if fine else EXIT_CANNOT


def screen(report):
    """Return the report as aligned lines, the remedy under each problem, and the verdict last."""
    table = rows(report)
    first = max(len(row["what"]) for row in table) + 2
    second = max(len(mark) for mark in MARKS.values()) + 2
    together = install_all(report) if sum(row["mend"].startswith(RUN) for row in table) > 1 else ""
    lines = []
    for row in table:
        lines.append(f"{row['what']:{first}}{MARKS[row['state']]:{second}}{row['found']}")
        if row["mend"] and not (together and row["state"] == "missing" and row["mend"].startswith(RUN)):
            lines.append(" " * (first + second) + row["mend"])
    lines += ["", verdict(report)]
    if together:
        lines += ["All that is missing is installed by:", "  " + together]
    return "\n".join(lines) + "\n"


def verdict(report):
    """Return the sentence that sums a report up."""
    missing = [row["what"] for row in rows(report) if row["state"] == "missing"]
    if missing:
        return f"No model can run with this interpreter yet: {', '.join(missing)}."
    usable = [device for device in report["devices"] if device["device"] != "cpu" and not device["problem"]]
    return "A model can run." if usable else "A model can run, on the CPU only (slower)."

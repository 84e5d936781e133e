"""``sample dce|mammogram``: synthetic labelled cases with their case table, for trying out."""

import sys
from pathlib import Path

from BreastSegLib.commands.events import add_events, carry_out
from BreastSegLib.samples.writing import NOTE, whole_folder

from ..cases import CaseTable
from ..cases.samples import KINDS, SIZES, make_sample, sample_jobs
from ..parallel import each

TABLE = "cases.csv"
STAGE = "Making cases"


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "sample",
        help="make synthetic labelled cases with their case table",
        description="Writes synthetic exams with lesion masks and a case table of them, for trying out. "
        "Nothing in it is a patient.",
    )
    parser.add_argument("kind", choices=KINDS, help="DCE-MRI exams, or mammograms (two views of each breast)")
    parser.add_argument("--count", type=int, default=10, metavar="N", help="cases (default: 10)")
    parser.add_argument("--output", required=True, metavar="DIR", help="a new or empty folder")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same cases (default: 1)")
    parser.add_argument("--size", choices=tuple(SIZES["dce"]), default="small", help="of the images (default: small)")
    parser.add_argument(
        "--without-mass", type=int, default=0, metavar="N", help="so many of the mammograms are negative"
    )
    parser.add_argument("--format", choices=("nifti", "dicom"), default="nifti", help="of DCE exams (default: nifti)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one for each processor)")
    add_events(parser)
    parser.set_defaults(function=run)


def run(options):
    """Carry out the verb."""
    carry_out(options, lambda report: _make(options, report), _show)


def _make(options, report):
    with whole_folder(options.output) as folder:
        jobs = sample_jobs(
            options.kind, options.count, folder, options.seed, options.size, options.without_mass, options.format
        )
        cases = [None] * len(jobs)
        for outcome in each(make_sample, jobs, options.workers, report, STAGE):
            if outcome.error:
                raise outcome.error
            cases[outcome.index] = outcome.result
        table = CaseTable(cases, folder).write(folder / TABLE)
    return {"table": str(Path(options.output) / TABLE), "cases": len(table), "patients": table.patients, "note": NOTE}


def _show(result):
    sys.stdout.write(
        f"{result['table']}: {result['cases']} cases of {result['patients']} patients. {result['note']}\n"
    )

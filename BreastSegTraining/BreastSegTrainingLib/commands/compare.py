"""``compare``: which of several models is better on the same cases."""

import sys
from pathlib import Path

from BreastSegLib.commands.events import add_events, carry_out
from BreastSegLib.errors import BadInput

from ..evaluation.compare import compare
from ..evaluation.compare_page import FILE, PAGE, write_comparison
from ..evaluation.wholefolder import check_folder
from ..evaluation.write import read_evaluation


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "compare",
        help="test which of several models is better",
        description="Compares evaluations of the same cases in pairs: Wilcoxon signed-rank tests with effect sizes, "
        "corrected for their number after Holm. Give the folders that evaluate wrote.",
    )
    parser.add_argument("evaluations", nargs="+", metavar="EVALUATION", help="folders of two or more evaluations")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder for the comparison")
    parser.add_argument("--names", nargs="+", metavar="NAME", help="what the models are called")
    parser.add_argument("--measures", nargs="+", metavar="MEASURE", help="measures that are tested (all in common)")
    parser.add_argument(
        "--masks", choices=("raw", "cleaned"), help="which masks (cleaned, where every evaluation has them)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier comparison in the folder")
    add_events(parser)
    parser.set_defaults(function=run)


def run(options):
    """Compare, and write the folder."""

    def work(report):
        check_folder(options.output, FILE, options.overwrite)
        if len(options.evaluations) < 2:
            raise BadInput("There is one evaluation only", options.evaluations[0], "Name two or more")
        report("Comparing", 0, 1)
        evaluations = [read_evaluation(path) for path in options.evaluations]
        found = compare(evaluations, options.masks, options.measures, options.names)
        write_comparison(options.output, found, options.overwrite)
        report("Comparing", 1, 1)
        folder = Path(options.output)
        return {
            "comparison": str(folder / FILE),
            "page": str(folder / PAGE),
            "cases": len(found["cases"]),
            "words": [test["words"] for test in found["tests"]],
            "notes": found["notes"],
        }

    carry_out(options, work, show)


def show(result):
    """Tell people the sentences."""
    lines = [*result["words"], *(f"Note: {note}" for note in result["notes"]), f"Written: {result['page']}"]
    sys.stdout.write("\n".join(lines) + "\n")

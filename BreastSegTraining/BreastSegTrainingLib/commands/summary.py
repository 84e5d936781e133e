"""``summary``: what a paper says of its data, as a page or a table."""

import sys

from BreastSegLib.commands.events import add_events, carry_out
from BreastSegLib.files import check_output

from ..cases import CaseTable
from ..dataset.names import read_key
from ..dataset.summary import summarise, write_summary


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "summary",
        help="numbers and figures of a case table for a paper",
        description="Writes how many cases there are and why others were left out, numbers for each centre and "
        "figures. Nothing in it tells who a patient is.",
    )
    parser.add_argument("table", metavar="TABLE.csv", help="the case table")
    parser.add_argument(
        "--output", required=True, metavar="FILE", help=".html: a page with figures; .csv: the numbers"
    )
    parser.add_argument("--key", metavar="FILE.csv", help="key of a dataset, for the sizes of its parts")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    add_events(parser)
    parser.set_defaults(function=run)


def run(options):
    """Read the table and write the summary."""

    def work(report):
        check_output(options.output, options.overwrite)
        report("Summarising", 0, 1)
        table, key = CaseTable.read(options.table), read_key(options.key) if options.key else ()
        write_summary(options.output, table, key, options.overwrite)
        report("Summarising", 1, 1)
        return {"report": str(options.output), "flow": summarise(table, key)["flow"]}

    carry_out(options, work, show)


def show(result):
    """Tell people the steps."""
    for text, cases, patients in result["flow"]:
        sys.stdout.write(f"{text}: {cases} cases of {patients} patients\n")
    sys.stdout.write(f"Written: {result['report']}\n")

"""``cases``: a dataset's folders become a case table."""

import csv
import sys
from pathlib import Path

from BreastSegLib.commands.events import add_events, carry_out
from BreastSegLib.errors import BadInput
from BreastSegLib.files import check_output, whole_file

from ..cases.layouts import LAYOUTS, read_layout

SHOWN = 20


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "cases",
        help="make a case table from a dataset's folders",
        description="Make a case table from the folders of a dataset; what could not be read is listed row by row.",
    )
    layouts = "; ".join(f"{layout.name}: {layout.help}" for layout in LAYOUTS.values())
    parser.add_argument("--layout", required=True, choices=list(LAYOUTS), help=layouts.replace("%", "%%"))
    parser.add_argument("source", metavar="SOURCE", help="the dataset's folder")
    parser.add_argument("--output", required=True, metavar="TABLE.csv", help="the case table to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing table")
    parser.add_argument("--not-read", metavar="FILE.csv", help="write what could not be read to this file too")
    for name, layout, option in _options():
        choices = list(option.choices) or None
        default = f" (otherwise {option.default})" if option.default else ""
        parser.add_argument(f"--{name}", choices=choices, help=f"{layout.name}: {option.help}{default}")
    add_events(parser)
    parser.set_defaults(function=run)


def run(options):
    """Carry out the verb."""
    check_output(options.output, options.overwrite)
    if options.not_read:
        check_output(options.not_read, options.overwrite)
        if Path(options.not_read).resolve() == Path(options.output).resolve():
            raise BadInput("--output and --not-read are the same file", options.output, "Give another name")
    given = {option.argument: getattr(options, option.argument) for _, _, option in _options()}

    def work(report):
        imported = read_layout(options.layout, options.source, report, **given)
        table = imported.table.write(options.output, options.overwrite)
        if options.not_read:
            _write_not_read(options.not_read, imported.not_read, options.overwrite)
        return {
            "table": str(options.output),
            "cases": len(table),
            "patients": table.patients,
            "not_read": [{"where": row.where, "why": row.why} for row in imported.not_read],
            "notes": list(imported.notes),
        }

    carry_out(options, work, lambda result: _show(result, options.not_read))


def _options():
    """Return (name, layout, option) of what the layouts may be asked; no two layouts use one name."""
    return [(option.name, layout, option) for layout in LAYOUTS.values() for option in layout.options]


def _write_not_read(path, rows, overwrite):
    with whole_file(path, overwrite) as temporary, open(temporary, "w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("where", "why"))
        writer.writerows((row.where, row.why) for row in rows)


def _show(result, listed):
    lines = [f"{result['table']}: {result['cases']} cases of {result['patients']} patients"]
    lines += [f"  {note}" for note in result["notes"]]
    if result["not_read"]:
        lines.append(f"Not read ({len(result['not_read'])}):")
        lines += [f"  {row['where']}: {row['why']}" for row in result["not_read"][:SHOWN]]
        more = len(result["not_read"]) - SHOWN
        if more > 0:
            lines.append(f"  and {more} more" + (f", in {listed}" if listed else "; --not-read FILE.csv lists all"))
    sys.stdout.write("\n".join(lines) + "\n")

"""``relocate``: the paths of a case table, once its files have moved."""

import sys

from BreastSegLib.commands.events import add_events, carry_out
from BreastSegLib.errors import BadInput

from ..cases import CaseTable
from ..cases.relocation import propose


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "relocate",
        help="change the paths of a case table whose files have moved",
        description="Let every path of a case table that begins with OLD begin with NEW, in the table's own file. "
        "With --search nothing is changed: it says what OLD and NEW should be.",
    )
    parser.add_argument("table", metavar="TABLE.csv", help="the case table")
    parser.add_argument("old", metavar="OLD", nargs="?", help="the folder that the paths begin with now")
    parser.add_argument("new", metavar="NEW", nargs="?", help="the folder that they shall begin with")
    parser.add_argument("--search", metavar="DIR", help="look below this folder for the first file that is missing")
    add_events(parser)
    parser.set_defaults(function=run)


def run(options):
    """Carry out the verb."""
    if bool(options.search) == (options.old is not None) or (options.old is None) != (options.new is None):
        raise BadInput("Give OLD and NEW, or --search DIR", "relocate")
    if options.search:
        carry_out(options, lambda report: _search(options, report), _show_proposal)
    else:
        carry_out(options, lambda report: _relocate(options), _show)


def _search(options, report):
    table = CaseTable.read(options.table)
    old, new = propose(table, options.search, report)
    moved, count = table.relocated(old, new)
    return {"old": old, "new": new, "paths": count, "missing": len(moved.missing_files())}


def _relocate(options):
    table, count = CaseTable.read(options.table).relocated(options.old, options.new)
    if not count:
        what = f"No path of the table begins with {options.old}"
        raise BadInput(what, options.table, "Write the folder as the table writes it, or use --search DIR")
    table.write(options.table, overwrite=True)
    return {"table": str(options.table), "paths": count, "missing": len(table.missing_files())}


def _show(result):
    sys.stdout.write(f"Cells changed: {result['paths']}; {_missing(result)}\n")


def _show_proposal(result):
    sys.stdout.write(
        f"Proposed, nothing changed: OLD {result['old']}  NEW {result['new']}\n"
        f"It would change {result['paths']} cells; then {_missing(result)}\n"
    )


def _missing(result):
    return f"{result['missing'] or 'no'} file{'s are' if result['missing'] != 1 else ' is'} missing"

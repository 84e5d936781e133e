"""``select``: leave cases out by rules, with the reason beside each."""

import sys
from pathlib import Path

from BreastSegLib.commands.events import add_events, carry_out
from BreastSegLib.errors import BadInput
from BreastSegLib.files import check_output, write_json

from ..cases.columns import all_columns
from ..cases.table import CaseTable, update_file
from ..quality.rules import Selection, apply_rules, clear_rules

SHIPPED = Path(__file__).resolve().parents[2] / "Resources" / "selections"
EXAMPLES = 20


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "select",
        help="leave cases out by rules",
        description="Leave cases out by rules such as 'centre in DUKE, NACT and motion < 1.5 mm and CNR > 3'. Cases "
        "that a former rule left out come back; those that a person left out stay out.",
    )
    parser.add_argument("table", metavar="TABLE.csv", help="case table; 'selected' and 'reason' are written into it")
    rule = parser.add_mutually_exclusive_group(required=True)
    rule.add_argument("--rule", metavar="TEXT", help="the rules, with 'and' between them")
    names = ", ".join(sorted(path.stem for path in SHIPPED.glob("*.json")))
    rule.add_argument("--rules", metavar="FILE.json", help=f"a file of rules, or one of: {names}")
    rule.add_argument("--clear", action="store_true", help="bring back all cases that rules have left out")
    parser.add_argument("--save-rules", metavar="FILE.json", help="write the rules to a file as well")
    parser.add_argument("--overwrite", action="store_true", help="replace that file")
    parser.add_argument("--dry-run", action="store_true", help="only say what the rules would do")
    add_events(parser)
    parser.set_defaults(function=run)


def run(options):
    """Carry out the verb."""
    if options.clear and options.save_rules:
        raise BadInput("There are no rules to save", "--clear with --save-rules")
    if options.save_rules:
        check_output(options.save_rules, options.overwrite)
        if Path(options.save_rules).resolve() == Path(options.table).resolve():
            raise BadInput("The file for the rules is the table itself", options.save_rules, "Give another name")
    carry_out(options, lambda report: _select(options), lambda result: _show(result, options.dry_run))


def _select(options):
    table = CaseTable.read(options.table)
    if options.clear:
        applied = clear_rules(table)
        selection = None
    else:
        selection = _selection(options, table)
        applied = apply_rules(table, selection)
    if not options.dry_run:
        if applied.changes:
            update_file(options.table, applied.changes)
        if options.save_rules:
            write_json(options.save_rules, selection.to_json(), options.overwrite)
    return {
        "table": str(options.table),
        "rule": "" if selection is None else selection.text,
        "selected": len(applied.selected),
        "excluded": len(applied.excluded),
        "by_hand": len(applied.by_hand),
        "changed": len(applied.changes),
        "by_reason": applied.by_reason,
        "examples": [{"case": name, "why": why} for name, why in list(applied.excluded.items())[:EXAMPLES]],
    }


def _selection(options, table):
    extra = [name for name in table.columns if name not in all_columns()]
    if options.rule is not None:
        selection = Selection.from_text(options.rule, extra=extra)
    else:
        shipped = SHIPPED / f"{options.rules}.json"
        known = not Path(options.rules).exists() and Path(options.rules).name == options.rules and shipped.exists()
        selection = Selection.read(shipped if known else options.rules)
    for rule in selection.rules:
        if rule.column not in all_columns() and rule.column not in extra:
            raise BadInput(f"The table has no column {rule.column}", options.table, "Correct the rule")
    return selection


def _show(result, dry_run):
    lines = [f"{result['selected']} cases selected, {result['excluded']} left out by the rules"]
    lines[0] += f", {result['by_hand']} by hand" if result["by_hand"] else ""
    lines[0] += " (nothing was written)" if dry_run else ""
    lines += [f"  {count:6d}  {rule}" for rule, count in result["by_reason"].items()]
    lines += [f"  {row['case']}: {row['why']}" for row in result["examples"][:5]]
    sys.stdout.write("\n".join(lines) + "\n")

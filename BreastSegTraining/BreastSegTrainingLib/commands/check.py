"""``check``: what is wrong with the cases of a table, and the fixes that were chosen."""

import sys

from BreastSegLib.commands.events import add_events, carry_out
from BreastSegLib.errors import BadInput

from ..checks import all_checks, check

MOST_SHOWN = 20
MOST_TOLD = 200


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "check",
        help="look for what is wrong with labelled cases",
        description="Reads exams and masks and writes what is wrong with each case into the table: status, findings, and "
        "what the files tell. What has not changed since the last check is not read again.",
    )
    parser.add_argument("table", metavar="TABLE.csv", help="the case table")
    parser.add_argument("--recipe", help="name or file of the recipe that the cases are for")
    parser.add_argument(
        "--fix",
        action="append",
        default=[],
        metavar="CHECK=FIX",
        help="choose a fix for every case with such a finding, such as mask-grid=resample; may be repeated",
    )
    parser.add_argument("--fix-all", action="store_true", help="choose the first fix of every finding that has one")
    parser.add_argument("--cases", nargs="+", metavar="NAME", help="look at these cases only")
    parser.add_argument("--again", action="store_true", help="read also what has not changed")
    parser.add_argument("--no-thumbnails", action="store_true", help="write no small pictures beside the table")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one for each processor)")
    add_events(parser)
    parser.set_defaults(function=run)


def run(options):
    """Check and tell; exit status 1 where files could not be read."""
    fixes, unreadable = wanted_fixes(options), []

    def work(report):
        found = check(
            options.table,
            workers=options.workers,
            report=report,
            recipe=options.recipe,
            names=options.cases,
            again=options.again,
            thumbnails=not options.no_thumbnails,
            fixes=fixes,
        )
        unreadable.extend(found.unreadable)
        return result_of(options.table, found)

    carry_out(options, work, show)
    return 1 if unreadable else 0


def wanted_fixes(options):
    """Return (check, fix) of the command line."""
    wrong = next((text for text in options.fix if "=" not in text), None)
    if wrong is not None:
        raise BadInput("A fix is written CHECK=FIX", wrong, "Such as mask-grid=resample")
    fixes = [tuple(text.split("=", 1)) for text in options.fix]
    if options.fix_all:
        fixes += [(c.code, c.fixes[0].name) for c in all_checks().values() if c.fixes and c.code not in dict(fixes)]
    return fixes


def result_of(table, found):
    """Return the fields of the result event."""
    cases = [case for case in found.table if case.get("status") not in ("", "ok") or case.get("findings")]
    return {
        "table": str(table),
        **found.counts,
        "looked_at": found.looked_at,
        "findings": found.codes,
        "cases": [
            {"case": case.name, "status": case.get("status"), "findings": case.get("findings")}
            for case in cases[:MOST_TOLD]
        ],
        "notes": found.notes,
    }


def show(result):
    """Tell people what was found."""
    lines = [f"{result['ok']} cases are right, {result['fix']} need a fix, {result['refused']} are refused."]
    for code, count in sorted(result["findings"].items(), key=lambda row: -row[1]):
        fixes = " or ".join(f"--fix {code}={fix.name}" for fix in all_checks()[code].fixes)
        lines.append(f"{all_checks()[code].title}: {count} cases{f' ({fixes})' if fixes else ''}")
    lines += [f"  {row['case']}: {row['findings']}" for row in result["cases"][:MOST_SHOWN]]
    if len(result["cases"]) > MOST_SHOWN:
        lines.append("  … the rest stands in the columns status and findings of the table.")
    lines += [f"Note: {note}" for note in result["notes"]]
    sys.stdout.write("\n".join(lines) + "\n")

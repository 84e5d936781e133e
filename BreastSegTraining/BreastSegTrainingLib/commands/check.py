"""``check``: every case of a table looked at, with a fix or a refusal for what is wrong."""

import sys

from BreastSegLib.commands.events import add_events, carry_out
from BreastSegLib.errors import BadInput

from ..checks import all_checks, check

MOST_SHOWN = 20


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "check",
        help="check the cases of a table",
        description="Reads exam and mask of each case that has changed since the last check and writes status, "
        "findings, lesion size and what the files tell into the table. A case is exported only when its status is ok.",
    )
    parser.add_argument("table", metavar="TABLE.csv", help="the case table")
    parser.add_argument("--recipe", help="name or file of the recipe whose channels the exams shall give")
    parser.add_argument(
        "--fix",
        nargs="+",
        action="extend",
        default=[],
        metavar="CODE=FIX",
        help="choose a fix for all cases with this finding, such as mask-grid=resample",
    )
    parser.add_argument("--fix-all", action="store_true", help="choose all fixes that need no judgement of the case")
    parser.add_argument("--cases", nargs="+", metavar="NAME", help="only these cases")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one for each processor)")
    parser.add_argument("--again", action="store_true", help="read all cases again, changed or not")
    parser.add_argument("--no-thumbnails", action="store_true", help="write no thumbnails beside the table")
    add_events(parser)
    parser.set_defaults(function=run)


def run(options):
    """Carry out the verb; 1 when files could not be read."""
    unreadable = []

    def work(report):
        if options.workers is not None and options.workers < 1:
            raise BadInput("The number of processes is not 1 or more", f"--workers {options.workers}")
        result = check(
            options.table,
            workers=options.workers,
            report=report,
            recipe=options.recipe,
            fixes=options.fix,
            fix_all=options.fix_all,
            names=options.cases,
            again=options.again,
            thumbnails=not options.no_thumbnails,
        )
        unreadable.append(result["unreadable"])
        return result

    carry_out(options, work, show)
    return 1 if any(unreadable) else 0


def show(result):
    """Tell people what was found, and what can be chosen."""
    lines = [f"Cases: {result['ok']} right, {result['fix']} in need of a fix, {result['refused']} refused."]
    for code, count in result["findings"].items():
        one = all_checks()[code]
        fixes = " or ".join(f"--fix {code}={fix.name} ({fix.title})" for fix in one.fixes)
        lines.append(f"{one.title}: {count}. {fixes}".rstrip())
    lines += [f"{row['case']}: {row['status']}: {row['findings']}" for row in result["cases"][:MOST_SHOWN]]
    more = len(result["cases"]) - MOST_SHOWN
    lines += [f"More cases with findings: see the column findings of {result['table']}"] if more > 0 else []
    lines += [f"Note: {note}" for note in result["notes"]]
    sys.stdout.write("\n".join(lines) + "\n")

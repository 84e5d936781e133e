"""``quality``: measure the image quality of the cases of a table."""

import sys
import time
from collections import Counter

from BreastSegLib.commands.events import add_events, carry_out
from BreastSegLib.errors import BadInput

from ..cases.columns import columns_of
from ..cases.table import CaseTable, check_writable, update_file
from ..parallel import each
from ..quality.measure import measure_item
from ..quality.measured import measures

READ_COLUMNS = columns_of("exam")  # what decides what is measured
WRITE_CASES, WRITE_S = 20, 10.0
STAGE = "Measuring quality"
SHOWN = 20


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "quality",
        help="measure the image quality of each case",
        description="Measure noise, contrast, sharpness, motion, bias field, coverage and artefacts of each case and "
        "write them into the table. Cases that have values are left as they are.",
    )
    parser.add_argument("table", metavar="TABLE.csv", help="case table; the values are written into it")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (usually one for each processor)")
    parser.add_argument("--again", action="store_true", help="measure cases that have values as well")
    parser.add_argument("--cases", nargs="+", metavar="NAME", help="these cases only")
    add_events(parser)
    parser.set_defaults(function=run)


def run(options):
    """Carry out the verb; return 1 if some cases could not be read."""
    if options.workers is not None and options.workers < 1:
        raise BadInput("The number of processes is 1 or more", str(options.workers))
    result = {}

    def work(report):
        result.update(measure_table(options.table, options.workers, options.again, options.cases, report))
        return result

    carry_out(options, work, _show)
    return 1 if result["failed"] else 0


def measure_table(path, workers=None, again=False, names=None, report=None):
    """Measure the cases of a table and write the values into its file as they come.

    Parameters
    ----------
    path : str or Path
    workers : int, optional
    again : bool
        Measure cases that have values as well.
    names : sequence of str, optional
        These cases only.
    report : callable, optional
        ``report(stage, done, total)``; may raise `Cancelled`: what is done by then is kept.

    Returns
    -------
    dict
        ``table``, ``measured`` and ``skipped`` (numbers of cases), ``failed`` ([{case, why}]) and ``notes``
        ([{case, notes}]).

    Raises
    ------
    BadInput
        If the table cannot be read or written, or has no case of such a name.
    """
    table = CaseTable.read(path)
    check_writable(path)  # before hours of work
    chosen = [table.cases[table.index_of(name)] for name in dict.fromkeys(names)] if names else list(table)
    counts = Counter(case.name for case in table)
    failed = [_failure(case, "several rows have this name") for case in chosen if case.name and counts[case.name] > 1]
    failed += [_failure(case, "the row has no case name") for case in chosen if not case.name]
    chosen = [case for case in chosen if case.name and counts[case.name] == 1]
    wanted = [case for case in chosen if again or not any(case.get(column) for column in measures())]
    writer, notes = _Writer(path), []
    items = [(table.folder, case) for case in wanted]
    try:
        for outcome in each(measure_item, items, workers, report, STAGE):
            case = wanted[outcome.index]
            if outcome.error is not None:
                failed.append(_failure(case, outcome.error.line))
                continue
            writer.add(case, outcome.result.values)
            if outcome.result.notes:
                notes.append({"case": case.name, "notes": list(outcome.result.notes)})
    finally:
        writer.write()
    failed += [_failure(case, "the row was changed while its exam was measured") for case in writer.changed]
    return {
        "table": str(path),
        "measured": writer.count,
        "skipped": len(chosen) - len(wanted),
        "failed": failed,
        "notes": notes,
    }


class _Writer:
    """Writes values into the table's file every so often."""

    def __init__(self, path):
        self.path, self.waiting, self.count, self.last = path, {}, 0, time.monotonic()
        self.changed = []

    def add(self, case, values):
        self.waiting[case.name] = (case, values)
        if len(self.waiting) >= WRITE_CASES or time.monotonic() - self.last > WRITE_S:
            try:
                self.write()
            except BadInput:
                # Somebody has the file open, perhaps: the values are kept and written with the next ones.
                self.last = time.monotonic()

    def write(self):
        if self.waiting:
            rows = {}
            for row in CaseTable.read(self.path):
                rows.setdefault(row.name, []).append(row)
            # Cases that are gone are left out; rows that are about another exam now are told.
            same = {
                name: values
                for name, (case, values) in self.waiting.items()
                if all(_key(row) == _key(case) for row in rows.get(name, ())) and len(rows.get(name, ())) < 2
            }
            update_file(self.path, same)
            self.changed += [case for name, (case, _) in self.waiting.items() if name not in same]
            self.count += len(same)
        self.waiting, self.last = {}, time.monotonic()


def _key(case):
    return [case.get(column) for column in READ_COLUMNS]


def _failure(case, why):
    return {"case": case.name or f"line {case.line}", "why": why}


def _show(result):
    lines = [f"{result['measured']} cases measured, {result['skipped']} had values already"]
    lines += [f"  {row['case']}: {row['why']}" for row in result["failed"][:SHOWN]]
    if len(result["failed"]) > SHOWN:
        lines.append(f"  and {len(result['failed']) - SHOWN} more")
    if result["failed"]:
        lines.insert(1, f"{len(result['failed'])} could not be measured:")
    for row in result["notes"][:SHOWN]:
        lines += [f"  {row['case']}: {note}" for note in row["notes"]]
    if len(result["notes"]) > SHOWN:
        lines.append(f"  and notes on {len(result['notes']) - SHOWN} more")
    sys.stdout.write("\n".join(lines) + "\n")

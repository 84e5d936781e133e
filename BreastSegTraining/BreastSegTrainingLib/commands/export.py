"""``export``: a checked case table and a recipe make an nnU-Net dataset."""

import sys
from pathlib import Path

from BreastSegLib.commands.events import add_events, carry_out
from BreastSegLib.errors import BadInput

from ..cases import CaseTable, update_file
from ..checks import check, stale
from ..dataset import ExportOptions, SplitOptions, export, selectable
from ..dataset.names import PATIENTS
from ..dataset.verify import verify_with_nnunet

MOST_SHOWN = 20
FAILED = "export:"  # begins what the table says of a case that could not be exported


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "export",
        help="make an nnU-Net dataset of a case table",
        description="Writes the selected cases of a table as an nnU-Net raw dataset, prepared as for inference, with "
        "pseudonyms, a test part and folds. The same command again writes only what has changed.",
    )
    parser.add_argument("table", metavar="TABLE.csv", help="the case table")
    parser.add_argument("--recipe", required=True, help="name or file of the recipe")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of nnU-Net's raw datasets (nnUNet_raw)")
    parser.add_argument("--dataset", required=True, metavar="NNN_NAME", help="number and name, such as 101_BreastDCE")
    parser.add_argument(
        "--names", default=PATIENTS, metavar="PREFIX", help="BC gives BC_001, BC_002 …; patients (default) P001_1 …"
    )
    parser.add_argument(
        "--key", metavar="FILE.csv", help="which name is which case; stays with you (default: beside the table)"
    )
    parser.add_argument("--test", type=float, default=0.0, metavar="SHARE", help="share kept for testing (default: 0)")
    parser.add_argument("--folds", type=int, default=5, help="folds of the cross-validation (default: 5; 0: none)")
    parser.add_argument(
        "--stratify",
        nargs="+",
        default=[],
        metavar="COLUMN",
        help="centre, density, birads, volume … alike in all parts",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the split (default: 0)")
    parser.add_argument("--resplit", action="store_true", help="divide all patients anew")
    parser.add_argument("--remove", action="store_true", help="take out cases that the table does not select any more")
    parser.add_argument("--licence", default="", metavar="TEXT", help="for dataset.json")
    parser.add_argument("--reference", default="", metavar="TEXT", help="for dataset.json: what to cite")
    parser.add_argument("--description", default="", metavar="TEXT", help="for dataset.json")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one for each processor)")
    parser.add_argument("--verify", action="store_true", help="let nnU-Net check the dataset afterwards")
    add_events(parser)
    parser.set_defaults(function=run)


def run(options):
    """Check what was not checked yet, export, and write into the table what failed."""
    failed = []

    def work(report):
        result = work_on(options, report)
        failed.extend(result["failed"])
        return result

    carry_out(options, work, show)
    return 1 if failed else 0


def work_on(options, report):
    """Do the work and return the fields of the result event."""
    path = Path(options.table)
    settings = export_options(options)
    # Judged for this recipe; only what was not checked, or has changed, is read. What failed last time is tried again.
    again = [case.name for case in CaseTable.read(path) if case.get("findings").startswith(FAILED)]
    names = list(dict.fromkeys([*stale(path, options.recipe), *again]))
    check(path, workers=options.workers, report=report, recipe=options.recipe, names=names)
    table = CaseTable.read(path)
    failed = []
    try:
        result = export(selectable(table), settings, report, failed)
    finally:  # cancelled or not
        if failed:
            update_file(path, {case: {"status": "refused", "findings": f"{FAILED} {why}"} for case, why in failed})
    if options.verify:
        report("Verifying", 0, 0)
        verify_with_nnunet(result.folder, options.workers or 2)
    left_out = [case for case in table if case.selected and case.get("status") != "ok"]
    return {
        "dataset": str(result.folder),
        "key": str(settings.key),
        "written": result.written,
        "unchanged": result.unchanged,
        "moved": result.moved,
        "removed": result.removed,
        "failed": [{"case": case, "why": why} for case, why in result.failed],
        "refused": [{"case": case.name, "why": case.get("findings")} for case in left_out],
        "deselected": sum(not case.selected for case in table),
        "training": result.training,
        "test": result.test,
        "folds": result.folds,
        "notes": result.notes,
    }


def export_options(options):
    """Return the `ExportOptions` of a command line."""
    if options.workers is not None and options.workers < 1:
        raise BadInput("The number of processes is not 1 or more", f"--workers {options.workers}")
    table = Path(options.table)
    key = Path(options.key or table.with_name(f"{table.stem}.{options.dataset}.key.csv"))
    if key.resolve() == table.resolve():
        raise BadInput("The key would replace the case table", f"--key {key}", "Give it another name")
    return ExportOptions(
        recipe=options.recipe,
        output=options.output,
        dataset=options.dataset,
        key=key,
        names=options.names,
        split=SplitOptions(options.test, options.folds, tuple(options.stratify), options.seed),
        licence=options.licence,
        reference=options.reference,
        description=options.description,
        workers=options.workers,
        remove=options.remove,
        resplit=options.resplit,
    )


def show(result):
    """Tell people what was done."""
    lines = [
        f"{result['dataset']}: {result['training']} training and {result['test']} test samples, "
        f"{result['folds']} folds.",
        f"{result['written']} cases written, {result['unchanged']} unchanged, {result['moved']} moved, "
        f"{result['removed']} removed, {result['deselected']} not selected.",
    ]
    for title, rows in (("Refused by the check", result["refused"]), ("Not exported", result["failed"])):
        lines += [f"{title}: {row['case']}: {row['why']}" for row in rows[:MOST_SHOWN]]
        lines += [f"{title}: {len(rows) - MOST_SHOWN} more."] if len(rows) > MOST_SHOWN else []
    lines += [f"Note: {note}" for note in result["notes"][:MOST_SHOWN]]
    lines.append(f"Which name is which case: {result['key']}. Keep it to yourself.")
    sys.stdout.write("\n".join(lines) + "\n")

"""``resume``: fold runs that were stopped, failed or killed go on from their last checkpoint; folds are added."""

import sys

from BreastSegLib.commands.events import add_events, carry_out
from BreastSegLib.errors import BadInput

from .. import launch
from .follow import INTERRUPTS, follow
from .status import check_work
from .stop import add_names


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "resume",
        help="go on with trainings",
        description="Puts fold runs that were stopped, failed or killed into the queue again. They go on from their "
        "last checkpoint; those that are done or running stay as they are. With --add-folds a training gets further "
        "folds instead.",
    )
    add_names(parser)
    parser.add_argument(
        "--add-folds", nargs="+", metavar="FOLD", help="train these folds too, of the one training named"
    )
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), help="another device than before")
    parser.add_argument("--devices", type=int, nargs="+", metavar="N", help="other GPUs than before")
    parser.add_argument("--workers", type=int, metavar="N", help="another number of processes than before")
    parser.add_argument("--batch", type=int, metavar="N", help="a smaller batch than planned")
    parser.add_argument("--wait", action="store_true", help="follow them until their end")
    parser.add_argument("--on-interrupt", choices=INTERRUPTS, default="epoch", help="with --wait, what Ctrl+C does")
    add_events(parser)
    parser.set_defaults(function=run)


def run(options):
    """Queue them; with --wait 1 when one has failed."""
    failed = []

    def work(report):
        folder = check_work(options.work)
        changes = {name: getattr(options, name) for name in ("device", "devices", "workers")}
        changes = {name: value for name, value in changes.items() if value is not None}
        report("Looking at the trainings", 0, 0)
        if options.add_folds:
            queued = _add_folds(folder, options, changes)
        else:
            queued = launch.resume(folder, options.names, options.batch, **changes)
        result = {"queued": [{"training": training, "fold": fold} for training, fold in queued]}
        if options.wait and queued:
            names = [f"{training}:{fold}" for training, fold in queued]
            result["folds_ended"] = follow(folder, names, report, options.on_interrupt)
            failed.extend(row for row in result["folds_ended"] if row["state"] != "done")
        return result

    carry_out(options, work, show)
    return 1 if failed else 0


def _add_folds(folder, options, changes):
    if len(options.names) != 1 or ":" in options.names[0]:
        raise BadInput("Folds are added to one training", "--add-folds", "Name one, without a fold")
    if changes or options.batch:
        raise BadInput("Folds are trained as those before", "--add-folds", "Leave out --device and the like")
    return launch.add_folds(folder, options.names[0], options.add_folds)


def show(result):
    """Tell people which."""
    for row in result.get("folds_ended", ()):
        sys.stdout.write(f"{row['training']} fold {row['fold']}: {row['state']}. {row['message']}\n")
    if "folds_ended" not in result:
        for row in result["queued"]:
            sys.stdout.write(f"{row['training']} fold {row['fold']} is queued.\n")
    if not result["queued"]:
        sys.stdout.write("There is nothing to do.\n")

"""``stop``: fold runs end after their epoch, or at once; what they have learnt is kept."""

import sys

from BreastSegLib.commands.events import add_events, carry_out

from .. import launch
from .status import check_work


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "stop",
        help="stop trainings",
        description="Stops fold runs after the epoch that they are in, with a checkpoint. resume goes on from there.",
    )
    add_names(parser)
    parser.add_argument(
        "--now", action="store_true", help="at once: the epochs since the last checkpoint are done again by resume"
    )
    add_events(parser)
    parser.set_defaults(function=run)


def add_names(parser):
    """Add which fold runs are meant."""
    parser.add_argument("work", metavar="WORK", help="folder of the trainings")
    parser.add_argument("names", nargs="*", metavar="TRAINING[:FOLD]", help="which (default: all)")


def run(options):
    """Ask them to stop."""

    def work(report):
        report("Stopping", 0, 0)
        asked = launch.stop(check_work(options.work), options.names, options.now)
        return {"asked": [{"training": training, "fold": fold} for training, fold in asked], "now": options.now}

    carry_out(options, work, show)


def show(result):
    """Tell people which."""
    when = "at once" if result["now"] else "after its epoch"
    for row in result["asked"]:
        sys.stdout.write(f"{row['training']} fold {row['fold']} stops {when}.\n")
    if not result["asked"]:
        sys.stdout.write("Nothing was queued or running.\n")

"""``train``: plans, queues and runs the folds of a training; they go on when the terminal is closed."""

import sys

from BreastSegLib.commands.events import add_events, carry_out
from BreastSegLib.errors import BadInput

from .. import launch
from ..launch import estimate
from .follow import INTERRUPTS, follow
from .training_arguments import add_changes, add_choice, add_place, wish_of


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "train",
        help="train a model on a dataset",
        description="Plans and preprocesses with nnU-Net, then trains the folds one after the other, or one on each "
        "GPU. The training goes on when this terminal is closed; status, stop and resume find it again.",
    )
    add_choice(parser)
    add_changes(parser)
    add_place(parser)
    parser.add_argument(
        "--estimate", action="store_true", help="preprocess, measure some iterations and say how long it takes"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would happen, and begin nothing")
    parser.add_argument("--wait", action="store_true", help="follow the training until its end")
    parser.add_argument("--detach", dest="wait", action="store_false", help="do not (default)")
    parser.add_argument(
        "--on-interrupt",
        choices=INTERRUPTS,
        default="epoch",
        help="with --wait, what Ctrl+C does: stop after the epoch, stop now, or let it go on",
    )
    add_events(parser)
    parser.set_defaults(function=run)


def run(options):
    """Begin the training; with --wait 1 when a fold has failed."""
    failed = []

    def work(report):
        report("Looking at the dataset", 0, 0)
        training, raw, notes = launch.make(wish_of(options))
        disk = launch.expected_disk(training, raw)
        free = launch.check_disk(training, disk)
        if not options.dry_run:
            training.write()
        measured = _measured(training, options.dry_run, report) if options.estimate else None
        fields = _described(training, raw, disk, free, launch.expected_time(training, measured), notes)
        if options.dry_run:
            return {**fields, "dry_run": True}
        if not options.events:
            show(fields)
        launch.enqueue(training)
        launch.start(training.work)
        if options.wait:
            ended = follow(training.work, [training.name], report, options.on_interrupt)
            failed.extend(row for row in ended if row["state"] != "done")
            fields["folds_ended"] = ended
        return fields

    carry_out(options, work, _show_end)
    return 1 if failed else 0


def _measured(training, dry, report):
    if training.executor != "local":
        raise BadInput("Only this computer can be measured", "--estimate", "Leave it out")
    report("Preprocessing and measuring", 0, 0)
    return launch.measure_once(training) if dry else launch.measure(training)


def _described(training, raw, disk, free, time, notes):
    """Return the fields of the result event: what is going to happen."""
    return {
        "training": training.name,
        "work": str(training.work),
        "dataset": training.dataset,
        "cases": len(raw.cases),
        "trainer": training.trainer,
        "configuration": training.configuration,
        "folds": list(training.folds),
        "device": training.device,
        "executor": training.executor,
        "disk": {"least": disk.least, "most": disk.most, "free": free, "basis": disk.basis},
        "time": {"seconds": time.seconds, "epoch_s": time.epoch_s, "basis": time.basis},
        "notes": notes,
    }


def show(result):
    """Tell people what is going to happen."""
    disk, time = result["disk"], result["time"]
    lines = [
        f"Training {result['training']}: {result['trainer']}, {result['configuration']}, {result['cases']} cases of "
        f"{result['dataset']}, folds {' '.join(result['folds'])}, on {_place(result)}.",
        f"Disk: {estimate.in_gigabytes(disk['least'])} to {estimate.in_gigabytes(disk['most'])} of "
        f"{estimate.in_gigabytes(disk['free'])} free ({disk['basis']}).",
        f"Time: {estimate.in_words(time['seconds'])} ({time['basis']}).",
    ]
    lines += [f"Note: {note}" for note in result["notes"]]
    if disk["most"] > disk["free"]:
        lines.append("Note: the disk may not suffice.")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _show_end(result):
    """Tell people how it goes on, or how it ended."""
    if result.get("dry_run"):
        show(result)
        return
    for row in result.get("folds_ended", ()):
        told = f"Dice {row['dice']:.3f}" if row["dice"] is not None else row["message"]
        sys.stdout.write(f"Fold {row['fold']}: {row['state']}. {told}\n")
    if "folds_ended" not in result:
        sys.stdout.write(f'How it stands: python -m BreastSegTrainingLib status "{result["work"]}"\n')


def _place(result):
    return (
        "a cluster" if result["executor"] != "local" else {"auto": "the GPU"}.get(result["device"], result["device"])
    )

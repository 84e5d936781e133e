"""``status``: how the trainings of a work folder stand."""

import json
import sys
from pathlib import Path

from BreastSegLib.errors import BadInput

from .. import launch
from ..launch import estimate
from ..launch.foldstate import LOG

LINES = 200
COLUMNS = ("training", "fold", "state", "stage", "epoch", "left", "best", "Dice", "device")


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "status",
        help="how trainings stand",
        description="Lists the fold runs of a work folder: queued, running, stopped, failed or done.",
    )
    parser.add_argument("work", metavar="WORK", help="folder of the trainings")
    parser.add_argument("--json", action="store_true", help="write all that is known, for programs")
    parser.add_argument("--log", nargs=2, metavar=("TRAINING", "FOLD"), help="show the end of a fold run's log")
    parser.set_defaults(function=run)


def run(options):
    """Write the table."""
    work = check_work(options.work)
    if options.log:
        training, fold = launch.chosen(work, [":".join(options.log)])[0]
        sys.stdout.write(tail(training.fold_folder(fold) / LOG))
        return
    launch.start(work)  # a queue whose process was killed goes on
    rows = launch.rows(work)
    sys.stdout.write(
        json.dumps({"work": str(work), "rows": rows}, indent=2) + "\n" if options.json else as_table(rows)
    )


def check_work(folder):
    """Return the path of a work folder.

    Raises
    ------
    BadInput
        If there is no training in it.
    """
    work = Path(folder).resolve()
    if not (work / "trainings").is_dir():
        raise BadInput("There is no training in the folder", work, "Give the --work folder of the command train")
    return work


def as_table(rows):
    """Return fold runs as a table for people, with the reason below where one stopped or failed."""
    cells = [COLUMNS]
    for row in rows:
        left = estimate.in_words(row["eta_s"]) if row["eta_s"] is not None else ""
        best = "" if row["best"] is None else f"{row['best']:.3f} ({row['best_epoch']})"
        dice = "" if row["dice"] is None else f"{row['dice']:.3f}"
        epoch = f"{row['epoch']}/{row['epochs']}" if row["epochs"] else ""
        cells.append(
            (row["training"], row["fold"], row["state"], row["stage"], epoch, left, best, dice, row["device"])
        )
    widths = [max(len(line[column]) for line in cells) for column in range(len(COLUMNS))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in cells]
    for row in rows:
        said = " ".join(part.rstrip(". ") + "." for part in (row["message"], row["hint"]) if part)
        lines += [f"{row['training']} fold {row['fold']}: {said}"] if said else []
        lines += [f"{row['training']} fold {row['fold']}: note: {note}" for note in row["notes"]]
    return "\n".join(lines) + "\n"


def tail(path):
    """Return the last lines of a log.

    Raises
    ------
    BadInput
        If there is none.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-LINES:]
    except OSError as error:
        raise BadInput("There is no log yet", path) from error
    return "\n".join(lines) + "\n"

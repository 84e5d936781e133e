"""``curves``: what a training has learned so far, as a figure or a table."""

import sys
from pathlib import Path

from BreastSegLib.commands.events import add_events, carry_out
from BreastSegLib.errors import BadInput
from BreastSegLib.files import check_output

from ..curves.figure import ENDINGS, FULL, STYLES, write_figure
from ..curves.source import curves_of_training, fold_folders, read_curves
from ..curves.table import write_csv, write_table
from ..launch import Training


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "curves",
        help="draw the curves of a training",
        description="Losses, pseudo-Dice and its moving average, learning rate and epoch time of the folds of a "
        "training, over each other, while it runs or afterwards. Read from the trainer's own record, else from a "
        "checkpoint, else from nnU-Net's text log; which one is told.",
    )
    parser.add_argument("folder", nargs="*", metavar="FOLD_FOLDER", help="fold folders of nnU-Net, or model folders")
    parser.add_argument("--training", metavar="DIR", help="WORK/trainings/NAME")
    parser.add_argument("--folds", nargs="+", metavar="K", help="of the training: only these")
    parser.add_argument("--output", required=True, metavar="FILE", help="ends in .png, .svg, .csv or .json")
    parser.add_argument(
        "--style", choices=STYLES, default=FULL, help="of a figure: everything (default), or loss and accuracy (M4)"
    )
    parser.add_argument("--title", default="", metavar="TEXT", help="of a figure")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    add_events(parser)
    parser.set_defaults(function=run)


def run(options):
    """Read the curves and write them."""
    carry_out(options, lambda _report: work_on(options), show)


def work_on(options):
    """Do the work and return the fields of the result event."""
    path = Path(check_output(options.output, options.overwrite))
    kind = path.suffix.lower()
    if kind not in (*ENDINGS, ".csv", ".json"):
        raise BadInput("The output's format is unknown", path, "End its name in .png, .svg, .csv or .json")
    curves, notes, title = _gather(options)
    if kind == ".csv":
        write_csv(path, curves, options.overwrite)
    elif kind == ".json":
        write_table(path, curves, notes, options.overwrite)
    else:
        write_figure(path, curves, options.title or title, options.style, options.overwrite)
    notes += [f"{one.name}: {note}" for one in curves for note in one.notes]
    return {"output": str(path), "folds": [_row(one) for one in curves], "notes": notes}


def _gather(options):
    """Return the curves, notes and a title."""
    if bool(options.training) == bool(options.folder):
        raise BadInput("Give either --training or fold folders")
    if options.training:
        training = Training.read(options.training)
        unknown = [fold for fold in options.folds or () if fold not in training.folds]
        if unknown:
            raise BadInput(f"The training has no fold {unknown[0]}", training.name, f"It has {_list(training.folds)}")
        curves, notes = curves_of_training(training, options.folds)
        if not curves:
            raise BadInput("No epoch is finished yet", training.folder, "Wait for the end of the first one")
        return curves, notes, training.name
    if options.folds:
        raise BadInput("--folds goes with --training", hint="Name the folders of the folds instead")
    found = [item for folder in options.folder for item in fold_folders(folder).items()]
    several = len({name for name, _folder in found}) < len(found)
    curves = [
        read_curves(folder, f"{folder.parent.name.split('__')[0]}, {name}" if several else name)
        for name, folder in found
    ]
    return curves, [], ""


def _row(one):
    keys = ("name", "source", "epochs", "epochs_planned", "best_epoch", "best", "epoch_time", "time_left")
    return {key: getattr(one, key) for key in keys}


def _list(folds):
    return ", ".join(folds)


def show(result):
    """Tell people what was found."""
    lines = []
    for row in result["folds"]:
        planned = f" of {row['epochs_planned']}" if row["epochs_planned"] else ""
        best = f", best epoch {row['best_epoch']}" if row["best_epoch"] is not None else ""
        best += f" ({row['best']:.3f})" if row["best"] is not None else ""
        left = f", {row['time_left'] / 3600:.1f} h left" if row["time_left"] else ""
        lines.append(f"{row['name']}: {row['epochs']}{planned} epochs{best}{left} ({row['source']})")
    lines += [f"Note: {note}" for note in result["notes"]]
    lines.append(f"Written: {result['output']}")
    sys.stdout.write("\n".join(lines) + "\n")

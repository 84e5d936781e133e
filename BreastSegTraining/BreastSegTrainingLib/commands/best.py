"""``best``: which training, or pair of trainings, is best on the cross-validation, and which post-processing helps."""

import sys
import tempfile
from pathlib import Path

from BreastSegLib.commands.events import add_events, carry_out
from BreastSegLib.errors import BadInput
from BreastSegLib.files import check_output, write_json

from ..dataset.layout import LABELS
from ..launch import Training
from ..launch.training import ALL
from ..publish.child import ask

FORMAT = "breastseg-best-1"
PROBABILITIES = "Train with --probabilities, or compare each training alone: --no-pairs"


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "best",
        help="choose the best training or pair, and its post-processing",
        description="nnU-Net's choice (find best configuration) on the cross-validations of one or several trainings "
        "of the same dataset: each alone, each pair averaged, and whether keeping the largest component only helps. "
        "Nothing in the trainings is changed.",
    )
    parser.add_argument("--training", required=True, nargs="+", metavar="DIR", help="WORK/trainings/NAME, one or more")
    parser.add_argument("--folds", nargs="+", default=[], metavar="K", help="only these (default: those of the first)")
    parser.add_argument("--no-pairs", dest="pairs", action="store_false", help="compare single trainings only")
    parser.add_argument("--output", metavar="FILE.json", help="also write what was found")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default: 1)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    add_events(parser)
    parser.set_defaults(function=run)


def run(options):
    """Compare and tell."""
    carry_out(options, lambda report: work_on(options, report), show)


def work_on(options, report):
    """Do the work and return the fields of the result event."""
    if options.output:
        check_output(options.output, options.overwrite)
    if options.workers < 1:
        raise BadInput("The number of processes is not 1 or more", f"--workers {options.workers}")
    trainings = [Training.read(folder) for folder in options.training]
    check_trainings(trainings)
    folds = options.folds or [fold for fold in trainings[0].folds if fold != ALL]
    pairs = options.pairs and len(trainings) > 1
    check_validated(trainings, folds, pairs)
    with tempfile.TemporaryDirectory(prefix="breastseg-best-", dir=trainings[0].work) as room:
        request = {
            "models": {training.name: str(training.model) for training in trainings},
            "folds": list(folds),
            "truth": str(Path(trainings[0].raw) / LABELS["train"]),
            "room": room,
            "ensembles": pairs,
            "processes": options.workers,
        }
        found = ask("best", request, report, trainings[0].environment())
    result = {"format": FORMAT, "dataset": trainings[0].dataset, "folds": list(folds), **found}
    if options.output:
        write_json(options.output, result, options.overwrite)
    return {**result, "output": str(options.output) if options.output else None}


def check_trainings(trainings):
    """Refuse trainings that cannot be compared: of several datasets, or of one name."""
    first = trainings[0]
    for other in trainings[1:]:
        if Path(other.raw) != Path(first.raw):
            raise BadInput(
                f"The trainings {first.name} and {other.name} are of different datasets",
                other.raw,
                "Compare trainings of one dataset",
            )
    names = [training.name for training in trainings]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise BadInput(f"Two trainings are named {twice}", "--training", "Name each once")


def check_validated(trainings, folds, pairs):
    """Refuse folds that were not validated, and pairs without the chances that are averaged.

    Raises
    ------
    BadInput
    """
    if not folds:
        raise BadInput("There is no fold with cases that it was not trained on", trainings[0].name)
    for training in trainings:
        for fold in folds:
            if fold not in training.folds or fold == ALL:
                raise BadInput(f"The training {training.name} has no cross-validation of fold {fold}", training.folder)
            folder = training.output(fold) / "validation"
            if not (folder / "summary.json").is_file():
                raise BadInput(
                    f"Fold {fold} of {training.name} was not validated", folder, "Finish the training: resume"
                )
            cases = {path.name.split(".")[0] for path in folder.glob("*.nii.gz")}
            if pairs and cases - {path.name.removesuffix(".npz") for path in folder.glob("*.npz")}:
                raise BadInput(
                    f"Fold {fold} of {training.name} kept no chances of its validation cases, which a pair needs",
                    folder,
                    PROBABILITIES,
                )


def show(result):
    """Tell people the table."""
    best = result["best"]
    lines = ["  Dice  training"]
    for row in sorted(result["candidates"], key=lambda row: -row["dice"]):
        mark = "*" if row["trainings"] == best["trainings"] else " "
        lines.append(f"{mark} {row['dice']:.3f} {' + '.join(row['trainings'])} ({row['cases']} cases)")
    helps = "helps" if best["largest_component"] else "does not help"
    lines.append(
        f"Best: {' + '.join(best['trainings'])}. Keeping the largest component only {helps} "
        f"(Dice {best['dice']:.3f} before, {best['dice_cleaned']:.3f} after)."
    )
    lines += [f"Written: {result['output']}"] if result["output"] else []
    sys.stdout.write("\n".join(lines) + "\n")

"""``evaluate``: how good predictions are: of a cross-validation, of a test part, of any two folders."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from BreastSegLib.commands.events import add_events, carry_out
from BreastSegLib.errors import BadInput

from ..cases import CaseTable
from ..dataset.names import read_key
from ..evaluation.caserecord import counted
from ..evaluation.cleanup import LARGEST, NONE, OF_RECIPE, recipe_of
from ..evaluation.detection import OVERLAP, DetectionOptions
from ..evaluation.evaluating import EvaluationWish, measured, run_evaluation
from ..evaluation.exam_grid import on_exam_grid
from ..evaluation.groups import SIZE
from ..evaluation.measures import HAUSDORFF, HD95, MeasureOptions, empty_rules
from ..evaluation.page import mean_text, shown_measures, title_with_unit
from ..evaluation.run import EvaluationOptions
from ..evaluation.sources import EXAM, GRIDS, MISSING, PREPARED, REFUSE, folders, of_test_part, of_training
from ..evaluation.summary import Judging
from ..evaluation.write import FILE, PAGE
from ..launch.training import Training
from ..presets import load_preset

DESCRIPTION = """Compares predicted masks with the true ones and writes numbers, figures and a page into a folder. Of
a training: evaluate --training WORK/trainings/NAME. Of a dataset's test part: evaluate --dataset DATASET --prediction
DIR. Of any two folders with masks of the same names: evaluate --truth DIR --prediction DIR. What is not said is taken
from the preset of the training, where it has one."""
MOST_SHOWN = 10


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "evaluate", help="measure how good predictions are, and show it", description=DESCRIPTION
    )
    _add_sources(parser)
    _add_measures(parser)
    _add_judging(parser)
    parser.add_argument("--output", required=True, metavar="DIR", help="folder for the evaluation")
    parser.add_argument("--name", help="what the evaluation is called, such as the model's name")
    parser.add_argument("--workers", type=_at_least(1), metavar="N", help="processes (one for each processor)")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier evaluation in the folder")
    add_events(parser)
    parser.set_defaults(function=run)


def _add_sources(parser):
    part = parser.add_argument_group("what is compared")
    part.add_argument("--training", metavar="DIR", help="a training: WORK/trainings/NAME")
    part.add_argument("--folds", nargs="+", metavar="K", help="of the training (all that have a validation)")
    part.add_argument("--truth", metavar="DIR", help="folder of true masks")
    part.add_argument("--prediction", metavar="DIR", help="folder of predicted masks")
    part.add_argument("--dataset", metavar="DIR", help="raw dataset; without --truth its test part is the truth")
    part.add_argument("--missing", choices=MISSING, default=REFUSE, help="what happens without a prediction (refuse)")
    part.add_argument("--label", type=_at_least(1), metavar="V", help="value of the lesion (everything that is not 0)")
    part.add_argument("--grid", choices=GRIDS, default=PREPARED, help="grid that is measured on (prepared)")
    part.add_argument("--cases", metavar="TABLE.csv", help="case table: for groups, and for the exam's grid")
    part.add_argument("--key", metavar="KEY.csv", help="key of the dataset (TABLE.DATASET.key.csv beside the table)")


def _add_measures(parser):
    part = parser.add_argument_group("what is measured")
    part.add_argument("--measures", nargs="+", metavar="MEASURE", help="measures that are shown (all)")
    part.add_argument("--recipe", metavar="NAME_OR_FILE", help="clean up as this recipe says")
    part.add_argument("--cleanup", metavar="|".join((OF_RECIPE, LARGEST, NONE)), help="also measure after a clean-up")
    part.add_argument("--tolerance", type=float, default=1.0, metavar="MM", help="of the surface distance (1 mm)")
    part.add_argument("--hausdorff", choices=HAUSDORFF, default=HAUSDORFF[0], help="between all voxels or surfaces")
    part.add_argument("--hd95", choices=HD95, default=HD95[0], help="larger of both directions, or pooled")
    part.add_argument("--empty", metavar="RULE", help=f"how empty masks count: {', '.join(empty_rules())} (nnunet)")
    part.add_argument(
        "--found", default=OVERLAP, metavar="IOU", help="overlap from which a lesion counts as found (any voxel)"
    )


def _add_judging(parser):
    part = parser.add_argument_group("what is told")
    part.add_argument("--groups", nargs="*", metavar="COLUMN", help=f"columns that make groups; also {SIZE}")
    part.add_argument("--size-limits", nargs="+", type=float, default=(), metavar="ML", help="between size groups")
    part.add_argument("--bands", action=argparse.BooleanOptionalAction, help="excellent, good … as in M3")
    part.add_argument("--image-level", action=argparse.BooleanOptionalAction, help="classes of whole images as in M5")
    part.add_argument("--worst", type=_at_least(0), default=6, metavar="N", help="cases that are shown (6)")


def run(options):
    """Evaluate; 1 when some cases could not be measured."""
    failed = []

    def work(report):
        result = work_on(options, report)
        failed.extend(result["failed"])
        return result

    carry_out(options, work, show)
    return 1 if failed else 0


def work_on(options, report):
    """Do the work and return the fields of the result event."""
    table = CaseTable.read(options.cases) if options.cases else None
    training = Training.read(options.training) if options.training else None
    source = source_of(options, training)
    key = read_key(_key_path(options, source)) if table is not None else ()
    _check_key(key, source)
    wish = wish_of(options, source, table, _preset_table(training))
    if options.grid == EXAM:
        if table is None:
            raise BadInput("The exam's grid needs the case table", "--grid exam", "Give --cases and --key")
        source = on_exam_grid(source, table, key)
    evaluation, failed = run_evaluation(options.output, source, wish, table, key, options.overwrite, report)
    folder = Path(options.output)
    return {
        "evaluation": str(folder / FILE),
        "page": str(folder / PAGE),
        "name": evaluation["name"],
        "cases": len(evaluation["cases"]),
        "stage": evaluation["stage"],
        "figures": {
            title_with_unit(evaluation["measures"][name]): mean_text(
                evaluation["summary"][evaluation["stage"]][name], evaluation["measures"][name]
            )
            for name in shown_measures(evaluation)
        },
        "failed": [{"case": record["case"], "why": record["error"]} for record in failed],
        "notes": evaluation["notes"],
    }


def source_of(options, training):
    """Return the `Source` that a command line names.

    Raises
    ------
    BadInput
        If it names none, or several.
    """
    if options.folds and training is None:
        raise BadInput("Folds belong to a training", "--folds", "Give --training")
    if training is not None:
        others = [name for name in ("truth", "prediction", "dataset") if getattr(options, name)]
        if others:
            raise BadInput(f"--training and --{others[0]} do not go together", "", "Give one of them")
        source = of_training(training, options.folds, options.missing)
    elif not options.prediction:
        raise BadInput(
            "Nothing says what is evaluated", "", "Give --training, or --prediction with --truth or --dataset"
        )
    elif options.truth:
        source = folders(options.truth, options.prediction, options.missing, options.dataset)
    elif options.dataset:
        source = of_test_part(options.dataset, options.prediction, options.missing)
    else:
        raise BadInput("Nothing says what the truth is", "--prediction", "Give --truth or --dataset")
    return replace(source, name=options.name) if options.name else source


def wish_of(options, source, table, preset):
    """Return the `EvaluationWish` of a command line: what it does not say the preset says.

    Parameters
    ----------
    options : argparse.Namespace
    source : Source
    table : CaseTable or None
    preset : dict or None
        Table ``evaluation`` of the preset of the training.
    """
    said = preset or {}
    notes = [said["note"]] if "note" in said else []
    shown = tuple(options.measures or said.get("measures", ()))
    columns = None if options.groups is None else tuple(options.groups)
    if columns is None and said.get("groups"):
        there = [name for name in said["groups"] if table is not None and name in table.columns]
        absent = [name for name in said["groups"] if name not in there]
        columns = (*there, SIZE)
        notes += (
            [f"The preset also asks for groups by {', '.join(absent)}, which no case table says."] if absent else []
        )
    for name in shown:
        MeasureOptions(measures=(name,))  # refuses one that is not known, before anything is measured
    measure = MeasureOptions(
        measures=measured(shown, challenge=table is not None),
        empty=options.empty or said.get("empty", "nnunet"),
        hausdorff=options.hausdorff,
        hd95=options.hd95,
        tolerance_mm=options.tolerance,
    )
    settings = EvaluationOptions(
        measure, DetectionOptions(options.found), _cleanup(options, source, said), label=options.label
    )
    judging = Judging(
        columns,
        tuple(options.size_limits),
        said.get("bands", True) if options.bands is None else options.bands,
        said.get("image_level", True) if options.image_level is None else options.image_level,
        shown,
    )
    return EvaluationWish(settings, judging, options.worst, options.workers, tuple(notes))


def show(result):
    """Tell people the numbers and where the rest is."""
    lines = [f"{result['name']}: {counted(result['cases'], 'case')}, {result['stage']} masks, mean ± SD"]
    lines += [f"  {title}: {text}" for title, text in result["figures"].items()]
    lines += [f"Not measured: {row['case']}: {row['why']}" for row in result["failed"][:MOST_SHOWN]]
    if len(result["failed"]) > MOST_SHOWN:
        lines.append(f"Not measured: {len(result['failed']) - MOST_SHOWN} more.")
    lines += [f"Note: {note}" for note in result["notes"]]
    lines.append(f"Written: {result['page']}")
    sys.stdout.write("\n".join(lines) + "\n")


def _cleanup(options, source, said):
    """Return which clean-up is measured: what was asked for, the preset's, else the recipe's where there is one."""
    if options.cleanup and options.recipe:
        raise BadInput("--cleanup and --recipe do not go together", "", "Give one of them")
    if options.cleanup or options.recipe:
        return options.cleanup or options.recipe
    if "cleanup" in said:
        return OF_RECIPE if said["cleanup"] else NONE
    try:
        return OF_RECIPE if recipe_of(source.dataset).cleanup else NONE
    except BadInput:  # no dataset, or not one of ours: the page says that nothing was cleaned
        return NONE


def _preset_table(training):
    """Return what the preset of a training says of evaluation, None without one."""
    if training is None or not training.preset:
        return None
    try:
        return load_preset(training.preset).evaluation
    except BadInput:
        return {"note": f"The preset {training.preset} is not known here; what it says of evaluation is not used."}


def _key_path(options, source):
    """Return the key file of a dataset: the one that was given, or that which export makes."""
    if options.key:
        path = Path(options.key)
        if not path.is_file():
            raise BadInput("The key file does not exist", path, "Check the name")
        return path
    table, dataset = Path(options.cases), source.dataset.name if source.dataset else ""
    names = (dataset, dataset.removeprefix("Dataset")) if dataset else ()
    for name in names:
        path = table.with_name(f"{table.stem}.{name}.key.csv")
        if path.is_file():
            return path
    raise BadInput("The key that says which case is which was not found", options.cases, "Give --key KEY.csv")


def _check_key(key, source):
    other = next((row.dataset for row in key if row.dataset), "")
    if source.dataset and other and other not in (source.dataset.name, source.dataset.name.removeprefix("Dataset")):
        raise BadInput(f"The key is that of {other}", "--key", f"Give the key of {source.dataset.name}")


def _at_least(lowest):
    def number(text):
        value = int(text) if text.isdecimal() else lowest - 1
        if value < lowest:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number from {lowest} on")
        return value

    return number

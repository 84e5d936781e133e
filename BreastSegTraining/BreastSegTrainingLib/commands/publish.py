"""``publish``: a finished training becomes a model of the library, or a zip for others."""

import sys

from BreastSegLib.commands.events import add_events, carry_out
from BreastSegLib.errors import BadInput

from ..cases import CaseTable
from ..launch import Training
from ..publish import PublishOptions, publish
from ..publish.publish import KINDS


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "publish",
        help="put a trained model into the model library or a zip",
        description="Makes a model of a finished training: weights without anything of this computer, a card with "
        "recipe, data in numbers, how it was trained and how good it is. Whole or not at all.",
    )
    parser.add_argument("--training", required=True, metavar="DIR", help="WORK/trainings/NAME")
    parser.add_argument("--name", required=True, help="of the model")
    parser.add_argument("--licence", required=True, metavar="TEXT", help="under which others may use it, as CC-BY-4.0")
    parser.add_argument("--title", default="", metavar="TEXT", help="what people read in the list of models")
    parser.add_argument("--description", default="", metavar="TEXT", help="what it finds, and in what")
    parser.add_argument("--citation", default="", metavar="TEXT", help="what users are asked to cite")
    parser.add_argument("--folds", nargs="+", default=[], metavar="K", help="only these (default: all)")
    parser.add_argument(
        "--checkpoint", choices=list(KINDS), default="final", help="of each fold (default: final, as nnU-Net does)"
    )
    parser.add_argument("--evaluation", metavar="FILE", help="evaluation.json of the cross-validation")
    parser.add_argument("--cases", metavar="TABLE.csv", help="case table, to count patients and centres")
    parser.add_argument("--key", metavar="FILE.csv", help="key of the dataset; goes with --cases")
    parser.add_argument(
        "--label", action="append", default=[], metavar="NAME=TERM", help="what a label means, such as lesion=mass"
    )
    parser.add_argument("--zip", metavar="FILE", help="also write a zip, which nnU-Net and BreastSeg install")
    library = parser.add_mutually_exclusive_group()
    library.add_argument("--library", action="store_true", default=True, help="into the model library (default)")
    library.add_argument("--no-library", dest="library", action="store_false", help="only the zip")
    parser.add_argument("--replace", action="store_true", help="replace a model and a zip of the same name")
    add_events(parser)
    parser.set_defaults(function=run)


def run(options):
    """Publish and tell where."""
    carry_out(options, lambda report: work_on(options, report), show)


def work_on(options, report):
    """Do the work and return the fields of the result event."""
    training = Training.read(options.training)
    done = publish(training, publish_options(options), report)
    keys = ("name", "title", "licence", "recipe")
    return {
        "model": {key: done.card[key] for key in keys},
        "folder": str(done.folder) if done.folder else None,
        "zip": str(done.zip) if done.zip else None,
        "folds": done.card["training"]["folds"],
        "cross_validation": done.card["training"]["cross_validation"],
        "notes": list(done.notes),
    }


def publish_options(options):
    """Return the `PublishOptions` of a command line."""
    labels = {}
    for text in options.label:
        name, equals, term = text.rpartition("=")
        if not (name and equals and term):
            raise BadInput(f"The label {text!r} is not NAME=TERM", "--label", "Write it like lesion=mass")
        labels[name] = term
    return PublishOptions(
        name=options.name,
        licence=options.licence,
        title=options.title,
        description=options.description,
        citation=options.citation,
        folds=tuple(options.folds),
        checkpoint=KINDS[options.checkpoint],
        evaluation=options.evaluation,
        cases=CaseTable.read(options.cases) if options.cases else None,
        key=options.key,
        labels=labels,
        zip=options.zip,
        library=options.library,
        replace=options.replace,
    )


def show(result):
    """Tell people where the model is."""
    model = result["model"]
    lines = [f"Model {model['name']}: folds {', '.join(result['folds'])}, licence {model['licence']}"]
    lines += [f"In the model library: {result['folder']}"] if result["folder"] else []
    lines += [f"Zip: {result['zip']}"] if result["zip"] else []
    dice = ((result["cross_validation"] or {}).get("raw") or {}).get("dice")
    lines += [f"Cross-validation: Dice {dice['mean']:.3f} over {dice['n']} cases"] if dice else []
    lines += [f"Note: {note}" for note in result["notes"]]
    sys.stdout.write("\n".join(lines) + "\n")

"""``predict``: the folds of a training segment the test cases of its dataset, or other cases, for evaluation."""

import sys

from BreastSegLib.commands.events import add_events, carry_out

from ..launch import Training, predict


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "predict",
        help="segment test cases with a training's folds",
        description="Writes the mean prediction of the finished folds for every case of imagesTs, or of a folder with "
        "images named as nnU-Net wants it. The same command again does what is missing.",
    )
    parser.add_argument("--training", required=True, metavar="DIR", help="WORK/trainings/NAME")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder for the masks")
    parser.add_argument("--folds", nargs="+", default=[], metavar="N", help="folds to average (default: all finished)")
    parser.add_argument(
        "--part", default="test", metavar="PART", help="test (default), train, or a folder with images"
    )
    parser.add_argument("--probabilities", action="store_true", help="write nnU-Net's probabilities too")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), help="default: that of the training")
    add_events(parser)
    parser.set_defaults(function=run)


def run(options):
    """Predict."""

    def work(report):
        training = Training.read(options.training)
        return predict(
            training, options.output, options.folds, options.part, options.device, options.probabilities, report
        )

    carry_out(options, work, show)


def show(result):
    """Tell people where the masks are."""
    folds = " ".join(result["folds"])
    sys.stdout.write(f"{len(result['cases'])} cases predicted with the folds {folds}: {result['output']}\n")

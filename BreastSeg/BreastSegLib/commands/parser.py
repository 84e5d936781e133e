"""Arguments, exit codes and the one-line errors that all verbs share."""

import argparse

from .. import __version__
from . import batch, convert, measure, models, pacs, phases, prepare, recipes, report, restore, sample, segment, watch
from .exam_arguments import how_to_answer
from .outcome import exit_code_of

VERBS = (phases, prepare, restore, segment, measure, batch, recipes, sample, models, convert, report, pacs, watch)


def build_parser():
    """Return the parser with every verb's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m BreastSegLib", description="Breast lesion segmentation with nnU-Net. For research use only."
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in VERBS:
        verb.add_arguments(verbs)
    return parser


def run(arguments):
    """Run one command and return its exit code.

    Parameters
    ----------
    arguments : list of str
        Without the program's name.
    """
    debug = "--debug" in arguments
    options = build_parser().parse_args([argument for argument in arguments if argument != "--debug"])
    return exit_code_of(lambda: options.function(options), debug, "Cancelled; nothing was written.", how_to_answer)

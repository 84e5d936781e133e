"""Arguments, exit codes and the one-line errors that all verbs share."""

import argparse
import sys
import traceback

from .. import __version__
from ..errors import BreastSegError, Cancelled
from . import batch, models, phases, prepare, recipes, restore, sample, segment
from .exam_arguments import how_to_answer

VERBS = (phases, prepare, restore, segment, batch, recipes, sample, models)
EXIT_DONE, EXIT_FAILED, EXIT_BAD_INPUT, EXIT_CANCELLED = 0, 1, 2, 130


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
    try:
        return options.function(options) or EXIT_DONE  # most verbs know nothing between done and an error
    except (Cancelled, KeyboardInterrupt):
        sys.stderr.write("Cancelled; nothing was written.\n")
        return EXIT_CANCELLED
    except BreastSegError as error:
        if debug:
            traceback.print_exc()
            sys.stderr.write(getattr(error, "log", "") + "\n")
        answer = how_to_answer(error)
        sys.stderr.write(f"Error: {error.line}" + (f" Answer with {answer}.\n" if answer else "\n"))
        return EXIT_BAD_INPUT
    except BrokenPipeError:
        return EXIT_FAILED
    except Exception as error:
        if debug:
            raise
        sys.stderr.write(
            f"Error: {type(error).__name__}: {' '.join(str(error).split())[:300]}. "
            "Run again with --debug and report it.\n"
        )
        return EXIT_FAILED

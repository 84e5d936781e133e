"""Arguments, exit codes and the one-line errors that all verbs share."""

import argparse

from BreastSegLib import __version__
from BreastSegLib.commands.outcome import EXIT_BAD_INPUT, exit_code_of

from . import (
    best,
    cases,
    check,
    compare,
    curves,
    evaluate,
    experiment,
    export,
    mask,
    predict,
    presets,
    publish,
    quality,
    relocate,
    resume,
    sample,
    select,
    status,
    stop,
    summary,
    train,
)

VERBS = (
    sample,
    cases,
    relocate,
    check,
    quality,
    select,
    export,
    summary,
    mask,
    presets,
    curves,
    train,
    status,
    stop,
    resume,
    predict,
    evaluate,
    compare,
    best,
    publish,
    experiment,
)


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a command in one line."""

    def error(self, message):
        """End with status 2 and one line."""
        self.exit(EXIT_BAD_INPUT, f"{message[:1].upper()}{message[1:]}. See {self.prog} --help.\n")


def build_parser():
    """Return the parser with every verb's arguments."""
    parser = Parser(
        prog="python -m BreastSegTrainingLib",
        description="From labelled breast exams to lesion models. For research use only.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=Parser)
    for verb in VERBS:
        verb.add_arguments(verbs)
    return parser


def run(arguments):
    """Run one command and return its exit code: 0 done, 1 some cases failed, 2 bad input, 130 cancelled.

    Parameters
    ----------
    arguments : list of str
        Without the program's name.
    """
    debug = "--debug" in arguments
    options = build_parser().parse_args([argument for argument in arguments if argument != "--debug"])
    cancelled = "Cancelled; what was finished is kept, nothing else was written."
    return exit_code_of(lambda: options.function(options), debug, cancelled)

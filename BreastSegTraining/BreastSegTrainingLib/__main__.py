"""Command line of BreastSegTraining: ``python -m BreastSegTrainingLib``."""

import argparse
import sys
import traceback

from BreastSegLib.errors import BreastSegError
from BreastSegLib.files import check_output

from .cases import LAYOUTS


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a command in one line."""

    def error(self, message):
        """End with status 2 and one line."""
        self.exit(2, f"{message[:1].upper()}{message[1:]}. See {self.prog} --help.\n")


def parser():
    """Return the parser of the whole command line."""
    result = Parser(prog="breastsegtraining", description="Trains breast lesion models. For research use only.")
    verbs = result.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=Parser)
    cases = verbs.add_parser(
        "cases",
        help="make a case table from a dataset's folders",
        description="Makes a case table (CSV): one labelled case a row, exam and mask paired.",
    )
    cases.add_argument(
        "--layout",
        required=True,
        choices=sorted(LAYOUTS),
        help="how SOURCE is arranged; folder: images/NAME.* and masks/NAME.* belong together",
    )
    cases.add_argument("source", metavar="SOURCE", help="the dataset's folder")
    cases.add_argument("--output", required=True, metavar="TABLE.csv", help="the table to write")
    cases.add_argument("--overwrite", action="store_true", help="replace an existing table")
    cases.add_argument("--debug", action="store_true", help="show where an error came from")
    cases.set_defaults(do=make_table)
    return result


def make_table(options):
    """Carry out the verb ``cases``."""
    check_output(options.output, options.overwrite)
    pairing = LAYOUTS[options.layout](options.source)
    pairing.table.write(options.output, options.overwrite)
    for note in pairing.notes:
        print(note, file=sys.stderr)
    print(f"{len(pairing.table)} cases written to {options.output}")


def main(argv=None):
    """Run the command line and return the exit status: 0 done, 2 bad input."""
    options = parser().parse_args(argv)
    try:
        options.do(options)
    except BreastSegError as error:
        if options.debug:
            traceback.print_exc()
        print(error.line, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

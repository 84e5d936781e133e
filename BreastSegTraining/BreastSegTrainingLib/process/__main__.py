"""Entry point of the child processes. Each has one verb; the rooms above start them and read what they write."""

import argparse
import os
import sys
from pathlib import Path

from BreastSegLib.inference.waiting import set_waiting

from ..launch import Training


def main(arguments):
    """Run one verb and return its exit code (`launch.exits`)."""
    parser = argparse.ArgumentParser(prog="BreastSegTrainingLib.process")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name in ("fold", "plan", "time", "predict"):
        verb = verbs.add_parser(name)
        verb.add_argument("folder", type=Path, help="WORK/trainings/NAME")
        if name == "fold":
            verb.add_argument("fold")
        if name == "time":
            verb.add_argument("--iterations", type=int, default=5)
        if name == "predict":
            verb.add_argument("--request", type=Path, required=True)
    options = parser.parse_args(arguments)
    training = Training.read(options.folder)
    # nnU-Net asks for these when it is imported; they are this process's own.
    os.environ.update(training.environment())
    os.environ.setdefault("nnUNet_def_n_proc", str(max(1, min(4, training.workers))))
    os.environ.setdefault("nnUNet_n_proc_DA", str(training.workers))
    set_waiting(os.environ)
    if options.verb == "fold":
        from .fold import run

        return run(training, options.fold)
    if options.verb == "plan":
        from .plan import run as plan

        return plan(training)
    if options.verb == "time":
        from .timing import run as measure

        return measure(training, options.iterations)
    from .predict import run as predict

    return predict(training, options.request)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

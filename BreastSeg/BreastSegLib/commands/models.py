"""``models list`` and ``models show``: what is installed."""

import json
import sys

from ..models import find_model, survey


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser("models", help="list or show installed models")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="list the installed models").set_defaults(function=run_list)
    show = actions.add_parser("show", help="show a model's card")
    show.add_argument("name", help="a model's name or folder")
    show.set_defaults(function=run_show)


def run_list(_options):
    """Print one line for each installed model."""
    models, problems = survey()
    for model in models:
        sys.stdout.write(f"{model.name}\t{model.card['title']}\n")
    for name, error in problems.items():
        sys.stdout.write(f"{name}\tnot usable: {error.line}\n")


def run_show(options):
    """Print the card, the folds and the channels of a model."""
    model = find_model(options.name)
    record = {
        **model.card,
        "folder": str(model.folder),
        "folds": list(model.folds),
        "channels": list(model.channel_names),
        "hash": model.hash,
    }
    sys.stdout.write(json.dumps(record, indent=2, ensure_ascii=False) + "\n")

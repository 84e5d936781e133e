"""``models install``: from a folder, a zip or the catalogue into the model library."""

import os
import re
import sys
from pathlib import Path

from ..errors import BadInput
from ..models import catalogue
from ..models.card import CHECKPOINT, TERMS
from ..models.install import install
from ..models.manage import disk_use
from ..recipe import load_recipe
from .events import add_events, carry_out
from .model_catalogue import add_entry_arguments, install_entry

TEXTS = ("title", "description", "licence", "citation")


def add_arguments(actions):
    """Add the action to those of ``models``."""
    parser = actions.add_parser(
        "install",
        help="install a model from a folder, a zip or the catalogue",
        description="SOURCE is a model folder, a folder of results, a zip of either (such as nnU-Net's export), or a "
        "name of the catalogue. A model without a model card needs --recipe and --label; without them one line says "
        "what its names suggest.",
    )
    parser.add_argument("source", metavar="SOURCE", help="a folder, a zip or a name of the catalogue")
    parser.add_argument("--name", help="its name in the library; with several configurations, what they begin with")
    parser.add_argument("--recipe", metavar="NAME_OR_FILE", help="how exams are prepared for it")
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="NAME=TERM",
        help=f"what a label of the network means: {', '.join(TERMS)}; once for each label",
    )
    for text in TEXTS:
        parser.add_argument(f"--{text}", help=f"{text} for its card")
    parser.add_argument("--configuration", metavar="C", help="only this configuration, such as 3d_fullres")
    parser.add_argument(
        "--checkpoint",
        metavar="final|best",
        help="best: take checkpoint_best.pth, of a training that has not finished (default: final)",
    )
    parser.add_argument("--combine", action="store_true", help="also make an ensemble of all its configurations")
    parser.add_argument("--overwrite", action="store_true", help="replace an installed model of the same name")
    add_entry_arguments(parser)
    add_events(parser)
    parser.set_defaults(function=run_install)


def run_install(options):
    """Install what the user names."""
    options.checkpoint = checkpoint_file(options.checkpoint)
    entry = entry_of(options)
    if entry is not None:
        check_not_described(options)

    def work(report):
        notes = []
        if entry is not None:
            models = install_entry(entry, options, report, notes=notes)
        else:
            models = install(options.source, report=report, notes=notes, **keywords(options))
        return {"models": [model_record(model) for model in models], "notes": notes}

    carry_out(options, work, show)


def show(result):
    """Tell people what was installed."""
    for note in result["notes"]:
        sys.stdout.write(f"Note: {note}\n")
    for model in result["models"]:
        sys.stdout.write(f"Installed {model['name']}: {model['title']}\n")


def keywords(options):
    """Return what the options say about a model, as `install.install` takes it."""
    return {
        "load_recipe": load_recipe,
        "name": options.name,
        "card": {text: getattr(options, text) for text in TEXTS if getattr(options, text)},
        "recipe": options.recipe,
        "labels": dict(label_of(text) for text in options.label),
        "configuration": options.configuration,
        "checkpoint": options.checkpoint,
        "accept_licence": options.accept_licence,
        "combine": options.combine,
        "overwrite": options.overwrite,
    }


def entry_of(options):
    """Return the catalogue's entry that the source names; None where it is a folder or zip.

    Raises
    ------
    BadInput
        If it is neither.
    """
    source = options.source
    if not options.file and os.path.exists(os.path.expanduser(source)):
        return None
    if not options.file and (re.search(r"[\\/]", source) or Path(source).suffix):
        raise BadInput("There is no such folder or zip", source)
    return catalogue.entry(source)


def check_not_described(options):
    """Refuse words about a model that its entry in the catalogue has already.

    Raises
    ------
    BadInput
    """
    said = [f"--{text}" for text in ("recipe", "label", *TEXTS) if getattr(options, text)]
    if said:
        raise BadInput(f"The catalogue decides this for {options.source}: {', '.join(said)}", "", "Leave it out")


def checkpoint_file(text):
    """Return the file name that ``--checkpoint`` means; None for the usual one."""
    if text in (None, "final"):
        return None if text is None else CHECKPOINT
    name = text if text.endswith(".pth") else f"checkpoint_{text}.pth"
    if not re.fullmatch(r"checkpoint_\w+\.pth", name):
        raise BadInput("There is no such checkpoint", text, "Say final or best")
    return name


def label_of(text):
    """Return the label's name and the terminology of ``NAME=TERM``."""
    name, equals, term = text.rpartition("=")
    if not equals or not name.strip() or not term.strip():
        raise BadInput("A label has to be said as NAME=TERM", text, f"TERM is one of {', '.join(TERMS)}")
    return name.strip(), term.strip()


def model_record(model):
    """Return what programs want to know of a model, as JSON."""
    return {
        "name": model.name,
        "title": model.card["title"],
        "configuration": model.configuration,
        "checkpoint": model.checkpoint,
        "folds": list(model.folds),
        "members": [{"name": member.name, "folds": list(member.folds)} for member in model.members],
        "size": disk_use(model),
        "licence": model.card["licence"],
        "folder": str(model.folder),
        "recipe_source": model.recipe_source,
        "hash": model.hash,
        "shipped": model.shipped,
    }

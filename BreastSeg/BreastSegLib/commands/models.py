"""``models …``: what is in the model library, and what can be done with it."""

import json
import os
import sys

from ..errors import BadInput
from ..files import check_output
from ..models import find_model, place, survey
from ..models.ensemble import combine
from ..models.manage import disk_use, export, remove, rename, verify
from ..models.vetting import Untrusted, distrust_in, untrusted_in
from . import environment, model_install
from .events import add_events, carry_out
from .model_catalogue import add_catalogue, size_text
from .phases import print_table


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser("models", help="install, list, check, combine, export or remove models")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list the models that can be used")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(function=run_list)
    show = actions.add_parser("show", help="show a model's card")
    show.add_argument("name", metavar="NAME", help="a model's name or folder")
    show.set_defaults(function=run_show)
    model_install.add_arguments(actions)
    _add_changes(actions)
    trust = actions.add_parser(
        "trust",
        help="trust a checkpoint that names more than nnU-Net's checkpoints do",
        description="Without --yes, says what the checkpoints name. Trust is given to the very file, by its SHA-256.",
    )
    trust.add_argument("files", nargs="+", metavar="FILE", help="a checkpoint, or the folder or zip of a model")
    choice = trust.add_mutually_exclusive_group()
    choice.add_argument("--yes", action="store_true", help="you know where it comes from and trust it")
    choice.add_argument("--forget", action="store_true", help="trust FILE no longer")
    add_events(trust)
    trust.set_defaults(function=run_trust)
    add_catalogue(actions)
    folder = actions.add_parser("folder", help="print the folder of the model library, or choose another")
    folder.add_argument("folder", nargs="?", metavar="DIR", help="keep models here from now on")
    folder.add_argument("--default", action="store_true", help="go back to the usual folder")
    folder.set_defaults(function=run_folder)
    environment.add_arguments(actions)


def _add_changes(actions):
    """Add the actions that check, change or write models."""
    for word, text in (
        ("verify", "read every file of models and compare it with its checksum"),
        ("check", "the same"),
    ):
        checking = actions.add_parser(word, help=text)
        checking.add_argument("names", nargs="*", metavar="NAME", help="names or folders (default: all models)")
        add_events(checking)
        checking.set_defaults(function=run_verify)
    renaming = actions.add_parser("rename", help="give an installed model another name")
    renaming.add_argument("name", metavar="NAME")
    renaming.add_argument("new", metavar="NEW")
    removing = actions.add_parser("remove", help="delete an installed model")
    removing.add_argument("name", metavar="NAME")
    removing.add_argument("--yes", action="store_true", help="do not ask")
    for parser, function in ((renaming, run_rename), (removing, run_remove)):
        parser.add_argument(
            "--with-ensembles", action="store_true", help="also in, or with, the ensembles that use it"
        )
        add_events(parser)
        parser.set_defaults(function=function)
    exporting = actions.add_parser("export", help="write a model with its card as a zip, to install elsewhere")
    exporting.add_argument("name", metavar="NAME", help="a model's name or folder")
    exporting.add_argument("file", metavar="FILE.zip")
    exporting.add_argument("--overwrite", action="store_true", help="replace an existing file")
    add_events(exporting)
    exporting.set_defaults(function=run_export)
    combining = actions.add_parser(
        "combine",
        help="make an ensemble: a model that averages the probabilities of several",
        description="MODEL is a name, or NAME:0,1 to use only these folds of it.",
    )
    combining.add_argument("name", metavar="NAME", help="the ensemble's name")
    combining.add_argument("models", nargs="+", metavar="MODEL")
    combining.add_argument("--title", default="", help="what people read")
    combining.add_argument("--overwrite", action="store_true", help="replace an ensemble of this name")
    add_events(combining)
    combining.set_defaults(function=run_combine)


def run_list(options):
    """Print one line for each model, then one for each that cannot be used."""
    models, problems = survey()
    if options.json:
        record = {
            "models": [model_install.model_record(model) for model in models],
            "problems": {name: error.line for name, error in problems.items()},
        }
        sys.stdout.write(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
        return
    rows = [
        (model.name, model.card["title"], _kind(model), _folds(model), size_text(disk_use(model)), _licence(model))
        for model in models
    ]
    print_table([("Name", "Title", "Configuration", "Folds", "Size", "Licence"), *rows])
    for name, error in problems.items():
        sys.stdout.write(f"{name}: not usable: {error.line}\n")


def _kind(model):
    if model.members:
        return "ensemble of " + ", ".join(member.name for member in model.members)
    return model.configuration or "unknown"


def _folds(model):
    return " | ".join(" ".join(part.folds) for part in model.parts)


def _licence(model):
    return str(model.card["licence"])


def run_show(options):
    """Print the card, the folds, the channels and the size of a model."""
    model = find_model(options.name)
    record = {**model.card, **model_install.model_record(model), "channels": list(model.channel_names)}
    sys.stdout.write(json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def run_verify(options):
    """Read models whole and say what is wrong; exit with 2 if anything is."""
    names = options.names
    if not names:
        models, problems = survey()
        names = [*(model.name for model in models), *problems]

    def work(report):
        found = {str(name): verify(name, report) for name in names}
        return {"models": found, "problems": [f"{name}: {line}" for name, lines in found.items() for line in lines]}

    def show(result):
        for name, lines in result["models"].items():
            if not lines:
                sys.stdout.write(f"{name}: every file is as it was when it was installed\n")
        bad = [name for name, lines in result["models"].items() if lines]
        if bad:
            what = f"{len(bad)} of {len(result['models'])} models cannot be used as they are"
            raise BadInput(what, "; ".join(result["problems"]), "Install them again")

    carry_out(options, work, show)


def run_rename(options):
    """Give a model another name."""

    def work(_report):
        model = rename(options.name, options.new, options.with_ensembles)
        return {"models": [model_install.model_record(model)]}

    carry_out(options, work, lambda _result: sys.stdout.write(f"{options.name} is now {options.new}\n"))


def run_remove(options):
    """Delete a model, after asking."""
    if not options.yes:
        _ask(f"Delete the model {options.name}? Its files are lost. [y/N] ", options.name)
    carry_out(
        options,
        lambda _report: {"removed": remove(options.name, options.with_ensembles)},
        lambda result: sys.stdout.write(f"Removed: {', '.join(result['removed'])}\n"),
    )


def _ask(question, name):
    """Go on only if somebody at a terminal says so."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise BadInput("Removing a model has to be confirmed", name, "Say --yes")
    sys.stderr.write(question)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise BadInput("The model was kept", name)


def run_export(options):
    """Write a model as a zip."""
    check_output(options.file, options.overwrite)

    def work(report):
        path = export(options.name, options.file, options.overwrite, report)
        return {"file": str(path), "size": path.stat().st_size}

    carry_out(options, work, lambda result: sys.stdout.write(f"{result['file']}: {size_text(result['size'])}\n"))


def run_combine(options):
    """Make an ensemble."""

    def work(_report):
        members = [_member(text) for text in options.models]
        model = combine(options.name, members, options.title, options.overwrite)
        return {"models": [model_install.model_record(model)]}

    def show(_result):
        sys.stdout.write(f"{options.name} averages {', '.join(options.models)}\n")

    carry_out(options, work, show)


def _member(text):
    """Return the name and the folds, or None, of a member as it is written on the command line."""
    name, colon, folds = text.partition(":")
    if colon and not folds.strip():
        raise BadInput("No folds are named", text, "Write it as NAME:0,1")
    return name, [fold.strip() for fold in folds.split(",")] if colon else None


def run_trust(options):
    """Say what checkpoints name, and trust them or no longer."""

    def work(_report):
        if options.forget:
            for file in options.files:
                distrust_in(file)
            return {"forgotten": options.files}
        found = {file: untrusted_in(file, options.yes) for file in options.files}
        for file, rows in found.items():
            if rows and not options.yes:
                names = sorted({name for unknown in rows.values() for name in unknown})
                raise Untrusted(
                    f"Opening it would use what no nnU-Net checkpoint needs: {', '.join(names)}",
                    file,
                    "If you know where it comes from and trust it, say --yes",
                    names,
                )
        return {"trusted": {file: list(rows) for file, rows in found.items()}}

    def show(result):
        for file in result.get("forgotten", ()):
            sys.stdout.write(f"{file} is trusted no longer\n")
        for file, rows in result.get("trusted", {}).items():
            text = f"trusted from now on: {', '.join(rows)}" if rows else "needs no trust"
            sys.stdout.write(f"{file}: {text}\n")

    carry_out(options, work, show)


def run_folder(options):
    """Print or choose the folder of the model library."""
    if options.folder is not None and options.default:
        raise BadInput("A folder and --default contradict each other", options.folder, "Give one of them")
    if options.folder is not None or options.default:
        before = place.library_folder()
        place.set_library_folder(None if options.default else options.folder)
        if os.environ.get(place.ENVIRONMENT):
            sys.stdout.write(f"Note: the environment variable {place.ENVIRONMENT} is set, and counts first\n")
        elif before != place.library_folder() and before.is_dir():
            sys.stdout.write(f'Note: models in {before} stay there; bring them with: models install "{before}"\n')
    sys.stdout.write(f"{place.library_folder()}\n")

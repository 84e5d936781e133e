"""``models catalogue``: models that can be had; and the installation of one of them by its name."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from ..errors import BadInput
from ..models import catalogue
from ..models.card import sha256_of
from ..models.completing import NeedsLicence
from ..models.download import CHECKING, download
from ..models.install import check_new_name, install
from ..models.place import check_writable, library_folder
from ..recipe import load_recipe

DOWNLOADS = ".downloads"
# What users may decide of an entry, by its name in the options and in `install`.
ASKED = ("name", "configuration", "checkpoint", "accept_licence", "combine", "overwrite")


def add_catalogue(actions):
    """Add the action ``catalogue`` to those of ``models``."""
    parser = actions.add_parser(
        "catalogue",
        help="list the models that can be installed by name",
        description="List the models that can be installed by name: those that the extension knows, and those in the "
        f"file {catalogue.NAME} of your model library.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="only this one, with all that is known of it")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--schema", action="store_true", help="print the JSON Schema of a catalogue file")
    parser.set_defaults(function=run_catalogue)


def add_entry_arguments(parser):
    """Add to ``models install`` what only entries of the catalogue need."""
    parser.add_argument(
        "--file", metavar="ZIP", help="with a name of the catalogue: the zip (or its folder) that you downloaded"
    )
    parser.add_argument("--accept-licence", action="store_true", help="with a name of the catalogue: accept its terms")
    parser.add_argument(
        "--proxy",
        metavar="http://HOST:PORT",
        help="with a name of the catalogue: download through it (else HTTPS_PROXY, NO_PROXY of the environment)",
    )


def run_catalogue(options):
    """Print the entries, or the schema."""
    if options.schema:
        sys.stdout.write(json.dumps(catalogue.catalogue_schema(), indent=2, ensure_ascii=False) + "\n")
        return
    found, problems = catalogue.survey()
    if options.name:
        found, problems = [catalogue.entry(options.name)], []
    if options.json:
        record = {"models": [entry_record(entry) for entry in found], "problems": [error.line for error in problems]}
        sys.stdout.write(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
        return
    sys.stdout.write("\n\n".join("\n".join(lines_of(entry)) for entry in found) + "\n")
    for error in problems:
        sys.stdout.write(f"\nNot usable: {error.line}\n")
    if not options.name:
        sys.stdout.write(f"\nYour own entries go into {catalogue.own_catalogue()}\n")


def lines_of(entry):
    """Return what people have to know of an `Entry`, line by line."""
    terms = ", has to be accepted" if entry.licence.must_accept else ""
    lines = [f"{entry.name}: {entry.title}", f"  {entry.description}", f"  Licence: {entry.licence.text}{terms}"]
    lines += [f"  Recipe: {entry.recipe}", f"  Cite: {entry.citation}"]
    if entry.size:
        lines.append(f"  Size: {size_text(entry.size)}")
    if entry.instructions:
        lines.append(f"  File: {entry.instructions}")
    return [*lines, f"  Install: {command_for(entry)}"]


def command_for(entry):
    """Return the command that installs an `Entry`."""
    words = ["models install", entry.name]
    words += [] if entry.url else ["--file ZIP"]
    return " ".join(words + (["--accept-licence"] if entry.licence.must_accept else []))


def entry_record(entry):
    """Return an `Entry` as JSON."""
    record = {key: value for key, value in asdict(entry).items() if value not in ("", 0, {})}
    return {**record, "source": str(entry.source), "install": command_for(entry)}


def size_text(size):
    """Return a number of bytes for people."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(size / 1e6, 0.1):.1f} MB"


def install_entry(entry, options, report=None, **arguments):
    """Install a model of the catalogue from its address, or from the user's own file.

    Parameters
    ----------
    entry : catalogue.Entry
    options : argparse.Namespace
        Of ``models install``.
    report : callable, optional
        ``report(stage, done, total)``; may raise `Cancelled`.
    **arguments
        Further ones of `models.install.install`, such as ``notes``.

    Returns
    -------
    tuple of Model

    Raises
    ------
    NeedsLicence
        If the terms have to be accepted and are not.
    BadInput
        If the file is missing or another one than the catalogue says, or it is no model.
    """
    check_licence(entry, options)
    check_new_name(options.name or entry.name, library_folder(), options.overwrite)
    arguments |= {name: getattr(options, name) for name in ASKED}
    arguments |= {"load_recipe": load_recipe, "entry": entry}
    if options.file:
        return install(checked_file(entry, options.file, report), report=report, **arguments)
    if not entry.url:
        raise BadInput(
            f"{entry.title} cannot be downloaded by the program",
            entry.name,
            f"{entry.instructions.rstrip('. ')}: {command_for(entry)}",
        )
    check_writable(library_folder())
    zip_file = downloads_folder() / f"{entry.name}-{entry.sha256[:16]}.zip"
    if not (zip_file.is_file() and sha256_of(zip_file) == entry.sha256):
        zip_file.unlink(missing_ok=True)
        download(entry.url, zip_file, entry.sha256, entry.size, report, options.proxy)
    models = install(zip_file, report=report, **arguments)
    # Kept when the installation fails, so that it need not come again.
    zip_file.unlink(missing_ok=True)
    return models


def check_licence(entry, options):
    """Raise `NeedsLicence` unless the user accepts the terms, or need not."""
    if entry.licence.must_accept and not options.accept_licence:
        raise NeedsLicence(
            f"The licence of {entry.name} has to be accepted: {entry.licence.name}",
            entry.licence.url,
            "Read it; if you accept it, add --accept-licence",
            entry,
        )


def checked_file(entry, path, report=None):
    """Return the user's own file (or folder) as a Path after comparing it with the catalogue.

    Raises
    ------
    BadInput
        If it is missing, or has another checksum or size than the catalogue says.
    """
    path = Path(path)
    if not path.exists():
        raise BadInput("There is no such file", path, f"It can be had so: {entry.instructions or entry.url}")
    if path.is_dir() and not entry.sha256:
        return path
    if path.is_dir():
        raise BadInput("The file of this model has to be a zip, as it was downloaded", path, "Give the zip itself")
    size = path.stat().st_size
    if entry.size and size != entry.size:
        raise BadInput(
            f"The file has {size} bytes; that of {entry.name} has {entry.size}", path, "Download it again, all of it"
        )
    share = (lambda done: report(CHECKING, done, size)) if report else None
    if entry.sha256 and sha256_of(path, share) != entry.sha256:
        raise BadInput(f"The file is not that of {entry.name}: its SHA-256 differs", path, "Download it again")
    return path


def downloads_folder():
    """Return the folder that files are downloaded to; a name with a dot first is no model."""
    return library_folder() / DOWNLOADS

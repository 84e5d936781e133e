"""What can be done with installed models: check, rename, remove, export, measure."""

import os
import zipfile
from hashlib import sha256
from pathlib import Path

from ..errors import BadInput
from ..files import check_output, read_json, whole_file, write_json
from .card import ENSEMBLE, NAME, changed_files, check_name, read_card
from .ensemble import ensembles_with, renamed_member
from .library import RECIPE, SHIPPED, find_model, open_model
from .place import library_folder
from .plans import check_network
from .vetting import check_checkpoints
from .workroom import library_lock, set_aside, taken, workroom

PIECE = 1 << 20
DATE = (1980, 1, 1, 0, 0, 0)  # the zip of the same model is the same, byte by byte


def verify(name, report=None):
    """Read every file of a model, compare it with the card's checksum, and return what is wrong as sentences.

    Parameters
    ----------
    name : str or Path
        An installed or shipped model, an ensemble (all its members are read) or a model folder.
    report : callable, optional
        ``report(stage, done, total)`` in MiB; may raise `Cancelled`.

    Raises
    ------
    BadInput
        If there is no such model.
    """
    try:
        folder = _folder_of(name)
        if read_card(folder)["format"] == ENSEMBLE:
            members = open_model(folder, verify=False).members
            return [f"{one.name}: {line}" for one in members for line in verify(one.folder, report)]
        changed = changed_files(folder, read_card(folder), True, report)
        problems = [f"{file} is missing, or is not the file that was installed" for file in changed]
        if not problems:
            _check_content(open_model(folder, verify=False))
        return problems
    except _NotThere as error:
        raise BadInput(error.what, error.where, error.hint) from error
    except BadInput as error:
        return [error.line]


def _check_content(model):
    """Check plans and checkpoints once more: what was harmless to an older version may not be to this one."""
    check_network(model.folder, model.configuration or None)
    names = [f"fold_{fold}/{model.checkpoint}" for fold in model.folds]
    check_checkpoints(model.folder, names, model.folder)


def rename(name, new, with_ensembles=False):
    """Give an installed model another name and return it.

    Parameters
    ----------
    name, new : str
    with_ensembles : bool
        Also in the ensembles that use it; without that a model in use is refused.

    Raises
    ------
    BadInput
        If there is no such model, it ships with the extension, or the new name is wrong or taken.
    """
    library, folder = _own(name)
    check_name(new)
    users = _users(name, library, with_ensembles)
    with library_lock(library):
        other = taken(new, SHIPPED) or taken(new, library)
        if other is not None and other != name:
            raise BadInput(f"There is a model named {other}", library, "Choose another name")
        # The folder's name is the model's, whatever the card says: this one rename is all that has to succeed.
        placed = library / new
        try:
            os.rename(folder, placed)
        except OSError as error:
            raise BadInput(
                f"The model cannot be renamed: {error.strerror or error}", folder, "Close the programs that use it"
            ) from error
        card = read_json(placed / NAME)
        title = new if card.get("title") == name else card.get("title")  # it had none of its own
        write_json(placed / NAME, {**card, "name": new, "title": title}, overwrite=True)
        for user in users:
            card = read_json(library / user / NAME)
            write_json(library / user / NAME, renamed_member(card, name, new), overwrite=True)
    return open_model(placed, verify=False)


def remove(name, with_ensembles=False):
    """Delete an installed model and return the names of what was deleted.

    Parameters
    ----------
    name : str
    with_ensembles : bool
        Also the ensembles that use it (not their other members); without that a model in use is refused.

    Raises
    ------
    BadInput
        If there is no such model, it ships with the extension, is in use, or cannot be deleted.
    """
    library, folder = _own(name)
    users = _users(name, library, with_ensembles)
    with workroom(library) as room, library_lock(library):
        moved = []
        try:
            for one in (folder, *(library / user for user in users)):
                set_aside(room, one)
                moved.append(one)
        except BadInput:
            for one in moved:
                os.rename(room / one.name, one)
            raise
    return [name, *users]


def export(name, path, overwrite=False, report=None):
    """Write a model with its card and its own recipe as a zip that installs elsewhere as it is.

    Parameters
    ----------
    name : str or Path
        Of an ensemble, its members are in the zip too.
    path : str or Path
        Ends in ``.zip``.
    overwrite : bool
        Replace an existing file.
    report : callable, optional
        ``report(stage, done, total)`` in MiB; may raise `Cancelled`.

    Returns
    -------
    Path

    Raises
    ------
    BadInput
        If there is no such model, a file of it has changed, or the zip cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".zip":
        raise BadInput("The export is a zip", path, "Give a file name that ends in .zip")
    check_output(path, overwrite)
    model = find_model(name, verify=False)
    models = [model, *model.members]
    sizes = {one.name: _sizes(one) for one in models}
    total, done = sum(sum(files.values()) for files in sizes.values()), 0
    with (
        whole_file(path, overwrite) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive,
    ):
        for one in models:
            for file in sizes[one.name]:
                done = _pack(archive, one, file, done, total, report)
    return path


def disk_use(model):
    """Return the bytes that a model takes on the disk; of an ensemble, its card only."""
    return sum(path.stat().st_size for path in model.folder.rglob("*") if path.is_file())


class _NotThere(BadInput):
    """There is no model of that name, which is not a problem of a model."""


def _folder_of(name):
    """Return the folder of a model that may be broken."""
    text = str(name)
    if not any(sign in text for sign in "/\\") and not text.startswith("."):
        for place in (SHIPPED, library_folder()):
            if text and os.path.isfile(place / text / NAME):
                return place / text
    if os.path.isdir(text):
        return Path(text).resolve()
    try:
        return find_model(name, verify=False).folder
    except BadInput as error:
        raise _NotThere(error.what, error.where, error.hint) from error


def _own(name):
    """Return the library's folder and that of an installed model in it; the model may be broken."""
    library = library_folder()
    if taken(str(name), SHIPPED) == str(name):
        raise BadInput("The model ships with the extension, so it can be neither renamed nor removed", name)
    names = [path.parent.name for path in library.glob("*/" + NAME) if not path.parent.name.startswith(".")]
    if str(name) not in names:
        raise BadInput("There is no such installed model", name, f"Installed: {', '.join(sorted(names)) or 'none'}")
    return library, library / str(name)


def _users(name, library, with_ensembles):
    users = ensembles_with(name, library)
    if users and not with_ensembles:
        raise BadInput(
            f"The model is used by the ensemble{'s' if len(users) > 1 else ''} {', '.join(users)}",
            name,
            "Say --with-ensembles if that is meant",
        )
    return users


def _sizes(model):
    """Return the size of each file of a model that goes into its zip, by relative name; the card first."""
    names = [NAME, *(model.card.get("checksums") or {})]
    if (model.folder / RECIPE).is_file() and RECIPE not in names and not model.members:
        names.append(RECIPE)
    return {name: (model.folder / name).stat().st_size for name in names}


def _pack(archive, model, name, done, total, report):
    """Write one file of a model into the zip, comparing its checksum; return the bytes done so far."""
    entry = zipfile.ZipInfo(f"{model.name}/{name}", DATE)
    entry.compress_type = zipfile.ZIP_STORED if name.endswith(".pth") else zipfile.ZIP_DEFLATED
    entry.external_attr = 0o100644 << 16
    digest = sha256()
    with open(model.folder / name, "rb") as source, archive.open(entry, "w", force_zip64=True) as target:
        while piece := source.read(PIECE):
            digest.update(piece)
            target.write(piece)
            done += len(piece)
            if report is not None:
                report("Exporting", done >> 20, total >> 20)
    known = (model.card.get("checksums") or {}).get(name)
    if known is not None and digest.hexdigest() != known:
        raise BadInput(f"The file {name} is not the one that was installed", model.folder, "Install the model again")
    return done

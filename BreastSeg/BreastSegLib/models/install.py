"""Installs models into the model library: copied beside, looked through, given a card, then put in place at once."""

import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInput
from ..files import read_json, write_error, write_json
from .archive import FINGERPRINT, KEEP, unpack
from .card import ENSEMBLE, NAME, check_name, safe_name, write_card
from .completing import Wishes, complete_card
from .copying import copy_file, copy_files
from .ensemble import ensemble_card
from .library import RECIPE, SHIPPED, open_model
from .place import check_writable, library_folder
from .plans import check_network
from .sources import came_in, check_source, chosen_checkpoint, find_models
from .vetting import check_checkpoints
from .workroom import library_lock, put_in_place, taken, workroom


class NameTaken(BadInput):
    """A model of that name is there already; ``details["name"]`` is its name."""

    code = "name-taken"

    def __init__(self, what, where="", hint="", name=""):
        self.details = {"name": name}
        super().__init__(what, where, hint)


@dataclass(frozen=True)
class Ready:
    """A finished model folder that waits for its place; `replaces` is whether one of its name may be replaced."""

    folder: Path
    replaces: bool


@dataclass(frozen=True)
class Job:
    """One installation: what is installed where, what the user says about it, and whom to tell."""

    source: Path
    library: Path
    room: Path
    wishes: Wishes
    report: object
    notes: list


def install(source, *, report=None, library=None, notes=None, **wishes):
    """Install every model in a folder or zip into the model library, whole or not at all.

    Parameters
    ----------
    source : str or Path
        Folder or zip: of one model, of nnU-Net's export, of a results folder, or of `manage.export`.
    report : callable, optional
        ``report(stage, done, total)`` in MiB; may raise `Cancelled`.
    library : str or Path, optional
        Another folder than the user's model library.
    notes : list, optional
        Gets sentences about what was left out or recognised.
    **wishes
        See `completing.Wishes`; ``load_recipe`` is needed.

    Returns
    -------
    tuple of Model
        The ensemble last.

    Raises
    ------
    NeedsCard, NeedsLicence, Untrusted
        If the user has to say something first; the line says which options would say it.
    BadInput
        If there is no model, a file is unsafe or damaged, a name is taken, or the library cannot be written to.
        Nothing is left behind then.
    """
    wishes, source = Wishes(**wishes), check_source(source)
    library = library_folder() if library is None else Path(library)
    if wishes.name is not None:
        check_new_name(wishes.name, library, wishes.overwrite)
    check_writable(library)
    with workroom(library) as room:
        job = Job(source, library, room, wishes, report, [] if notes is None else notes)
        root = source
        if source.is_file():
            root = room / came_in(source)
            unpack(source, root, report, wishes.checkpoint)
        return _put_all(_make_all(job, root), job)


def _make_all(job, root):
    """Return the finished folder of every model in a folder."""
    wishes = job.wishes
    chosen = _choose(find_models(root, wishes.configuration, job.source), job)
    ready = []
    for found, own in zip(chosen, _names(chosen, wishes), strict=True):
        if found.is_ensemble:
            ready.append(_ready_ensemble(found, own, job))
        elif not _is_there(found, own, chosen, job):
            ready.append(_make(found, own, job))
    if wishes.combine:
        ready.append(_combined(ready, wishes.name or _base_name(chosen[0], wishes), job))
    if not ready:
        raise BadInput("All models in it are installed already", job.source)
    _check_ensembles(ready, job.library)
    return ready


def check_new_name(name, library, overwrite=False):
    """Check that a model of this name may be put into a library folder.

    Raises
    ------
    BadInput
        If it cannot be a folder's name everywhere, is that of a shipped model, or is taken.
    """
    check_name(name)
    shipped = taken(name, SHIPPED)
    if shipped is not None:
        what = f"A model that ships with the extension is named {shipped}"
        raise NameTaken(what, name, "Choose another name", name=shipped)
    other = taken(name, library)
    if other is not None and not (overwrite and other == name):
        hint = "Choose another name with --name" + (", or replace it with --overwrite" if other == name else "")
        raise NameTaken(f"There is a model named {other}", library, hint, name=other)


def _choose(found, job):
    """Return the models to install; what is left out is noted, or the error when nothing else is there."""
    configuration, source = job.wishes.configuration, job.source
    if configuration is not None:
        there = sorted({one.network.configuration for one in found if one.network is not None})
        wanted = [one for one in found if one.network is not None and one.network.configuration == configuration]
        if there and not wanted:
            what = f"The configuration {configuration} is not in it"
            raise BadInput(what, source, f"It has {', '.join(there)}")
        found = wanted or found
    usable = [one for one in found if one.problem is None]
    if not usable:
        raise found[0].problem
    job.notes.extend(f"{one.folder.name} was left out: {one.problem.line}" for one in found if one.problem is not None)
    without = [one for one in usable if one.card is None]
    configurations = [one.network.configuration for one in without]
    twice = next((name for name in configurations if configurations.count(name) > 1), None)
    if twice is not None:
        folders = ", ".join(
            f"{one.came_in}/{one.folder.name}" if one.came_in != one.folder.name else one.folder.name
            for one in without
            if one.network.configuration == twice
        )
        raise BadInput(f"It holds several models of the configuration {twice}: {folders}", source, "Choose one folder")
    return usable


def _names(chosen, wishes):
    """Return the name of each model: what the user says, else that of its own card, else one made of the dataset's."""
    said, alone = wishes.name, len(chosen) == 1
    files = [found for found in chosen if not found.is_ensemble]
    names = []
    for found in chosen:
        if found.is_ensemble:
            own = said if said is not None and len(chosen) - len(files) == 1 else found.card["name"]
        elif found.card is not None and (said is None or not alone):
            own = found.card["name"]
        else:
            own = said or _base_name(found, wishes)
            own += "" if len(files) == 1 else f"-{found.network.configuration}"
        names.append(check_name(own, found.folder.name))
    folded = [own.casefold() for own in names]
    twice = next((own for own in names if folded.count(own.casefold()) > 1), None)
    if twice is not None:
        raise BadInput(f"It holds two models named {twice}", hint="Install them one at a time, with --name")
    return names


def _base_name(found, wishes):
    if wishes.entry is not None:
        return wishes.entry.name
    if found.card is not None:
        return safe_name(found.card["name"])
    return found.proposal.own_name if wishes.recipe else found.proposal.name


def _is_there(found, own, chosen, job):
    """Whether a member that came with its ensemble is installed already, with the same weights."""
    card = job.library / own / NAME
    if not any(one.is_ensemble for one in chosen) or not card.is_file():
        return False
    known = read_json(card)
    same = isinstance(known, dict) and known.get("checksums") == found.card.get("checksums")
    if same:
        job.notes.append(f"The model {own} is installed already.")
    return same


def _make(found, own, job):
    """Make the finished folder of a model in the room, from a copy that nobody else changes."""
    target, ours = job.room / "ready" / own, job.room in found.folder.parents
    shown = job.source if ours else found.folder
    checkpoint, folds = chosen_checkpoint(found, job.wishes.checkpoint, shown)
    others = sorted(path.name for path in found.folder.glob("fold_*") if path.is_dir() and path.name not in folds)
    if others:
        job.notes.append(f"{own}: {', '.join(others)} left out, because there is no {checkpoint}.")
    card, recipe_file = complete_card(found, job.wishes, checkpoint, shown, job.notes)
    names = ["plans.json", "dataset.json", *(f"{fold}/{checkpoint}" for fold in folds)]
    # It serves for warnings only: one that the card that came with the model does not know is left out.
    vouched = found.card is None or FINGERPRINT in found.card["checksums"]
    extra = [FINGERPRINT] if vouched and (found.folder / FINGERPRINT).is_file() else []
    copy_files(found.folder, target, [*names, *extra], job.report, move=ours)
    if recipe_file is not None:
        copy_file(recipe_file, target / RECIPE)
        if job.wishes.load_recipe(target / RECIPE).hash != card["recipe_hash"]:
            raise BadInput("The recipe's file changed while it was copied", recipe_file, "Install the model again")
    check_network(target, found.network.configuration)
    check_checkpoints(target, names, shown, job.library)
    written = write_card(target, {**card, "name": own, "title": card["title"] or own}, overwrite=False)
    if found.card is not None:
        _compare(found.card["checksums"], written["checksums"], shown)
    return Ready(target, job.wishes.overwrite)


def _compare(known, made, shown):
    """Refuse files that differ from the checksums of the card that came with them, or that it does not list."""
    wrong = [name for name, value in made.items() if name != RECIPE and known.get(name) != value]
    wrong += [name for name in known if name not in made and (name in KEEP or name.endswith(".pth"))]
    if wrong:
        raise BadInput(
            f"The files differ from the checksums of the model's own card: {', '.join(wrong)}",
            shown,
            "Get the model again",
        )


def _ready_ensemble(found, own, job):
    target = job.room / "ready" / own
    target.mkdir(parents=True)
    write_json(target / NAME, {**found.card, "name": own})
    return Ready(target, job.wishes.overwrite)


def _combined(ready, name, job):
    """Make the ensemble of all models that are ready."""
    if len(ready) < 2:
        what = "There is only one model in it, so there is nothing to combine"
        raise BadInput(what, job.source, "Leave out --combine")
    files = [one.folder for one in ready if read_json(one.folder / NAME)["format"] != ENSEMBLE]
    models = [open_model(folder, verify=False) for folder in files]
    target = job.room / "ready" / check_name(name)
    target.mkdir()
    write_json(target / NAME, ensemble_card(name, [(model, None) for model in models]))
    return Ready(target, job.wishes.overwrite)


def _check_ensembles(ready, library):
    """Check that each new ensemble finds its members, among the new models or in the library."""
    for one in ready:
        if read_json(one.folder / NAME)["format"] == ENSEMBLE:
            open_model(one.folder, verify=False, beside=library)


def _put_all(ready, job):
    """Put every finished folder in its place, or none; return the models."""
    placed, room, library = [], job.room, job.library
    with library_lock(library):
        for one in ready:
            check_new_name(one.folder.name, library, one.replaces)
        try:
            for one in ready:
                placed.append(put_in_place(room, one.folder, library, one.replaces))
        except BaseException:
            for folder in placed:
                os.rename(folder, room / "ready" / folder.name)
            raise
    try:
        return tuple(open_model(folder, verify=False) for folder in placed)
    except OSError as error:
        raise write_error(error, library) from error

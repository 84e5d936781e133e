"""Where models are: those shipped with the extension, those in the user's model library, and any model folder."""

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import BadInput
from ..files import read_json
from .card import CHECKPOINT, ENSEMBLE, NAME, changed_files, read_card
from .place import chosen_folder, library_folder

SHIPPED = Path(__file__).resolve().parents[2] / "Resources" / "Models"
RECIPE = "recipe.json"
LIBRARY_ITSELF = "model library"  # the key of problems that concern the whole library


@dataclass(frozen=True)
class Model:
    """A complete model folder, or an ensemble of such models.

    Parameters
    ----------
    folder : Path
    card : dict
        See `card.read_card`.
    folds : tuple of str
        Folds to use: of a model those that have a checkpoint, ``0`` … ``4`` or ``all``; of an ensemble none.
    channel_names : tuple of str
        From nnU-Net's dataset.json, in network order; of an ensemble those of its first member.
    hash : str
        SHA-256 over the checkpoints' checksums in the card: changes when the weights change. Of an ensemble, over its
        members' hashes and folds.
    configuration : str
        nnU-Net's name of it, such as ``3d_fullres``; '' where only the checkpoint tells, and for an ensemble.
    checkpoint : str
        File name of the checkpoint in each fold's folder; '' for an ensemble.
    members : tuple of Model
        Of an ensemble, each with the folds that it is used with; else empty.
    """

    folder: Path
    card: dict
    folds: tuple
    channel_names: tuple
    hash: str
    configuration: str = ""
    checkpoint: str = CHECKPOINT
    members: tuple = ()

    @property
    def name(self):
        """str: the model's name in the library."""
        return self.card["name"]

    @property
    def parts(self):
        """tuple of Model: the members of an ensemble; else the model itself."""
        return self.members or (self,)

    @property
    def recipe_source(self):
        """str: what `recipe.load_recipe` takes: the file of the user's own recipe, which is kept with the model, or
        the name of a shipped one; of an ensemble that of its first member.
        """
        if self.members:
            return self.members[0].recipe_source
        own = self.folder / RECIPE
        return str(own) if own.is_file() else self.card["recipe"]

    @property
    def shipped(self):
        """bool: whether it came with the extension, so that it can be neither renamed nor removed."""
        return self.folder.parent == SHIPPED.resolve()


def list_models(folder=None):
    """Return the usable models of a folder of models, as `survey` does."""
    return survey(folder)[0]


def survey(folder=None):
    """Return the usable models, sorted by name, and the errors of the others by folder name.

    Folders without a card are not models. One broken model does not hide the rest. Checksums are left to `find_model`:
    they would keep a window waiting for models of several GB.

    Parameters
    ----------
    folder : str or Path, optional
        Only the models in this folder; else the shipped ones and those of the model library.

    Returns
    -------
    (list of Model, dict of str to BadInput)
    """
    models, problems = [], {}
    for place in _places(problems) if folder is None else (Path(folder),):
        for path in _model_folders(place):
            try:
                models.append(open_model(path, verify=False))
            except BadInput as error:
                problems[path.name] = error
    return sorted(models, key=lambda model: model.name), problems


def _places(problems):
    """Return the shipped folder and the model library; what is wrong with the library is noted in `problems`."""
    try:
        library = library_folder()
        if not library.is_dir() and chosen_folder() == library:
            hint = "Connect its disk, or choose another folder with: models folder DIR"
            problems[LIBRARY_ITSELF] = BadInput("The folder of the model library is not there", library, hint)
    except BadInput as error:
        problems[LIBRARY_ITSELF] = error
        return (SHIPPED,)
    return SHIPPED, library


def _model_folders(place):
    """Return the model folders in `place`, sorted; names with a dot first are installs under way or broken off."""
    try:
        found = sorted(path.parent for path in place.glob("*/" + NAME))
    except OSError:  # a folder that may not be listed holds nothing that could be used
        return []
    return [path for path in found if not path.name.startswith(".")]


def find_model(name_or_folder, verify=True):
    """Return the `Model` of a shipped or installed name, or of a folder; `verify` as in `open_model`.

    Raises
    ------
    BadInput
        If there is no such model, or its folder is incomplete.
    """
    text, problems = str(name_or_folder), {}
    places = _places(problems)
    if "/" not in text and "\\" not in text and not text.startswith("."):
        for place in places:
            if text and os.path.isfile(place / text / NAME):
                return open_model(place / text, verify)
    if os.path.isdir(text):
        return open_model(text, verify)
    names = ", ".join(sorted(path.name for place in places for path in _model_folders(place))) or "no model"
    beside = "".join(f"; {error.what} ({error.where})" for error in problems.values())
    raise BadInput("There is no such model", text, f"Installed: {names}; or give a model folder{beside}")


def open_model(folder, verify=True, report=None, beside=None):
    """Return the `Model` of `folder` after checking that it is whole.

    Parameters
    ----------
    folder : str or Path
    verify : bool
        Compare every file with the card's checksum; else only that each is there.
    report : callable, optional
        ``report(stage, done, total)`` in MiB, while the files are compared; may raise `Cancelled`.
    beside : Path, optional
        Where the members of an ensemble are looked for, after the folders beside it and before the model library.

    Raises
    ------
    BadInput
        If dataset.json, plans.json, the card or every checkpoint is missing, or a file differs from the card's
        checksums; of an ensemble, if a member is missing or has changed.
    """
    folder = Path(folder).resolve()
    if not (folder / NAME).is_file() or read_card(folder)["format"] != ENSEMBLE:
        return _open_files(folder, verify, report)
    card = _named_as_folder(folder, read_card(folder))
    places = [folder.parent, *([] if beside is None else [Path(beside)]), *_places({})]
    members = tuple(_open_member(folder, row, places, verify, report) for row in card["members"])
    text = "\n".join(f"{member.hash} {' '.join(member.folds)}" for member in members)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Model(folder, card, (), members[0].channel_names, digest, "", "", members)


def _open_files(folder, verify, report):
    """Return the `Model` of a folder that has files of its own."""
    for name in ("dataset.json", "plans.json"):
        if not (folder / name).is_file():
            raise BadInput(
                f"The folder is not an nnU-Net model: {name} is missing",
                folder,
                "Choose the folder that holds plans.json and fold_0",
            )
    card = read_card(folder) if (folder / NAME).is_file() else {}
    checkpoint = card.get("checkpoint", CHECKPOINT)
    folds = tuple(sorted(path.parent.name.removeprefix("fold_") for path in folder.glob(f"fold_*/{checkpoint}")))
    if not folds:
        raise BadInput(
            f"The model has no checkpoint: no fold_*/{checkpoint}",
            folder,
            "Choose a model whose training has finished",
        )
    card = card or read_card(folder)
    changed = changed_files(folder, card, verify, report)
    if changed:
        raise BadInput(
            "Files of the model are missing, or were added or changed after its card was written: "
            + ", ".join(changed),
            folder,
            "Install the model again",
        )
    weights = "".join(value for name, value in sorted(card["checksums"].items()) if name.endswith(".pth"))
    return Model(
        folder,
        _named_as_folder(folder, card),
        folds,
        channel_names(folder / "dataset.json"),
        hashlib.sha256(weights.encode()).hexdigest(),
        card.get("configuration") or _only_configuration(folder / "plans.json"),
        checkpoint,
    )


def _named_as_folder(folder, card):
    """Return the card with the folder's name: in the model library the folder's name is the model's."""
    try:
        library = library_folder().resolve()
    except BadInput:
        return card
    return {**card, "name": folder.name} if folder.parent == library else card


def _open_member(folder, row, places, verify, report):
    """Return a member of the ensemble in `folder`, with the folds that it is used with."""
    name = row["model"]
    place = next((place / name for place in places if (place / name / NAME).is_file()), None)
    if place is None:
        raise BadInput(f"The ensemble needs the model {name}, which is not installed", folder, f"Install {name}")
    if read_card(place)["format"] == ENSEMBLE:
        raise BadInput(f"The ensemble's member {name} is an ensemble itself", folder, "Combine its members instead")
    member = open_model(place, verify, report)
    if member.hash != row["hash"]:
        raise BadInput(
            f"The model {name} has other weights than when the ensemble was made", folder, "Combine the models again"
        )
    folds = member.folds if row["folds"] is None else tuple(row["folds"])
    missing = [fold for fold in folds if fold not in member.folds]
    if missing or not folds:
        raise BadInput(f"The ensemble's member {name} has no fold {', '.join(missing)}", folder)
    return replace(member, folds=folds)


def _only_configuration(path):
    """Return the name of the configuration in plans.json if it holds a single one; else ''."""
    plans = read_json(path)
    configurations = plans.get("configurations") if isinstance(plans, dict) else None
    names = list(configurations) if isinstance(configurations, dict) else []
    return names[0] if len(names) == 1 else ""


def channel_names(path):
    """Return the channel names of nnU-Net's dataset.json in network order: by number, as 10 comes after 2."""
    dataset = read_json(path)
    names = dataset.get("channel_names", dataset.get("modality")) if isinstance(dataset, dict) else None
    if not isinstance(names, dict) or not names or not all(key.isdecimal() for key in names):
        raise BadInput(
            "The model's dataset.json has no table of channel names",
            path,
            "Choose a folder that nnU-Net v2 has trained",
        )
    return tuple(str(names[key]) for key in sorted(names, key=int))

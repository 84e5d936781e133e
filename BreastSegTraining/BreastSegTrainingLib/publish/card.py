"""The model card of a training: recipe, labels, data, how it was trained, how good it is, licence."""

import re
from pathlib import Path

from BreastSegLib import __version__
from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json
from BreastSegLib.models.card import CHECKPOINT, TERMS
from BreastSegLib.models.plans import read_network
from BreastSegLib.models.proposal import propose
from BreastSegLib.recipe import load_recipe

from ..curves import read_curves
from ..launch import FoldState
from ..trainers import names, resolve
from .data import sentence

USUAL_TERM = "mass"  # of a label that only says lesion
_SEPARATORS = re.compile(r"[\\/]")


def recipe_of(raw, training):
    """Return the recipe that the dataset was made with, and the file of the user's own recipe or None.

    Raises
    ------
    BadInput
        If the dataset names none, or it is not the recipe that it was made with any more.
    """
    own = raw.folder / "recipe.json"
    name = raw.description.get("recipe")
    if not own.is_file() and not name:
        raise BadInput(
            "The dataset does not say with which recipe it was made, so nobody could use the model",
            raw.folder,
            "Install the model folder with: BreastSegLib models install FOLDER --recipe NAME",
        )
    recipe = load_recipe(own if own.is_file() else name)
    expected = training.recipe_hash or raw.description.get("recipe_hash")
    if expected and recipe.hash != expected:
        raise BadInput(
            f"The recipe {recipe.name} is not the one that the dataset was made with",
            raw.folder,
            "Use the extension's version that made the dataset, or export it again and train anew",
        )
    return recipe, own if own.is_file() else None


def labels_of(folder, configuration, said):
    """Return the card's labels with their terminology.

    Parameters
    ----------
    folder : Path
        The new model folder, with plans.json and dataset.json.
    configuration : str
    said : dict of str to str
        Terminology by label, as the user says.

    Raises
    ------
    BadInput
        If a label or a term is unknown.
    """
    network = read_network(folder, configuration)
    proposed = propose(folder, network.dataset_name, configuration).labels
    labels = {name: value for name, value in network.labels.items() if value != 0}
    unknown = [name for name in said if name not in labels]
    if unknown:
        raise BadInput(f"The model has no label {unknown[0]!r}", "--label", f"It has {', '.join(labels)}")
    result = {}
    for name, value in sorted(labels.items(), key=lambda row: row[1]):
        term = said.get(name) or proposed.get(name, {}).get("terminology") or USUAL_TERM
        if term not in TERMS:
            raise BadInput(f"There is no terminology {term!r}", "--label", "Choose one of " + ", ".join(TERMS))
        result[name] = {"value": value, "terminology": term}
    return result


def training_record(training, folds, told, data, validation, checkpoint):
    """Return what the card's field ``training`` holds.

    Parameters
    ----------
    training : Training
    folds : sequence of str
    told : dict
        Of the process that wrote the checkpoints.
    data, validation : dict
        See `data.summarise` and `validation`.
    checkpoint : str
    """
    settings = resolve(training.trainer) if training.trainer in names() else {}
    settings = _without_folders({**settings, **training.settings})
    return {
        "data": sentence(data),
        "data_summary": data,
        "training": training.name,
        "preset": training.preset,
        "trainer": training.trainer,
        "inference_trainer": told["trainer"],
        "configuration": training.configuration,
        "folds": list(folds),
        "checkpoint": checkpoint.removeprefix("checkpoint_").removesuffix(".pth"),
        "epochs": told["epochs"],
        "best_epochs": {fold: _best_epoch(training, fold) for fold in folds},
        "parameters": told["parameters"],
        "seed": settings.get("seed"),
        "settings": settings,
        "plan": _without_folders(training.plan),
        "finetuned_from": Path(training.pretrained).name if training.pretrained else None,
        "ended": max((state.ended[:10] for state in _states(training, folds)), default=""),
        "versions": {**told["versions"], **_versions_then(training, folds), "extension": __version__},
        "cross_validation": validation,
    }


def card_of(options, recipe, labels, record, configuration):
    """Return the card, without checksums."""
    data = record["data_summary"]
    title = options.title or options.name
    text = options.description or f"Finds breast lesions; trained on {sentence(data)}."
    card = {
        "name": options.name,
        "title": title,
        "description": text,
        "recipe": _plain(recipe.name),
        "recipe_hash": recipe.hash,
        "labels": labels,
        "licence": options.licence,
        "citation": options.citation or "none",
        "training": record,
        "configuration": configuration,
    }
    return card if options.checkpoint == CHECKPOINT else {**card, "checkpoint": options.checkpoint}


def _states(training, folds):
    states = (FoldState.read(training.fold_folder(fold)) for fold in folds)
    return [state for state in states if state is not None]


def _best_epoch(training, fold):
    try:
        return read_curves(training.output(fold)).best_epoch
    except BadInput:
        return None


def _versions_then(training, folds):
    """Return the versions that nnU-Net noted when the folds were trained, where it did."""
    for fold in folds:
        path = training.output(fold) / "debug.json"
        noted = read_json(path) if path.is_file() else {}
        found = {"torch": noted.get("torch_version"), "cudnn": noted.get("cudnn_version")}
        found = {key: str(value) for key, value in found.items() if value not in (None, "None")}
        if found:
            return found
    return {}


def _without_folders(value):
    """Return settings in which a file is named without the folders that it lies in."""
    if isinstance(value, dict):
        return {key: _without_folders(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_folders(part) for part in value]
    return _SEPARATORS.split(value)[-1] if isinstance(value, str) else value


def _plain(name):
    """Return a recipe's name as a card may hold it; of an own recipe the file beside the card is what counts."""
    return _SEPARATORS.sub("-", name).replace(":", "-").removesuffix(".json") or "own-recipe"

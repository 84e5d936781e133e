"""Ensembles: several models whose probabilities are averaged, as a card that names them."""

from pathlib import Path

from ..errors import BadInput
from ..files import read_json, write_json
from .card import ENSEMBLE, NAME
from .library import find_model, open_model
from .place import library_folder
from .workroom import library_lock, put_in_place, workroom

RECIPES = Path(__file__).resolve().parents[2] / "Resources" / "recipes"


def combine(name, members, title="", overwrite=False):
    """Make an ensemble in the model library and return its `Model`.

    Parameters
    ----------
    name : str
    members : sequence of (str, sequence of str or None)
        Name of each installed or shipped model, and the folds to use: all when None. An ensemble stands for its
        members.
    title : str
        For people; made of the members' names when not given.
    overwrite : bool
        Replace an ensemble of the same name.

    Raises
    ------
    BadInput
        If there are fewer than two models, one is missing, one is named twice, they do not agree on the labels or on
        the kind of exam, or the name is taken.
    """
    from .install import check_new_name

    library = library_folder()
    check_new_name(name, library, overwrite)
    models = [(find_model(model, verify=False), folds) for model, folds in members]
    card = ensemble_card(name, models, title)
    with workroom(library) as room:
        folder = room / "ready" / name
        folder.mkdir(parents=True)
        write_json(folder / NAME, card)
        open_model(folder, verify=False, beside=library)
        with library_lock(library):
            placed = put_in_place(room, folder, library, overwrite)
    return open_model(placed, verify=False)


def ensemble_card(name, models, title=""):
    """Return the card of an ensemble.

    Parameters
    ----------
    name : str
    models : sequence of (Model, sequence of str or None)
        With the folds to use: all when None.
    title : str

    Raises
    ------
    BadInput
        See `combine`.
    """
    parts = [part for model, folds in models for part in _parts_of(model, folds)]
    names = [model.name for model, _folds in parts]
    if len(parts) < 2:
        raise BadInput("An ensemble needs at least two models", name, "To use several folds of one, name the folds")
    twice = next((own for own in names if names.count(own) > 1), None)
    if twice is not None:
        raise BadInput(f"The model {twice} is named twice in the ensemble", name)
    if name in names:
        raise BadInput("The ensemble has the name of one of its models", name, "Choose another name")
    models = [model for model, _folds in parts]
    _check_agreement(models)
    return {
        "format": ENSEMBLE,
        "name": name,
        **texts_of(names),
        **({"title": title} if title else {}),
        "members": [{"model": model.name, "hash": model.hash, "folds": folds} for model, folds in parts],
        "labels": models[0].card["labels"],
        "licence": _joined(model.card["licence"] for model in models),
        "citation": _joined(model.card["citation"] for model in models),
    }


def texts_of(names):
    """Return the title and the description of an ensemble of these models, for those who give none."""
    return {
        "title": f"Ensemble of {', '.join(names)}",
        "description": f"The mean of the probabilities of {len(names)} models: {', '.join(names)}.",
    }


def renamed_member(card, name, new):
    """Return an ensemble's card after one of its models was renamed; texts that a user wrote stay."""
    rows = [
        {**row, "model": new} if isinstance(row, dict) and row.get("model") == name else row for row in card["members"]
    ]
    before, after = (texts_of([_model_of(row) for row in some]) for some in (card["members"], rows))
    texts = {key: after[key] if card.get(key) == before[key] else card.get(key) for key in after}
    return {**card, "members": rows, **texts}


def _model_of(row):
    """Return what a row of an ensemble's card names, also of one that is broken."""
    return str(row.get("model") if isinstance(row, dict) else row)


def ensembles_with(name, library=None):
    """Return the names of the ensembles in a library folder that use a model, also of those that are broken.

    Parameters
    ----------
    name : str
    library : Path, optional
        The user's model library when not given.
    """
    found = []
    for path in sorted((library_folder() if library is None else Path(library)).glob("*/" + NAME)):
        if not path.parent.name.startswith("."):
            card = _card_as_it_is(path)
            members = card.get("members") if card.get("format") == ENSEMBLE else None
            rows = members if isinstance(members, list) else ()
            if any(isinstance(row, dict) and row.get("model") == name for row in rows):
                found.append(path.parent.name)
    return found


def _card_as_it_is(path):
    """Return what a card file holds, {} when it is not a card at all."""
    try:
        card = read_json(path)
    except BadInput:
        return {}
    return card if isinstance(card, dict) else {}


def _parts_of(model, folds):
    """Return (Model, folds or None) of a model or of an ensemble's members; the folds are checked."""
    if model.members:
        if folds:
            raise BadInput("Folds cannot be chosen of an ensemble", model.name, "Combine its models instead")
        rows = {row["model"]: row["folds"] for row in model.card["members"]}
        return [(member, rows[member.name]) for member in model.members]
    if not folds:
        return [(model, None)]
    chosen = [str(fold) for fold in folds]
    missing = [fold for fold in chosen if fold not in model.folds]
    if missing:
        raise BadInput(f"The model has no fold {', '.join(missing)}", model.name, "It has " + ", ".join(model.folds))
    return [(model, sorted(set(chosen)))]


def _check_agreement(models):
    """Refuse models whose probabilities cannot be averaged."""
    first = models[0]
    for other in models[1:]:
        if _meaning(other) != _meaning(first):
            raise BadInput(
                f"The models {first.name} and {other.name} do not mean the same by their labels: "
                f"{_words(first)}; {_words(other)}",
                hint="Combine models that were trained on the same labels",
            )
        if _kind(other) != _kind(first):
            raise BadInput(
                f"The models {first.name} and {other.name} are for different kinds of exams: {_kind(first)}; "
                f"{_kind(other)}",
                hint="Combine models for the same kind of exam",
            )


def _meaning(model):
    return {row["value"]: row["terminology"] for row in model.card["labels"].values()}


def _words(model):
    return ", ".join(f"{value} = {term}" for value, term in sorted(_meaning(model).items()))


def _kind(model):
    """Return for what kind of exam a model's recipe is, in words."""
    source = str(model.recipe_source)
    record = read_json(source if source.endswith(".json") else RECIPES / f"{source}.json")
    regions = any(isinstance(step, dict) and step.get("step") == "region" for step in record.get("steps", ()))
    return str(record.get("modality")) + (", in a region around each mass" if regions else "")


def _joined(texts):
    return "; ".join(dict.fromkeys(str(text) for text in texts))

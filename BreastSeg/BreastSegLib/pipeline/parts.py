"""The models that take part in a run: one, or the members of an ensemble, each with its folds and its recipe."""

from dataclasses import dataclass

from ..errors import BadInput
from ..models import Model
from ..recipe import Recipe, load_recipe


@dataclass(frozen=True)
class Part:
    """One model of a run.

    Parameters
    ----------
    model : Model
    folds : tuple of str
    recipe : Recipe
    """

    model: Model
    folds: tuple
    recipe: Recipe


def parts_of(model, folds=None):
    """Return the parts of a model: itself, or the members of an ensemble.

    Parameters
    ----------
    model : Model
    folds : sequence, optional
        All folds when not given. Of an ensemble its card says which.

    Raises
    ------
    BadInput
        If a fold is missing, a recipe has changed since a model was trained, or folds are named for an ensemble.
    """
    if not model.members:
        return (Part(model, chosen_folds(model, folds), recipe_of(model)),)
    if folds:
        raise BadInput(
            "Folds cannot be chosen for an ensemble", model.name, "Combine the models again with the folds you want"
        )
    return tuple(Part(member, member.folds, recipe_of(member)) for member in model.members)


def by_recipe(parts):
    """Return the parts grouped by recipe, as lists, in the order in which the recipes first come."""
    groups = {}
    for part in parts:
        groups.setdefault(part.recipe.hash, []).append(part)
    return list(groups.values())


def recipe_of(model):
    """Return the recipe of a model, after checking that it is the one the model was trained with."""
    recipe = load_recipe(model.recipe_source)
    if recipe.hash != model.card["recipe_hash"]:
        raise BadInput(
            f"The recipe {recipe.name} has changed since the model was trained",
            model.name,
            "Install the recipe's version that belongs to the model",
        )
    if recipe.channel_names is not None and len(recipe.channel_names) != len(model.channel_names):
        raise BadInput(
            f"The model has {len(model.channel_names)} channels, its recipe makes {len(recipe.channel_names)}",
            model.name,
            "Correct the model card",
        )
    return recipe


def chosen_folds(model, folds):
    """Return the folds to use: all that the model has when none are named."""
    chosen = tuple(str(fold) for fold in folds) if folds else model.folds
    missing = [fold for fold in chosen if fold not in model.folds]
    if missing:
        raise BadInput(f"The model has no fold {', '.join(missing)}", model.name, "It has " + ", ".join(model.folds))
    return tuple(dict.fromkeys(chosen))

"""Predictions before and after clean-up: by the recipe's own steps, or the largest region only."""

import numpy as np
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.mammograms.codes import LEFT_RIGHT
from BreastSegLib.files import read_json
from BreastSegLib.measures.side import breast_side
from BreastSegLib.recipe import clean, load_recipe
from BreastSegLib.volume import Volume

from ..dataset.layout import DESCRIPTION, RECIPE

OF_RECIPE, LARGEST, NONE = "recipe", "largest", "none"
LARGEST_STEPS = ({"step": "largest-component", "connectivity": 3, "scope": "exam"},)


def cleanup_steps(choice, dataset=None):
    """Return the clean-up steps that a choice means, and what they are called.

    Parameters
    ----------
    choice : str
        ``recipe``: those of the dataset's recipe; ``largest``: the largest region (M1, M2); ``none``; or the name or
        file of a recipe.
    dataset : Path, optional
        Folder of the raw dataset.

    Raises
    ------
    BadInput
        If the recipe is not known, or is not the one that the dataset was made with.
    """
    if choice == NONE:
        return (), NONE
    if choice == LARGEST:
        return LARGEST_STEPS, "largest region"
    recipe = recipe_of(dataset) if choice == OF_RECIPE else load_recipe(choice)
    return tuple(recipe.cleanup), f"recipe {recipe.name}"


def recipe_of(dataset):
    """Return the recipe that a raw dataset was made with.

    Raises
    ------
    BadInput
        If there is no dataset, it names no recipe, or the recipe means something else now.
    """
    hint = "Choose the clean-up largest or none, or name a recipe"
    if dataset is None or not (dataset / DESCRIPTION).is_file():
        raise BadInput("The recipe's clean-up needs the dataset", dataset or "", hint)
    record = read_json(dataset / DESCRIPTION)
    name = record.get("recipe") if isinstance(record, dict) else None
    if not isinstance(name, str) or not name:
        raise BadInput("The dataset does not say which recipe it was made with", dataset, hint)
    recipe = load_recipe(dataset / RECIPE if (dataset / RECIPE).is_file() else name)
    if recipe.hash != record.get("recipe_hash"):
        raise BadInput(f"The recipe {name} has changed since the dataset was made", dataset, hint)
    return recipe


def cleaned(mask, geometry, steps, spacing_known=True, laterality=None):
    """Return a cleaned mask.

    Parameters
    ----------
    mask : numpy.ndarray of bool
        (z, y, x); never changed.
    geometry : Geometry
    steps : sequence of dict
        As `BreastSegLib.recipe.clean` takes them.
    spacing_known : bool
    laterality : {'L', 'R', '', None}
        Of a mammogram; None for an exam in which sides have places.

    Returns
    -------
    numpy.ndarray of bool
        `mask` itself where nothing changed.
    """

    def side_of(point):
        return breast_side(point, geometry) if laterality is None else LEFT_RIGHT.get(laterality, "").lower()

    volume = Volume(mask.view(np.uint8), geometry)
    result, _, _ = clean(steps, volume, side_of, spacing_known)
    return mask if result is volume else result.array != 0

"""From an exam to network channels and back: declared, hashed, undone exactly where geometry allows.

A recipe is a JSON file (``Resources/recipes``); see `load_recipe`, `prepare_cases`, `restore` and `clean`.
"""

from .cleanup import clean
from .prepare import Prepared, prepare
from .recipe import Recipe, describe_recipe, list_recipes, load_recipe
from .regions import Region, read_region, regions_of_mask
from .restore import prepare_mask, restore
from .views import prepare_cases, prepare_view

__all__ = [
    "Prepared",
    "Recipe",
    "Region",
    "clean",
    "describe_recipe",
    "list_recipes",
    "load_recipe",
    "prepare",
    "prepare_cases",
    "prepare_mask",
    "prepare_view",
    "read_region",
    "regions_of_mask",
    "restore",
]

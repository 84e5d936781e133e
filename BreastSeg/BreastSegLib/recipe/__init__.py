"""From an exam to network channels and back: declared, hashed, undone exactly where geometry allows.

A recipe is a JSON file (``Resources/recipes``); see `load_recipe`, `prepare`, `restore` and `clean`.
"""

from .cleanup import clean
from .prepare import Prepared, prepare, prepare_mask, restore
from .recipe import Recipe, list_recipes, load_recipe

__all__ = ["Prepared", "Recipe", "clean", "list_recipes", "load_recipe", "prepare", "prepare_mask", "restore"]

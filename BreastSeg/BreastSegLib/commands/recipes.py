"""``recipes list | show | check | schema``: how exams are prepared, and whether one's own recipe is right."""

import json
import sys

from ..files import read_json
from ..recipe import describe_recipe, list_recipes, load_recipe
from ..recipe.recipe import FORMAT, parse_recipe
from .phases import print_table

MODALITIES = {"dce-mri": "DCE-MRI", "mammography": "mammograms", "any": "any"}


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser("recipes", help="list, show or check recipes")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list the recipes that ship with the extension")
    listing.add_argument("--kind", choices=("dce", "mammograms"), help="only those for this kind of exam")
    listing.set_defaults(function=run_list)
    show = actions.add_parser("show", help="show what a recipe does")
    show.add_argument("recipe", metavar="NAME_OR_FILE", help="a recipe's name or file")
    show.add_argument(
        "--json", action="store_true", help="print the recipe as JSON, with every parameter: the start of one's own"
    )
    show.set_defaults(function=run_show)
    check = actions.add_parser("check", help="say whether a recipe file is right, and what is wrong with it")
    check.add_argument("file", metavar="FILE", help="a JSON file")
    check.set_defaults(function=run_check)
    schema = actions.add_parser("schema", help="print the JSON Schema of recipes")
    schema.set_defaults(function=run_schema)


def run_list(options):
    """Print one line for each recipe."""
    recipes = [load_recipe(name) for name in list_recipes(options.kind)]
    print_table(
        [
            ("Recipe", "For", "Title"),
            *((recipe.name, MODALITIES[recipe.modality], recipe.title) for recipe in recipes),
        ]
    )


def run_show(options):
    """Print what a recipe does, step by step."""
    recipe = load_recipe(options.recipe)
    if options.json:
        sys.stdout.write(json.dumps(record_of(recipe), indent=2, ensure_ascii=False) + "\n")
        return
    names = recipe.channel_names
    sys.stdout.write(f"{recipe.title}\n")
    sys.stdout.write(f"Name: {recipe.name}\n")
    sys.stdout.write(f"For: {MODALITIES[recipe.modality]}\n")
    sys.stdout.write(f"Source: {recipe.source}\n")
    sys.stdout.write(f"Hash: {recipe.hash}\n")
    sys.stdout.write(f"Network channels: {'as the exam has them' if names is None else ', '.join(names)}\n")
    for line in describe_recipe(recipe):
        sys.stdout.write(f"- {line}\n")


def run_check(options):
    """Check a recipe file; what is wrong is the error."""
    recipe = parse_recipe(read_json(options.file), options.file)
    names = recipe.channel_names
    channels = "channels as the exam has them" if names is None else f"channels {', '.join(names)}"
    sys.stdout.write(f"The recipe is right: {recipe.name}, for {MODALITIES[recipe.modality]}, {channels}\n")


def run_schema(_options):
    """Print the JSON Schema, for editors that complete and check as one types."""
    from ..recipe.recipe import recipe_schema

    sys.stdout.write(json.dumps(recipe_schema(), indent=2, ensure_ascii=False) + "\n")


def record_of(recipe):
    """Return a recipe as the JSON object that declares it, with every parameter."""
    record = {"format": FORMAT} | {name: getattr(recipe, name) for name in ("name", "title", "source", "modality")}
    if recipe.modality == "any":
        record["channels"] = "all"
    if recipe.modality == "dce-mri":
        grid = recipe.grid
        record["channels"] = [{"name": name, "source": source.text} for name, source in recipe.channels]
        record["grid"] = {
            "spacing": None if grid.spacing is None else list(grid.spacing),
            "orientation": grid.orientation,
            "interpolation": grid.interpolation,
        }
        record["phases"], record["intensity"] = list(recipe.phases), list(recipe.intensity)
        record["slices"], record["time_tolerance_s"] = recipe.slices, recipe.time_tolerance_s
    if recipe.modality == "mammography":
        record["steps"] = list(recipe.steps)
    return {**record, "cleanup": list(recipe.cleanup)}

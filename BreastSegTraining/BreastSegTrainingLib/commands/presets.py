"""``presets list | show | check | schema``: the published methods, ready to be trained, and one's own."""

import json
import sys

from BreastSegLib.commands.phases import print_table

from ..presets import load_preset, names, preset_schema


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "presets",
        help="list, show or check presets",
        description="A preset is a method: recipe, dataset, trainer, plan and evaluation. train --preset takes one.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list the presets that ship with the extension")
    listing.set_defaults(function=run_list)
    show = actions.add_parser("show", help="show what a preset does, and where it differs from its source")
    show.add_argument("preset", metavar="NAME_OR_FILE", help="a preset's name or file")
    show.add_argument("--recipe", help="another recipe, as for the ablation of M4")
    show.add_argument("--json", action="store_true", help="print it as JSON: the start of one's own")
    show.set_defaults(function=run_show)
    check = actions.add_parser("check", help="say whether a preset file is right, and what is wrong with it")
    check.add_argument("file", metavar="FILE", help="a JSON file")
    check.set_defaults(function=run_check)
    schema = actions.add_parser("schema", help="print the JSON Schema of presets")
    schema.set_defaults(function=run_schema)


def run_list(options):
    """Print one line for each preset."""
    presets = [load_preset(name) for name in names()]
    print_table([("Preset", "Recipe", "Title"), *((one.name, one.recipe, one.title) for one in presets)])


def run_show(options):
    """Print what a preset does."""
    preset = load_preset(options.preset, options.recipe)
    if options.json:
        sys.stdout.write(json.dumps(preset.to_json(), indent=2, ensure_ascii=False) + "\n")
        return
    sys.stdout.write("\n".join(description(preset)) + "\n")


def run_check(options):
    """Check a preset file; what is wrong is the error."""
    preset = load_preset(options.file if options.file.endswith(".json") else f"{options.file}.json")
    sys.stdout.write(
        f"The preset is right: {preset.name}, {preset.recipe}, {preset.configuration}, {preset.trainer}\n"
    )


def run_schema(_options):
    """Print the JSON Schema, for editors that complete and check as one types."""
    sys.stdout.write(json.dumps(preset_schema(), indent=2, ensure_ascii=False) + "\n")


def description(preset):
    """Return the lines that tell people what a preset is."""
    dataset, evaluation = preset.dataset, preset.evaluation
    lines = [
        preset.title,
        f"Name: {preset.name}",
        f"Source: {preset.source}",
        f"Recipe: {preset.recipe}",
        f"Cases: {dataset['selection'] or 'all that are selected'}",
        f"Lesion: {dataset['label'] or 'every label of the mask'}",
        f"Parts: {_parts(dataset)}; trained: {', '.join(preset.folds)}",
        f"Network: {preset.configuration}, {preset.trainer}",
    ]
    lines += [f"- {name}: {_told(value)}" for table in (preset.plan, preset.settings) for name, value in table.items()]
    after = ", before and after the clean-up" if evaluation["cleanup"] else ""
    lines.append(f"Evaluation: {', '.join(evaluation['measures'])}{after}")
    lines += [f"By group: {', '.join(evaluation['groups'])}"] if evaluation["groups"] else []
    lines += [f"Published: {line}" for line in preset.published]
    return lines + [f"Note: {line}" for line in preset.notes]


def _parts(dataset):
    folds = f"{dataset['folds']} folds" if dataset["folds"] else "no folds"
    alike = f", alike in {', '.join(dataset['stratify'])}" if dataset["stratify"] else ""
    return f"{dataset['test']:.0%} for testing, {folds}{alike}"


def _told(value):
    if isinstance(value, dict):
        if "network_class_name" in value:
            kwargs = _told(value["arch_kwargs"])
            return value["network_class_name"] + (f" ({kwargs})" if kwargs else "")
        return ", ".join(f"{name} {_told(one)}" for name, one in value.items())
    if isinstance(value, list):
        return " × ".join(map(_told, value))
    return json.dumps(value) if isinstance(value, bool) or value is None else str(value)

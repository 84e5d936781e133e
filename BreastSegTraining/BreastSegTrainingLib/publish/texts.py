"""plans.json and dataset.json as they are published: what inference asks for, and nothing else."""

from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json

PLANS = (
    "dataset_name",
    "plans_name",
    "original_median_spacing_after_transp",
    "original_median_shape_after_transp",
    "image_reader_writer",
    "transpose_forward",
    "transpose_backward",
    "experiment_planner_used",
    "label_manager",
    "foreground_intensity_properties_per_channel",
)
DATASET = (
    "channel_names",
    "labels",
    "regions_class_order",
    "numTraining",
    "file_ending",
    "overwrite_image_reader_writer",
    "name",
    "description",
    "reference",
    "recipe",
    "recipe_hash",
)


def published_plans(path, configuration):
    """Return the plans with one configuration only, which inherits from no other.

    Parameters
    ----------
    path : Path
        plans.json of the training's model folder.
    configuration : str

    Raises
    ------
    BadInput
        If the plans are damaged or have no such configuration.
    """
    plans = read_json(path)
    table = plans.get("configurations") if isinstance(plans, dict) else None
    if not isinstance(table, dict) or configuration not in table:
        raise BadInput(f"The plans have no configuration {configuration}", path, "Train again with these plans")
    return {
        **{key: plans[key] for key in PLANS if key in plans},
        "configurations": {configuration: _with_inherited(table, configuration, path)},
    }


def published_dataset(path, licence):
    """Return dataset.json without lists of files and where things lie; the licence is that of the model."""
    description = read_json(path)
    if not isinstance(description, dict) or not description.get("channel_names") or not description.get("labels"):
        raise BadInput("The description of the dataset is damaged", path, "Export the dataset again")
    return {**{key: description[key] for key in DATASET if key in description}, "licence": licence}


def _with_inherited(table, name, path):
    chain = []
    while name is not None:
        if name in chain or not isinstance(table.get(name), dict):
            raise BadInput(f"The plans are damaged: {name} inherits wrongly", path)
        chain.append(name)
        name = table[name].get("inherits_from")
    merged = {}
    for one in reversed(chain):
        merged |= table[one]
    merged.pop("inherits_from", None)
    return merged

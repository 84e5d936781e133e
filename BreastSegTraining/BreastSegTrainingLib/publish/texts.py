"""plans.json and dataset.json as they are published: what inference asks for, and nothing else."""

import json

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


def published_fingerprint(path):
    """Return what the training's images were like: spacings, sizes and brightness, in no order of the cases.

    Parameters
    ----------
    path : Path
        nnU-Net's dataset_fingerprint.json of the training's model folder.

    Returns
    -------
    dict or None
        None where the file is missing or is not as nnU-Net writes it: a model does without.
    """
    try:
        found = read_json(path)
        shapes, spacings = found["shapes_after_crop"], found["spacings"]
        pairs = sorted((list(map(float, spacing)), list(map(int, shape))) for spacing, shape in zip(spacings, shapes))
        table = found["foreground_intensity_properties_per_channel"]
        kept = {
            "foreground_intensity_properties_per_channel": {
                str(int(channel)): {str(name): float(value) for name, value in row.items()}
                for channel, row in table.items()
            },
            "median_relative_size_after_cropping": float(found["median_relative_size_after_cropping"]),
            "shapes_after_crop": [shape for _, shape in pairs],
            "spacings": [spacing for spacing, _ in pairs],
        }
        json.dumps(kept, allow_nan=False)  # a training without any lesion has no brightness of lesions
    except (BadInput, KeyError, TypeError, ValueError, AttributeError):
        return None
    return kept


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

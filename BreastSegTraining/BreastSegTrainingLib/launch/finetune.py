"""Whether an installed model can be the beginning of a training, and what is taken over from it."""

from BreastSegLib.errors import BadInput
from BreastSegLib.models import find_model
from BreastSegLib.models.plans import check_network
from BreastSegLib.models.vetting import check_checkpoints

TAKEN = ("patch_size", "spacing", "architecture", "normalization", "resampling")


def check_pretrained(name, configuration, raw, plan):
    """Return the `Model` that a training begins with.

    Parameters
    ----------
    name : str
        Library name or folder.
    configuration : str
    raw : RawDataset
    plan : dict
        What the user changes in the plans: nothing that has to be the model's own.

    Raises
    ------
    BadInput
        If it is an ensemble, of another configuration, has other channels or labels, or its files are not trusted.
    """
    model = find_model(name)
    if model.members:
        raise BadInput(
            "The model is an ensemble, which has no weights of its own",
            model.name,
            f"Choose one of {', '.join(member.name for member in model.members)}",
        )
    network = check_network(model.folder)
    if network.configuration != configuration:
        raise BadInput(
            f"The model is of the configuration {network.configuration}",
            model.name,
            f"Train with --configuration {network.configuration}",
        )
    if len(network.channel_names) != len(raw.channels):
        raise BadInput(
            f"The model sees {len(network.channel_names)} channels ({', '.join(network.channel_names)}), "
            f"the dataset has {len(raw.channels)} ({', '.join(raw.channels)})",
            model.name,
            "Export the dataset with the recipe of the model",
        )
    if network.channel_names != raw.channels:
        raise BadInput(
            f"The model's channels are {', '.join(network.channel_names)}, those of the dataset "
            f"{', '.join(raw.channels)}",
            model.name,
            "Export the dataset with the recipe of the model",
        )
    labels = {name: value for name, value in raw.description["labels"].items() if name != "ignore"}
    if len(labels) != len(network.labels):
        raise BadInput(
            f"The model knows {len(network.labels) - 1} labels, the dataset has {len(labels) - 1}", model.name
        )
    both = [key for key in TAKEN if plan.get(key)]
    if both:
        raise BadInput(
            f"{' and '.join(both).replace('_', ' ')} of a fine-tuned training are those of the model",
            model.name,
            "Leave them out, or train without --pretrained",
        )
    names = [f"fold_{fold}/{model.checkpoint}" for fold in model.folds]
    check_checkpoints(model.folder, names, model.folder)
    return model

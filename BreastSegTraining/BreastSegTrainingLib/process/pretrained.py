"""Fine-tuning: what is taken over from an installed model, and its weights as the beginning."""

import tempfile
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json
from BreastSegLib.inference.networks.checkpoints import read_checkpoint
from BreastSegLib.models import open_model


def model_plan(training):
    """Return (configuration, plans) of the model that a training begins with, checked by `launch.finetune`."""
    model = open_model(training.pretrained, verify=False)
    plans = read_json(model.folder / "plans.json")
    table = plans["configurations"]
    name = training.configuration
    plan = {}
    while name is not None:
        if name not in table:
            raise BadInput(f"The model has no configuration {training.configuration}", model.name)
        plan = {**table[name], **plan}
        name = table[name].get("inherits_from")
    plan.pop("inherits_from", None)
    if "architecture" not in plan:
        raise BadInput(
            "The model's plans are of an old nnU-Net, which cannot be trained further",
            model.name,
            "Choose a model of nnU-Net 2.2 or later",
        )
    return plan, plans


def begin_with(trainer, training, fold):
    """Fill a trainer's network with the weights of the model, all but the last layer, as nnU-Net does.

    Of a model with several folds, the fold of the same name is taken, else its first one.

    Returns
    -------
    str
        What was taken.

    Raises
    ------
    BadInput
        If the checkpoint would run code, is damaged, or does not fit.
    """
    import torch
    from nnunetv2.run.load_pretrained_weights import load_pretrained_weights

    model = open_model(training.pretrained, verify=False)
    taken = str(fold) if str(fold) in model.folds else model.folds[0]
    content = read_checkpoint(model.folder / f"fold_{taken}" / model.checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        # nnU-Net opens files without looking: it gets one that holds tensors only.
        path = Path(folder, "weights.pth")
        torch.save({"network_weights": dict(content["network_weights"])}, path)
        try:
            load_pretrained_weights(trainer.network, str(path), verbose=False)
        except (AssertionError, RuntimeError) as error:
            raise BadInput(
                f"The weights of the model do not fit the network: {' '.join(str(error).split())[:200]}",
                model.name,
                "Train without --pretrained, or with the model's own architecture",
            ) from error
    return f"Began with the weights of {model.name}, fold {taken}"

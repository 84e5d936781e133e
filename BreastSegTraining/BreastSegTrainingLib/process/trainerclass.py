"""The class of a trainer: ours, or any that nnU-Net finds, which then gets the few things that ours have."""

import os
import types
from pathlib import Path

from BreastSegLib.errors import BadInput

from .. import trainers

OTHER_TRAINERS = "nnUNet_extTrainer"
# Our setting → what nnU-Net's trainers call it.
_NAMES = {
    "epochs": "num_epochs",
    "iterations": "num_iterations_per_epoch",
    "validation_iterations": "num_val_iterations_per_epoch",
    "checkpoint_every": "save_every",
}


def find_trainer(name, folder=None):
    """Return the class of a trainer.

    Parameters
    ----------
    name : str
    folder : Path, optional
        Where nnU-Net also looks (its ``nnUNet_extTrainer``), for this process only.

    Raises
    ------
    BadInput
        If there is no such trainer.
    """
    if name in trainers.names():
        from ..trainers.named import trainer_class

        return trainer_class(name)
    from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

    known = os.environ.get(OTHER_TRAINERS, "")
    os.environ[OTHER_TRAINERS] = os.pathsep.join(part for part in (known, str(folder or "")) if part)
    try:
        return recursive_find_trainer_class_by_name(name)
    except (RuntimeError, AssertionError) as error:
        raise BadInput(
            f"There is no trainer {name}", hint=f"Trainers: {', '.join(trainers.names())}, and those of nnU-Net"
        ) from error


def make_ready(trainer, settings):
    """Let a trainer of nnU-Net take our settings and stop after an epoch; ours can do that already."""
    if type(trainer).__name__ in trainers.names():
        return
    from ..trainers.checkpoints import LATEST, PREVIOUS

    unknown = sorted(set(settings) - set(_NAMES) - {"seed"})
    if unknown:
        raise BadInput(
            f"The trainer {type(trainer).__name__} cannot be told {', '.join(unknown)}",
            hint=f"Choose one of {', '.join(trainers.names())}",
        )
    for key, name in _NAMES.items():
        if isinstance(settings.get(key), int):
            setattr(trainer, name, settings[key])
    trainer.after_epoch = None
    end_epoch = trainer.on_epoch_end

    def on_epoch_end(self):
        end_epoch()
        try:
            self.after_epoch(self)
        except trainers.StopTraining:
            self.current_epoch -= 1
            self.save_checkpoint(os.path.join(self.output_folder, "checkpoint_latest.pth"))
            raise

    def save_checkpoint(self, filename):
        path = Path(filename)
        part = path.with_name(f".{path.name}.part")
        try:
            type(self).save_checkpoint(self, str(part))
            if path.name == LATEST and path.exists():
                os.replace(path, path.with_name(PREVIOUS))
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)

    trainer.on_epoch_end = types.MethodType(on_epoch_end, trainer)
    trainer.save_checkpoint = types.MethodType(save_checkpoint, trainer)

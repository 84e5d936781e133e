"""One fold run: plans, trains, validates and tells how it stands; each part goes on where an earlier run stopped."""

import logging
import os
import sys
import traceback
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json

from .. import trainers
from ..dataset.layout import DESCRIPTION
from ..launch.exits import ENDED, TOLD
from ..launch.foldstate import DONE, FAILED, now
from ..launch.rawdata import read_raw
from ..launch.training import ALL
from .devices import name_for_people, set_up
from .faults import explain
from .plan import prepare
from .pretrained import begin_with
from .teller import Teller, end_with
from .trainerclass import find_trainer, make_ready

LOST = "the loss is not a number: what is learnt is lost; try a smaller learning rate"
SUMMARY = Path("validation", "summary.json")

logger = logging.getLogger(__name__)


def run(training, fold):
    """Run one fold of a training to its end; an exit code (`launch.exits`)."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    end_with(os.getppid())
    tell = Teller(training.fold_folder(fold))
    tell.heed_signals()
    try:
        return _run(training, fold, tell)
    except trainers.StopTraining:
        return ENDED
    except Exception as error:  # whatever it is, the user gets one sentence, and the log all of it
        traceback.print_exc()
        code, message, hint = explain(error, tell.state.stage == "training")
        if code == TOLD:
            tell.close(FAILED, message=message, hint=hint, ended=now())
        return code


def _run(training, fold, tell):
    tell("planning", message="")
    read_raw(training.raw).cases_of(fold)  # a fold without cases ends here
    device = set_up(training)
    tell("planning", device=name_for_people(device))
    plans = prepare(training, tell)
    trainer = _trainer(training, fold, plans, device, tell)
    if not _is_final(training, fold):
        _train(trainer, tell)
    _validate(trainer, training, fold, tell)
    return 0


def _trainer(training, fold, plans, device, tell):
    """Return the trainer, with the newest checkpoint or the weights to begin with."""
    from ..trainers.checkpoints import NAMES, resume

    trainers.copy_to(training.model / "trainers")
    output = training.output(fold)
    going_on = any((output / name).is_file() for name in NAMES)
    table = plans["configurations"][training.configuration]
    batch = min(tell.state.batch_size or table["batch_size"], table["batch_size"])
    table = {**table, "batch_size": batch}
    plans = {**plans, "configurations": {training.configuration: table}, "continue_training": going_on}
    kind = find_trainer(training.trainer, training.model / "trainers")
    trainer = kind(
        plans=plans,
        configuration=training.configuration,
        fold=fold if fold == ALL else int(fold),
        dataset_json=read_json(training.preprocessed / DESCRIPTION),
        device=device,
    )
    make_ready(trainer, training.settings)
    epoch = 0
    if going_on:
        epoch, note = resume(trainer)
        if note:
            tell.note(note)
    elif training.pretrained:
        trainer.initialize()
        tell.note(begin_with(trainer, training, fold))
    tell("training", batch_size=batch, epoch=epoch, epochs=trainer.num_epochs)
    return trainer


def _train(trainer, tell):
    def after_epoch(trainer):
        tell.epoch(trainer.logger, trainer.num_epochs)
        loss = trainer.logger.get_value("train_losses", -1)
        if loss != loss and not any(LOST in note for note in tell.state.notes):
            tell.note(f"After epoch {len(trainer.logger.get_value('train_losses', None))} {LOST}")
        if tell.shall_stop:
            raise trainers.StopTraining

    trainer.after_epoch = after_epoch
    if tell.shall_stop:  # while it was planned
        raise trainers.StopTraining
    trainer.run_training()


def _is_final(training, fold):
    from ..trainers.checkpoints import FINAL, finished_epochs

    path = training.output(fold) / FINAL
    return path.is_file() and finished_epochs(path) is not None


def _validate(trainer, training, fold, tell):
    """Let nnU-Net predict and measure the validation cases of the fold, if that has not been done."""
    summary = training.output(fold) / SUMMARY
    if not summary.is_file() or (training.probabilities and not any(summary.parent.glob("*.npz"))):
        tell("validating", eta_s=None)
        trainer.perform_actual_validation(training.probabilities)
    if not summary.is_file():
        raise BadInput("The validation has left no summary", summary, "Resume the fold run")
    dice = read_json(summary)["foreground_mean"]["Dice"]
    dice = dice if isinstance(dice, float | int) and dice == dice else None
    tell.close(DONE, stage="", dice=dice, message="", hint="", ended=now())

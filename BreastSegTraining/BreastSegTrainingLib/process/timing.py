"""How long a training iteration takes on the device: a few are done, and nothing of them is kept."""

import logging
import shutil
import sys
import time
import traceback

from BreastSegLib.files import read_json, write_json

from ..dataset.layout import DESCRIPTION
from ..launch.measure import FILE
from .devices import name_for_people, set_up
from .faults import explain
from .plan import prepare
from .trainerclass import find_trainer, make_ready

WARM_UP = 2  # not counted: they pay for the choice of algorithms and for compiling

logger = logging.getLogger(__name__)


def run(training, iterations):
    """Measure and write ``timing.json`` into the training's folder; an exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    target = training.folder / FILE
    try:
        write_json(target, measured(training, iterations), overwrite=True)
    except Exception as error:  # whatever it is, the user gets one sentence, and the log all of it
        traceback.print_exc()
        code, message, hint = explain(error)
        write_json(target, {"message": message, "hint": hint}, overwrite=True)
        return code
    return 0


def measured(training, iterations):
    """Return what `launch.measure.measure` tells."""
    import torch

    device = set_up(training)
    plans = prepare(training)
    # Its files go into a folder of its own: the training has not begun.
    name = f"{training.plans}.timing"
    kind = find_trainer(training.trainer, training.model / "trainers")
    trainer = kind(
        plans={**plans, "plans_name": name, "continue_training": False},
        configuration=training.configuration,
        fold="all" if training.folds[0] == "all" else int(training.folds[0]),
        dataset_json=read_json(training.preprocessed / DESCRIPTION),
        device=device,
    )
    make_ready(trainer, training.settings)
    trainer.disable_checkpointing = True
    try:
        trainer.on_train_start()
        trainer.network.train()
        seconds = _seconds(trainer, device, iterations)
    finally:
        for loader in (trainer.dataloader_train, trainer.dataloader_val):
            if hasattr(loader, "_finish"):
                loader._finish()
        shutil.rmtree(trainer.output_folder_base, ignore_errors=True)
    return {
        "iteration_s": sorted(seconds)[len(seconds) // 2],
        "iterations": trainer.num_iterations_per_epoch,
        "epochs": trainer.num_epochs,
        "measured": iterations,
        "device": name_for_people(device),
        "memory": torch.cuda.max_memory_allocated() if device.type == "cuda" else None,
        "weights": sum(part.numel() for part in trainer.network.parameters()),
    }


def _seconds(trainer, device, iterations):
    import torch

    seconds = []
    for _ in range(WARM_UP + iterations):
        begin = time.perf_counter()
        trainer.train_step(next(trainer.dataloader_train))
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    return seconds[WARM_UP:]

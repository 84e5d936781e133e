"""How long an iteration takes on the device: measured by a child process that trains a few and keeps nothing."""

import os
import shutil
import subprocess

from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json

from . import interpreter
from .foldstate import LOG
from .gpus import visible

FILE = "timing.json"
TRIAL = "estimate"


def measure(training):
    """Return what was measured on the training's device.

    The data are planned and preprocessed for it, which the training needs in any case.

    Parameters
    ----------
    training : Training
        Written already.

    Returns
    -------
    dict
        ``iteration_s``, ``iterations`` (of an epoch), ``epochs``, ``measured`` (iterations), ``device``,
        ``memory`` (bytes on the GPU at most; None on the CPU).

    Raises
    ------
    BadInput
        If the child could not: with its reason.
    """
    path = training.folder / FILE
    path.unlink(missing_ok=True)
    environment = {**os.environ, **interpreter.environment(), **training.environment()}
    if training.devices:
        environment["CUDA_VISIBLE_DEVICES"] = visible(training.devices[0], os.environ)
    with open(training.folder / LOG, "ab") as log:
        command = interpreter.command("process", "time", training.folder)
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, check=False)
    if not path.is_file():
        raise BadInput("The measuring process has ended without a word", training.folder / LOG, "See its log")
    record = read_json(path)
    if "message" in record:
        raise BadInput(record["message"], training.name, record["hint"])
    return record


def measure_once(training):
    """Return what `measure` does for a training that is not begun: only the preprocessed data stay, for later."""
    trial = training.changed(name=f"{training.name[:90]}-{TRIAL}")
    shutil.rmtree(trial.folder, ignore_errors=True)
    trial.write()
    try:
        return measure(trial)
    finally:
        shutil.rmtree(trial.folder, ignore_errors=True)
        (trial.preprocessed / f"{trial.plans}.json").unlink(missing_ok=True)
        shutil.rmtree(trial.model, ignore_errors=True)
